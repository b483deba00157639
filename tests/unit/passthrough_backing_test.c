/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose data the client's kernel moves by itself: one backing id for a node, one way for all its open files. */
#include "passthrough_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka needs what stands above */
#include <cmocka.h>

#define THREADS 4
#define TURNS 3000

/* The client's kernel: gives ids, and takes them back once each. */
static _Atomic int next_id, ids; /* the last one given; how many are out */
static _Atomic int refuse;       /* errno value for each that is asked for */
static _Atomic bool no_direct;   /* file systems cannot do O_DIRECT */

static int fake_open(struct graft_req *req, int fd)
{
	struct stat st;

	assert_true(req->session->flags & FUSE_PASSTHROUGH);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	if (refuse)
		return -refuse;
	ids++;
	return ++next_id;
}

static void fake_close(const struct graft_session *session, int id)
{
	assert_true(session->flags & FUSE_PASSTHROUGH);
	assert_true(id > 0 && id <= next_id);
	ids--;
}

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);

int __wrap_fcntl(int fd, int cmd, ...)
{
	va_list ap;

	va_start(ap, cmd);
	int arg = va_arg(ap, int);
	va_end(ap);
	if (cmd == F_SETFL && arg & O_DIRECT && no_direct) {
		errno = EINVAL;
		return -1;
	}
	return __real_fcntl(fd, cmd, arg);
}

static int set_up(void **state)
{
	next_id = ids = refuse = 0;
	no_direct = false;
	if (fixture_new(state))
		return -1;
	struct fixture *f = *state;
	f->fake->host.backing_open = fake_open;
	f->fake->host.backing_close = fake_close;
	f->session.flags |= FUSE_PASSTHROUGH;
	return fixture_start(f);
}

static uint64_t make(struct fixture *f, const char *name)
{
	fixture_file(f, name, "content");
	return fixture_node(f, name);
}

/* An OPEN as the kernel sees it: its flags, and the id. */
static int open_id(struct fixture *f, uint64_t node, uint32_t flags, uint64_t *fh, uint32_t *open_flags)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_OPEN, node);

	fake_in(fr, struct fuse_open_in)->flags = flags;
	int res = fake_call(fr);
	const struct fuse_open_out *out = fake_out(fr, struct fuse_open_out);
	*fh = out->fh;
	if (open_flags)
		*open_flags = out->open_flags;
	if (!res && out->open_flags & FOPEN_PASSTHROUGH)
		res = graft_open_out_backing(out);
	else if (!res)
		assert_int_equal(graft_open_out_backing(out), 0);
	fake_req_free(fr);
	return res;
}

static void release(struct fixture *f, uint64_t node, uint64_t fh)
{
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
}

static void test_one_id(void **state)
{
	struct fixture *f = *state;
	uint64_t a = make(f, "a"), b = make(f, "b"), fh[4];
	uint32_t flags;

	assert_int_equal(open_id(f, a, O_RDONLY, &fh[0], &flags), 1);
	assert_int_equal(flags, FOPEN_PASSTHROUGH | FOPEN_NOFLUSH);
	assert_int_equal(open_id(f, a, O_RDWR | O_APPEND, &fh[1], &flags), 1);
	assert_int_equal(flags, FOPEN_PASSTHROUGH | FOPEN_NOFLUSH);
	assert_int_equal(open_id(f, b, O_WRONLY, &fh[2], NULL), 2);
	release(f, a, fh[0]);
	assert_int_equal(open_id(f, a, O_WRONLY, &fh[0], NULL), 1);
	assert_int_equal(ids, 2);
	release(f, a, fh[0]);
	release(f, a, fh[1]);
	assert_int_equal(ids, 1);
	assert_int_equal(open_id(f, a, O_RDONLY, &fh[0], NULL), 3);
	/* What is open still ends with the session. */
	fixture_stop(f);
	assert_int_equal(ids, 0);
}

/* Once an open file's data come by here, all do, until the last of them is closed. */
static void test_one_way(void **state)
{
	struct fixture *f = *state;
	uint64_t a = make(f, "a"), fh[3];
	uint32_t flags;

	refuse = EOPNOTSUPP;
	assert_int_equal(open_id(f, a, O_RDONLY, &fh[0], &flags), 0);
	assert_int_equal(flags, FOPEN_NOFLUSH);
	refuse = 0;
	assert_int_equal(open_id(f, a, O_RDWR, &fh[1], NULL), 0);
	assert_int_equal(next_id, 0);
	release(f, a, fh[0]);
	assert_int_equal(open_id(f, a, O_RDWR, &fh[0], NULL), 0);
	release(f, a, fh[0]);
	release(f, a, fh[1]);
	assert_int_equal(open_id(f, a, O_RDONLY, &fh[0], NULL), 1);
	/* And the other way round, though there would be no id any more. */
	refuse = ENOSPC;
	assert_int_equal(open_id(f, a, O_RDONLY, &fh[1], NULL), 1);
	release(f, a, fh[0]);
	release(f, a, fh[1]);
	assert_int_equal(ids, 0);
}

/* Cache modes that bypass or keep a cache have no say: there is none. */
static void test_cache_modes(void **state)
{
	static const uint32_t modes[] = {PT_CACHE_ALWAYS, PT_CACHE_METADATA, PT_CACHE_NEVER};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		uint32_t flags;
		uint64_t fh;

		f->set.cache = modes[i];
		rq_restart(f);
		uint64_t a = make(f, "a");
		assert_true(open_id(f, a, O_RDONLY, &fh, &flags) > 0);
		assert_int_equal(flags, FOPEN_PASSTHROUGH | FOPEN_NOFLUSH);
		release(f, a, fh);
	}
}

