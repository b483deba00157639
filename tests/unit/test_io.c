/* SPDX-License-Identifier: Apache-2.0 */
/* The io engine: transfers by the ring and by workers, short ones, failed ones, cancelled ones, and want of a ring. */
#include "lib/log.h"
#include "lib/thread.h"
#include "server/io.h"
#include "server/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_BYTES (1u << 20)
#define MANY 1000

/* Set-up calls of the ring that fail on demand; the linker puts these in front. */
static int fail_init, fail_restrict, fail_enable, fail_thread;

int __real_io_uring_queue_init_params(unsigned int n, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned int n, struct io_uring *ring, struct io_uring_params *p);
int __real_io_uring_register_restrictions(struct io_uring *ring, struct io_uring_restriction *r, unsigned int n);
int __wrap_io_uring_register_restrictions(struct io_uring *ring, struct io_uring_restriction *r, unsigned int n);
int __real_io_uring_enable_rings(struct io_uring *ring);
int __wrap_io_uring_enable_rings(struct io_uring *ring);
int __real_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);
int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

int __wrap_io_uring_queue_init_params(unsigned int n, struct io_uring *ring, struct io_uring_params *p)
{
	return fail_init ? fail_init : __real_io_uring_queue_init_params(n, ring, p);
}

int __wrap_io_uring_register_restrictions(struct io_uring *ring, struct io_uring_restriction *r, unsigned int n)
{
	return fail_restrict ? fail_restrict : __real_io_uring_register_restrictions(ring, r, n);
}

int __wrap_io_uring_enable_rings(struct io_uring *ring)
{
	return fail_enable ? fail_enable : __real_io_uring_enable_rings(ring);
}

int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg)
{
	return fail_thread && !strcmp(name, "io") ? fail_thread : __real_thread_start(t, name, fn, arg);
}

/* For the next transfer: what the kernel is made to have answered. */
static _Atomic int answer;

unsigned int __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned int n);
unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned int n);

unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned int n)
{
	n = __real_io_uring_peek_batch_cqe(ring, cqes, n);
	for (unsigned int i = 0; i < n; i++) {
		if (cqes[i]->user_data > 4096 && atomic_load(&answer))
			cqes[i]->res = atomic_exchange(&answer, 0);
	}
	return n;
}

struct transfer {
	struct io_op op; /* first */
	struct iovec iov;
	int64_t res;
	_Atomic int ended;
};

static struct workers *workers;
static struct io_engine *engine;
static bool have_ring; /* this kernel gives us one */
static char said[4096];
static int file;
static unsigned char content[FILE_BYTES];

static void sink(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	snprintf(said, sizeof(said), "%s", line);
}

static void ended(struct io_op *op, int64_t res)
{
	struct transfer *t = (struct transfer *)op;

	t->res = res;
	atomic_fetch_add_explicit(&t->ended, 1, memory_order_release);
}

static void begin(struct transfer *t, uint32_t kind, int fd, uint64_t off, void *bytes, size_t len)
{
	t->iov = (struct iovec){ bytes, len };
	t->op.what = (struct graft_io){ .kind = kind, .fd = fd, .off = off, .iov = &t->iov, .niov = 1 };
	t->op.end = ended;
	t->res = INT64_MIN;
	atomic_store(&t->ended, 0);
}

static void post(struct transfer *t)
{
	assert_int_equal(io_engine_post(engine, &t->op), 0);
}

static bool has_ended(struct transfer *t)
{
	return atomic_load_explicit(&t->ended, memory_order_acquire) == 1;
}

static int64_t wait_for(struct transfer *t)
{
	for (int i = 0; i < 100000 && !has_ended(t); i++)
		usleep(100);
	assert_true(has_ended(t));
	return t->res;
}

static int64_t run(uint32_t kind, int fd, uint64_t off, void *bytes, size_t len)
{
	struct transfer t;

	begin(&t, kind, fd, off, bytes, len);
	post(&t);
	return wait_for(&t);
}

static void start_engine(uint32_t bound)
{
	struct graft_error err = { 0 };

	workers = workers_new(2, bound);
	assert_non_null(workers);
	assert_int_equal(workers_start(workers, &err), 0);
	said[0] = 0;
	engine = io_engine_new(workers);
	assert_non_null(engine);
	io_engine_start(engine);
	have_ring = !said[0];
}

