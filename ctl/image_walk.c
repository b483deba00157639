/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over an image's tree that ends for any image. */
#include "ctl/image_walk.h"

#include "ctl/image_map.h"
#include "ctl/image_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_ROOM ((size_t)(RAFS_DEPTH_MAX + 1) * (RAFS_NAME_MAX + 1) + 2)
#define NAME_COSTS 12 /* bytes of metadata that a name takes at least: a v6 dirent; v5 takes more */

/* A directory that is being listed. */
struct level {
	struct rafs_inode inode;
	uint64_t cookie;
	size_t path_len; /* of its own path, without a slash at the end */
	uint32_t subdirs;
	char before[RAFS_NAME_MAX + 1]; /* the name before; empty at the beginning */
};

struct walk {
	const struct rafs_image *image;
	const struct image_walk_ops *ops;
	void *arg;
	bool deep;
	uint64_t names_left;
	struct image_map seen; /* directories */
	struct level *levels;
	size_t depth, room;
	char *path; /* PATH_ROOM bytes */
};

static int enter(struct walk *w, const struct rafs_inode *dir, size_t path_len)
{
	if (w->depth == w->room) {
		size_t room = w->room > 0 ? w->room * 2 : 16;
		struct level *levels = realloc(w->levels, room * sizeof(*levels));
		if (!levels)
			return -ENOMEM;
		w->levels = levels;
		w->room = room;
	}
	w->levels[w->depth++] = (struct level){ .inode = *dir, .path_len = path_len };
	return 0;
}

/* A directory below the present one, if it may be walked into. */
static int go_down(struct walk *w, const struct rafs_inode *dir)
{
	if (w->depth > RAFS_DEPTH_MAX) {
		w->ops->bad(w->arg, w->path, "the directories are nested too deep");
		return 0;
	}
	for (size_t i = 0; i < w->depth; i++) {
		if (w->levels[i].inode.ino == dir->ino) {
			w->ops->bad(w->arg, w->path, "this directory is one of those it lies in: a cycle");
			return 0;
		}
	}
	uint64_t *seen = image_map_at(&w->seen, dir->ino);
	if (!seen)
		return -ENOMEM;
	if (*seen != 0) {
		w->ops->bad(w->arg, w->path, "this directory stands in another place too");
		return 0;
	}
	*seen = 1;
	return enter(w, dir, strlen(w->path));
}

/* A name that was listed; w->path is its own. */
static int take(struct walk *w, const struct rafs_dirent *entry)
{
	struct level *l = &w->levels[w->depth - 1];
	struct rafs_inode inode;

	if (l->before[0] && strcmp(l->before, entry->name) >= 0)
		w->ops->bad(w->arg, w->path, "the name is not behind the one before it: out of order, or there twice");
	memcpy(l->before, entry->name, sizeof(l->before));
	int res = rafs_inode_get(w->image, entry->ino, &inode);
	if (res != 0) {
		char what[160];
		snprintf(what, sizeof(what), "the inode: %s", image_reason(res));
		w->ops->bad(w->arg, w->path, what);
		return 0;
	}
	l->subdirs += S_ISDIR(inode.mode);
	struct image_walk_at at = { w->path, &l->inode, entry, &inode };
	res = w->ops->entry(w->arg, &at);
	if (res != 0 || !S_ISDIR(inode.mode) || !w->deep)
		return res;
	return go_down(w, &inode);
}

/* Makes the path that of the directory we are in. */
static void own_path(struct walk *w, const struct level *l)
{
	w->path[0] = l->path_len > 0 ? w->path[0] : '/';
	w->path[l->path_len > 0 ? l->path_len : 1] = '\0';
}

static void leave(struct walk *w, const struct level *l)
{
	own_path(w, l);
	struct image_walk_at at = { w->path, NULL, NULL, &l->inode };
	if (w->ops->leave)
		w->ops->leave(w->arg, &at, l->subdirs);
	w->depth--;
}

/* The directory cannot be listed any further. */
static void give_up(struct walk *w, const struct level *l, const char *what)
{
	own_path(w, l);
	w->ops->bad(w->arg, w->path, what);
	w->depth--;
}

/* The next name of the directory we are in, or its end. */
static int step(struct walk *w)
{
	struct level *l = &w->levels[w->depth - 1];
	struct rafs_dirent entry;
	int res = rafs_dir_next(w->image, &l->inode, &l->cookie, &entry);

	if (res == 0) {
		leave(w, l);
		return 0;
	}
	if (res < 0) {
		char what[160];
		snprintf(what, sizeof(what), "listing the directory: %s", image_reason(res));
		give_up(w, l, what);
		return 0;
	}
	if (w->names_left == 0) {
		give_up(w, l, "the tree has more names than the bootstrap has room for: parts of it overlap");
		w->depth = 0;
		return 0;
	}
	w->names_left--;
	w->path[l->path_len] = '/';
	memcpy(w->path + l->path_len + 1, entry.name, entry.len);
	w->path[l->path_len + 1 + entry.len] = '\0';
	return take(w, &entry);
}

int image_walk(const struct rafs_image *image, const char *path, const struct rafs_inode *dir, bool deep,
	       const struct image_walk_ops *ops, void *arg)
{
	size_t len = strlen(path);
	struct walk w = { .image = image, .ops = ops, .arg = arg, .deep = deep };
	w.names_left = rafs_image_super(image)->meta_size / NAME_COSTS + 1;
	while (len > 0 && path[len - 1] == '/')
		len--;
	w.path = malloc(len + PATH_ROOM);
	uint64_t *seen = image_map_at(&w.seen, dir->ino);
	int res = -ENOMEM;
	if (w.path && seen) {
		*seen = 1;
		memcpy(w.path, path, len);
		w.path[len] = '\0';
		res = enter(&w, dir, len);
	}
	while (res == 0 && w.depth > 0)
		res = step(&w);
	image_map_free(&w.seen);
	free(w.levels);
	free(w.path);
	return res;
}
