/* SPDX-License-Identifier: Apache-2.0 */
/* upper-dir and work-dir: opened below the folder that holds both, so that things can be moved from one to the other.
 */
#include "upper.h"

#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PEN "work"        /* the folder in work-dir that overlayfs uses as well */
#define PEN_PREFIX "#ov-" /* of folders in it: one for each instance, removed when its lock is free */

static bool has_dotdot(const char *path)
{
	for (const char *p = strstr(path, ".."); p; p = strstr(p + 1, "..")) {
		if (p[-1] == '/' && (p[2] == '/' || !p[2]))
			return true;
	}
	return false;
}

/* path without slashes at its end, and one only where there are more. malloc'ed. */
static char *tidy(const char *path)
{
	char *s = strdup(path);
	size_t n = 0;

	for (const char *p = path; s && *p; p++) {
		if (*p != '/' || p[1] != '/')
			s[n++] = *p;
	}
	if (s) {
		while (n > 1 && s[n - 1] == '/')
			n--;
		s[n] = '\0';
	}
	return s;
}

int ov_common_parent(const struct ov_settings *set, char **parent, const char **upper, const char **work)
{
	auto_free char *a = tidy(set->upper_dir);
	auto_free char *b = tidy(set->work_dir);
	size_t slash = 0, i = 0;

	if (!a || !b)
		return -ENOMEM;
	if (has_dotdot(a) || has_dotdot(b))
		return -EINVAL;
	for (; a[i] && a[i] == b[i]; i++) {
		if (a[i] == '/')
			slash = i;
	}
	/* One is the other, or what it begins with. */
	if ((!a[i] && (!b[i] || b[i] == '/' || i == 1)) || (!b[i] && (a[i] == '/' || i == 1)))
		return -EINVAL;
	/* Parent, upper and work side by side in one piece. */
	size_t la = strlen(a + slash + 1) + 1, lb = strlen(b + slash + 1) + 1, lp = slash ? slash : 1;
	char *all = malloc(lp + 1 + la + lb);
	if (!all)
		return -ENOMEM;
	memcpy(all, a, lp);
	all[lp] = '\0';
	*upper = memcpy(all + lp + 1, a + slash + 1, la);
	*work = memcpy(all + lp + 1 + la, b + slash + 1, lb);
	*parent = all;
	return 0;
}

