/* SPDX-License-Identifier: Apache-2.0 */
/* Chunk tables that lie: every rule of the blob table's entry, the header, entries of both forms, and contexts. */
#include "rafs_blob_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_ROOM 8192 /* bytes of the largest table made here */
#define MAGIC      UINT32_C(0xb10bb10b)

/* A table under construction: its bytes as a cached file has them, and the blob table entry it belongs to. */
struct made {
	struct rafs_blob_info info;
	unsigned char bytes[TABLE_ROOM];
	unsigned char *header;
	size_t len;
};

static void make(struct made *m, uint32_t features, uint32_t count, uint32_t contexts, uint32_t dicts)
{
	bool v2 = features & RAFS_BLOB_CHUNK_INFO_V2;
	uint32_t entries = count * (v2 ? 24 : 16), more = contexts * 40 + dicts;

	memset(m, 0, sizeof(*m));
	m->info = (struct rafs_blob_info){
		.id = "blob-of-this-test",
		.meta_id = "blob-of-this-test",
		.version = 6,
		.chunk_size = 0x10000,
		.chunk_count = count,
		.compressor = RAFS_ZSTD,
		.features = features,
		.c_size = 100000,
		.u_size = 0x20000 + 10,
		.data_end = 90000,
		.ci_compressor = RAFS_NONE,
		.ci_offset = 90000,
		.ci_c_size = entries + more,
		.ci_u_size = entries + more,
	};
	m->header = m->bytes + ((entries + more + 4095u) & ~4095u);
	m->len = (size_t)(m->header - m->bytes) + 4096;
	put_u32(m->header, MAGIC);
	put_u32(m->header + 4, features);
	put_u32(m->header + 0xc, count);
	put_u64(m->header + 0x10, 90000);
	put_u64(m->header + 0x18, entries + more);
	put_u64(m->header + 0x20, entries + more);
	if (more) {
		put_u64(m->header + 0x28, entries);
		put_u64(m->header + 0x30, more);
		put_u32(m->header + 0x38, contexts);
	}
	put_u32(m->header + 0xffc, MAGIC);
}

static void put_v1(struct made *m, uint32_t i, uint64_t c_off, uint32_t c_size, uint64_t u_off, uint32_t u_size)
{
	uint64_t c = c_size - 1, u = u_size - 1;

	put_u64(m->bytes + i * 16, u_off | (u >> 20 & 0xf) << 8 | u << 44);
	put_u64(m->bytes + i * 16 + 8, c_off | (c >> 20 & 0xf) << 40 | c << 44);
}

static void put_v2(struct made *m, uint32_t i, const struct rafs_chunk *c, uint32_t flags)
{
	uint64_t data = flags & 6 ? (uint64_t)c->context << 32 | c->at : c->crc;

	put_u64(m->bytes + i * 24, c->u_off >> 12 | (uint64_t)(c->u_size - 1) << 32 | (uint64_t)flags << 56);
	put_u64(m->bytes + i * 24 + 8, c->c_off | (uint64_t)c->c_size << 40);
	put_u64(m->bytes + i * 24 + 16, data);
}

static int try_table(struct made *m, struct graft_error *err)
{
	struct mapping map = rig_map(m->bytes, m->len);
	struct chunk_table *t = NULL;
	int res = chunk_table_from(&t, &m->info, &map, NULL, err);

	if (!res)
		chunk_table_close(t);
	return res;
}

/* -EUCLEAN, with a text that names the blob and says what. */
static void expect_refused(struct made *m, const char *what)
{
	struct graft_error err = { 0 };

	assert_int_equal(try_table(m, &err), -EUCLEAN);
	if (!strstr(err.text, m->info.id) || !strstr(err.text, what))
		fail_msg("%s: \"%s\" not in the text", err.text, what);
}

static struct chunk_table *expect_taken(struct made *m)
{
	struct graft_error err = { 0 };
	struct mapping map = rig_map(m->bytes, m->len);
	struct chunk_table *t = NULL;

