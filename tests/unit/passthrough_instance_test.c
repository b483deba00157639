/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the plugin object: sources good and bad, features by option, timeouts by cache mode, sessions. */
#include "passthrough_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NS UINT64_C(1000000000)

static void test_good_source(void **state)
{
	struct fixture *f = *state;
	int before = fixture_open_fds();

	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 0);
	fixture_stop(f);
	assert_int_equal(fixture_open_fds(), before);
}

static void test_source_is_link(void **state)
{
	struct fixture *f = *state;
	const char *link = fixture_path(f, "link");
	struct fuse_attr attr;

	assert_int_equal(mkdir(fixture_path(f, "real"), 0755), 0);
	assert_int_equal(symlink("real", link), 0);
	f->set.source = link;
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_getattr(f, GRAFT_ROOT_NODE, &attr), 0);
	assert_true(S_ISDIR(attr.mode));
}

static void refused(struct fixture *f, const char *source, int code, const char *text)
{
	int before = fixture_open_fds();

	f->set.source = source;
	assert_int_equal(fixture_start(f), -code);
	assert_int_equal(f->err.code, code);
	assert_non_null(strstr(f->err.text, text));
	assert_non_null(strstr(f->err.text, source));
	assert_null(strchr(f->err.text, '\n'));
	assert_int_equal(fixture_open_fds(), before);
}

static void test_bad_sources(void **state)
{
	struct fixture *f = *state;

	refused(f, fixture_path(f, "missing"), ENOENT, "does not exist");
	fixture_file(f, "file", "x");
	refused(f, fixture_path(f, "file"), ENOTDIR, "is not a directory");
	assert_int_equal(mkfifo(fixture_path(f, "pipe"), 0644), 0);
	refused(f, fixture_path(f, "pipe"), ENOTDIR, "is not a directory");
	atomic_store(&f->fake->fail_open, EACCES);
	refused(f, f->dir, EACCES, "cannot be read");
}

static void test_unreadable_source(void **state)
{
	struct fixture *f = *state;
	const char *dir = fixture_path(f, "closed");

	bool root = geteuid() == 0;

	assert_int_equal(mkdir(dir, 0), 0);
	/* Root reads everything, so be somebody else. */
	assert_int_equal(root ? seteuid(65534) : 0, 0);
	refused(f, dir, EACCES, "cannot be read");
	assert_int_equal(root ? seteuid(0) : 0, 0);
}

static void test_handles_fall_back(void **state)
{
	struct fixture *f = *state;

	/* /proc has no file handles that can be opened again. */
	f->set.source = "/proc";
	assert_int_equal(fixture_start(f), 0);
	assert_false(f->inst->handles);
	assert_true(fake_logged(f->fake, "no file handles on /proc"));
	fixture_stop(f);
	fake_log_clear(f->fake);
	f->set.file_handles = PT_HANDLES_NEVER;
	assert_int_equal(fixture_start(f), 0);
	assert_false(fake_logged(f->fake, "no file handles"));
	fixture_stop(f);
	f->set.file_handles = PT_HANDLES_MANDATORY;
	refused(f, "/proc", EOPNOTSUPP, "inode-file-handles = mandatory");
}

static struct graft_features features(struct fixture *f)
{
	struct graft_features feat = {.size = sizeof(feat)};

	assert_int_equal(fixture_start(f), 0);
	graft_plugin_v1.features(f->inst, &feat);
	fixture_stop(f);
	assert_int_equal(feat.want & ~feat.can, 0);
	assert_int_equal(feat.need & ~feat.want, 0);
	assert_int_equal(feat.blocking, 0);
	return feat;
}

static void test_features(void **state)
{
	const uint64_t acl = FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT;
	const uint64_t plus = FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	const uint64_t locks = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
	const uint64_t more = locks | FUSE_WRITEBACK_CACHE | FUSE_HANDLE_KILLPRIV_V2 | FUSE_DIRECT_IO_ALLOW_MMAP |
			      FUSE_CACHE_SYMLINKS;
	struct fixture *f = *state;
	struct graft_features feat = features(f);

	/* Everything is possible, the default wants little. */
	assert_int_equal(feat.can & (acl | plus | locks | FUSE_SECURITY_CTX | FUSE_WRITEBACK_CACHE),
			 acl | plus | locks | FUSE_SECURITY_CTX | FUSE_WRITEBACK_CACHE);
	assert_int_equal(feat.want & (acl | locks | FUSE_SECURITY_CTX | FUSE_WRITEBACK_CACHE | FUSE_HANDLE_KILLPRIV_V2 |
				      FUSE_DIRECT_IO_ALLOW_MMAP | FUSE_CACHE_SYMLINKS), FUSE_HANDLE_KILLPRIV_V2);
	assert_int_equal(feat.want & (plus | FUSE_SUBMOUNTS), plus | FUSE_SUBMOUNTS);
	assert_true(feat.want & FUSE_ASYNC_READ);
	assert_int_equal(feat.need, 0);
	assert_int_equal(feat.can & (FUSE_NO_OPEN_SUPPORT | FUSE_EXPORT_SUPPORT), 0);
	assert_int_equal(feat.want & FUSE_PASSTHROUGH, FUSE_PASSTHROUGH);

	f->set.posix_acl = PT_AUTO;
	f->set.killpriv_v2 = PT_KILLPRIV_FALSE;
	assert_int_equal(features(f).want & FUSE_HANDLE_KILLPRIV_V2, 0);
	f->set.security_label = PT_ALWAYS;
	f->set.cache = PT_CACHE_NEVER;
	f->set.submounts = false;
	feat = features(f);
	assert_int_equal(feat.want & (acl | plus | FUSE_SUBMOUNTS), acl);
	assert_int_equal(feat.need, FUSE_SECURITY_CTX);

	f->set.posix_acl = PT_ALWAYS;
	f->set.security_label = PT_NEVER;
	f->set.cache = PT_CACHE_ALWAYS;
	f->set.locks = f->set.writeback = f->set.allow_mmap = true;
	f->set.killpriv_v2 = PT_KILLPRIV_TRUE;
	f->set.readdirplus = false;
	feat = features(f);
	assert_int_equal(feat.need, acl);
	assert_int_equal(feat.want & (more | plus), more);
}

