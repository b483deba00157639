/* SPDX-License-Identifier: Apache-2.0 */
/* Opening by name with openat2, which the kernel keeps inside, and by descriptor through /proc/self/fd, which names nothing else. */
#include "open.h"

#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

/* openat2 refuses what it does not know, and guests send flags of their kernel's. */
#define OPEN_FLAGS                                                                                                     \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT | O_ASYNC | \
	 O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_PATH | O_TMPFILE)

static int call_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return (int)syscall(SYS_openat2, dirfd, path, how, sizeof(*how));
}

/* After a failure: whether nodes have made room for one more try. The source's own opening comes before there is a budget. */
static bool made_room(struct graft_inst *inst)
{
	return (errno == EMFILE || errno == ENFILE) && inst->budget && pt_fd_relieve(inst);
}

void open_probe(struct graft_inst *inst, int dirfd)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
	int fd = call_openat2(dirfd, ".", &how);

	inst->no_openat2 = fd < 0 && (errno == ENOSYS || errno == EPERM);
	if (fd >= 0)
		close(fd);
}

static int call_name(const struct graft_inst *inst, int dirfd, const char *name, const struct open_how *how)
{
	if (inst->no_openat2)
		return openat(dirfd, name, (int)how->flags | O_NOFOLLOW, (mode_t)how->mode);
	return call_openat2(dirfd, name, how);
}

int open_name(struct graft_inst *inst, int dirfd, const char *name, int flags, mode_t mode)
{
	const bool makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	const struct open_how how = {
		.flags = (uint64_t)((flags & OPEN_FLAGS) | O_CLOEXEC),
		.mode = makes ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = call_name(inst, dirfd, name, &how);

	if (fd < 0 && made_room(inst))
		fd = call_name(inst, dirfd, name, &how);
	return fd < 0 ? -errno : fd;
}

static int call_again(const struct graft_inst *inst, const char *name, int flags)
{
	/* Asking for it is the owner's and CAP_FOWNER's right. */
	if (inst->set->readonly && !(flags & (O_PATH | O_NOATIME))) {
		int fd = openat(inst->proc_fd, name, flags | O_NOATIME);
		if (fd >= 0 || errno != EPERM)
			return fd;
	}
	return openat(inst->proc_fd, name, flags);
}

int open_again(struct graft_inst *inst, int fd, int flags)
{
	char buf[16];
	const char *name = node_fd_name(buf, fd);
	int again = call_again(inst, name, flags | O_CLOEXEC);

	if (again < 0 && made_room(inst))
		again = call_again(inst, name, flags | O_CLOEXEC);
	return again < 0 ? -errno : again;
}

int open_path(const char *path)
{
	const struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	int fd = call_openat2(AT_FDCWD, path, &how);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_path_below(int root_fd, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd = call_openat2(root_fd, path, &how);

	return fd < 0 ? -errno : fd;
}
