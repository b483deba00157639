/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-promises none|chroot|namespace [root|user]: what whoever mounts below a share, or shares it read-only, may rely on: later
 * mounts are seen and announced, what guests have let go of can be umounted, read-only is read-only, cache modes are what they are called.
 */
#include "tests/escape/world.h"

#include "tests/vring/fuse_samples.h"

#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define UMOUNT_TRIES 100 /* of 20 ms: descriptors are closed behind the reply */

static struct world world;

static bool submount(const struct fuse_entry_out *e)
{
	return (e->attr.flags & FUSE_ATTR_SUBMOUNT) != 0;
}

/* How READDIRPLUS of share/dir shows its entry "sub". */
static struct fuse_entry_out listed_sub(struct world *w)
{
	struct fuse_direntplus e = {.dirent = {.namelen = 0}};
	uint64_t fh;

	want("OPENDIR", fuse_opendir(&w->c, w->dir, &fh), 0);
	ssize_t len = fuse_readdirplus(&w->c, w->dir, fh, 0, 32768);
	const char *data = fuse_data(&w->c, w->c.slot);
	for (ssize_t at = 0; at < len; at += (ssize_t)((sizeof(e) + e.dirent.namelen + 7) & ~7u)) {
		memcpy(&e, data + at, sizeof(e));
		if (e.dirent.namelen == 3 && memcmp(data + at + sizeof(e), "sub", 3) == 0)
			break;
	}
	want("RELEASEDIR", fuse_releasedir(&w->c, w->dir, fh), 0);
	return e.entry_out;
}

static void check_sub(struct world *w, const char *name, bool mounted, bool announced)
{
	struct fuse_entry_out e, plus = listed_sub(w), below;

	want("LOOKUP", fuse_lookup(&w->c, w->dir, "sub", &e), 0);
	assert_int_equal(e.nodeid == w->sub, !mounted);
	assert_int_equal(plus.nodeid == w->sub, !mounted);
	assert_int_equal(submount(&e), mounted && announced);
	assert_int_equal(submount(&plus), mounted && announced);
	want(name, fuse_lookup(&w->c, e.nodeid, name, &below), mounted ? 0 : -ENOENT);
	if (mounted)
		fuse_forget(&w->c, below.nodeid, 1);
	fuse_forget(&w->c, e.nodeid, 2);
}

/* The host umounts without MNT_DETACH, which works when nobody uses it. */
static void umount_clean(struct world *w)
{
	const char *at = w->mounted[w->nmounted - 1];
	int tries = 0;

	while (umount2(at, 0) < 0 && tries++ < UMOUNT_TRIES)
		usleep(20000);
	if (tries > UMOUNT_TRIES)
		fail_msg("umount of %s: %s", at, strerror(errno));
	w->nmounted--;
}

/* P1: mounts that come and go below the source while it is served. */
static void see_mounts(struct world *w, bool announced)
{
	fuse_lookup(&w->c, w->dir, "sub", &(struct fuse_entry_out){0}); /* keeps its node through what follows */
	fuse_lookup(&w->c, w->dir, "sub", &(struct fuse_entry_out){0});
	check_sub(w, "file", false, announced);
	for (unsigned i = 0; i < 3; i++) {
		fuse_lookup(&w->c, w->dir, "sub", &(struct fuse_entry_out){0});
		fuse_lookup(&w->c, w->dir, "sub", &(struct fuse_entry_out){0});
		host_mount(w, w->second, "share/dir/sub", NULL);
		check_sub(w, "file", true, announced);
		umount_clean(w);
		check_sub(w, "file", false, announced);
	}
}

static void test_later_mounts(void **state)
{
	struct world *w = *state;

	if (!w->mounts)
		skip();
	world_begin(w);
	see_mounts(w, true);
	world_end(w);
}

/* Uses everything in the mount on share/dir/sub as a guest does, and lets go of it again. */
static void use_mount(struct world *w)
{
	struct fuse_entry_out top, file, e;
	struct fuse_statfs_out statfs;
	uint64_t fh;

	want("LOOKUP", fuse_lookup(&w->c, w->dir, "sub", &top), 0);
	want("CREATE", fuse_create(&w->c, top.nodeid, "made", O_RDWR, 0644, &file, &fh), 0);
	want("WRITE", fuse_write(&w->c, file.nodeid, fh, "x", 1, 0), 1);
	want("FSYNC", fuse_fsync(&w->c, file.nodeid, fh, false), 0);
	want("RELEASE", fuse_release(&w->c, file.nodeid, fh), 0);
	want("MKDIR", fuse_mkdir(&w->c, top.nodeid, "folder", 0755, &e), 0);
	want("STATFS", fuse_statfs(&w->c, top.nodeid, &statfs), 0);
	want("OPENDIR", fuse_opendir(&w->c, top.nodeid, &fh), 0);
	assert_true(fuse_readdir(&w->c, top.nodeid, fh, 0, 4096) > 0);
	want("RELEASEDIR", fuse_releasedir(&w->c, top.nodeid, fh), 0);
	fuse_forget(&w->c, e.nodeid, 1);
	fuse_forget(&w->c, file.nodeid, 1);
	fuse_forget(&w->c, top.nodeid, 1);
}

