/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations cost without a daemon: the system calls that do them, on the same files, one at a time. */
#ifndef GRAFT_BENCH_BARE_H
#define GRAFT_BENCH_BARE_H

#include <stdint.h>

struct bench;
struct workload;

/* The bench's folder as this host sees it. One thread. */
struct bare {
	const struct bench *bench;
	const struct workload *workload;
	int dir;
	int *fd; /* O_PATH, of the set's files as far as RLIMIT_NOFILE lets; made when first needed */
	unsigned nfds;
	int data, list; /* data file, and the folder again for listings; -1: not opened yet */
	uint64_t cursor;
	unsigned char *buffer;
	/* a folder of its own for the workloads that have an end: */
	int *tree_dir;
	unsigned ndirs;
	int handle; /* open in the present task */
};

/* share: the directory that the daemon serves. 0 or -errno; bare_close is right in either case. */
int bare_open(struct bare *x, const struct bench *b, const char *share);
void bare_close(struct bare *x);
/* Processor time of an operation in us, measured for that long, or for one pass. 0 or -errno. */
int bare_measure(struct bare *x, const struct workload *w, double seconds, double *us);

/* One operation or a few: how many, or -errno. */
int bare_statx(struct bare *x);
int bare_statx_name(struct bare *x);
int bare_open_close(struct bare *x);
int bare_read(struct bare *x);
int bare_write(struct bare *x);
int bare_fsync(struct bare *x);
int bare_list(struct bare *x);
int bare_create(struct bare *x);

/* Reads the entries of an open directory from its begin, with a statx of each: how many, or -errno. */
int bare_list_dir(int fd, int flags);

#endif
