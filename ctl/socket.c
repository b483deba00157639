/* SPDX-License-Identifier: Apache-2.0 */
/* Which server is meant: option, environment, or the only one there is. */
#include "ctl/socket.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const char *path, struct graft_error *err)
{
	char *made = strdup(path);
	if (!made)
		error_set(err, ENOMEM, "out of memory");
	return made;
}

static char *several(const glob_t *found, struct graft_error *err)
{
	error_set(err, EINVAL, "%zu servers run here; say which with --socket:", found->gl_pathc);
	for (size_t i = 0; i < found->gl_pathc; i++) {
		size_t used = strlen(err->text);
		if (used + strlen(found->gl_pathv[i]) + 2 > sizeof(err->text))
			break;
		err->text[used] = ' ';
		strcpy(err->text + used + 1, found->gl_pathv[i]);
	}
	return NULL;
}

char *socket_find(const char *given, struct graft_error *err)
{
	if (!given)
		given = getenv(SOCKET_ENV);
	if (given && *given == '\0') {
		error_set(err, EINVAL, "the path of the socket is empty");
		return NULL;
	}
	if (given)
		return copy(given, err);

	glob_t found = { 0 };
	int res = glob(SOCKET_PATTERN, 0, NULL, &found);
	char *path = NULL;
	if (res == 0 && found.gl_pathc == 1)
		path = copy(found.gl_pathv[0], err);
	else if (res == 0)
		path = several(&found, err);
	else if (res == GLOB_NOSPACE)
		error_set(err, ENOMEM, "out of memory");
	else
		error_set(err, ENOENT, "no server found: nothing at %s; say where with --socket or %s", SOCKET_PATTERN,
			  SOCKET_ENV);
	globfree(&found);
	return path;
}
