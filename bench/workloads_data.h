/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the workloads that read and write a file; what each is for: struct workload. */
#ifndef GRAFT_BENCH_WORKLOADS_DATA_H
#define GRAFT_BENCH_WORKLOADS_DATA_H

#include "bench/bench.h"

int read_setup(struct bench_slot *s);
void read_next(struct bench_slot *s);
int read_done(struct bench_slot *s, uint32_t len);
int write_setup(struct bench_slot *s);
void write_next(struct bench_slot *s);
int write_done(struct bench_slot *s, uint32_t len);
/* Reads the file back: what was written is there. */
int write_finish(struct bench *b);
void database_next(struct bench_slot *s);
int database_done(struct bench_slot *s, uint32_t len);

#endif
