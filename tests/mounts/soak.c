/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graft-mounts: one daemon with both transports and the API. Mounts come and go over fifty mount points while four threads, two on
 * each transport, walk and read everything; then 4096 mounts at once. Ends with 0 where all was right, 77 where it cannot run.
 */
#include "tests/mounts/watcher.h"
#include "tests/mounts/world.h"
#include "tests/vring/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PHASES 10
#define WATCHERS 4
#define CTL_EVERY 40 /* changes of which one is made by graftctl */
#define AGREE_MS 15000
#define MANY 4096
#define SPARE_DESCRIPTORS 4
#define SPARE_KIB 6144 /* what malloc's arenas may keep; a leak of 1 KiB a mount is more in the full run */

extern char **environ;

struct soak {
	struct world world;
	struct points points;
	struct watch watch;
	struct watcher watcher[WATCHERS];
	struct view_list list[2];
	unsigned seed;
	bool sanitized;
	uint64_t mounts, umounts, remounts, refused;
};

static int failure(struct soak *s, const char *what)
{
	if (!atomic_load(&s->watch.failed))
		watch_fail(&s->watch, "%s", what);
	return -1;
}

/* --- changes --- */

/* The same call by the program that people use; 204 or its exit status. */
static int by_ctl(struct soak *s, const char *const words[])
{
	const char *program = getenv("GRAFTCTL");
	const char *argv[8] = {program, "--socket", s->world.api_socket};
	int n = 3, status;
	pid_t pid;

	for (; *words; words++)
		argv[n++] = *words;
	if (posix_spawn(&pid, program, NULL, NULL, (char **)(uintptr_t)argv, environ) || waitpid(pid, &status, 0) != pid)
		return -EIO;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 204 : 1000 + WEXITSTATUS(status);
}

static bool turn_of_ctl(struct soak *s)
{
	return getenv("GRAFTCTL") && rand_r(&s->seed) % CTL_EVERY == 0;
}

static int do_mount(struct soak *s, const char *at, const char *image, bool again)
{
	if (turn_of_ctl(s))
		return by_ctl(s, (const char *const[]){again ? "remount" : "mount", image, at, NULL});
	return again ? api_remount(&s->world.api, at, image) : api_mount(&s->world.api, at, image);
}

static int do_umount(struct soak *s, const char *at)
{
	return turn_of_ctl(s) ? by_ctl(s, (const char *const[]){"umount", at, NULL}) : api_umount(&s->world.api, at);
}

/* What is wrong leaves everything as it is: mounted twice, not mounted, no such source. */
static int refused(struct soak *s, uint32_t i)
{
	const struct point *p = &s->points.p[i];
	char image[512];
	int status;

	points_image(&s->points, i, 0, image);
	if (p->mounted)
		status = api_mount(&s->world.api, p->at, image);
	else if (rand_r(&s->seed) & 1)
		status = api_umount(&s->world.api, p->at);
	else
		status = api_mount(&s->world.api, p->at, "/nowhere/at/all");
	s->refused++;
	return status >= 400 && status < 600 ? 204 : status;
}

/* One change at a random point; the status, 204 if right. */
static int change(struct soak *s, uint32_t i)
{
	struct point *p = &s->points.p[i];
	unsigned dice = (unsigned)rand_r(&s->seed) % 16;
	uint32_t variant = (uint32_t)rand_r(&s->seed) % VARIANTS;
	bool mounted = p->mounted;
	char image[512];
	int status;

	if (dice == 0)
		return refused(s, i);
	points_image(&s->points, i, variant, image);
	point_change(p);
	if (mounted && dice < 10) {
		status = do_umount(s, p->at);
		s->umounts++;
		point_changed(p, false, 0, clock_ms());
		return status;
	}
	status = do_mount(s, p->at, image, mounted);
	*(mounted ? &s->remounts : &s->mounts) += 1;
	point_changed(p, true, variant, clock_ms());
	return status;
}

