/* SPDX-License-Identifier: Apache-2.0 */
/* What must not be opened on the host, and flags of OPEN that no guest kernel sends. */
#include "tests/escape/attempt.h"

#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define FLAG_TMPFILE (O_TMPFILE & ~O_DIRECTORY)
#define FLAG_EXEC 040 /* __FMODE_EXEC, which only kernels set */
#define WIRE_DEV(major, minor) ((uint32_t)((major) << 8 | (minor)))

/* In the place of a directory, as a file, and by CREATE over it. */
static void try_special(struct world *w, uint64_t parent, const char *name)
{
	struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = 0666};
	uint64_t node = look(w, parent, name), fh;
	struct fuse_attr_out attr;
	struct fuse_entry_out e;

	try_as_parent(w, node);
	try_as_file(w, node);
	want("SETATTR, the mode", fuse_setattr(&w->c, node, &mode, &attr), 0);
	want("CREATE over it", fuse_create(&w->c, parent, name, O_RDWR | O_TRUNC, 0666, &e, &fh), -ESTALE);
	want("CREATE over it, reading", fuse_create(&w->c, parent, name, O_RDONLY, 0666, &e, &fh), -ESTALE);
}

/* Opening one end of a pipe lets who waits at the other end go on: nobody may. */
static void try_pipe(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	want("MKNOD", fuse_mknod(&w->c, ROOT, "pipe", S_IFIFO | 0666, 0, &e), 0);
	try_special(w, ROOT, "pipe");
	assert_int_equal(open(world_path(w, "share/pipe"), O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
	assert_int_equal(errno, ENXIO);
	/* What is in a pipe of the host's is not read. */
	int host = open(world_path(w, "share/pipe"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(host >= 0);
	assert_int_equal(write(host, w->canary.secret, 8), 8);
	want("OPEN", fuse_open(&w->c, e.nodeid, O_RDONLY | O_NONBLOCK, &fh), -EBADF);
	char back[8];
	assert_int_equal(read(host, back, sizeof(back)), 8);
	close(host);
}

static void try_socket(struct world *w, const void *arg)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct fuse_entry_out e;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)arg;
	want("MKNOD", fuse_mknod(&w->c, ROOT, "socket", S_IFSOCK | 0666, 0, &e), 0);
	try_special(w, ROOT, "socket");
	/* One that a host process listens on. */
	assert_true(listener >= 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", world_path(w, "share/listens"));
	assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	host_give(w, "share/listens");
	try_special(w, ROOT, "listens");
	assert_int_equal(accept(listener, NULL, NULL), -1);
	close(listener);
}

struct device {
	uint32_t mode, major, minor;
};

/* A device that the guest made: it can be made and seen, but the host's device is never opened. */
static void try_device(struct world *w, const void *arg)
{
	const struct device *d = arg;
	struct fuse_entry_out e;
	int res = fuse_mknod(&w->c, ROOT, "device", d->mode | 0666, WIRE_DEV(d->major, d->minor), &e);

	if (res == -EPERM)
		return; /* not even made */
	want("MKNOD", res, 0);
	assert_int_equal(e.attr.rdev, WIRE_DEV(d->major, d->minor));
	try_special(w, ROOT, "device");
}

static void try_bad_types(struct world *w, const void *arg)
{
	static const uint32_t modes[] = {S_IFDIR, S_IFLNK, 0030000, 0050000, 0070000, S_IFMT};
	struct fuse_entry_out e;

	(void)arg;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		assert_true(fuse_mknod(&w->c, ROOT, "odd", modes[i] | 07777, 0x12345678, &e) < 0);
	assert_int_equal(access(world_path(w, "share/odd"), F_OK), -1);
}

/* What an O_PATH descriptor could be good for. */
static void try_path_handle(struct world *w, uint64_t node, uint64_t fh)
{
	struct fuse_setattr_in size = {.valid = FATTR_SIZE | FATTR_FH, .fh = fh};
	struct fuse_setattr_in mode = {.valid = FATTR_MODE | FATTR_FH, .fh = fh, .mode = 0777};
	struct fuse_attr_out attr;
	uint64_t at;
	int flags = 0;

	assert_true(fuse_read(&w->c, node, fh, NULL, 100, 0) < 0);
	assert_true(fuse_write(&w->c, node, fh, "X", 1, 0) < 0);
	assert_true(fuse_fallocate(&w->c, node, fh, 0, 0, 10) < 0);
	assert_true(fuse_lseek(&w->c, node, fh, 0, SEEK_HOLE, &at) < 0);
	assert_true(fuse_setattr(&w->c, node, &size, &attr) < 0);
	assert_true(fuse_setattr(&w->c, node, &mode, &attr) < 0);
	assert_true(fuse_readdir(&w->c, node, fh, 0, 4096) < 0);
	assert_true(fuse_readdirplus(&w->c, node, fh, 0, 4096) < 0);
	assert_true(fuse_ioctl(&w->c, node, fh, FS_IOC_GETFLAGS, &flags, 0, sizeof(flags),
			       &(struct fuse_ioctl_out){0}) < 0);
}

static void try_path_flag(struct world *w, const void *arg)
{
	static const uint32_t more[] = {0, O_DIRECTORY, O_RDWR, O_TRUNC, O_NOFOLLOW, O_CREAT, FLAG_TMPFILE};
	const uint64_t nodes[] = {w->file, w->dir, ROOT};
	uint64_t fh;

	(void)arg;
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		for (unsigned k = 0; k < sizeof(more) / sizeof(more[0]); k++) {
			if (fuse_open(&w->c, nodes[i], O_PATH | more[k], &fh) < 0)
				continue;
			try_path_handle(w, nodes[i], fh);
			want("RELEASE", fuse_release(&w->c, nodes[i], fh), 0);
		}
	}
	struct fuse_attr_out attr;
	want("GETATTR", fuse_getattr(&w->c, w->file, &attr), 0);
	assert_int_equal(attr.attr.size, strlen(INSIDE));
}

/* Each bit by itself and all of them, on what may be opened and what not. */
static void try_flags(struct world *w, const void *arg)
{
	const uint64_t nodes[] = {w->file, w->dir, look(w, ROOT, "to-file"), look(w, ROOT, "to-dir"), ROOT};
	const uint32_t odd[] = {UINT32_MAX, O_ACCMODE, FLAG_EXEC, O_ASYNC | O_NONBLOCK, O_TMPFILE | O_RDWR | O_EXCL,
				FLAG_TMPFILE | O_RDWR, O_CREAT | O_EXCL, O_CREAT | O_DIRECTORY, O_NOATIME | O_NOCTTY};
	uint64_t fh;

	(void)arg;
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		for (unsigned bit = 0; bit < 32 + sizeof(odd) / sizeof(odd[0]); bit++) {
			uint32_t flags = bit < 32 ? 1u << bit : odd[bit - 32];
			int res = fuse_open(&w->c, nodes[i], flags, &fh);
			if (i == 2 || i == 3)
				assert_true(res < 0);
			if (res == 0)
				want("RELEASE", fuse_release(&w->c, nodes[i], fh), 0);
		}
	}
}

static void try_create_flags(struct world *w, const void *arg)
{
	const uint32_t odd[] = {O_PATH, O_TMPFILE | O_RDWR, FLAG_TMPFILE, O_DIRECTORY, UINT32_MAX, O_PATH | O_CREAT};
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_true(fuse_create(&w->c, w->dir, "odd", odd[i], 0666, &e, &fh) < 0);
		assert_int_equal(access(world_path(w, "share/dir/odd"), F_OK), -1);
	}
	/* Over a link that dangles outside: nothing is made there. */
	assert_int_equal(symlink(world_path(w, "outside/made"), world_path(w, "share/dangling")), 0);
	for (uint32_t flags = O_RDONLY; flags <= O_RDWR; flags++) {
		want("CREATE", fuse_create(&w->c, ROOT, "dangling", flags | O_CREAT, 0666, &e, &fh), -ESTALE);
		want("CREATE", fuse_create(&w->c, ROOT, "dangling", flags | O_EXCL, 0666, &e, &fh), -EEXIST);
	}
}

