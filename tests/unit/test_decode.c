/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder, opcode by opcode: well-formed, short, overlong, unterminated and contradictory requests. */
#include "server_probe.h"
#include "server_rig.h"

#include "server/fuse/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODE (1ull << 48 | 2) /* of the first mount */

static struct rig *rig;
static struct rig_request *q;

static int set_up(void **state)
{
	static const struct rig_mount mount = { "web", "/", { &probe_plugin } };

	(void)state;
	probe_features = (struct graft_features){ .can = UINT64_MAX };
	probe_reset();
	rig = rig_new(&mount, 1);
	q = rig_request_new();
	assert_int_equal(rig_init(rig, FUSE_SETXATTR_EXT), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_request_free(q);
	rig_free(rig);
	assert_int_equal(probe_sessions, 0);
	return 0;
}

/* Ends the session and starts one where the client offers these flags and the mount wants them. */
static void renegotiate(uint64_t flags)
{
	rig->server->mounts.first->want = flags;
	assert_int_equal(rig_init(rig, flags), 0);
	probe_reset();
}

/* A well-formed request of each kind. The in struct is zero but for what stands in `word` at `word_at`. */
struct form {
	uint32_t opcode;
	uint32_t in_len;
	const char *tail;
	uint32_t tail_len;
	uint32_t word_at;
	uint64_t word; /* of the in struct */
};

#define TAIL(s) s, sizeof(s)      /* with the NUL */
#define BYTES(s) s, sizeof(s) - 1 /* without */

static const struct form forms[] = {
	{ FUSE_LOOKUP, 0, TAIL("file"), 0, 0 },
	{ FUSE_FORGET, 8, NULL, 0, 0, 1 },
	{ FUSE_GETATTR, 16, NULL, 0, 0, 0 },
	{ FUSE_SETATTR, 88, NULL, 0, 0, 1 },
	{ FUSE_READLINK, 0, NULL, 0, 0, 0 },
	{ FUSE_SYMLINK, 0, TAIL("name\0target/.."), 0, 0 },
	{ FUSE_MKNOD, 16, TAIL("node"), 0, 0644 },
	{ FUSE_MKDIR, 8, TAIL("dir"), 0, 0755 },
	{ FUSE_UNLINK, 0, TAIL("gone"), 0, 0 },
	{ FUSE_RMDIR, 0, TAIL("gone"), 0, 0 },
	{ FUSE_RENAME, 8, TAIL("old\0new"), 0, NODE },
	{ FUSE_LINK, 8, TAIL("link"), 0, NODE },
	{ FUSE_OPEN, 8, NULL, 0, 0, 2 },
	{ FUSE_READ, 40, NULL, 0, 16, 512 },
	{ FUSE_WRITE, 40, BYTES("data"), 16, 4 },
	{ FUSE_STATFS, 0, NULL, 0, 0, 0 },
	{ FUSE_RELEASE, 24, NULL, 0, 0, 1 },
	{ FUSE_FSYNC, 16, NULL, 0, 0, 1 },
	{ FUSE_SETXATTR, 8, TAIL("user.a\0val"), 0, 4 }, /* value "val\0" */
	{ FUSE_GETXATTR, 8, TAIL("user.a"), 0, 64 },
	{ FUSE_LISTXATTR, 8, NULL, 0, 0, 64 },
	{ FUSE_REMOVEXATTR, 0, TAIL("user.a"), 0, 0 },
	{ FUSE_FLUSH, 24, NULL, 0, 0, 1 },
	{ FUSE_OPENDIR, 8, NULL, 0, 0, 0 },
	{ FUSE_READDIR, 40, NULL, 0, 16, 512 },
	{ FUSE_RELEASEDIR, 24, NULL, 0, 0, 1 },
	{ FUSE_FSYNCDIR, 16, NULL, 0, 0, 1 },
	{ FUSE_ACCESS, 8, NULL, 0, 0, 4 },
	{ FUSE_CREATE, 16, TAIL("new"), 4, 0644 },
	{ FUSE_IOCTL, 32, BYTES("args"), 24, 4 },
	{ FUSE_FALLOCATE, 32, NULL, 0, 16, 1 },
	{ FUSE_READDIRPLUS, 40, NULL, 0, 16, 512 },
	{ FUSE_RENAME2, 16, TAIL("old\0new"), 0, NODE },
	{ FUSE_LSEEK, 24, NULL, 0, 16, 3 },
	{ FUSE_COPY_FILE_RANGE, 56, NULL, 0, 16, NODE },
	{ FUSE_SYNCFS, 8, NULL, 0, 0, 0 },
	{ FUSE_TMPFILE, 16, TAIL("/"), 4, 0600 },
	{ GRAFT_OP_STATX, 24, NULL, 0, 20, 0x7ff },
	{ GRAFT_OP_COPY_FILE_RANGE_64, 56, NULL, 0, 16, NODE },
	/* with their flag negotiated */
	{ FUSE_GETLK, 48, NULL, 0, 0, 1 },
	{ FUSE_SETLK, 48, NULL, 0, 0, 1 },
	{ FUSE_SETLKW, 48, NULL, 0, 0, 1 },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

static bool replies(uint32_t opcode)
{
	return !(op_table[opcode].flags & OP_NO_REPLY);
}

/* Sends a form with other lengths than its own; the error, or 1 where no reply came. */
static int send_as(const struct form *f, uint32_t in_len, uint32_t tail_len)
{
	unsigned char in[128] = { 0 }, tail[128] = { 0 };

	if (f->in_len)
		memcpy(in + f->word_at, &f->word, sizeof(f->word)); /* low bytes first; what is behind it is zero */
	if (f->tail)
		memcpy(tail, f->tail, f->tail_len);
	rig_fill(rig, q, f->opcode, NODE, in, in_len, tail, tail_len, RIG_ROOM);
	rig_serve(rig, q);
	rig_wait(q);
	return q->t.used ? rig_error(q) : 1;
}

static void test_well_formed(void **state)
{
	(void)state;
	renegotiate(FUSE_POSIX_LOCKS);
	for (size_t i = 0; i < FORMS; i++) {
		const struct form *f = &forms[i];

		probe_reset();
		int res = send_as(f, f->in_len, f->tail_len);
		if (res != !replies(f->opcode) || probe.calls != 1)
			fail_msg("%s: %d", op_name(f->opcode), res);
		assert_int_equal(probe.req.opcode, f->opcode);
		assert_int_equal(probe.req.node, 2);
		assert_int_equal(probe.req.uid, 1000);
		assert_int_equal(probe.req.gid, 1001);
		assert_int_equal(probe.req.pid, 4711);
		assert_ptr_equal(probe.req.state, &probe);
		if (replies(f->opcode) && op_table[f->opcode].dst != OP_DST_XATTR)
			assert_int_equal(rig_data_len(q), op_table[f->opcode].out_size);
	}
}

/* One byte less anywhere is refused, and the plugin is not called. */
static void test_short(void **state)
{
	(void)state;
	renegotiate(FUSE_POSIX_LOCKS);
	for (size_t i = 0; i < FORMS; i++) {
		const struct form *f = &forms[i];
		uint32_t whole = f->in_len + f->tail_len;

		probe_reset();
		for (uint32_t len = 0; len < whole; len++) {
			uint32_t in_len = len < f->in_len ? len : f->in_len;
			int res = send_as(f, in_len, len - in_len);

			if (replies(f->opcode) ? res != -EINVAL : res != 1)
				fail_msg("%s of %u bytes: %d", op_name(f->opcode), len, res);
		}
		assert_int_equal(probe.calls, 0);
	}
}

/* Bytes that belong to nothing are refused, but behind a WRITE's data, where they are left alone. */
static void test_overlong(void **state)
{
	(void)state;
	renegotiate(FUSE_POSIX_LOCKS);
	for (size_t i = 0; i < FORMS; i++) {
		const struct form *f = &forms[i];

		probe_reset();
		int res = send_as(f, f->in_len, f->tail_len + 8);
		if (f->opcode == FUSE_WRITE) {
			assert_int_equal(res, 0);
			assert_int_equal(probe.req.src_len, 4);
			assert_memory_equal(probe.src, "data\0\0\0", 7);
			continue;
		}
		if (replies(f->opcode) ? res != -EINVAL : res != 1)
			fail_msg("%s: %d", op_name(f->opcode), res);
		assert_int_equal(probe.calls, 0);
	}
}

static void test_unterminated(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		const struct form *f = &forms[i];

		if (!op_table[f->opcode].names || op_table[f->opcode].payload)
			continue;
		char tail[64];
		unsigned char in[128] = { 0 };
		memset(tail, 'x', sizeof(tail));
		assert_int_equal(rig_call(rig, q, f->opcode, NODE, in, f->in_len, tail, sizeof(tail)), -EINVAL);
	}
	assert_int_equal(probe.calls, 0);
}

/* Every split of a request over two descriptors gives the same as one piece. */
static void test_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		const struct form *f = &forms[i];

		if (op_table[f->opcode].flags & OP_LOCKS)
			continue;
		send_as(f, f->in_len, f->tail_len);
		uint32_t whole = (uint32_t)q->t.in_len;
		for (uint32_t at = 0; at <= whole; at++) {
			struct iovec in[3] = { { q->in_bytes, at },
					       { q->in_bytes + at, 0 },
					       { q->in_bytes + at, whole - at } };
			struct iovec out[3] = { { q->out_bytes, at },
						{ q->out_bytes + at, 1 },
						{ q->out_bytes + at + 1, RIG_ROOM - at - 1 } };

			probe_reset();
			q->t.in = in;
			q->t.nin = 3;
			q->t.out = out;
			q->t.nout = 3;
			rig_serve(rig, q);
			rig_wait(q);
			if (probe.calls != 1 || (q->t.used && rig_error(q)))
				fail_msg("%s split at %u", op_name(f->opcode), at);
			assert_string_equal(probe.name, f->tail && probe.req.name ? f->tail : "");
			if (f->opcode == FUSE_WRITE)
				assert_memory_equal(probe.src, "data\0", 5);
		}
	}
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "/etc", "..\0x" };
	char long_name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t zero[2] = { 2, 0 };

		assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, NODE, NULL, 0, bad[i], strlen(bad[i]) + 1), -EINVAL);
		assert_int_equal(rig_call(rig, q, FUSE_UNLINK, NODE, NULL, 0, bad[i], strlen(bad[i]) + 1), -EINVAL);
		assert_int_equal(rig_call(rig, q, FUSE_MKDIR, NODE, zero, 8, bad[i], strlen(bad[i]) + 1), -EINVAL);
		assert_int_equal(rig_call(rig, q, FUSE_LINK, NODE, zero, 8, bad[i], strlen(bad[i]) + 1), -EINVAL);
	}
	memset(long_name, 'n', sizeof(long_name));
	long_name[255] = 0;
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, NODE, NULL, 0, long_name, 256), 0);
	assert_int_equal(strlen(probe.name), 255);
	long_name[255] = 'n';
	long_name[256] = 0;
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, NODE, NULL, 0, long_name, 257), -ENAMETOOLONG);
	/* Both names of a RENAME. */
	uint64_t newdir = NODE;
	assert_int_equal(rig_call(rig, q, FUSE_RENAME, NODE, &newdir, 8, "a\0..", 5), -EINVAL);
	assert_int_equal(rig_call(rig, q, FUSE_RENAME, NODE, &newdir, 8, "..\0a", 5), -EINVAL);
	assert_int_equal(rig_call(rig, q, FUSE_RENAME, NODE, &newdir, 8, "a\0b", 4), 0);
	assert_string_equal(probe.name2, "b");
	assert_int_equal(probe.req.node2, 2);
}

