/* SPDX-License-Identifier: Apache-2.0 */
/* Judging what is seen: right content, or absence in what was (being) unmounted. */
#include "tests/mounts/watcher.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD 6        /* files kept open over changes */
#define FIRST_SUB 30  /* points at a directory that the image above has, too */
#define FIRST_DEEP 40 /* points at a directory that it has not */

struct held {
	bool open;
	struct view_file file;
	char text[VIEW_TEXT];
	uint32_t point;
	struct sight sight;
};

struct state {
	struct watcher *me;
	struct held held[HELD];
	struct view_list list;
};

void watch_fail(struct watch *w, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&w->lock);
	if (!atomic_exchange(&w->failed, true)) {
		va_start(ap, fmt);
		vsnprintf(w->why, sizeof(w->why), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&w->lock);
	atomic_store(&w->stop, true);
}

static const char *side(const struct watcher *me)
{
	return me->viewer.host ? "host" : "guest";
}

/* Nothing has changed, so what is seen must be exactly what is mounted. The host's kernel is told a little later. */
static bool certain(const struct watcher *me, uint32_t i, const struct sight *s)
{
	if (!point_same(me->watch->points, i, s))
		return false;
	return !me->viewer.host || clock_ms() - s->changed > me->watch->lag_ms;
}

/* True if text is that of NAME in an image that may be seen at the point; sure: in the one that must be. */
static bool right_text(uint32_t i, const struct points *all, const struct sight *s, const char *name, const char *text,
		       bool sure)
{
	char want[128], below[64];
	bool own = !sure || s->mounted;
	bool above = i >= FIRST_SUB && i < FIRST_DEEP && !strcmp(name, "id") && (!sure || (!s->mounted && s->parent_mounted));

	snprintf(below, sizeof(below), "sub/%s", name);
	for (uint32_t v = 0; v < VARIANTS; v++) {
		points_text(i, v, name, want);
		if (own && (!sure || s->variant == v) && !strcmp(text, want))
			return true;
		points_text(all->p[i].parent, v, below, want);
		if (above && (!sure || s->parent_variant == v) && !strcmp(text, want))
			return true;
	}
	return false;
}

/* True if NAME of the point must be there in a sight that is certain. */
static bool must_be(uint32_t i, const struct sight *s, const char *name)
{
	return s->mounted || (i >= FIRST_SUB && i < FIRST_DEEP && s->parent_mounted && !strcmp(name, "id"));
}

static void judge(struct watcher *me, uint32_t i, const struct sight *s, const char *name, int res, const char *text)
{
	struct watch *w = me->watch;
	const struct point *p = &w->points->p[i];
	bool sure = certain(me, i, s);

	if (!res && !right_text(i, w->points, s, name, text, sure)) {
		watch_fail(w, "%s: %s/%s holds '%s', %s%s", side(me), p->at, name, text,
			   s->mounted ? "mounted" : "not mounted", sure ? "" : " (or changing)");
	} else if (res && res != -ENOENT && res != -ESTALE) {
		watch_fail(w, "%s: %s/%s: %s", side(me), p->at, name, strerror(-res));
	} else if (res && sure && must_be(i, s, name)) {
		watch_fail(w, "%s: %s/%s is mounted, and yet: %s", side(me), p->at, name, strerror(-res));
	}
	atomic_fetch_add_explicit(res == 0 ? &w->reads : res == -ESTALE ? &w->stale : &w->gone, 1, memory_order_relaxed);
}

static void read_one(struct watcher *me, uint32_t i, const char *name)
{
	char path[128], text[VIEW_TEXT] = "";
	struct sight s = point_see(me->watch->points, i);

	snprintf(path, sizeof(path), "%s/%s", me->watch->points->p[i].at, name);
	int res = view_cat(&me->viewer, path, text);
	judge(me, i, &s, name, res, text);
}

/*
 * Nothing has changed below a point. A directory of its image that a mount comes upon, or leaves, between two READDIRs may stand in
 * both of them or in none.
 */
static bool same_below(const struct points *all, uint32_t i, const struct sight below[2])
{
	return i >= 10 || (point_same(all, FIRST_SUB + i, &below[0]) && point_same(all, FIRST_DEEP + i, &below[1]));
}

static void list_point(struct state *st, uint32_t i)
{
	struct watcher *me = st->me;
	struct watch *w = me->watch;
	const char *at = w->points->p[i].at;
	struct sight s = point_see(w->points, i), below[2] = {0};

	for (uint32_t k = 0; k < 2 && i < 10; k++)
		below[k] = point_see(w->points, (k ? FIRST_DEEP : FIRST_SUB) + i);
	int res = view_names(&me->viewer, at, &st->list);
	bool sure = certain(me, i, &s);

	if (res == -EEXIST && !same_below(w->points, i, below))
		return;
	if (res == -EEXIST)
		watch_fail(w, "%s: %s: '%s' stands twice", side(me), at, st->list.twice);
	else if (res && res != -ENOENT && res != -ESTALE)
		watch_fail(w, "%s: listing %s: %s", side(me), at, strerror(-res));
	else if (res && sure && s.mounted)
		watch_fail(w, "%s: %s is mounted, and yet listing it: %s", side(me), at, strerror(-res));
	else if (!res && sure && s.mounted && same_below(w->points, i, below) &&
		 !(view_has(&st->list, "id") && view_has(&st->list, "dir") && view_has(&st->list, "sub")))
		watch_fail(w, "%s: the listing of %s lacks names", side(me), at);
	for (unsigned k = 0; !res && k < st->list.n; k++) {
		const char *name = st->list.name[k];

		if (strcmp(name, "id") && strcmp(name, "dir") && strcmp(name, "sub") && strcmp(name, "none"))
			watch_fail(w, "%s: '%s' is listed in %s", side(me), name, at);
	}
}

