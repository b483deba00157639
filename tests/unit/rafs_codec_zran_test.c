/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of gzip random access: files of several members, access points at every block's end with and without bits over,
 * output across members, cut and damaged input.
 */
#include "rafs/codec/codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define PLAIN_MAX 400000
#define PACKED_MAX 600000
#define POINTS_MAX 512
#define WINDOW 32768

static struct codec *codec;
static uint8_t *plain, *packed, *out;
static size_t plain_len, packed_len;

struct point {
	size_t in, out; /* offsets */
	size_t dict;    /* bytes of plain before out that belong to the member */
	uint8_t bits, byte;
	unsigned int member;
};
static struct point points[POINTS_MAX];
static size_t npoints;

static uint32_t next_random(void)
{
	static uint32_t x = 88172645;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Adds a member of len bytes; named: its header has all optional fields. */
static void add_member(size_t len, int level, bool named)
{
	z_stream z = { .zalloc = Z_NULL };
	gz_header header = { .text = 1,
			     .time = 77,
			     .extra = (Bytef *)"extra",
			     .extra_len = 5,
			     .name = (Bytef *)"a name",
			     .comment = (Bytef *)"a comment",
			     .hcrc = 1 };

	assert_true(plain_len + len <= PLAIN_MAX);
	for (size_t i = 0; i < len; i++)
		plain[plain_len + i] = next_random() % 4 ? "some words, "[i % 12] : (uint8_t)next_random();
	/* Little memory level: many blocks. */
	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 31, 3, Z_DEFAULT_STRATEGY), Z_OK);
	if (named)
		deflateSetHeader(&z, &header);
	z.next_in = plain + plain_len;
	z.avail_in = (uInt)len;
	z.next_out = packed + packed_len;
	z.avail_out = (uInt)(PACKED_MAX - packed_len);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	plain_len += len;
	packed_len += z.total_out;
	deflateEnd(&z);
}

static void add_point(const z_stream *z, size_t in, size_t at, size_t member_start, unsigned int member)
{
	struct point *p = &points[npoints++];

	assert_true(npoints <= POINTS_MAX);
	*p = (struct point){
		.in = in,
		.out = at,
		.dict = at - member_start < WINDOW ? at - member_start : WINDOW,
		.bits = (uint8_t)(z->data_type & 7),
		.byte = in ? packed[in - 1] : 0,
		.member = member,
	};
}

/* Access points where an index builder has them: at the end of headers and of all blocks but the last of a member. */
static void find_points(void)
{
	z_stream z = { .next_in = packed, .avail_in = (uInt)packed_len, .next_out = out, .avail_out = PLAIN_MAX };
	size_t start = 0;
	unsigned int member = 0;

	npoints = 0;
	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	while (z.avail_in) {
		int res = inflate(&z, Z_BLOCK);
		size_t at = plain_len - (z.avail_out - (PLAIN_MAX - plain_len));

		if (res == Z_STREAM_END) {
			assert_int_equal(inflateReset2(&z, 31), Z_OK);
			start = at;
			member++;
			continue;
		}
		assert_int_equal(res, Z_OK);
		if ((z.data_type & 128) && !(z.data_type & 64))
			add_point(&z, packed_len - z.avail_in, at, start, member);
	}
	inflateEnd(&z);
	assert_memory_equal(out, plain, plain_len);
}

/* Members: plain, an empty one, one with a full header, stored blocks, fixed codes, empty at the end. */
static int set_up(void **state)
{
	(void)state;
	codec = codec_new();
	plain = malloc(PLAIN_MAX);
	packed = malloc(PACKED_MAX);
	out = malloc(PLAIN_MAX);
	if (!codec || !plain || !packed || !out)
		return -1;
	add_member(150000, 6, false);
	add_member(0, 6, false);
	add_member(60000, 9, true);
	add_member(70000, 0, true);
	add_member(3, 6, false);
	add_member(90000, 1, false);
	add_member(0, 6, true);
	find_points();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	codec_free(codec);
	free(plain);
	free(packed);
	free(out);
	return 0;
}