static void test_symlink_target(void **state)
{
	static char tail[5000];

	(void)state;
	memset(tail, 't', sizeof(tail));
	memcpy(tail, "n", 2);
	tail[2 + 4095] = 0;
	assert_int_equal(rig_call(rig, q, FUSE_SYMLINK, NODE, NULL, 0, tail, 2 + 4096), 0);
	assert_int_equal(strlen(probe.name2), 4095);
	tail[2 + 4095] = 't';
	tail[2 + 4096] = 0;
	assert_int_equal(rig_call(rig, q, FUSE_SYMLINK, NODE, NULL, 0, tail, 2 + 4097), -ENAMETOOLONG);
	assert_int_equal(rig_call(rig, q, FUSE_SYMLINK, NODE, NULL, 0, "n\0", 3), -EINVAL);
	assert_int_equal(rig_call(rig, q, FUSE_SYMLINK, NODE, NULL, 0, "n\0../../etc", 12), 0);
}

static void test_header(void **state)
{
	struct fuse_in_header *h = (void *)q->in_bytes;
	static const uint32_t bad[] = { 0, 1, 39, 57, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fuse_getattr_in in = { 0 };

		rig_fill(rig, q, FUSE_GETATTR, NODE, &in, sizeof(in), NULL, 0, RIG_ROOM);
		h->len = bad[i];
		assert_false(rig_serve(rig, q));
		assert_int_equal(rig_error(q), -EINVAL);
	}
	/* Fewer bytes than a header: nothing of it counts, the unique number neither. */
	rig_fill(rig, q, FUSE_GETATTR, NODE, NULL, 0, NULL, 0, RIG_ROOM);
	q->in.iov_len = q->t.in_len = 39;
	assert_false(rig_serve(rig, q));
	assert_int_equal(q->t.used, 16);
	assert_int_equal(((struct fuse_out_header *)(void *)q->out_bytes)->error, -EINVAL);
	/* Nothing at all. */
	q->t.nin = 0;
	q->t.in_len = 0;
	assert_false(rig_serve(rig, q));
	assert_int_equal(q->t.used, 16);
	/* Longer than any request may be. */
	unsigned char *big = calloc(1, DECODE_MAX_LEN + 1);
	assert_non_null(big);
	rig_fill(rig, q, FUSE_LOOKUP, NODE, NULL, 0, "x", 2, RIG_ROOM);
	h->len = DECODE_MAX_LEN + 1;
	memcpy(big, h, sizeof(*h));
	q->in = (struct iovec){ big, DECODE_MAX_LEN + 1 };
	q->t.in_len = DECODE_MAX_LEN + 1;
	assert_false(rig_serve(rig, q));
	assert_int_equal(rig_error(q), -ENOMEM);
	free(big);
	assert_int_equal(probe.calls, 0);
}