/* P2: what the guest has forgotten does not keep the host from umounting. */
static void test_umount(void **state)
{
	struct world *w = *state;

	if (!w->mounts)
		skip();
	world_begin(w);
	for (unsigned i = 0; i < 3; i++) {
		host_mount(w, "tmpfs", "share/dir/sub", "tmpfs");
		host_give(w, "share/dir/sub");
		use_mount(w);
		umount_clean(w);
	}
	world_end(w);
}

/* The same with a file system in an image, as containers' root file systems are. False where there are no loop devices. */
static bool mount_image(struct world *w)
{
	char command[2500];
	const char *image = world_path(w, "away/image"), *at = world_path(w, "share/dir/sub");

	snprintf(command, sizeof(command),
		 "{ truncate -s 4M '%s' && mkfs.ext4 -q -F -E root_owner=%u:%u '%s' && mount -o loop '%s' '%s'; } >/dev/null 2>&1",
		 image, w->user, w->user, image, image, at);
	if (system(command) != 0)
		return false;
	snprintf(w->mounted[w->nmounted++], sizeof(w->mounted[0]), "%s", at);
	return true;
}

static void test_umount_image(void **state)
{
	struct world *w = *state;

	if (!w->mounts)
		skip();
	world_begin(w);
	bool mounted = mount_image(w);
	if (mounted) {
		use_mount(w);
		umount_clean(w);
	} else {
		print_message("no image can be mounted here\n");
	}
	unlink(world_path(w, "away/image"));
	world_end(w);
}

static int send_sample(struct world *w, const struct sample *s)
{
	struct fuse_op op = {.raw = s->bytes, .raw_len = s->len, .reply_len = 200, .data_out = s->data};

	return fuse_call(&w->c, &op);
}

/* P3: every opcode that writes, as a request that would do. */
static void refuse_writes(struct world *w, uint64_t fh)
{
	static const uint32_t opcodes[] = {FUSE_SETATTR, FUSE_SYMLINK, FUSE_MKNOD,       FUSE_MKDIR,     FUSE_UNLINK,
					   FUSE_RMDIR,   FUSE_RENAME,  FUSE_LINK,        FUSE_WRITE,     FUSE_SETXATTR,
					   FUSE_TMPFILE, FUSE_RENAME2, FUSE_REMOVEXATTR, FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE,
					   FUSE_CREATE,  GRAFT_OP_COPY_FILE_RANGE_64};
	struct sample_nodes n = {.dir = w->dir, .file = w->file, .fh = fh, .dir_fh = fh, .flags = w->c.flags};
	struct sample s;

	for (unsigned i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		n.name = "file";
		assert_true(fuse_sample(opcodes[i], &n, &s));
		want("what writes, on what there is", send_sample(w, &s), -EROFS);
		n.name = "absent";
		fuse_sample(opcodes[i], &n, &s);
		want("what writes, on what there is not", send_sample(w, &s), -EROFS);
	}
}

/* Ways to write that are no opcode of their own. */
static void refuse_flags(struct world *w, uint64_t fh)
{
	static const uint32_t flags[] = {O_WRONLY, O_RDWR, O_ACCMODE, O_RDONLY | O_TRUNC, O_WRONLY | O_TRUNC | O_APPEND,
					 O_TMPFILE | O_RDWR, O_TMPFILE | O_RDONLY, O_CREAT | O_EXCL, O_CREAT | O_TRUNC};
	struct fuse_entry_out e;
	uint64_t opened;
	int attributes = FS_NOATIME_FL;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		assert_true(fuse_open(&w->c, w->file, flags[i], &opened) < 0);
		assert_true(fuse_open(&w->c, w->dir, flags[i], &opened) < 0);
		assert_true(fuse_create(&w->c, w->dir, "file", flags[i], 0666, &e, &opened) < 0);
		assert_true(fuse_create(&w->c, w->dir, "absent", flags[i], 0666, &e, &opened) < 0);
	}
	want("CREATE of nothing", fuse_create(&w->c, w->dir, "absent", O_RDONLY, 0666, &e, &opened), -EROFS);
	want("truncate", fuse_truncate(&w->c, w->file, 0), -EROFS);
	want("truncate to what it is", fuse_truncate(&w->c, w->file, strlen(INSIDE)), -EROFS);
	want("IOCTL", fuse_ioctl(&w->c, w->file, fh, FS_IOC_SETFLAGS, &attributes, sizeof(attributes), 0,
				 &(struct fuse_ioctl_out){0}), -EROFS);
	want("ACCESS", fuse_access(&w->c, w->file, W_OK), -EROFS);
}