static int run_changes(struct soak *s, unsigned n)
{
	for (unsigned k = 0; k < n && !atomic_load(&s->watch.failed); k++) {
		uint32_t i = (uint32_t)rand_r(&s->seed) % POINTS;
		int status = change(s, i);

		if (status != 204) {
			watch_fail(&s->watch, "change at %s: status %d, %s", s->points.p[i].at, status,
				   status < 0 ? strerror(-status) : s->world.api.body);
			return -1;
		}
		if (!daemon_alive(&s->world.daemon))
			return failure(s, "the daemon died");
	}
	return atomic_load(&s->watch.failed) ? -1 : 0;
}

static int umount_all(struct soak *s)
{
	for (uint32_t i = 0; i < POINTS; i++) {
		struct point *p = &s->points.p[i];

		if (!p->mounted)
			continue;
		point_change(p);
		int status = api_umount(&s->world.api, p->at);
		point_changed(p, false, 0, clock_ms());
		if (status != 204)
			return failure(s, "umounting at the end was refused");
	}
	return 0;
}

/* --- quiet points: both sides see the same, and it is what is mounted --- */

static bool same_names(struct soak *s, struct viewer *host, struct viewer *guest, const char *path)
{
	int a = view_names(host, path, &s->list[0]), b = view_names(guest, path, &s->list[1]);

	if (a || b)
		return a == b;
	if (s->list[0].n != s->list[1].n)
		return false;
	for (unsigned i = 0; i < s->list[0].n; i++) {
		if (strcmp(s->list[0].name[i], s->list[1].name[i]))
			return false;
	}
	return true;
}

static bool right_file(struct soak *s, struct viewer *v, uint32_t i)
{
	const struct point *p = &s->points.p[i];
	char path[128], want[128] = "", text[VIEW_TEXT] = "";

	snprintf(path, sizeof(path), "%s/id", p->at);
	int res = view_cat(v, path, text);
	if (p->mounted)
		points_text(i, p->variant, "id", want);
	else if (i >= 30 && i < 40 && s->points.p[p->parent].mounted)
		points_text(p->parent, s->points.p[p->parent].variant, "sub/id", want);
	return want[0] ? !res && !strcmp(text, want) : res == -ENOENT;
}

/* The path of the first thing that they do not agree on, NULL where all is right. */
static const char *first_difference(struct soak *s, struct viewer *host, struct viewer *guest)
{
	static const char *const above[] = {"/", "/top", "/real"};

	for (int i = 0; i < 3; i++) {
		if (!same_names(s, host, guest, above[i]))
			return above[i];
	}
	for (uint32_t i = 0; i < POINTS; i++) {
		if (!same_names(s, host, guest, s->points.p[i].at) || !right_file(s, host, i) || !right_file(s, guest, i))
			return s->points.p[i].at;
	}
	return NULL;
}

/* The host's kernel is told by messages of their own: given a little time, it must see what the guest sees. */
static int quiet_point(struct soak *s)
{
	struct viewer host = world_host(&s->world), guest = world_guest(&s->world, WORLD_CLIENTS - 1);
	int64_t until = clock_ms() + AGREE_MS;
	char path[128], text[2][VIEW_TEXT] = {"", ""};
	const char *at;

	while ((at = first_difference(s, &host, &guest)) && clock_ms() < until)
		usleep(20000);
	if (!at)
		return 0;
	snprintf(path, sizeof(path), "%s/id", at);
	int a = view_cat(&host, path, text[0]), b = view_cat(&guest, path, text[1]);
	watch_fail(&s->watch, "in quiet, host, guest and what is mounted differ at %s: 'id' is '%s' (%d) here, '%s' (%d) there", at,
		   text[0], a, text[1], b);
	return -1;
}

/* --- the loop --- */

static int start_watchers(struct soak *s)
{
	atomic_store(&s->watch.stop, false);
	for (unsigned i = 0; i < WATCHERS; i++) {
		struct watcher *w = &s->watcher[i];

		w->watch = &s->watch;
		w->seed = (unsigned)rand_r(&s->seed);
		w->viewer = i & 1 ? world_guest(&s->world, i / 2) : world_host(&s->world);
		if (pthread_create(&w->thread, NULL, watcher_run, w))
			return failure(s, "no thread");
	}
	return 0;
}

