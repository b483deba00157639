/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of taking on a caller's identity: what it changes, that all comes back, and that failing changes nothing. */
#include "passthrough_fixture.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* Who the thread is, as the kernel shows it: ids, groups, capabilities. */
static void who(char *to, size_t size)
{
	FILE *status = fopen("/proc/thread-self/status", "re");
	char line[1024];
	size_t len = 0;

	assert_non_null(status);
	to[0] = 0;
	while (fgets(line, sizeof(line), status)) {
		if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Groups:", 7) ||
		    !strncmp(line, "Cap", 3) || !strncmp(line, "Umask:", 6))
			len += (size_t)snprintf(to + len, size - len, "%s", line);
	}
	fclose(status);
}

struct case_of {
	struct graft_session session;
	struct graft_req req;
};

static struct case_of caller(uint32_t uid, uint32_t gid)
{
	return (struct case_of){.req = {.uid = uid, .gid = gid}};
}

static uint32_t effective(uint32_t cap)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	return data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

static void without(uint32_t cap)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[CAP_TO_INDEX(cap)].effective &= ~(uint32_t)CAP_TO_MASK(cap);
	data[CAP_TO_INDEX(cap)].permitted &= ~(uint32_t)CAP_TO_MASK(cap);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static int ngroups(void)
{
	return (int)syscall(SYS_getgroups, 0, NULL);
}

static void test_ids(void **state)
{
	struct case_of c = caller(1234, 5678);
	char before[4096], after[4096];
	struct creds creds;

	(void)state;
	c.req.session = &c.session;
	who(before, sizeof(before));
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_int_equal(geteuid(), 1234);
	assert_int_equal(getegid(), 5678);
	assert_int_equal(getuid(), 0);
	assert_false(effective(CAP_DAC_OVERRIDE));
	/* Groups were not sent, so the guest's check must do. */
	assert_true(creds_insist(&c.req, &creds));
	assert_true(effective(CAP_DAC_OVERRIDE));
	assert_false(effective(CAP_CHOWN));
	creds_leave(&creds);
	who(after, sizeof(after));
	assert_string_equal(before, after);

	c.session.flags = FUSE_CREATE_SUPP_GROUP;
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_false(creds_insist(&c.req, &creds));
	assert_false(effective(CAP_DAC_OVERRIDE));
	creds_leave(&creds);
	who(after, sizeof(after));
	assert_string_equal(before, after);
	/* Who is not switched to is refused for other reasons. */
	c = caller(0, 0);
	c.req.session = &c.session;
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_false(creds_insist(&c.req, &creds));
	creds_leave(&creds);
	who(after, sizeof(after));
	assert_string_equal(before, after);
}

static void test_one_id(void **state)
{
	struct case_of c = caller(0, 5678);
	char before[4096], after[4096];
	struct creds creds;

	(void)state;
	c.req.session = &c.session;
	who(before, sizeof(before));
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(getegid(), 5678);
	creds_leave(&creds);
	c.req.uid = 99;
	c.req.gid = 0;
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_int_equal(geteuid(), 99);
	assert_int_equal(getegid(), 0);
	creds_leave(&creds);
	who(after, sizeof(after));
	assert_string_equal(before, after);
}

/* Also for the guest's root, whose ids do not change. */
static void test_groups(void **state)
{
	const uint32_t groups[] = {7, 8, 9};
	const gid_t own[] = {20, 30};
	char before[4096], after[4096];
	struct creds creds;

	(void)state;
	assert_int_equal(syscall(SYS_setgroups, 2, own), 0);
	who(before, sizeof(before));
	for (uint32_t uid = 0; uid < 2; uid++) {
		struct case_of c = caller(uid * 1234, uid * 5678);
		gid_t now[8];

		c.req.session = &c.session;
		c.session.flags = FUSE_CREATE_SUPP_GROUP;
		c.req.has_groups = 1;
		c.req.ngroups = 3;
		c.req.groups = groups;
		assert_int_equal(creds_enter(&c.req, &creds), 0);
		assert_int_equal(syscall(SYS_getgroups, 8, now), 3);
		assert_int_equal(now[2], 9);
		creds_leave(&creds);
		who(after, sizeof(after));
		assert_string_equal(before, after);
		/* None at all is something else than not sent. */
		c.req.ngroups = 0;
		assert_int_equal(creds_enter(&c.req, &creds), 0);
		assert_int_equal(ngroups(), 0);
		creds_leave(&creds);
		c.req.has_groups = 0;
		assert_int_equal(creds_enter(&c.req, &creds), 0);
		assert_int_equal(ngroups(), 2);
		creds_leave(&creds);
		who(after, sizeof(after));
		assert_string_equal(before, after);
	}
}

