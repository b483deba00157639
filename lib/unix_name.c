/* SPDX-License-Identifier: Apache-2.0 */
/* Names of Unix sockets. */
#include "lib/unix_name.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *unix_name(const char *path)
{
	char cwd[PATH_MAX];

	if (strlen(path) < UNIX_NAME_MAX)
		return path;
	if (!getcwd(cwd, sizeof(cwd)))
		return NULL;
	size_t len = strlen(cwd);
	if (strncmp(path, cwd, len) != 0 || path[len] != '/' || strlen(path + len + 1) >= UNIX_NAME_MAX)
		return NULL;
	return path + len + 1;
}
