/* SPDX-License-Identifier: Apache-2.0 */
/* Requests against the protocol: each opcode short, overlong, unterminated, contradictory; forged ids; bad names. */
#include "tests/vring/fixture.h"

#include "tests/vring/fuse_samples.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some requests ask for enormous files: they must not fill the host's disk. */
static struct fixture fixture = {
	.config = {.queues = 1, .mount_keys = "xattr = true", .file_size_limit = 64 << 20}};

#define ROOM_MIN 200 /* replies get at least this much room, so that a wrong reply would fit */

/* A directory with a file, both open. */
static void make_nodes(struct fixture *f, struct sample_nodes *n)
{
	struct fuse_entry_out e;

	memset(n, 0, sizeof(*n));
	n->name = "entry";
	n->flags = f->client.flags;
	daemon_remove_tree(f->daemon.share, false);
	assert_int_equal(fuse_mkdir(&f->client, FUSE_ROOT_ID, "dir", 0755, &e), 0);
	n->dir = e.nodeid;
	assert_int_equal(fuse_create(&f->client, n->dir, "file", O_RDWR, 0644, &e, &n->fh), 0);
	n->file = e.nodeid;
	assert_int_equal(fuse_opendir(&f->client, n->dir, &n->dir_fh), 0);
	assert_int_equal(fuse_write(&f->client, n->file, n->fh, "0123456789", 10, 0), 10);
}

/* Sends bytes as they are; the reply's error, or 0. Fails the test for anything against the protocol. */
static int send_bytes(struct fixture *f, const struct sample *s, uint32_t len, const char *what, uint32_t opcode)
{
	uint32_t room = s->room > ROOM_MIN ? s->room : ROOM_MIN;
	struct fuse_op op = {
		.raw = s->bytes, .raw_len = len, .reply_len = room, .data_out = s->data, .no_reply = s->no_reply};
	int res = fuse_call(&f->client, &op);

	if (res == -EBADMSG && opcode == FUSE_DESTROY && f->client.slot->used == 0)
		return 0;
	if (res == -EBADMSG || res == -ETIMEDOUT || res == -EIO)
		fail_msg("opcode %u, %s: result %d, used %u", opcode, what, res, f->client.slot->used);
	return res;
}

static void set_len(struct sample *s, uint32_t len)
{
	memcpy(s->bytes, &len, sizeof(len));
}

/* A session of its own for the opcode, since what is sent may end it. */
static void renew(struct fixture *f, struct sample_nodes *n)
{
	int res, tries = 1000;

	/* Sessions end in the background, and only so many of them may wait for their end. */
	while ((res = fuse_init(&f->client, FIXTURE_INIT)) == -ENFILE && --tries)
		usleep(10000);
	assert_int_equal(res, 0);
	make_nodes(f, n);
}

/* Shorter than its structure or its names: every length from a bare header on is an error. */
static void check_short(struct fixture *f, uint32_t opcode, struct sample_nodes *n)
{
	struct sample s;

	renew(f, n);
	fuse_sample(opcode, n, &s);
	if (opcode == FUSE_INIT)
		return; /* older clients send less of it */
	for (uint32_t len = sizeof(struct fuse_in_header); len < s.len; len++) {
		set_len(&s, len); /* says what it is */
		if (send_bytes(f, &s, len, "cut", opcode) == 0 && !s.no_reply)
			fail_msg("opcode %u of %u bytes instead of %u was served", opcode, len, s.len);
		set_len(&s, s.len); /* says that there is more */
		if (send_bytes(f, &s, len, "cut, header.len too large", opcode) == 0 && !s.no_reply)
			fail_msg("opcode %u with header.len beyond its %u bytes was served", opcode, len);
	}
	fixture_check_alive(f);
}

/* Longer than it should be, by bytes that count and by bytes that do not. */
static void check_long(struct fixture *f, uint32_t opcode, struct sample_nodes *n)
{
	struct sample s;

	renew(f, n);
	fuse_sample(opcode, n, &s);
	uint32_t len = s.len;
	memset(s.bytes + len, 'x', 300);
	send_bytes(f, &s, len + 300, "bytes behind header.len", opcode);
	renew(f, n);
	fuse_sample(opcode, n, &s);
	memset(s.bytes + len, 'x', 300);
	set_len(&s, len + 300);
	send_bytes(f, &s, len + 300, "300 bytes too many", opcode);
}

