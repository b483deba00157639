/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's root. A clone of a mount that is nowhere attached (open_tree(2)) has no parent: ".." ends at its root.
 * All that is kept open of the host's tree goes through one.
 */
#include "server/sandbox/root.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PLACE   "proc/self/fd"
#define OWN_FDS "/" PLACE
#define CLONE_TREE ((unsigned int)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC))

/* A tmpfs with nothing but a place for OWN_FDS; not attached. fd or -errno. */
static int empty_root(void)
{
	static const char *const folders[] = { "proc", "proc/self", PLACE };
	auto_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "8", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	auto_close int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (mkdirat(fd, folders[i], 0555) < 0)
			return -errno;
	}
	return steal_fd(&fd);
}

/* ---- folders that are open ---- */

/* What a descriptor is, as far as another has to be the same. */
struct folder {
	int fd;
	int flags, fd_flags; /* F_GETFL, F_GETFD */
	struct stat st;
};

static bool same(const struct folder *f, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino;
}

/* Where something lies below that must not be uncovered, the kernel wants that cloned too. */
static int clone_at(int dir, const char *path, unsigned int flags)
{
	int tree = open_tree(dir, path, flags | CLONE_TREE);

	return tree >= 0 || errno != EINVAL ? tree : open_tree(dir, path, flags | CLONE_TREE | AT_RECURSIVE);
}

/*
 * Nowhere attached, or -1. Opened before the namespace was made, the folder is one of the old namespace's mounts, which
 * cannot be cloned here: the same is looked for by its path.
 */
static int clone_of(const struct folder *f, int own_fds)
{
	char name[16], path[PATH_MAX];
	int tree = clone_at(f->fd, "", AT_EMPTY_PATH);

	if (tree >= 0)
		return tree;
	snprintf(name, sizeof(name), "%d", f->fd);
	ssize_t len = readlinkat(own_fds, name, path, sizeof(path) - 1);
	if (len <= 0)
		return -1;
	path[len] = '\0';
	tree = clone_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
	if (tree >= 0 && same(f, tree))
		return tree;
	cleanup_close(&tree);
	return -1;
}

/* Takes the clone's place under f's number; one that cannot be cloned is lost, rather than kept as a way out. */
static int replace(const struct folder *f, int own_fds, int empty, struct graft_error *err)
{
	auto_close int tree = clone_of(f, own_fds);
	auto_close int real = -1;
	int with = tree < 0 ? empty : tree;

	if (!(f->flags & O_PATH)) {
		real = openat(with, ".", (f->flags & O_ACCMODE) | O_DIRECTORY | O_CLOEXEC);
		with = real;
	}
	if (with < 0 || dup3(with, f->fd, f->fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return error_set(err, errno, "descriptor %d, a folder: %s", f->fd, strerror(errno));
	return 0;
}

static int fence_folders(int own_fds, int empty, struct graft_error *err)
{
	DIR *dir = opendir(OWN_FDS);
	const struct dirent *e;
	int res = 0;

	if (!dir)
		return error_set(err, errno, OWN_FDS ": %s", strerror(errno));
	while (!res && (e = readdir(dir))) {
		struct folder f = { .fd = atoi(e->d_name) };

		if (*e->d_name == '.' || f.fd == dirfd(dir) || f.fd == own_fds || f.fd == empty)
			continue;
		f.flags = fcntl(f.fd, F_GETFL);
		f.fd_flags = fcntl(f.fd, F_GETFD);
		if (f.flags >= 0 && fstat(f.fd, &f.st) == 0 && S_ISDIR(f.st.st_mode))
			res = replace(&f, own_fds, empty, err);
	}
	closedir(dir);
	return res;
}

/* ---- the root ---- */

/* The root is not the host's any more, and empty but for fds. */
static int leave_host(int empty, int fds)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	if (move_mount(empty, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    move_mount(fds, "", empty, PLACE, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mount_setattr(empty, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0 || fchdir(empty) < 0)
		return -errno;
	/* pivot_root(2): the old root comes to lie on the new one, where it is taken off. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int failed(const char *what, int res, struct graft_error *err)
{
	return error_set(err, -res, "%s: %s", what, strerror(-res));
}

int root_pivot(struct graft_error *err)
{
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return failed("cutting mounts off the host's", -errno, err);
	auto_close int fds = open_tree(AT_FDCWD, OWN_FDS, CLONE_TREE);
	if (fds < 0)
		return failed(OWN_FDS, -errno, err);
	auto_close int empty = empty_root();
	if (empty < 0)
		return failed("making an empty root", empty, err);
	int res = fence_folders(fds, empty, err);
	if (res)
		return res;
	res = leave_host(empty, fds);
	return res ? failed("leaving the host's root", res, err) : 0;
}

int root_change(const char *to, int *own_fds, struct graft_error *err)
{
	auto_close int fds = open(OWN_FDS, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fds < 0)
		return failed(OWN_FDS, -errno, err);
	if (chroot(to) < 0 || chdir("/") < 0)
		return failed(to, -errno, err);
	*own_fds = steal_fd(&fds);
	return 0;
}
