/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of /dev/fuse that comes from another process. */
#include "transport/fuse_dev_drain.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <fcntl.h>
#include <graftfs/fuse.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define FUSE_DEVICE makedev(10, 229) /* Linux, Documentation/admin-guide/devices.txt */
#define NOTIFY_RESEND 7              /* FUSE_NOTIFY_RESEND */

int fuse_dev_check(int fd, struct graft_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, EINVAL, "the descriptor is not open");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != FUSE_DEVICE)
		return error_set(err, EINVAL, "the descriptor is not one of /dev/fuse");
	return 0;
}

/* 0 or -errno. */
static int notify_resend(int fd)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = NOTIFY_RESEND };

	return write(fd, &out, sizeof(out)) < 0 ? -errno : 0;
}

static int write_control(const char *folder, uint64_t dev, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%" PRIu64 "/%s", folder, dev, name);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) < 0 ? -errno : 0;
}

static int control(uint64_t dev, const char *name)
{
	int res = write_control("/proc/sys/fs/fuse/connections", dev, name);

	return res ? write_control("/sys/fs/fuse/connections", dev, name) : 0;
}

void fuse_dev_drain(int fd, uint64_t dev, enum fuse_dev_drain drain, const char *object)
{
	int res = 0;

	if (drain == FUSE_DEV_DRAIN_RESEND) {
		res = notify_resend(fd);
		if (res)
			res = control(dev, "resend");
	} else if (drain == FUSE_DEV_DRAIN_FLUSH) {
		res = control(dev, "flush");
	}
	if (res)
		log_warn(object, "what was asked for before cannot be %s: %s",
			 drain == FUSE_DEV_DRAIN_RESEND ? "sent again" : "ended", strerror(-res));
}
