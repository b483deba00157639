/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon under Landlock: a guest's work goes on as ever, and ends at the edge of the share whoever moved what there. */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOT FUSE_ROOT_ID

static struct fixture confined = {.config = {.queues = 1, .mount_keys = "inode-file-handles = never"}};
static struct fixture free_one = {.config = {.queues = 1, .mount_keys = "inode-file-handles = mandatory"}};

static bool kernel_can(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 2;
}

static void begin(struct fixture *f)
{
	if (!kernel_can()) {
		print_message("SKIP: this kernel has no Landlock of ABI 2\n");
		skip();
	}
	fixture_mount(f, FIXTURE_FEATURES);
	assert_true(daemon_logged(&f->daemon, "landlock: nothing is opened but below"));
}

static uint64_t look(struct fixture *f, uint64_t dir, const char *name)
{
	struct fuse_entry_out e;

	assert_int_equal(fuse_lookup(&f->client, dir, name, &e), 0);
	return e.nodeid;
}

static void test_work(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out a, b, e;
	uint64_t fh;
	char got[8];

	begin(f);
	assert_int_equal(fuse_mkdir(c, ROOT, "a", 0755, &a), 0);
	assert_int_equal(fuse_mkdir(c, ROOT, "b", 0755, &b), 0);
	assert_int_equal(fuse_create(c, a.nodeid, "file", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fuse_write(c, e.nodeid, fh, "words", 5, 0), 5);
	assert_int_equal(fuse_release(c, e.nodeid, fh), 0);
	assert_int_equal(fuse_rename(c, a.nodeid, "file", b.nodeid, "moved"), 0);
	assert_int_equal(fuse_link(c, e.nodeid, a.nodeid, "again", &e), 0);
	assert_int_equal(fuse_truncate(c, e.nodeid, 4), 0);
	assert_int_equal(fuse_symlink(c, ROOT, "link", "a/again", &e), 0);
	assert_int_equal(fuse_mknod(c, ROOT, "fifo", S_IFIFO | 0600, 0, &e), 0);
	/* Opened after it was removed: by the node alone. */
	uint64_t node = look(f, a.nodeid, "again");
	assert_int_equal(fuse_unlink(c, a.nodeid, "again"), 0);
	assert_int_equal(fuse_unlink(c, b.nodeid, "moved"), 0);
	assert_int_equal(fuse_open(c, node, O_RDWR, &fh), 0);
	assert_int_equal(fuse_read(c, node, fh, got, sizeof(got), 0), 4);
	assert_int_equal(fuse_release(c, node, fh), 0);
	assert_int_equal(fuse_rmdir(c, ROOT, "a"), 0);
}

/* A user of the host takes out of the share what the guest knows. */
static void test_moved_out(void **state)
{
	struct fixture *f = *state;
	char outside[DAEMON_PATH + 16];
	uint64_t fh;

	begin(f);
	fixture_write_file(f, "file", "x", 1);
	uint64_t node = look(f, ROOT, "file");
	assert_int_equal(fuse_open(&f->client, node, O_RDONLY, &fh), 0);
	snprintf(outside, sizeof(outside), "%s/outside", f->daemon.base);
	assert_int_equal(rename(fixture_path(f, "file"), outside), 0);
	assert_int_equal(fuse_release(&f->client, node, fh), 0);
	assert_int_equal(fuse_open(&f->client, node, O_RDONLY, &fh), -EACCES);
	assert_int_equal(rename(outside, fixture_path(f, "file")), 0);
	assert_int_equal(fuse_open(&f->client, node, O_RDONLY, &fh), 0);
}

/* The socket goes at the end; the daemon starts again where it was. */
static void test_end(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fixture_disconnect(f);
	assert_int_equal(daemon_stop(&f->daemon, 30000), 0);
	assert_int_equal(access(f->daemon.socket, F_OK), -1);
	assert_int_equal(daemon_start(&f->daemon), 0);
	fixture_mount(f, FIXTURE_FEATURES);
	fixture_check_alive(f);
}

static void test_not(void **state)
{
	struct fixture *f = *state;

	fixture_mount(f, FIXTURE_FEATURES);
	assert_false(daemon_logged(&f->daemon, "landlock: nothing is opened"));
	assert_true(daemon_logged(&f->daemon, "landlock: not used: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_work, &confined),
		FIXTURE_TEST(test_moved_out, &confined),
		FIXTURE_TEST(test_end, &confined),
	};
	const struct CMUnitTest free_tests[] = {FIXTURE_TEST(test_not, &free_one)};
	int failed = fixture_run("vring/landlock", tests, sizeof(tests) / sizeof(tests[0]), &confined);

	if (geteuid() == 0)
		failed += fixture_run("vring/landlock-not", free_tests, 1, &free_one);
	return failed;
}
