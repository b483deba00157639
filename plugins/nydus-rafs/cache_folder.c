/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a folder and makes what is missing of its path: the host opens the part that is there, mkdirat does the rest.
 */
#include "cache_folder.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

static int failed(const char *path, int code, struct graft_error *err)
{
	return error_set(err, code, "cache-dir %s: %s", path,
			 code == ENOTDIR ? "it, or what leads to it, is not a directory" : strerror(code));
}

/* The deepest folder on the way to path that is there. *rest: what comes behind it, in path. */
static int open_ancestor(const struct path_opener *opener, const char *path, const char **rest)
{
	auto_free char *part = strdup(path);
	size_t len = strlen(path);

	if (!part)
		return -ENOMEM;
	for (;;) {
		int fd;

		while (len > 1 && part[len - 1] == '/')
			len--;
		part[len] = '\0';
		fd = opener->open(opener->arg, part, FOLDER_FLAGS, NULL);
		if (fd != -ENOENT || len <= 1) {
			*rest = path + len;
			return fd;
		}
		while (len > 1 && part[len - 1] != '/')
			len--;
	}
}

/* The folder name below fd, made where it is missing; takes fd. Somebody else may make it at the same time. */
static int step_down(int fd, const char *name)
{
	int below = -1, res = 0;

	if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
		res = -errno;
	if (res == 0) {
		below = openat(fd, name, FOLDER_FLAGS);
		res = below < 0 ? -errno : below;
	}
	close(fd);
	return res;
}

int cache_folder_open(const struct path_opener *opener, const char *path, struct graft_error *err)
{
	const char *rest = NULL;
	int fd = open_ancestor(opener, path, &rest);

	while (fd >= 0) {
		char name[256];
		size_t len;

		rest += strspn(rest, "/");
		len = strcspn(rest, "/");
		if (!len)
			return fd;
		if (len >= sizeof(name)) {
			close(fd);
			fd = -ENAMETOOLONG;
			break;
		}
		memcpy(name, rest, len);
		name[len] = '\0';
		rest += len;
		fd = step_down(fd, name);
	}
	return failed(path, -fd, err);
}
