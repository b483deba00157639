/* SPDX-License-Identifier: Apache-2.0 */
/* graft-instructions INI: the operations that bench/instructions/run counts, one after the other, each in every way. */
#include "bench/instructions/client.h"

#include <errno.h>
#include <fcntl.h>
#include <graftfs/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES 100                   /* in each of the two folders */
#define NAME_SIZE 9                 /* "file-000" with its NUL */
#define BLOCK 4096u                 /* bytes of a READ or WRITE */
#define BLOCKS 64u                  /* of the file they go through */
#define LIST_SIZE (5 * CLIENT_PAGE) /* holds a whole folder */
#define WARM_UP 2                   /* rounds of an operation that are not counted */

struct folder {
	uint64_t node, fh;
	uint64_t file[FILES]; /* nodes */
};

struct world {
	struct client *client;
	struct folder known, fresh; /* whose files the client holds; does not hold between two rounds */
	uint64_t data, data_fh;
	bool counting; /* beyond the warm-up */
};

struct operation {
	const char *name;
	uint32_t rounds;
	uint32_t each; /* entries of a round, or requests of different kinds: what else to divide by */
	void (*round)(struct world *w, uint32_t i);
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "graft-instructions: %s\n", what);
	exit(1);
}

static const char *file_name(uint32_t i)
{
	static char name[NAME_SIZE];

	snprintf(name, sizeof(name), "file-%03u", i % FILES);
	return name;
}

/* ---- calls ---- */

static uint64_t take_entry(struct world *w)
{
	struct fuse_entry_out e;

	memcpy(&e, client_reply(w->client), sizeof(e));
	return e.nodeid;
}

static uint64_t lookup(struct world *w, uint64_t dir, const char *name, bool counted)
{
	const struct client_call call = { .opcode = FUSE_LOOKUP,
					  .node = dir,
					  .tail = name,
					  .tail_len = (uint32_t)strlen(name) + 1,
					  .reply_len = sizeof(struct fuse_entry_out) };

	client_must(w->client, &call, counted);
	return take_entry(w);
}

static void forget(struct world *w, const uint64_t *nodes, uint32_t n, bool counted)
{
	struct fuse_forget_one one[FILES];
	const struct fuse_batch_forget_in in = { .count = n };
	const struct client_call call = { .opcode = FUSE_BATCH_FORGET,
					  .in = &in,
					  .in_len = sizeof(in),
					  .tail = one,
					  .tail_len = n * (uint32_t)sizeof(one[0]),
					  .no_reply = true };

	for (uint32_t i = 0; i < n; i++)
		one[i] = (struct fuse_forget_one){ .nodeid = nodes[i], .nlookup = 1 };
	client_must(w->client, &call, counted);
}

static uint64_t create(struct world *w, uint64_t dir, const char *name, uint64_t *fh, bool counted)
{
	const struct fuse_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0644, .umask = 022 };
	const struct client_call call = { .opcode = FUSE_CREATE,
					  .node = dir,
					  .in = &in,
					  .in_len = sizeof(in),
					  .tail = name,
					  .tail_len = (uint32_t)strlen(name) + 1,
					  .reply_len = sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out) };
	struct fuse_open_out open;

	client_must(w->client, &call, counted);
	memcpy(&open, (const char *)client_reply(w->client) + sizeof(struct fuse_entry_out), sizeof(open));
	*fh = open.fh;
	return take_entry(w);
}

static uint64_t make_folder(struct world *w, const char *name)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	const struct client_call call = { .opcode = FUSE_MKDIR,
					  .node = FUSE_ROOT_ID,
					  .in = &in,
					  .in_len = sizeof(in),
					  .tail = name,
					  .tail_len = (uint32_t)strlen(name) + 1,
					  .reply_len = sizeof(struct fuse_entry_out) };

	client_must(w->client, &call, false);
	return take_entry(w);
}

