/* SPDX-License-Identifier: Apache-2.0 */
/* States that nydusd 2.4 wrote are read and written again, byte for byte; what is wrong with one is told in one line.
 */
#include "server/control/upgrade/crc64.h"
#include "server/control/upgrade/nydus_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 8192

/* A recorded state. */
static size_t read_state(const char *name, unsigned char bytes[ROOM])
{
	char path[512];

	snprintf(path, sizeof(path), NYDUS_STATES "/%s", name);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	size_t len = fread(bytes, 1, ROOM, f);
	fclose(f);
	assert_in_range(len, 18, ROOM - 1);
	return len;
}

static void the_checksum_is_crc_64_jones(void **state)
{
	(void)state;
	assert_true(crc64_jones("123456789", 9) == UINT64_C(0xe9c6d914c4b8d9ca));
	assert_true(crc64_jones("", 0) == 0);
}

static void recorded_states_are_written_the_same(void **state)
{
	static const struct {
		const char *name;
		uint32_t mounts, dirs;
		uint8_t next;
		uint64_t next_ino;
	} rows[] = {
		{ "empty", 0, 0, 1, 2 }, { "one", 1, 1, 2, 3 },   { "three", 3, 5, 4, 7 },
		{ "gone", 2, 5, 4, 7 },  { "again", 3, 5, 5, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char bytes[ROOM], *again;
		size_t len = read_state(rows[i].name, bytes), len_again;
		struct nydus_state s;

		assert_int_equal(nydus_state_decode(&s, bytes, len, NULL), 0);
		assert_int_equal(s.nmounts, rows[i].mounts);
		assert_int_equal(s.ndirs, rows[i].dirs);
		assert_int_equal(s.next_index, rows[i].next);
		assert_int_equal(s.next_ino, rows[i].next_ino);
		assert_int_equal(s.conn_id, 0x2d);
		assert_int_equal(s.out_flags, 0x12c5f829);
		assert_true(s.in_flags == UINT64_C(0x8053fffffb));
		assert_int_equal(s.nextras, 0);
		assert_int_equal(nydus_state_encode(&s, &again, &len_again, NULL), 0);
		assert_int_equal(len_again, len);
		assert_memory_equal(again, bytes, len);
		assert_null(nydus_state_unfit(&s, len));
		free(again);
		nydus_state_fini(&s);
	}
}

static void a_mount_of_a_state(void **state)
{
	unsigned char bytes[ROOM];
	size_t len = read_state("one", bytes);
	struct nydus_state s;

	(void)state;
	assert_int_equal(nydus_state_decode(&s, bytes, len, NULL), 0);
	assert_string_equal(s.mounts[0].key, "/img6");
	assert_string_equal(s.mounts[0].mountpoint, "/img6");
	assert_string_equal(s.mounts[0].source, "/srv/nydus/v6.boot");
	assert_non_null(strstr(s.mounts[0].config, "blobcache"));
	assert_int_equal(s.mounts[0].fs_type, NYDUS_RAFS);
	assert_int_equal(s.mounts[0].index, 1);
	assert_false(s.mounts[0].has_prefetch);
	assert_string_equal(s.dirs[0].name, "img6");
	assert_int_equal(s.dirs[0].ino, 2);
	assert_int_equal(s.dirs[0].parent, 1);
	nydus_state_fini(&s);
}

static void seal(unsigned char *bytes, size_t len)
{
	uint64_t crc = crc64_jones(bytes, len - 8);

	for (int i = 0; i < 8; i++)
		bytes[len - 8 + (size_t)i] = (unsigned char)(crc >> 8 * i);
}

static void refused(const unsigned char *bytes, size_t len, const char *why)
{
	struct graft_error err = { 0 };
	struct nydus_state s;

	assert_int_equal(nydus_state_decode(&s, bytes, len, &err), -EINVAL);
	assert_non_null(strstr(err.text, why));
	assert_null(strchr(err.text, '\n'));
	assert_null(s.mounts);
	assert_null(s.dirs);
}

static void every_cut_and_every_flipped_bit_is_refused(void **state)
{
	unsigned char bytes[ROOM];
	size_t len = read_state("three", bytes);

	(void)state;
	for (size_t n = 0; n < len; n++)
		refused(bytes, n, "state is refused");
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		refused(bytes, len, "state is refused");
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}

static void what_is_wrong_is_told(void **state)
{
	unsigned char bytes[ROOM], copy[ROOM];
	size_t len = read_state("one", bytes);

	(void)state;
	memcpy(copy, bytes, len);
	copy[2] = copy[3] = 0xaa;
	seal(copy, len);
	refused(copy, len, "another architecture");
	memcpy(copy, bytes, len);
	copy[8] = 2;
	seal(copy, len);
	refused(copy, len, "version that is not known");
	memcpy(copy, bytes, len);
	copy[17] = 0xff; /* a count of 2^63 mounts */
	seal(copy, len);
	refused(copy, len, "beyond its end");
	memcpy(copy, bytes, len);
	copy[0] = 7;
	refused(copy, len, "not the bytes of a nydus daemon");
	bytes[len - 1] ^= 1;
	refused(bytes, len, "checksum");
	refused(bytes, 0, "cut short");
}

static void add_mount(struct nydus_state *s, const char *at, const char *config)
{
	struct nydus_state_mount *m = nydus_state_add_mount(s);

	assert_non_null(m);
	m->key = strdup(at);
	m->mountpoint = strdup(at);
	m->source = strdup("/source");
	m->config = strdup(config);
	m->fs_type = NYDUS_PASSTHROUGH;
	m->index = 255;
	assert_int_equal(nydus_state_add_prefetch(m, "/a", 2), 0);
	assert_int_equal(nydus_state_add_prefetch(m, "/b/c", 4), 0);
}

static void long_texts_and_records_of_our_own_survive(void **state)
{
	struct nydus_state s = { .next_ino = 2, .conn_id = 7 }, t;
	char *config = malloc(100001);
	unsigned char *bytes;
	size_t len;

	(void)state;
	memset(config, 'x', 100000);
	config[100000] = '\0';
	add_mount(&s, "/long", config);
	assert_int_equal(nydus_state_add_extra(&s, 9, "\0record", 7), 0);
	assert_int_equal(nydus_state_add_extra(&s, 10, NULL, 0), 0);
	assert_int_equal(nydus_state_encode(&s, &bytes, &len, NULL), 0);
	assert_non_null(nydus_state_unfit(&s, len));
	assert_int_equal(nydus_state_decode(&t, bytes, len, NULL), 0);
	assert_string_equal(t.mounts[0].config, config);
	assert_int_equal(t.mounts[0].nprefetch, 2);
	assert_string_equal(t.mounts[0].prefetch[1], "/b/c");
	assert_int_equal(t.nextras, 2);
	assert_int_equal(t.extras[0].tag, 9);
	assert_int_equal(t.extras[0].len, 7);
	assert_memory_equal(t.extras[0].bytes, "\0record", 7);
	assert_int_equal(t.extras[1].len, 0);
	nydus_state_fini(&t);
	nydus_state_fini(&s);
	free(bytes);
	free(config);
}

static void flags_that_the_peer_does_not_know_are_refused(void **state)
{
	struct nydus_state s = { .in_flags = UINT64_C(1) << 37, .next_ino = 2 };
	unsigned char *bytes;
	size_t len;

	(void)state;
	assert_int_equal(nydus_state_encode(&s, &bytes, &len, NULL), 0);
	refused(bytes, len, "INIT flag");
	free(bytes);
}

static void lists_have_bounds(void **state)
{
	struct nydus_state s = { 0 };

	(void)state;
	for (uint32_t i = 0; i < NYDUS_STATE_ITEMS; i++)
		assert_non_null(nydus_state_add_dir(&s));
	assert_null(nydus_state_add_dir(&s));
	nydus_state_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_checksum_is_crc_64_jones),
		cmocka_unit_test(recorded_states_are_written_the_same),
		cmocka_unit_test(a_mount_of_a_state),
		cmocka_unit_test(every_cut_and_every_flipped_bit_is_refused),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(long_texts_and_records_of_our_own_survive),
		cmocka_unit_test(flags_that_the_peer_does_not_know_are_refused),
		cmocka_unit_test(lists_have_bounds),
	};

	return cmocka_run_group_tests_name("nydus state", tests, NULL, NULL);
}