static int set_up(void **state)
{
	char path[] = "/tmp/graft-test-XXXXXX";

	(void)state;
	fail_init = fail_restrict = fail_enable = fail_thread = 0;
	log_set_sink(sink, NULL);
	file = mkstemp(path);
	unlink(path);
	for (size_t i = 0; i < FILE_BYTES; i++)
		content[i] = (unsigned char)(i * 31 + (i >> 9));
	assert_int_equal(pwrite(file, content, FILE_BYTES, 0), FILE_BYTES);
	start_engine(UINT32_MAX);
	return 0;
}

static int set_up_without(void **state)
{
	set_up(state);
	io_engine_free(engine);
	workers_free(workers);
	fail_init = -ENOSYS;
	start_engine(UINT32_MAX);
	assert_false(have_ring);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	io_engine_free(engine);
	workers_free(workers);
	close(file);
	log_set_sink(NULL, NULL);
	return 0;
}

static void test_transfers(void **state)
{
	static unsigned char got[FILE_BYTES];
	struct iovec iov[300];
	struct transfer t;

	(void)state;
	assert_int_equal(run(GRAFT_IO_READ, file, 0, got, FILE_BYTES), FILE_BYTES);
	assert_memory_equal(got, content, FILE_BYTES);
	/* Over the end, at it, nothing at all. */
	assert_int_equal(run(GRAFT_IO_READ, file, FILE_BYTES - 100, got, 4096), 100);
	assert_memory_equal(got, content + FILE_BYTES - 100, 100);
	assert_int_equal(run(GRAFT_IO_READ, file, FILE_BYTES, got, 4096), 0);
	assert_int_equal(run(GRAFT_IO_READ, file, 0, got, 0), 0);
	assert_int_equal(run(GRAFT_IO_WRITE, file, 5000, content, 4096), 4096);
	assert_int_equal(pread(file, got, 4096, 5000), 4096);
	assert_memory_equal(got, content, 4096);
	/* Many elements, and the end of the file among them. */
	for (int i = 0; i < 300; i++)
		iov[i] = (struct iovec){ got + i * 7, 7 };
	begin(&t, GRAFT_IO_READ, file, FILE_BYTES - 1000, NULL, 0);
	t.op.what.iov = iov;
	t.op.what.niov = 300;
	post(&t);
	assert_int_equal(wait_for(&t), 1000);
	assert_memory_equal(got, content + FILE_BYTES - 1000, 1000);
	assert_int_equal(run(GRAFT_IO_WRITE, file, FILE_BYTES, content, 8), 8);
	begin(&t, GRAFT_IO_WRITE, file, 0, content, 8);
	t.op.what.flags = RWF_APPEND;
	post(&t);
	assert_int_equal(wait_for(&t), 8);
	assert_int_equal(lseek(file, 0, SEEK_END), FILE_BYTES + 16);
	assert_int_equal(run(GRAFT_IO_FSYNC, file, 0, NULL, 0), 0);
	assert_int_equal(run(GRAFT_IO_FDATASYNC, file, 0, NULL, 0), 0);
}

static void test_errors(void **state)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY), reader = open("/dev/null", O_RDONLY);
	struct transfer t;
	char byte;

	(void)state;
	assert_int_equal(run(GRAFT_IO_READ, -1, 0, &byte, 1), -EBADF);
	assert_int_equal(run(GRAFT_IO_READ, dir, 0, &byte, 1), -EISDIR);
	assert_int_equal(run(GRAFT_IO_WRITE, reader, 0, &byte, 1), -EBADF);
	assert_int_equal(run(GRAFT_IO_READ, file, 0, (void *)8, 1), -EFAULT);
	assert_int_equal(run(99, file, 0, &byte, 1), -EINVAL);
	begin(&t, GRAFT_IO_READ, file, 0, &byte, 1);
	t.op.what.niov = 1025;
	post(&t);
	assert_int_equal(wait_for(&t), -EINVAL);
	close(dir);
	close(reader);
}

/* Bytes before the error count, and the error comes with the next transfer. */
static void test_error_behind_bytes(void **state)
{
	struct rlimit old, small;
	int64_t some, none;

	(void)state;
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = FILE_BYTES + 6;
	void (*kept)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	some = run(GRAFT_IO_WRITE, file, FILE_BYTES, content, 10);
	none = run(GRAFT_IO_WRITE, file, FILE_BYTES + 6, content, 10);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, kept);
	assert_int_equal(some, 6);
	assert_int_equal(none, -EFBIG);
}

