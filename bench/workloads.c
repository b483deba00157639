/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads: how each builds its requests, and what it expects of the answers. */
#include "bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_SIZE 10 /* "file-0000" or "new-00-00" with its NUL */

/* The next of the set's files. The queues begin at different ones. */
static unsigned next_file(struct bench_queue *q)
{
	return (unsigned)((q->cursor++ + q->index * (BENCH_FILES / q->bench->nqueues)) % BENCH_FILES);
}

static void put_name(char *to, unsigned file)
{
	memcpy(to, "file-0000", NAME_SIZE);
	for (char *digit = to + NAME_SIZE - 2; file; file /= 10)
		*digit-- += (char)(file % 10);
}

/* The number in a name of the set, or BENCH_FILES. */
static unsigned file_of_name(const char *name, uint32_t len)
{
	unsigned file = 0;

	if (len != NAME_SIZE - 1 || memcmp(name, "file-", 5) != 0)
		return BENCH_FILES;
	for (uint32_t i = 5; i < len; i++)
		file = file * 10 + (unsigned)(name[i] - '0');
	return file < BENCH_FILES ? file : BENCH_FILES;
}

/* GETATTR */

static int getattr_setup(struct bench_slot *s)
{
	bench_shape(s, FUSE_GETATTR, 0, sizeof(struct fuse_getattr_in), 0, sizeof(struct fuse_attr_out), 0);
	memset(s->body, 0, sizeof(struct fuse_getattr_in));
	return 0;
}

static void getattr_next(struct bench_slot *s)
{
	s->head->nodeid = s->queue->bench->file[next_file(s->queue)];
}

static int getattr_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_attr_out *out = s->reply;

	return len == sizeof(*out) && S_ISREG(out->attr.mode) ? 1 : -EBADMSG;
}

/* LOOKUP */

static int lookup_setup(struct bench_slot *s)
{
	bench_shape(s, FUSE_LOOKUP, s->queue->bench->dir, NAME_SIZE, 0, sizeof(struct fuse_entry_out), 0);
	return 0;
}

static void lookup_next(struct bench_slot *s)
{
	s->file = next_file(s->queue);
	put_name(s->body, s->file);
}

static int lookup_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_entry_out *out = s->reply;
	struct bench_queue *q = s->queue;

	if (len != sizeof(*out) || out->nodeid != q->bench->file[s->file])
		return -EBADMSG;
	q->lookups[s->file]++;
	return 1;
}

/* OPEN and RELEASE, one operation */

static int no_setup(struct bench_slot *s)
{
	(void)s;
	return 0;
}

static void release_next(struct bench_slot *s)
{
	struct fuse_release_in in = {.fh = s->fh, .flags = O_RDWR};

	bench_shape(s, FUSE_RELEASE, s->node, sizeof(in), 0, 0, 0);
	memcpy(s->body, &in, sizeof(in));
}

static void open_next(struct bench_slot *s)
{
	struct fuse_open_in in = {.flags = O_RDWR};

	if (s->step) {
		release_next(s);
		return;
	}
	s->node = s->queue->bench->file[next_file(s->queue)];
	bench_shape(s, FUSE_OPEN, s->node, sizeof(in), 0, sizeof(struct fuse_open_out), 0);
	memcpy(s->body, &in, sizeof(in));
}

static int open_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_open_out *out = s->reply;
	int first = s->step == 0;

	if (len != (first ? sizeof(*out) : 0))
		return -EBADMSG;
	if (first)
		s->fh = out->fh;
	s->step = first ? 1 : 0;
	return first ? 0 : 1;
}

/* READ and WRITE, through the file block by block */

static uint64_t blocks(const struct bench *b)
{
	return BENCH_FILE_SIZE / b->workload->size;
}

static uint64_t first_block(const struct bench_queue *q)
{
	return q->index * (blocks(q->bench) / q->bench->nqueues);
}

static uint64_t next_offset(struct bench_queue *q)
{
	return (q->cursor++ + first_block(q)) % blocks(q->bench) * q->bench->workload->size;
}

/* Where page i of the request's data lies; see bench_shape. */
static unsigned char *page_at(const struct bench_slot *s, uint32_t i)
{
	return s->data + (uint64_t)(s->queue->bench->workload->size / BENCH_PAGE - 1 - i) * BENCH_PAGE;
}

