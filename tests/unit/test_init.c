/* SPDX-License-Identifier: Apache-2.0 */
/* INIT: the negotiation by table, and what a session begins and ends with. */
#include "server_probe.h"
#include "server_rig.h"

#include "server/fuse/init.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL UINT64_MAX
/* What virtiofsd 1.14 answers a client that offers everything, but for SUBMOUNTS, which is a key here, and ATOMIC_O_TRUNC (init.c). */
#define ALWAYS_SET                                                                                                     \
	(FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_HAS_IOCTL_DIR | FUSE_AUTO_INVAL_DATA |         \
	 FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_INIT_EXT | FUSE_CREATE_SUPP_GROUP |             \
	 FUSE_ALLOW_IDMAP)
#define BOTH (FUSE_PASSTHROUGH | FUSE_WRITEBACK_CACHE)
#define ACL (FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT)

struct expectation {
	uint64_t offered, can, want, need;
	int key; /* one that is not auto, or -1 */
	uint32_t value;
	int res;
	uint64_t enabled;
	const char *text; /* in the error */
};

static const struct expectation table[] = {
	{ ALL, ALL, 0, 0, -1, 0, 0, ALWAYS_SET, NULL },
	{ FUSE_INIT_EXT | FUSE_MAX_PAGES, ALL, 0, 0, -1, 0, 0, FUSE_INIT_EXT | FUSE_MAX_PAGES, NULL },
	/* What some mount cannot is not negotiated. */
	{ ALL, ~(uint64_t)FUSE_ASYNC_DIO, 0, 0, -1, 0, 0, ALWAYS_SET & ~(uint64_t)FUSE_ASYNC_DIO, NULL },
	{ ALL, ~(uint64_t)FUSE_WRITEBACK_CACHE, FUSE_WRITEBACK_CACHE, 0, -1, 0, 0, ALWAYS_SET, NULL },
	/* auto follows the mounts. */
	{ ALL, ALL, FUSE_WRITEBACK_CACHE, 0, -1, 0, 0, ALWAYS_SET | FUSE_WRITEBACK_CACHE, NULL },
	{ ALL, ALL, FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO, 0, -1, 0, 0,
	  ALWAYS_SET | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO, NULL },
	{ ALL & ~(uint64_t)FUSE_DO_READDIRPLUS, ALL, FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO, 0, -1, 0, 0,
	  ALWAYS_SET, NULL },
	{ ALL, ALL, FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS, 0, -1, 0, 0,
	  ALWAYS_SET | FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS, NULL },
	{ ALL, ALL, FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT, 0, -1, 0, 0,
	  ALWAYS_SET | FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT, NULL },
	{ ALL, ~(uint64_t)FUSE_NO_OPENDIR_SUPPORT, 0, 0, CONFIG_KEY_NO_OPEN, CONFIG_FLAG_ALWAYS, 0,
	  ALWAYS_SET | FUSE_NO_OPEN_SUPPORT, NULL },
	{ ALL, ~(uint64_t)FUSE_NO_OPEN_SUPPORT, 0, 0, CONFIG_KEY_NO_OPEN, CONFIG_FLAG_ALWAYS, -EPROTO, 0,
	  "FUSE_NO_OPEN_SUPPORT is set to always and cannot be served here" },
	{ ALL, ALL, FUSE_HANDLE_KILLPRIV_V2 | FUSE_SECURITY_CTX, 0, -1, 0, 0,
	  ALWAYS_SET | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SECURITY_CTX, NULL },
	/* Flags that are never negotiated, whoever wants them. */
	{ ALL, ALL, FUSE_EXPORT_SUPPORT | FUSE_HANDLE_KILLPRIV | FUSE_ATOMIC_O_TRUNC, 0, -1, 0, 0, ALWAYS_SET, NULL },
	/* never. */
	{ ALL, ALL, FUSE_WRITEBACK_CACHE, 0, CONFIG_KEY_WRITEBACK, CONFIG_FLAG_NEVER, 0, ALWAYS_SET, NULL },
	/* always, whether a mount wants it or not. */
	{ ALL, ALL, 0, 0, CONFIG_KEY_WRITEBACK, CONFIG_FLAG_ALWAYS, 0, ALWAYS_SET | FUSE_WRITEBACK_CACHE, NULL },
	{ ALL, ALL, 0, 0, CONFIG_KEY_LOCKS, CONFIG_FLAG_ALWAYS, 0, ALWAYS_SET | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS,
	  NULL },
	{ ALL, ALL, 0, 0, CONFIG_KEY_ALLOW_MMAP, CONFIG_FLAG_ALWAYS, 0, ALWAYS_SET | FUSE_DIRECT_IO_ALLOW_MMAP, NULL },
	{ ALWAYS_SET, ALL, 0, 0, CONFIG_KEY_WRITEBACK, CONFIG_FLAG_ALWAYS, -EPROTO, 0,
	  "FUSE_WRITEBACK_CACHE is set to always and not offered by the client" },
	{ ALL, ~(uint64_t)FUSE_WRITEBACK_CACHE, 0, 0, CONFIG_KEY_WRITEBACK, CONFIG_FLAG_ALWAYS, -EPROTO, 0,
	  "FUSE_WRITEBACK_CACHE is set to always and cannot be served here" },
	{ ALL & ~(uint64_t)FUSE_READDIRPLUS_AUTO, ALL, 0, 0, CONFIG_KEY_READDIRPLUS, CONFIG_FLAG_ALWAYS, 0,
	  ALWAYS_SET | FUSE_DO_READDIRPLUS, NULL },
	/* All three or none. */
	{ ALL, ALL, FUSE_POSIX_ACL, 0, -1, 0, 0, ALWAYS_SET | ACL, NULL },
	{ ALL & ~(uint64_t)FUSE_DONT_MASK, ALL, ACL, 0, -1, 0, 0, ALWAYS_SET, NULL },
	{ ALL & ~(uint64_t)FUSE_SETXATTR_EXT, ALL, ACL, 0, -1, 0, 0, ALWAYS_SET, NULL },
	{ ALL & ~(uint64_t)FUSE_SETXATTR_EXT, ALL, 0, 0, CONFIG_KEY_POSIX_ACL, CONFIG_FLAG_ALWAYS, -EPROTO, 0,
	  "set to always" },
	/* Passthrough of files, or writeback: what is insisted on, else writeback. */
	{ ALL, ALL, FUSE_PASSTHROUGH, 0, -1, 0, 0, ALWAYS_SET | FUSE_PASSTHROUGH, NULL },
	{ ALL, ALL, FUSE_PASSTHROUGH, 0, CONFIG_KEY_PASSTHROUGH, CONFIG_FLAG_NEVER, 0, ALWAYS_SET, NULL },
	{ ALL, ALL, BOTH, 0, -1, 0, 0, ALWAYS_SET | FUSE_WRITEBACK_CACHE, NULL },
	{ ALL, ALL, BOTH, 0, CONFIG_KEY_PASSTHROUGH, CONFIG_FLAG_ALWAYS, 0, ALWAYS_SET | FUSE_PASSTHROUGH, NULL },
	{ ALL, ALL, BOTH, 0, CONFIG_KEY_WRITEBACK, CONFIG_FLAG_NEVER, 0, ALWAYS_SET | FUSE_PASSTHROUGH, NULL },
	{ ALL, ALL, BOTH, FUSE_WRITEBACK_CACHE, CONFIG_KEY_PASSTHROUGH, CONFIG_FLAG_ALWAYS, -EPROTO, 0,
	  "FUSE_PASSTHROUGH is set to always and cannot be served here" },
	{ ALL, ~FUSE_PASSTHROUGH, 0, 0, CONFIG_KEY_PASSTHROUGH, CONFIG_FLAG_ALWAYS, -EPROTO, 0,
	  "FUSE_PASSTHROUGH is set to always and cannot be served here" },
	{ ALL & ~FUSE_PASSTHROUGH, ALL, FUSE_PASSTHROUGH, 0, -1, 0, 0, ALWAYS_SET, NULL },
	/* A mount's need. */
	{ ALWAYS_SET, ALL, FUSE_POSIX_ACL, FUSE_POSIX_ACL, -1, 0, -EPROTO, 0,
	  "FUSE_POSIX_ACL is needed by a mount and not offered by the client" },
	{ ALL, ALL, FUSE_POSIX_ACL, FUSE_POSIX_ACL, CONFIG_KEY_POSIX_ACL, CONFIG_FLAG_NEVER, -EPROTO, 0,
	  "FUSE_POSIX_ACL is needed by a mount and cannot be served here" },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct expectation *e = &table[i];
		uint32_t keys[CONFIG_KEY_COUNT] = { 0 };
		struct init_policy policy = { e->can, e->want, e->need, keys, false };
		struct fuse_init_in in = { .major = 7,
					   .minor = 38,
					   .max_readahead = 131072,
					   .flags = (uint32_t)e->offered,
					   .flags2 = (uint32_t)(e->offered >> 32) };
		struct fuse_init_out out;
		struct graft_error err = { 0 };
		uint64_t enabled = 0;

		if (e->key >= 0)
			keys[e->key] = e->value;
		int res = init_negotiate(&in, &policy, &out, &enabled, &err);
		if (res != e->res || (!res && enabled != e->enabled))
			fail_msg("row %zu: %d, 0x%llx, %s", i, res, (unsigned long long)enabled, err.text);
		if (res) {
			assert_non_null(strstr(err.text, e->text));
			continue;
		}
		assert_int_equal(out.flags | (uint64_t)out.flags2 << 32, enabled);
		assert_int_equal(out.minor, 38);
		assert_int_equal(out.max_readahead, 131072);
		assert_int_equal(out.max_write, 1 << 20);
		assert_int_equal(out.max_background, 65535);
		assert_int_equal(out.congestion_threshold, 49149);
		assert_int_equal(out.time_gran, 1);
		assert_int_equal(out.max_pages, (1 << 20) / sysconf(_SC_PAGESIZE));
	}
}