/* The header's length ends the request, whatever the client's buffers hold. */
static void test_header_len_is_the_end(void **state)
{
	struct fuse_in_header *h = (void *)q->in_bytes;
	struct fuse_write_in in = { .size = 8 };

	(void)state;
	rig_fill(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), "abcdefgh", 8, RIG_ROOM);
	h->len -= 1;
	rig_serve(rig, q);
	assert_int_equal(rig_error(q), -EINVAL);
	rig_fill(rig, q, FUSE_LOOKUP, NODE, NULL, 0, "ab\0garbage", 10, RIG_ROOM);
	h->len = sizeof(*h) + 3;
	rig_serve(rig, q);
	assert_int_equal(rig_error(q), 0);
	assert_string_equal(probe.name, "ab");
}

static void test_write(void **state)
{
	struct fuse_write_in in = { .fh = 7, .offset = 4096, .size = 5 };

	(void)state;
	assert_int_equal(rig_call(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), "hello world", 11), 0);
	assert_int_equal(probe.req.src_len, 5);
	assert_int_equal(iov_length(probe.req.src, probe.req.nsrc), 5);
	assert_memory_equal(probe.src, "hello\0", 6);
	in.size = 0;
	assert_int_equal(rig_call(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(probe.req.nsrc, 0);
	probe_reset();
	in.size = 12;
	assert_int_equal(rig_call(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), "hello world", 11), -EINVAL);
	in.size = DECODE_MAX_WRITE + 1;
	assert_int_equal(rig_call(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), "hello world", 11), -EINVAL);
	in.size = 5;
	in.offset = 1ull << 63;
	assert_int_equal(rig_call(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), "hello", 5), -EINVAL);
	in.offset = INT64_MAX - 4;
	assert_int_equal(rig_call(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), "hello", 5), -EINVAL);
	assert_int_equal(probe.calls, 0);
	in.offset = INT64_MAX - 5;
	assert_int_equal(rig_call(rig, q, FUSE_WRITE, NODE, &in, sizeof(in), "hello", 5), 0);
}

