/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk from the blob to plain bytes, and against its checks: for a look at all of an image, once. */
#ifndef GRAFT_CTL_IMAGE_CHUNK_H
#define GRAFT_CTL_IMAGE_CHUNK_H

#include "ctl/image_open.h"

/*
 * The chunk of a stretch that is no hole: as the metadata has it, or of the blob's chunk table, where the two must
 * agree, with the digest that the bootstrap keeps for it, which must be the blob's if that has one. 0; -ENOENT: there
 * is no chunk table to ask, and *out has only index, u_off and u_size; -errno. *what is our own text, for all but 0.
 */
int image_chunk_of(struct image *image, const struct rafs_extent *extent, struct rafs_chunk *out, const char **what);

/* Buffers and decompressors, and the context (batch, gzip access point) that was decoded last. One thread. */
struct image_decoder;
struct image_decoder *image_decoder_new(void); /* NULL when out of memory */
void image_decoder_free(struct image_decoder *d);

/*
 * Reads and decodes a chunk of blob i and compares it with all the checks it carries. 0, *checked says whether it
 * carries any; -errno, with *what our own text.
 */
int image_chunk_verify(struct image *image, struct image_decoder *d, uint32_t i, const struct rafs_chunk *chunk,
		       bool *checked, const char **what);

#endif
