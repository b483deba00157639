/* SPDX-License-Identifier: Apache-2.0 */
/* READ and LSEEK over an engine that answers at once, later from another thread, or with errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus-rafs_fixture.h"
#include "nydus-rafs_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fresh(void **state)
{
	struct nrf *f;

	memset(&engine, 0, sizeof(engine));
	if (nrf_new(state) < 0)
		return -1;
	f = *state;
	nrf_set_image(f, "v6-zstd");
	return nrf_start(f);
}

static uint64_t ino_of(struct nrf *f, uint64_t node)
{
	struct fuse_attr a;

	assert_int_equal(nrf_getattr(f, node, &a), 0);
	return a.ino;
}

static void check_bytes(const unsigned char *bytes, uint64_t ino, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != engine_byte(ino, off + i))
			fail_msg("byte %zu differs", i);
}

static void reads_at_hand(void **state)
{
	struct nrf *f = *state;
	uint64_t node = nrf_node(f, "sizes/text-4097"), ino = ino_of(f, node);
	unsigned char buf[8192];

	assert_int_equal(nrf_read(f, node, 0, buf, sizeof(buf)), 4097);
	check_bytes(buf, ino, 0, 4097);
	assert_int_equal(nrf_read(f, node, 4000, buf, 50), 50);
	check_bytes(buf, ino, 4000, 50);
	assert_int_equal(nrf_read(f, node, 4096, buf, 4096), 1);
	assert_int_equal(nrf_read(f, node, 4097, buf, 10), 0);
	assert_int_equal(nrf_read(f, node, INT64_MAX, buf, 10), 0);
	assert_int_equal(nrf_read(f, node, UINT64_MAX, buf, 10), -EINVAL);
	assert_int_equal(nrf_read(f, node, 0, buf, 0), 0);
	assert_int_equal(nrf_read(f, nrf_node(f, "sizes/text-0"), 0, buf, 10), 0);
	assert_int_equal(nrf_read(f, nrf_node(f, "sizes"), 0, buf, 10), -EISDIR);
	assert_int_equal(nrf_read(f, nrf_node(f, "special/char"), 0, buf, 10), -EBADF);
	assert_int_equal(nrf_read(f, nrf_node(f, "links/abs"), 0, buf, 10), -EBADF);
	assert_int_equal(nrf_read(f, UINT64_MAX, 0, buf, 10), -ESTALE);
	assert_true(fake_metric(f->fake, "read-hits") == 3);
	engine.reads = READS_FAIL;
	engine.error = EIO;
	assert_int_equal(nrf_read(f, node, 0, buf, 10), -EIO);
}

static struct fake_req *begin_read(struct nrf *f, uint64_t node, uint64_t off, size_t len)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READ, node);

	fake_in(fr, struct fuse_read_in)->offset = off;
	fake_in(fr, struct fuse_read_in)->size = (uint32_t)len;
	fake_req_dst(fr, len);
	return fr;
}

static void reads_that_wait(void **state)
{
	struct nrf *f = *state;
	uint64_t node = nrf_node(f, "chunks/rand-big"), ino = ino_of(f, node);
	struct fake_req *fr = begin_read(f, node, 299000, 4096);

	engine.reads = READS_WAIT;
	assert_int_equal(fake_start(fr), GRAFT_ASYNC);
	assert_false(fake_completed(fr));
	assert_non_null(atomic_load(&engine.waiting));
	/* The client loses patience: the read goes on all the same, and completes once. */
	assert_true(fake_cancel(fr));
	assert_false(fake_completed(fr));
	engine_finish();
	assert_int_equal(fake_wait(fr), 0);
	assert_int_equal(fr->completed, 1);
	assert_int_equal(fr->req.done, 1001);
	check_bytes(fr->buf, ino, 299000, 1001);
	fake_req_free(fr);
	assert_true(fake_metric(f->fake, "read-misses") == 1);
	/* nothing of it ran on the server's own workers */
	assert_int_equal(atomic_load(&f->fake->deferred), 0);
}

static void reads_that_fail_later(void **state)
{
	struct nrf *f = *state;
	struct fake_req *fr = begin_read(f, nrf_node(f, "chunks/rand-big"), 0, 4096);

	engine.reads = READS_WAIT;
	engine.error = EIO;
	assert_int_equal(fake_start(fr), GRAFT_ASYNC);
	engine_finish();
	assert_int_equal(fake_wait(fr), -EIO);
	assert_int_equal(fr->req.done, 0);
	fake_req_free(fr);

	fr = begin_read(f, nrf_node(f, "chunks/rand-big"), 0, 4096);
	atomic_store(&f->fake->alloc_failures, 1);
	assert_int_equal(fake_start(fr), -ENOMEM);
	assert_null(atomic_load(&engine.waiting));
	fake_req_free(fr);
}

/* More than the engine takes at once is cut: the client asks for the rest. */
static void reads_that_are_too_long(void **state)
{
	struct nrf *f = *state;
	struct fake_req *fr = begin_read(f, nrf_node(f, "chunks/sparse"), 0, READER_READ_MAX + 4096);

	engine.reads = READS_WAIT;
	assert_int_equal(fake_start(fr), GRAFT_ASYNC);
	assert_int_equal(atomic_load(&engine.waiting)->len, READER_READ_MAX);
	assert_int_equal(atomic_load(&engine.waiting)->n, 2);
	engine_finish();
	assert_int_equal(fake_wait(fr), 0);
	assert_int_equal(fr->req.done, 1500000);
	fake_req_free(fr);
}

