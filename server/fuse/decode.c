/* SPDX-License-Identifier: Apache-2.0 */
/* From a client's bytes to a graft_req. Nothing here trusts a length before it was compared with what is there. */
#include "server/fuse/decode.h"

#include <errno.h>
#include <string.h>

#define NAME_LEN_MAX 255
#define TARGET_LEN_MAX 4095
#define HEADER_LEN sizeof(struct fuse_in_header)

/* What is left of the readable part: bounded by both the header's length and what the client sent. */
struct input {
	struct iov_cursor c;
	uint64_t left;
};

/* The copied part behind the in struct. */
struct tail {
	const char *at, *end;
};

static void start_req(struct request *r)
{
	const struct fuse_in_header *h = &r->header;

	r->req = (struct graft_req){
		.size = sizeof(r->req),
		.opcode = h->opcode,
		.unique = h->unique,
		.uid = h->uid,
		.gid = h->gid,
		.pid = h->pid,
		.in = r->in,
		.out = r->out,
	};
}

int decode_header(struct request *r)
{
	struct transport_request *t = r->transport;

	r->op = NULL;
	r->rest = iov_cursor(t->in, t->nin);
	if (iov_read(&r->rest, &r->header, HEADER_LEN) < HEADER_LEN) {
		r->header = (struct fuse_in_header){ 0 };
		return -EINVAL;
	}
	r->op = op_find(r->header.opcode);
	if (r->header.len < HEADER_LEN || r->header.len > t->in_len)
		return -EINVAL;
	if (r->header.len > DECODE_MAX_LEN)
		return -ENOMEM;
	return r->op ? 0 : -ENOSYS;
}

/* Bytes of the in struct this client sends, which may be of an older version. */
static uint32_t in_size(const struct op_info *op, const struct graft_session *s, uint64_t left)
{
	if (!op->in_old)
		return op->in_size;
	if (s)
		return s->flags & FUSE_SETXATTR_EXT ? op->in_size : op->in_old;
	return left < op->in_size ? op->in_old : op->in_size;
}

static int read_in(struct request *r, const struct graft_session *s, struct input *from)
{
	const struct op_info *op = r->op;
	uint32_t size = in_size(op, s, from->left);

	if (from->left < size)
		return -EINVAL;
	iov_read(&from->c, r->in, size);
	from->left -= size;
	if (size < op->in_size)
		memset(r->in + size, 0, op->in_size - size);
	return 0;
}

/* A run of bytes behind the cursor as iovecs: the client's own list where it fits exactly, else a cut copy of it. */
static int slice(struct request *r, struct iov_cursor c, uint64_t left, uint64_t len, const struct iovec **iov,
		 uint32_t *n)
{
	if (left == len && !c.skip) {
		*iov = c.iov;
		*n = c.n;
		return 0;
	}
	struct iovec *cut = arena_alloc(&r->arena, c.n * sizeof(*cut));
	uint64_t bytes;
	if (!cut)
		return -ENOMEM;
	*n = iov_slice(&c, len, cut, c.n, &bytes);
	*iov = cut;
	return bytes == len ? 0 : -EINVAL;
}

static int take_file_data(struct request *r, struct input *from)
{
	const struct fuse_write_in *in = (const void *)r->in;

	if (in->size > DECODE_MAX_WRITE || in->size > from->left)
		return -EINVAL;
	r->req.src_len = in->size;
	if (!in->size)
		return 0;
	/* What lies behind header.len is not the request's, so only an exact end may be used as it is. */
	uint64_t left = r->transport->in_len - r->header.len + from->left;
	return slice(r, from->c, left, in->size, &r->req.src, &r->req.nsrc);
}

static int read_tail(struct request *r, struct input *from, struct tail *tail)
{
	char *copy = arena_alloc(&r->arena, from->left);

	if (!copy)
		return -ENOMEM;
	if (iov_read(&from->c, copy, from->left) < from->left)
		return -EINVAL;
	tail->at = copy;
	tail->end = copy + from->left;
	return 0;
}

/* Takes a terminated string off the front; its length must be 1 to max. */
static int take_string(struct tail *tail, size_t max, int too_long, int empty, const char **name)
{
	const char *nul = memchr(tail->at, 0, (size_t)(tail->end - tail->at));

	if (!nul)
		return -EINVAL;
	if ((size_t)(nul - tail->at) > max)
		return too_long;
	if (nul == tail->at)
		return empty;
	*name = tail->at;
	tail->at = nul + 1;
	return 0;
}

static int take_name(struct tail *tail, const char **name)
{
	int res = take_string(tail, NAME_LEN_MAX, -ENAMETOOLONG, -EINVAL, name);

	if (res)
		return res;
	if (!strcmp(*name, ".") || !strcmp(*name, "..") || strchr(*name, '/'))
		return -EINVAL;
	return 0;
}

static int take_names(struct request *r, struct tail *tail)
{
	struct graft_req *req = &r->req;
	const char *ignored;
	int res;

	switch (r->op->names) {
	case OP_NAMES_ONE:
		return take_name(tail, &req->name);
	case OP_NAMES_TWO:
		res = take_name(tail, &req->name);
		return res ? res : take_name(tail, &req->name2);
	case OP_NAMES_TARGET:
		res = take_name(tail, &req->name);
		return res ? res : take_string(tail, TARGET_LEN_MAX, -ENAMETOOLONG, -EINVAL, &req->name2);
	case OP_NAMES_XATTR:
		return take_string(tail, NAME_LEN_MAX, -ERANGE, -ERANGE, &req->name);
	case OP_NAMES_IGNORED:
		return take_string(tail, NAME_LEN_MAX, -ENAMETOOLONG, -EINVAL, &ignored);
	default:
		return 0;
	}
}