static uint64_t open_node(struct world *w, uint32_t opcode, uint64_t node, bool counted)
{
	const struct fuse_open_in in = { .flags = opcode == FUSE_OPEN ? O_RDWR : O_RDONLY };
	const struct client_call call = { .opcode = opcode,
					  .node = node,
					  .in = &in,
					  .in_len = sizeof(in),
					  .reply_len = sizeof(struct fuse_open_out) };
	struct fuse_open_out out;

	client_must(w->client, &call, counted);
	memcpy(&out, client_reply(w->client), sizeof(out));
	return out.fh;
}

static void release(struct world *w, uint32_t opcode, uint64_t node, uint64_t fh, bool counted)
{
	const struct fuse_release_in in = { .fh = fh, .flags = O_RDWR };
	const struct client_call call = { .opcode = opcode, .node = node, .in = &in, .in_len = sizeof(in) };

	client_must(w->client, &call, counted);
}

static void write_block(struct world *w, uint32_t i, bool counted)
{
	const struct fuse_write_in in = {
		.fh = w->data_fh, .size = BLOCK, .offset = (uint64_t)(i % BLOCKS) * BLOCK, .flags = O_RDWR
	};
	const struct client_call call = { .opcode = FUSE_WRITE,
					  .node = w->data,
					  .in = &in,
					  .in_len = sizeof(in),
					  .data_in = BLOCK,
					  .reply_len = sizeof(struct fuse_write_out) };
	struct fuse_write_out out;

	client_must(w->client, &call, counted);
	memcpy(&out, client_reply(w->client), sizeof(out));
	if (out.size != BLOCK)
		die("a short WRITE");
}

/* The nodes of all entries, but "." and ".." which have none. */
static void take_list(struct folder *f, const unsigned char *bytes, uint32_t len)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at + FUSE_NAME_OFFSET_DIRENTPLUS <= len;) {
		struct fuse_direntplus e;

		memcpy(&e, bytes + at, FUSE_NAME_OFFSET_DIRENTPLUS);
		if (e.entry_out.nodeid && n < FILES)
			f->file[n] = e.entry_out.nodeid;
		n += e.entry_out.nodeid != 0;
		at += (uint32_t)FUSE_DIRENTPLUS_SIZE(&e);
	}
	if (n != FILES)
		die("READDIRPLUS did not name all files");
}

static void list(struct world *w, struct folder *f, bool counted)
{
	static unsigned char bytes[LIST_SIZE];
	const struct fuse_read_in in = { .fh = f->fh, .size = LIST_SIZE };
	const struct client_call call = {
		.opcode = FUSE_READDIRPLUS, .node = f->node, .in = &in, .in_len = sizeof(in), .data_out = LIST_SIZE
	};

	client_must(w->client, &call, counted);
	client_data(w->client, bytes);
	take_list(f, bytes, client_reply_bytes(w->client));
}

/* ---- operations: what they call with w->counting is counted ---- */

static void round_getattr(struct world *w, uint32_t i)
{
	const struct fuse_getattr_in in = { 0 };
	const struct client_call call = { .opcode = FUSE_GETATTR,
					  .node = w->known.file[i % FILES],
					  .in = &in,
					  .in_len = sizeof(in),
					  .reply_len = sizeof(struct fuse_attr_out) };

	client_must(w->client, &call, w->counting);
}

static void round_lookup(struct world *w, uint32_t i)
{
	lookup(w, w->known.node, file_name(i), w->counting);
}

static void round_open(struct world *w, uint32_t i)
{
	uint64_t node = w->known.file[i % FILES];
	uint64_t fh = open_node(w, FUSE_OPEN, node, w->counting);

	release(w, FUSE_RELEASE, node, fh, w->counting);
}

static void round_read(struct world *w, uint32_t i)
{
	const struct fuse_read_in in = {
		.fh = w->data_fh, .size = BLOCK, .offset = (uint64_t)(i % BLOCKS) * BLOCK, .flags = O_RDWR
	};
	const struct client_call call = {
		.opcode = FUSE_READ, .node = w->data, .in = &in, .in_len = sizeof(in), .data_out = BLOCK
	};

	client_must(w->client, &call, w->counting);
	if (client_reply_bytes(w->client) != BLOCK)
		die("a short READ");
}

static void round_write(struct world *w, uint32_t i)
{
	write_block(w, i, w->counting);
}

