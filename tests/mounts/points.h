/* SPDX-License-Identifier: Apache-2.0 */
/* The fifty mount points of graft-mounts, what may be mounted there, and who may see what at which time. */
#ifndef GRAFT_TESTS_MOUNTS_POINTS_H
#define GRAFT_TESTS_MOUNTS_POINTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define POINTS 50
#define VARIANTS 2
#define POINT_PATH 64
#define IMAGE_FILES 4 /* dir/f0 ... */
#define NO_PARENT UINT32_MAX

/*
 * turn counts changes: odd while one is under way. A watcher that read the same even number before and after what it did saw
 * the state behind it all the time. Written by the one thread that changes mounts; mounted and variant are only right
 * for such a watcher.
 */
struct point {
	char at[POINT_PATH];
	uint32_t parent; /* the point it lies below, or NO_PARENT */
	_Atomic uint32_t turn;
	_Atomic bool mounted;
	_Atomic uint32_t variant;
	_Atomic int64_t changed; /* ms, when the last change was done */
};

struct points {
	char images[256]; /* folder of the directories to mount */
	struct point p[POINTS];
};

/* Fills p, makes all images below the folder, and the root's own directories in share. 0 or -errno. */
int points_make(struct points *all, const char *images, const char *share);
/* Path of an image on the host. */
void points_image(const struct points *all, uint32_t i, uint32_t variant, char path[512]);
/* What "at/NAME" holds in an image: text of it. name: "id", "dir/f0" ..., "sub/id". */
void points_text(uint32_t i, uint32_t variant, const char *name, char text[128]);

/* Before and after a change. */
void point_change(struct point *p);
void point_changed(struct point *p, bool mounted, uint32_t variant, int64_t now);

/* What a watcher knows before it looks. */
struct sight {
	uint32_t turn, parent_turn;
	bool mounted, parent_mounted;
	uint32_t variant, parent_variant;
	int64_t changed; /* ms, of the later of the point's and its parent's change */
};
struct sight point_see(const struct points *all, uint32_t i);
/* True if nothing has changed at the point and above it since. */
bool point_same(const struct points *all, uint32_t i, const struct sight *s);

#endif
