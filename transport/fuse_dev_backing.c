/* SPDX-License-Identifier: Apache-2.0 */
/* Backing files of a /dev/fuse connection: two ioctls, and the capabilities they take along. */
#include "transport/fuse_dev_backing.h"

#include <errno.h>
#include <graftfs/fuse.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct caps {
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

/* This thread's; the C library has no function for one thread alone. */
static bool caps_read(struct caps *c)
{
	*c = (struct caps){ .head.version = _LINUX_CAPABILITY_VERSION_3 };
	return syscall(SYS_capget, &c->head, c->data) == 0;
}

static bool caps_write(struct caps *c)
{
	return syscall(SYS_capset, &c->head, c->data) == 0;
}

/* True if it was there and has to be put back. */
static bool fsetid_drop(struct caps *c)
{
	if (!caps_read(c) || !(c->data[0].effective & CAP_TO_MASK(CAP_FSETID)))
		return false;
	c->data[0].effective &= ~CAP_TO_MASK(CAP_FSETID);
	return caps_write(c);
}

int fuse_dev_backing_able(void)
{
	struct caps c;

	return caps_read(&c) && (c.data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) ? 0 : -EPERM;
}

int fuse_dev_backing_open(int dev, int fd)
{
	struct fuse_backing_map map = { .fd = fd };
	struct caps c;
	bool dropped = fsetid_drop(&c);
	int id = ioctl(dev, FUSE_DEV_IOC_BACKING_OPEN, &map);
	int res = id > 0 ? id : id < 0 ? -errno : -EIO;

	if (dropped) {
		c.data[0].effective |= CAP_TO_MASK(CAP_FSETID);
		caps_write(&c);
	}
	return res;
}

void fuse_dev_backing_close(int dev, int id)
{
	uint32_t arg = (uint32_t)id;

	ioctl(dev, FUSE_DEV_IOC_BACKING_CLOSE, &arg);
}