static void test_implied_options(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_start(f), 0);
	assert_false(f->inst->set->xattr);
	fixture_stop(f);
	f->set.posix_acl = PT_AUTO;
	assert_int_equal(fixture_start(f), 0);
	assert_true(f->inst->set->xattr);
	fixture_stop(f);
	f->set.posix_acl = PT_NEVER;
	f->set.security_label = PT_ALWAYS;
	assert_int_equal(fixture_start(f), 0);
	assert_true(f->inst->set->xattr);
}

static void test_timeouts(void **state)
{
	static const uint64_t want[] = {
		[PT_CACHE_AUTO] = NS,
		[PT_CACHE_ALWAYS] = 86400 * NS,
		[PT_CACHE_METADATA] = 86400 * NS,
		[PT_CACHE_NEVER] = 0,
	};
	struct fixture *f = *state;

	for (uint32_t mode = PT_CACHE_AUTO; mode <= PT_CACHE_NEVER; mode++) {
		f->set.cache = mode;
		assert_int_equal(fixture_start(f), 0);
		assert_int_equal(f->inst->entry_timeout, want[mode]);
		assert_int_equal(f->inst->attr_timeout, want[mode]);
		fixture_stop(f);
	}
	f->set.entry_timeout = 1500000000;
	f->set.attr_timeout = 0;
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(f->inst->entry_timeout, 1500000000);
	assert_int_equal(f->inst->attr_timeout, 0);
}

static void test_option_table(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct graft_opt *o = pt_options; o->key; o++, n++) {
		assert_true(o->offset < sizeof(struct pt_settings));
		assert_non_null(o->help);
		assert_true(o->help[strlen(o->help) - 1] != '.');
		/* Only the source must be given. */
		assert_true(o->dflt || o->optional || !strcmp(o->key, "source"));
		assert_true((o->type == GRAFT_OPT_ENUM) == (o->choices != NULL));
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(pt_options[i].key, o->key);
	}
	assert_int_equal(graft_plugin_v1.nops, GRAFT_OP_COUNT);
	assert_null(graft_plugin_v1.ops[FUSE_INIT]);
}

/* What one session got is nothing to another. */
static void test_sessions_apart(void **state)
{
	struct fixture *f = *state;
	struct graft_session other = {.size = sizeof(other), .id = 2, .minor = 38};
	void *second, *first;
	struct fuse_entry_out a, b;

	fixture_file(f, "file", "x");
	assert_int_equal(fixture_start(f), 0);
	first = f->fake->state;
	assert_int_equal(graft_plugin_v1.session_open(f->inst, &other, &second), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &a), 0);
	f->fake->state = second;
	assert_int_equal(fixture_getattr(f, a.nodeid, NULL), -EBADF);
	fixture_forget(f, a.nodeid, 1);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &b), 0);
	assert_int_equal(fixture_getattr(f, b.nodeid, NULL), 0);
	assert_int_equal(fake_metric(f->fake, "nodes"), 4);
	graft_plugin_v1.session_close(f->inst, second);
	f->fake->state = first;
	assert_int_equal(fixture_getattr(f, a.nodeid, NULL), 0);
	assert_int_equal(fake_metric(f->fake, "nodes"), 2);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 1);
}

int main(void)
{
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_good_source),	     FIXTURE_TEST(test_source_is_link),
		FIXTURE_TEST(test_bad_sources),	     FIXTURE_TEST(test_unreadable_source),
		FIXTURE_TEST(test_handles_fall_back), FIXTURE_TEST(test_features),
		FIXTURE_TEST(test_implied_options),  FIXTURE_TEST(test_timeouts),
		cmocka_unit_test(test_option_table), FIXTURE_TEST(test_sessions_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
