/* SPDX-License-Identifier: Apache-2.0 */
/* What an inode is called. */
#include "rafs/meta/path.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A directory on the way down. */
struct level {
	uint64_t ino, cookie;
	size_t len; /* of the path to it, without a slash at its end */
};

/* The innermost directory's next entry, its path in `to`: 1, 0 when it has no more. */
static int next_entry(const struct rafs_image *image, struct level *level, struct rafs_dirent *entry, char *to, size_t room)
{
	struct rafs_inode dir;

	if (rafs_inode_get(image, level->ino, &dir) < 0 || rafs_dir_next(image, &dir, &level->cookie, entry) <= 0)
		return 0;
	snprintf(to + level->len, room - level->len, "/%s", entry->name);
	return 1;
}

static int walk(const struct rafs_image *image, struct level *levels, uint64_t ino, uint32_t entries, char *to, size_t room)
{
	uint32_t depth = 1;
	struct rafs_dirent entry;

	while (depth && entries--) {
		struct level *level = &levels[depth - 1];

		if (!next_entry(image, level, &entry, to, room)) {
			depth--;
			continue;
		}
		if (entry.ino == ino)
			return 0;
		/* A path that was cut is not gone on with. */
		size_t len = strlen(to);
		if (entry.type == DT_DIR && depth < RAFS_DEPTH_MAX && len + 1 < room)
			levels[depth++] = (struct level){ .ino = entry.ino, .len = len };
	}
	return -ENOENT;
}

int rafs_path_of(const struct rafs_image *image, uint64_t ino, uint32_t entries, char *to, size_t room)
{
	uint64_t root = rafs_image_super(image)->root;
	struct level *levels = calloc(RAFS_DEPTH_MAX, sizeof(*levels));

	if (!levels)
		return -ENOMEM;
	snprintf(to, room, "/");
	levels[0] = (struct level){ .ino = root };
	int res = ino == root ? 0 : walk(image, levels, ino, entries, to, room);
	free(levels);
	return res;
}
