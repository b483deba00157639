/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE3: the portable compression, and the tree of chunks. */
#include "blake3.h"

#include "blake3_internal.h"
#include "rafs/bytes.h"

#define SUBTREE 128 /* chunks hashed in one go at most; a power of two */

typedef uint32_t vec;
#define TARGET
#define ROR16(x) ROR(x, 16)
#define ROR8(x)  ROR(x, 8)
#include "blake3_rounds.inc"

static void compress(uint32_t cv[8], const uint32_t m[16], uint64_t counter, uint32_t len, uint32_t flags)
{
	uint32_t v[16] = {
		cv[0], cv[1], cv[2], cv[3], cv[4], cv[5], cv[6], cv[7],
		blake3_iv[0], blake3_iv[1], blake3_iv[2], blake3_iv[3],
		(uint32_t)counter, (uint32_t)(counter >> 32), len, flags,
	};

	all_rounds(v, m);
	for (int i = 0; i < 8; i++)
		cv[i] = v[i] ^ v[i + 8];
}

static void compress_block(uint32_t cv[8], const uint8_t *block, uint64_t counter, uint32_t len, uint32_t flags)
{
	uint32_t m[16];

	for (int i = 0; i < 16; i++)
		m[i] = bytes_u32(block + (size_t)i * 4);
	compress(cv, m, counter, len, flags);
}

static void hash_chunk(const uint8_t *in, uint64_t counter, uint32_t out[8])
{
	uint32_t cv[8];

	memcpy(cv, blake3_iv, sizeof(cv));
	for (int i = 0; i < BLAKE3_BLOCKS; i++, in += BLAKE3_BLOCK)
		compress_block(cv, in, counter, BLAKE3_BLOCK,
			       (i == 0 ? BLAKE3_CHUNK_START : 0) | (i == BLAKE3_BLOCKS - 1 ? BLAKE3_CHUNK_END : 0));
	memcpy(out, cv, sizeof(cv));
}

/* out may be left or right. */
static void hash_parent(const uint32_t left[8], const uint32_t right[8], uint32_t flags, uint32_t out[8])
{
	uint32_t m[16], cv[8];

	memcpy(m, left, sizeof(cv));
	memcpy(m + 8, right, sizeof(cv));
	memcpy(cv, blake3_iv, sizeof(cv));
	compress(cv, m, 0, BLAKE3_BLOCK, BLAKE3_PARENT | flags);
	memcpy(out, cv, sizeof(cv));
}

/* 0: the widest. Tests set it. */
static _Thread_local unsigned int limit;

static unsigned int lanes(void)
{
#if defined(__x86_64__)
	if ((limit == 0 || limit >= 8) && __builtin_cpu_supports("avx2"))
		return 8;
	if ((limit == 0 || limit >= 4) && __builtin_cpu_supports("sse4.1"))
		return 4;
#endif
	return 1;
}

unsigned int blake3_use(unsigned int want)
{
	limit = want;
	return lanes();
}

/* How many of n chunks or parents were hashed several at once. */
static size_t hash_wide(const uint8_t *in, size_t n, bool parents, uint64_t counter, uint32_t (*out)[8])
{
	size_t done = 0;
#if defined(__x86_64__)
	size_t size = parents ? BLAKE3_BLOCK : BLAKE3_CHUNK;
	unsigned int width = lanes();

	for (; width >= 8 && n - done >= 8; done += 8)
		blake3_lanes8(in + done * size, parents, counter + done, out + done);
	for (; width >= 4 && n - done >= 4; done += 4)
		blake3_lanes4(in + done * size, parents, counter + done, out + done);
#else
	(void)in, (void)n, (void)parents, (void)counter, (void)out;
#endif
	return done;
}

static void hash_chunks(const uint8_t *in, size_t n, uint64_t counter, uint32_t (*out)[8])
{
	for (size_t i = hash_wide(in, n, false, counter, out); i < n; i++)
		hash_chunk(in + i * BLAKE3_CHUNK, counter + i, out[i]);
}

/* n pairs become n values in the same place. */
static void hash_parents(uint32_t (*cvs)[8], size_t n)
{
	for (size_t i = hash_wide((const uint8_t *)cvs, n, true, 0, cvs); i < n; i++)
		hash_parent(cvs[2 * i], cvs[2 * i + 1], 0, cvs[i]);
}

static void start_chunk(struct blake3 *b)
{
	memcpy(b->cv, blake3_iv, sizeof(b->cv));
	b->block_len = b->blocks = 0;
}

void blake3_init(struct blake3 *b)
{
	b->cvs = 0;
	b->chunks = 0;
	start_chunk(b);
}

