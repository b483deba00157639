/* SPDX-License-Identifier: Apache-2.0 */
/* A path whose folder is held open. */
#include "lib/held_path.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>

int held_path_open(struct held_path *h, const char *path, const char *what, struct graft_error *err)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) : 0;

	*h = (struct held_path)HELD_PATH_NONE;
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strlen(name) > NAME_MAX || len >= sizeof(folder))
		return error_set(err, EINVAL, "%.512s is not the name of a %s", path, what);
	strcpy(folder, slash ? "/" : ".");
	if (len) {
		memcpy(folder, path, len);
		folder[len] = '\0';
	}
	h->dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->dir < 0)
		return error_set(err, errno, "%.512s: %s", folder, strerror(errno));
	strcpy(h->name, name);
	return 0;
}

void held_path_mark(struct held_path *h, const struct stat *st)
{
	h->dev = st->st_dev;
	h->ino = st->st_ino;
}

bool held_path_is_marked(const struct held_path *h)
{
	struct stat st;

	return h->ino && fstatat(h->dir, h->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == h->dev &&
	       st.st_ino == h->ino;
}

void held_path_remove(const struct held_path *h)
{
	if (held_path_is_marked(h))
		unlinkat(h->dir, h->name, 0);
}

void held_path_leave(struct held_path *h)
{
	cleanup_close(&h->dir);
	*h = (struct held_path)HELD_PATH_NONE;
}