/* Beneath base; links that stay beneath are the administrator's. */
static int open_beneath(int base, const char *path, int flags)
{
	const struct open_how how = { .flags = (uint64_t)(flags | O_DIRECTORY | O_CLOEXEC),
				      .resolve = RESOLVE_BENEATH };
	int fd = (int)syscall(SYS_openat2, base, path, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(base, path, flags | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_both(struct graft_inst *inst, const struct ov_settings *set, int *work_fd, struct graft_error *err)
{
	const struct graft_host *host = inst->host;
	const char *upper, *work;
	auto_free char *parent = NULL;
	int res = ov_common_parent(set, &parent, &upper, &work);

	if (res == -EINVAL)
		return host->fail(err, EINVAL,
				  "upper-dir and work-dir must be two folders side by side, without \"..\"");
	if (res < 0)
		return host->fail(err, -res, "out of memory");
	auto_close int base = host->open(inst->slot, parent, O_RDONLY | O_DIRECTORY, err);
	if (base < 0)
		return base;
	inst->upper_fd = open_beneath(base, upper, O_PATH);
	if (inst->upper_fd < 0)
		return host->fail(err, -inst->upper_fd, "upper-dir %s: %s", set->upper_dir, strerror(-inst->upper_fd));
	*work_fd = open_beneath(base, work, O_PATH);
	if (*work_fd < 0)
		return host->fail(err, -*work_fd, "work-dir %s: %s", set->work_dir, strerror(-*work_fd));
	return 0;
}

static int same_place(struct graft_inst *inst, int work_fd, struct graft_error *err)
{
	struct stat up, work;

	if (fstat(inst->upper_fd, &up) < 0 || fstat(work_fd, &work) < 0)
		return inst->host->fail(err, errno, "upper-dir, work-dir: %s", strerror(errno));
	if (up.st_dev != work.st_dev)
		return inst->host->fail(err, EXDEV, "upper-dir and work-dir must be on one file system");
	return 0;
}

/* What others left, who are no more. */
static void sweep(const struct graft_inst *inst)
{
	int fd = openat(inst->pen_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (strncmp(d->d_name, PEN_PREFIX, strlen(PEN_PREFIX)) != 0)
			continue;
		auto_close int one = ov_open_name(inst, inst->pen_fd, d->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (one >= 0 && flock(one, LOCK_EX | LOCK_NB) == 0)
			ov_remove_tree(inst, inst->pen_fd, d->d_name);
	}
	closedir(dir);
}

static int make_pen(struct graft_inst *inst, int work_fd)
{
	uint64_t random;

	if (mkdirat(work_fd, PEN, 0700) < 0 && errno != EEXIST)
		return -errno;
	inst->pen_fd = ov_open_name(inst, work_fd, PEN, O_RDONLY | O_DIRECTORY, 0);
	if (inst->pen_fd < 0)
		return inst->pen_fd;
	sweep(inst);
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(inst->temp_name, sizeof(inst->temp_name), PEN_PREFIX "%016llx", (unsigned long long)random);
	if (mkdirat(inst->pen_fd, inst->temp_name, 0700) < 0)
		return -errno;
	inst->temp_fd = ov_open_name(inst, inst->pen_fd, inst->temp_name, O_RDONLY | O_DIRECTORY, 0);
	if (inst->temp_fd < 0)
		return inst->temp_fd;
	return flock(inst->temp_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/* Whether the file system can do what the overlay needs. 0 or -errno, *what: what failed. */
static int probe(struct graft_inst *inst, const char **what)
{
	char a[OV_TEMP_NAME], b[OV_TEMP_NAME];
	int res = ov_temp_whiteout(inst, a);

	*what = "whiteouts (character devices 0/0)";
	if (res < 0)
		return res;
	*what = "exchanging names (RENAME_EXCHANGE)";
	ov_temp_name(inst, b);
	if (mkdirat(inst->temp_fd, b, 0700) < 0 || renameat2(inst->temp_fd, a, inst->temp_fd, b, RENAME_EXCHANGE) < 0)
		return -errno;
	/* Now a is the directory. */
	auto_close int fd = ov_open_name(inst, inst->temp_fd, a, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	*what = "marks (trusted.* or user.* attributes)";
	inst->trusted = true;
	if (ov_set_opaque(inst, fd) < 0) {
		inst->trusted = false;
		res = ov_set_opaque(inst, fd);
		if (res < 0)
			return res;
	}
	*what = "leaving whiteouts (RENAME_WHITEOUT)";
	char c[OV_TEMP_NAME];
	ov_temp_name(inst, c);
	if (renameat2(inst->temp_fd, a, inst->temp_fd, c, RENAME_WHITEOUT) < 0)
		return -errno;
	ov_remove_tree(inst, inst->temp_fd, a);
	ov_remove_tree(inst, inst->temp_fd, b);
	ov_remove_tree(inst, inst->temp_fd, c);
	return 0;
}

static void learn_memory(struct graft_inst *inst)
{
	struct statfs st;

	inst->memory = fstatfs(inst->upper_fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC);
}

static void learn_openat2(struct graft_inst *inst)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	int fd = (int)syscall(SYS_openat2, inst->upper_fd, ".", &how, sizeof(how));

	inst->no_openat2 = fd < 0 && (errno == ENOSYS || errno == EPERM);
	if (fd >= 0)
		close(fd);
}

int ov_dirs_open(struct graft_inst *inst, const struct ov_settings *set, struct graft_error *err)
{
	const struct graft_host *host = inst->host;
	auto_close int work_fd = -1;
	const char *what;
	int res = open_both(inst, set, &work_fd, err);

	if (res < 0)
		return res;
	learn_openat2(inst);
	learn_memory(inst);
	inst->proc_fd = host->open(inst->slot, "/proc/self/fd", O_PATH | O_DIRECTORY, err);
	if (inst->proc_fd < 0)
		return inst->proc_fd;
	res = same_place(inst, work_fd, err);
	if (res < 0)
		return res;
	res = make_pen(inst, work_fd);
	if (res < 0)
		return host->fail(err, -res, "work-dir %s: %s", set->work_dir, strerror(-res));
	res = probe(inst, &what);
	if (res < 0)
		return host->fail(err, -res, "upper-dir %s: its file system refuses %s: %s", set->upper_dir, what,
				  strerror(-res));
	if (!inst->trusted)
		host->log(inst->slot, GRAFT_LOG_INFO,
			  "without CAP_SYS_ADMIN opaque directories are marked by user.overlay.opaque");
	return 0;
}

void ov_dirs_close(struct graft_inst *inst)
{
	if (inst->temp_fd >= 0)
		ov_remove_tree(inst, inst->pen_fd, inst->temp_name);
	cleanup_close(&inst->temp_fd);
	cleanup_close(&inst->pen_fd);
	cleanup_close(&inst->upper_fd);
	cleanup_close(&inst->proc_fd);
}
