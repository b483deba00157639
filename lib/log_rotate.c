/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log files that have grown enough. Names are nydusd's: STEM_rCURRENT.EXT is written to, STEM_r2026-01-01_00-00-00.EXT.gz was. All is
 * done below a descriptor of the folder, so it works where its path leads nowhere.
 */
#include "lib/log_rotate.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/thread.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE 65536      /* bytes compressed at a time; between two of them the end is looked for */
#define SAME_SECOND 1000 /* files that may be put away within one */
#define NAME_ROOM (NAME_MAX + 1)
#define ZIPPED ".gz"

/* Of zlib.h, whose library only a log that rotates needs: it is loaded, not linked. */
struct zlib {
	void *(*open)(int fd, const char *mode);
	int (*write)(void *file, const void *data, unsigned int len);
	int (*close)(void *file);
};

/* Relaxed: a count and a limit, by which nothing else is published; the eventfd wakes who acts on them. */
static _Atomic uint64_t written, limit; /* limit 0: nothing is put away */
/* The main thread's before the thread starts and after it has ended, the thread's between. */
static struct {
	int folder, wake;
	char live[NAME_ROOM];
	struct zlib zlib; /* NULL where there is none */
	pthread_t thread;
	bool running;
	_Atomic bool leave;
} rotate = { .folder = -1, .wake = -1 };

char *log_rotate_name(const char *path, const char *word, char *to)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = *name ? strrchr(name + 1, '.') : NULL;
	size_t stem = dot ? (size_t)(dot - path) : strlen(path);

	memcpy(to, path, stem);
	strcpy(stpcpy(to + stem, word), path + stem);
	return to;
}

static void load_zlib(void)
{
	void *lib = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);

	rotate.zlib = (struct zlib){ 0 };
	if (!lib)
		return;
	*(void **)&rotate.zlib.open = dlsym(lib, "gzdopen");
	*(void **)&rotate.zlib.write = dlsym(lib, "gzwrite");
	*(void **)&rotate.zlib.close = dlsym(lib, "gzclose");
	if (!rotate.zlib.write || !rotate.zlib.close)
		rotate.zlib.open = NULL;
}

int log_rotate_set(int folder, const char *name, uint64_t bytes, uint64_t size, struct graft_error *err)
{
	/* Room for the time, what tells files of one second apart, and the ending. */
	if (strlen(name) + 32 > NAME_MAX)
		return error_set(err, ENAMETOOLONG, "cannot open the log: the name %.300s is too long to put times into", name);
	log_rotate_forget();
	rotate.folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	rotate.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rotate.folder < 0 || rotate.wake < 0)
		return error_set(err, errno, "making descriptors for the log: %s", strerror(errno));
	strcpy(rotate.live, name);
	load_zlib();
	atomic_store_explicit(&written, size, memory_order_relaxed);
	atomic_store_explicit(&limit, bytes, memory_order_relaxed);
	return 0;
}

void log_rotate_count(size_t n)
{
	uint64_t most = atomic_load_explicit(&limit, memory_order_relaxed);

	if (!most)
		return;
	uint64_t before = atomic_fetch_add_explicit(&written, n, memory_order_relaxed);
	if (before < most && before + n >= most)
		eventfd_write(rotate.wake, 1);
}

