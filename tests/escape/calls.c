/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that reach past a file: ioctls, mappings, unknown opcodes, callers' ids, extended attributes of the kernel's. */
#include "tests/escape/attempt.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEDUPE_ARGS 64

/* FICLONE and its like name a descriptor of the caller's: the daemon's, if they were passed on. */
static void try_ioctls(struct world *w, const void *arg)
{
	static const uint32_t cmds[] = {FICLONE, FICLONERANGE, FIDEDUPERANGE, FIFREEZE, FITHAW, FITRIM, FIBMAP, FIGETBSZ,
					FIONBIO, FIOASYNC, FIOQSIZE, FS_IOC_GETVERSION, FS_IOC_SETVERSION, FS_IOC_FIEMAP,
					FS_IOC_GETFSLABEL, FS_IOC_SETFSLABEL, BLKROSET, BLKFLSBUF, BLKDISCARD, BLKGETSIZE64,
					0x5412 /* TIOCSTI */, 0x8004e500 /* FUSE_DEV_IOC_CLONE */, 0xc028660f /* EXT4_IOC_MOVE_EXT */,
					0, UINT32_MAX};
	const uint64_t nodes[] = {w->file, w->dir};
	unsigned char value[DEDUPE_ARGS];
	struct fuse_ioctl_out out;
	uint64_t fh[2];

	(void)arg;
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &fh[0]), 0);
	want("OPENDIR", fuse_opendir(&w->c, w->dir, &fh[1]), 0);
	for (unsigned n = 0; n < 2; n++) {
		for (unsigned i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
			memset(value, (int)i, sizeof(value));
			want("IOCTL", fuse_ioctl(&w->c, nodes[n], fh[n], cmds[i], value, sizeof(value), sizeof(value), &out),
			     -ENOTTY);
		}
	}
}

static int send_ioctl(struct world *w, const struct fuse_ioctl_in *in, uint32_t len)
{
	unsigned char value[128] = {0};
	struct fuse_op op = {.opcode = FUSE_IOCTL,
			     .node = w->file,
			     .arg = {{in, sizeof(*in)}, {value, len}},
			     .nargs = 2,
			     .reply_len = sizeof(struct fuse_ioctl_out),
			     .data_out = 128};

	return fuse_call(&w->c, &op);
}

/* Unrestricted ones let a server ask for any memory of the caller; lengths that are too short or contradict the request. */
static void try_ioctl_forms(struct world *w, const void *arg)
{
	struct fuse_ioctl_in in = {.cmd = FS_IOC_GETFLAGS, .out_size = 4, .arg = 0x7fff00000000};

	(void)arg;
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &in.fh), 0);
	in.flags = FUSE_IOCTL_UNRESTRICTED;
	want("unrestricted", send_ioctl(w, &in, 0), -ENOTTY);
	in = (struct fuse_ioctl_in){.fh = in.fh, .cmd = FS_IOC_FSSETXATTR, .in_size = 4};
	want("too short", send_ioctl(w, &in, 4), -EINVAL);
	in.in_size = 100;
	want("in_size contradicts", send_ioctl(w, &in, 28), -EINVAL);
	in = (struct fuse_ioctl_in){.fh = in.fh, .cmd = FS_IOC_FSGETXATTR, .out_size = 8};
	want("no room", send_ioctl(w, &in, 0), -EINVAL);
}

/* DAX, where there is no window: SETUPMAPPING (48) and REMOVEMAPPING (49) fail and nothing else happens. */
static void try_mapping(struct world *w, const void *arg)
{
	uint64_t body[5] = {0, 0, 4096, 3, 0}; /* fh, file offset, length, write and read, offset in the window */
	struct fuse_op op = {.node = w->file, .arg = {{body, sizeof(body)}}, .nargs = 1};
	uint64_t fh;

	(void)arg;
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &fh), 0);
	for (unsigned i = 0; i < 8; i++) {
		body[0] = i & 1 ? fh : UINT64_MAX;
		body[2] = i & 2 ? UINT64_MAX : 4096;
		body[4] = i & 4 ? UINT64_MAX - 4095 : 0;
		op.opcode = FUSE_SETUPMAPPING;
		want("SETUPMAPPING", fuse_call(&w->c, &op), -ENOSYS);
		op.opcode = FUSE_REMOVEMAPPING;
		want("REMOVEMAPPING", fuse_call(&w->c, &op), -ENOSYS);
	}
	op.arg[0].len = 0;
	want("without a body", fuse_call(&w->c, &op), -ENOSYS);
}

static void try_opcodes(struct world *w, const void *arg)
{
	char path[600];
	int len = snprintf(path, sizeof(path), "%s/file", w->canary.root);
	struct fuse_op op = {
		.node = w->dir, .arg = {{path, (uint32_t)len + 1}}, .nargs = 1, .reply_len = 200, .data_out = 4096};

	(void)arg;
	for (op.opcode = 0; op.opcode < 256; op.opcode++) {
		bool ours = op.opcode < GRAFT_OP_COUNT && op.opcode != 7 && op.opcode != 19;
		if (op.opcode == FUSE_INIT || op.opcode == FUSE_DESTROY || op.opcode == FUSE_FORGET ||
		    op.opcode == FUSE_BATCH_FORGET || op.opcode == FUSE_INTERRUPT)
			continue;
		int res = fuse_call(&w->c, &op);
		if (res >= 0 && op.opcode != FUSE_STATFS && op.opcode != FUSE_READLINK)
			fail_msg("opcode %u with a path for its body: %d", op.opcode, res);
		if (!ours)
			assert_true(res == -ENOSYS || res == -EINVAL);
	}
	op.opcode = 4096; /* CUSE_INIT */
	want("CUSE_INIT", fuse_call(&w->c, &op), -ENOSYS);
}

