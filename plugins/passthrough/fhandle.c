/* SPDX-License-Identifier: Apache-2.0 */
/* File handles through the raw system calls, so that no flexible array has to be dealt with. */
#include "fhandle.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(offsetof(struct fhandle, bytes) == sizeof(struct file_handle), "not the kernel's layout");

int fhandle_of(int dirfd, const char *name, struct fhandle *h, uint64_t *mount)
{
	int id = 0;

	h->len = MAX_HANDLE_SZ;
	h->type = 0;
	if (syscall(SYS_name_to_handle_at, dirfd, name, h, &id, name[0] ? 0 : AT_EMPTY_PATH) < 0) {
		h->len = 0;
		return errno == EOVERFLOW ? -EOPNOTSUPP : -errno;
	}
	/* One without bytes could not be told from none. */
	if (!h->len || h->len > MAX_HANDLE_SZ) {
		h->len = 0;
		return -EOPNOTSUPP;
	}
	*mount = (uint32_t)id;
	return 0;
}

int fhandle_open(int mount_fd, const struct fhandle *h)
{
	int fd = (int)syscall(SYS_open_by_handle_at, mount_fd, h, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool fhandle_equal(const struct fhandle *a, const struct fhandle *b)
{
	return a->len == b->len && a->type == b->type && !memcmp(a->bytes, b->bytes, a->len);
}