static bool exists(const char *name)
{
	struct stat st;

	return fstatat(rotate.folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool taken(const char *name)
{
	char zipped[NAME_ROOM + sizeof(ZIPPED)];

	snprintf(zipped, sizeof(zipped), "%s" ZIPPED, name);
	return exists(name) || exists(zipped);
}

/* STEM_r of the live file's name, which ends before CURRENT; returns its length. */
static size_t stem_of(char stem[NAME_ROOM])
{
	const char *current = strstr(rotate.live, LOG_ROTATE_LIVE);

	/* The last one: the stem may hold the word itself. */
	for (const char *next = current; next; next = strstr(next + 1, LOG_ROTATE_LIVE))
		current = next;
	size_t len = (size_t)(current - rotate.live) + strlen("_r");
	memcpy(stem, rotate.live, len);
	stem[len] = '\0';
	return len;
}

/* A name that nothing has, with the time in it. */
static void old_name(char name[NAME_ROOM])
{
	char stem[NAME_ROOM], at[32], more[16] = "";
	time_t now = time(NULL);
	struct tm tm;
	size_t len = stem_of(stem);
	const char *extension = rotate.live + len + strlen(LOG_ROTATE_LIVE) - strlen("_r");

	localtime_r(&now, &tm);
	strftime(at, sizeof(at), "%Y-%m-%d_%H-%M-%S", &tm);
	for (int i = 0; i < SAME_SECOND; i++) {
		int n = snprintf(name, NAME_ROOM, "%s%s%s%s", stem, at, more, extension);
		if (n < NAME_ROOM && !taken(name))
			return;
		snprintf(more, sizeof(more), ".restart-%04d", i);
	}
}

static bool leaving(void)
{
	/* Acquire: pairs with the release in log_rotate_stop. */
	return atomic_load_explicit(&rotate.leave, memory_order_acquire);
}

/* 0, or -1 where not all of it could be written, or the end came. */
static int copy_zipped(int from, void *to)
{
	auto_free char *piece = malloc(PIECE);
	ssize_t n = 1;

	while (piece && n > 0 && !leaving()) {
		n = read(from, piece, PIECE);
		if (n > 0 && rotate.zlib.write(to, piece, (unsigned int)n) != n)
			return -1;
	}
	return n == 0 ? 0 : -1;
}

/* The compressed file takes the other's place. A failure leaves the other. */
static void compress(const char *name)
{
	char zipped[NAME_ROOM + sizeof(ZIPPED)];
	auto_close int from = openat(rotate.folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	snprintf(zipped, sizeof(zipped), "%s" ZIPPED, name);
	int to = openat(rotate.folder, zipped, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	void *file = from >= 0 && to >= 0 ? rotate.zlib.open(to, "wb") : NULL;
	int res = file ? copy_zipped(from, file) : -1;
	if (file && rotate.zlib.close(file) != 0)
		res = -1;
	else if (!file && to >= 0)
		close(to);
	unlinkat(rotate.folder, res == 0 ? name : zipped, 0);
}

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), more = strlen(end);

	return len >= more && strcmp(name + len - more, end) == 0;
}

/* Put away by this log: STEM_r, a digit, and its extension, compressed or not. */
static bool is_old(const char *name)
{
	char stem[NAME_ROOM], zipped[NAME_ROOM + sizeof(ZIPPED)];
	size_t len = stem_of(stem);
	const char *extension = rotate.live + len + strlen(LOG_ROTATE_LIVE) - strlen("_r");

	snprintf(zipped, sizeof(zipped), "%s" ZIPPED, extension);
	return strncmp(name, stem, len) == 0 && name[len] >= '0' && name[len] <= '9' &&
	       (ends_in(name, extension) || ends_in(name, zipped));
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(*(char *const *)b, *(char *const *)a);
}

/* Their names, newest first, each and all the caller's to free. */
static char **list_old(size_t *n)
{
	size_t room = 0;
	char **names = NULL;
	int fd = openat(rotate.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	*n = 0;
	if (!dir && fd >= 0)
		close(fd);
	while (dir && (e = readdir(dir))) {
		if (!is_old(e->d_name))
			continue;
		if (*n == room) {
			char **grown = reallocarray(names, room = room ? room * 2 : 16, sizeof(*names));
			if (!grown)
				break;
			names = grown;
		}
		names[*n] = strdup(e->d_name);
		*n += names[*n] != NULL;
	}
	if (dir)
		closedir(dir);
	if (names)
		qsort(names, *n, sizeof(*names), newest_first);
	return names;
}

static void remove_oldest(void)
{
	size_t n;
	char **names = list_old(&n);

	for (size_t i = 0; i < n; i++) {
		if (i >= LOG_ROTATE_KEPT)
			unlinkat(rotate.folder, names[i], 0);
		free(names[i]);
	}
	free(names);
}

static void put_away(void)
{
	char name[NAME_ROOM];

	old_name(name);
	/* Before anything else: what says that it failed counts for the next time. */
	atomic_store_explicit(&written, 0, memory_order_relaxed);
	if (renameat(rotate.folder, rotate.live, rotate.folder, name) != 0) {
		log_warn(NULL, "the log cannot be put away as %.200s: %s", name, strerror(errno));
		return;
	}
	if (log_reopen() != 0)
		return;
	if (rotate.zlib.open)
		compress(name);
	remove_oldest();
}

static void *rotate_main(void *arg)
{
	struct pollfd p = { .fd = rotate.wake, .events = POLLIN };
	eventfd_t times;

	(void)arg;
	while (!leaving()) {
		poll(&p, 1, -1);
		if (eventfd_read(rotate.wake, &times) == 0 && !leaving())
			put_away();
	}
	return NULL;
}

int log_rotate_start(struct graft_error *err)
{
	if (rotate.wake < 0 || rotate.running)
		return 0;
	atomic_store_explicit(&rotate.leave, false, memory_order_relaxed); /* before the thread */
	int res = thread_start(&rotate.thread, "log", rotate_main, NULL);
	if (res)
		return error_set(err, -res, "starting the thread of the log: %s", strerror(-res));
	rotate.running = true;
	if (!rotate.zlib.open)
		log_warn(NULL, "old log files are not compressed: there is no libz.so.1");
	/* What an earlier process left may have grown enough. */
	if (atomic_load_explicit(&written, memory_order_relaxed) >= atomic_load_explicit(&limit, memory_order_relaxed))
		eventfd_write(rotate.wake, 1);
	return 0;
}

void log_rotate_stop(void)
{
	if (!rotate.running)
		return;
	atomic_store_explicit(&rotate.leave, true, memory_order_release);
	eventfd_write(rotate.wake, 1);
	pthread_join(rotate.thread, NULL);
	rotate.running = false;
}

void log_rotate_forget(void)
{
	atomic_store_explicit(&limit, 0, memory_order_relaxed);
	cleanup_close(&rotate.folder);
	cleanup_close(&rotate.wake);
	rotate.folder = rotate.wake = -1;
}