/*
 * Joins finished subtrees of equal size. Only done when more bytes are there: the last parent of all is the root and is
 * hashed differently.
 */
static void merge(struct blake3 *b)
{
	while (b->cvs > (uint32_t)__builtin_popcountll(b->chunks)) {
		b->cvs--;
		hash_parent(b->cv_stack[b->cvs - 1], b->cv_stack[b->cvs], 0, b->cv_stack[b->cvs - 1]);
	}
}

/* len bytes to the present chunk, which has room. A full block waits until more comes: it may be the chunk's last. */
static void add_to_chunk(struct blake3 *b, const uint8_t *in, size_t len)
{
	while (len) {
		size_t take;

		if (b->block_len == BLAKE3_BLOCK) {
			compress_block(b->cv, b->block, b->chunks, BLAKE3_BLOCK,
				       b->blocks == 0 ? BLAKE3_CHUNK_START : 0);
			b->blocks++;
			b->block_len = 0;
		}
		take = BLAKE3_BLOCK - b->block_len < len ? BLAKE3_BLOCK - b->block_len : len;
		memcpy(b->block + b->block_len, in, take);
		b->block_len += (uint32_t)take;
		in += take;
		len -= take;
	}
}

/* The chaining value of the present chunk, or the digest if it is all there is. */
static void chunk_value(const struct blake3 *b, uint32_t flags, uint32_t cv[8])
{
	uint8_t block[BLAKE3_BLOCK] = { 0 };

	memcpy(block, b->block, b->block_len);
	memcpy(cv, b->cv, sizeof(b->cv));
	compress_block(cv, block, b->chunks, b->block_len,
		       flags | BLAKE3_CHUNK_END | (b->blocks == 0 ? BLAKE3_CHUNK_START : 0));
}

/* Goes on with a chunk begun in an earlier call; how many of the len bytes that took. Ends it if more follow. */
static size_t go_on(struct blake3 *b, const uint8_t *in, size_t len)
{
	size_t room = BLAKE3_CHUNK - (size_t)b->blocks * BLAKE3_BLOCK - b->block_len;

	if (b->block_len == 0)
		return 0;
	if (len <= room) {
		add_to_chunk(b, in, len);
		return len;
	}
	add_to_chunk(b, in, room);
	chunk_value(b, 0, b->cv_stack[b->cvs++]);
	b->chunks++;
	start_chunk(b);
	return room;
}

/* The largest whole subtree that may stand next and lies in len bytes, in chunks; 0 if there is none to finish now. */
static size_t next_subtree(const struct blake3 *b, size_t len)
{
	size_t n = SUBTREE;

	while (n > 1 && (n > len / BLAKE3_CHUNK || b->chunks % n))
		n /= 2;
	/* A single chunk may be the root. */
	return n > 1 || len > BLAKE3_CHUNK ? n : 0;
}

/* Leaves the two halves on the stack: their parent may be the root. */
static void add_subtree(struct blake3 *b, const uint8_t *in, size_t n)
{
	uint32_t cvs[SUBTREE][8];

	hash_chunks(in, n, b->chunks, cvs);
	b->chunks += n;
	for (; n > 2; n /= 2)
		hash_parents(cvs, n / 2);
	memcpy(b->cv_stack[b->cvs], cvs, n * sizeof(cvs[0]));
	b->cvs += (uint32_t)n;
}

void blake3_add(struct blake3 *b, const void *bytes, size_t len)
{
	const uint8_t *in = bytes;
	size_t n;

	if (!len)
		return;
	merge(b);
	n = go_on(b, in, len);
	in += n;
	len -= n;
	while ((n = next_subtree(b, len)) != 0) {
		merge(b);
		add_subtree(b, in, n);
		in += n * BLAKE3_CHUNK;
		len -= n * BLAKE3_CHUNK;
	}
	if (len) {
		merge(b);
		add_to_chunk(b, in, len);
	}
}

void blake3_end(const struct blake3 *b, uint8_t out[32])
{
	uint32_t cv[8], left = b->cvs;

	if (b->block_len || !left)
		chunk_value(b, left ? 0 : BLAKE3_ROOT, cv);
	else
		memcpy(cv, b->cv_stack[--left], sizeof(cv));
	while (left) {
		left--;
		hash_parent(b->cv_stack[left], cv, left ? 0 : BLAKE3_ROOT, cv);
	}
	for (int i = 0; i < 8; i++) {
		uint32_t word = htole32(cv[i]);

		memcpy(out + (size_t)i * 4, &word, 4);
	}
}
