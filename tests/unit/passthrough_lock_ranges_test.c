/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of POSIX locks: after any changes there are as many as the kernel has. */
#include "plugins/passthrough/lock_ranges.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs what stands above */
#include <cmocka.h>

#define BYTES 40 /* that are locked and unlocked */
#define CHANGES 3000

/* Locks of the open file, by fdinfo (proc_pid_fdinfo(5)). */
static uint32_t count_kernel(int fd)
{
	char path[64], line[256];
	uint32_t n = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strncmp(line, "lock:", 5) == 0;
	fclose(f);
	return n;
}

static void check_order(const struct lock_ranges *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		assert_true(r->at[i].start <= r->at[i].end);
		assert_true(r->at[i].type == F_RDLCK || r->at[i].type == F_WRLCK);
		if (i > 0)
			assert_true(r->at[i - 1].end < r->at[i].start);
	}
}

static void change(int fd, struct lock_ranges *r, const struct lock_range *c)
{
	struct flock fl = {
		.l_type = (short)c->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)c->start,
		.l_len = c->end == INT64_MAX ? 0 : (off_t)(c->end - c->start + 1),
	};
	struct lock_ranges out;

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	assert_int_equal(lock_ranges_change(r, c, &out), 0);
	lock_ranges_drop(r);
	*r = out;
	check_order(r);
	assert_int_equal(r->n, count_kernel(fd));
}

static void test_as_kernel(void **state)
{
	static const uint32_t types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
	char path[] = "/tmp/graft-lock-ranges-XXXXXX";
	struct lock_ranges r = {0};
	unsigned int seed = 8;
	uint32_t most = 0;
	int fd = mkostemp(path, O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	for (int i = 0; i < CHANGES; i++) {
		struct lock_range c = {.start = (uint64_t)rand_r(&seed) % BYTES, .type = types[rand_r(&seed) % 3]};

		c.end = rand_r(&seed) % 16 ? c.start + (uint64_t)rand_r(&seed) % 8 : INT64_MAX;
		change(fd, &r, &c);
		most = r.n > most ? r.n : most;
	}
	assert_true(most > 4);
	change(fd, &r, &(struct lock_range){.end = INT64_MAX, .type = F_UNLCK});
	assert_int_equal(r.n, 0);
	lock_ranges_drop(&r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_kernel)};

	return cmocka_run_group_tests_name("passthrough lock ranges", tests, NULL, NULL);
}
