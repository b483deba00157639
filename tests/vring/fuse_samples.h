/* SPDX-License-Identifier: Apache-2.0 */
/* A well-formed request of every opcode as bytes, for tests that cut, stretch and twist it. */
#ifndef GRAFT_TESTS_VRING_FUSE_SAMPLES_H
#define GRAFT_TESTS_VRING_FUSE_SAMPLES_H

#include <graftfs/fuse.h>
#include <stdbool.h>
#include <stdint.h>

#define SAMPLE_MAX 1024
#define SAMPLE_ID_FIELDS 3

/* What the requests are about. */
struct sample_nodes {
	uint64_t dir, file;  /* node ids */
	uint64_t fh, dir_fh; /* open handles of file and of dir */
	uint64_t flags;      /* negotiated INIT flags */
	const char *name;    /* of an entry in dir; name + "2" is a second one */
};

struct sample {
	unsigned char bytes[SAMPLE_MAX];
	uint32_t len;
	uint32_t fixed; /* bytes of header and structure: names or data follow */
	bool names;     /* what follows are names */
	bool no_reply;
	uint32_t room;  /* bytes of the fixed reply, without its header */
	uint32_t data;  /* bytes of room for data behind it */
	/* Offsets of node ids and handles in the body (0: none), so that a mutation can keep off them. */
	uint16_t id_field[SAMPLE_ID_FIELDS];
};

/* False for an opcode that no request of this kind has. */
bool fuse_sample(uint32_t opcode, const struct sample_nodes *nodes, struct sample *s);

#endif
