/* SPDX-License-Identifier: Apache-2.0 */
/* The connection of the load generator, and the files in the share that its workloads use. */
#include "bench/bench.h"

#include "bench/profiles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define RING_SIZE 128 /* as QEMU makes it */
#define HIPRIO_SLOTS 8
#define HIPRIO_DATA BENCH_PAGE
#define CLIENT_DATA (128u << 10)
#define FORGET_BATCH 500
#define FORGET_TIMEOUT_MS 30000

/* What a Linux guest asks for, as far as the workloads can notice. */
#define INIT_FLAGS                                                                                                   \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |      \
	 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV | \
	 FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2)

/* Guards the hiprio ring during a run: several queues' threads send FORGETs. */
static pthread_mutex_t forget_lock = PTHREAD_MUTEX_INITIALIZER;

static int place_slot(struct bench_slot *s, struct bench_queue *q, unsigned index)
{
	struct ram *ram = &q->bench->fe->ram;

	s->queue = q;
	s->index = index;
	s->head_gpa = ram_alloc(ram, BENCH_PAGE, BENCH_PAGE);
	s->data_gpa = ram_alloc(ram, BENCH_DATA_MAX, BENCH_PAGE);
	if (!s->head_gpa || !s->data_gpa)
		return -ENOMEM;
	s->body_gpa = s->head_gpa + 256;
	s->reply_gpa = s->head_gpa + 2048;
	s->head = ram_ptr(ram, s->head_gpa);
	s->body = ram_ptr(ram, s->body_gpa);
	s->reply_head = ram_ptr(ram, s->reply_gpa);
	s->reply = s->reply_head + 1;
	s->data = ram_ptr(ram, s->data_gpa);
	return 0;
}

static int make_queues(struct bench *b, unsigned max_depth)
{
	b->queue = calloc(b->nqueues, sizeof(*b->queue));
	if (!b->queue)
		return -ENOMEM;
	for (unsigned i = 0; i < b->nqueues; i++) {
		struct bench_queue *q = &b->queue[i];
		q->bench = b;
		q->index = i;
		q->ring = &b->fe->ring[1 + i];
		q->unique = (uint64_t)(1 + i) << 48 | 1ULL << 40; /* apart from the synchronous client's */
		q->slot = calloc(max_depth, sizeof(*q->slot));
		q->lookups = calloc(b->want_files, sizeof(*q->lookups));
		if (!q->slot || !q->lookups)
			return -ENOMEM;
		for (unsigned k = 0; k < max_depth; k++) {
			int res = place_slot(&q->slot[k], q, k);
			if (res < 0)
				return res;
		}
	}
	return 0;
}

static int start_session(struct bench *b)
{
	struct timespec now;
	struct fuse_entry_out entry;
	int res = fuse_client_init(&b->client, b->fe, 1, 1, CLIENT_DATA);

	if (res == 0)
		res = fuse_client_init(&b->hiprio, b->fe, FRONTEND_HIPRIO, HIPRIO_SLOTS, HIPRIO_DATA);
	if (res == 0)
		res = fuse_init(&b->client, INIT_FLAGS);
	if (res < 0)
		return res;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(b->dir_name, sizeof(b->dir_name), "graft-bench-%lld%09ld", (long long)now.tv_sec, now.tv_nsec);
	res = fuse_mkdir(&b->client, FUSE_ROOT_ID, b->dir_name, S_IFDIR | 0755, &entry);
	b->dir = res == 0 ? entry.nodeid : 0;
	return res;
}