	if (chunk_table_from(&t, &m->info, &map, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return t;
}

static void test_header_fields(void **state)
{
	static const struct {
		unsigned int at, flip;
		const char *what;
	} fields[] = {
		{ 0, 1, "magic" },
		{ 0xffc, 1, "second magic" },
		{ 4, RAFS_BLOB_CHUNK_INFO_V2, "features" },
		{ 4, RAFS_BLOB_ZRAN, "features" },
		{ 4, RAFS_BLOB_BATCH, "features" },
		{ 8, RAFS_ZSTD, "compressor" },
		{ 0xc, 1, "number of chunks" },
		{ 0xf, 0x80, "number of chunks" },
		{ 0x10, 1, "offset" },
		{ 0x17, 0x80, "offset" },
		{ 0x18, 1, "stored size" },
		{ 0x20, 1, "size" },
		{ 0x27, 0x80, "size" },
	};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		make(&m, RAFS_BLOB_ALIGNED, 2, 0, 0);
		chunk_table_close(expect_taken(&m));
		m.header[fields[i].at] ^= (unsigned char)fields[i].flip;
		expect_refused(&m, fields[i].what);
	}
	/* A merged image's entry has lost a feature that the blob's own header keeps (reference 3.2). */
	make(&m, RAFS_BLOB_ALIGNED, 2, 0, 0);
	m.header[4] ^= RAFS_BLOB_INLINED_META;
	chunk_table_close(expect_taken(&m));
}

static void test_context_fields(void **state)
{
	static const struct {
		unsigned int at;
		uint64_t value;
		const char *what;
	} fields[] = {
		{ 0x28, 24, "contexts outside" },
		{ 0x28, 72, "contexts outside" },
		{ 0x28, UINT64_MAX - 7, "contexts outside" },
		{ 0x30, 81, "contexts outside" },
		{ 0x30, UINT64_MAX, "contexts outside" },
		{ 0x30, 79, "number of contexts" },
		{ 0x38, 3, "number of contexts" },
		{ 0x38, UINT32_MAX, "number of contexts" },
	};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		make(&m, RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_BATCH, 2, 2, 0);
		chunk_table_close(expect_taken(&m));
		if (fields[i].at == 0x38)
			put_u32(m.header + 0x38, (uint32_t)fields[i].value);
		else
			put_u64(m.header + fields[i].at, fields[i].value);
		expect_refused(&m, fields[i].what);
	}
	/* No more contexts than chunks. */
	make(&m, RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_BATCH, 1, 2, 0);
	expect_refused(&m, "number of contexts");
}

static void test_blob_table_sizes(void **state)
{
	struct made m;

	(void)state;
#define REFUSED(features, count, contexts, change, what)                                                               \
	do {                                                                                                           \
		make(&m, (features), (count), (contexts), 0);                                                          \
		change;                                                                                                \
		expect_refused(&m, (what));                                                                            \
	} while (0)
	REFUSED(RAFS_BLOB_ALIGNED, 2, 0, m.info.version = 5, "has none");
	REFUSED(RAFS_BLOB_TARFS, 2, 0, (void)0, "has none");
	REFUSED(RAFS_BLOB_ENCRYPTED, 2, 0, (void)0, "without it");
	REFUSED(RAFS_BLOB_BATCH, 2, 0, (void)0, "without it");
	REFUSED(RAFS_BLOB_ZRAN, 2, 0, (void)0, "without it");
	REFUSED(RAFS_BLOB_ZRAN | RAFS_BLOB_BATCH | RAFS_BLOB_CHUNK_INFO_V2, 2, 0, (void)0, "both");
	REFUSED(0, 2, 0, m.info.chunk_count = 0, "chunk count");
	REFUSED(0, 2, 0, m.info.chunk_count = RAFS_CHUNKS_MAX + 1, "chunk count");
	REFUSED(0, 2, 0, m.info.ci_u_size = 0, "sizes");
	REFUSED(0, 2, 0, m.info.ci_u_size = UINT64_MAX, "sizes");
	REFUSED(0, 2, 0, m.info.ci_c_size = 33, "sizes");
	REFUSED(0, 2, 0, m.info.ci_u_size = 48, "another size");
	REFUSED(RAFS_BLOB_CHUNK_INFO_V2, 2, 0, (m.info.ci_u_size = 88, m.info.ci_c_size = 88), "another size");
	REFUSED(RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_BATCH, 2, 1, (m.info.ci_u_size = 47, m.info.ci_c_size = 47),
		"another size");
	REFUSED(RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_BATCH, 2, 1,
		(m.info.ci_u_size = 1 << 28, m.info.ci_c_size = 1 << 28), "another size");
	REFUSED(0, 2, 0, m.info.ci_c_size = 31, "packed size");
	/* 384 MiB out of 100 KiB */
	REFUSED(RAFS_BLOB_CHUNK_INFO_V2, 2, 0,
		(m.info.chunk_count = RAFS_CHUNKS_MAX, m.info.ci_u_size = RAFS_CHUNKS_MAX * UINT64_C(24),
		 m.info.ci_c_size = 100 << 10, m.info.ci_compressor = RAFS_ZSTD),
		"packed size");
	REFUSED(0, 2, 0, m.len--, "a file of");
#undef REFUSED
}

