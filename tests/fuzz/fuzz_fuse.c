/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary bytes as FUSE requests, cut into arbitrary descriptors, through the whole server over a small backend. */
#include "lib/iov.h"
#include "lib/log.h"
#include "server/fuse/conn.h"
#include "server/fuse/serve.h"
#include "server/server.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/*
 * An input: one byte of choices for INIT, then requests. A request: u16 length, u8 pieces it is cut into, u8 pieces of
 * the reply, u16 room for the reply, the bytes. With the top bit of the third byte the header's length is put right, so
 * that the fuzzer need not find it.
 */
#define REQUESTS_MAX 16
#define PIECES_MAX 9

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct graft_inst {
	const struct graft_host *host;
};

static sem_t completed;
static volatile uint64_t sink; /* keeps the reads */

void transport_request_pin(struct transport_request *t)
{
	(void)t;
}

void transport_complete(struct transport_request *t, uint64_t used)
{
	t->used = used;
	sem_post(&completed);
}

static void read_bytes(const void *p, size_t len)
{
	const unsigned char *at = p;
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += at[i];
	sink += sum;
}

static void read_string(const char *s)
{
	if (s)
		read_bytes(s, strlen(s));
}

/* Looks at everything the decoder promises. */
static void read_request(const struct graft_req *req)
{
	read_string(req->name);
	read_string(req->name2);
	read_string(req->secctx_name);
	read_bytes(req->in, op_table[req->opcode].in_size);
	read_bytes(req->data, req->data_len);
	read_bytes(req->secctx, req->secctx_len);
	read_bytes(req->groups, req->ngroups * sizeof(uint32_t));
	for (uint32_t i = 0; i < req->nsrc; i++)
		read_bytes(req->src[i].iov_base, req->src[i].iov_len);
	if (iov_length(req->src, req->nsrc) != req->src_len || iov_length(req->dst, req->ndst) != req->dst_len)
		abort();
	if (req->name && (!*req->name || strlen(req->name) > 255))
		abort();
}

static void list(struct graft_inst *inst, struct graft_req *req)
{
	static const char name[] = "an-entry-of-a-directory";

	for (uint32_t i = 1; i < sizeof(name); i++) {
		struct fuse_direntplus e = { .entry_out.nodeid = i, .dirent = { .ino = i, .off = i, .namelen = i } };

		if (inst->host->dirent(req, &e, name) == GRAFT_DIRENT_FULL)
			return;
	}
}

static int answer(struct graft_inst *inst, struct graft_req *req)
{
	static unsigned char data[70000];

	read_request(req);
	if (req->node & 4)
		return -(int)(req->node >> 4 & 0x1fff);
	memset(req->out, 1, op_table[req->opcode].out_size);
	if (op_table[req->opcode].flags & OP_ENTRY)
		((struct fuse_entry_out *)req->out)->nodeid = req->node;
	if (req->opcode == FUSE_READDIR || req->opcode == FUSE_READDIRPLUS)
		list(inst, req);
	else if (req->dst_len)
		inst->host->put(req, data, req->dst_len < sizeof(data) ? req->dst_len : sizeof(data));
	if (inst->host->put(req, data, sizeof(data)) == 0 && req->done > req->dst_len)
		abort();
	return 0;
}

static int op(struct graft_inst *inst, struct graft_req *req)
{
	return req->node & 2 ? inst->host->defer(req, answer) : answer(inst, req);
}

static int up(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	read_request(req);
	if (cookie != inst)
		abort();
	return res;
}

static int layer_op(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, up, inst);
}

static int hook(struct graft_inst *inst, struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	(void)inst;
	(void)req;
	(void)name;
	return e->dirent.namelen % 5 ? GRAFT_DIRENT_OK : GRAFT_DIRENT_HIDE;
}

static int create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		  struct graft_inst **inst, struct graft_error *err)
{
	static struct graft_inst only;

	(void)slot;
	(void)settings;
	(void)err;
	only.host = host;
	*inst = &only;
	return 0;
}

static void destroy(struct graft_inst *inst)
{
	(void)inst;
}

static graft_op *backend_ops[GRAFT_OP_COUNT], *layer_ops[GRAFT_OP_COUNT];
static struct plugin backend = { .desc = { .size = sizeof(struct graft_plugin),
					   .name = "backend",
					   .kind = GRAFT_BACKEND,
					   .threads = GRAFT_PARALLEL,
					   .nops = GRAFT_OP_COUNT,
					   .ops = backend_ops,
					   .create = create,
					   .destroy = destroy } };
static struct plugin layer = { .desc = { .size = sizeof(struct graft_plugin),
					 .name = "layer",
					 .kind = GRAFT_LAYER,
					 .threads = GRAFT_PARALLEL,
					 .nops = GRAFT_OP_COUNT,
					 .ops = layer_ops,
					 .dirent = hook,
					 .create = create,
					 .destroy = destroy } };
static const struct transport_ops ops = { .kind = GRAFT_VHOST_USER };
static struct fuse_door door = { .name = "fuzz" };
static struct transport transport = { .ops = &ops, .client = &fuse_client, .user = &door };
static void *priv;

/* Some operations are left out, so that fallbacks run too. */
static void fill_tables(void)
{
	for (uint32_t i = 1; i < GRAFT_OP_COUNT; i++) {
		bool fallback = op_table[i].fallback != 0;

		backend_ops[i] = fallback || i == FUSE_OPEN ? NULL : op;
		layer_ops[i] = fallback || i % 3 == 0 ? NULL : layer_op;
	}
}