static void stop_watchers(struct soak *s)
{
	atomic_store(&s->watch.stop, true);
	for (unsigned i = 0; i < WATCHERS; i++)
		pthread_join(s->watcher[i].thread, NULL);
}

static int run_phase(struct soak *s, unsigned n)
{
	if (start_watchers(s))
		return -1;
	int res = run_changes(s, n);
	stop_watchers(s);
	if (!res && atomic_load(&s->watch.failed))
		res = -1;
	return res ? res : quiet_point(s);
}

static int check_growth(struct soak *s, const struct held_by_daemon *first)
{
	struct held_by_daemon limit = {.descriptors = first->descriptors + SPARE_DESCRIPTORS,
				       .threads = first->threads,
				       .memory_kib = first->memory_kib + SPARE_KIB};

	/* Sanitizers keep what was freed. */
	if (s->sanitized)
		limit.memory_kib = 1L << 40;
	struct held_by_daemon last = world_measure(&s->world, &limit);
	printf("after a tenth: %ld descriptors, %ld threads, %ld KiB; at the end: %ld, %ld, %ld KiB\n", first->descriptors,
	       first->threads, first->memory_kib, last.descriptors, last.threads, last.memory_kib);
	if (last.descriptors > limit.descriptors || last.threads > limit.threads || last.memory_kib > limit.memory_kib)
		return failure(s, "the daemon has grown");
	return 0;
}

static int run_loop(struct soak *s, unsigned n)
{
	struct held_by_daemon first = {0};
	int64_t begun = clock_ms();

	for (unsigned phase = 0; phase < PHASES; phase++) {
		if (run_phase(s, n / PHASES) || umount_all(s))
			return -1;
		if (!phase)
			first = world_measure(&s->world, NULL);
	}
	printf("%" PRIu64 " mounts, %" PRIu64 " umounts, %" PRIu64 " remounts, %" PRIu64 " refused in %.1f s; meanwhile %" PRIu64
	       " files read, %" PRIu64 " were not there, %" PRIu64 " stale\n",
	       s->mounts, s->umounts, s->remounts, s->refused, (double)(clock_ms() - begun) / 1000, s->watch.reads,
	       s->watch.gone, s->watch.stale);
	return quiet_point(s) ? -1 : check_growth(s, &first);
}

/* --- 4096 at once --- */

static void many_path(uint32_t i, char at[64])
{
	snprintf(at, 64, "/many/d%u/m%04u", i % 8, i);
}

/*
 * Every directory lists its part; a file of each is read. Where a process may have only 20,000 descriptors, and each mount has
 * some of its own, there is not one left for a cached node of each.
 */
static int look_at_many(struct soak *s, struct viewer *v, uint32_t n)
{
	char at[96], text[VIEW_TEXT], want[128];

	for (uint32_t d = 0; d < 8; d++) {
		snprintf(at, sizeof(at), "/many/d%u", d);
		if (view_names(v, at, &s->list[0]) || s->list[0].n != n / 8)
			return failure(s, "a listing of very many mounts is wrong");
	}
	for (uint32_t i = 0; i < n; i++) {
		if (v->host && i % 512 == 0)
			world_drop_caches(&s->world);
		many_path(i, at);
		strcat(at, "/id");
		points_text(i % POINTS, 0, "id", want);
		int res = view_cat(v, at, text);
		if (res || strcmp(text, want)) {
			watch_fail(&s->watch, "%s: %s: %s", v->host ? "host" : "guest", at, res ? strerror(-res) : text);
			return -1;
		}
	}
	return 0;
}