static void test_direct(void **state)
{
	const uint32_t here = FOPEN_PASSTHROUGH | FOPEN_NOFLUSH | FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
	struct fixture *f = *state;
	uint64_t a = make(f, "a"), fh, other;
	uint32_t flags;

	/* Not for the host: read and written here, beside files that are not. */
	assert_int_equal(open_id(f, a, O_RDONLY | O_DIRECT, &fh, &flags), 1);
	assert_int_equal(flags, here);
	assert_int_equal(open_id(f, a, O_RDONLY, &other, &flags), 1);
	assert_int_equal(flags, FOPEN_PASSTHROUGH | FOPEN_NOFLUSH);
	release(f, a, fh);
	/* The kernel could not open its backing file so: what it would be without us. */
	no_direct = true;
	assert_int_equal(open_id(f, a, O_RDONLY | O_DIRECT, &fh, NULL), -EINVAL);
	release(f, a, other);
	assert_int_equal(ids, 0);
	assert_int_equal(open_id(f, a, O_RDONLY | O_DIRECT, &fh, &flags), 0);
	assert_int_equal(flags & FOPEN_PASSTHROUGH, 0);
	release(f, a, fh);
	assert_int_equal(ids, 0);

	/* For the host: the kernel's own business. */
	no_direct = false;
	f->set.direct_io = true;
	rq_restart(f);
	a = make(f, "b");
	assert_true(open_id(f, a, O_RDONLY | O_DIRECT, &fh, &flags) > 0);
	assert_int_equal(flags, FOPEN_PASSTHROUGH | FOPEN_NOFLUSH);
	release(f, a, fh);
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	struct rq_created made, again;
	uint64_t fh;

	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "new", O_RDWR | O_EXCL, 0644, &made), 0);
	assert_int_equal(made.open.open_flags, FOPEN_PASSTHROUGH | FOPEN_NOFLUSH);
	assert_int_equal(graft_open_out_backing(&made.open), 1);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "new", O_RDWR, 0644, &again), 0);
	assert_int_equal(graft_open_out_backing(&again.open), 1);
	/* A directory has nothing to move. */
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(next_id, 1);
	release(f, made.entry.nodeid, made.open.fh);
	release(f, again.entry.nodeid, again.open.fh);
	assert_int_equal(ids, 0);
}

/* Released after its node was forgotten, and made anew meanwhile. */
static void test_forgotten_first(void **state)
{
	struct fixture *f = *state;
	uint64_t a = make(f, "a"), fh[2];

	assert_int_equal(open_id(f, a, O_RDONLY, &fh[0], NULL), 1);
	fixture_forget(f, a, 1);
	uint64_t b = fixture_node(f, "a");
	assert_int_not_equal(a, b);
	assert_int_equal(open_id(f, b, O_RDONLY, &fh[1], NULL), 2);
	release(f, a, fh[0]);
	assert_int_equal(ids, 1);
	release(f, b, fh[1]);
	assert_int_equal(ids, 0);
}

/* Not negotiated: nothing is asked for. */
static void test_off(void **state)
{
	struct fixture *f = *state;
	uint64_t fh;

	f->session.flags &= ~FUSE_PASSTHROUGH;
	rq_restart(f);
	assert_null(f->s->backings);
	uint64_t a = make(f, "a");
	assert_int_equal(open_id(f, a, O_RDONLY, &fh, NULL), 0);
	release(f, a, fh);
	assert_int_equal(next_id, 0);
}

/* What the kernel would check: at no time two ids of one node in open files. */
static struct {
	pthread_mutex_t lock;
	int users, id;
} kernel = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct opener {
	struct fixture *f;
	uint64_t node;
};

static void *open_and_close(void *arg)
{
	const struct opener *o = arg;
	uint64_t fh;

	for (int i = 0; i < TURNS; i++) {
		int id = open_id(o->f, o->node, O_RDONLY, &fh, NULL);

		if (id < 0)
			abort();
		pthread_mutex_lock(&kernel.lock);
		if (kernel.users++ == 0)
			kernel.id = id;
		if (kernel.id != id)
			abort();
		pthread_mutex_unlock(&kernel.lock);
		refuse = i % 7 == 0 ? ENOMEM : 0;
		pthread_mutex_lock(&kernel.lock);
		kernel.users--;
		pthread_mutex_unlock(&kernel.lock);
		if (rq_handle(o->f, FUSE_RELEASE, o->node, fh))
			abort();
	}
	return NULL;
}

static void test_race(void **state)
{
	struct fixture *f = *state;
	struct opener o = {f, make(f, "a")};
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &o), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(ids, 0);
	assert_true(next_id > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_id, set_up, fixture_free),
		cmocka_unit_test_setup_teardown(test_one_way, set_up, fixture_free),
		cmocka_unit_test_setup_teardown(test_cache_modes, set_up, fixture_free),
		cmocka_unit_test_setup_teardown(test_direct, set_up, fixture_free),
		cmocka_unit_test_setup_teardown(test_create, set_up, fixture_free),
		cmocka_unit_test_setup_teardown(test_forgotten_first, set_up, fixture_free),
		cmocka_unit_test_setup_teardown(test_off, set_up, fixture_free),
		cmocka_unit_test_setup_teardown(test_race, set_up, fixture_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