/* A directory that only leads to mount points, and one of the root's own: a name for each, while it is there. */
static void list_above(struct state *st, const char *dir, uint32_t first, uint32_t n)
{
	struct watcher *me = st->me;
	struct watch *w = me->watch;
	struct sight s[20];

	for (uint32_t i = 0; i < n; i++)
		s[i] = point_see(w->points, first + i);
	int res = view_names(&me->viewer, dir, &st->list);
	if (res == -EEXIST && !point_same(w->points, first, &s[0])) /* the same; only the first is there without a mount */
		return;
	if (res && res != -ENOENT && res != -ESTALE)
		watch_fail(w, "%s: listing %s: %s", side(me), dir, strerror(-res));
	for (uint32_t i = 0; i < n; i++) {
		const char *name = strrchr(w->points->p[first + i].at, '/') + 1;

		if (s[i].mounted && certain(me, first + i, &s[i]) && (res || !view_has(&st->list, name)))
			watch_fail(w, "%s: %s/%s is mounted and not listed", side(me), dir, name);
	}
}

/* Changes elsewhere must not be seen here. */
static void read_root(struct state *st)
{
	char text[VIEW_TEXT] = "", want[128];
	struct watcher *me = st->me;
	int res = view_cat(&me->viewer, "/root-file", text);

	points_text(99, 0, "root-file", want);
	if (res || strcmp(text, want))
		watch_fail(me->watch, "%s: /root-file: %s '%s'", side(me), res ? strerror(-res) : "", text);
	res = view_names(&me->viewer, "/", &st->list);
	if (res || !view_has(&st->list, "real") || !view_has(&st->list, "root-file"))
		watch_fail(me->watch, "%s: listing /: %s", side(me), res ? strerror(-res) : "names lack");
}

static void hold(struct state *st, struct held *h, uint32_t i)
{
	struct watcher *me = st->me;
	char path[128];

	h->point = i;
	h->sight = point_see(me->watch->points, i);
	snprintf(path, sizeof(path), "%s/dir/f0", me->watch->points->p[i].at);
	if (view_open(&me->viewer, path, &h->file))
		return;
	h->open = view_read(&me->viewer, &h->file, h->text) == 0;
	if (!h->open)
		view_close(&me->viewer, &h->file);
}

/* What is open goes on with the same content, or is stale once its mount may have gone. */
static void look_at_held(struct state *st, struct held *h)
{
	struct watcher *me = st->me;
	const char *at = me->watch->points->p[h->point].at;
	char text[VIEW_TEXT] = "";
	int res = view_read(&me->viewer, &h->file, text);

	if (!res && strcmp(text, h->text))
		watch_fail(me->watch, "%s: an open file of %s held '%s' and now '%s'", side(me), at, h->text, text);
	else if (res && res != -ESTALE)
		watch_fail(me->watch, "%s: an open file of %s: %s", side(me), at, strerror(-res));
	else if (res && point_same(me->watch->points, h->point, &h->sight))
		watch_fail(me->watch, "%s: an open file of %s is stale without an umount", side(me), at);
	view_close(&me->viewer, &h->file);
	h->open = false;
}

static void turn(struct state *st)
{
	struct watcher *me = st->me;
	uint32_t i = (uint32_t)rand_r(&me->seed) % POINTS;
	struct held *h = &st->held[(uint32_t)rand_r(&me->seed) % HELD];
	char name[16];

	read_one(me, i, "id");
	snprintf(name, sizeof(name), "dir/f%u", (uint32_t)rand_r(&me->seed) % IMAGE_FILES);
	read_one(me, i, name);
	list_point(st, i);
	switch (rand_r(&me->seed) % 8) {
	case 0:
		list_above(st, "/top", 0, 20);
		break;
	case 1:
		list_above(st, "/real", 20, 10);
		break;
	case 2:
		read_root(st);
		break;
	case 3:
	case 4:
		if (h->open)
			look_at_held(st, h);
		else
			hold(st, h, i);
		break;
	default:
		break;
	}
}

void *watcher_run(void *arg)
{
	struct state *st = calloc(1, sizeof(*st));
	struct watcher *me = arg;

	if (!st) {
		watch_fail(me->watch, "no memory");
		return NULL;
	}
	st->me = me;
	while (!atomic_load_explicit(&me->watch->stop, memory_order_relaxed))
		turn(st);
	for (int i = 0; i < HELD; i++) {
		if (st->held[i].open)
			look_at_held(st, &st->held[i]);
	}
	free(st);
	return NULL;
}
