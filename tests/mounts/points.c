/* SPDX-License-Identifier: Apache-2.0 */
/* The mount points and their images. */
#include "tests/mounts/points.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Plain ones below a directory that only leads there, ones in a directory of the root's own, and two kinds of nested ones. */
static void place(struct points *all, uint32_t i)
{
	struct point *p = &all->p[i];

	p->parent = NO_PARENT;
	if (i < 20) {
		snprintf(p->at, sizeof(p->at), "/top/p%02u", i);
	} else if (i < 30) {
		snprintf(p->at, sizeof(p->at), "/real/p%02u", i);
	} else if (i < 40) {
		p->parent = i - 30;
		snprintf(p->at, sizeof(p->at), "/top/p%02u/sub", p->parent);
	} else {
		p->parent = i - 40;
		snprintf(p->at, sizeof(p->at), "/top/p%02u/none/deep", p->parent);
	}
}

void points_image(const struct points *all, uint32_t i, uint32_t variant, char path[512])
{
	snprintf(path, 512, "%s/p%02u-%u", all->images, i, variant);
}

void points_text(uint32_t i, uint32_t variant, const char *name, char text[128])
{
	snprintf(text, 128, "image p%02u-%u %s\n", i, variant, name);
}

static int write_file(const char *dir, const char *name, uint32_t i, uint32_t variant)
{
	char path[640], text[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	points_text(i, variant, name, text);
	FILE *f = fopen(path, "we");
	if (!f)
		return -errno;
	fputs(text, f);
	return fclose(f) ? -EIO : 0;
}

static int make_image(const struct points *all, uint32_t i, uint32_t variant)
{
	char dir[512], path[640], name[32];

	points_image(all, i, variant, dir);
	snprintf(path, sizeof(path), "%s/dir", dir);
	if (mkdir(dir, 0755) || mkdir(path, 0755))
		return -errno;
	snprintf(path, sizeof(path), "%s/sub", dir);
	if (mkdir(path, 0755) || write_file(dir, "id", i, variant) || write_file(dir, "sub/id", i, variant))
		return -EIO;
	for (int k = 0; k < IMAGE_FILES; k++) {
		snprintf(name, sizeof(name), "dir/f%d", k);
		if (write_file(dir, name, i, variant))
			return -EIO;
	}
	return 0;
}

int points_make(struct points *all, const char *images, const char *share)
{
	char path[512];
	int res = 0;

	memset(all, 0, sizeof(*all));
	snprintf(all->images, sizeof(all->images), "%s", images);
	snprintf(path, sizeof(path), "%s/real", share);
	if (mkdir(images, 0755) || mkdir(path, 0755))
		return -errno;
	/* One of the mount points exists in the root's own directory, the others do not. */
	snprintf(path, sizeof(path), "%s/real/p20", share);
	if (mkdir(path, 0755) || write_file(share, "root-file", 99, 0))
		return -errno;
	for (uint32_t i = 0; i < POINTS && !res; i++) {
		place(all, i);
		for (uint32_t v = 0; v < VARIANTS && !res; v++)
			res = make_image(all, i, v);
	}
	return res;
}

/* The store of turn comes before what the change does, and the second after it; a watcher's two loads pair with them. */
void point_change(struct point *p)
{
	atomic_fetch_add_explicit(&p->turn, 1, memory_order_seq_cst);
}

void point_changed(struct point *p, bool mounted, uint32_t variant, int64_t now)
{
	atomic_store_explicit(&p->mounted, mounted, memory_order_relaxed);
	atomic_store_explicit(&p->variant, variant, memory_order_relaxed);
	atomic_store_explicit(&p->changed, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->turn, 1, memory_order_seq_cst);
}

struct sight point_see(const struct points *all, uint32_t i)
{
	const struct point *p = &all->p[i];
	struct sight s = {.turn = atomic_load_explicit(&p->turn, memory_order_seq_cst)};

	s.mounted = atomic_load_explicit(&p->mounted, memory_order_relaxed);
	s.variant = atomic_load_explicit(&p->variant, memory_order_relaxed);
	s.changed = atomic_load_explicit(&p->changed, memory_order_relaxed);
	if (p->parent == NO_PARENT)
		return s;
	const struct point *above = &all->p[p->parent];
	s.parent_turn = atomic_load_explicit(&above->turn, memory_order_seq_cst);
	s.parent_mounted = atomic_load_explicit(&above->mounted, memory_order_relaxed);
	s.parent_variant = atomic_load_explicit(&above->variant, memory_order_relaxed);
	int64_t changed = atomic_load_explicit(&above->changed, memory_order_relaxed);
	s.changed = changed > s.changed ? changed : s.changed;
	return s;
}

bool point_same(const struct points *all, uint32_t i, const struct sight *s)
{
	const struct point *p = &all->p[i];

	if (s->turn & 1 || atomic_load_explicit(&p->turn, memory_order_seq_cst) != s->turn)
		return false;
	return p->parent == NO_PARENT ||
	       (!(s->parent_turn & 1) &&
		atomic_load_explicit(&all->p[p->parent].turn, memory_order_seq_cst) == s->parent_turn);
}
