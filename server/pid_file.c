/* SPDX-License-Identifier: Apache-2.0 */
/* The pid file. */
#include "server/pid_file.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 100 /* each time, somebody replaced the file between open and lock */

/* Of whoever holds the lock: the pid it wrote, or nothing. */
static int held(int fd, struct graft_error *err)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	size_t digits = n > 0 ? strspn(text, "0123456789") : 0;

	text[digits] = '\0';
	return error_set(err, EAGAIN, "another process holds it%s%s%s", digits ? ", pid " : "", text,
			 digits ? "; it serves already" : "");
}

/* 1: the file was replaced meanwhile, open it again. */
static int open_locked(struct pid_file *p, struct graft_error *err)
{
	struct stat st;

	/* Not to wait for a FIFO's reader. */
	p->fd = openat(p->at.dir, p->at.name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (p->fd < 0 || fstat(p->fd, &st) < 0)
		return error_set(err, errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "it is no regular file");
	if (flock(p->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? held(p->fd, err) : error_set(err, errno, "flock: %s", strerror(errno));
	held_path_mark(&p->at, &st);
	return held_path_is_marked(&p->at) ? 0 : 1;
}

static int lock_file(struct pid_file *p, struct graft_error *err)
{
	int res = 1;

	for (int i = 0; res == 1 && i < TRIES; i++) {
		cleanup_close(&p->fd);
		res = open_locked(p, err);
	}
	return res == 1 ? error_set(err, EAGAIN, "it is replaced again and again") : res;
}

static int write_pid(int fd, struct graft_error *err)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len)
		return 0;
	return error_set(err, errno ? errno : EIO, "cannot write it: %s", strerror(errno));
}

int pid_file_open(struct pid_file *p, const char *path, struct graft_error *err)
{
	*p = (struct pid_file)PID_FILE_NONE;
	int res = held_path_open(&p->at, path, "file", err);
	if (res == 0)
		res = lock_file(p, err);
	if (res == 0)
		res = write_pid(p->fd, err);
	if (res == 0)
		return 0;
	pid_file_leave(p);
	return error_wrap(err, "pid file %.512s", path);
}

void pid_file_leave(struct pid_file *p)
{
	cleanup_close(&p->fd);
	held_path_leave(&p->at);
	*p = (struct pid_file)PID_FILE_NONE;
}

/* The lock goes last: whoever waits for it then finds no file, and makes one. */
void pid_file_close(struct pid_file *p)
{
	if (p->fd >= 0)
		held_path_remove(&p->at);
	pid_file_leave(p);
}