static int seek(struct nrf *f, uint64_t node, uint64_t off, uint32_t whence, uint64_t *to)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_LSEEK, node);
	int res;

	fake_in(fr, struct fuse_lseek_in)->offset = off;
	fake_in(fr, struct fuse_lseek_in)->whence = whence;
	res = fake_call(fr);
	*to = fake_out(fr, struct fuse_lseek_out)->offset;
	fake_req_free(fr);
	return res;
}

static void check_seeks(struct nrf *f)
{
	uint64_t node = nrf_node(f, "chunks/sparse"), to;

	assert_int_equal(seek(f, node, 5, SEEK_DATA, &to), 0);
	assert_true(to == 5);
	assert_int_equal(seek(f, node, 5, SEEK_HOLE, &to), 0);
	assert_true(to == 1500000);
	assert_int_equal(seek(f, node, 1500000, SEEK_DATA, &to), -ENXIO);
	assert_int_equal(seek(f, node, 1500000, SEEK_HOLE, &to), -ENXIO);
	assert_int_equal(seek(f, node, UINT64_MAX, SEEK_HOLE, &to), -ENXIO);
	assert_int_equal(seek(f, node, 77, SEEK_SET, &to), 0);
	assert_true(to == 77);
	assert_int_equal(seek(f, node, (uint64_t)-1, SEEK_END, &to), 0);
	assert_true(to == 1499999);
	assert_int_equal(seek(f, node, UINT64_MAX, SEEK_SET, &to), -EINVAL);
	assert_int_equal(seek(f, node, 0, 99, &to), -EINVAL);
	assert_int_equal(seek(f, nrf_node(f, "chunks"), 0, SEEK_DATA, &to), -EINVAL);
}

static void seeks(void **state)
{
	struct nrf *f = *state;

	check_seeks(f);
	nrf_stop(f);
	nrf_reset(f);
	nrf_set_image(f, "v5-chunk4k");
	assert_int_equal(nrf_start(f), 0);
	check_seeks(f);
	assert_true(atomic_load(&f->fake->deferred) > 0);
}

/* An image of which chunks 3 and 73, the last, are holes. */
static void write_holes(struct nrf *f, const char *path)
{
	static char bytes[1 << 18];
	int in = open(nrf_image("v5-chunk4k", "boot"), O_RDONLY | O_CLOEXEC), out;
	ssize_t size = read(in, bytes, sizeof(bytes));
	struct rafs_inode inode;

	close(in);
	assert_true(size > 8192);
	nrf_reset(f);
	nrf_set_image(f, "v5-chunk4k");
	assert_int_equal(nrf_start(f), 0);
	assert_int_equal(node_get(f->inst, nrf_node(f, "chunks/rand-big"), &inode), 0);
	nrf_stop(f);
	assert_int_equal(inode.count, 74);
	bytes[inode.data_at + 3 * 80 + 0x24] |= 2;
	bytes[inode.data_at + 73 * 80 + 0x24] |= 2;
	out = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(out, bytes, (size_t)size), size);
	close(out);
}

static void seeks_in_holes(void **state)
{
	static const struct {
		uint64_t off;
		uint32_t whence;
		int res;
		uint64_t to;
	} rows[] = {
		{ 0, SEEK_HOLE, 0, 12288 },       { 12287, SEEK_HOLE, 0, 12288 },   { 12288, SEEK_HOLE, 0, 12288 },
		{ 13000, SEEK_HOLE, 0, 13000 },   { 16384, SEEK_HOLE, 0, 299008 },  { 0, SEEK_DATA, 0, 0 },
		{ 12288, SEEK_DATA, 0, 16384 },   { 16383, SEEK_DATA, 0, 16384 },   { 299007, SEEK_DATA, 0, 299007 },
		{ 299008, SEEK_DATA, -ENXIO, 0 }, { 300000, SEEK_HOLE, 0, 300000 }, { 300001, SEEK_HOLE, -ENXIO, 0 },
	};
	struct nrf *f = *state;
	char path[512];
	uint64_t node, to;

	snprintf(path, sizeof(path), "%s", nrf_path(f, "boot"));
	nrf_stop(f);
	write_holes(f, path);
	nrf_reset(f);
	nrf_set(f, "source", path);
	nrf_set(f, "blob-dir", nrf_image("v5-chunk4k", "blobs"));
	assert_int_equal(nrf_start(f), 0);
	node = nrf_node(f, "chunks/rand-big");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(seek(f, node, rows[i].off, rows[i].whence, &to), rows[i].res);
		if (rows[i].res == 0)
			assert_int_equal(to, rows[i].to);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, nrf_free)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(reads_at_hand),           T(reads_that_wait), T(reads_that_fail_later),
		T(reads_that_are_too_long), T(seeks),           T(seeks_in_holes),
	};

	return cmocka_run_group_tests_name("nydus-rafs-data", tests, NULL, NULL);
}