static void make_old(const struct world *w, const char *name)
{
	static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};

	assert_int_equal(utimensat(AT_FDCWD, world_path(w, name), old, AT_SYMLINK_NOFOLLOW), 0);
}

static void check_old(const struct world *w, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(world_path(w, name), &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
}

/* Looking leaves no trace. */
static void read_all(struct world *w, uint64_t fh)
{
	struct fuse_entry_out e;
	char bytes[4096];
	uint64_t dir_fh;

	want("READ", fuse_read(&w->c, w->file, fh, bytes, sizeof(bytes), 0), (int64_t)strlen(INSIDE));
	want("OPENDIR", fuse_opendir(&w->c, w->dir, &dir_fh), 0);
	assert_true(fuse_readdir(&w->c, w->dir, dir_fh, 0, 4096) > 0);
	assert_true(fuse_readdirplus(&w->c, w->dir, dir_fh, 0, 4096) > 0);
	want("FSYNCDIR", fuse_fsyncdir(&w->c, w->dir, dir_fh), 0);
	want("RELEASEDIR", fuse_releasedir(&w->c, w->dir, dir_fh), 0);
	assert_true(fuse_listxattr(&w->c, w->file, bytes, sizeof(bytes)) >= 0);
	uint64_t created;
	want("CREATE, reading", fuse_create(&w->c, w->dir, "file", O_RDONLY, 0666, &e, &created), 0);
	want("READ", fuse_read(&w->c, w->file, created, bytes, sizeof(bytes), 0), (int64_t)strlen(INSIDE));
	want("SYNCFS", fuse_syncfs(&w->c, ROOT), 0);
}

static void test_readonly(void **state)
{
	struct world *w = *state;
	uint64_t fh;

	world_begin(w);
	want("OPEN", fuse_open(&w->c, w->file, O_RDONLY, &fh), 0);
	make_old(w, "share/dir/file");
	make_old(w, "share/dir");
	char *before = canary_state(w->daemon.share);
	make_old(w, "share/dir/file"); /* looking at it was a trace */
	make_old(w, "share/dir");
	free(before);
	read_all(w, fh);
	check_old(w, "share/dir/file");
	check_old(w, "share/dir");
	before = canary_state(w->daemon.share);
	refuse_writes(w, fh);
	refuse_flags(w, fh);
	char *after = canary_state(w->daemon.share);
	assert_true(canary_same(before, after));
	free(before);
	free(after);
	world_end(w);
}

static void test_unannounced(void **state)
{
	struct world *w = *state;

	if (!w->mounts)
		skip();
	world_begin(w);
	see_mounts(w, false);
	world_end(w);
}

static int end_test(void **state)
{
	world_drop(*state);
	return daemon_reported(&world.daemon) ? -1 : 0;
}

static int run(const struct world_kind *kind, const char *name, const struct CMUnitTest *tests, size_t n)
{
	int res = world_up(&world, kind);

	if (res)
		return res;
	res = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	return world_down(&world) || res ? 1 : 0;
}

int main(int argc, char **argv)
{
#define PROMISE(fn) {#fn, fn, NULL, end_test, &world}
	const struct CMUnitTest usual[] = {PROMISE(test_later_mounts), PROMISE(test_umount), PROMISE(test_umount_image)};
	const struct CMUnitTest readonly[] = {PROMISE(test_readonly), PROMISE(test_unannounced)};

	if (argc < 2) {
		fprintf(stderr, "usage: %s none|chroot|namespace [root|user]\n", argv[0]);
		return 2;
	}
	struct world_kind kind = {.mode = argv[1], .user = argc > 2 && strcmp(argv[2], "user") == 0 ? WORLD_USER : 0};
	setvbuf(stdout, NULL, _IOLBF, 0);
	int res = run(&kind, "promises", usual, sizeof(usual) / sizeof(usual[0]));
	if (res)
		return res;
	kind.keys = "readonly = true\nannounce-submounts = false";
	return run(&kind, "promises of a read-only share", readonly, sizeof(readonly) / sizeof(readonly[0]));
}