/* Private data must be exactly what the in struct says. */
static int take_data(struct request *r, struct tail *tail)
{
	const struct fuse_setxattr_in *set = (const void *)r->in;
	const struct fuse_ioctl_in *ioctl = (const void *)r->in;
	const struct fuse_batch_forget_in *forget = (const void *)r->in;
	uint64_t left = (uint64_t)(tail->end - tail->at), len;

	switch (r->op->payload) {
	case OP_PAYLOAD_VALUE:
		len = set->size;
		if (len > DECODE_XATTR_MAX)
			return -E2BIG;
		break;
	case OP_PAYLOAD_IOCTL:
		len = ioctl->in_size;
		break;
	case OP_PAYLOAD_FORGETS:
		len = (uint64_t)forget->count * sizeof(struct fuse_forget_one);
		break;
	default:
		len = 0;
		break;
	}
	if (left != len)
		return -EINVAL;
	r->req.data = len ? tail->at : NULL;
	r->req.data_len = (uint32_t)len;
	return 0;
}

static int read_rest(struct request *r, const struct graft_session *s, struct input *from)
{
	const uint64_t extends = FUSE_SECURITY_CTX | FUSE_CREATE_SUPP_GROUP;
	struct tail tail = { NULL, NULL };
	int res = 0;

	if (from->left)
		res = read_tail(r, from, &tail);
	else if (r->op->names)
		return -EINVAL;
	if (!res)
		res = take_names(r, &tail);
	if (res)
		return res;
	if (r->op->flags & OP_EXTENDS && s && s->flags & extends)
		return decode_extensions(r, (const unsigned char *)tail.at, (size_t)(tail.end - tail.at), s->flags);
	return take_data(r, &tail);
}

/* Data of the reply: behind header and out struct, at most what the request allows and what room there is. */
static int make_dst(struct request *r)
{
	struct transport_request *t = r->transport;
	struct fuse_read_in *read = (void *)r->in;
	const struct fuse_getxattr_in *xattr = (const void *)r->in;
	const struct fuse_ioctl_in *ioctl = (const void *)r->in;
	uint64_t front = sizeof(struct fuse_out_header) + r->out_size;
	uint64_t room = t->out_len - front, len = room;

	switch (r->op->dst) {
	case OP_DST_SIZE:
		if (len > read->size)
			len = read->size;
		break;
	case OP_DST_XATTR:
		if (len > xattr->size)
			len = xattr->size;
		break;
	case OP_DST_IOCTL:
		if (len > ioctl->out_size)
			len = ioctl->out_size;
		break;
	default:
		break;
	}
	if (len > DECODE_MAX_WRITE)
		len = DECODE_MAX_WRITE;
	if (r->op->dst == OP_DST_SIZE)
		read->size = (uint32_t)len;
	r->req.dst_len = len;
	if (!len)
		return 0;
	struct iov_cursor c = iov_cursor(t->out, t->nout);
	iov_skip(&c, front);
	return slice(r, c, room, len, &r->req.dst, &r->req.ndst);
}

static int check_offset(const struct request *r)
{
	const struct fuse_read_in *in = (const void *)r->in;

	if (!(r->op->flags & OP_OFFSET))
		return 0;
	return in->offset > (uint64_t)INT64_MAX - in->size ? -EINVAL : 0;
}

static uint32_t umask_of(const struct request *r)
{
	switch (r->req.opcode) {
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return ((const struct fuse_create_in *)(const void *)r->in)->umask;
	case FUSE_MKDIR:
		return ((const struct fuse_mkdir_in *)(const void *)r->in)->umask;
	case FUSE_MKNOD:
		return ((const struct fuse_mknod_in *)(const void *)r->in)->umask;
	default:
		return 0;
	}
}

/* The out struct, and where data goes behind it. */
static int make_out(struct request *r)
{
	const struct op_info *op = r->op;
	const struct fuse_getxattr_in *xattr = (const void *)r->in;

	r->out_size = op->out_size;
	memset(r->out, 0, op->out_size);
	if (op->dst == OP_DST_XATTR) {
		if (xattr->size > DECODE_MAX_WRITE)
			return -ENOMEM;
		if (xattr->size)
			r->out_size = 0;
	}
	if (op->flags & OP_NO_REPLY)
		return 0;
	if (r->transport->out_len < sizeof(struct fuse_out_header) + r->out_size)
		return -EINVAL;
	return op->dst ? make_dst(r) : 0;
}

int decode_body(struct request *r, const struct graft_session *s)
{
	const struct op_info *op = r->op;
	struct input from = { r->rest, r->header.len - HEADER_LEN };
	int res;

	start_req(r);
	r->req.session = s;
	res = op->in_size ? read_in(r, s, &from) : 0;
	if (res)
		return res;
	if (op->payload == OP_PAYLOAD_FILE)
		res = take_file_data(r, &from);
	else if (from.left && !op->names && !op->payload)
		res = op->flags & OP_LONGER ? 0 : -EINVAL;
	else if (op->payload != OP_PAYLOAD_ANY && (op->names || op->payload))
		res = read_rest(r, s, &from);
	if (!res)
		res = check_offset(r);
	if (res)
		return res;
	r->req.umask = umask_of(r);
	return make_out(r);
}