static uint32_t read_size_seen(void)
{
	struct fuse_read_in in;

	memcpy(&in, probe.in, sizeof(in));
	return in.size;
}

static void test_read(void **state)
{
	struct fuse_read_in in = { .size = 100 };

	(void)state;
	probe.put = "0123456789";
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(probe.req.dst_len, 100);
	assert_int_equal(iov_length(probe.req.dst, probe.req.ndst), 100);
	assert_int_equal(rig_data_len(q), 10);
	assert_memory_equal(rig_data(q), "0123456789", 10);
	/* Nothing is written behind size, though there is room. */
	in.size = 9;
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(probe.put_result, -ERANGE);
	assert_int_equal(rig_data_len(q), 0);
	/* Less room than size: size shrinks. */
	in.size = 4096;
	rig_fill(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0, 16 + 50);
	rig_serve(rig, q);
	assert_int_equal(rig_error(q), 0);
	assert_int_equal(probe.req.dst_len, 50);
	assert_int_equal(read_size_seen(), 50);
	in.size = UINT32_MAX;
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(read_size_seen(), RIG_ROOM - 16);
	in.offset = UINT64_MAX;
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), -EINVAL);
	in.offset = INT64_MAX;
	in.size = 1;
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), -EINVAL);
}

static void test_room(void **state)
{
	struct fuse_getattr_in in = { 0 };

	(void)state;
	/* No room for a header: dropped, and nothing is done. */
	for (size_t room = 0; room < 16; room++) {
		rig_fill(rig, q, FUSE_GETATTR, NODE, &in, sizeof(in), NULL, 0, room);
		assert_false(rig_serve(rig, q));
		assert_int_equal(q->t.used, 0);
		assert_int_equal(q->out_bytes[0], 0xaa);
	}
	/* Room for the header alone: an error. */
	for (size_t room = 16; room < 16 + 104; room += 29) {
		rig_fill(rig, q, FUSE_GETATTR, NODE, &in, sizeof(in), NULL, 0, room);
		assert_false(rig_serve(rig, q));
		assert_int_equal(rig_error(q), -EINVAL);
		assert_int_equal(q->out_bytes[16], 0xaa);
	}
	assert_int_equal(probe.calls, 0);
	rig_fill(rig, q, FUSE_GETATTR, NODE, &in, sizeof(in), NULL, 0, 16 + 104);
	rig_serve(rig, q);
	assert_int_equal(rig_error(q), 0);
}

