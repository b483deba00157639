/* SPDX-License-Identifier: Apache-2.0 */
/* graft-soak: a worker, whose requests are well-formed and must give the right results whatever else goes on. */
#include "tests/vring/data_model.h"
#include "tests/vring/soak.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SLOTS 8
#define BURST_SIZE 16384 /* bytes of each READ of a burst */
#define PATTERN_SIZE (1 << 20)

struct worker {
	struct soak *soak;
	struct fuse_client client;
	struct data_model model;
	unsigned seed;
	uint64_t dir, pattern, pattern_fh;
	unsigned serial;
};

static unsigned char pattern_at(uint64_t off)
{
	return (unsigned char)(off * 7 + off / 509);
}

static int make_pattern(struct worker *w)
{
	struct fuse_entry_out e;
	unsigned char block[65536];
	int res = fuse_create(&w->client, w->dir, "pattern", O_RDWR, 0644, &e, &w->pattern_fh);

	w->pattern = e.nodeid;
	for (uint64_t off = 0; res == 0 && off < PATTERN_SIZE; off += sizeof(block)) {
		for (unsigned i = 0; i < sizeof(block); i++)
			block[i] = pattern_at(off + i);
		ssize_t n = fuse_write(&w->client, w->pattern, w->pattern_fh, block, sizeof(block), off);
		res = n == sizeof(block) ? 0 : n < 0 ? (int)n : -EIO;
	}
	return res;
}

static int check_burst(struct worker *w, const struct fuse_slot *s)
{
	const unsigned char *data = fuse_data(&w->client, s);

	if (s->error < 0)
		return s->error;
	if (s->len != BURST_SIZE)
		return -EMSGSIZE;
	for (uint64_t i = 0; i < BURST_SIZE; i++)
		if (data[i] != pattern_at(s->user[0] + i))
			return -EILSEQ;
	return 0;
}

/* Many reads in flight at once. */
static int burst(struct worker *w)
{
	unsigned left = SLOTS;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct fuse_slot *s = &w->client.slot[i];
		struct fuse_read_in in = {.fh = w->pattern_fh, .size = BURST_SIZE};
		in.offset = s->user[0] = (uint64_t)rand_r(&w->seed) % (PATTERN_SIZE - BURST_SIZE);
		struct fuse_op op = {.opcode = FUSE_READ,
				     .node = w->pattern,
				     .arg = {{.bytes = &in, .len = sizeof(in)}},
				     .nargs = 1,
				     .data_out = BURST_SIZE};
		int res = fuse_submit(&w->client, s, &op);
		if (res < 0)
			return res;
	}
	ring_kick(w->client.ring);
	while (left) {
		struct fuse_slot *s = fuse_reap(&w->client);
		int res = s ? check_burst(w, s) : ring_wait(w->client.ring, w->client.timeout_ms);
		if (res < 0)
			return res;
		left -= s ? 1 : 0;
	}
	return 0;
}

#define WANT(call, result)                  \
	do {                                \
		int res_ = (int)(call);     \
		if (res_ != (result)) {     \
			*where = #call;     \
			return res_ ? res_ : -EILSEQ; \
		}                           \
	} while (0)

/* A file's life: made, written, found, moved, linked, removed. */
static int file_life(struct worker *w, const char **where)
{
	struct fuse_client *c = &w->client;
	struct fuse_entry_out made, e;
	char a[32], b[32], got[64];
	uint64_t fh;

	snprintf(a, sizeof(a), "a%u", w->serial);
	snprintf(b, sizeof(b), "b%u", w->serial++);
	WANT(fuse_create(c, w->dir, a, O_RDWR | O_EXCL, 0644, &made, &fh), 0);
	WANT(fuse_write(c, made.nodeid, fh, a, (uint32_t)strlen(a), 0), (int)strlen(a));
	WANT(fuse_lookup(c, w->dir, a, &e), 0);
	WANT(e.nodeid == made.nodeid && e.attr.size == strlen(a), 1);
	WANT(fuse_rename(c, w->dir, a, w->dir, b), 0);
	WANT(fuse_lookup(c, w->dir, a, &e), -ENOENT);
	WANT(fuse_lookup(c, w->dir, b, &e), 0);
	WANT(e.nodeid == made.nodeid, 1);
	WANT(fuse_link(c, made.nodeid, w->dir, a, &e), 0);
	WANT(e.attr.nlink, 2);
	WANT(fuse_read(c, made.nodeid, fh, got, sizeof(got), 0), (int)strlen(a));
	WANT(memcmp(got, a, strlen(a)), 0);
	WANT(fuse_unlink(c, w->dir, b), 0);
	WANT(fuse_unlink(c, w->dir, a), 0);
	WANT(fuse_release(c, made.nodeid, fh), 0);
	WANT(fuse_forget(c, made.nodeid, 4), 0);
	return 0;
}

static int dir_life(struct worker *w, const char **where)
{
	struct fuse_client *c = &w->client;
	struct fuse_entry_out dir, e;
	char name[32], target[64];
	uint64_t fh;

	snprintf(name, sizeof(name), "d%u", w->serial++);
	WANT(fuse_mkdir(c, w->dir, name, 0755, &dir), 0);
	WANT(fuse_symlink(c, dir.nodeid, "link", name, &e), 0);
	WANT(fuse_readlink(c, e.nodeid, target, sizeof(target)), 0);
	WANT(strcmp(target, name), 0);
	WANT(fuse_forget(c, e.nodeid, 1), 0);
	WANT(fuse_opendir(c, dir.nodeid, &fh), 0);
	WANT(fuse_readdir(c, dir.nodeid, fh, 0, 4096) > 0, 1);
	WANT(fuse_releasedir(c, dir.nodeid, fh), 0);
	WANT(fuse_rmdir(c, w->dir, name), -ENOTEMPTY);
	WANT(fuse_unlink(c, dir.nodeid, "link"), 0);
	WANT(fuse_rmdir(c, w->dir, name), 0);
	WANT(fuse_forget(c, dir.nodeid, 1), 0);
	return 0;
}

static int step(struct worker *w, const char **where)
{
	unsigned dice = (unsigned)rand_r(&w->seed) % 20;

	if (dice < 12) {
		*where = w->model.what;
		return data_model_step(&w->model);
	}
	if (dice < 15) {
		*where = "reads in a burst";
		return burst(w);
	}
	return dice < 18 ? file_life(w, where) : dir_life(w, where);
}

static int worker_up(struct worker *w, const struct soak_thread *t)
{
	struct fuse_entry_out e;
	int res = fuse_client_init(&w->client, t->soak->fe, t->ring, SLOTS, MODEL_MAX_IO);

	if (res == 0)
		res = fuse_mkdir(&w->client, FUSE_ROOT_ID, t->name, 0755, &e);
	w->dir = e.nodeid;
	if (res == 0)
		res = make_pattern(w);
	return res < 0 ? res : data_model_open(&w->model, &w->client, w->dir, "model", w->seed);
}

void *soak_worker(void *arg)
{
	struct soak_thread *t = arg;
	struct soak *s = t->soak;
	struct worker w = {.soak = s, .seed = t->seed};
	const char *where = "the start";
	int res = worker_up(&w, t);

	while (res == 0 && !soak_stopped(s)) {
		res = step(&w, &where);
		soak_count(&s->good);
	}
	if (res == 0) {
		where = "the model at the end";
		res = data_model_check(&w.model);
	}
	if (res < 0)
		soak_fail(s, "worker on queue %u: %s: %s", t->ring, where, strerror(-res));
	data_model_close(&w.model);
	fuse_client_fini(&w.client);
	return NULL;
}