int bench_open(struct bench *b, const struct bench_config *wish)
{
	const unsigned depth = wish->max_depth < BENCH_RESET_DEPTH ? BENCH_RESET_DEPTH : wish->max_depth;
	uint64_t slots = (uint64_t)wish->queues * depth * (BENCH_DATA_MAX + BENCH_PAGE);
	uint64_t tables = (wish->queues + 1ULL) * RING_SIZE * 16 * RING_MAX_CHAIN;
	struct ram_spec layout = {.gpa = 4ULL << 30, .size = slots + tables + (16u << 20)};
	struct frontend_config config = {
		.socket = wish->socket,
		.features = 1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC,
		.protocol = VU_PROTOCOL_MQ | VU_PROTOCOL_REPLY_ACK,
		.queues = wish->queues,
		.ring_size = RING_SIZE,
		.layout = &layout,
		.nlayout = 1,
	};

	memset(b, 0, sizeof(*b));
	b->nqueues = wish->queues;
	b->max_depth = depth;
	b->poll = wish->poll;
	b->want_files = wish->files;
	b->tree_files = wish->tree_files;
	b->file = calloc(wish->files, sizeof(*b->file));
	if (!b->file)
		return -ENOMEM;
	if (wish->packed)
		config.features |= 1ULL << VIRTIO_F_RING_PACKED;
	int res = frontend_open(&b->fe, &config);
	if (res == 0 && wish->packed && b->fe->ring[1].kind != RING_PACKED)
		res = -EOPNOTSUPP;
	if (res == 0)
		res = make_queues(b, depth);
	return res < 0 ? res : start_session(b);
}

static void file_name(char name[16], unsigned i)
{
	snprintf(name, 16, "file-%06u", i % BENCH_MAX_FILES);
}

int bench_make_files(struct bench *b)
{
	struct fuse_entry_out entry;
	char name[16];
	uint64_t fh;

	for (; b->nfiles < b->want_files; b->nfiles++) {
		file_name(name, b->nfiles);
		int res = fuse_create(&b->client, b->dir, name, O_RDWR, S_IFREG | 0644, &entry, &fh);
		if (res == 0)
			res = fuse_release(&b->client, entry.nodeid, fh);
		if (res < 0)
			return res;
		b->file[b->nfiles] = entry.nodeid;
	}
	return 0;
}

/* The file's pages carry their numbers, so that a read from elsewhere is seen. */
static int fill_data(struct bench *b, unsigned char *buffer)
{
	for (uint64_t off = 0; off < BENCH_FILE_SIZE; off += CLIENT_DATA) {
		for (uint64_t at = 0; at < CLIENT_DATA; at += BENCH_PAGE) {
			uint64_t stamp = bench_stamp((off + at) / BENCH_PAGE, 0);
			memcpy(buffer + at, &stamp, sizeof(stamp));
		}
		ssize_t n = fuse_write(&b->client, b->data_file, b->data_fh, buffer, CLIENT_DATA, off);
		if (n != CLIENT_DATA)
			return n < 0 ? (int)n : -EIO;
	}
	return 0;
}

int bench_make_data(struct bench *b)
{
	struct fuse_entry_out entry;

	if (b->data_file)
		return 0;
	int res = fuse_create(&b->client, b->dir, "data", O_RDWR, S_IFREG | 0644, &entry, &b->data_fh);
	if (res < 0)
		return res;
	b->data_file = entry.nodeid;
	unsigned char *buffer = calloc(1, CLIENT_DATA);
	res = buffer ? fill_data(b, buffer) : -ENOMEM;
	free(buffer);
	return res;
}

int bench_send_forgets(struct bench *b, const struct fuse_forget_one *one, unsigned n)
{
	return n ? fuse_batch_forget(&b->hiprio, one, n) : 0;
}

int bench_forget_lookups(struct bench *b)
{
	struct fuse_forget_one one[FORGET_BATCH];
	unsigned n = 0;

	for (unsigned i = 0; i < b->want_files; i++) {
		uint64_t count = 0;
		for (unsigned k = 0; k < b->nqueues; k++) {
			count += b->queue[k].lookups[i];
			b->queue[k].lookups[i] = 0;
		}
		if (count)
			one[n++] = (struct fuse_forget_one){.nodeid = b->file[i], .nlookup = count};
		if (n < FORGET_BATCH)
			continue;
		int res = bench_send_forgets(b, one, n);
		if (res < 0)
			return res;
		n = 0;
	}
	return bench_send_forgets(b, one, n);
}