/* No NUL where a name ends. */
static void check_unterminated(struct fixture *f, uint32_t opcode, struct sample_nodes *n)
{
	struct sample s;

	renew(f, n);
	fuse_sample(opcode, n, &s);
	if (!s.names)
		return;
	memset(s.bytes + s.fixed, 'n', sizeof(s.bytes) - s.fixed);
	for (uint32_t extra = 0; extra < 400; extra += 57) {
		set_len(&s, s.fixed + extra);
		if (send_bytes(f, &s, s.fixed + extra, "unterminated name", opcode) == 0)
			fail_msg("opcode %u with an unterminated name was served", opcode);
	}
	fixture_check_alive(f);
}

/* The structure is all ones, or has one word of it changed to an edge value. */
static void check_contradictory(struct fixture *f, uint32_t opcode, struct sample_nodes *n)
{
	static const uint64_t edges[] = {
		0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 63, UINT64_MAX - 4095, UINT64_MAX};
	struct sample s;

	for (uint32_t at = sizeof(struct fuse_in_header); at + 4 <= sizeof(s.bytes); at += 4) {
		for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
			renew(f, n);
			fuse_sample(opcode, n, &s);
			if (at + 4 > s.fixed)
				return;
			memcpy(s.bytes + at, &edges[i], at + 8 <= s.fixed ? 8 : 4);
			send_bytes(f, &s, s.len, "edge value", opcode);
		}
	}
}

static void for_each_opcode(struct fixture *f, void (*check)(struct fixture *, uint32_t, struct sample_nodes *))
{
	struct sample_nodes n = {.name = "entry"};
	struct sample s;

	fixture_mount(f, FIXTURE_FEATURES);
	for (uint32_t opcode = 0; opcode < GRAFT_OP_COUNT; opcode++)
		if (fuse_sample(opcode, &n, &s))
			check(f, opcode, &n);
	fixture_disconnect(f);
	fixture_check_survived(f);
}

static void test_short(void **state)
{
	for_each_opcode(*state, check_short);
}

static void test_long(void **state)
{
	for_each_opcode(*state, check_long);
}

static void test_unterminated(void **state)
{
	for_each_opcode(*state, check_unterminated);
}

static void test_contradictory(void **state)
{
	for_each_opcode(*state, check_contradictory);
}

/* Opcodes that nobody knows, with bodies of any length. */
static void test_unknown_opcodes(void **state)
{
	static const uint32_t opcodes[] = {0, 7, 19, 37, 40, 41, 48, 49, 54, 55, 100, 4096, 0x7fffffff, 0xffffffff};
	struct fixture *f = *state;
	struct sample s = {.room = 0};

	fixture_mount(f, FIXTURE_FEATURES);
	for (unsigned i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		for (uint32_t len = 40; len < 300; len += 37) {
			struct fuse_in_header h = {.len = len, .opcode = opcodes[i], .nodeid = FUSE_ROOT_ID};
			memcpy(s.bytes, &h, sizeof(h));
			int res = send_bytes(f, &s, len, "unknown", opcodes[i]);
			assert_true(res == -ENOSYS || res == -EINVAL);
		}
	}
	fixture_check_alive(f);
}

/* Node ids and handles that were never given out. */
static void test_forged(void **state)
{
	static const uint64_t nodes[] = {0, 999999, 1ULL << 32, 1ULL << 48, (1ULL << 48) + 2, (2ULL << 48) + 1, 1ULL << 63, UINT64_MAX};
	struct fixture *f = *state;
	struct sample_nodes n = {.name = "entry"}, forged;
	struct sample s;

	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	for (uint32_t opcode = 0; opcode < GRAFT_OP_COUNT; opcode++) {
		if (!fuse_sample(opcode, &n, &s) || s.no_reply || opcode == FUSE_INIT || opcode == FUSE_DESTROY)
			continue;
		for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
			forged = n;
			forged.dir = forged.file = nodes[i];
			fuse_sample(opcode, &forged, &s);
			int res = send_bytes(f, &s, s.len, "forged node", opcode);
			/* A pseudo directory that is gone had such a number. */
			bool gone = res == -ESTALE && nodes[i] >> 48 == 0;
			if (res != -EBADF && res != -ENOSYS && res != -EOPNOTSUPP && res != -EINVAL && !gone)
				fail_msg("opcode %u on node %#llx: %d", opcode, (unsigned long long)nodes[i], res);
		}
	}
	fixture_check_alive(f);
}

