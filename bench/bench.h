/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's parts: a connection, requests built beforehand, workloads, and what a run measured. */
#ifndef GRAFT_BENCH_BENCH_H
#define GRAFT_BENCH_BENCH_H

#include "bench/bare.h"
#include "bench/histogram.h"
#include "tests/vring/fuse_client.h"

#include <graftfs/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_MAX_DEPTH 64
#define BENCH_MAX_QUEUES 16
#define BENCH_PAGE 4096u
#define BENCH_DATA_MAX (1u << 20)    /* bytes of the largest request's data */
#define BENCH_PARTS (2 + BENCH_DATA_MAX / BENCH_PAGE)
#define BENCH_MAX_FILES 1000000      /* of the set, and of the tree */
#define BENCH_FILE_SIZE (16u << 20)  /* bytes of the file that is read and written */
#define BENCH_DIR_SIZE BENCH_PAGE    /* bytes that a READDIRPLUS asks for */
#define BENCH_FORGETS 64             /* nodes of one BATCH_FORGET during a run */
#define BENCH_NAME_SIZE 12           /* of a file of the set, with its NUL: file-000000 */
#define BENCH_STRIDE 1000003u        /* a prime: the distance of two blocks at "random" places, each met once */
#define DATABASE_READS 3             /* the first steps of a transaction */
#define DATABASE_STEPS 6             /* then writes, and an FSYNC at the end */
#define BENCH_RESET_DEPTH 16         /* for what is made and removed without being measured */

struct bench;
struct bench_queue;
struct tree;

/*
 * One request, at a place of its own in guest memory and laid out as the Linux driver does it: header, arguments,
 * pages; reply header, reply, pages. Only the workload of the run writes to it, between two of its flights.
 */
struct bench_slot {
	struct bench_queue *queue;
	unsigned index;           /* among its queue's */
	struct fuse_in_header *head;
	void *body;               /* arguments */
	const struct fuse_out_header *reply_head;
	const void *reply;
	unsigned char *data;      /* BENCH_DATA_MAX bytes */
	uint64_t head_gpa, body_gpa, reply_gpa, data_gpa;
	struct ring_buf in[BENCH_PARTS], out[BENCH_PARTS];
	unsigned nin, nout;
	int64_t start;            /* ns; 0: the next flight begins an operation */
	/* the workload's: */
	unsigned step;            /* 0: between two operations, or between two tasks */
	unsigned file;            /* of the set, or of the tree */
	unsigned task;            /* of a workload that has an end */
	uint64_t node, fh, off;
};

/* A request queue, its thread's alone during a run. */
struct bench_queue {
	struct bench *bench;
	struct ring *ring;
	unsigned index;
	struct bench_slot *slot; /* BENCH_MAX_DEPTH of them at most */
	unsigned depth;
	uint64_t unique, cursor;
	uint64_t *lookups; /* for each file of the set: counts to give back */
	struct fuse_forget_one forget[BENCH_FORGETS];
	unsigned nforget;
	/* What was measured: */
	uint64_t ops;
	struct histogram latency; /* ns */
	/* The first reply that was wrong: */
	int error;
	uint32_t failed_opcode;
};

/* What is measured. */
struct workload {
	char name[24];
	const char *what;
	uint32_t size; /* bytes of a READ or WRITE */
	bool random;   /* its blocks in no order */
	/* Makes the files it needs, once for a connection. 0 or -errno. */
	int (*prepare)(struct bench *b);
	/* Builds a slot's request before a run. 0 or -errno. */
	int (*setup)(struct bench_slot *s);
	/* Turns it into the next one to send. */
	void (*next)(struct bench_slot *s);
	/* Checks len bytes of an answer without error: the operations it completed, or -errno. */
	int (*done)(struct bench_slot *s, uint32_t len);
	/* The same for one with an error (-errno), which may be what was asked for. NULL: it never is. */
	int (*refused)(struct bench_slot *s, int error);
	/* After a run: gives back what it holds, checks what it did. 0 or -errno; NULL for nothing. */
	int (*finish)(struct bench *b);
	/* The system calls that one operation is made of, on the same files; see bench/bare.h. */
	int (*bare)(struct bare *x);
	/* A workload with an end, which is run again and again: what its tasks do, each begun once. NULL: it has none. */
	const struct profile *profile;
};

