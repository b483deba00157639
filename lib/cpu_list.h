/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of processors, such as 0-3,8, and which ones this process may use. */
#ifndef GRAFT_LIB_CPU_LIST_H
#define GRAFT_LIB_CPU_LIST_H

#include "lib/error.h"

#include <pthread.h>
#include <stdint.h>

#define CPU_LIST_MAX 1024   /* entries of a list */
#define CPU_NUMBER_MAX 8191 /* the highest number a processor may have (CONFIG_NR_CPUS of Linux) */

struct cpu_list {
	uint32_t n;
	uint16_t cpu[CPU_LIST_MAX]; /* as written, each once */
};

/* Numbers and ranges with commas between them, no blanks. 0, or -EINVAL with err, which does not repeat the text. */
int cpu_list_parse(struct cpu_list *l, const char *text, struct graft_error *err);
/* Refuses a list with a processor that this process may not use (sched_setaffinity, cpusets). 0 or -errno with err. */
int cpu_list_check(const struct cpu_list *l, struct graft_error *err);

/* Processors that this thread may use, at least 1. */
uint32_t cpu_count(void);
/* Keeps a thread on one processor. 0 or -errno. */
int cpu_pin(pthread_t t, uint16_t cpu);

#endif
