/* SPDX-License-Identifier: Apache-2.0 */
/* What a /dev/fuse transport needs of the host, done by this process. */
#include "transport/fuse_dev.h"

#include "lib/cleanup.h"
#include "transport/fuse_dev_backing.h"
#include "transport/fuse_dev_mount.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/ioctl.h>

static int host_look(void *host, const struct fuse_dev_config *config, char dir[PATH_MAX], struct graft_error *err)
{
	struct fuse_dev_mount *m = host;
	int res = config->adopts ? fuse_dev_mount_point(m, config->mountpoint, err)
				 : fuse_dev_mount_look(m, config->mountpoint, config->type, config->source, err);

	if (res)
		return res;
	m->read_only = config->read_only;
	memcpy(dir, m->dir, sizeof(m->dir));
	return 0;
}

static int host_mount(void *host, struct graft_error *err)
{
	return fuse_dev_mount_make(host, err);
}

static bool host_stands(void *host)
{
	return fuse_dev_mount_stands(host);
}

static void host_sync(void *host)
{
	fuse_dev_mount_sync(host);
}

static int host_detach(void *host, bool abort)
{
	return fuse_dev_mount_detach(host, abort);
}

static int host_abort(void *host)
{
	return fuse_dev_mount_abort(host);
}

static int host_clone(void *host, int dev)
{
	uint32_t source = (uint32_t)dev;
	auto_close int copy = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	(void)host;
	if (copy < 0 || ioctl(copy, FUSE_DEV_IOC_CLONE, &source) < 0)
		return -errno;
	return steal_fd(&copy);
}

static int host_backing_able(void *host)
{
	(void)host;
	return fuse_dev_backing_able();
}

static int host_backing_open(void *host, int dev, int fd)
{
	(void)host;
	return fuse_dev_backing_open(dev, fd);
}

static void host_backing_close(void *host, int dev, int id)
{
	(void)host;
	fuse_dev_backing_close(dev, id);
}

const struct fuse_dev_host_ops fuse_dev_host_ops = {
	.look = host_look,
	.mount = host_mount,
	.stands = host_stands,
	.sync = host_sync,
	.detach = host_detach,
	.abort = host_abort,
	.clone = host_clone,
	.backing_able = host_backing_able,
	.backing_open = host_backing_open,
	.backing_close = host_backing_close,
};
