/* SPDX-License-Identifier: Apache-2.0 */
/* The idmap layer's files of ranges, and what a map that is closed makes of those who are foreign to it. */
#include "plugins/idmap/idmap.h"
#include "idmap_samples.h"
#include "plugins/idmap/values.h"

#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct graft_plugin graft_plugin_v1;

/* A host whose /etc is a folder of the test's. */
static char etc[64];

static int open_there(struct graft_slot *slot, const char *path, int flags, struct graft_error *err)
{
	char real[128];
	(void)slot;
	(void)err;

	assert_int_equal(strncmp(path, "/etc/", 5), 0);
	snprintf(real, sizeof(real), "%s/%s", etc, path + 5);
	int fd = open(real, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

__attribute__((format(printf, 3, 4))) static int fail_there(struct graft_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(err, code, fmt, ap);
	va_end(ap);
	return -code;
}

static void write_etc(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", etc, name);
	unlink(path);
	if (!text)
		return;
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int create_there(struct graft_inst **inst, struct graft_error *err)
{
	static const struct graft_host host = { .size = sizeof(host), .open = open_there, .fail = fail_there };
	static const struct im_settings set = { .subid = "alice" };

	*err = (struct graft_error){ 0 };
	return graft_plugin_v1.create(&host, NULL, &set, inst, err);
}

static void test_subid(void **state)
{
	struct graft_error err;
	struct graft_inst *inst;
	char path[128];
	(void)state;

	snprintf(etc, sizeof(etc), "/tmp/idmap-etc-XXXXXX");
	assert_non_null(mkdtemp(etc));
	assert_int_equal(create_there(&inst, &err), -ENOENT);
	assert_string_equal(err.text, "subid = alice: /etc/subuid cannot be opened: No such file or directory");
	write_etc("subuid", "alice:100000:10\n");
	write_etc("subgid", "1000:200000:20\n");
	assert_int_equal(create_there(&inst, &err), -ENOENT);
	assert_string_equal(err.text, "subid = alice: /etc/subgid has no range for 'alice'");
	write_etc("passwd", "alice:x:1000:\n");
	assert_int_equal(create_there(&inst, &err), 0);
	uint32_t uid = 9, gid = 19, no = 10, foreign = 5;
	assert_true(idmap_find(&inst->uids.to_host, &uid) && idmap_find(&inst->gids.to_host, &gid));
	assert_true(uid == 100009 && gid == 200019);
	assert_false(idmap_find(&inst->uids.to_host, &no));
	assert_true(idmap_find(&inst->uids.to_guest, &foreign) && foreign == NO_ID);
	graft_plugin_v1.destroy(inst);
	/* no file, and one without an end */
	write_etc("subgid", NULL);
	snprintf(path, sizeof(path), "%s/subgid", etc);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(create_there(&inst, &err), -EINVAL);
	assert_string_equal(err.text, "subid = alice: /etc/subgid is no regular file");
	write_etc("subgid", "");
	assert_int_equal(truncate(path, 1 << 21), 0);
	assert_int_equal(create_there(&inst, &err), -EFBIG);
	assert_string_equal(err.text, "subid = alice: /etc/subgid is longer than 1048576 bytes");
	write_etc("passwd", NULL);
	write_etc("subuid", NULL);
	write_etc("subgid", NULL);
	assert_int_equal(rmdir(etc), 0);
}

/* Who is foreign to a closed map: no owner, but nobody in an access list, where no id would void it. */
static void test_foreign(void **state)
{
	struct idmap m = { 0 };
	unsigned char acl[256], cap[64];
	uint32_t len = make_acl(acl, 5, 6), id;
	(void)state;

	assert_int_equal(idmap_close(&m, NULL), 0);
	assert_int_equal(value_translate(VALUE_ACL, &m.to_guest, &m.to_guest, acl, len), 0);
	memcpy(&id, acl + 4 + 8 + 4, 4);
	assert_int_equal(le32toh(id), VALUE_NOBODY);
	len = make_cap(cap, VFS_CAP_REVISION_3, 5);
	assert_int_equal(value_translate(VALUE_CAPABILITY, &m.to_guest, &m.to_guest, cap, len), 0);
	memcpy(&id, cap + 20, 4);
	assert_int_equal(id, NO_ID);
	make_acl(acl, NO_ID, NO_ID);
	assert_int_equal(value_translate(VALUE_ACL, &m.to_host, &m.to_host, acl, 20), 0);
	memcpy(&id, acl + 4 + 8 + 4, 4);
	assert_int_equal(id, NO_ID);
	idmap_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subid),
		cmocka_unit_test(test_foreign),
	};
	return cmocka_run_group_tests_name("idmap-files", tests, NULL, NULL);
}