/* A free place of the hiprio ring; waits only where the daemon is that many batches behind. */
static int free_place(struct fuse_client *c, struct fuse_slot **place)
{
	struct fuse_slot *s;

	for (;;) {
		while ((s = fuse_reap(c))) {
			if (s->error)
				return s->error;
		}
		for (unsigned i = 0; i < c->nslots; i++) {
			if (!c->slot[i].busy) {
				*place = &c->slot[i];
				return 0;
			}
		}
		int res = ring_wait(c->ring, FORGET_TIMEOUT_MS);
		if (res < 0)
			return res;
	}
}

static int submit_forgets(struct bench_queue *q)
{
	struct fuse_client *c = &q->bench->hiprio;
	struct fuse_batch_forget_in in = {.count = q->nforget};
	struct fuse_op op = {.opcode = FUSE_BATCH_FORGET,
			     .arg = {{.bytes = &in, .len = sizeof(in)},
				     {.bytes = q->forget, .len = q->nforget * (uint32_t)sizeof(q->forget[0])}},
			     .nargs = 2,
			     .no_reply = true};
	struct fuse_slot *place;
	int res = free_place(c, &place);

	if (res == 0)
		res = fuse_submit(c, place, &op);
	if (res == 0)
		ring_kick(c->ring);
	q->nforget = 0;
	return res;
}

int bench_forget(struct bench_queue *q, uint64_t node, uint64_t count)
{
	q->forget[q->nforget++] = (struct fuse_forget_one){.nodeid = node, .nlookup = count};
	if (q->nforget < BENCH_FORGETS)
		return 0;
	pthread_mutex_lock(&forget_lock);
	int res = submit_forgets(q);
	pthread_mutex_unlock(&forget_lock);
	return res;
}

int bench_flush_forgets(struct bench_queue *q)
{
	struct fuse_client *c = &q->bench->hiprio;
	int res = q->nforget ? submit_forgets(q) : 0;

	/* Nothing may be in flight when the next synchronous call takes place 0. */
	while (res == 0 && c->ring->inflight) {
		struct fuse_slot *s;
		res = ring_wait(c->ring, FORGET_TIMEOUT_MS);
		while (res == 0 && (s = fuse_reap(c)))
			res = s->error;
	}
	return res;
}

/* Removes what was made. */
static int remove_files(struct bench *b)
{
	char name[16];
	int res = 0;

	if (b->tree)
		res = bench_remove_tree(b);
	if (b->data_file && res == 0) {
		res = fuse_release(&b->client, b->data_file, b->data_fh);
		res = res < 0 ? res : fuse_unlink(&b->client, b->dir, "data");
	}
	for (unsigned i = 0; i < b->nfiles && res == 0; i++) {
		file_name(name, i);
		res = fuse_unlink(&b->client, b->dir, name);
	}
	if (res == 0 && b->dir)
		res = fuse_rmdir(&b->client, FUSE_ROOT_ID, b->dir_name);
	return res;
}

int bench_close(struct bench *b)
{
	bool idle = b->dir && !b->client.ring->inflight; /* not after a failed run */
	int res = idle ? remove_files(b) : 0;

	if (idle)
		fuse_destroy(&b->client);
	if (b->client.slot)
		fuse_client_fini(&b->client);
	if (b->hiprio.slot)
		fuse_client_fini(&b->hiprio);
	for (unsigned i = 0; b->queue && i < b->nqueues; i++) {
		free(b->queue[i].slot);
		free(b->queue[i].lookups);
	}
	free(b->queue);
	free(b->file);
	tree_free(b->tree);
	frontend_close(b->fe);
	return res;
}