static void test_xattr(void **state)
{
	struct fuse_setxattr_in set = { .size = 3, .flags = 1 };
	struct fuse_getxattr_in get = { .size = 0 };
	const struct fuse_getxattr_out answer = { .size = 42 };
	static char name[300];

	(void)state;
	assert_int_equal(rig_call(rig, q, FUSE_SETXATTR, NODE, &set, 8, "user.k\0val", 10), 0);
	assert_string_equal(probe.name, "user.k");
	assert_int_equal(probe.req.data_len, 3);
	assert_memory_equal(probe.data, "val", 3);
	/* An empty value is one too. */
	set.size = 0;
	assert_int_equal(rig_call(rig, q, FUSE_SETXATTR, NODE, &set, 8, "user.k", 7), 0);
	set.size = 4;
	assert_int_equal(rig_call(rig, q, FUSE_SETXATTR, NODE, &set, 8, "user.k\0val", 10), -EINVAL);
	set.size = DECODE_XATTR_MAX + 1;
	assert_int_equal(rig_call(rig, q, FUSE_SETXATTR, NODE, &set, 8, "user.k\0val", 10), -E2BIG);
	assert_int_equal(rig_call(rig, q, FUSE_SETXATTR, NODE, &set, 8, "\0val", 4), -ERANGE);
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	assert_int_equal(rig_call(rig, q, FUSE_REMOVEXATTR, NODE, NULL, 0, name, 257), -ERANGE);
	/* Size 0 asks for the length; otherwise there is no out struct. */
	probe.out = &answer;
	probe.out_len = sizeof(answer);
	assert_int_equal(rig_call(rig, q, FUSE_GETXATTR, NODE, &get, 8, "user.k", 7), 0);
	assert_int_equal(rig_data_len(q), 8);
	assert_memory_equal(rig_data(q), &answer, sizeof(answer));
	probe.put = "value";
	get.size = 5;
	assert_int_equal(rig_call(rig, q, FUSE_GETXATTR, NODE, &get, 8, "user.k", 7), 0);
	assert_int_equal(rig_data_len(q), 5);
	get.size = 4;
	assert_int_equal(rig_call(rig, q, FUSE_LISTXATTR, NODE, &get, 8, NULL, 0), 0);
	assert_int_equal(probe.put_result, -ERANGE);
	get.size = DECODE_MAX_WRITE + 1;
	assert_int_equal(rig_call(rig, q, FUSE_LISTXATTR, NODE, &get, 8, NULL, 0), -ENOMEM);
	/* The long form, once it was negotiated. */
	renegotiate(FUSE_SETXATTR_EXT | FUSE_POSIX_ACL | FUSE_DONT_MASK);
	set = (struct fuse_setxattr_in){ .size = 3, .setxattr_flags = 1 };
	assert_int_equal(rig_call(rig, q, FUSE_SETXATTR, NODE, &set, 16, "user.k\0val", 10), 0);
	assert_memory_equal(probe.in, &set, sizeof(set));
	assert_int_equal(rig_call(rig, q, FUSE_SETXATTR, NODE, &set, 8, "user.k\0val", 10), -EINVAL);
}

