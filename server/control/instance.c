/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of an instance and its lock. */
#include "server/control/instance.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_NAME "lock"
#define LOCK_TRIES 100 /* of 10 ms each, until the owner has written who it is */
#define LOCK_WAIT_NS 10000000

int instance_start_time(pid_t pid, uint64_t *ticks)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	/* Field 2 is the name in parentheses and may hold anything; 22 is the 20th behind it. */
	const char *at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, " %" SCNu64, ticks) == 1 ? 0 : -ESRCH;
}

int process_id_read(struct process_id *id)
{
	auto_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, id->boot_id, sizeof(id->boot_id) - 1);

	if (len <= 0)
		return -ENOENT;
	id->boot_id[len] = '\0';
	id->boot_id[strcspn(id->boot_id, "\n")] = '\0';
	id->pid = getpid();
	return instance_start_time(id->pid, &id->start) ? -ENOENT : 0;
}

static int make_folder(const char *state_dir, const char *path, struct graft_error *err)
{
	if (mkdir(state_dir, 0755) && errno != EEXIST)
		return error_set(err, errno, "making the state folder %s: %s", state_dir, strerror(errno));
	if (mkdir(path, 0700))
		return errno == EEXIST ? 0 : error_set(err, errno, "making %s: %s", path, strerror(errno));
	/* A umask may have taken even the owner's rights. */
	return chmod(path, 0700) ? error_set(err, errno, "chmod of %s: %s", path, strerror(errno)) : 0;
}

/* A folder that others could write may hold what they want us to mount. */
static int check_folder(int dir, const char *path, struct graft_error *err)
{
	struct stat st;

	if (fstat(dir, &st))
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	if (st.st_uid != geteuid())
		return error_set(err, EPERM, "%s belongs to user %u, not to user %u, who runs this", path, st.st_uid,
				 geteuid());
	if (st.st_mode & 022)
		return error_set(err, EPERM, "%s has mode %04o: others could write in it; make it 0700 or remove it",
				 path, st.st_mode & 07777);
	if ((st.st_mode & 07777) != 0700 && fchmod(dir, 0700))
		return error_set(err, errno, "chmod of %s: %s", path, strerror(errno));
	return 0;
}

static int open_folder(struct instance *i, const char *state_dir, const char *name, struct graft_error *err)
{
	if (asprintf(&i->path, "%s/%s", state_dir, name) < 0) {
		i->path = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	int res = make_folder(state_dir, i->path, err);
	if (res)
		return res;
	i->dir = open(i->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (i->dir >= 0)
		return check_folder(i->dir, i->path, err);
	if (errno == ELOOP || errno == ENOTDIR)
		return error_set(err, ENOTDIR, "%s is not a folder (a symbolic link is not followed)", i->path);
	return error_set(err, errno, "opening %s: %s", i->path, strerror(errno));
}

static int open_lock(const struct instance *i, struct graft_error *err)
{
	struct stat st;
	/* Non-blocking: the name may stand for a FIFO. */
	int fd = openat(i->dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set(err, errno, "opening %s/" LOCK_NAME ": %s", i->path, strerror(errno));
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return error_set(err, EINVAL, "%s/" LOCK_NAME " is not a regular file", i->path);
}

/* Somebody may have removed the file, and the folder with it, between our open and our lock. */
static bool still_named(const struct instance *i, int fd)
{
	struct stat ours, named;

	return !fstat(fd, &ours) && !fstatat(i->dir, LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* The pid in the file, 0: none. *certain: it is the pid of a process that lives and wrote it. */
static int read_owner(int fd, bool *certain)
{
	char text[64] = "";
	uint64_t wrote = 0, lives = 1;
	int pid = 0;

	if (pread(fd, text, sizeof(text) - 1, 0) > 0 && sscanf(text, "%d %" SCNu64, &pid, &wrote) < 1)
		pid = 0;
	*certain = pid > 0 && !instance_start_time(pid, &lives) && lives == wrote;
	return pid;
}

static int write_owner(const struct instance *i, int fd, struct graft_error *err)
{
	char text[64];
	uint64_t ticks = 0;

	if (instance_start_time(getpid(), &ticks))
		return error_set(err, ENOENT, "cannot read /proc/%d/stat", (int)getpid());
	int len = snprintf(text, sizeof(text), "%d\n%" PRIu64 "\n", (int)getpid(), ticks);
	if (fchmod(fd, 0600) || ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len)
		return error_set(err, errno, "writing %s/" LOCK_NAME ": %s", i->path, strerror(errno));
	return 0;
}

/* fd locked, -EBUSY where somebody else has it and *pid where that is known, -EAGAIN where it is worth another try. */
static int try_lock(const struct instance *i, int *pid, struct graft_error *err)
{
	auto_close int fd = open_lock(i, err);
	bool certain;

	if (fd < 0)
		return fd;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return still_named(i, fd) ? steal_fd(&fd) : -EAGAIN;
	if (errno != EWOULDBLOCK)
		return error_set(err, errno, "locking %s/" LOCK_NAME ": %s", i->path, strerror(errno));
	*pid = read_owner(fd, &certain);
	return certain ? -EBUSY : -EAGAIN;
}

static int take_lock(struct instance *i, const char *name, struct graft_error *err)
{
	const struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };
	int pid = 0, fd = -EAGAIN;

	for (int tries = 0; fd == -EAGAIN && tries < LOCK_TRIES; tries++) {
		if (tries)
			nanosleep(&wait, NULL);
		fd = try_lock(i, &pid, err);
	}
	if (fd >= 0) {
		i->lock = fd;
		return write_owner(i, fd, err);
	}
	if (fd != -EBUSY && fd != -EAGAIN)
		return fd;
	if (pid > 0)
		return error_set(err, EBUSY, "instance '%s' runs already, as pid %d (%s/" LOCK_NAME ")", name, pid,
				 i->path);
	return error_set(err, EBUSY, "instance '%s' runs already: %s/" LOCK_NAME " is locked", name, i->path);
}

int instance_open(struct instance *i, const char *state_dir, const char *name, struct graft_error *err)
{
	*i = (struct instance){ .dir = -1, .lock = -1 };
	int res = open_folder(i, state_dir, name, err);

	if (!res)
		res = take_lock(i, name, err);
	if (res)
		instance_close(i);
	return res;
}

void instance_close(struct instance *i)
{
	if (i->lock >= 0) {
		/* A pid that stays in the file does no harm: its start time is beside it. */
		int res = ftruncate(i->lock, 0);
		(void)res;
		/* Not left to close: a child that was forked just now would hold the lock with its copy. */
		flock(i->lock, LOCK_UN);
	}
	cleanup_close(&i->lock);
	cleanup_close(&i->dir);
	free(i->path);
	*i = (struct instance){ .dir = -1, .lock = -1 };
}