/* A generated dictionary names some of a blob's chunks, and everything else is checked like the rest. */
static void test_generated_dictionary(void **state)
{
	struct made m;

	(void)state;
	make(&m, RAFS_BLOB_DICT_GENERATED, 3, 0, 0);
	m.info.chunk_count = 2;
	struct chunk_table *t = expect_taken(&m);
	assert_int_equal(chunk_table_count(t), 3);
	chunk_table_close(t);
	put_u32(m.header + 0xc, 4);
	expect_refused(&m, "number of chunks for its size");
	put_u32(m.header + 0xc, 0);
	expect_refused(&m, "number of chunks");
	put_u32(m.header + 0xc, RAFS_CHUNKS_MAX + 1);
	expect_refused(&m, "number of chunks");
}

static void test_v1_entries(void **state)
{
	static const struct {
		uint64_t c_off;
		uint32_t c_size;
		uint64_t u_off;
		uint32_t u_size;
		int res;
	} entries[] = {
		{ 0, 10, 0, 20, 0 },
		{ 89999, 1, 0, 1, 0 },
		{ 89999, 2, 0, 1, -EUCLEAN }, /* beyond the data */
		{ 90000, 1, 0, 1, -EUCLEAN },
		{ 0xffffffffff, 1, 0, 1, -EUCLEAN },
		{ 0, 5, 0x20000, 4096, 0 }, /* up to the end, rounded */
		{ 0, 5, 0x20000, 4097, -EUCLEAN },
		{ 0, 5, 0x21000, 1, -EUCLEAN },
		{ 0, 5, 0xffffffff000, 1, -EUCLEAN },
		{ 0, 0x1000000, 0, 5, -EUCLEAN },
		{ 0, 5, 0, 0x1000000, -EUCLEAN },
	};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct rafs_chunk c;

		make(&m, RAFS_BLOB_ALIGNED, 2, 0, 0);
		put_v1(&m, 1, entries[i].c_off, entries[i].c_size, entries[i].u_off, entries[i].u_size);
		struct chunk_table *t = expect_taken(&m);
		assert_int_equal(chunk_table_get(t, 1, &c), entries[i].res);
		if (!entries[i].res) {
			assert_int_equal(c.c_off, entries[i].c_off);
			assert_int_equal(c.c_size, entries[i].c_size);
			assert_int_equal(c.u_off, entries[i].u_off);
			assert_int_equal(c.u_size, entries[i].u_size);
			assert_int_equal(c.flags, c.c_size != c.u_size ? RAFS_CHUNK_COMPRESSED : 0);
		}
		chunk_table_close(t);
	}
}

/* The widest sizes: 24 bits, each less one. */
static void test_v1_wide(void **state)
{
	struct rafs_chunk c;
	struct made m;

	(void)state;
	make(&m, RAFS_BLOB_ALIGNED, 1, 0, 0);
	m.info.data_end = UINT64_C(1) << 40;
	m.info.u_size = UINT64_C(1) << 44;
	put_v1(&m, 0, 0xabcdef0123, 0xfedcba, 0xfedcba98000, 0x1000000);
	struct chunk_table *t = expect_taken(&m);
	assert_int_equal(chunk_table_get(t, 0, &c), 0);
	assert_int_equal(c.c_off, 0xabcdef0123);
	assert_int_equal(c.c_size, 0xfedcba);
	assert_int_equal(c.u_off, 0xfedcba98000);
	assert_int_equal(c.u_size, 0x1000000);
	chunk_table_close(t);
}

enum { C = 1, Z = 2, B = 4, E = 8, CRC = 16 }; /* flags as stored */

