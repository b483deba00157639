/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record FILE PROGRAM ARGUMENT...: replaces itself by the program, and leaves in FILE each system call that it, or a
 * process that it forked, made with its threads after it had loaded a seccomp filter: "NAME", with its arguments in
 * hexadecimal where lists look at them, each once. Counts by the kernel's tracepoint (perf_event_open), which slows the
 * program down little. Status 77: that is not to be had here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RING_PAGES 1024 /* for each processor */
#define CPUS_MAX 64
#define CALLS_MAX 8192
#define PROCESSES_MAX 64 /* that load a filter */
#define ARGS 6

struct entry { /* raw_syscalls:sys_enter */
	uint64_t common;
	int64_t id;
	uint64_t args[ARGS];
};

struct sample {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t time;
	uint32_t size;
	struct entry entry;
} __attribute__((packed));

static const int with_args[] = {
	SCMP_SYS(clone),      SCMP_SYS(fcntl),  SCMP_SYS(ioctl),    SCMP_SYS(io_uring_register),
	SCMP_SYS(membarrier), SCMP_SYS(mmap),   SCMP_SYS(mprotect), SCMP_SYS(prctl),
	SCMP_SYS(prlimit64),  SCMP_SYS(sendto), SCMP_SYS(tgkill),   SCMP_SYS(unshare),
};

/* Each call of a process once, with the time of the last. */
static struct call {
	struct entry entry;
	uint32_t pid;
	uint64_t time; /* ns */
} calls[CALLS_MAX];
static size_t ncalls;

/* Whoever loaded a filter, and when. A process that stays outside of a sandbox loads none. */
static struct {
	uint32_t pid;
	uint64_t time; /* ns */
} confined[PROCESSES_MAX];
static size_t nconfined;

static struct {
	int fd;
	struct perf_event_mmap_page *ring;
} cpus[CPUS_MAX];
static int ncpus;

/* Addresses and numbers that no list looks at are left out, so that few entries differ. */
static void simplify(struct entry *e)
{
	bool keep = false;

	for (size_t i = 0; i < sizeof(with_args) / sizeof(with_args[0]); i++)
		keep = keep || with_args[i] == e->id;
	e->common = 0;
	if (!keep)
		memset(e->args, 0, sizeof(e->args));
	if (e->id != SCMP_SYS(clone) && e->id != SCMP_SYS(prctl) && e->id != SCMP_SYS(unshare) &&
	    e->id != SCMP_SYS(membarrier))
		e->args[0] = 0;
	if (e->id == SCMP_SYS(mmap) || e->id == SCMP_SYS(mprotect) || e->id == SCMP_SYS(sendto))
		e->args[1] = 0;
	for (int i = 2; i < ARGS; i++) {
		bool looked_at = (i == 2 && (e->id == SCMP_SYS(mmap) || e->id == SCMP_SYS(mprotect))) ||
				 (i == 4 && e->id == SCMP_SYS(sendto)) || (i == 2 && e->id == SCMP_SYS(prlimit64));
		if (!looked_at)
			e->args[i] = 0;
	}
	if (e->id == SCMP_SYS(clone) || e->id == SCMP_SYS(prctl))
		e->args[1] = 0;
}

static void confine(uint32_t pid, uint64_t time)
{
	size_t i = 0;

	while (i < nconfined && confined[i].pid != pid)
		i++;
	if (i == PROCESSES_MAX)
		return;
	if (i == nconfined)
		nconfined++;
	confined[i].pid = pid;
	if (time > confined[i].time)
		confined[i].time = time;
}

static bool is_confined(const struct call *call)
{
	for (size_t i = 0; i < nconfined; i++)
		if (confined[i].pid == call->pid)
			return call->time > confined[i].time;
	return false;
}

static void take(const struct sample *s)
{
	struct entry e;

	memcpy(&e, &s->entry, sizeof(e));
	if (e.id == SCMP_SYS(seccomp))
		confine(s->pid, s->time);
	simplify(&e);
	for (size_t i = 0; i < ncalls; i++) {
		if (calls[i].pid != s->pid || memcmp(&calls[i].entry, &e, sizeof(e)) != 0)
			continue;
		if (s->time > calls[i].time)
			calls[i].time = s->time;
		return;
	}
	if (ncalls == CALLS_MAX)
		return;
	calls[ncalls].entry = e;
	calls[ncalls].pid = s->pid;
	calls[ncalls++].time = s->time;
}

