/* SPDX-License-Identifier: Apache-2.0 */
/* graft-files: creates, stats and unlinks files in a folder, for bench/fuse-compare; and reads a process's clock for
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH 500 /* files of a thread at a time */
#define MAX_THREADS 64

enum phase { CREATE, STAT, UNLINK, PHASES };

static const char *const phase_names[PHASES] = { "create", "stat", "unlink" };

/* owned by thread 0 between two barriers; the others look at stop behind one */
static struct {
	pthread_barrier_t barrier;
	bool stop;
	uint64_t end; /* ns */
	pid_t daemon;
	uint64_t ops[PHASES], ns[PHASES], cpu_ns[PHASES];
	uint32_t threads;
} run;

struct worker {
	pthread_t thread;
	uint32_t number;
	int dir;
};

static void die(const char *what, const char *which)
{
	fprintf(stderr, "graft-files: %s %s: %s\n", what, which, strerror(errno));
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		die("clock_gettime", "");
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Processor time of a process, all threads, ended ones too; 0 for no process. */
static uint64_t cpu_of(pid_t pid)
{
	clockid_t clock;

	if (!pid)
		return 0;
	errno = clock_getcpuclockid(pid, &clock);
	if (errno)
		die("clock of process", "");
	return now(clock);
}

static void do_one(enum phase phase, int dir, uint32_t i)
{
	struct statx st;
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "f%u", i);
	switch (phase) {
	case CREATE:
		fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0 || close(fd))
			die("create", name);
		break;
	case STAT:
		/* Past what the kernel remembers of the attributes, which would be all of it. */
		if (statx(dir, name, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &st) || !S_ISREG(st.stx_mode))
			die("stat", name);
		break;
	case UNLINK:
		if (unlinkat(dir, name, 0))
			die("unlink", name);
		break;
	case PHASES:
		break;
	}
}

static void account(enum phase phase, uint64_t since, uint64_t cpu_since)
{
	run.ns[phase] += now(CLOCK_MONOTONIC) - since;
	run.cpu_ns[phase] += cpu_of(run.daemon) - cpu_since;
	run.ops[phase] += (uint64_t)BATCH * run.threads;
}

static void do_phase(const struct worker *w, enum phase phase)
{
	uint64_t since = 0, cpu = 0;

	if (!w->number) {
		cpu = cpu_of(run.daemon);
		since = now(CLOCK_MONOTONIC);
	}
	pthread_barrier_wait(&run.barrier);
	for (uint32_t i = 0; i < BATCH; i++)
		do_one(phase, w->dir, i);
	pthread_barrier_wait(&run.barrier);
	if (!w->number)
		account(phase, since, cpu);
}

static void *work(void *arg)
{
	const struct worker *w = arg;

	do {
		for (enum phase phase = CREATE; phase < PHASES; phase++)
			do_phase(w, phase);
		if (!w->number)
			run.stop = now(CLOCK_MONOTONIC) >= run.end;
		pthread_barrier_wait(&run.barrier);
	} while (!run.stop);
	return NULL;
}

static void make_dir(struct worker *w, int top)
{
	char name[16];

	snprintf(name, sizeof(name), "d%u", w->number);
	if (mkdirat(top, name, 0755))
		die("mkdir", name);
	w->dir = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir < 0)
		die("open", name);
}

static void measure(const char *path, double seconds)
{
	static struct worker workers[MAX_THREADS];
	int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		die("open", path);
	pthread_barrier_init(&run.barrier, NULL, run.threads);
	for (uint32_t i = 0; i < run.threads; i++) {
		workers[i].number = i;
		make_dir(&workers[i], top);
	}
	run.end = now(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
	for (uint32_t i = 1; i < run.threads; i++) {
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (errno)
			die("pthread_create", "");
	}
	work(&workers[0]);
	for (uint32_t i = 1; i < run.threads; i++)
		pthread_join(workers[i].thread, NULL);
	for (uint32_t i = 0; i < run.threads; i++) {
		char name[16];

		close(workers[i].dir);
		snprintf(name, sizeof(name), "d%u", i);
		if (unlinkat(top, name, AT_REMOVEDIR))
			die("rmdir", name);
	}
	close(top);
	for (enum phase phase = CREATE; phase < PHASES; phase++)
		printf("%s,%.0f,%.3f\n", phase_names[phase], (double)run.ops[phase] * 1e9 / (double)run.ns[phase],
		       (double)run.cpu_ns[phase] / 1e3 / (double)run.ops[phase]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--cpu")) {
		printf("%" PRIu64 "\n", cpu_of(atoi(argv[2])));
		return 0;
	}
	run.threads = argc == 5 ? (uint32_t)atoi(argv[3]) : 0;
	if (!run.threads || run.threads > MAX_THREADS) {
		fprintf(stderr, "Usage: graft-files DIR SECONDS THREADS PID   operations a second and the process's\n"
				"                                             microseconds for one (0: none); CSV\n"
				"       graft-files --cpu PID                 processor time of a process in ns\n");
		return 2;
	}
	run.daemon = atoi(argv[4]);
	measure(argv[1], atof(argv[2]));
	return 0;
}