/* More at a time than the ring holds, from more threads than one. */
static void *post_many(void *arg)
{
	struct transfer *t = arg;

	for (int i = 0; i < MANY; i++)
		post(&t[i]);
	return NULL;
}

static void test_many(void **state)
{
	struct transfer *t = calloc((size_t)3 * MANY, sizeof(*t));
	unsigned char *got = malloc((size_t)3 * MANY * 100);
	pthread_t threads[3];

	(void)state;
	assert_true(t && got);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	for (size_t i = 0; i < 3 * MANY; i++)
		begin(&t[i], GRAFT_IO_READ, file, i * 349 % (FILE_BYTES - 100), got + i * 100, 100);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, post_many, t + (size_t)i * MANY);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 3 * MANY; i++) {
		assert_int_equal(wait_for(&t[i]), 100);
		assert_memory_equal(got + i * 100, content + i * 349 % (FILE_BYTES - 100), 100);
	}
	free(t);
	free(got);
}

static void need_ring(void)
{
	if (!have_ring)
		skip();
}

/* A pipe gives what it has: the transfer goes on until all is there or the pipe ends. */
static void test_short(void **state)
{
	unsigned char got[1000];
	struct iovec iov[100];
	struct transfer t;
	int p[2];

	(void)state;
	need_ring();
	assert_int_equal(pipe(p), 0);
	for (int i = 0; i < 100; i++)
		iov[i] = (struct iovec){ got + i * 10, 10 };
	for (int whole = 0; whole < 2; whole++) {
		begin(&t, GRAFT_IO_READ, p[0], UINT64_MAX, NULL, 0);
		t.op.what.iov = iov;
		t.op.what.niov = 100;
		memset(got, 0, sizeof(got));
		post(&t);
		for (int i = 0; i < 7; i++) {
			assert_int_equal(write(p[1], content + i * 135, 135), 135);
			usleep(500);
		}
		assert_false(has_ended(&t));
		if (whole)
			close(p[1]);
		else
			assert_int_equal(write(p[1], content + 945, 55), 55);
		assert_int_equal(wait_for(&t), whole ? 945 : 1000);
		assert_memory_equal(got, content, 945);
	}
	close(p[0]);
}

static void test_cancel(void **state)
{
	struct transfer t, other;
	char got[8], more[8];
	int p[2];

	(void)state;
	need_ring();
	assert_int_equal(pipe(p), 0);
	begin(&t, GRAFT_IO_READ, p[0], UINT64_MAX, got, 8);
	post(&t);
	usleep(2000);
	io_engine_cancel(engine, &t.op);
	assert_int_equal(wait_for(&t), -EINTR);
	/* Once more after the end: nothing is there to be ended. */
	io_engine_cancel(engine, &t.op);
	/* What came before counts. */
	begin(&t, GRAFT_IO_READ, p[0], UINT64_MAX, got, 8);
	begin(&other, GRAFT_IO_READ, p[0], UINT64_MAX, more, 8);
	post(&t);
	assert_int_equal(write(p[1], "abc", 3), 3);
	usleep(2000);
	post(&other);
	usleep(2000);
	io_engine_cancel(engine, &t.op);
	assert_int_equal(wait_for(&t), 3);
	assert_memory_equal(got, "abc", 3);
	/* It hit nobody else. */
	assert_false(has_ended(&other));
	assert_int_equal(write(p[1], "12345678", 8), 8);
	assert_int_equal(wait_for(&other), 8);
	close(p[0]);
	close(p[1]);
}

/* An end that keeps the ring's thread until the test lets it go on. */
static sem_t held, go_on;

static void ended_slowly(struct io_op *op, int64_t res)
{
	sem_post(&held);
	while (sem_wait(&go_on))
		;
	ended(op, res);
}

static void wait_held(void)
{
	while (sem_wait(&held))
		assert_int_equal(errno, EINTR);
}

static void hold_thread(struct transfer *first, void *byte)
{
	sem_init(&held, 0, 0);
	sem_init(&go_on, 0, 0);
	begin(first, GRAFT_IO_READ, file, 0, byte, 1);
	first->op.end = ended_slowly;
	post(first);
	wait_held();
}