/* A connection and the files made through it. */
struct bench {
	struct frontend *fe;
	struct fuse_client client; /* synchronous calls on ring 1, while no run is on */
	struct fuse_client hiprio; /* FORGETs; under forget_lock during a run */
	struct bench_queue *queue;
	unsigned nqueues, max_depth;
	bool poll; /* a thread looks for answers without sleeping, and wants no interrupts */
	const struct workload *workload;
	char dir_name[64];
	uint64_t dir;
	unsigned want_files, nfiles; /* of the set, and those made so far */
	uint64_t *file;
	struct tree *tree;           /* NULL: not made */
	unsigned tree_files;
	uint64_t data_file, data_fh; /* node 0: not made */
	uint32_t generation;         /* runs so far */
};

/* What main asks for. */
struct bench_config {
	const char *socket;
	unsigned queues, max_depth;
	unsigned files, tree_files;
	bool packed, poll;
};

/* How long to measure, and whom. */
struct bench_span {
	double seconds;
	pid_t daemon;         /* 0: unknown */
	bool count_calls;     /* the daemon's system calls, which slows it */
};

/* One line of the table. */
struct bench_result {
	double seconds;
	uint64_t ops, daemon_ns, client_ns; /* processor time of the daemon (0: not asked for) and of this program */
	int64_t calls;                      /* system calls of the daemon; -1: not counted */
	struct histogram latency;
};

/*
 * workloads.c: the one of that name; read, write, randread and randwrite stand before a size such as 16k. False if
 * there is none. bench_workload_name: what there is, from 0 on, with its description; NULL at the end.
 */
bool bench_workload(const char *name, struct workload *w);
const char *bench_workload_name(unsigned i, const char **what);

/* connection.c: the way up (FUSE session and a folder of its own in the share) and down (the folder is removed). */
int bench_open(struct bench *b, const struct bench_config *config);
int bench_close(struct bench *b);
/* Makes the set of files, and the file for data. 0 or -errno; nothing if they are there. */
int bench_make_files(struct bench *b);
int bench_make_data(struct bench *b);
/* Sends the look-ups counted in the queues back. Only while no run is on. */
int bench_forget_lookups(struct bench *b);
/* Gives count look-ups of a node back, together with others; any thread. bench_flush_forgets: those still kept. */
int bench_forget(struct bench_queue *q, uint64_t node, uint64_t count);
int bench_flush_forgets(struct bench_queue *q);

/* The same at once: only while no run is on. */
int bench_send_forgets(struct bench *b, const struct fuse_forget_one *one, unsigned n);

/* What the first word of a page of the data file says: its number, and the run that wrote it (0: none). */
static inline uint64_t bench_stamp(uint64_t page, uint32_t generation)
{
	return page | (uint64_t)generation << 32;
}

/* engine.c: one run of a workload, warm-up included. 0 or -errno, and the queue that failed says more. */
int bench_run(struct bench *b, const struct workload *w, unsigned depth, const struct bench_span *span,
	      struct bench_result *result);
/* One pass over all tasks of a workload that has an end; result may be NULL. It calls neither prepare nor finish. */
int bench_pass(struct bench *b, const struct workload *w, unsigned depth, const struct bench_span *span,
	       struct bench_result *result);
/* Lays a slot's request out; header and argument bytes are the caller's to fill, the header's length is set. */
void bench_shape(struct bench_slot *s, uint32_t opcode, uint64_t node, uint32_t body, uint32_t data_in, uint32_t reply,
		 uint32_t data_out);

#endif