static struct rafs_zran zran_of(const struct point *p, size_t in_size, size_t out_size)
{
	return (struct rafs_zran){
		.in_off = p->in,
		.out_off = p->out,
		.in_size = (uint32_t)in_size,
		.out_size = (uint32_t)out_size,
		.dict = plain + p->out - p->dict,
		.dict_size = (uint32_t)p->dict,
		.bits = p->bits,
		.byte = p->byte,
	};
}

/* Decodes out_len bytes from in, which is copied so that reading past its end shows. */
static int decode(const struct rafs_zran *z, const uint8_t *in, size_t out_len)
{
	uint8_t *copy = malloc(z->in_size ? z->in_size : 1), *to = malloc(out_len ? out_len : 1);
	int res;

	assert_true(copy && to);
	memcpy(copy, in, z->in_size);
	memset(to, 0xaa, out_len);
	res = codec_zran(codec, z, copy, to, out_len);
	memcpy(out, to, out_len);
	free(copy);
	free(to);
	return res;
}

static void check_range(const struct point *from, size_t in_size, size_t len)
{
	struct rafs_zran z = zran_of(from, in_size, len);

	assert_int_equal(decode(&z, packed + from->in, len), 0);
	assert_memory_equal(out, plain + from->out, len);
}

static void test_points(void **state)
{
	(void)state;
	unsigned int bits = 0, crossing = 0;

	assert_true(npoints > 50);
	for (size_t i = 0; i < npoints; i++) {
		size_t rest = plain_len - points[i].out;

		bits |= 1U << points[i].bits;
		/* To the next points, near ones and some far; then to the end of all, and a beginning. */
		for (size_t j = i + 1; j < npoints; j += 1 + (j - i) / 3 * 7) {
			size_t len = points[j].out - points[i].out;

			crossing += points[j].member > points[i].member;
			if (len)
				check_range(&points[i], points[j].in - points[i].in, len);
		}
		if (rest) {
			check_range(&points[i], packed_len - points[i].in, rest);
			check_range(&points[i], packed_len - points[i].in, 1 + rest / 3);
		}
	}
	/* Blocks ended at each bit of a byte. */
	assert_int_equal(bits, 0xff);
	assert_true(crossing > 20);
}

/* Less output than the access point has. */
static void test_beginning(void **state)
{
	(void)state;
	struct rafs_zran z = zran_of(&points[3], packed_len - points[3].in, plain_len - points[3].out);
	static const size_t lens[] = { 1, 2, 100, 10000, 200000 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		assert_int_equal(decode(&z, packed + points[3].in, lens[i]), 0);
		assert_memory_equal(out, plain + points[3].out, lens[i]);
	}
}

static void test_refused(void **state)
{
	(void)state;
	const struct point *p = &points[5];
	const struct rafs_zran good = zran_of(p, packed_len - p->in, 1000);
	struct rafs_zran z = good;

	assert_int_equal(decode(&z, packed + p->in, 1000), 0);
	assert_int_equal(decode(&z, packed + p->in, 1001), -EIO);
	assert_int_equal(decode(&z, packed + p->in, 0), -EIO);
	z.bits = 8;
	assert_int_equal(decode(&z, packed + p->in, 1000), -EIO);
	z = good;
	z.dict_size = WINDOW + 1;
	assert_int_equal(decode(&z, packed + p->in, 1000), -EIO);
	z = good;
	z.out_size = RAFS_CHUNK_MAX + 1;
	assert_int_equal(decode(&z, packed + p->in, 1000), -EIO);
	z = good;
	z.in_size = 0;
	assert_int_equal(decode(&z, packed + p->in, 1000), -EIO);
	/* No dictionary where the stream refers to it. */
	for (size_t i = 0; i < npoints; i++) {
		z = zran_of(&points[i], packed_len - points[i].in, 2000);
		if (points[i].member == 0 && points[i].dict == WINDOW && points[i].out + 2000 < 150000) {
			z.dict_size = 0;
			z.dict = NULL;
			assert_int_equal(decode(&z, packed + points[i].in, 2000), -EIO);
			return;
		}
	}
	fail();
}

