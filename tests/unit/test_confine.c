/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what a configuration keeps: words of modcaps, capabilities, and the list of system calls. */
#include "server/config_internal.h"
#include "server/sandbox/caps.h"
#include "server/sandbox/modcaps.h"
#include "server/sandbox/seccomp_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define SERVER	  "[server]\nsandbox = none\nseccomp = kill\nplugin-dir = " TEST_PLUGIN_DIR "\n"
#define TRANSPORT "[transport vhost-user]\nsocket = /run/x.sock\n"
#define FUSE	  "[transport fuse]\nmountpoint = /mnt\n"
#define MOUNT	  "[mount web]\nat = /\ntype = passthrough\nsource = /srv\n"
#define IMAGE	  "[mount web]\nat = /\ntype = nydus-rafs\nsource = /boot\nblob-dir = /blobs\n"

#define BASE UINT64_C(0x880000df) /* reference 6.4 */
#define BIT  CAPS_BIT

/* ---- modcaps ---- */

static void modcaps_good(void **state)
{
	static const struct {
		const char *text;
		struct caps_change change;
	} cases[] = {
		{ NULL, { 0, 0 } },
		{ "+sys_admin", { BIT(CAP_SYS_ADMIN), 0 } },
		{ "+SYS_ADMIN:-Mknod", { BIT(CAP_SYS_ADMIN), BIT(CAP_MKNOD) } },
		{ "+chown:-chown", { 0, BIT(CAP_CHOWN) } },
		{ "-chown:+chown:+chown", { BIT(CAP_CHOWN), 0 } },
		{ "+checkpoint_restore", { BIT(CAP_CHECKPOINT_RESTORE), 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct caps_change change = { 1, 1 };
		struct graft_error err = { 0 };

		assert_int_equal(caps_parse(cases[i].text, &change, &err), 0);
		assert_int_equal(change.add, cases[i].change.add);
		assert_int_equal(change.drop, cases[i].change.drop);
	}
}

static void modcaps_bad(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "", "empty modcap found: ''" },
		{ "+chown:", "empty modcap found: '+chown:'" },
		{ ":+chown", "empty modcap found: ':+chown'" },
		{ "+chown::-mknod", "empty modcap found: '+chown::-mknod'" },
		{ "chown", "invalid modcap action: 'c' of 'chown': + keeps a capability, - drops it" },
		{ "+chown:=x", "invalid modcap action: '=' of '=x': + keeps a capability, - drops it" },
		{ "+BOGUS", "invalid capability 'BOGUS': the names are those of capabilities(7), without CAP_" },
		{ "+", "invalid capability '': the names are those of capabilities(7), without CAP_" },
		{ "-cap_chown", "invalid capability 'cap_chown': the names are those of capabilities(7), without CAP_" },
		{ "+ chown", "invalid capability ' chown': the names are those of capabilities(7), without CAP_" },
		{ "+chownchownchownchownchownchownchown",
		  "invalid capability 'chownchownchownchownchownchownchown': the names are those of capabilities(7), without CAP_" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct caps_change change;
		struct graft_error err = { 0 };

		assert_int_equal(caps_parse(cases[i].text, &change, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].said);
	}
}

/* ---- configurations ---- */

struct made {
	struct config *config;
	struct plugin_registry *registry;
};

static struct made make(const char *text)
{
	struct made m = { 0 };
	struct graft_error err = { 0 };

	m.config = config_read_text("t.ini", text, strlen(text), NULL, &m.registry, &err);
	if (!m.config)
		fail_msg("%s", err.text);
	return m;
}

static void drop(struct made *m)
{
	config_free(m->config);
	plugin_registry_free(m->registry);
}

static void kept_is(const char *text, bool outside, uint64_t want)
{
	struct made m = make(text);
	struct graft_error err = { 0 };
	uint64_t kept = 0;

	assert_int_equal(caps_kept(m.config, m.registry, outside, &kept, &err), 0);
	assert_int_equal(kept, want);
	drop(&m);
}

static void kept(void **state)
{
	const uint64_t no_handles = BASE & ~BIT(CAP_DAC_READ_SEARCH);

	(void)state;
	kept_is(SERVER TRANSPORT MOUNT, false, BASE);
	kept_is(SERVER TRANSPORT MOUNT "inode-file-handles = mandatory\n", false, BASE);
	kept_is(SERVER TRANSPORT MOUNT "inode-file-handles = never\n", false, no_handles);
	/* a mount that comes later may want them */
	kept_is(SERVER "api-socket = /run/a.sock\n" TRANSPORT MOUNT "inode-file-handles = never\n", false, BASE);
	kept_is(SERVER "modcaps = -dac_read_search:-mknod\n" TRANSPORT MOUNT "inode-file-handles = never\n", true,
		no_handles & ~BIT(CAP_MKNOD));
	kept_is(SERVER "modcaps = +dac_read_search:+sys_admin\n" TRANSPORT MOUNT "inode-file-handles = never\n", true,
		BASE | BIT(CAP_SYS_ADMIN));
	/* each plugin says what it needs */
	kept_is(SERVER TRANSPORT IMAGE, false, BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER));
	kept_is(SERVER TRANSPORT MOUNT "inode-file-handles = never\nlayers = idmap\n", false, no_handles);
	/* mounts of /dev/fuse, unless a helper makes them */
	kept_is(SERVER FUSE MOUNT, false, BASE | BIT(CAP_SYS_ADMIN));
	kept_is(SERVER FUSE MOUNT, true, BASE);
	/* a plugin that says nothing */
	kept_is(SERVER "plugins = abi-v1-0\n" TRANSPORT IMAGE, true, BASE & ~BIT(CAP_DAC_READ_SEARCH));
}

