/* SPDX-License-Identifier: Apache-2.0 */
/* A FUSE client on one ring: laying requests out in guest memory, checking replies. */
#include "tests/vring/fuse_client.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CALL_TIMEOUT_MS 60000 /* generous: the daemon may run under a sanitizer on a busy machine */
#define DATA_PAGE 4096

int fuse_client_init(struct fuse_client *c, struct frontend *fe, unsigned ring, unsigned nslots, uint32_t data_size)
{
	*c = (struct fuse_client){.fe = fe, .ring = &fe->ring[ring], .nslots = nslots, .timeout_ms = CALL_TIMEOUT_MS};
	c->unique = (uint64_t)ring << 48;
	c->pid = 1;
	c->slot = calloc(nslots, sizeof(*c->slot));
	if (!c->slot)
		return -ENOMEM;
	for (unsigned i = 0; i < nslots; i++) {
		struct fuse_slot *s = &c->slot[i];

		s->data_size = data_size ? data_size : FUSE_DATA_MAX;
		s->args = ram_alloc(&fe->ram, FUSE_ARGS_MAX, DATA_PAGE);
		s->reply = ram_alloc(&fe->ram, FUSE_REPLY_MAX, DATA_PAGE);
		s->data = ram_alloc(&fe->ram, s->data_size, DATA_PAGE);
		if (!s->args || !s->reply || !s->data) {
			fuse_client_fini(c);
			return -ENOMEM;
		}
	}
	return 0;
}

void fuse_client_fini(struct fuse_client *c)
{
	free(c->slot);
	c->slot = NULL;
}

/* A list of parts being built. */
struct parts {
	struct ring_buf buf[FUSE_MAX_PARTS];
	unsigned n;
};

/* Adds len bytes at gpa in pieces of at most max. */
static int add_parts(struct parts *p, uint64_t gpa, uint32_t len, uint32_t max)
{
	while (len) {
		uint32_t piece = max && len > max ? max : len;

		if (p->n == FUSE_MAX_PARTS)
			return -E2BIG;
		p->buf[p->n++] = (struct ring_buf){.gpa = gpa, .len = piece};
		gpa += piece;
		len -= piece;
	}
	return 0;
}

static int lay_out_raw(const struct fuse_client *c, struct fuse_slot *s, struct parts *p)
{
	const struct fuse_op *op = &s->op;
	unsigned char *args = ram_ptr(&c->fe->ram, s->args);
	const uint32_t unique_end = offsetof(struct fuse_in_header, unique) + sizeof(s->unique);

	if (op->raw_len > FUSE_ARGS_MAX)
		return -E2BIG;
	memcpy(args, op->raw, op->raw_len);
	if (op->raw_len >= unique_end)
		memcpy(args + offsetof(struct fuse_in_header, unique), &s->unique, sizeof(s->unique));
	int res = add_parts(p, s->args, op->raw_len, c->segment);
	return res < 0 ? res : add_parts(p, s->data, op->data_in, c->segment);
}

static int lay_out_readable(const struct fuse_client *c, struct fuse_slot *s, struct parts *p)
{
	const struct fuse_op *op = &s->op;
	unsigned char *args = ram_ptr(&c->fe->ram, s->args);
	uint32_t at = sizeof(struct fuse_in_header);

	if (op->raw)
		return lay_out_raw(c, s, p);
	int res = add_parts(p, s->args, at, c->segment);

	for (unsigned i = 0; i < op->nargs && res == 0; i++) {
		if (op->arg[i].len > FUSE_ARGS_MAX - at)
			return -E2BIG;
		if (op->arg[i].len)
			memcpy(args + at, op->arg[i].bytes, op->arg[i].len);
		res = add_parts(p, s->args + at, op->arg[i].len, c->segment);
		at += op->arg[i].len;
	}
	if (res < 0)
		return res;
	struct fuse_in_header h = {.len = at + op->data_in,
				   .opcode = op->opcode,
				   .unique = s->unique,
				   .nodeid = op->node,
				   .uid = c->uid,
				   .gid = c->gid,
				   .pid = c->pid};
	memcpy(args, &h, sizeof(h));
	return add_parts(p, s->data, op->data_in, c->page_data ? DATA_PAGE : c->segment);
}

static int lay_out_writable(const struct fuse_client *c, struct fuse_slot *s, struct parts *p)
{
	const struct fuse_op *op = &s->op;

	if (op->no_reply)
		return 0;
	int res = add_parts(p, s->reply, sizeof(struct fuse_out_header), c->segment);
	if (res == 0)
		res = add_parts(p, s->reply + sizeof(struct fuse_out_header), op->reply_len, c->segment);
	return res < 0 ? res : add_parts(p, s->data, op->data_out, c->page_data ? DATA_PAGE : c->segment);
}

int fuse_submit(struct fuse_client *c, struct fuse_slot *s, const struct fuse_op *op)
{
	struct parts in, out;

	in.n = out.n = 0; /* the rest stays as it is: clearing it would be most of a small request's cost */
	s->op = *op;
	s->unique = ++c->unique;
	int res = lay_out_readable(c, s, &in);
	if (res == 0)
		res = lay_out_writable(c, s, &out);
	if (res == 0)
		res = ring_add(c->ring, in.buf, in.n, out.buf, out.n, s);
	s->busy = res == 0;
	return res;
}

/* The reply header against what was asked. */
static void check_reply(const struct fuse_client *c, struct fuse_slot *s)
{
	struct fuse_out_header h;

	s->len = 0;
	s->error = 0;
	if (s->op.no_reply) {
		s->error = s->used ? -EBADMSG : 0;
		return;
	}
	memcpy(&h, ram_ptr(&c->fe->ram, s->reply), sizeof(h));
	/* Where the request had no whole header, the answer cannot know which one it was. */
	bool known = !s->op.raw || s->op.raw_len >= sizeof(struct fuse_in_header);
	bool framed = s->used >= sizeof(h) && h.len == s->used && (!known || h.unique == s->unique);
	if (!framed || h.error > 0 || h.error <= -4096 || (h.error && h.len != sizeof(h))) {
		s->error = -EBADMSG;
		return;
	}
	s->error = h.error;
	s->len = h.len - (uint32_t)sizeof(h);
}

struct fuse_slot *fuse_reap(struct fuse_client *c)
{
	struct ring_used used;

	if (ring_take(c->ring, &used) != 1)
		return NULL;
	struct fuse_slot *s = used.cookie;
	s->used = used.len;
	s->busy = false;
	check_reply(c, s);
	if (c->seen)
		c->seen(c, s);
	return s;
}

int fuse_call(struct fuse_client *c, const struct fuse_op *op)
{
	struct fuse_slot *s = c->slot;
	int64_t deadline = clock_ms() + c->timeout_ms;

	if (s->busy)
		return -EBUSY;
	int res = fuse_submit(c, s, op);
	if (res < 0)
		return res;
	ring_kick(c->ring);
	while (s->busy) {
		int64_t left = deadline - clock_ms();
		res = ring_wait(c->ring, left < 0 ? 0 : (int)left);
		if (res < 0)
			return res;
		if (!fuse_reap(c))
			return -EBADMSG;
	}
	return s->error;
}
