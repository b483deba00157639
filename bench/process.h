/* SPDX-License-Identifier: Apache-2.0 */
/* What another process uses: processor time, memory, system calls. */
#ifndef GRAFT_BENCH_PROCESS_H
#define GRAFT_BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#define CALL_COUNTER_THREADS 256

/* Processor time of all threads, those that ended included, in ns; 0 if it is not known. */
uint64_t process_cpu_ns(pid_t pid);
/* Resident memory of its own in KiB: without shared memory, which is the guest's. 0 if it is not known. */
uint64_t process_rss_kib(pid_t pid);

/* Counts the system calls of a process by a tracepoint of perf, which slows each of them. Zeroed is closed. */
struct call_counter {
	int fd[CALL_COUNTER_THREADS]; /* one for each thread; it counts those that this thread starts, too */
	unsigned n;
};

/* Begins to count. 0 or -errno, among them -ENOENT without tracefs, -EACCES and -EPERM without the right to. */
int call_counter_open(struct call_counter *c, pid_t pid);
/* Ends it: calls since, or -1 if it was not open. */
int64_t call_counter_close(struct call_counter *c);

#endif