static void test_versions(void **state)
{
	static const struct {
		uint32_t major, minor;
		int res;
		uint32_t answer;
	} versions[] = {
		{ 7, 31, 0, 31 },     { 7, 45, 0, 45 },      { 7, 46, 0, 45 },
		{ 7, 999, 0, 45 },    { 7, 30, -EPROTO, 0 }, { 6, 99, -EPROTO, 0 },
		{ 0, 0, -EPROTO, 0 }, { 8, 0, 1, 45 },       { UINT32_MAX, 0, 1, 45 },
	};
	uint32_t keys[CONFIG_KEY_COUNT] = { 0 };
	struct init_policy policy = { ALL, 0, 0, keys, false };

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct fuse_init_in in = { .major = versions[i].major, .minor = versions[i].minor };
		struct fuse_init_out out;
		struct graft_error err = { 0 };
		uint64_t enabled;

		assert_int_equal(init_negotiate(&in, &policy, &out, &enabled, &err), versions[i].res);
		if (versions[i].res < 0) {
			assert_non_null(strstr(err.text, "FUSE"));
			continue;
		}
		assert_int_equal(out.major, 7);
		assert_int_equal(out.minor, versions[i].answer);
		assert_int_equal(out.flags, 0);
	}
}

/* Without INIT_EXT the second word means nothing. */
static void test_flags2_needs_ext(void **state)
{
	uint32_t keys[CONFIG_KEY_COUNT] = { 0 };
	struct init_policy policy = { ALL, 0, 0, keys, false };
	struct fuse_init_in in = { .major = 7, .minor = 31, .flags = FUSE_MAX_PAGES, .flags2 = UINT32_MAX };
	struct fuse_init_out out;
	struct graft_error err = { 0 };
	uint64_t enabled;

	(void)state;
	assert_int_equal(init_negotiate(&in, &policy, &out, &enabled, &err), 0);
	assert_int_equal(enabled, FUSE_MAX_PAGES);
	assert_int_equal(out.flags2, 0);
}

