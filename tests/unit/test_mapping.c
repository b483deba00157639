/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/mapping: files that are cut short under their mappings, in one thread and many, and other handlers. */
#include "lib/mapping.h"

#include "mapping_copy.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096ULL
#define PAGES 16

/* A real file on disk, without a name, of n pages filled with their number + 1. */
static int make_file(uint64_t n)
{
	char path[] = "/var/tmp/mapping-XXXXXX";
	unsigned char page[PAGE];
	int fd = mkstemp(path);
	uint64_t i;

	assert_true(fd >= 0);
	unlink(path);
	for (i = 0; i < n; i++) {
		memset(page, (int)(i + 1), sizeof(page));
		assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	}
	return fd;
}

/* cmocka handles SIGBUS itself during each test: this puts the handler of lib/mapping back. */
static void use_mappings(void)
{
	static struct sigaction handler;
	static bool known;
	struct mapping m;
	int fd = make_file(1);

	assert_int_equal(mapping_open(&m, fd, 0, 1, MAPPING_READ, NULL), 0);
	mapping_close(&m);
	close(fd);
	sigaction(SIGBUS, known ? &handler : NULL, known ? NULL : &handler);
	known = true;
}

/* volatile: each read is one of memory. */
static unsigned char at(const struct mapping *m, uint64_t off)
{
	return *(volatile unsigned char *)(m->base + off);
}

static void test_read(void **state)
{
	int fd = make_file(4);
	struct graft_error err = { 0 };
	struct mapping m;

	(void)state;
	use_mappings();
	assert_int_equal(mapping_open(&m, fd, 0, 4 * PAGE, MAPPING_READ, &err), 0);
	close(fd);
	assert_int_equal(at(&m, 0), 1);
	assert_int_equal(at(&m, 4 * PAGE - 1), 4);
	assert_false(mapping_torn(&m));
	errno = 77;
	mapping_close(&m);
	assert_int_equal(errno, 77);
	assert_null(m.base);
	assert_int_equal(m.size, 0);
	mapping_close(&m);
	assert_false(mapping_torn(&m));
}

static void test_offsets(void **state)
{
	static const struct {
		uint64_t off, size;
	} rows[] = { { 1, 10 }, { 4095, 2 }, { 4097, 1 }, { 8191, 8193 }, { 16383, 1 }, { 5000, 11384 } };
	int fd = make_file(4);
	struct graft_error err = { 0 };
	struct mapping m;
	size_t i;

	(void)state;
	use_mappings();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(mapping_open(&m, fd, rows[i].off, rows[i].size, MAPPING_READ, &err), 0);
		assert_int_equal(m.size, rows[i].size);
		assert_int_equal(at(&m, 0), rows[i].off / PAGE + 1);
		assert_int_equal(at(&m, m.size - 1), (rows[i].off + rows[i].size - 1) / PAGE + 1);
		mapping_close(&m);
	}
	close(fd);
}

