/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of plugins once more, what they open opened by the service outside. */
#include "fake_host.h"
#include "outside_rig.h"

#include <errno.h>
#include <unistd.h>

static int open_outside(const char *path, int flags)
{
	struct graft_error err = { 0 };
	int tree, fd = outside_open(rig.o, path, flags, &tree, &err);

	/* Nothing is mounted below what these tests open. */
	if (tree >= 0)
		close(tree);
	errno = err.code;
	return fd < 0 ? -1 : fd;
}

__attribute__((constructor)) static void take_over(void)
{
	rig = (struct outside_rig){ .userns = -1 };
	rig.config.server.api_socket = "/run/api";
	rig_start();
	fake_host_open = open_outside;
}