/* Posted and cancelled between two looks of the ring's thread, of which the second found the cancel alone. */
static void test_cancel_posted(void **state)
{
	struct transfer first, t;
	char got[8];
	int p[2];

	(void)state;
	need_ring();
	assert_int_equal(pipe(p), 0);
	hold_thread(&first, got);
	begin(&t, GRAFT_IO_READ, p[0], UINT64_MAX, got, 8);
	post(&t);
	/* io_engine_cancel without the ring's flag, which was taken already. */
	atomic_store(&t.op.cancelled, true);
	sem_post(&go_on);
	assert_int_equal(wait_for(&first), 1);
	assert_int_equal(wait_for(&t), -EINTR);
	close(p[0]);
	close(p[1]);
}

/* The ring full of what does not end: the next wait their turn, and can be cancelled meanwhile. */
static void test_full(void **state)
{
	struct transfer *t = calloc(URING_DEPTH + 3, sizeof(*t));
	char got[URING_DEPTH + 3];
	int p[2];

	(void)state;
	need_ring();
	assert_non_null(t);
	assert_int_equal(pipe(p), 0);
	for (int i = 0; i < URING_DEPTH + 3; i++)
		begin(&t[i], GRAFT_IO_READ, p[0], UINT64_MAX, &got[i], 1);
	for (int i = 0; i < URING_DEPTH; i++)
		post(&t[i]);
	usleep(20000);
	for (int i = 0; i < 3; i++)
		post(&t[URING_DEPTH + i]);
	usleep(2000);
	io_engine_cancel(engine, &t[URING_DEPTH + 1].op);
	assert_int_equal(wait_for(&t[URING_DEPTH + 1]), -EINTR);
	/* Room for the first that waits, not for the last. */
	io_engine_cancel(engine, &t[7].op);
	assert_int_equal(wait_for(&t[7]), -EINTR);
	assert_false(has_ended(&t[URING_DEPTH]));
	for (int i = 0; i < URING_DEPTH + 3; i++)
		io_engine_cancel(engine, &t[i].op);
	for (int i = 0; i < URING_DEPTH + 3; i++)
		assert_int_equal(wait_for(&t[i]), -EINTR);
	assert_int_equal(run(GRAFT_IO_READ, file, 0, got, 1), 1);
	close(p[0]);
	close(p[1]);
	free(t);
}

/* A cancel that comes when the ring's thread is about to fill the ring and wait. */
static void test_cancel_in_full(void **state)
{
	struct transfer *t = calloc(URING_DEPTH + 1, sizeof(*t)), first, *gone;
	char got[URING_DEPTH + 1];
	int p[2];

	(void)state;
	need_ring();
	assert_non_null(t);
	gone = &t[URING_DEPTH];
	assert_int_equal(pipe(p), 0);
	for (int i = 0; i < URING_DEPTH + 1; i++)
		begin(&t[i], GRAFT_IO_READ, p[0], UINT64_MAX, &got[i], 1);
	for (int i = 0; i < URING_DEPTH - 1; i++)
		post(&t[i]);
	usleep(20000);
	hold_thread(&first, &got[URING_DEPTH]);
	gone->op.end = ended_slowly;
	post(gone);
	atomic_store(&gone->op.cancelled, true);
	post(&t[URING_DEPTH - 1]);
	sem_post(&go_on);
	wait_held();
	io_engine_cancel(engine, &t[7].op);
	sem_post(&go_on);
	assert_int_equal(wait_for(&t[7]), -EINTR);
	for (int i = 0; i < URING_DEPTH; i++)
		io_engine_cancel(engine, &t[i].op);
	for (int i = 0; i < URING_DEPTH + 1; i++)
		assert_int_equal(wait_for(&t[i]), -EINTR);
	close(p[0]);
	close(p[1]);
	free(t);
}

