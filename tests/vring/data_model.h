/* SPDX-License-Identifier: Apache-2.0 */
/* Random reads, writes, truncations and allocations of one file, compared with a model in memory (as fsx does). */
#ifndef GRAFT_TESTS_VRING_DATA_MODEL_H
#define GRAFT_TESTS_VRING_DATA_MODEL_H

#include "tests/vring/fuse_client.h"

#define MODEL_MAX_SIZE (256 << 10) /* bytes of the file */
#define MODEL_MAX_IO (64 << 10)    /* bytes of one READ or WRITE: what the client's slot must hold */

/* One file. Used by the thread that owns the client. */
struct data_model {
	struct fuse_client *client;
	uint64_t node, fh;
	uint64_t size;
	uint64_t steps;
	unsigned seed;
	unsigned no_fallocate; /* bit i: EOPNOTSUPP for data_model_modes[i] */
	bool no_copy;          /* EOPNOTSUPP */
	char what[200];             /* the last operation, for a report */
	unsigned char *image, *buffer;
};

/* The modes of FALLOCATE that are tried. */
#define MODEL_MODES 5
extern const uint32_t data_model_modes[MODEL_MODES];

/* Makes an empty file. 0 or -errno. */
int data_model_open(struct data_model *m, struct fuse_client *c, uint64_t parent, const char *name, unsigned seed);
/* One random operation and its check: 0, -EILSEQ for data, size or count that differ, or the daemon's -errno. */
int data_model_step(struct data_model *m);
/* Compares the whole file. */
int data_model_check(struct data_model *m);
/* Gives the handle back and frees; also after a failure. */
void data_model_close(struct data_model *m);

#endif