static void test_forged_handles(void **state)
{
	static const uint32_t opcodes[] = {FUSE_READ, FUSE_WRITE, FUSE_RELEASE, FUSE_FSYNC, FUSE_FLUSH, FUSE_FALLOCATE,
					   FUSE_LSEEK, FUSE_READDIR, FUSE_READDIRPLUS, FUSE_RELEASEDIR, FUSE_FSYNCDIR,
					   FUSE_COPY_FILE_RANGE};
	static const uint64_t handles[] = {77777, 1ULL << 31, 1ULL << 32, 1ULL << 63, UINT64_MAX};
	struct fixture *f = *state;
	struct sample_nodes n, forged;
	struct fuse_entry_out e;
	uint64_t other_fh;
	struct sample s;

	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	assert_int_equal(fuse_create(&f->client, n.dir, "other", O_RDWR, 0644, &e, &other_fh), 0);
	for (unsigned i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		for (unsigned k = 0; k < sizeof(handles) / sizeof(handles[0]); k++) {
			if (handles[k] == n.fh || handles[k] == n.dir_fh || handles[k] == other_fh)
				continue; /* a good guess */
			forged = n;
			forged.fh = forged.dir_fh = handles[k];
			fuse_sample(opcodes[i], &forged, &s);
			int res = send_bytes(f, &s, s.len, "forged handle", opcodes[i]);
			if (res != -EBADF)
				fail_msg("opcode %u with forged handle %u: %d", opcodes[i], k, res);
		}
		/* A handle of another node. */
		forged = n;
		forged.fh = forged.dir_fh = other_fh;
		fuse_sample(opcodes[i], &forged, &s);
		int res = send_bytes(f, &s, s.len, "another node's handle", opcodes[i]);
		if (!fixture_is_peer(f) || res == -ENOTDIR)
			assert_true(res == -EBADF || res == -ENOTDIR);
	}
	assert_int_equal(fuse_write(&f->client, n.file, n.fh, "x", 1, 0), 1);
	assert_int_equal(fuse_write(&f->client, e.nodeid, other_fh, "x", 1, 0), 1);
	/* Given back twice. */
	assert_int_equal(fuse_release(&f->client, e.nodeid, other_fh), 0);
	assert_int_equal(fuse_release(&f->client, e.nodeid, other_fh), -EBADF);
	assert_int_equal(fuse_write(&f->client, e.nodeid, other_fh, "x", 1, 0), -EBADF);
	fixture_check_alive(f);
}