/* What the ring cannot do a worker does; unless EAGAIN is what was asked for. EINTR is tried again. */
static void test_refused(void **state)
{
	static const struct {
		int answer;
		uint32_t flags;
		int64_t res;
		bool on_worker;
	} cases[] = {
		{ -EAGAIN, 0, 1, true },
		{ -ECANCELED, 0, 1, true },
		{ -EINTR, 0, 1, false },
		{ -EAGAIN, RWF_NOWAIT, -EAGAIN, false },
		{ -EIO, 0, -EIO, false },
	};
	struct transfer t;
	char byte;

	(void)state;
	need_ring();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&t, GRAFT_IO_READ, file, 9, &byte, 1);
		t.op.what.flags = cases[i].flags;
		byte = 0;
		atomic_store(&answer, cases[i].answer);
		post(&t);
		assert_int_equal(wait_for(&t), cases[i].res);
		assert_int_equal(t.op.on_worker, cases[i].on_worker);
		if (cases[i].res == 1)
			assert_int_equal((unsigned char)byte, content[9]);
		assert_int_equal(atomic_load(&answer), 0);
	}
}

static void *feed(void *arg)
{
	usleep(20000);
	assert_int_equal(write(*(int *)arg, "x", 1), 1);
	return NULL;
}

static void test_stop_waits(void **state)
{
	struct transfer t;
	pthread_t thread;
	char byte;
	int p[2];

	(void)state;
	need_ring();
	assert_int_equal(pipe(p), 0);
	begin(&t, GRAFT_IO_READ, p[0], UINT64_MAX, &byte, 1);
	post(&t);
	pthread_create(&thread, NULL, feed, &p[1]);
	io_engine_stop(engine);
	assert_true(has_ended(&t));
	assert_int_equal(t.res, 1);
	pthread_join(thread, NULL);
	/* From now on workers. */
	begin(&t, GRAFT_IO_READ, file, 0, &byte, 1);
	post(&t);
	assert_int_equal(wait_for(&t), 1);
	assert_true(t.op.on_worker);
	close(p[0]);
	close(p[1]);
}

/* Nothing of it is an error: workers do it. */
static void test_no_ring(void **state)
{
	static const int codes[] = { -ENOSYS, -EPERM, -ENOMEM, -EINVAL };
	int *const fails[] = { &fail_init, &fail_restrict, &fail_enable, &fail_thread };
	char byte;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 4; j++) {
			io_engine_free(engine);
			workers_free(workers);
			*fails[i] = codes[j];
			start_engine(UINT32_MAX);
			*fails[i] = 0;
			assert_false(have_ring);
			assert_non_null(strstr(said, "no io_uring ("));
			assert_non_null(strstr(said, "2 workers do what may block"));
			assert_int_equal(run(GRAFT_IO_READ, file, 7, &byte, 1), 1);
			assert_int_equal((unsigned char)byte, content[7]);
		}
	}
}

static _Atomic bool hold;

static void busy(struct work *w)
{
	(void)w;
	while (atomic_load(&hold))
		usleep(100);
}

/* The bound of the workers' queue; and what waits there is cancelled too. */
static void test_workers_full(void **state)
{
	struct work work[2] = { { .fn = busy }, { .fn = busy } };
	struct transfer t[3];
	char byte;

	(void)state;
	io_engine_free(engine);
	workers_free(workers);
	fail_init = -ENOSYS;
	start_engine(2);
	atomic_store(&hold, true);
	for (int i = 0; i < 2; i++)
		workers_post(workers, &work[i]);
	usleep(20000);
	for (int i = 0; i < 3; i++)
		begin(&t[i], GRAFT_IO_READ, file, 0, &byte, 1);
	post(&t[0]);
	post(&t[1]);
	assert_int_equal(io_engine_post(engine, &t[2].op), -EAGAIN);
	io_engine_cancel(engine, &t[1].op);
	atomic_store(&hold, false);
	assert_int_equal(wait_for(&t[0]), 1);
	assert_int_equal(wait_for(&t[1]), -EINTR);
	assert_false(has_ended(&t[2]));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define WITHOUT(name) { #name " by workers", name, set_up_without, tear_down, NULL }
	const struct CMUnitTest tests[] = {
		T(test_transfers),
		WITHOUT(test_transfers),
		T(test_errors),
		WITHOUT(test_errors),
		T(test_error_behind_bytes),
		WITHOUT(test_error_behind_bytes),
		T(test_many),
		WITHOUT(test_many),
		T(test_short),
		T(test_cancel),
		T(test_cancel_posted),
		T(test_full),
		T(test_cancel_in_full),
		T(test_refused),
		T(test_stop_waits),
		T(test_no_ring),
		T(test_workers_full),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