static int read_setup(struct bench_slot *s)
{
	const struct bench *b = s->queue->bench;
	struct fuse_read_in in = {.fh = b->data_fh, .size = b->workload->size, .flags = O_RDWR};

	bench_shape(s, FUSE_READ, b->data_file, sizeof(in), 0, 0, in.size);
	memcpy(s->body, &in, sizeof(in));
	return 0;
}

static void read_next(struct bench_slot *s)
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

static int read_done(struct bench_slot *s, uint32_t len)
{
	uint32_t size = s->queue->bench->workload->size;

	return len == size && stamped(s, 0) && stamped(s, size / BENCH_PAGE - 1) ? 1 : -EBADMSG;
}

static int write_setup(struct bench_slot *s)
{
	const struct bench *b = s->queue->bench;
	struct fuse_write_in in = {.fh = b->data_fh, .size = b->workload->size, .flags = O_RDWR};

	bench_shape(s, FUSE_WRITE, b->data_file, sizeof(in), in.size, sizeof(struct fuse_write_out), 0);
	memcpy(s->body, &in, sizeof(in));
	return 0;
}

static void write_next(struct bench_slot *s)
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

static int write_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_write_out *out = s->reply;

	return len == sizeof(*out) && out->size == s->queue->bench->workload->size ? 1 : -EBADMSG;
}

static bool was_written(const struct bench *b, uint64_t block)
{
	for (unsigned i = 0; i < b->nqueues; i++) {
		const struct bench_queue *q = &b->queue[i];
		if ((block + blocks(b) - first_block(q)) % blocks(b) < q->cursor)
			return true;
	}
	return false;
}

/* Reads the whole file: each page that a write covered says so. */
static int write_finish(struct bench *b)
{
	const uint32_t step = b->client.slot->data_size;
	unsigned char *buffer = malloc(step);
	int res = buffer ? 0 : -ENOMEM;

	for (uint64_t off = 0; off < BENCH_FILE_SIZE && res == 0; off += step) {
		ssize_t n = fuse_read(&b->client, b->data_file, b->data_fh, buffer, step, off);
		res = n == (ssize_t)step ? 0 : n < 0 ? (int)n : -EIO;
		for (uint64_t at = off; at < off + step && res == 0; at += BENCH_PAGE) {
			uint64_t stamp;
			memcpy(&stamp, buffer + (at - off), sizeof(stamp));
			if ((uint32_t)stamp != at / BENCH_PAGE ||
			    (was_written(b, at / b->workload->size) && stamp >> 32 != b->generation))
				res = -EILSEQ;
		}
	}
	free(buffer);
	return res;
}

/* READDIRPLUS, from the directory's begin to its end again and again */

static int readdirplus_setup(struct bench_slot *s)
{
	struct bench *b = s->queue->bench;

	s->off = 0;
	return fuse_opendir(&b->client, b->dir, &s->fh);
}

static void readdirplus_next(struct bench_slot *s)
{
	struct fuse_read_in in = {.fh = s->fh, .offset = s->off, .size = BENCH_DIR_SIZE};

	bench_shape(s, FUSE_READDIRPLUS, s->queue->bench->dir, sizeof(in), 0, 0, in.size);
	memcpy(s->body, &in, sizeof(in));
}

/* Counts the look-up that came with an entry: 1, 0 for one that is not of the set, or -errno. */
static int take_entry(struct bench_queue *q, const struct fuse_direntplus *e)
{
	unsigned file = file_of_name(e->dirent.name, e->dirent.namelen);

	if (file == BENCH_FILES)
		return e->entry_out.nodeid ? bench_forget(q, e->entry_out.nodeid) : 0;
	if (e->entry_out.nodeid != q->bench->file[file])
		return -EBADMSG;
	q->lookups[file]++;
	return 1;
}

static int readdirplus_done(struct bench_slot *s, uint32_t len)
{
	uint32_t at = 0;
	int ops = 0;

	if (len == 0) { /* the end: an answer without an entry is not measured */
		s->off = 0;
		s->start = 0;
		return 0;
	}
	while (len - at >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		const struct fuse_direntplus *e = (const void *)(s->data + at);
		if (e->dirent.namelen > len - at - FUSE_NAME_OFFSET_DIRENTPLUS)
			return -EBADMSG;
		int res = take_entry(s->queue, e);
		if (res < 0)
			return res;
		ops += res;
		s->off = e->dirent.off;
		at += (uint32_t)FUSE_DIRENTPLUS_SIZE(e);
		if (at > len)
			return -EBADMSG;
	}
	return ops;
}