static void test_ioctl(void **state)
{
	struct fuse_ioctl_in in = { .cmd = 1, .in_size = 4, .out_size = 6 };

	(void)state;
	probe.put = "outout";
	assert_int_equal(rig_call(rig, q, FUSE_IOCTL, NODE, &in, sizeof(in), "inin", 4), 0);
	assert_memory_equal(probe.data, "inin", 4);
	assert_int_equal(probe.req.dst_len, 6);
	assert_int_equal(rig_data_len(q), 16 + 6);
	assert_memory_equal((const char *)rig_data(q) + 16, "outout", 6);
	in.in_size = 5;
	assert_int_equal(rig_call(rig, q, FUSE_IOCTL, NODE, &in, sizeof(in), "inin", 4), -EINVAL);
	in.in_size = UINT32_MAX;
	assert_int_equal(rig_call(rig, q, FUSE_IOCTL, NODE, &in, sizeof(in), "inin", 4), -EINVAL);
}

static void test_umask_and_tmpfile(void **state)
{
	struct fuse_create_in create = { .mode = 0666, .umask = 022 };
	struct fuse_mkdir_in mkdir = { .mode = 0777, .umask = 027 };
	struct fuse_mknod_in mknod = { .mode = 0600, .umask = 077 };

	(void)state;
	assert_int_equal(rig_call(rig, q, FUSE_CREATE, NODE, &create, 16, "f", 2), 0);
	assert_int_equal(probe.req.umask, 022);
	assert_int_equal(rig_call(rig, q, FUSE_MKDIR, NODE, &mkdir, 8, "f", 2), 0);
	assert_int_equal(probe.req.umask, 027);
	assert_int_equal(rig_call(rig, q, FUSE_MKNOD, NODE, &mknod, 16, "f", 2), 0);
	assert_int_equal(probe.req.umask, 077);
	assert_int_equal(rig_call(rig, q, FUSE_TMPFILE, NODE, &create, 16, "/", 2), 0);
	assert_int_equal(probe.req.umask, 022);
	assert_null(probe.req.name);
}

static void test_batch_forget(void **state)
{
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one one[3];
	} in = { { 3, 0 }, { { NODE, 1 }, { 0x7fff000000000003, 1 }, { NODE + 1, 9 } } };

	(void)state;
	rig_fill(rig, q, FUSE_BATCH_FORGET, 0, &in, sizeof(in), NULL, 0, 0);
	rig_serve(rig, q);
	rig_wait(q);
	assert_int_equal(q->t.used, 0);
	assert_int_equal(probe.calls, 1);
	/* What names no mount is left out. */
	const struct fuse_forget_one left[] = { { 2, 1 }, { 3, 9 } }; /* the mount's own numbers */
	assert_int_equal(probe.req.data_len, sizeof(left));
	assert_memory_equal(probe.data, left, sizeof(left));
	assert_int_equal(((struct fuse_batch_forget_in *)(void *)probe.in)->count, 2);
	/* Contradictory counts do nothing. */
	static const uint32_t bad[] = { 0, 2, 4, UINT32_MAX, 0x10000003 };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		in.head.count = bad[i];
		rig_fill(rig, q, FUSE_BATCH_FORGET, 0, &in, sizeof(in), NULL, 0, RIG_ROOM);
		rig_serve(rig, q);
		rig_wait(q);
		assert_int_equal(q->t.used, 0);
	}
	assert_int_equal(probe.calls, 1);
}

