/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian numbers and counted bytes, read with bounds and written into a growing buffer. */
#ifndef GRAFT_CONTROL_UPGRADE_WIRE_H
#define GRAFT_CONTROL_UPGRADE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* After the first thing that is not there, bad is set and everything reads as 0. */
struct wire_in {
	const unsigned char *at;
	size_t left;
	bool bad;
};

uint64_t wire_get(struct wire_in *w, unsigned int bytes); /* 1..8 */
/* The next len bytes, NULL where there are fewer. */
const unsigned char *wire_get_bytes(struct wire_in *w, uint64_t len);
/* A copy of a text with its u64 length before it; NULL: bad, a NUL in it, or out of memory (*no_memory). The caller's.
 */
char *wire_get_text(struct wire_in *w, bool *no_memory);

/* A growing buffer; all zero is empty. After a failed allocation, or beyond max, bad is set and nothing more is
 * written. */
struct wire_out {
	unsigned char *bytes;
	size_t len, room, max;
	bool bad;
};

void wire_put(struct wire_out *w, uint64_t value, unsigned int bytes);
void wire_put_bytes(struct wire_out *w, const void *bytes, size_t len);
void wire_put_text(struct wire_out *w, const char *text); /* NULL is the empty text */

#endif