static void test_refusals(void **state)
{
	static const struct {
		uint64_t off, size;
	} rows[] = { { 0, 0 },          { 0, 2 * PAGE + 1 },        { 1, 2 * PAGE },
		     { 2 * PAGE, 1 },   { 2 * PAGE + 1, 1 },        { UINT64_MAX, 1 },
		     { 1, UINT64_MAX }, { UINT64_MAX, UINT64_MAX }, { 0, INT64_MAX } };
	int fd = make_file(2), pipes[2];
	struct graft_error err = { 0 };
	struct mapping m;
	size_t i;

	(void)state;
	use_mappings();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(mapping_open(&m, fd, rows[i].off, rows[i].size, MAPPING_READ, &err), -EINVAL);
		assert_non_null(strstr(err.text, "of a file of 8192 bytes"));
		assert_null(m.base);
	}
	assert_int_equal(mapping_open(&m, -1, 0, 1, MAPPING_READ, &err), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(mapping_open(&m, pipes[0], 0, 1, MAPPING_READ, &err), -EINVAL);
	assert_int_equal(mapping_guard(&m, (void *)(PAGE + 1), PAGE, &err), -EINVAL);
	assert_int_equal(mapping_guard(&m, (void *)PAGE, 0, &err), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void test_truncated(void **state)
{
	int fd = make_file(PAGES);
	struct mapping m, other, tail;

	(void)state;
	use_mappings();
	assert_int_equal(mapping_open(&m, fd, 0, PAGES * PAGE, MAPPING_READ, NULL), 0);
	assert_int_equal(mapping_open(&other, fd, 0, PAGE, MAPPING_READ, NULL), 0);
	assert_int_equal(mapping_open(&tail, fd, 9 * PAGE + 5, 2 * PAGE, MAPPING_READ, NULL), 0);
	assert_int_equal(at(&m, 5 * PAGE), 6);
	assert_int_equal(ftruncate(fd, 3 * PAGE + 10), 0);
	/* What is there is there. */
	assert_int_equal(at(&m, 3 * PAGE + 9), 4);
	assert_false(mapping_torn(&m));
	errno = 55;
	assert_int_equal(at(&m, 5 * PAGE), 0);
	assert_int_equal(errno, 55);
	assert_true(mapping_torn(&m));
	assert_int_equal(at(&m, PAGES * PAGE - 1), 0);
	assert_int_equal(at(&m, 0), 1);
	assert_int_equal(at(&tail, 0), 0);
	assert_int_equal(at(&tail, 2 * PAGE - 1), 0);
	assert_true(mapping_torn(&tail));
	/* Others do not care. */
	assert_int_equal(at(&other, 0), 1);
	assert_false(mapping_torn(&other));
	/* To nothing. */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(at(&other, 0), 0);
	assert_true(mapping_torn(&other));
	mapping_close(&m);
	mapping_close(&other);
	mapping_close(&tail);
	/* A slot that is taken again begins whole. */
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(mapping_open(&m, fd, 0, PAGE, MAPPING_READ, NULL), 0);
	assert_false(mapping_torn(&m));
	mapping_close(&m);
	close(fd);
}

static void test_shared(void **state)
{
	int fd = make_file(PAGES);
	struct mapping m;
	unsigned char byte = 0;

	(void)state;
	use_mappings();
	assert_int_equal(mapping_open(&m, fd, PAGE, 4 * PAGE, MAPPING_SHARED, NULL), 0);
	m.base[7] = 99;
	assert_int_equal(pread(fd, &byte, 1, PAGE + 7), 1);
	assert_int_equal(byte, 99);
	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	/* The first access to a missing page is a write; it is kept, and kept from the file. */
	m.base[2 * PAGE + 1] = 33;
	assert_true(mapping_torn(&m));
	assert_int_equal(at(&m, 2 * PAGE + 1), 33);
	assert_int_equal(at(&m, 2 * PAGE + 2), 0);
	assert_int_equal(ftruncate(fd, 5 * PAGE), 0);
	assert_int_equal(pread(fd, &byte, 1, 3 * PAGE + 1), 1);
	assert_int_equal(byte, 0);
	/* A page that was not missed while it was missing is the file's again. */
	m.base[3 * PAGE] = 44;
	assert_int_equal(pread(fd, &byte, 1, 4 * PAGE), 1);
	assert_int_equal(byte, 44);
	assert_true(mapping_torn(&m));
	mapping_close(&m);
	close(fd);
}

static void test_guard(void **state)
{
	int fd = make_file(PAGES);
	unsigned char *base = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct mapping m;

	(void)state;
	use_mappings();
	assert_true(base != MAP_FAILED);
	assert_int_equal(mapping_guard(&m, base, PAGES * PAGE - 100, NULL), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	*(volatile unsigned char *)(base + 5) = 1;
	assert_int_equal(*(volatile unsigned char *)(base + PAGES * PAGE - 1), 0);
	assert_true(mapping_torn(&m));
	mapping_unguard(&m);
	assert_int_equal(m.slot, 0);
	assert_int_equal(munmap(base, PAGES * PAGE), 0);
	close(fd);
}

/* Pages of 2 MiB, where the machine has any: one that is missing is replaced whole. */
static void test_huge_pages(void **state)
{
	const uint64_t huge = UINT64_C(2) << 20;
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	unsigned char *base;
	struct mapping m;

	(void)state;
	use_mappings();
	if (fd < 0 || ftruncate(fd, (off_t)(2 * huge)) < 0)
		skip();
	base = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		skip();
	assert_int_equal(mapping_guard(&m, base, 2 * huge, NULL), 0);
	base[0] = 1;
	assert_int_equal(ftruncate(fd, (off_t)huge), 0);
	base[huge + 12345] = 7;
	assert_true(mapping_torn(&m));
	assert_int_equal(*(volatile unsigned char *)base, 1);
	assert_int_equal(*(volatile unsigned char *)(base + huge + 12345), 7);
	assert_int_equal(*(volatile unsigned char *)(base + 2 * huge - 1), 0);
	mapping_unguard(&m);
	munmap(base, 2 * huge);
	close(fd);
}

/* Every other page of a range is missed, and there are more of them than a process may have mappings. */
static void test_many_pages(void **state)
{
	const uint64_t pages = 140000;
	int fd = memfd_create("big", MFD_CLOEXEC);
	struct mapping m;
	uint64_t i, sum = 0;

	(void)state;
	use_mappings();
	assert_int_equal(ftruncate(fd, (off_t)(pages * PAGE)), 0);
	assert_int_equal(mapping_open(&m, fd, 0, pages * PAGE, MAPPING_SHARED, NULL), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	for (i = 0; i < pages; i += 2)
		sum += at(&m, i * PAGE);
	assert_int_equal(sum, 0);
	assert_true(mapping_torn(&m));
	mapping_close(&m);
	close(fd);
}

static void test_table_full(void **state)
{
	struct mapping *all = calloc(MAPPINGS_MAX, sizeof(*all)), more;
	int fd = make_file(1);
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct graft_error err = { 0 };
	uint32_t i;

	(void)state;
	use_mappings();
	assert_non_null(all);
	for (i = 0; i < MAPPINGS_MAX; i++)
		assert_int_equal(mapping_guard(&all[i], page, PAGE, &err), 0);
	assert_int_equal(mapping_guard(&more, page, PAGE, &err), -ENOMEM);
	assert_int_equal(mapping_open(&more, fd, 0, 1, MAPPING_READ, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "16384"));
	mapping_unguard(&all[5000]);
	assert_int_equal(mapping_open(&more, fd, 0, 1, MAPPING_READ, &err), 0);
	assert_int_equal(more.slot, 5001);
	/* The last slot of the table is found as well as the first. */
	for (i = 0; i < MAPPINGS_MAX - 1; i++)
		mapping_unguard(&all[i]);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(*(volatile unsigned char *)page, 0);
	assert_true(mapping_torn(&all[MAPPINGS_MAX - 1]));
	assert_int_equal(at(&more, 0), 0);
	assert_true(mapping_torn(&more));
	mapping_unguard(&all[MAPPINGS_MAX - 1]);
	mapping_close(&more);
	munmap(page, PAGE);
	close(fd);
	free(all);
}

#define ROUNDS 60
#define READERS 4

static struct race {
	struct mapping m;
	_Atomic uint32_t round; /* released after m was made */
	_Atomic uint32_t done;  /* readers that are done with the round */
	_Atomic bool bad;
} race;

/* Opens and closes mappings of its own all the while, so that slots change under the handler. */
static void *churn(void *arg)
{
	int fd = *(int *)arg, i;

	for (i = 0; atomic_load(&race.round) < ROUNDS && i < 1000000; i++) {
		struct mapping m;

		if (mapping_open(&m, fd, PAGE, PAGE, MAPPING_READ, NULL) < 0 || at(&m, 3) != 2 || mapping_torn(&m))
			atomic_store(&race.bad, true);
		mapping_close(&m);
	}
	return NULL;
}

static void *reader(void *arg)
{
	uint32_t seen;

	(void)arg;
	for (seen = 1; seen <= ROUNDS; seen++) {
		uint64_t i;

		while (atomic_load(&race.round) < seen)
			sched_yield();
		for (i = 0; i < PAGES; i++) {
			unsigned char byte = at(&race.m, i * PAGE);

			/* The page as it was, or zeros and the flag. */
			if (byte != i + 1 && (byte != 0 || !mapping_torn(&race.m)))
				atomic_store(&race.bad, true);
		}
		atomic_fetch_add(&race.done, 1);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t readers[READERS], churner;
	int still = make_file(4), i;
	uint32_t round;

	(void)state;
	use_mappings();
	assert_int_equal(pthread_create(&churner, NULL, churn, &still), 0);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader, NULL), 0);
	for (round = 1; round <= ROUNDS; round++) {
		int fd = make_file(PAGES);

		assert_int_equal(mapping_open(&race.m, fd, 0, PAGES * PAGE, MAPPING_READ, NULL), 0);
		atomic_store(&race.done, 0);
		atomic_store(&race.round, round);
		assert_int_equal(ftruncate(fd, (off_t)(round % PAGES * PAGE)), 0);
		close(fd);
		while (atomic_load(&race.done) < READERS)
			sched_yield();
		mapping_close(&race.m);
	}
	for (i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	pthread_join(churner, NULL);
	assert_false(atomic_load(&race.bad));
	close(still);
}

static sigjmp_buf jump;
static volatile sig_atomic_t foreign;

static void on_foreign(int sig)
{
	foreign = sig;
	siglongjmp(jump, 1);
}

static void on_foreign_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	foreign = info->si_code == BUS_ADRERR ? sig : -1;
	siglongjmp(jump, 2);
}

/*
 * What a process does that touches a missing page which is guarded, then one which is not. before: what handles SIGBUS
 * before the first mapping is made. Exit code 0: all as it should be; 1..: not; else the signal that ended it.
 */
static int child_chain(const struct sigaction *before, const struct sigaction *after)
{
	int fd = make_file(2), status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		unsigned char *bare = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
		struct mapping m;

		sigaction(SIGBUS, before, NULL);
		/* As a copy of this file in another shared object would begin: knowing of no handler yet. */
		if (mapping_open(&m, fd, 0, PAGE, MAPPING_READ, NULL) < 0 || ftruncate(fd, 0) < 0)
			_exit(1);
		if (at(&m, 0) != 0 || !mapping_torn(&m) || foreign)
			_exit(2);
		if (after)
			sigaction(SIGBUS, after, NULL);
		if (sigsetjmp(jump, 1) == 0) {
			(void)*(volatile unsigned char *)bare;
			_exit(3);
		}
		_exit(foreign == SIGBUS ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 100 + WEXITSTATUS(status);
}

static void test_chain(void **state)
{
	const struct sigaction plain = { .sa_handler = on_foreign };
	const struct sigaction info = { .sa_sigaction = on_foreign_info, .sa_flags = SA_SIGINFO };
	const struct sigaction none = { .sa_handler = SIG_DFL }, ignore = { .sa_handler = SIG_IGN };

	(void)state;
	assert_int_equal(child_chain(&plain, NULL), 100);
	assert_int_equal(child_chain(&info, NULL), 100);
	/* Nobody else: the process ends as it always did, and by a fault that is ignored, too. */
	assert_int_equal(child_chain(&none, NULL), SIGBUS);
	assert_int_equal(child_chain(&ignore, NULL), SIGBUS);
	/* Someone who came later and does not chain. */
	assert_int_equal(child_chain(&none, &info), 100);
}

/*
 * Three copies, the program's and two of shared objects, installed in the order given by the digits (0: the program's);
 * each has a mapping that is cut. Then the objects are unloaded, and the program's mapping is missed once more. Last a
 * fault that is nobody's. As child_chain.
 */
static void child_copies(const char *order)
{
	const struct mapping_copy own = { mapping_open, mapping_close, mapping_torn };
	const struct sigaction before = { .sa_handler = on_foreign };
	void *handles[3] = { NULL, dlopen(MAPPING_COPY_a, RTLD_NOW), dlopen(MAPPING_COPY_b, RTLD_NOW) };
	const struct mapping_copy *copies[3] = { &own, dlsym(handles[1], "mapping_copy"),
						 dlsym(handles[2], "mapping_copy") };
	unsigned char *bare;
	struct mapping maps[3];
	int fd = make_file(3), i;

	bare = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	sigaction(SIGBUS, &before, NULL);
	for (i = 0; i < 3; i++)
		if (copies[order[i] - '0']->open(&maps[order[i] - '0'], fd, 0, 3 * PAGE, MAPPING_READ, NULL) < 0)
			_exit(1);
	if (ftruncate(fd, 0) < 0)
		_exit(1);
	for (i = 0; i < 3; i++)
		if (copies[i]->torn(&maps[i]) || at(&maps[i], 0) != 0 || !copies[i]->torn(&maps[i]))
			_exit(2);
	for (i = 1; i < 3; i++) {
		copies[i]->close(&maps[i]);
		dlclose(handles[i]);
	}
	if (at(&maps[0], 2 * PAGE) != 0 || foreign)
		_exit(3);
	if (sigsetjmp(jump, 1) == 0)
		(void)*(volatile unsigned char *)bare;
	_exit(foreign == SIGBUS ? 0 : 4);
}

static void test_copies(void **state)
{
	static const char *const orders[] = { "012", "021", "102", "120", "201", "210" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		int status;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0)
			child_copies(orders[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* A SIGBUS that someone sent is no fault: it goes the way it went. */
static int child_sent(const struct sigaction *before)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int fd = make_file(1);
		struct mapping m;

		sigaction(SIGBUS, before, NULL);
		if (mapping_open(&m, fd, 0, PAGE, MAPPING_READ, NULL) < 0)
			_exit(1);
		if (sigsetjmp(jump, 1) == 0)
			raise(SIGBUS);
		_exit(foreign ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 100 + WEXITSTATUS(status);
}

static void test_sent(void **state)
{
	const struct sigaction plain = { .sa_handler = on_foreign };
	const struct sigaction none = { .sa_handler = SIG_DFL }, ignore = { .sa_handler = SIG_IGN };

	(void)state;
	assert_int_equal(child_sent(&plain), 102);
	assert_int_equal(child_sent(&none), SIGBUS);
	assert_int_equal(child_sent(&ignore), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while this process has no handler yet that its children would inherit. */
		cmocka_unit_test(test_chain),      cmocka_unit_test(test_sent),       cmocka_unit_test(test_copies),
		cmocka_unit_test(test_read),       cmocka_unit_test(test_offsets),    cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_truncated),  cmocka_unit_test(test_shared),     cmocka_unit_test(test_guard),
		cmocka_unit_test(test_huge_pages), cmocka_unit_test(test_many_pages), cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