static void test_v2_entries(void **state)
{
	static const uint32_t plain = RAFS_BLOB_CHUNK_INFO_V2, enc = RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_ENCRYPTED;
	static const struct {
		struct rafs_chunk c;
		uint32_t flags, features;
		int res;
	} entries[] = {
		{ { .c_size = 10, .u_size = 20 }, C, plain, 0 },
		{ { .c_size = 10, .u_size = 20, .crc = 77 }, C | CRC, plain, 0 },
		{ { .c_size = 10, .u_size = 20, .crc = 0 }, C | CRC, plain, 0 }, /* one honest chunk in 2^32 */
		{ { .c_size = 20, .u_size = 20 }, 0, plain, 0 },
		{ { .c_size = 10, .u_size = 20 }, 0, plain, -EUCLEAN },
		{ { .c_size = 0, .u_size = 20 }, C, plain, -EUCLEAN },
		{ { .c_size = 0, .u_size = 20 }, C, plain | RAFS_BLOB_SEPARATE, -EUCLEAN },
		{ { .c_size = 10, .u_size = 20 }, C | 0x20, plain, -EUCLEAN },
		{ { .c_size = 10, .u_size = 20 }, C | 0x80, plain, -EUCLEAN },
		{ { .c_size = 10, .u_size = 20 }, C | E, plain, -EUCLEAN },
		{ { .c_size = 10, .u_size = 20 }, C | B, plain, -EUCLEAN },
		{ { .c_size = 10, .u_size = 20 }, C | Z, plain, -EUCLEAN },
		{ { .c_size = 10, .u_size = 20 }, C | E, enc, 0 },
		{ { .c_size = 20, .u_size = 20 }, E, enc, 0 },
		{ { .c_size = 18, .u_size = 15 }, E, enc, 0 }, /* padded */
		{ { .c_size = 18, .u_size = 16 }, E, enc, -EUCLEAN },
		{ { .c_size = 18, .u_size = 15 }, 0, enc, -EUCLEAN },
		{ { .c_size = 90001, .u_size = 20 }, C, plain, -EUCLEAN },
		{ { .c_off = 89990, .c_size = 10, .u_size = 20 }, C, plain, 0 },
		{ { .c_off = 89990, .c_size = 11, .u_size = 20 }, C, plain, -EUCLEAN },
		{ { .c_off = 0xffffffffff, .c_size = 0xffffff, .u_size = 20 }, C, plain, -EUCLEAN },
		{ { .c_size = 10, .u_off = 0x20000, .u_size = 4096 }, C, plain, 0 },
		{ { .c_size = 10, .u_off = 0x20000, .u_size = 4097 }, C, plain, -EUCLEAN },
		{ { .c_size = 10, .u_off = 0xffffffff000, .u_size = 20 }, C, plain, -EUCLEAN },
	};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct rafs_chunk c;

		make(&m, entries[i].features, 1, 0, 0);
		put_v2(&m, 0, &entries[i].c, entries[i].flags);
		struct chunk_table *t = expect_taken(&m);
		int res = chunk_table_get(t, 0, &c);
		if (res != entries[i].res)
			fail_msg("entry %zu: %d", i, res);
		if (!res) {
			assert_int_equal(c.c_size, entries[i].c.c_size);
			assert_int_equal(c.u_size, entries[i].c.u_size);
			assert_int_equal(c.crc, entries[i].c.crc);
			assert_int_equal(!!(c.flags & RAFS_CHUNK_CRC), !!(entries[i].flags & CRC));
			assert_int_equal(!!(c.flags & RAFS_CHUNK_ENCRYPTED), !!(entries[i].flags & E));
			assert_int_equal(!!(c.flags & RAFS_CHUNK_COMPRESSED), !!(entries[i].flags & C));
		}
		chunk_table_close(t);
	}
}