static void kept_refused(void **state)
{
	struct made m = make(SERVER "modcaps = -dac_read_search\n" TRANSPORT MOUNT);
	struct graft_error err = { 0 };
	uint64_t kept;

	(void)state;
	assert_int_equal(caps_kept(m.config, m.registry, false, &kept, &err), -EINVAL);
	assert_string_equal(err.text, "can't disable DAC_READ_SEARCH when using inode-file-handles=prefer");
	drop(&m);
}

/* ---- the list ---- */

static const struct seccomp_rule *find(const struct seccomp_list *list, int call, size_t *n)
{
	const struct seccomp_rule *first = NULL;

	*n = 0;
	for (size_t i = 0; i < list->n; i++) {
		if (list->rules[i].call != call)
			continue;
		first = first ? first : &list->rules[i];
		++*n;
	}
	return first;
}

static bool has(const struct seccomp_list *list, int call)
{
	size_t n;

	return find(list, call, &n) != NULL;
}

static void parts(void **state)
{
	static struct seccomp_list list;
	struct made m = make(SERVER TRANSPORT MOUNT);
	struct graft_error err = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(seccomp_list_make(&list, m.config, m.registry, false, &err), 0);
	assert_true(has(&list, SCMP_SYS(recvmsg)) && has(&list, SCMP_SYS(openat)) && has(&list, SCMP_SYS(linkat)));
	assert_false(has(&list, SCMP_SYS(mount)) || has(&list, SCMP_SYS(shutdown)) || has(&list, SCMP_SYS(execve)) ||
		     has(&list, SCMP_SYS(socket)) || has(&list, SCMP_SYS(io_uring_setup)));
#ifndef GRAFT_SANITIZED
	assert_int_equal(find(&list, SCMP_SYS(mmap), &n)->nargs, 1);
	assert_false(has(&list, SCMP_SYS(ptrace)));
#endif
	/* four numbers, all of the plugin's */
	assert_int_equal(find(&list, SCMP_SYS(ioctl), &n)->nargs, 1);
	assert_int_equal(n, 4);
	drop(&m);

	m = make(SERVER "api-socket = /run/a.sock\n" FUSE IMAGE);
	assert_int_equal(seccomp_list_make(&list, m.config, m.registry, false, &err), 0);
	assert_true(has(&list, SCMP_SYS(mount)) && has(&list, SCMP_SYS(shutdown)));
	assert_false(has(&list, SCMP_SYS(setresuid)));
	assert_int_equal(seccomp_list_make(&list, m.config, m.registry, true, &err), 0);
	assert_false(has(&list, SCMP_SYS(mount)) || has(&list, SCMP_SYS(umount2)));
	drop(&m);
}