/* Unnamed files, and a name given to them later. */
static void try_tmpfile(struct world *w, const void *arg)
{
	struct fuse_entry_out e, named;
	uint64_t fh;
	int res = fuse_tmpfile(&w->c, w->dir, O_RDWR, 0600, &e, &fh);

	(void)arg;
	want("TMPFILE in a file", fuse_tmpfile(&w->c, w->file, O_RDWR, 0600, &named, &fh), -ENOTDIR);
	if (res == -EOPNOTSUPP)
		return;
	want("TMPFILE", res, 0);
	want("LINK out", fuse_link(&w->c, e.nodeid, w->dir, "../../outside/made", &named), -EINVAL);
	want("LINK", fuse_link(&w->c, e.nodeid, w->dir, "named", &named), 0);
	assert_int_equal(access(world_path(w, "share/dir/named"), F_OK), 0);
	want("OPEN of a directory with O_TMPFILE", fuse_open(&w->c, w->dir, O_TMPFILE | O_RDWR, &fh), 0);
	assert_true(fuse_opendir(&w->c, w->dir, &fh) == 0);
}

#define DEVICE(text, mode, major, minor) \
	{"device", text, try_device, &(const struct device){mode, major, minor}, 0}

static const struct attempt rows[] = {
	{"special file", "a pipe made by the guest", try_pipe, NULL, 0},
	{"special file", "a socket made by the guest, and one of the host's", try_socket, NULL, 0},
	DEVICE("/dev/mem", S_IFCHR, 1, 1),
	DEVICE("/dev/zero", S_IFCHR, 1, 5),
	DEVICE("/dev/kmsg", S_IFCHR, 1, 11),
	DEVICE("/dev/tty", S_IFCHR, 5, 0),
	DEVICE("/dev/ptmx", S_IFCHR, 5, 2),
	DEVICE("/dev/fuse", S_IFCHR, 10, 229),
	DEVICE("/dev/loop0", S_IFBLK, 7, 0),
	DEVICE("/dev/sda", S_IFBLK, 8, 0),
	DEVICE("a whiteout", S_IFCHR, 0, 0),
	{"device", "MKNOD of types that are none", try_bad_types, NULL, 0},
	{"flag", "O_PATH, and what its descriptor is good for", try_path_flag, NULL, 0},
	{"flag", "each of OPEN's, and all together", try_flags, NULL, 0},
	{"flag", "odd ones in CREATE, and a dangling link", try_create_flags, NULL, 0},
	{"flag", "O_TMPFILE and TMPFILE, then LINK", try_tmpfile, NULL, 0},
};

const struct attempt_table opens_table = ATTEMPT_TABLE(rows);
