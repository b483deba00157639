/* SPDX-License-Identifier: Apache-2.0 */
/* From a path to an inode inside an image. */
#include "ctl/image_path.h"

#include "ctl/image_text.h"
#include "lib/cleanup.h"

#include <string.h>

/* A walk down: what is still to do of the path, owned, and where we are. */
struct walker {
	const struct rafs_image *image;
	char *path; /* owned */
	const char *rest;
	bool follow;
	unsigned int links;
	struct rafs_inode at;
};

static int to_root(struct walker *w)
{
	return rafs_inode_get(w->image, rafs_image_super(w->image)->root, &w->at);
}

static int to_parent(struct walker *w)
{
	uint64_t ino;
	int res = rafs_parent(w->image, &w->at, &ino);
	return res == 0 ? rafs_inode_get(w->image, ino, &w->at) : res;
}

/* Puts a symlink's target before the rest of the path, which is empty or begins with a slash. */
static int take_link(struct walker *w, const struct rafs_inode *link)
{
	int res;
	if (++w->links > IMAGE_LINKS_MAX)
		return -ELOOP;
	auto_free char *target = image_target(w->image, link, &res);
	char *path;
	if (!target)
		return res;
	/* Bounded: a target has at most 65535 bytes, and there are at most 40. */
	if (asprintf(&path, "%s%s", target, w->rest) < 0)
		return -ENOMEM;
	free(w->path);
	w->path = path;
	w->rest = path;
	return target[0] == '/' ? to_root(w) : target[0] == '\0' ? -ENOENT : 0;
}

/* One component of len bytes; w->rest stands behind it. */
static int step(struct walker *w, const char *name, size_t len)
{
	struct rafs_inode next;
	if (!S_ISDIR(w->at.mode))
		return -ENOTDIR;
	if (len == 1 && name[0] == '.')
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return to_parent(w);
	int res = rafs_lookup(w->image, &w->at, name, len, &next);
	if (res != 0)
		return res;
	bool last = w->rest[strspn(w->rest, "/")] == '\0';
	if (S_ISLNK(next.mode) && (!last || w->follow || *w->rest == '/'))
		return take_link(w, &next);
	w->at = next;
	return 0;
}

static int walk(struct walker *w)
{
	int res = to_root(w);
	while (res == 0) {
		/* A slash behind the last name asks for a directory. */
		bool slash = *w->rest == '/';
		const char *name = w->rest + strspn(w->rest, "/");
		size_t len = strcspn(name, "/");
		if (len == 0)
			return slash && !S_ISDIR(w->at.mode) ? -ENOTDIR : 0;
		w->rest = name + len;
		res = step(w, name, len);
	}
	return res;
}

int image_resolve(const struct rafs_image *image, const char *path, bool follow, struct rafs_inode *out,
		  struct graft_error *err)
{
	struct walker w = { .image = image, .path = strdup(path), .follow = follow };
	w.rest = w.path;
	int res = w.path ? walk(&w) : -ENOMEM;
	free(w.path);
	*out = w.at;
	if (res == -ENOENT)
		return error_set(err, ENOENT, "%s: not in the image", path);
	return res == 0 ? 0 : error_set(err, -res, "%s: %s", path, image_reason(res));
}
