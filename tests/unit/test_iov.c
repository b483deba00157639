/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/iov: every split of a small list, empty elements, ends of lists, overflowing lengths. */
#include "lib/iov.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char bytes[] = "0123456789";

/* "0", "", "1234", "", "56789", with a NULL base where the length is 0. */
static const struct iovec list[] = {
	{ bytes, 1 }, { NULL, 0 }, { bytes + 1, 4 }, { NULL, 0 }, { bytes + 5, 5 },
};
#define N 5
#define BYTES 10

static void test_length(void **state)
{
	(void)state;
	const struct iovec huge[] = { { bytes, SIZE_MAX }, { bytes, 1 } };
	assert_int_equal(iov_length(list, N), BYTES);
	assert_int_equal(iov_length(list, 0), 0);
	assert_true(iov_length(huge, 2) == UINT64_MAX);
	struct iov_cursor c = iov_cursor(huge, 2);
	assert_true(iov_left(&c) == UINT64_MAX);
}

/* Each pair of cuts: skip a, read b, read the rest. */
static void test_read(void **state)
{
	(void)state;
	for (size_t a = 0; a <= BYTES; a++) {
		for (size_t b = 0; a + b <= BYTES; b++) {
			char out[BYTES + 1] = "";
			struct iov_cursor c = iov_cursor(list, N);
			assert_int_equal(iov_skip(&c, a), a);
			assert_int_equal(iov_left(&c), BYTES - a);
			assert_int_equal(iov_read(&c, out, b), b);
			assert_int_equal(iov_left(&c), BYTES - a - b);
			assert_int_equal(iov_read(&c, out + b, 100), BYTES - a - b);
			assert_memory_equal(out, bytes + a, BYTES - a);
			assert_int_equal(iov_read(&c, out, 1), 0);
			assert_int_equal(iov_skip(&c, 1), 0);
			assert_int_equal(iov_left(&c), 0);
		}
	}
}

static void test_write(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= BYTES; cut++) {
		char room[BYTES + 2];
		memset(room, '.', sizeof(room));
		const struct iovec to[] = { { room, 3 }, { NULL, 0 }, { room + 3, 0 }, { room + 3, 7 } };
		struct iov_cursor c = iov_cursor(to, 4);
		assert_int_equal(iov_write(&c, bytes, cut), cut);
		assert_int_equal(iov_write(&c, bytes + cut, BYTES - cut), BYTES - cut);
		assert_memory_equal(room, bytes, BYTES);
		assert_int_equal(room[BYTES], '.');
		assert_int_equal(iov_write(&c, bytes, 1), 0);
	}
	struct iovec empty = { NULL, 0 };
	struct iov_cursor c = iov_cursor(&empty, 1);
	assert_int_equal(iov_write(&c, bytes, 1), 0);
	c = iov_cursor(NULL, 0);
	assert_int_equal(iov_write(&c, bytes, 1), 0);
	assert_int_equal(iov_read(&c, bytes, 0), 0);
}

static void test_slice(void **state)
{
	(void)state;
	for (size_t a = 0; a <= BYTES; a++) {
		for (size_t len = 0; len <= BYTES + 1; len++) {
			struct iovec to[N];
			uint64_t got = 99;
			struct iov_cursor c = iov_cursor(list, N);
			iov_skip(&c, a);
			const struct iov_cursor before = c;
			uint32_t n = iov_slice(&c, len, to, N, &got);
			size_t want = len < BYTES - a ? len : BYTES - a;
			assert_memory_equal(&c, &before, sizeof(c));
			assert_int_equal(got, want);
			assert_int_equal(iov_length(to, n), want);
			const char *next = bytes + a;
			for (uint32_t i = 0; i < n; i++) {
				assert_ptr_equal(to[i].iov_base, next);
				assert_true(to[i].iov_len > 0);
				next += to[i].iov_len;
			}
		}
	}
}

static void test_slice_room(void **state)
{
	(void)state;
	struct iovec to[2];
	uint64_t got;
	struct iov_cursor c = iov_cursor(list, N);
	assert_int_equal(iov_slice(&c, UINT64_MAX, to, 2, &got), 2);
	assert_int_equal(got, 5);
	assert_int_equal(iov_slice(&c, 5, to, 0, &got), 0);
	assert_int_equal(got, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_length), cmocka_unit_test(test_read),	  cmocka_unit_test(test_write),
		cmocka_unit_test(test_slice),  cmocka_unit_test(test_slice_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