/* Names that are no names. Whatever the errno, nothing may happen on the host. */
static void check_name(struct fixture *f, const struct sample_nodes *n, const char *name)
{
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e;
	uint64_t fh;

	assert_true(fuse_lookup(c, n->dir, name, &e) < 0);
	assert_true(fuse_mkdir(c, n->dir, name, 0755, &e) < 0);
	assert_true(fuse_mknod(c, n->dir, name, S_IFREG | 0644, 0, &e) < 0);
	assert_true(fuse_symlink(c, n->dir, name, "target", &e) < 0);
	assert_true(fuse_create(c, n->dir, name, O_RDWR, 0644, &e, &fh) < 0);
	assert_true(fuse_link(c, n->file, n->dir, name, &e) < 0);
	assert_true(fuse_unlink(c, n->dir, name) < 0);
	assert_true(fuse_rmdir(c, n->dir, name) < 0);
	assert_true(fuse_rename(c, n->dir, name, n->dir, "moved") < 0);
	assert_true(fuse_rename(c, n->dir, "file", n->dir, name) < 0);
	assert_true(fuse_rename2(c, n->dir, name, n->dir, "moved", 0) < 0);
	assert_true(fuse_rename2(c, n->dir, "file", n->dir, name, 0) < 0);
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	struct sample_nodes n;
	char long_name[300], outside[DAEMON_PATH + 40], absolute[DAEMON_PATH + 50];
	const char *names[] = {"", ".", "..", "/", "a/b", "../x", "../../victim",
			       "../file", "sub/../x", "/tmp", "file/", "./file", absolute};

	if (fixture_is_peer(f))
		skip(); /* it checks no name: this would hit the host */
	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	snprintf(outside, sizeof(outside), "%s/victim", f->daemon.base);
	snprintf(absolute, sizeof(absolute), "%s/made", f->daemon.base);
	int fd = open(outside, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check_name(f, &n, names[i]);
	memset(long_name, 'l', sizeof(long_name));
	long_name[256] = 0;
	check_name(f, &n, long_name);
	assert_int_equal(fuse_mkdir(&f->client, n.dir, long_name, 0755, &(struct fuse_entry_out){.nodeid = 0}),
			 -ENAMETOOLONG);
	assert_int_equal(access(outside, F_OK), 0);
	assert_int_equal(access(absolute, F_OK), -1);
	assert_int_equal(access(fixture_path(f, "x"), F_OK), -1);
	assert_int_equal(access(fixture_path(f, "dir/file"), F_OK), 0);

	/* One that just fits, and odd bytes, are names like any other. */
	struct fuse_entry_out e;
	long_name[255] = 0;
	assert_int_equal(fuse_mkdir(&f->client, n.dir, long_name, 0755, &e), 0);
	assert_int_equal(fuse_mkdir(&f->client, n.dir, "\xff\xfe\n\\ ...", 0755, &e), 0);
	assert_int_equal(fuse_mkdir(&f->client, n.dir, "...", 0755, &e), 0);
	assert_int_equal(access(fixture_path(f, "dir/..."), F_OK), 0);
	unlink(outside);
}

/* A NUL inside a name ends it; what follows must not be taken for something else. */
static void test_nul_in_name(void **state)
{
	struct fixture *f = *state;
	struct sample_nodes n;
	struct sample s;

	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	struct fuse_in_header h = {.len = 40 + 10, .opcode = FUSE_UNLINK, .nodeid = n.dir};
	memset(&s, 0, sizeof(s));
	memcpy(s.bytes, &h, sizeof(h));
	memcpy(s.bytes + 40, "file\0junk\0", 10);
	int res = send_bytes(f, &s, 50, "NUL in a name", FUSE_UNLINK);
	/* Either refused, or the name before the NUL was meant. */
	assert_int_equal(access(fixture_path(f, "dir/file"), F_OK), res == 0 ? -1 : 0);
	fixture_check_alive(f);
}

/* A READ fills `size` bytes, whatever room there is. */
static void test_read_canary(void **state)
{
	static const uint32_t sizes[] = {0, 1, 10, 4095, 4096, 5000};
	struct fixture *f = *state;
	struct sample_nodes n;
	unsigned char block[8192];

	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	memset(block, 'd', sizeof(block));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fuse_write(&f->client, n.file, n.fh, block, sizeof(block), i * sizeof(block)),
				 sizeof(block));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fuse_read_in in = {.fh = n.fh, .size = sizes[i]};
		struct fuse_op op = {.opcode = FUSE_READ,
				     .node = n.file,
				     .arg = {{.bytes = &in, .len = sizeof(in)}},
				     .nargs = 1,
				     .data_out = 20000};
		unsigned char *data = fuse_data(&f->client, f->client.slot);

		if (fixture_is_peer(f))
			continue; /* it fails these with EIO */
		for (unsigned paged = 0; paged < 2; paged++) {
			f->client.page_data = paged;
			memset(data, 0xa5, 20000);
			assert_int_equal(fuse_call(&f->client, &op), 0);
			assert_int_equal(f->client.slot->len, sizes[i]);
			for (uint32_t k = 0; k < 20000; k++)
				assert_int_equal(data[k], k < sizes[i] ? 'd' : 0xa5);
		}
	}
}

/* A WRITE stores `size` bytes, whatever came along. */
static void test_write_excess(void **state)
{
	struct fixture *f = *state;
	struct sample_nodes n;
	struct fuse_attr_out attr;

	if (fixture_is_peer(f))
		skip(); /* it stores all of it */
	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	for (uint32_t size = 0; size < 9000; size += 1499) {
		struct fuse_write_in in = {.fh = n.fh, .size = size};
		struct fuse_op op = {.opcode = FUSE_WRITE,
				     .node = n.file,
				     .arg = {{.bytes = &in, .len = sizeof(in)}},
				     .nargs = 1,
				     .data_in = 10000,
				     .reply_len = sizeof(struct fuse_write_out)};
		assert_int_equal(fuse_truncate(&f->client, n.file, 0), 0);
		int res = fuse_call(&f->client, &op);
		struct fuse_write_out out;
		memcpy(&out, fuse_reply(&f->client, f->client.slot), sizeof(out));
		if (res == 0)
			assert_int_equal(out.size, size);
		assert_int_equal(fuse_getattr(&f->client, n.file, &attr), 0);
		assert_true(attr.attr.size == (res == 0 ? size : 0));
		/* Less data than `size` says is an error, and nothing is stored that was not sent. */
		in.size = 10001;
		assert_int_equal(fuse_truncate(&f->client, n.file, 0), 0);
		assert_true(fuse_call(&f->client, &op) < 0);
		assert_int_equal(fuse_getattr(&f->client, n.file, &attr), 0);
		assert_true(attr.attr.size <= 10000);
	}
}

