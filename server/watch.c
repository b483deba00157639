/* SPDX-License-Identifier: Apache-2.0 */
/* Who looks holds the watch's lock, then one list's: what a list links cannot end meanwhile. */
#include "server/watch.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "server/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES 16 /* different ones of a look */

struct watch {
	_Atomic uint32_t refs;
	_Atomic bool starting;
	pthread_mutex_t lock;
	/* protected by lock */
	struct async_list *lists;
	struct watch_call *calls;
};

/* Requests alike, as one line. */
struct line {
	char mount[80], plugin[80];
	uint32_t opcode, count;
	uint64_t oldest; /* ns */
	bool ending;
};

struct look {
	uint64_t now, patience;
	struct line lines[LINES];
	uint32_t n, more;
};

struct watch *watch_new(void)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	atomic_init(&w->refs, 1);
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

struct watch *watch_hold(struct watch *w)
{
	atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
	return w;
}

void watch_release(struct watch *w)
{
	if (!w || atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void watch_list_add(struct watch *w, struct async_list *l)
{
	LOCK_SCOPE(&w->lock);
	l->before = NULL;
	l->after = w->lists;
	if (l->after)
		l->after->before = l;
	w->lists = l;
}

void watch_list_remove(struct watch *w, struct async_list *l)
{
	LOCK_SCOPE(&w->lock);
	if (l->after)
		l->after->before = l->before;
	if (l->before)
		l->before->after = l->after;
	else
		w->lists = l->after;
}

int watch_each_list(struct watch *w, int (*fn)(struct async_list *l, void *arg), void *arg)
{
	int res = 0;

	LOCK_SCOPE(&w->lock);
	for (struct async_list *l = w->lists; l && !res; l = l->after)
		res = fn(l, arg);
	return res;
}

void watch_begin(struct watch *w, struct watch_call *call, const char *what, const char *plugin, const char *mount)
{
	*call = (struct watch_call){ .what = what, .plugin = plugin, .mount = mount, .since = clock_ns(CLOCK_MONOTONIC) };
	call->start = atomic_load_explicit(&w->starting, memory_order_relaxed);
	LOCK_SCOPE(&w->lock);
	call->next = w->calls;
	if (call->next)
		call->next->prev = call;
	w->calls = call;
}

void watch_end(struct watch *w, struct watch_call *call)
{
	LOCK_SCOPE(&w->lock);
	if (call->next)
		call->next->prev = call->prev;
	if (call->prev)
		call->prev->next = call->next;
	else
		w->calls = call->next;
}

void watch_starting(struct watch *w, bool starting)
{
	atomic_store_explicit(&w->starting, starting, memory_order_relaxed);
}

static void add_line(struct look *look, const struct line *one)
{
	uint32_t i = 0;

	while (i < look->n && (look->lines[i].opcode != one->opcode || look->lines[i].ending != one->ending ||
			       strcmp(look->lines[i].mount, one->mount) != 0 ||
			       strcmp(look->lines[i].plugin, one->plugin) != 0))
		i++;
	if (i == LINES) {
		look->more++;
		return;
	}
	if (i == look->n) {
		look->lines[i] = *one;
		look->lines[i].count = 0;
		look->n++;
	}
	look->lines[i].count++;
	if (one->oldest > look->lines[i].oldest)
		look->lines[i].oldest = one->oldest;
}

/* A waiting SETLKW is in order, as long as nobody wants its mount to end. */
static bool is_news(const struct look *look, struct async_state *a, const struct request *r, bool ending)
{
	bool late = r->header.opcode != FUSE_SETLKW && look->now - r->began >= look->patience;

	if (!look->patience)
		return true;
	if (ending && a->told < ASYNC_TOLD_ENDING) {
		a->told = a->told < ASYNC_SEEN_ENDING ? ASYNC_SEEN_ENDING : ASYNC_TOLD_ENDING;
		return a->told == ASYNC_TOLD_ENDING;
	}
	if (ending || !late || a->told >= ASYNC_TOLD_LATE)
		return false;
	a->told = ASYNC_TOLD_LATE;
	return true;
}

/* The list's lock is held: the request does not end, and holds its mount. */
static void look_at(struct look *look, struct async_state *a)
{
	const struct request *r = (const struct request *)((const char *)a - offsetof(struct request, async));
	const struct graft_plugin *who = atomic_load_explicit(&a->who, memory_order_relaxed);
	bool ending = r->sm && atomic_load_explicit(&r->sm->fading, memory_order_relaxed);
	struct line one = { .opcode = r->header.opcode, .ending = ending };

	if (!is_news(look, a, r, ending))
		return;
	one.oldest = look->now > r->began ? look->now - r->began : 0;
	snprintf(one.mount, sizeof(one.mount), "%s", r->sm ? r->sm->mount->name : "");
	snprintf(one.plugin, sizeof(one.plugin), "%s", who ? who->name : "");
	add_line(look, &one);
}

static void look_at_lists(struct watch *w, struct look *look)
{
	LOCK_SCOPE(&w->lock);
	for (struct async_list *l = w->lists; l; l = l->after) {
		LOCK_SCOPE(&l->lock);
		for (struct async_state *a = l->head; a; a = a->next)
			look_at(look, a);
	}
}

static void say(const struct line *l)
{
	uint64_t seconds = l->oldest / 1000000000;

	log_warn(l->mount[0] ? l->mount : NULL,
		 "%s%s%s%u %s request%s not answered, the oldest for %" PRIu64 " seconds%s",
		 l->plugin[0] ? "plugin " : "", l->plugin, l->plugin[0] ? ": " : "", l->count, op_name(l->opcode),
		 l->count == 1 ? "" : "s", seconds, l->ending ? "; the umount waits for it" : "");
}

static void say_all(const struct look *look)
{
	for (uint32_t i = 0; i < look->n; i++)
		say(&look->lines[i]);
	if (look->more)
		log_warn(NULL, "%u more requests are not answered", look->more);
}

/* True for a part of the start. lock held: the names live as long as the call. */
static bool say_call(const struct watch_call *c, uint64_t now)
{
	log_err(c->mount, "plugin %s: %s has not returned for %" PRIu64 " seconds", c->plugin, c->what,
		now > c->since ? (now - c->since) / 1000000000 : 0);
	return c->start;
}

bool watch_look(struct watch *w, uint64_t now, uint64_t patience)
{
	struct look look = { .now = now, .patience = patience };
	bool hopeless = false;

	look_at_lists(w, &look);
	say_all(&look);
	LOCK_SCOPE(&w->lock);
	for (struct watch_call *c = w->calls; c; c = c->next) {
		if (c->told || now < c->since || now - c->since < patience)
			continue;
		c->told = true;
		hopeless = say_call(c, now) || hopeless;
	}
	return hopeless;
}

void watch_tell(struct watch *w)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct look look = { .now = now };

	look_at_lists(w, &look);
	say_all(&look);
	LOCK_SCOPE(&w->lock);
	for (const struct watch_call *c = w->calls; c; c = c->next)
		say_call(c, now);
}

void watch_find(struct watch *w, const char *mount, char *text, size_t room)
{
	LOCK_SCOPE(&w->lock);
	text[0] = '\0';
	for (const struct watch_call *c = w->calls; c && !text[0]; c = c->next) {
		if (strcmp(c->mount, mount) == 0)
			snprintf(text, room, "plugin %s: %s", c->plugin, c->what);
	}
}