static void set_up(void)
{
	static const uint32_t keys[CONFIG_KEY_COUNT];
	static struct member_config members[] = { { .name = "layer", .plugin = &layer },
						  { .name = "web", .plugin = &backend } };
	static const struct mount_config mounts[] = {
		{ .name = "web", .at = "/", .members = members, .nmembers = 2 },
		{ .name = "app", .at = "/app", .members = members + 1, .nmembers = 1 },
		{ .name = "deep", .at = "/app/on-the-way/deep", .members = members + 1, .nmembers = 1 },
	};
	struct graft_error err = { 0 };

	fill_tables();
	log_set_level(GRAFT_LOG_ERROR);
	sem_init(&completed, 0, 0);
	door.server = server_new(2, 1024, &err);
	door.keys = keys;
	if (!door.server || server_mount(door.server, &mounts[0], &err) ||
	    server_mount(door.server, &mounts[1], &err) || server_mount(door.server, &mounts[2], &err) ||
	    server_start(door.server, &err))
		abort();
	for (struct mount *m = door.server->mounts.first; m; m = m->next)
		m->want = UINT64_MAX;
	priv = aligned_alloc(64, (fuse_client.request_size + 63) & ~(size_t)63);
	fuse_client.request_init(priv);
}

/* Each piece in a block of its own size, so that the sanitizer sees a byte too many. */
static uint32_t cut(const uint8_t *from, size_t len, uint32_t pieces, struct iovec *iov)
{
	uint32_t n = 0;

	pieces = pieces % PIECES_MAX + 1;
	for (size_t at = 0; n < pieces; n++) {
		size_t part = n + 1 == pieces ? len - at : (len - at) * (n + 1) / (pieces + 1);

		iov[n] = (struct iovec){ malloc(part ? part : 1), part };
		if (from)
			memcpy(iov[n].iov_base, from + at, part);
		at += part;
	}
	return n;
}

static void free_pieces(struct iovec *iov, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(iov[i].iov_base);
}

static void check_reply(const struct transport_request *t)
{
	struct iov_cursor c = iov_cursor(t->out, t->nout);
	struct fuse_out_header h;

	if (t->used > t->out_len || (t->used && t->used < sizeof(h)))
		abort();
	if (!t->used)
		return;
	iov_read(&c, &h, sizeof(h));
	if (h.len != t->used || h.error > 0 || h.error < -511 || (h.error && h.len != sizeof(h)))
		abort();
}

/* The fuzzer's own alarms come in between. */
static void wait_completed(void)
{
	while (sem_wait(&completed) && errno == EINTR)
		continue;
}

static void send_request(void *conn, const uint8_t *bytes, size_t len, uint32_t in_pieces, uint32_t out_pieces,
			 size_t room)
{
	struct iovec in[PIECES_MAX], out[PIECES_MAX];
	struct transport_request t = { .in = in, .out = out, .in_len = len, .out_len = room, .priv = priv };

	t.nin = len ? cut(bytes, len, in_pieces, in) : 0;
	t.nout = room ? cut(NULL, room, out_pieces, out) : 0;
	if (fuse_client.serve(conn, &t))
		wait_completed();
	check_reply(&t);
	free_pieces(in, t.nin);
	free_pieces(out, t.nout);
}

static void send_init(void *conn, uint8_t choice)
{
	struct {
		struct fuse_in_header h;
		struct fuse_init_in in;
	} init = { .h = { .len = sizeof(init), .opcode = FUSE_INIT }, .in = { .major = 7, .minor = 45 } };
	uint64_t flags = FUSE_INIT_EXT;

	if (choice & 1)
		flags |= FUSE_CREATE_SUPP_GROUP;
	if (choice & 2)
		flags |= FUSE_SECURITY_CTX;
	if (choice & 4)
		flags |= FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT;
	if (choice & 8)
		flags |= FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
	init.in.flags = (uint32_t)flags;
	init.in.flags2 = (uint32_t)(flags >> 32);
	send_request(conn, (const uint8_t *)&init, sizeof(init), 0, 0, 4096);
}

/* One request off the front of an input; the bytes it took. */
static size_t run_one(void *conn, const uint8_t *bytes, size_t len)
{
	size_t n = bytes[0] | (size_t)bytes[1] << 8;
	size_t room = bytes[4] | (size_t)bytes[5] << 8;

	if (n > len - 6)
		n = len - 6;
	uint8_t *copy = malloc(n ? n : 1);
	memcpy(copy, bytes + 6, n);
	if (bytes[2] & 0x80 && n >= sizeof(uint32_t))
		memcpy(copy, &(uint32_t){ (uint32_t)n }, sizeof(uint32_t));
	send_request(conn, copy, n, bytes[2] & 0x7f, bytes[3], room);
	free(copy);
	return n + 6;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (!priv)
		set_up();
	if (len < 1)
		return 0;
	void *conn = fuse_client.connect(&door, &transport);
	send_init(conn, *bytes);
	bytes++;
	len--;
	for (int i = 0; i < REQUESTS_MAX && len >= 6; i++) {
		size_t used = run_one(conn, bytes, len);

		bytes += used;
		len -= used;
	}
	fuse_client.disconnect(conn);
	return 0;
}
