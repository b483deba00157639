/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of transport/guest_memory and transport/dirty_log. */
#include "transport/dirty_log.h"
#include "transport/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096ULL

static int make_file(uint64_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* Regions 2, 0, 1 of one file, given in that order; 0 and 1 are neighbours in guest addresses, 2 is apart. */
static struct guest_memory *three_regions(int fd)
{
	const struct guest_region_info infos[] = {
		{ 0x100000, 2 * PAGE, 0x7000002000, 4 * PAGE },
		{ 0x0, PAGE, 0x7000000000, 0 },
		{ 0x1000, PAGE, 0x8000000000, 2 * PAGE },
	};
	const int fds[] = { fd, fd, fd };
	struct graft_error err = { 0 };
	struct guest_memory *m = guest_memory_new(infos, fds, 3, &err);

	assert_non_null(m);
	return m;
}

static void test_translation(void **state)
{
	int fd = make_file(8 * PAGE);
	struct guest_memory *m = three_regions(fd);
	uint64_t gpa = 0, room = 0;
	char *p;

	(void)state;
	assert_int_equal(m->count, 3);
	assert_int_equal(m->regions[0].gpa, 0);
	assert_int_equal(m->regions[2].gpa, 0x100000);
	assert_int_equal(guest_memory_end(m), 0x102000);
	/* The offset in the file is honoured. */
	assert_int_equal(pwrite(fd, "two", 4, 4 * PAGE + 8), 4);
	p = guest_memory_range(m, 0x100008, 4);
	assert_string_equal(p, "two");
	assert_ptr_equal(guest_memory_user_range(m, 0x7000002008, 4, &gpa), p);
	assert_int_equal(gpa, 0x100008);
	assert_true(guest_memory_gpa(m, p, &gpa, &room));
	assert_int_equal(gpa, 0x100008);
	assert_int_equal(room, 2 * PAGE - 8);
	assert_false(guest_memory_gpa(m, &gpa, &gpa, &room));
	/* Edges. */
	assert_non_null(guest_memory_range(m, 0x101fff, 1));
	assert_null(guest_memory_range(m, 0x101fff, 2));
	assert_null(guest_memory_range(m, 0x102000, 1));
	assert_null(guest_memory_range(m, 0x2000, 1));
	assert_null(guest_memory_range(m, 0xff8, 16));
	assert_null(guest_memory_range(m, UINT64_MAX, 1));
	assert_null(guest_memory_range(m, 0, UINT64_MAX));
	assert_null(guest_memory_user_range(m, 0x7000000ff8, 16, NULL));
	assert_null(guest_memory_user_range(m, 0x6fffffffff, 1, NULL));
	assert_null(guest_memory_user_range(m, 0x7000000000, UINT64_MAX, NULL));
	assert_null(guest_memory_find(m, 0x50000));
	guest_memory_put(m);
	close(fd);
}

static void test_refusals(void **state)
{
	static const struct {
		struct guest_region_info info;
		const char *text;
	} rows[] = {
		{ { 0, 0, 0, 0 }, "empty" },
		{ { UINT64_MAX - PAGE + 1, PAGE, 0, 0 }, "wraps" },
		{ { 0, PAGE, UINT64_MAX - 1, 0 }, "wraps" },
		{ { 0, PAGE, 0, UINT64_MAX - 1 }, "wraps" },
		{ { 0, PAGE, 0, INT64_MAX }, "wraps" },
		{ { 0, INT64_MAX, 0, 0 }, "beyond the end" },
		{ { 0, 5 * PAGE, 0, 0 }, "beyond the end" },
		{ { 0, PAGE, 0, 4 * PAGE }, "beyond the end" },
	};
	int fd = make_file(4 * PAGE), bad = -1, pipes[2];
	struct guest_region_info good = { 0, PAGE, 0, 0 };
	struct graft_error err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(guest_memory_new(&rows[i].info, &fd, 1, &err));
		assert_non_null(strstr(err.text, rows[i].text));
		assert_null(guest_memory_add(NULL, &rows[i].info, fd, &err));
	}
	assert_null(guest_memory_new(&good, &bad, 1, &err));
	assert_int_equal(err.code, EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_null(guest_memory_new(&good, pipes, 1, &err));
	assert_non_null(strstr(err.text, "cannot map"));
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void test_overlap(void **state)
{
	int fd = make_file(8 * PAGE);
	const int fds[] = { fd, fd };
	struct guest_region_info pair[] = { { 0x2000, 2 * PAGE, 0, 0 }, { 0x1000, PAGE + 1, 0x100000, 0 } };
	struct graft_error err = { 0 };
	struct guest_memory *m;

	(void)state;
	assert_null(guest_memory_new(pair, fds, 2, &err));
	assert_non_null(strstr(err.text, "overlap"));
	pair[1].size = PAGE;
	m = guest_memory_new(pair, fds, 2, &err);
	assert_non_null(m);
	assert_null(guest_memory_add(m, &pair[0], fd, &err));
	assert_non_null(strstr(err.text, "overlap"));
	assert_int_equal(m->count, 2);
	guest_memory_put(m);
	close(fd);
}

static void test_add_remove(void **state)
{
	int fd = make_file(8 * PAGE);
	struct guest_memory *m = three_regions(fd), *more, *less;
	struct guest_region_info info = { 0x50000, PAGE, 0x9000000000, 7 * PAGE };
	struct graft_error err = { 0 };
	char *kept;

	(void)state;
	more = guest_memory_add(m, &info, fd, &err);
	assert_non_null(more);
	assert_int_equal(m->count, 3);
	assert_int_equal(more->count, 4);
	assert_int_equal(more->regions[2].gpa, 0x50000);
	/* Mappings are shared, not made again, and outlive the table they came with. */
	kept = guest_memory_range(more, 0, PAGE);
	assert_ptr_equal(kept, guest_memory_range(m, 0, PAGE));
	guest_memory_put(m);
	strcpy(kept, "still there");
	less = guest_memory_remove(more, &info, &err);
	assert_non_null(less);
	assert_null(guest_memory_find(less, 0x50000));
	assert_non_null(guest_memory_find(more, 0x50000));
	guest_memory_put(more);
	assert_string_equal(guest_memory_range(less, 0, 12), "still there");
	/* Only what is there can go, and only whole. */
	assert_null(guest_memory_remove(less, &info, &err));
	assert_int_equal(err.code, ENOENT);
	info = (struct guest_region_info){ 0x100000, PAGE, 0, 0 };
	assert_null(guest_memory_remove(less, &info, &err));
	info = (struct guest_region_info){ 0x101000, PAGE, 0, 0 };
	assert_null(guest_memory_remove(less, &info, &err));
	assert_null(guest_memory_remove(NULL, &info, &err));
	guest_memory_put(less);
	guest_memory_put(NULL);
	close(fd);
}

/* A held table keeps its memory mapped after the newer one went. */
static void test_references(void **state)
{
	int fd = make_file(8 * PAGE);
	struct guest_memory *m = three_regions(fd), *held = guest_memory_get(m);
	char *p = guest_memory_range(m, 0x1000, 8);

	(void)state;
	guest_memory_put(m);
	memcpy(p, "pinned", 7);
	assert_string_equal(guest_memory_range(held, 0x1000, 8), "pinned");
	guest_memory_put(held);
	close(fd);
}

static void test_slots(void **state)
{
	int fd = make_file(PAGE);
	struct guest_memory *m = NULL, *next;
	struct graft_error err = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i <= GUEST_MEMORY_MAX_REGIONS; i++) {
		struct guest_region_info info = { (uint64_t)(GUEST_MEMORY_MAX_REGIONS - i) * PAGE, PAGE, 0, 0 };

		next = guest_memory_add(m, &info, fd, &err);
		if (i == GUEST_MEMORY_MAX_REGIONS) {
			assert_null(next);
			assert_int_equal(err.code, ENOSPC);
			break;
		}
		assert_non_null(next);
		guest_memory_put(m);
		m = next;
	}
	for (i = 1; i < GUEST_MEMORY_MAX_REGIONS; i++)
		assert_int_equal(guest_memory_find(m, i * PAGE + 5)->gpa, i * PAGE);
	guest_memory_put(m);
	close(fd);
}

/* That of lib/mapping. cmocka puts its own in its place during each test. */
static struct sigaction sigbus;

static void take_handler(void)
{
	int fd = make_file(PAGE);
	struct guest_region_info info = { 0, PAGE, 0, 0 };

	guest_memory_put(guest_memory_new(&info, &fd, 1, NULL));
	sigaction(SIGBUS, NULL, &sigbus);
	close(fd);
}

/* A front end that shrinks its memory file: the region reads as zeros and takes writes; system calls fail with EFAULT.
 */
static void test_shrunk(void **state)
{
	int fd = make_file(8 * PAGE), zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct guest_memory *m = three_regions(fd);
	volatile uint8_t *at = guest_memory_range(m, 0x100000, 2 * PAGE), *low = guest_memory_range(m, 0, PAGE);

	(void)state;
	sigaction(SIGBUS, &sigbus, NULL);
	at[0] = 1;
	low[0] = 2;
	assert_int_equal(ftruncate(fd, (off_t)(4 * PAGE)), 0);
	assert_int_equal(read(zeros, (void *)(uintptr_t)(at + PAGE), 8), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(at[0], 0);
	at[PAGE + 5] = 3;
	assert_int_equal(at[PAGE + 5], 3);
	assert_int_equal(low[0], 2);
	assert_int_equal(ftruncate(fd, 0), 0);
	low[1] = 4;
	assert_int_equal(low[0], 0);
	assert_int_equal(low[1], 4);
	guest_memory_put(m);
	close(zeros);
	close(fd);
}

static void test_empty(void **state)
{
	struct guest_memory *m = guest_memory_new(NULL, NULL, 0, NULL);

	(void)state;
	assert_non_null(m);
	assert_null(guest_memory_find(m, 0));
	assert_int_equal(guest_memory_end(m), 0);
	guest_memory_put(m);
}

static void test_dirty_refusals(void **state)
{
	int fd = make_file(PAGE), pipes[2];
	struct graft_error err = { 0 };

	(void)state;
	assert_null(dirty_log_new(fd, 0, 0, &err));
	assert_null(dirty_log_new(fd, PAGE + 1, 0, &err));
	assert_null(dirty_log_new(fd, 16, PAGE - 8, &err));
	assert_null(dirty_log_new(fd, 16, UINT64_MAX - 4, &err));
	assert_null(dirty_log_new(-1, 16, 0, &err));
	assert_int_equal(pipe(pipes), 0);
	assert_null(dirty_log_new(pipes[0], 16, 0, &err));
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	dirty_log_put(NULL);
}

static void test_dirty_marks(void **state)
{
	int fd = make_file(2 * PAGE);
	struct graft_error err = { 0 };
	/* 16 bytes at an offset that is not a page's: 128 pages. */
	struct dirty_log *log = dirty_log_new(fd, 16, PAGE - 8, &err);
	uint8_t bits[32];

	(void)state;
	assert_non_null(log);
	assert_true(dirty_log_covers(log, 0));
	assert_true(dirty_log_covers(log, 128 * PAGE));
	assert_false(dirty_log_covers(log, 128 * PAGE + 1));
	dirty_log_mark(log, 0, 0);
	dirty_log_mark(log, 9 * PAGE - 1, 2);           /* pages 8 and 9 */
	dirty_log_mark(log, 127 * PAGE + 5, 10 * PAGE); /* the last page; the rest lies beyond */
	dirty_log_mark(log, 4000 * PAGE, 1);
	dirty_log_mark(log, UINT64_MAX - 1, UINT64_MAX);
	assert_int_equal(pread(fd, bits, 32, PAGE - 16), 32);
	assert_int_equal(bits[7], 0);
	assert_int_equal(bits[8], 0);
	assert_int_equal(bits[9], 0x03);
	assert_int_equal(bits[8 + 15], 0x80);
	assert_int_equal(bits[8 + 16], 0);
	dirty_log_mark(dirty_log_get(log), 10 * PAGE, 1);
	dirty_log_put(log);
	assert_int_equal(pread(fd, bits, 1, PAGE - 8 + 1), 1);
	assert_int_equal(bits[0], 0x07);
	dirty_log_put(log);
	close(fd);
}

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define THREAD_SANITIZER 0
#endif

static void test_dirty_shrunk(void **state)
{
	int fd = make_file(4 * PAGE);
	struct dirty_log *log = dirty_log_new(fd, 3 * PAGE, PAGE, NULL);
	uint8_t bits = 0;

	(void)state;
	/* Its atomics fault with a lock of the sanitizer's held, which the handler would wait for. */
	if (THREAD_SANITIZER) {
		dirty_log_put(log);
		close(fd);
		skip();
	}
	sigaction(SIGBUS, &sigbus, NULL);
	assert_non_null(log);
	assert_int_equal(ftruncate(fd, (off_t)(2 * PAGE)), 0);
	dirty_log_mark(log, 0, 1);
	dirty_log_mark(log, 2 * PAGE * 8 * PAGE, 1);
	assert_int_equal(pread(fd, &bits, 1, PAGE), 1);
	assert_int_equal(bits, 1);
	dirty_log_put(log);
	close(fd);
}

static void test_dirty_iov(void **state)
{
	int fd = make_file(8 * PAGE), bitmap = make_file(PAGE), partial = make_file(PAGE);
	struct guest_memory *m = three_regions(fd), *grown;
	struct dirty_log *log = dirty_log_new(bitmap, 64, 0, NULL);
	/* A region that ends within a page. */
	struct guest_region_info info = { 0x40000, 100, 0, 0 };
	char outside[8];
	struct iovec iov[3];
	uint8_t bits[64];

	(void)state;
	grown = guest_memory_add(m, &info, partial, NULL);
	iov[0] = (struct iovec){ guest_memory_range(grown, 0x100ff0, 32), 32 };
	iov[1] = (struct iovec){ outside, sizeof(outside) };
	iov[2] = (struct iovec){ guest_memory_range(grown, 0x40040, 36), 36 };
	dirty_log_mark_iov(log, grown, iov, 3);
	assert_int_equal(pread(bitmap, bits, 64, 0), 64);
	assert_int_equal(bits[0x100 / 8], 0x03);
	assert_int_equal(bits[0x40 / 8], 0x01);
	assert_int_equal(bits[0], 0);
	dirty_log_put(log);
	guest_memory_put(grown);
	guest_memory_put(m);
	close(fd);
	close(bitmap);
	close(partial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translation), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_overlap),     cmocka_unit_test(test_add_remove),
		cmocka_unit_test(test_references),  cmocka_unit_test(test_slots),
		cmocka_unit_test(test_empty),       cmocka_unit_test(test_dirty_refusals),
		cmocka_unit_test(test_dirty_marks), cmocka_unit_test(test_dirty_iov),
		cmocka_unit_test(test_shrunk),      cmocka_unit_test(test_dirty_shrunk),
	};

	take_handler();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
