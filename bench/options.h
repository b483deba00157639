/* SPDX-License-Identifier: Apache-2.0 */
/* graft-bench's command line. */
#ifndef GRAFT_BENCH_OPTIONS_H
#define GRAFT_BENCH_OPTIONS_H

#include "bench/bench.h"

#define MAX_DEPTHS 8
#define MAX_WORKLOADS 64

struct options {
	struct bench_config config;
	const char *share, *csv; /* NULL: not asked for */
	struct workload workload[MAX_WORKLOADS];
	unsigned nworkloads;
	unsigned depth[MAX_DEPTHS], ndepths;
	double seconds;
	pid_t daemon;
	bool count_calls;
};

/* -1 to go on, else the exit status: 0 after --help, 2 for a usage error, which it has told of. */
int options_parse(struct options *o, int argc, char **argv);

#endif
