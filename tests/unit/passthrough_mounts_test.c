/* SPDX-License-Identifier: Apache-2.0 */
/* Tests with mounts below the share, in a mount namespace of their own: announced, told apart, opened by handle. */
#include "passthrough_fixture.h"

#include "plugins/passthrough/mount_fds.h"
#include "plugins/passthrough/node.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static void mount_tmpfs(const struct fixture *f, const char *name)
{
	assert_int_equal(mkdir(fixture_path(f, name), 0755), 0);
	assert_int_equal(mount("tmpfs", fixture_path(f, name), "tmpfs", 0, NULL), 0);
}

static void test_announced(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e, below;

	mount_tmpfs(f, "mnt");
	assert_int_equal(mkdir(fixture_path(f, "mnt/dir"), 0755), 0);
	assert_int_equal(mkdir(fixture_path(f, "plain"), 0755), 0);
	/* The same file system under another mount is one as well, a file is none. */
	assert_int_equal(mkdir(fixture_path(f, "bind"), 0755), 0);
	assert_int_equal(mount(fixture_path(f, "plain"), fixture_path(f, "bind"), NULL, MS_BIND, NULL), 0);
	fixture_file(f, "file", "x");
	fixture_file(f, "mnt/file", "x");
	assert_int_equal(mount(fixture_path(f, "mnt/file"), fixture_path(f, "file"), NULL, MS_BIND, NULL), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "mnt", &e), 0);
	assert_int_equal(e.attr.flags, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(fixture_lookup(f, e.nodeid, "dir", &below), 0);
	assert_int_equal(below.attr.flags, 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "bind", &e), 0);
	assert_int_equal(e.attr.flags, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "plain", &below), 0);
	assert_int_equal(below.attr.flags, 0);
	assert_int_equal(below.attr.ino, e.attr.ino);
	assert_int_not_equal(below.nodeid, e.nodeid);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &e), 0);
	assert_int_equal(e.attr.flags, 0);
}

static void test_not_announced(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;

	mount_tmpfs(f, "mnt");
	f->session.flags = 0; /* not negotiated */
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "mnt", &e), 0);
	assert_int_equal(e.attr.flags, 0);
	fixture_stop(f);
	f->session.flags = FUSE_SUBMOUNTS;
	f->set.submounts = false; /* not wanted */
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "mnt", &e), 0);
	assert_int_equal(e.attr.flags, 0);
}

/* FOPEN flags of an OPEN for writing. */
static uint32_t open_flags(struct fixture *f, const char *below)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_OPEN, fixture_node(f, below));

	fake_in(fr, struct fuse_open_in)->flags = O_WRONLY;
	assert_int_equal(fake_call(fr), 0);
	uint32_t flags = fake_out(fr, struct fuse_open_out)->open_flags;
	fake_req_free(fr);
	return flags;
}

/* What is mounted inside may be a network file system, with errors to tell at close(2). */
static void test_flush_kept(void **state)
{
	struct fixture *f = *state;

	mount_tmpfs(f, "mnt");
	fixture_file(f, "file", "x");
	fixture_file(f, "mnt/file", "x");
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(open_flags(f, "file"), FOPEN_NOFLUSH);
	assert_int_equal(open_flags(f, "mnt/file"), 0);
}

static bool evict(struct fixture *f, uint64_t id)
{
	for (int fd = 0; fd < 256; fd++) {
		if (node_evict(f->s->nodes, id, fd) || node_evict(f->s->nodes, id, fd))
			return true;
	}
	return false;
}

