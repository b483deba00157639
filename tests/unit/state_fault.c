/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of the state folder that fail when a test wants it; the linker's --wrap sends them here. */
#include "tests/unit/state_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned calls, fail_at;
static int fail_code;
static bool fail_stays, failed;

void fault_at(unsigned at, int code, bool stays)
{
	calls = 0;
	fail_at = at;
	fail_code = code;
	fail_stays = stays;
	failed = false;
}

bool fault_happened(void)
{
	return failed;
}

/* Not for threads: tests that inject have one. */
static bool fails(void)
{
	if (!fail_at || (++calls != fail_at && !(fail_stays && calls > fail_at)))
		return false;
	failed = true;
	errno = fail_code;
	return true;
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return fails() ? -1 : __real_openat(dir, path, flags, mode);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
	return fails() ? -1 : __real_fchmod(fd, mode);
}

/* A disk that is full takes what still fits first. */
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (fail_at && len > 1) {
		if (calls + 1 == fail_at)
			__real_write(fd, data, len / 2);
		return fails() ? -1 : __real_write(fd, data, len / 2 + 1);
	}
	return fails() ? -1 : __real_write(fd, data, len);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	return fails() ? -1 : __real_fsync(fd);
}

/* Closes in any case, as Linux does. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int res = __real_close(fd);

	return fails() ? -1 : res;
}

int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new)
{
	return fails() ? -1 : __real_renameat(from, old, to, new);
}

int __real_renameat2(int from, const char *old, int to, const char *new, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *new, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
	return fails() ? -1 : __real_renameat2(from, old, to, new, flags);
}
