/* SPDX-License-Identifier: Apache-2.0 */
/* Those who use a mount meanwhile. */
#include "tests/upgrade/load.h"

#include "tests/upgrade/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 4096
#define READERS 2
#define STALL_MAX_MS 10000 /* nobody may wait for longer: then something is lost */

struct file {
	char *path;
	uint64_t sum;
};

static struct {
	struct file files[FILES_MAX];
	unsigned int nfiles, nentries;
	const char *dir;
	pthread_t threads[READERS + 1];
	_Atomic bool stop;
	_Atomic uint64_t reads, walks, longest_ms;
} load;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void note_wait(uint64_t since)
{
	uint64_t ms = now_ms() - since, longest = atomic_load(&load.longest_ms);

	while (ms > longest && !atomic_compare_exchange_weak(&load.longest_ms, &longest, ms))
		;
}

/* FNV-1a of the data; the kernel's cache of them is dropped first. */
static uint64_t sum_of(const char *path)
{
	static _Thread_local unsigned char bytes[65536];
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		die("opening %s: %s", path, strerror(errno));
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	}
	if (n < 0)
		die("reading %s: %s", path, strerror(errno));
	close(fd);
	return sum;
}

static int note(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_DNR || type == FTW_NS)
		die("%s cannot be looked at", path);
	load.nentries++;
	if (type == FTW_F && S_ISREG(st->st_mode) && load.nfiles < FILES_MAX)
		load.files[load.nfiles++] = (struct file){ strdup(path), sum_of(path) };
	return 0;
}

static _Thread_local unsigned int seen;

static int count(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_DNR || type == FTW_NS)
		die("%s cannot be looked at", path);
	seen++;
	return 0;
}

static void *walk_main(void *arg)
{
	while (!atomic_load(&load.stop)) {
		uint64_t since = now_ms();

		seen = 0;
		if (nftw(load.dir, count, 64, FTW_PHYS))
			die("the walk ended: %s", strerror(errno));
		if (seen != load.nentries)
			die("a walk saw %u of %u", seen, load.nentries);
		note_wait(since);
		atomic_fetch_add(&load.walks, 1);
	}
	return arg;
}

static void *read_main(void *arg)
{
	unsigned int random = (unsigned int)(uintptr_t)arg + 1;

	while (!atomic_load(&load.stop)) {
		const struct file *f = &load.files[(random = random * 1664525 + 1013904223) % load.nfiles];
		uint64_t since = now_ms();

		if (sum_of(f->path) != f->sum)
			die("%s has other data now", f->path);
		note_wait(since);
		atomic_fetch_add(&load.reads, 1);
	}
	return NULL;
}

void load_begin(const char *dir)
{
	load.dir = dir;
	if (nftw(dir, note, 64, FTW_PHYS) || !load.nfiles)
		die("nothing is to be read in %s", dir);
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&load.threads[i], NULL, read_main, (void *)i);
	pthread_create(&load.threads[READERS], NULL, walk_main, NULL);
}

void load_end(void)
{
	atomic_store(&load.stop, true);
	for (int i = 0; i <= READERS; i++)
		pthread_join(load.threads[i], NULL);
	printf("%llu reads of %u files and %llu walks without an error; the longest wait was %llu ms\n",
	       (unsigned long long)atomic_load(&load.reads), load.nfiles, (unsigned long long)atomic_load(&load.walks),
	       (unsigned long long)atomic_load(&load.longest_ms));
	if (atomic_load(&load.longest_ms) > STALL_MAX_MS)
		die("somebody waited for longer than %d ms", STALL_MAX_MS);
	for (unsigned int i = 0; i < load.nfiles; i++)
		free(load.files[i].path);
}