static void test_batches(void **state)
{
	static const uint32_t batch = RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_BATCH, enc = batch | RAFS_BLOB_ENCRYPTED;
	static const struct {
		uint32_t c_size, u_size, features;
		struct rafs_chunk c;
		uint32_t flags;
		int res;
	} cases[] = {
		{ 50, 100, batch, { .u_size = 100 }, C | B, 0 },
		{ 50, 100, batch, { .u_size = 20, .at = 80 }, C | B, 0 },
		{ 50, 100, batch, { .u_size = 21, .at = 80 }, C | B, -EUCLEAN },
		{ 50, 100, batch, { .u_size = 20, .at = UINT32_MAX }, C | B, -EUCLEAN },
		{ 50, 100, batch, { .u_size = 20, .context = 1 }, C | B, -EUCLEAN },
		{ 50, 100, batch, { .u_size = 20, .context = UINT32_MAX }, C | B, -EUCLEAN },
		{ 50, 100, batch, { .u_size = 20 }, C | B | Z, -EUCLEAN },
		{ 50, 100, batch, { .u_size = 20 }, C | B | CRC, -EUCLEAN },
		{ 100, 100, batch, { .u_size = 20 }, C | B, 0 },
		{ 101, 100, batch, { .u_size = 20 }, C | B, -EUCLEAN },
		{ 0, 100, batch, { .u_size = 20 }, C | B, -EUCLEAN },
		{ 50, 0, batch, { .u_size = 20 }, C | B, -EUCLEAN },
		{ 50, 0x1000001, batch, { .u_size = 20 }, C | B, -EUCLEAN },
		{ 50, UINT32_MAX, batch, { .u_size = 20 }, C | B, -EUCLEAN },
		{ 50, 100, batch, { .c_off = 89950, .u_size = 20 }, C | B, 0 },
		{ 50, 100, batch, { .c_off = 89951, .u_size = 20 }, C | B, -EUCLEAN },
		{ 18, 15, enc, { .u_size = 15 }, C | B | E, 0 }, /* the reference refuses this one */
		{ 18, 16, enc, { .u_size = 15 }, C | B | E, -EUCLEAN },
		{ 18, 15, batch, { .u_size = 15 }, C | B, -EUCLEAN },
	};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rafs_chunk c;
		struct rafs_batch b;

		make(&m, cases[i].features, 1, 1, 0);
		put_v2(&m, 0, &cases[i].c, cases[i].flags);
		put_u32(m.bytes + 24, cases[i].c_size);
		put_u32(m.bytes + 28, cases[i].u_size);
		struct chunk_table *t = expect_taken(&m);
		int res = chunk_table_get(t, 0, &c);
		if (res != cases[i].res)
			fail_msg("batch %zu: %d", i, res);
		if (!res) {
			assert_true(c.flags & RAFS_CHUNK_BATCH);
			assert_int_equal(c.at, cases[i].c.at);
			assert_int_equal(chunk_table_batch(t, &c, &b), 0);
			assert_int_equal(b.c_off, cases[i].c.c_off);
			assert_int_equal(b.c_size, cases[i].c_size);
			assert_int_equal(b.u_size, cases[i].u_size);
		}
		c.context = 1;
		assert_int_equal(chunk_table_batch(t, &c, &b), -ENOENT);
		struct rafs_zran z;
		assert_int_equal(chunk_table_zran(t, 0, &z), -EUCLEAN);
		chunk_table_close(t);
	}
}

struct zran_case {
	uint64_t in_off, out_off, dict;
	uint32_t in_size, out_size, dict_size;
	unsigned char bits;
	uint32_t at, u_size;
	int res;
};