/* A daemon that is itself in more groups than fit in the structure. */
static void test_many_groups(void **state)
{
	enum { N = 100 };
	const uint32_t group = 7;
	struct case_of c = caller(1234, 0);
	struct creds creds;
	gid_t own[N], now[N];

	(void)state;
	for (gid_t i = 0; i < N; i++)
		own[i] = 1000 + i;
	assert_int_equal(syscall(SYS_setgroups, N, own), 0);
	c.req.session = &c.session;
	c.req.has_groups = c.req.ngroups = 1;
	c.req.groups = &group;
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_int_equal(ngroups(), 1);
	creds_leave(&creds);
	assert_int_equal(syscall(SYS_getgroups, N, now), N);
	assert_memory_equal(own, now, sizeof(own));
	assert_int_equal(syscall(SYS_setgroups, 0, own), 0);
}

static void test_umask(void **state)
{
	struct case_of c = caller(0, 0);
	struct creds creds;
	mode_t old = umask(0);

	(void)state;
	c.req.session = &c.session;
	c.req.umask = 0137;
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_int_equal(umask(0), 0); /* the guest has applied it */
	creds_leave(&creds);
	c.session.flags = FUSE_DONT_MASK;
	assert_int_equal(creds_enter(&c.req, &creds), 0);
	assert_int_equal(umask(0137), 0137);
	creds_leave(&creds);
	assert_int_equal(umask(old), 0);
}

static void test_bad_callers(void **state)
{
	const uint32_t groups[] = {7};
	struct case_of c = caller(GRAFT_NO_ID, 0);
	char before[4096], after[4096];
	struct creds creds;

	(void)state;
	c.req.session = &c.session;
	who(before, sizeof(before));
	assert_int_equal(creds_enter(&c.req, &creds), -EOVERFLOW);
	c.req.uid = 0;
	c.req.gid = GRAFT_NO_ID;
	assert_int_equal(creds_enter(&c.req, &creds), -EOVERFLOW);
	c.req.uid = c.req.gid = 1234;
	c.req.has_groups = 1;
	c.req.groups = groups;
	c.req.ngroups = 65537;
	assert_int_equal(creds_enter(&c.req, &creds), -EINVAL);
	who(after, sizeof(after));
	assert_string_equal(before, after);
}

/* The steps before the one that fails are taken back. In a thread, as it gives capabilities up for good. */
static void *fail_late(void *arg)
{
	const uint32_t groups[] = {7};
	struct case_of c = caller(1234, 5678);
	char before[4096], after[4096];
	struct creds creds;

	c.req.session = &c.session;
	c.req.has_groups = c.req.ngroups = 1;
	c.req.groups = groups;
	without(CAP_SETUID);
	who(before, sizeof(before));
	*(int *)arg = creds_enter(&c.req, &creds);
	who(after, sizeof(after));
	return strcmp(before, after) ? "changed" : NULL;
}

static void test_failure_changes_nothing(void **state)
{
	pthread_t thread;
	void *complaint;
	int res = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, fail_late, &res), 0);
	pthread_join(thread, &complaint);
	assert_null(complaint);
	assert_int_equal(res, -EPERM);
}

static void test_fsetid(void **state)
{
	char before[4096], after[4096];
	bool dropped;

	(void)state;
	who(before, sizeof(before));
	dropped = creds_fsetid_drop();
	assert_true(dropped);
	assert_false(effective(CAP_FSETID));
	assert_false(creds_fsetid_drop());
	creds_fsetid_restore(false);
	assert_false(effective(CAP_FSETID));
	creds_fsetid_restore(dropped);
	who(after, sizeof(after));
	assert_string_equal(before, after);
}

/* Other threads stay who they are. */
static void *watch(void *arg)
{
	_Atomic bool *stop = arg;

	while (!atomic_load(stop)) {
		if (geteuid() != 0 || getegid() != 0)
			return "another thread's identity";
	}
	return NULL;
}

static void test_per_thread(void **state)
{
	struct case_of c = caller(1234, 5678);
	_Atomic bool stop = false;
	struct creds creds;
	pthread_t thread;
	void *complaint;

	(void)state;
	c.req.session = &c.session;
	assert_int_equal(pthread_create(&thread, NULL, watch, &stop), 0);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(creds_enter(&c.req, &creds), 0);
		creds_leave(&creds);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &complaint);
	assert_null(complaint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),	      cmocka_unit_test(test_one_id),
		cmocka_unit_test(test_groups),	      cmocka_unit_test(test_many_groups),
		cmocka_unit_test(test_umask),	      cmocka_unit_test(test_bad_callers),
		cmocka_unit_test(test_failure_changes_nothing), cmocka_unit_test(test_fsetid),
		cmocka_unit_test(test_per_thread),
	};

	if (geteuid() != 0) {
		puts("only root can be somebody else");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