/* Extensions: builds them into buf, returns the bytes. */
static size_t add_groups(char *buf, uint32_t n, int size_off)
{
	uint32_t head[3] = { 0, FUSE_EXT_GROUPS, n };
	size_t len = (12 + n * 4 + 7) & ~(size_t)7;

	memset(buf, 0, len);
	head[0] = (uint32_t)((int)len + size_off);
	memcpy(buf, head, sizeof(head));
	for (uint32_t i = 0; i < n; i++)
		memcpy(buf + 12 + i * 4, &(uint32_t){ 100 + i }, 4);
	return len;
}

static size_t add_secctx(char *buf, const char *name, const char *value)
{
	size_t name_len = strlen(name) + 1, value_len = strlen(value);
	size_t len = (16 + name_len + value_len + 7) & ~(size_t)7;
	uint32_t head[4] = { (uint32_t)len, 1, (uint32_t)value_len, 0 };

	memset(buf, 0, len);
	memcpy(buf, head, sizeof(head));
	memcpy(buf + 16, name, name_len);
	memcpy(buf + 16 + name_len, value, value_len);
	return len;
}

static int mkdir_with(const char *ext, size_t len)
{
	struct fuse_mkdir_in in = { .mode = 0755 };
	char tail[1024] = "dir";

	memcpy(tail + 4, ext, len);
	return rig_call(rig, q, FUSE_MKDIR, NODE, &in, sizeof(in), tail, 4 + len);
}

static void test_groups(void **state)
{
	char ext[512];

	(void)state;
	renegotiate(FUSE_CREATE_SUPP_GROUP);
	assert_int_equal(mkdir_with(ext, 0), 0);
	assert_int_equal(probe.req.has_groups, 0);
	for (uint32_t n = 0; n < 5; n++) {
		assert_int_equal(mkdir_with(ext, add_groups(ext, n, 0)), 0);
		assert_int_equal(probe.req.has_groups, 1);
		assert_int_equal(probe.req.ngroups, n);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(probe.groups[i], 100 + i);
	}
	probe_reset();
	size_t len = add_groups(ext, 3, 0);
	for (size_t cut = 1; cut < len; cut++)
		assert_int_equal(mkdir_with(ext, cut), -EINVAL);
	for (int off = -24; off <= 24; off++) {
		if (off)
			assert_int_equal(mkdir_with(ext, add_groups(ext, 3, off)), -EINVAL);
	}
	/* Twice, of an unknown kind, more groups than bytes, and a label that was not negotiated. */
	len = add_groups(ext, 1, 0);
	len += add_groups(ext + len, 1, 0);
	assert_int_equal(mkdir_with(ext, len), -EINVAL);
	len = add_groups(ext, 1, 0);
	ext[4] = 33;
	assert_int_equal(mkdir_with(ext, len), -EINVAL);
	len = add_groups(ext, 1, 0);
	memcpy(ext + 8, &(uint32_t){ 65537 }, 4);
	assert_int_equal(mkdir_with(ext, len), -EINVAL);
	memcpy(ext + 8, &(uint32_t){ UINT32_MAX }, 4);
	assert_int_equal(mkdir_with(ext, len), -EINVAL);
	assert_int_equal(mkdir_with(ext, add_secctx(ext, "security.x", "v")), -EINVAL);
	assert_int_equal(probe.calls, 0);
}

static void test_secctx(void **state)
{
	static const char empty[8] = { 8, 0, 0, 0, 0, 0, 0, 0 };
	char ext[512];

	(void)state;
	renegotiate(FUSE_SECURITY_CTX | FUSE_CREATE_SUPP_GROUP);
	assert_int_equal(mkdir_with(ext, add_secctx(ext, "security.selinux", "label")), 0);
	assert_string_equal(probe.secctx_name, "security.selinux");
	assert_int_equal(probe.req.secctx_len, 5);
	assert_memory_equal(probe.secctx, "label", 5);
	assert_int_equal(mkdir_with(empty, 8), 0);
	assert_null(probe.req.secctx_name);
	/* Both kinds, in either order. */
	size_t len = add_secctx(ext, "security.x", "v");
	len += add_groups(ext + len, 2, 0);
	assert_int_equal(mkdir_with(ext, len), 0);
	assert_int_equal(probe.req.ngroups, 2);
	len = add_groups(ext, 2, 0);
	len += add_secctx(ext + len, "security.x", "v");
	assert_int_equal(mkdir_with(ext, len), 0);
	assert_string_equal(probe.secctx_name, "security.x");
	probe_reset();
	/* Missing, twice, two in one, no name, sizes that lie. */
	assert_int_equal(mkdir_with(ext, 0), -EINVAL);
	memcpy(ext, empty, 8);
	memcpy(ext + 8, empty, 8);
	assert_int_equal(mkdir_with(ext, 16), -EINVAL);
	len = add_secctx(ext, "security.x", "v");
	ext[4] = 2;
	assert_int_equal(mkdir_with(ext, len), -EINVAL);
	assert_int_equal(mkdir_with(ext, add_secctx(ext, "", "value")), -EINVAL);
	len = add_secctx(ext, "security.x", "v");
	for (uint32_t size = 0; size < 64; size++) {
		memcpy(ext + 8, &size, 4);
		bool fits = ((16 + 11 + size + 7) & ~7u) == len;
		assert_int_equal(mkdir_with(ext, len), fits ? 0 : -EINVAL);
	}
	probe_reset();
	memcpy(ext + 8, &(uint32_t){ UINT32_MAX - 26 }, 4);
	assert_int_equal(mkdir_with(ext, len), -EINVAL);
	for (size_t cut = 1; cut < len; cut++)
		assert_int_equal(mkdir_with(ext, cut), -EINVAL);
	assert_int_equal(probe.calls, 0);
}