static void test_zran(void **state)
{
	static const struct zran_case cases[] = {
		{ 100, 0, 0, 50, 500, 64, 7, 0, 500, 0 },
		{ 100, 0, 0, 50, 500, 64, 0, 480, 20, 0 },
		{ 100, 0, 0, 50, 500, 64, 0, 481, 20, -EUCLEAN },
		{ 100, 0, 0, 50, 500, 64, 0, UINT32_MAX, 20, -EUCLEAN },
		{ 100, 0, 0, 50, 500, 64, 8, 0, 20, -EUCLEAN },
		{ 100, 0, 1, 50, 500, 64, 0, 0, 20, -EUCLEAN },
		{ 100, 0, UINT64_MAX, 50, 500, 64, 0, 0, 20, -EUCLEAN },
		{ 100, 0, 64, 50, 500, 0, 0, 0, 20, 0 },
		{ 100, 0, 0, 50, 500, 32769, 0, 0, 20, -EUCLEAN },
		{ 100, 0, 0, 0, 500, 64, 0, 0, 20, -EUCLEAN },
		{ 100, 0, 0, 50, 0, 64, 0, 0, 20, -EUCLEAN },
		{ 100, 0, 0, 50, 0x1000001, 64, 0, 0, 20, -EUCLEAN },
		{ 100, 0, 0, 0x1000001, 500, 64, 0, 0, 20, -EUCLEAN },
		{ 89950, 0, 0, 50, 500, 64, 0, 0, 20, 0 },
		{ 89951, 0, 0, 50, 500, 64, 0, 0, 20, -EUCLEAN },
		{ UINT64_MAX, 0, 0, 50, 500, 64, 0, 0, 20, -EUCLEAN },
		{ 100, UINT64_MAX - 10, 0, 50, 500, 64, 0, 0, 20, -EUCLEAN },
	};
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct zran_case *k = &cases[i];
		struct rafs_chunk want = { .u_size = k->u_size, .at = k->at }, c;
		unsigned char *e = m.bytes + 24;
		struct rafs_zran z;

		make(&m, RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_ZRAN | RAFS_BLOB_SEPARATE, 1, 1, 64);
		put_v2(&m, 0, &want, C | Z);
		put_u64(e, k->in_off);
		put_u64(e + 8, k->out_off);
		put_u64(e + 16, k->dict);
		put_u32(e + 24, k->in_size);
		put_u32(e + 28, k->out_size);
		put_u32(e + 32, k->dict_size);
		e[36] = 0xa5;
		e[37] = k->bits;
		memset(e + 40, 'd', 64);
		struct chunk_table *t = expect_taken(&m);
		int res = chunk_table_get(t, 0, &c);
		if (res != k->res)
			fail_msg("context %zu: %d", i, res);
		if (!res) {
			assert_int_equal(chunk_table_zran(t, c.context, &z), 0);
			assert_int_equal(z.in_off, k->in_off);
			assert_int_equal(z.in_size, k->in_size);
			assert_int_equal(z.out_size, k->out_size);
			assert_int_equal(z.bits, k->bits);
			assert_int_equal(z.byte, 0xa5);
			for (uint32_t d = 0; d < z.dict_size; d++)
				assert_int_equal(z.dict[d], 'd');
		}
		assert_int_equal(chunk_table_zran(t, 1, &z), -ENOENT);
		struct rafs_batch b;
		assert_int_equal(chunk_table_batch(t, &c, &b), -EUCLEAN);
		chunk_table_close(t);
	}
}

static void test_digest_array(void **state)
{
	struct graft_error err = { 0 };
	struct chunk_table *t = NULL;
	struct rafs_chunk c;
	unsigned char digests[96];
	struct made m;

	(void)state;
	make(&m, RAFS_BLOB_ALIGNED, 2, 0, 0);
	memset(digests, 1, 32);
	memset(digests + 32, 2, 64);
	struct mapping map = rig_map(m.bytes, m.len), array = rig_map(digests, 64);
	assert_int_equal(chunk_table_from(&t, &m.info, &map, &array, &err), 0);
	assert_true(chunk_table_has_digests(t));
	assert_int_equal(chunk_table_get(t, 1, &c), 0);
	assert_true(c.flags & RAFS_CHUNK_DIGEST);
	assert_memory_equal(c.digest, digests + 32, 32);
	chunk_table_close(t);
	map = rig_map(m.bytes, m.len);
	array = rig_map(digests, 96);
	assert_int_equal(chunk_table_from(&t, &m.info, &map, &array, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, m.info.id));
	/* Both are taken after any failure. */
	m.header[0] ^= 1;
	map = rig_map(m.bytes, m.len);
	array = rig_map(digests, 64);
	assert_int_equal(chunk_table_from(&t, &m.info, &map, &array, &err), -EUCLEAN);
	m.info.version = 5;
	map = rig_map(m.bytes, m.len);
	array = rig_map(digests, 64);
	assert_int_equal(chunk_table_from(&t, &m.info, &map, &array, &err), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_fields),
		cmocka_unit_test(test_context_fields),
		cmocka_unit_test(test_blob_table_sizes),
		cmocka_unit_test(test_generated_dictionary),
		cmocka_unit_test(test_v1_entries),
		cmocka_unit_test(test_v1_wide),
		cmocka_unit_test(test_v2_entries),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_zran),
		cmocka_unit_test(test_digest_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