static struct rig *new_rig(void)
{
	static const struct rig_mount mount = { "web", "/", { &probe_plugin } };

	probe_features = (struct graft_features){ .can = UINT64_MAX };
	probe_reset();
	return rig_new(&mount, 1);
}

static int getattr(struct rig *rig, struct rig_request *q)
{
	struct fuse_getattr_in in = { 0 };

	return rig_call(rig, q, FUSE_GETATTR, 1, &in, sizeof(in), NULL, 0);
}

static void test_session_life(void **state)
{
	struct rig *rig = new_rig();
	struct rig_request *q = rig_request_new();
	struct fuse_init_in old = { .major = 6 };

	(void)state;
	assert_int_equal(getattr(rig, q), -EBADF);
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(getattr(rig, q), 0);
	uint64_t first = probe.req.session->id;
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(getattr(rig, q), 0);
	assert_true(probe.req.session->id > first);
	assert_int_equal(probe.req.session->minor, 45);
	assert_int_equal(probe.req.session->transport, GRAFT_VHOST_USER);
	/* DESTROY has no reply. */
	rig_fill(rig, q, FUSE_DESTROY, 0, NULL, 0, NULL, 0, RIG_ROOM);
	assert_true(rig_serve(rig, q));
	rig_wait(q);
	assert_int_equal(q->t.used, 0);
	assert_int_equal(getattr(rig, q), -EBADF);
	/* An INIT that is refused ends the session too. */
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_INIT, 0, &old, sizeof(old), NULL, 0), -EPROTO);
	assert_int_equal(getattr(rig, q), -EBADF);
	/* A device reset ends it, and the connection goes on. */
	assert_int_equal(rig_init(rig, 0), 0);
	rig->transport.client->reset(rig->conn);
	assert_int_equal(probe_sessions, 0);
	assert_int_equal(getattr(rig, q), -EBADF);
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(getattr(rig, q), 0);
	rig_request_free(q);
	rig_free(rig);
	assert_int_equal(probe_sessions, 0);
}