static void round_list_known(struct world *w, uint32_t i)
{
	(void)i;
	list(w, &w->known, w->counting);
}

static void round_list_fresh(struct world *w, uint32_t i)
{
	(void)i;
	list(w, &w->fresh, w->counting);
	forget(w, w->fresh.file, FILES, false);
}

static void round_forget(struct world *w, uint32_t i)
{
	(void)i;
	list(w, &w->fresh, false);
	forget(w, w->fresh.file, FILES, w->counting);
}

static void round_create(struct world *w, uint32_t i)
{
	static const char name[] = "new";
	const struct client_call unlink = {
		.opcode = FUSE_UNLINK, .node = w->known.node, .tail = name, .tail_len = sizeof(name)
	};
	uint64_t fh, node = create(w, w->known.node, name, &fh, w->counting);

	(void)i;
	release(w, FUSE_RELEASE, node, fh, w->counting);
	client_must(w->client, &unlink, w->counting);
	forget(w, &node, 1, false);
}

static const struct operation operations[] = {
	{ "getattr", 1000, 1, round_getattr },
	{ "lookup", 1000, 1, round_lookup },
	{ "open+release", 1000, 2, round_open },
	{ "read-4k", 1000, 1, round_read },
	{ "write-4k", 1000, 1, round_write },
	{ "readdirplus-100-known", 50, FILES, round_list_known },
	{ "readdirplus-100-new", 50, FILES, round_list_fresh },
	{ "batch-forget-100", 50, FILES, round_forget },
	{ "create+release+unlink", 1000, 3, round_create },
};

#define NOPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ---- the whole ---- */

static struct folder folder_new(struct world *w, const char *name)
{
	struct folder f = { .node = make_folder(w, name) };
	uint64_t fh;

	f.fh = open_node(w, FUSE_OPENDIR, f.node, false);
	for (uint32_t i = 0; i < FILES; i++) {
		f.file[i] = create(w, f.node, file_name(i), &fh, false);
		release(w, FUSE_RELEASE, f.file[i], fh, false);
	}
	return f;
}

static void world_make(struct world *w)
{
	w->data = create(w, FUSE_ROOT_ID, "data", &w->data_fh, false);
	for (uint32_t i = 0; i < BLOCKS; i++)
		write_block(w, i, false);
	w->known = folder_new(w, "known");
	w->fresh = folder_new(w, "fresh");
	forget(w, w->fresh.file, FILES, false);
}

static void world_end(struct world *w)
{
	release(w, FUSE_RELEASE, w->data, w->data_fh, false);
	release(w, FUSE_RELEASEDIR, w->known.node, w->known.fh, false);
	release(w, FUSE_RELEASEDIR, w->fresh.node, w->fresh.fh, false);
}

/* Here callgrind writes down what it has counted, and begins anew. */
void operation_done(void);
__attribute__((noinline)) void operation_done(void)
{
	__asm__ volatile("");
}

static void run(struct world *w, const struct operation *op, const char *way)
{
	w->counting = false;
	for (uint32_t i = 0; i < WARM_UP; i++)
		op->round(w, i);
	w->counting = true;
	for (uint32_t i = 0; i < op->rounds; i++)
		op->round(w, i);
	operation_done();
	printf("%s %s %u %u\n", op->name, way, op->rounds, op->each);
}

struct io_uring;
struct io_uring_params;
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	(void)entries;
	(void)ring;
	(void)params;
	return -ENOSYS;
}

int main(int argc, char **argv)
{
	static const char *const ways[CLIENT_WAYS] = { "direct", "split", "packed" };
	struct world w = { 0 };

	if (argc != 2) {
		fputs("usage: graft-instructions INI; see bench/instructions/run\n", stderr);
		return 2;
	}
	w.client = client_open(argv[1]);
	world_make(&w);
	for (int way = 0; way < CLIENT_WAYS; way++) {
		client_use(w.client, (enum client_way)way);
		for (size_t i = 0; i < NOPERATIONS; i++)
			run(&w, &operations[i], ways[way]);
	}
	client_use(w.client, CLIENT_DIRECT);
	world_end(&w);
	client_close(w.client);
	return 0;
}