/* A node on a mount may give its descriptor up; the mount stays busy only as long as such nodes are there. */
static void test_handles_on_mounts(void **state)
{
	struct fixture *f = *state;
	uint64_t dir, file;
	struct fuse_attr attr;
	int base;

	mount_tmpfs(f, "with blank");
	fixture_file(f, "with blank/file", "1234");
	assert_int_equal(fixture_start(f), 0);
	if (!f->inst->handles) {
		print_message("no file handles here\n");
		skip();
	}
	base = fixture_open_fds();
	dir = fixture_node(f, "with blank");
	file = fixture_node(f, "with blank/file");
	/* The file first: its mount is found by name in mountinfo. */
	assert_true(evict(f, file));
	assert_int_equal(fixture_open_fds(), base + 2);
	assert_true(evict(f, dir));
	assert_int_equal(fixture_open_fds(), base + 1);
	assert_int_equal(fixture_getattr(f, file, &attr), 0);
	assert_int_equal(attr.size, 4);
	assert_int_equal(fixture_lookup(f, dir, "file", NULL), 0);
	assert_int_equal(umount(fixture_path(f, "with blank")), -1);
	assert_int_equal(errno, EBUSY);
	fixture_forget(f, file, 2);
	fixture_forget(f, dir, 3);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	assert_int_equal(fixture_open_fds(), base);
	assert_int_equal(umount(fixture_path(f, "with blank")), 0);
}

/* Many files on several mounts with hardly any descriptors. */
static void test_small_budget(void **state)
{
	enum { MOUNTS = 4, FILES = 30 };
	struct fixture *f = *state;
	uint64_t nodes[MOUNTS][FILES], ino[MOUNTS][FILES];
	struct fuse_attr attr;
	char name[64];

	for (int m = 0; m < MOUNTS; m++) {
		snprintf(name, sizeof(name), "m%d", m);
		mount_tmpfs(f, name);
		for (int i = 0; i < FILES; i++) {
			struct stat st;

			snprintf(name, sizeof(name), "m%d/%d", m, i);
			fixture_file(f, name, "x");
			assert_int_equal(stat(fixture_path(f, name), &st), 0);
			ino[m][i] = st.st_ino;
		}
	}
	atomic_store(&f->fake->fd_limit, 32);
	assert_int_equal(fixture_start(f), 0);
	if (!f->inst->handles) {
		print_message("no file handles here\n");
		skip();
	}
	for (int m = 0; m < MOUNTS; m++) {
		for (int i = 0; i < FILES; i++) {
			snprintf(name, sizeof(name), "m%d/%d", m, i);
			nodes[m][i] = fixture_node(f, name);
			assert_int_not_equal(nodes[m][i], 0);
		}
	}
	for (int m = 0; m < MOUNTS; m++) {
		for (int i = 0; i < FILES; i++) {
			assert_int_equal(fixture_getattr(f, nodes[m][i], &attr), 0);
			assert_int_equal(attr.ino, ino[m][i]);
		}
	}
	assert_true(fake_metric(f->fake, "node-descriptors") <= 21);
}

static void test_mount_fds(void **state)
{
	struct fixture *f = *state;
	struct mount_fds_probe probe = {.type = S_IFIFO};
	int root, proc, info, base;
	struct mount_fds *m;
	struct fhandle h;
	struct statx stx;

	mount_tmpfs(f, "mnt");
	assert_int_equal(mkfifo(fixture_path(f, "mnt/pipe"), 0644), 0);
	root = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	proc = open("/proc/self/fd", O_PATH | O_CLOEXEC);
	info = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	probe.fd = open(fixture_path(f, "mnt/pipe"), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	assert_true(root >= 0 && proc >= 0 && info >= 0 && probe.fd >= 0);
	if (fhandle_of(probe.fd, "", &h, &probe.mount) < 0) {
		print_message("no file handles here\n");
		skip();
	}
	probe.h = &h;
	assert_int_equal(statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx), 0);
	base = fixture_open_fds();

	m = mount_fds_new(stx.stx_mnt_id, root, proc, info);
	assert_non_null(m);
	assert_int_equal(mount_fds_fd(m, stx.stx_mnt_id), root);
	assert_int_equal(mount_fds_fd(m, probe.mount), -1);
	assert_int_equal(mount_fds_get(m, &probe), 0);
	assert_int_equal(mount_fds_get(m, &probe), 0);
	assert_int_equal(fixture_open_fds(), base + 1);
	assert_true(mount_fds_fd(m, probe.mount) >= 0);
	mount_fds_put(m, probe.mount);
	assert_int_equal(fixture_open_fds(), base + 1);
	mount_fds_put(m, probe.mount);
	assert_int_equal(fixture_open_fds(), base);
	mount_fds_put(m, stx.stx_mnt_id); /* the root's own is never closed */
	assert_int_equal(mount_fds_fd(m, stx.stx_mnt_id), root);
	mount_fds_free(m);

	/* Without mountinfo a pipe alone does not lead to its mount. */
	m = mount_fds_new(stx.stx_mnt_id, root, proc, -1);
	assert_int_equal(mount_fds_get(m, &probe), -EOPNOTSUPP);
	mount_fds_free(m);
	assert_int_equal(fixture_open_fds(), base);
	close(root);
	close(proc);
	close(info);
	close(probe.fd);
}

