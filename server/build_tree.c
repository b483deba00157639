/* SPDX-License-Identifier: Apache-2.0 */
/* The build tree that this program lies in. */
#include "server/build_tree.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool build_tree_path(const char *name, char path[BUILD_TREE_PATH_MAX])
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len <= 0)
		return false;
	exe[len] = '\0';
	const char *slash = strrchr(exe, '/');
	if (!slash)
		return false;
	int n = snprintf(path, BUILD_TREE_PATH_MAX, "%.*s/../lib/graftfs/%s", (int)(slash - exe), exe, name);
	return n > 0 && n < BUILD_TREE_PATH_MAX;
}
