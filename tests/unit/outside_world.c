/* SPDX-License-Identifier: Apache-2.0 */
/* The tests of the /dev/fuse transport once more, its mounts made by the service outside. */
#include "fuse_dev_world.h"
#include "outside_rig.h"

static struct outside_fuse fuse;

static const struct fuse_dev_host_ops *begin(const char *dir, void **host)
{
	rig_setup(NULL);
	rig.config.server.instance = "world";
	rig.config.ntransports = 1;
	rig.transports[0].kind = GRAFT_DEV_FUSE;
	rig.transports[0].name = "test";
	rig.transports[0].mountpoint = dir;
	rig_start();
	fuse = (struct outside_fuse){ .outside = rig.o, .transport = 0 };
	*host = &fuse;
	return &outside_fuse_ops;
}

static void end(void)
{
	rig_stop();
	rig_teardown(NULL);
}

static const struct world_elsewhere elsewhere = { begin, end };

__attribute__((constructor)) static void take_over(void)
{
	world_elsewhere = &elsewhere;
}