/* An id of -1 means "leave it" to the calls that would take it: whoever sends it must not stay what the daemon is. */
static void try_callers(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		w->c.uid = i & 1 ? w->user : UINT32_MAX;
		w->c.gid = i & 2 ? w->user : UINT32_MAX;
		if (i == 0)
			w->c.uid = w->c.gid = UINT32_MAX;
		want("CREATE", fuse_create(&w->c, w->dir, "mine", O_RDWR, 06777, &e, &fh), -EOVERFLOW);
		want("MKDIR", fuse_mkdir(&w->c, w->dir, "mine", 06777, &e), -EOVERFLOW);
		want("MKNOD", fuse_mknod(&w->c, w->dir, "mine", S_IFREG | 06777, 0, &e), -EOVERFLOW);
		want("SYMLINK", fuse_symlink(&w->c, w->dir, "mine", "target", &e), -EOVERFLOW);
		want("TMPFILE", fuse_tmpfile(&w->c, w->dir, O_RDWR, 06777, &e, &fh), -EOVERFLOW);
		want("CREATE of an old one", fuse_create(&w->c, w->dir, "file", O_RDWR, 0, &e, &fh), -EOVERFLOW);
	}
	assert_int_equal(access(world_path(w, "share/dir/mine"), F_OK), -1);
	/* Others get what is theirs, or nothing. */
	w->c.uid = w->c.gid = 12345;
	struct stat st;
	int res = fuse_mkdir(&w->c, ROOT, "others", 0755, &e);
	assert_true(res == -EPERM || res == -EACCES || res == -EINVAL || res == 0);
	if (res == 0) {
		assert_int_equal(stat(world_path(w, "share/others"), &st), 0);
		assert_int_equal(st.st_uid, 12345);
	}
	w->c.uid = w->c.gid = w->user;
}

/* Attributes of a pipe and of a directory, which go other ways than a file's; values of any size. */
static void try_xattrs(struct world *w, const void *arg)
{
	const uint64_t nodes[] = {w->file, w->dir, ROOT, look(w, ROOT, "to-file")};
	char value[256];

	(void)arg;
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		/* The access lists are hidden from a guest that does not use them. */
		want("ACL", fuse_getxattr(&w->c, nodes[i], "system.posix_acl_access", value, sizeof(value)), -EOPNOTSUPP);
		want("ACL", fuse_setxattr(&w->c, nodes[i], "system.posix_acl_default", "x", 1, 0), -EOPNOTSUPP);
		assert_true(fuse_getxattr(&w->c, nodes[i], "user.canary", value, sizeof(value)) < 0);
		assert_true(fuse_setxattr(&w->c, nodes[i], "user.x", "x", 1, UINT32_MAX) < 0);
		/* Asking for more than there is room gives an error, not what lies behind. */
		assert_true(fuse_getxattr(&w->c, nodes[i], "user.none", NULL, 0) < 0);
	}
	/* What the guest sets is on its own file. */
	int res = fuse_setxattr(&w->c, w->file, "user.mine", "x", 1, 0);
	assert_true(res == 0 || res == -EOPNOTSUPP);
}

/* Ranges that end before they begin, lie beyond all files, or fill the disk. */
static void try_ranges(struct world *w, const void *arg)
{
	static const uint64_t edges[] = {1ULL << 63, UINT64_MAX, UINT64_MAX - 4095, (1ULL << 63) - 1};
	uint64_t fh, to, at, other = look(w, ROOT, "other");

	(void)arg;
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &fh), 0);
	want("OPEN", fuse_open(&w->c, other, O_RDWR, &to), 0);
	for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		struct fuse_copy_file_range_in in = {
			.fh_in = fh, .off_in = edges[i], .nodeid_out = other, .fh_out = to, .len = UINT64_MAX};
		assert_true(fuse_copy_file_range(&w->c, FUSE_COPY_FILE_RANGE, &in, w->file) <= 0);
		in.off_in = 0;
		in.off_out = edges[i];
		assert_true(fuse_copy_file_range(&w->c, FUSE_COPY_FILE_RANGE, &in, w->file) <= 0);
		in.flags = UINT64_MAX;
		assert_true(fuse_copy_file_range(&w->c, GRAFT_OP_COPY_FILE_RANGE_64, &in, w->file) < 0);
		assert_true(fuse_fallocate(&w->c, w->file, fh, 0, edges[i], edges[i]) < 0);
		assert_true(fuse_lseek(&w->c, w->file, fh, edges[i], SEEK_DATA, &at) < 0);
		assert_true(fuse_lseek(&w->c, w->file, fh, edges[i], UINT32_MAX, &at) < 0);
	}
	assert_true(fuse_fallocate(&w->c, w->file, fh, UINT32_MAX, 0, 1) < 0);
}

static const struct attempt rows[] = {
	{"ioctl", "those that name descriptors, devices or file systems", try_ioctls, NULL, 0},
	{"ioctl", "unrestricted, and lengths that contradict", try_ioctl_forms, NULL, 0},
	{"opcode", "SETUPMAPPING and REMOVEMAPPING without a window", try_mapping, NULL, 0},
	{"opcode", "every number, with a path for its body", try_opcodes, NULL, 0},
	{"caller", "ids that mean 'leave it'", try_callers, NULL, 0},
	{"xattr", "hidden ones, odd flags, a link's", try_xattrs, NULL, 0},
	{"range", "offsets and lengths at the ends of numbers", try_ranges, NULL, 0},
};

const struct attempt_table calls_table = ATTEMPT_TABLE(rows);