static void test_large_offsets(void **state)
{
	static const uint64_t offsets[] = {1ULL << 63, (1ULL << 63) + 1, UINT64_MAX, UINT64_MAX - 4095, INT64_MAX};
	struct fixture *f = *state;
	struct sample_nodes n;
	char block[4096] = {0};

	if (fixture_is_peer(f))
		skip(); /* it dies */
	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		ssize_t n_read = fuse_read(&f->client, n.file, n.fh, block, sizeof(block), offsets[i]);
		assert_true(n_read == -EINVAL || (n_read == 0 && offsets[i] <= INT64_MAX));
		assert_true(fuse_write(&f->client, n.file, n.fh, block, sizeof(block), offsets[i]) < 0);
		assert_true(fuse_fallocate(&f->client, n.file, n.fh, 0, offsets[i], 4096) < 0);
		assert_true(fuse_truncate(&f->client, n.file, offsets[i]) < 0 || offsets[i] == INT64_MAX);
		uint64_t at;
		assert_true(fuse_lseek(&f->client, n.file, n.fh, offsets[i], SEEK_DATA, &at) < 0);
		fuse_readdir(&f->client, n.dir, n.dir_fh, offsets[i], 4096);
		fuse_readdirplus(&f->client, n.dir, n.dir_fh, offsets[i], 4096);
	}
	fixture_check_alive(f);
}

/* Sizes that fit no reply buffer or no sane request. */
static void test_large_sizes(void **state)
{
	static const uint32_t opcodes[] = {FUSE_READ, FUSE_READDIR, FUSE_READDIRPLUS, FUSE_GETXATTR, FUSE_LISTXATTR};
	static const uint32_t sizes[] = {4097, 1 << 20, (1 << 20) + 1, 1 << 30, 0x7fffffff, 0xffffffff};
	struct fixture *f = *state;
	struct sample_nodes n;
	struct sample s;

	fixture_mount(f, FIXTURE_FEATURES);
	make_nodes(f, &n);
	for (unsigned i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			fuse_sample(opcodes[i], &n, &s);
			uint32_t at = (uint32_t)sizeof(struct fuse_in_header);
			if (opcodes[i] != FUSE_GETXATTR && opcodes[i] != FUSE_LISTXATTR)
				at += offsetof(struct fuse_read_in, size);
			memcpy(s.bytes + at, &sizes[k], 4);
			send_bytes(f, &s, s.len, "large size", opcodes[i]);
		}
	}
	fixture_check_alive(f);
}

/* Every opcode before INIT, and after DESTROY. */
static void check_no_session(struct fixture *f)
{
	struct sample_nodes n = {.dir = FUSE_ROOT_ID, .file = FUSE_ROOT_ID, .name = "entry"};
	struct sample s;

	for (uint32_t opcode = 1; opcode < GRAFT_OP_COUNT; opcode++) {
		if (!fuse_sample(opcode, &n, &s) || opcode == FUSE_INIT || opcode == FUSE_DESTROY)
			continue;
		int res = send_bytes(f, &s, s.len, "without a session", opcode);
		if (!s.no_reply && res != -EBADF && res != -ENOSYS && !fixture_is_peer(f))
			fail_msg("opcode %u without a session: %d", opcode, res);
	}
}

static void test_no_session(void **state)
{
	struct fixture *f = *state;

	fixture_connect(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 1, 0), 0);
	f->mounted = true;
	check_no_session(f);
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
	fixture_check_alive(f);
	assert_int_equal(fuse_destroy(&f->client), 0);
	check_no_session(f);
	assert_int_equal(fuse_destroy(&f->client), 0);
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
	fixture_check_alive(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_short, &fixture),	    FIXTURE_TEST(test_long, &fixture),
		FIXTURE_TEST(test_unterminated, &fixture),  FIXTURE_TEST(test_contradictory, &fixture),
		FIXTURE_TEST(test_unknown_opcodes, &fixture), FIXTURE_TEST(test_forged, &fixture),
		FIXTURE_TEST(test_forged_handles, &fixture), FIXTURE_TEST(test_names, &fixture),
		FIXTURE_TEST(test_nul_in_name, &fixture),   FIXTURE_TEST(test_read_canary, &fixture),
		FIXTURE_TEST(test_write_excess, &fixture),  FIXTURE_TEST(test_large_offsets, &fixture),
		FIXTURE_TEST(test_large_sizes, &fixture),   FIXTURE_TEST(test_no_session, &fixture),
	};

	return fixture_run("vring/fuse_bad", tests, sizeof(tests) / sizeof(tests[0]), &fixture);
}