static void test_nodes(void **state)
{
	struct fuse_getattr_in in = { 0 };
	struct fuse_copy_file_range_in copy = { .nodeid_out = 1ull << 48 | 5 };
	uint64_t other = 2ull << 48 | 2, never = 2;

	(void)state;
	assert_int_equal(rig_call(rig, q, FUSE_GETATTR, 0, &in, sizeof(in), NULL, 0), -EBADF);
	assert_int_equal(rig_call(rig, q, FUSE_GETATTR, other, &in, sizeof(in), NULL, 0), -EBADF);
	/* A pseudo directory's number is never given twice, so this one may have been. */
	assert_int_equal(rig_call(rig, q, FUSE_GETATTR, never, &in, sizeof(in), NULL, 0), -ESTALE);
	assert_int_equal(rig_call(rig, q, FUSE_GETATTR, UINT64_MAX, &in, sizeof(in), NULL, 0), -EBADF);
	assert_int_equal(rig_call(rig, q, FUSE_RENAME, NODE, &other, 8, "a\0b", 4), -EBADF);
	assert_int_equal(probe.calls, 0);
	assert_int_equal(rig_call(rig, q, FUSE_COPY_FILE_RANGE, NODE, &copy, sizeof(copy), NULL, 0), 0);
	assert_int_equal(probe.req.node2, 5);
}

static void test_never_served(void **state)
{
	static const uint32_t never[] = { 0,
					  7,
					  19,
					  FUSE_BMAP,
					  FUSE_POLL,
					  FUSE_NOTIFY_REPLY,
					  FUSE_SETUPMAPPING,
					  FUSE_REMOVEMAPPING,
					  FUSE_GETLK,
					  FUSE_SETLK,
					  FUSE_SETLKW,
					  54,
					  4096,
					  UINT32_MAX };
	static unsigned char in[64];

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_int_equal(rig_call(rig, q, never[i], NODE, in, 48, NULL, 0), -ENOSYS);
	assert_int_equal(probe.calls, 0);
	/* Elsewhere a plugin's ENOSYS would be remembered for all mounts. */
	probe.result = -ENOSYS;
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2), -EOPNOTSUPP);
	probe.result = -4000;
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2), -EIO);
	probe.result = 2;
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2), -EIO);
}

static void test_entry_node(void **state)
{
	struct fuse_entry_out out = { .nodeid = 9 };

	(void)state;
	probe.out = &out;
	probe.out_len = sizeof(out);
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, NODE, NULL, 0, "x", 2), 0);
	assert_true(*(const uint64_t *)rig_data(q) == (1ull << 48 | 9));
	out.nodeid = 0;
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, NODE, NULL, 0, "x", 2), 0);
	assert_int_equal(*(const uint64_t *)rig_data(q), 0);
	out.nodeid = 1ull << 48;
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, NODE, NULL, 0, "x", 2), -EIO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_well_formed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_short, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overlong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unterminated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_split, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_symlink_target, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_header, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_header_len_is_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_xattr, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ioctl, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_umask_and_tmpfile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_batch_forget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_secctx, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nodes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_never_served, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_entry_node, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