/* Lengths of INIT: 16 bytes before 7.36, 64 since, more one day. */
static void test_lengths(void **state)
{
	struct rig *rig = new_rig();
	struct rig_request *q = rig_request_new();
	unsigned char in[128] = { 7, 0, 0, 0, 31, 0, 0, 0 };

	(void)state;
	assert_int_equal(rig_call(rig, q, FUSE_INIT, 0, in, 16, NULL, 0), 0);
	assert_int_equal(rig_data_len(q), 64);
	assert_int_equal(rig_call(rig, q, FUSE_INIT, 0, in, 64, NULL, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_INIT, 0, in, 128, NULL, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_INIT, 0, in, 15, NULL, 0), -EINVAL);
	rig_fill(rig, q, FUSE_INIT, 0, in, 64, NULL, 0, 16 + 63);
	rig_serve(rig, q);
	rig_wait(q);
	assert_int_equal(rig_error(q), -EINVAL);
	rig_request_free(q);
	rig_free(rig);
}

/* Features that contradict each other are the plugin's fault, told at start. */
static void test_bad_features(void **state)
{
	static const struct rig_mount mount = { "web", "/", { &probe_plugin } };
	struct graft_error err = { 0 };

	(void)state;
	probe_features = (struct graft_features){ .can = 1, .want = 2 };
	assert_null(rig_try(&mount, 1, &err));
	assert_non_null(strstr(err.text, "[mount web]: plugin probe"));
	probe_features = (struct graft_features){ .can = 3, .want = 1, .need = 2 };
	assert_null(rig_try(&mount, 1, &err));
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(init_flag_name(FUSE_WRITEBACK_CACHE), "WRITEBACK_CACHE");
	assert_string_equal(init_flag_name(FUSE_SECURITY_CTX), "SECURITY_CTX");
	assert_string_equal(init_flag_name(1ull << 63), "?");
}

/* A session that may go to nydusd has no flag that nydusd does not know, but where somebody insists. */
static void test_portable(void **state)
{
	const uint64_t newer = FUSE_SETXATTR_EXT | FUSE_CREATE_SUPP_GROUP | FUSE_ALLOW_IDMAP | FUSE_PASSTHROUGH | FUSE_SECURITY_CTX;
	struct fuse_init_in in = { .major = 7, .minor = 45, .flags = UINT32_MAX, .flags2 = UINT32_MAX };
	uint32_t keys[CONFIG_KEY_COUNT] = { 0 };
	struct init_policy policy = { ALL, ALL, 0, keys, true };
	struct fuse_init_out out;
	uint64_t enabled;

	(void)state;
	assert_int_equal(init_negotiate(&in, &policy, &out, &enabled, NULL), 0);
	assert_int_equal(enabled & ~INIT_PORTABLE, 0);
	assert_true(enabled & FUSE_WRITEBACK_CACHE);
	policy.portable = false;
	assert_int_equal(init_negotiate(&in, &policy, &out, &enabled, NULL), 0);
	assert_true(enabled & newer);
	policy.portable = true;
	policy.need = FUSE_SECURITY_CTX;
	keys[CONFIG_KEY_POSIX_ACL] = CONFIG_FLAG_ALWAYS;
	assert_int_equal(init_negotiate(&in, &policy, &out, &enabled, NULL), 0);
	assert_int_equal(enabled & ~INIT_PORTABLE, FUSE_SECURITY_CTX | FUSE_SETXATTR_EXT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_flags2_needs_ext),
		cmocka_unit_test(test_session_life),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_bad_features),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_portable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
