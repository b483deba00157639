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

/* Leaves this thread those of keep, and what lies beyond the first 32 only if so told. True if *had has to be put back. */
static bool caps_narrow(struct caps *had, uint32_t keep, bool beyond)
{
	struct caps c;

	if (!caps_read(had))
		return false;
	c = *had;
	c.data[0].effective &= keep;
	if (!beyond)
		c.data[1].effective = 0;
	if (c.data[0].effective == had->data[0].effective && c.data[1].effective == had->data[1].effective)
		return false;
	return caps_write(&c);
}

int fuse_dev_backing_able(void)
{
	struct caps c;

	return caps_read(&c) && (c.data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) ? 0 : -EPERM;
}

static int open_with(int dev, int fd, uint32_t keep, bool beyond)
{
	struct fuse_backing_map map = { .fd = fd };
	struct caps had;
	bool narrowed = caps_narrow(&had, keep, beyond);
	int id = ioctl(dev, FUSE_DEV_IOC_BACKING_OPEN, &map);
	int res = id > 0 ? id : id < 0 ? -errno : -EIO;

	if (narrowed)
		caps_write(&had);
	return res;
}

int fuse_dev_backing_open(int dev, int fd)
{
	return open_with(dev, fd, ~CAP_TO_MASK(CAP_FSETID), true);
}

int fuse_dev_backing_open_bare(int dev, int fd)
{
	return open_with(dev, fd, CAP_TO_MASK(CAP_SYS_ADMIN), false);
}

void fuse_dev_backing_close(int dev, int id)
{
	uint32_t arg = (uint32_t)id;

	ioctl(dev, FUSE_DEV_IOC_BACKING_CLOSE, &arg);
}
