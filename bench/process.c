/* SPDX-License-Identifier: Apache-2.0 */
/* What another process uses, as the kernel tells it. */
#include "bench/process.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t process_cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t id;

	if (!pid || clock_getcpuclockid(pid, &id) || clock_gettime(id, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t process_rss_kib(pid_t pid)
{
	char path[64], line[128];
	unsigned long long anon = 0, file = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = pid ? fopen(path, "re") : NULL;
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "RssAnon:", 8))
			anon = strtoull(line + 8, NULL, 10);
		else if (!strncmp(line, "RssFile:", 8))
			file = strtoull(line + 8, NULL, 10);
	}
	fclose(f);
	return anon + file;
}

/* The number of the tracepoint at the entry of each system call. */
static int tracepoint(uint64_t *id)
{
	static const char *const paths[] = {
		"/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
		"/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
	};
	char text[32];

	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		FILE *f = fopen(paths[i], "re");
		if (!f)
			continue;
		char *got = fgets(text, sizeof(text), f);
		fclose(f);
		if (got) {
			*id = strtoull(text, NULL, 10);
			return 0;
		}
	}
	return -ENOENT;
}

static int count_thread(struct call_counter *c, struct perf_event_attr *attr, pid_t tid)
{
	if (c->n == CALL_COUNTER_THREADS)
		return -E2BIG;
	int fd = (int)syscall(SYS_perf_event_open, attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	c->fd[c->n++] = fd;
	return 0;
}

int call_counter_open(struct call_counter *c, pid_t pid)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .inherit = 1};
	uint64_t id = 0;
	char path[64];

	c->n = 0;
	int res = tracepoint(&id);
	if (res < 0)
		return res;
	attr.config = id;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return -errno;
	const struct dirent *e;
	while (res == 0 && (e = readdir(tasks))) {
		if (e->d_name[0] != '.')
			res = count_thread(c, &attr, (pid_t)strtol(e->d_name, NULL, 10));
	}
	closedir(tasks);
	if (res < 0)
		call_counter_close(c);
	return res;
}

int64_t call_counter_close(struct call_counter *c)
{
	int64_t sum = c->n ? 0 : -1;
	uint64_t one;

	for (unsigned i = 0; i < c->n; i++) {
		if (read(c->fd[i], &one, sizeof(one)) == sizeof(one))
			sum += (int64_t)one;
		close(c->fd[i]);
	}
	c->n = 0;
	return sum;
}