static int readdirplus_finish(struct bench *b)
{
	int res = 0;

	for (unsigned i = 0; i < b->nqueues; i++) {
		struct bench_queue *q = &b->queue[i];
		for (unsigned k = 0; k < q->depth && res == 0; k++)
			res = fuse_releasedir(&b->client, b->dir, q->slot[k].fh);
		res = res < 0 ? res : bench_flush_forgets(q);
	}
	return res < 0 ? res : bench_forget_lookups(b);
}

/* CREATE, RELEASE and UNLINK, three operations */

enum create_step { CREATE_STEP, CREATE_RELEASE_STEP, CREATE_UNLINK_STEP };

static int no_prepare(struct bench *b)
{
	(void)b;
	return 0;
}

static void new_name(const struct bench_slot *s, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "new-%02u-%02u", s->queue->index % 100, s->index % 100);
}

static void create_next(struct bench_slot *s)
{
	const struct fuse_create_in in = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0644, .umask = 022};
	const uint64_t dir = s->queue->bench->dir;

	if (s->step == CREATE_RELEASE_STEP) {
		release_next(s);
	} else if (s->step == CREATE_UNLINK_STEP) {
		bench_shape(s, FUSE_UNLINK, dir, NAME_SIZE, 0, 0, 0);
		new_name(s, s->body);
	} else {
		bench_shape(s, FUSE_CREATE, dir, sizeof(in) + NAME_SIZE, 0,
			    sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out), 0);
		memcpy(s->body, &in, sizeof(in));
		new_name(s, (char *)s->body + sizeof(in));
	}
}

static int create_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_entry_out *entry = s->reply;
	const struct fuse_open_out *open = (const void *)(entry + 1);
	unsigned step = s->step;

	if (len != (step == CREATE_STEP ? sizeof(*entry) + sizeof(*open) : 0))
		return -EBADMSG;
	s->step = step == CREATE_UNLINK_STEP ? CREATE_STEP : step + 1;
	if (step == CREATE_STEP) {
		s->node = entry->nodeid;
		s->fh = open->fh;
	} else if (step == CREATE_UNLINK_STEP) {
		int res = bench_forget(s->queue, s->node);
		return res < 0 ? res : 1;
	}
	return 1;
}

static int create_finish(struct bench *b)
{
	int res = 0;

	for (unsigned i = 0; i < b->nqueues && res == 0; i++)
		res = bench_flush_forgets(&b->queue[i]);
	return res;
}

#define READ(name, size) \
	{name, "READ of a block of a cached file", size, bench_make_data, read_setup, read_next, read_done, NULL}
#define WRITE(name, size) \
	{name, "WRITE of a block of an existing file", size, bench_make_data, write_setup, write_next, write_done, \
	 write_finish}

const struct workload bench_workloads[] = {
	{"getattr", "GETATTR of one of 1000 files", 0, bench_make_files, getattr_setup, getattr_next, getattr_done,
	 NULL},
	{"lookup", "LOOKUP of one of 1000 known names", 0, bench_make_files, lookup_setup, lookup_next, lookup_done,
	 bench_forget_lookups},
	{"open", "OPEN and RELEASE of a file; the pair is one operation", 0, bench_make_files, no_setup, open_next,
	 open_done, NULL},
	READ("read4k", 4 << 10),
	READ("read128k", 128 << 10),
	READ("read512k", 512 << 10),
	WRITE("write4k", 4 << 10),
	WRITE("write128k", 128 << 10),
	{"readdirplus", "READDIRPLUS of 1000 files by the page; an entry is one operation, the time a page's", 0,
	 bench_make_files, readdirplus_setup, readdirplus_next, readdirplus_done, readdirplus_finish},
	{"create", "CREATE, RELEASE and UNLINK in turn; each is one operation", 0, no_prepare, no_setup, create_next,
	 create_done, create_finish},
};

const unsigned bench_nworkloads = sizeof(bench_workloads) / sizeof(bench_workloads[0]);