static void one_rule_for_all(void **state)
{
	static struct seccomp_list list;
	const struct seccomp_rule any = { .call = SCMP_SYS(ioctl) };
	struct graft_error err = { 0 };
	size_t n;

	(void)state;
	list.n = 0;
	assert_int_equal(seccomp_list_add_word(&list, "p", "ioctl:FS_IOC_GETFLAGS", &err), 0);
	assert_int_equal(seccomp_list_add_word(&list, "p", "ioctl:0x1234", &err), 0);
	assert_int_equal(seccomp_list_add_word(&list, "p", "ioctl:4660", &err), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(find(&list, SCMP_SYS(ioctl), &n)->args[0].datum_b, (uint32_t)FS_IOC_GETFLAGS);
	assert_int_equal(seccomp_list_add_word(&list, "p", "getpid", &err), 0);
	assert_int_equal(seccomp_list_add(&list, "x", &any), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(find(&list, SCMP_SYS(ioctl), &n)->nargs, 0);
	assert_int_equal(seccomp_list_add_word(&list, "p", "ioctl:7", &err), 0);
	assert_int_equal(list.n, 2);
	/* what the server has with certain arguments only a plugin does not widen */
	assert_int_equal(seccomp_list_add_word(&list, "p", "mmap", &err), 0);
	assert_int_equal(seccomp_list_add_word(&list, "p", "prctl", &err), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(seccomp_list_add_word(&list, "p", "socket:AF_INET", &err), 0);
	assert_int_equal(list.n, 3);
}

static void words_refused(void **state)
{
	static const struct {
		const char *word, *said;
	} cases[] = {
		{ "opne", "plugin p declares the system call 'opne', which there is none here" },
		{ "", "plugin p declares the system call '', which there is none here" },
		{ "_newselect", "plugin p declares the system call '_newselect', which there is none here" },
		{ "ioctl:", "plugin p declares the system call 'ioctl:': what stands behind ':' is not known" },
		{ "ioctl:FS_IOC_X", "plugin p declares the system call 'ioctl:FS_IOC_X': what stands behind ':' is not known" },
		{ "ioctl:0x100000000",
		  "plugin p declares the system call 'ioctl:0x100000000': what stands behind ':' is not known" },
		{ "ioctl:1x", "plugin p declares the system call 'ioctl:1x': what stands behind ':' is not known" },
		{ "ioctl:-1", "plugin p declares the system call 'ioctl:-1': what stands behind ':' is not known" },
		{ "read:1", "plugin p declares the system call 'read:1': what stands behind ':' is not known" },
	};
	static struct seccomp_list list;

	(void)state;
	list.n = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct graft_error err = { 0 };

		assert_int_equal(seccomp_list_add_word(&list, "p", cases[i].word, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].said);
	}
	assert_int_equal(list.n, 0);
}

static void full(void **state)
{
	static struct seccomp_list list;
	struct seccomp_rule rule = { .call = SCMP_SYS(ioctl), .nargs = 1 };

	(void)state;
	list.n = 0;
	for (uint32_t i = 0; i < SECCOMP_RULES_MAX; i++) {
		rule.args[0] = SCMP_CMP64(1, SCMP_CMP_EQ, i, 0);
		assert_int_equal(seccomp_list_add(&list, "x", &rule), 0);
	}
	rule.args[0] = SCMP_CMP64(1, SCMP_CMP_EQ, SECCOMP_RULES_MAX, 0);
	assert_int_equal(seccomp_list_add(&list, "x", &rule), -E2BIG);
	/* room again: one rule takes the place of all */
	assert_int_equal(seccomp_list_add(&list, "x", &(struct seccomp_rule){ .call = SCMP_SYS(ioctl) }), 0);
	assert_int_equal(list.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modcaps_good),	    cmocka_unit_test(modcaps_bad),   cmocka_unit_test(kept),
		cmocka_unit_test(kept_refused),	    cmocka_unit_test(parts),	     cmocka_unit_test(one_rule_for_all),
		cmocka_unit_test(words_refused),    cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