/* Mounts or umounts all; the seconds it took, or -1. */
static double change_many(struct soak *s, uint32_t n, bool up)
{
	int64_t begun = clock_ns();

	for (uint32_t i = 0; i < n; i++) {
		char at[64], image[512];

		many_path(i, at);
		points_image(&s->points, i % POINTS, 0, image);
		int status = up ? api_mount(&s->world.api, at, image) : api_umount(&s->world.api, at);
		if (status != 204) {
			watch_fail(&s->watch, "mount %u of %u: status %d, %s", i, n, status,
				   status > 0 ? s->world.api.body : strerror(-status));
			return -1;
		}
	}
	return (double)(clock_ns() - begun) / 1e9;
}

static int run_many(struct soak *s, uint32_t n)
{
	struct viewer host = world_host(&s->world), guest = world_guest(&s->world, WORLD_CLIENTS - 1);
	struct held_by_daemon first = world_measure(&s->world, NULL), limit = first;

	double up = change_many(s, n, true);
	if (up < 0)
		return -1;
	int64_t begun = clock_ns();
	if (api_call(&s->world.api, "GET", "/api/v1/daemon", NULL) != 200 || s->world.api.len < n * 10 ||
	    !strstr(s->world.api.body, "/many/d7/m0007"))
		return failure(s, "the API does not list them");
	double list = (double)(clock_ns() - begun) / 1e9;
	struct held_by_daemon full = world_measure(&s->world, NULL);
	begun = clock_ns();
	if (look_at_many(s, &host, n) || look_at_many(s, &guest, n))
		return -1;
	double walk = (double)(clock_ns() - begun) / 1e9;
	double down = change_many(s, n, false);
	if (down < 0 || quiet_point(s))
		return -1;
	limit.descriptors += SPARE_DESCRIPTORS;
	limit.memory_kib = 1L << 40; /* the heap's high mark stays */
	struct held_by_daemon last = world_measure(&s->world, &limit);
	printf("%u mounts: mounted in %.2f s, listed in %.3f s, walked on both sides in %.2f s, umounted in %.2f s; %ld then %ld "
	       "descriptors, %ld then %ld KiB\n",
	       n, up, list, walk, down, full.descriptors, last.descriptors, full.memory_kib, last.memory_kib);
	if (last.descriptors > limit.descriptors || last.threads > limit.threads)
		return failure(s, "the daemon keeps descriptors or threads of mounts that are gone");
	return 0;
}

static unsigned loop_count(const struct soak *s)
{
	const char *count = getenv("GRAFT_MOUNTS");
	const char *full = getenv("GRAFT_FULL");

	if (count)
		return (unsigned)strtoul(count, NULL, 10);
	if (full && *full == '1')
		return 10000;
	return s->sanitized ? 400 : 1000;
}

static int run(struct soak *s, const char **why)
{
	*why = "making the images";
	int res = points_make(&s->points, s->world.images, s->world.daemon.share);
	if (!res)
		res = world_start(&s->world, why);
	if (res)
		return res;
	*why = s->watch.why;
	res = run_loop(s, loop_count(s));
	return res ? res : run_many(s, s->sanitized ? MANY / 8 : MANY);
}

int main(int argc, char **argv)
{
	static struct soak s = {.watch = {.lock = PTHREAD_MUTEX_INITIALIZER}};
	const char *sanitize = getenv("GRAFT_SANITIZE"), *why;

	s.seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
	s.sanitized = sanitize && *sanitize;
	s.watch.points = &s.points;
	s.watch.lag_ms = s.sanitized ? 10000 : 3000;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %u\n", s.seed);
	int res = world_init(&s.world, &why);
	if (res == 77) {
		printf("SKIP: %s\n", why);
		return getenv("MUST_RUN") && !strcmp(getenv("MUST_RUN"), "1") ? 1 : 77;
	}
	if (!res)
		res = run(&s, &why);
	if (res)
		fprintf(stderr, "FAILED: %s%s%s\n", why, res < -1 ? ": " : "", res < -1 ? strerror(-res) : "");
	if (res && s.world.daemon.pid)
		daemon_show_log(&s.world.daemon);
	if (world_stop(&s.world))
		res = -1;
	printf("%s\n", res ? "FAILED" : "passed");
	return res ? 1 : 0;
}
