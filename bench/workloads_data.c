/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads that read and write a file block by block, in order or not. */
#include "bench/workloads_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static uint64_t blocks(const struct bench *b)
{
	return BENCH_FILE_SIZE / b->workload->size;
}

static uint64_t first_block(const struct bench_queue *q)
{
	return q->index * (blocks(q->bench) / q->bench->nqueues);
}

/* The queue's block number i. */
static uint64_t block_of(const struct bench_queue *q, uint64_t i)
{
	uint64_t at = i + first_block(q), n = blocks(q->bench);

	return q->bench->workload->random ? at % n * BENCH_STRIDE % n : at % n;
}

static uint64_t next_offset(struct bench_queue *q)
{
	return block_of(q, q->cursor++) * q->bench->workload->size;
}

/* Where page i of the request's data lies; see bench_shape. */
static unsigned char *page_at(const struct bench_slot *s, uint32_t i)
{
	return s->data + (uint64_t)(s->queue->bench->workload->size / BENCH_PAGE - 1 - i) * BENCH_PAGE;
}

int read_setup(struct bench_slot *s)
{
	const struct bench *b = s->queue->bench;
	struct fuse_read_in in = {.fh = b->data_fh, .size = b->workload->size, .flags = O_RDWR};

	bench_shape(s, FUSE_READ, b->data_file, sizeof(in), 0, 0, in.size);
	memcpy(s->body, &in, sizeof(in));
	return 0;
}

void read_next(struct bench_slot *s)
{
	struct fuse_read_in *in = s->body;

	s->off = next_offset(s->queue);
	in->offset = s->off;
}

static bool stamped(const struct bench_slot *s, uint32_t i)
{
	uint64_t stamp;

	memcpy(&stamp, page_at(s, i), sizeof(stamp));
	return (uint32_t)stamp == s->off / BENCH_PAGE + i;
}

int read_done(struct bench_slot *s, uint32_t len)
{
	uint32_t size = s->queue->bench->workload->size;

	return len == size && stamped(s, 0) && stamped(s, size / BENCH_PAGE - 1) ? 1 : -EBADMSG;
}

int write_setup(struct bench_slot *s)
{
	const struct bench *b = s->queue->bench;
	struct fuse_write_in in = {.fh = b->data_fh, .size = b->workload->size, .flags = O_RDWR};

	bench_shape(s, FUSE_WRITE, b->data_file, sizeof(in), in.size, sizeof(struct fuse_write_out), 0);
	memcpy(s->body, &in, sizeof(in));
	return 0;
}

void write_next(struct bench_slot *s)
{
	const struct bench *b = s->queue->bench;
	struct fuse_write_in *in = s->body;

	s->off = next_offset(s->queue);
	in->offset = s->off;
	for (uint32_t i = 0; i < b->workload->size / BENCH_PAGE; i++) {
		uint64_t stamp = bench_stamp(s->off / BENCH_PAGE + i, b->generation);
		memcpy(page_at(s, i), &stamp, sizeof(stamp));
	}
}

int write_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_write_out *out = s->reply;

	return len == sizeof(*out) && out->size == s->queue->bench->workload->size ? 1 : -EBADMSG;
}

/* Which blocks were written in this run, a byte for each; NULL without memory. */
static unsigned char *written_blocks(const struct bench *b)
{
	unsigned char *written = calloc(blocks(b), 1);

	for (unsigned i = 0; written && i < b->nqueues; i++) {
		const struct bench_queue *q = &b->queue[i];
		uint64_t n = q->cursor < blocks(b) ? q->cursor : blocks(b);
		for (uint64_t k = 0; k < n; k++)
			written[block_of(q, k)] = 1;
	}
	return written;
}

/* Reads the whole file: each page that a write covered says so. */
int write_finish(struct bench *b)
{
	const uint32_t step = b->client.slot->data_size;
	unsigned char *buffer = malloc(step), *written = written_blocks(b);
	int res = buffer && written ? 0 : -ENOMEM;

	for (uint64_t off = 0; off < BENCH_FILE_SIZE && res == 0; off += step) {
		ssize_t n = fuse_read(&b->client, b->data_file, b->data_fh, buffer, step, off);
		res = n == (ssize_t)step ? 0 : n < 0 ? (int)n : -EIO;
		for (uint64_t at = off; at < off + step && res == 0; at += BENCH_PAGE) {
			uint64_t stamp;
			memcpy(&stamp, buffer + (at - off), sizeof(stamp));
			if ((uint32_t)stamp != at / BENCH_PAGE ||
			    (at / b->workload->size < blocks(b) && written[at / b->workload->size] && stamp >> 32 != b->generation))
				res = -EILSEQ;
		}
	}
	free(buffer);
	free(written);
	return res;
}

/* A transaction: reads, writes, and an FSYNC of the data */

static void fsync_next(struct bench_slot *s)
{
	const struct bench *b = s->queue->bench;
	const struct fuse_fsync_in in = {.fh = b->data_fh, .fsync_flags = FUSE_FSYNC_FDATASYNC};

	bench_shape(s, FUSE_FSYNC, b->data_file, sizeof(in), 0, 0, 0);
	memcpy(s->body, &in, sizeof(in));
}

void database_next(struct bench_slot *s)
{
	if (s->step < DATABASE_READS) {
		read_setup(s);
		read_next(s);
	} else if (s->step < DATABASE_STEPS - 1) {
		write_setup(s);
		write_next(s);
	} else {
		fsync_next(s);
	}
}

int database_done(struct bench_slot *s, uint32_t len)
{
	unsigned step = s->step;

	s->step = (step + 1) % DATABASE_STEPS;
	if (step < DATABASE_READS)
		return read_done(s, len);
	if (step < DATABASE_STEPS - 1)
		return write_done(s, len);
	return len ? -EBADMSG : 1;
}