static int remove_name(struct fixture *f, uint32_t opcode, const char *name)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, GRAFT_ROOT_NODE);

	fake_req_name(fr, name);
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static int rename_name(struct fixture *f, const char *from, const char *to)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_RENAME, GRAFT_ROOT_NODE);

	fake_req_name(fr, from);
	fake_req_name2(fr, to);
	fr->req.node2 = GRAFT_ROOT_NODE;
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static uint64_t mount_of(int fd)
{
	struct statx stx;

	assert_int_equal(statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx), 0);
	return stx.stx_mnt_id;
}

/* The share is of a mount namespace that this process has left: the kernel would take its mounts away with their names. */
static void test_foreign(void **state)
{
	struct fixture *f = *state;
	int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	mount_tmpfs(f, "mnt");
	fixture_file(f, "mnt/inner", "x");
	fixture_file(f, "other", "x");
	fixture_file(f, "file", "x");
	assert_int_equal(mount(fixture_path(f, "other"), fixture_path(f, "file"), NULL, MS_BIND, NULL), 0);
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_true(mount_fds_own(mount_of(f->inst->root_fd)));
	assert_false(f->inst->foreign);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_false(mount_fds_own(mount_of(f->inst->root_fd)));
	assert_int_equal(umount2(fixture_path(f, "mnt"), MNT_DETACH), 0);
	assert_int_equal(umount2(fixture_path(f, "file"), MNT_DETACH), 0);
	f->inst->foreign = true;
	assert_int_equal(remove_name(f, FUSE_RMDIR, "mnt"), -EBUSY);
	assert_int_equal(remove_name(f, FUSE_UNLINK, "file"), -EBUSY);
	assert_int_equal(rename_name(f, "mnt", "moved"), -EBUSY);
	assert_int_equal(rename_name(f, "dir", "mnt"), -EBUSY);
	assert_int_equal(rename_name(f, "other", "file"), -EBUSY);
	assert_int_equal(remove_name(f, FUSE_RMDIR, "absent"), -ENOENT);
	assert_int_equal(rename_name(f, "dir", "moved"), 0);
	assert_int_equal(remove_name(f, FUSE_RMDIR, "moved"), 0);
	assert_int_equal(setns(home, CLONE_NEWNS), 0);
	assert_int_equal(access(fixture_path(f, "mnt/inner"), F_OK), 0);
	close(home);
}

/* Lazily, so that the directory can be removed. */
static int unmount_all(void **state)
{
	static const char *const names[] = {"mnt", "bind", "file", "with blank", "m0", "m1", "m2", "m3"};
	struct fixture *f = *state;

	fixture_stop(f);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		umount2(fixture_path(f, names[i]), MNT_DETACH);
	return fixture_free(state);
}

int main(void)
{
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, unmount_all)
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_announced),	 FIXTURE_TEST(test_not_announced),
		FIXTURE_TEST(test_flush_kept),
		FIXTURE_TEST(test_handles_on_mounts), FIXTURE_TEST(test_small_budget),
		FIXTURE_TEST(test_mount_fds),	 FIXTURE_TEST(test_foreign),
	};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		puts("cannot mount: not root, or not allowed");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