static void drain(struct perf_event_mmap_page *ring)
{
	const uint64_t size = RING_PAGES * (uint64_t)getpagesize();
	const uint8_t *data = (const uint8_t *)ring + getpagesize();
	/* Acquire and release pair with the kernel's. */
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE), tail = ring->data_tail;

	while (tail < head) {
		union {
			struct sample sample;
			uint8_t bytes[4096];
		} one;
		struct perf_event_header header;

		for (size_t i = 0; i < sizeof(header); i++)
			((uint8_t *)&header)[i] = data[(tail + i) % size];
		for (size_t i = 0; i < header.size && i < sizeof(one); i++)
			one.bytes[i] = data[(tail + i) % size];
		if (header.type == PERF_RECORD_SAMPLE && header.size >= sizeof(struct sample))
			take(&one.sample);
		tail += header.size;
	}
	__atomic_store_n(&ring->data_tail, tail, __ATOMIC_RELEASE);
}

static uint64_t tracepoint(void)
{
	FILE *f = fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "re");
	unsigned long id = 0;

	if (f && fscanf(f, "%lu", &id) != 1)
		id = 0;
	if (f)
		fclose(f);
	return id;
}

static bool open_rings(pid_t pid)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT,
					.size = sizeof(attr),
					.config = tracepoint(),
					.sample_period = 1,
					.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
					.inherit = 1,
					.watermark = 1,
					.wakeup_watermark = 65536,
					.use_clockid = 1,
					.clockid = CLOCK_MONOTONIC };

	for (ncpus = 0; attr.config && ncpus < CPUS_MAX && ncpus < sysconf(_SC_NPROCESSORS_CONF); ncpus++) {
		int fd = (int)syscall(SYS_perf_event_open, &attr, pid, ncpus, -1, PERF_FLAG_FD_CLOEXEC);
		void *ring = fd < 0 ? MAP_FAILED
				    : mmap(NULL, (RING_PAGES + 1) * (size_t)getpagesize(), PROT_READ | PROT_WRITE,
					   MAP_SHARED, fd, 0);

		if (ring == MAP_FAILED)
			return false;
		cpus[ncpus].fd = fd;
		cpus[ncpus].ring = ring;
	}
	return ncpus > 0;
}

static void print(FILE *to)
{
	for (size_t i = 0; i < ncalls; i++) {
		const struct entry *e = &calls[i].entry;
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)e->id);

		if (is_confined(&calls[i])) {
			fprintf(to, "%s", name ? name : "unknown");
			for (int k = 0; k < ARGS; k++)
				fprintf(to, " %lx", (unsigned long)e->args[k]);
			fputc('\n', to);
		}
		free(name);
	}
}

/* In the child: until the program has ended. */
static int record(pid_t pid, int ready, const char *path)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	FILE *to = fopen(path, "we");
	bool good = pidfd >= 0 && to && open_rings(pid);

	for (int number = 1; number < SIGRTMIN; number++)
		signal(number, SIG_IGN);
	if (write(ready, good ? "y" : "n", 1) != 1 || !good)
		return 1;
	close(ready);
	while (poll(&p, 1, 5) == 0)
		for (int i = 0; i < ncpus; i++)
			drain(cpus[i].ring);
	for (int i = 0; i < ncpus; i++)
		drain(cpus[i].ring);
	print(to);
	return fclose(to) != 0;
}

/* The program's children are its own: whoever records is a child of somebody else. */
static void fork_record(pid_t pid, int ready, const char *path)
{
	int nothing = open("/dev/null", O_RDWR);

	if (fork() != 0)
		_exit(0);
	/* Who waits for the program to let go of something must not wait for this. */
	for (int fd = 0; fd < 3; fd++)
		dup2(nothing, fd);
	dup2(ready, 3);
	syscall(SYS_close_range, 4U, ~0U, 0U);
	_exit(record(pid, 3, path));
}

int main(int argc, char **argv)
{
	int pipefd[2];
	char good = 'n';
	pid_t self = getpid();

	if (argc < 3 || pipe2(pipefd, O_CLOEXEC) < 0)
		return 2;
	pid_t child = fork();
	if (child == 0)
		fork_record(self, pipefd[1], argv[1]);
	close(pipefd[1]);
	if (child < 0 || waitpid(child, NULL, 0) < 0 || read(pipefd[0], &good, 1) != 1 || good != 'y')
		return 77;
	close(pipefd[0]);
	execv(argv[2], argv + 2);
	return 2;
}