/* The first point of a member. */
static const struct point *first_of(unsigned int member)
{
	size_t i = 0;

	while (points[i].member < member)
		i++;
	return &points[i];
}

/* From the end of member 3 over the small member 4 into member 5, the input cut everywhere in all parts of it. */
static void test_cut(void **state)
{
	(void)state;
	const struct point *from = first_of(4) - 1, *to = first_of(5);
	size_t len = to->out + 5 - from->out, least = 0;

	for (size_t cut = 0; cut <= to->in + 1000 - from->in; cut++) {
		struct rafs_zran z = zran_of(from, cut, len);
		int res = decode(&z, packed + from->in, len);

		if (res == 0) {
			assert_memory_equal(out, plain + from->out, len);
			least = least ? least : cut;
		} else {
			assert_int_equal(res, -EIO);
			assert_int_equal(least, 0);
		}
	}
	assert_true(least > to->in - from->in);
}

static void test_damaged(void **state)
{
	(void)state;
	uint8_t *in = malloc(packed_len);
	size_t bad = 0;

	assert_non_null(in);
	memcpy(in, packed, packed_len);
	for (int turn = 0; turn < 400; turn++) {
		const struct point *p = &points[next_random() % npoints];
		size_t len = plain_len - p->out < 50000 ? plain_len - p->out : 50000;
		struct rafs_zran z = zran_of(p, packed_len - p->in, len);
		size_t at = p->in + next_random() % (packed_len - p->in < 30000 ? packed_len - p->in : 30000);
		int res;

		if (len == 0)
			continue;
		in[at] ^= (uint8_t)(1 + next_random() % 255);
		if (turn % 5 == 0)
			z.bits = (uint8_t)(next_random() % 8);
		res = decode(&z, in + p->in, len);
		assert_true(res == 0 || res == -EIO);
		bad += res != 0;
		in[at] = packed[at];
	}
	assert_true(bad > 50);
	free(in);
	check_range(&points[0], packed_len - points[0].in, plain_len);
}

/* A damaged trailer of a member read whole is found; that of the first is not looked at. */
static void test_trailers(void **state)
{
	(void)state;
	const struct point *small = first_of(4), *before = small - 1, *behind = first_of(5);
	struct rafs_zran z = zran_of(small, packed_len - small->in, plain_len - small->out);
	uint8_t *in = malloc(packed_len);

	assert_non_null(in);
	memcpy(in, packed, packed_len);
	/* Before the next member's header of 10 bytes. */
	in[behind->in - 11] ^= 1;
	assert_int_equal(decode(&z, in + small->in, z.out_size), 0);
	assert_memory_equal(out, plain + small->out, z.out_size);
	z = zran_of(before, packed_len - before->in, plain_len - before->out);
	assert_int_equal(decode(&z, packed + before->in, z.out_size), 0);
	assert_int_equal(decode(&z, in + before->in, z.out_size), -EIO);
	free(in);
}

/* Nothing but empty members: it ends where the input does. */
static void test_empty_members(void **state)
{
	(void)state;
	static const uint8_t empty[20] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0 };
	uint8_t *in = malloc(20 * 1000);
	struct rafs_zran z = { .in_size = 20 * 1000 - 10, .out_size = 100 };

	assert_non_null(in);
	for (size_t i = 0; i < 1000; i++)
		memcpy(in + i * 20, empty, 20);
	assert_int_equal(decode(&z, in + 10, 100), -EIO);
	free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points),        cmocka_unit_test(test_beginning), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut),           cmocka_unit_test(test_damaged),   cmocka_unit_test(test_trailers),
		cmocka_unit_test(test_empty_members),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
