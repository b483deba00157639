/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX locks and flock of the passthrough plugin: two sessions, waiting, cancelling, ending. */
#include "passthrough_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs what stands above */
#include <cmocka.h>

#define TO_END INT64_MAX

/* The linker puts these in front of the real ones. */
static int calloc_fails; /* the calloc that fails: 1 the next one; 0: none */
static bool no_thread;

void *__real_calloc(size_t n, size_t len);
void *__wrap_calloc(size_t n, size_t len);
int __real_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);
int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

void *__wrap_calloc(size_t n, size_t len)
{
	return calloc_fails && --calloc_fails == 0 ? NULL : __real_calloc(n, len);
}

int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg)
{
	return no_thread ? -EAGAIN : __real_thread_start(t, name, fn, arg);
}

static int setup(void **state)
{
	struct fixture *f;

	if (rq_setup(state) < 0)
		return -1;
	f = *state;
	fixture_stop(f);
	f->set.locks = true;
	f->session.flags |= FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
	fixture_file(f, "a", "0123456789");
	return fixture_start(f);
}

/* One guest: a session and its handle on the file "a". */
struct guest {
	struct fixture *f;
	struct graft_session session;
	struct pt_session *s;
	uint64_t node, fh;
};

static void guest_open(struct guest *g, struct fixture *f, bool own)
{
	g->f = f;
	g->s = own ? f->s : rq_session(f, &g->session);
	assert_non_null(g->s);
	rq_use(f, g->s);
	g->node = fixture_node(f, "a");
	assert_int_equal(rq_open(f, g->node, O_RDWR, &g->fh, NULL), 0);
}

static struct fake_req *request(const struct guest *g, uint32_t opcode, uint64_t owner, uint32_t type, uint64_t start,
				uint64_t end, uint32_t flags)
{
	rq_use(g->f, g->s);
	struct fake_req *fr = fake_req_new(g->f->fake, opcode, g->node);
	*fake_in(fr, struct fuse_lk_in) =
	    (struct fuse_lk_in){.fh = g->fh, .owner = owner, .lk = {start, end, type, 42}, .lk_flags = flags};
	return fr;
}

static int call(const struct guest *g, uint32_t opcode, uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	struct fake_req *fr = request(g, opcode, owner, type, start, end, 0);
	int res = fake_call(fr);

	fake_req_free(fr);
	return res;
}

static int flock_by(const struct guest *g, uint32_t type)
{
	struct fake_req *fr = request(g, FUSE_SETLK, 1, type, 0, TO_END, FUSE_LK_FLOCK);
	int res = fake_call(fr);

	fake_req_free(fr);
	return res;
}

static int flush(const struct guest *g, uint32_t opcode, uint64_t owner)
{
	rq_use(g->f, g->s);
	struct fake_req *fr = fake_req_new(g->f->fake, opcode, g->node);
	if (opcode == FUSE_FLUSH)
		*fake_in(fr, struct fuse_flush_in) = (struct fuse_flush_in){.fh = g->fh, .lock_owner = owner};
	else
		*fake_in(fr, struct fuse_release_in) =
		    (struct fuse_release_in){.fh = g->fh, .lock_owner = owner, .release_flags = FUSE_RELEASE_FLUSH};
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static void test_posix(void **state)
{
	struct fixture *f = *state;
	struct guest a;
	struct fuse_file_lock lk;

	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 5, 20), 0); /* its own */
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 9, 9), -EAGAIN);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 21, 30), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 3, F_RDLCK, 25, TO_END), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 3, F_WRLCK, 25, TO_END), -EAGAIN);

	struct fake_req *fr = request(&a, FUSE_GETLK, 2, F_WRLCK, 0, TO_END, 0);
	assert_int_equal(fake_call(fr), 0);
	lk = fake_out(fr, struct fuse_lk_out)->lk;
	assert_int_equal(lk.type, F_WRLCK);
	assert_int_equal(lk.start, 0);
	assert_int_equal(lk.end, 20);
	fake_req_free(fr);
	/* An owner without locks. */
	fr = request(&a, FUSE_GETLK, 9, F_RDLCK, 21, TO_END, 0);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fake_out(fr, struct fuse_lk_out)->lk.type, F_UNLCK);
	fake_in(fr, struct fuse_lk_in)->lk.type = F_WRLCK;
	assert_int_equal(fake_call(fr), 0);
	lk = fake_out(fr, struct fuse_lk_out)->lk;
	assert_int_equal(lk.type, F_RDLCK);
	assert_true(lk.start == 21 || (lk.start == 25 && lk.end == TO_END));
	fake_req_free(fr);

	assert_int_equal(call(&a, FUSE_SETLK, 1, F_UNLCK, 8, TO_END), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 9, 9), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 7, 9), -EAGAIN);
	assert_int_equal(call(&a, FUSE_SETLK, 77, F_UNLCK, 0, TO_END), 0); /* had none */
	/* FLUSH drops what its owner has, and nothing of another. */
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 0, 9), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), -EAGAIN);
	assert_int_equal(flush(&a, FUSE_FLUSH, 2), 0);
	assert_int_equal(flush(&a, FUSE_RELEASE, 3), 0);
	assert_int_equal(f->fake->deferred, 0);
}

static void test_refuses(void **state)
{
	struct fixture *f = *state;
	struct guest a;

	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 10, 9), -EINVAL);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, UINT64_MAX, UINT64_MAX), -EINVAL);
	assert_int_equal(call(&a, FUSE_SETLK, 1, 99, 0, 9), -EINVAL);
	assert_int_equal(call(&a, FUSE_GETLK, 1, 99, 0, 9), -EINVAL);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, UINT64_MAX), 0);
	a.fh++;
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), -EBADF);
	assert_int_equal(call(&a, FUSE_SETLKW, 1, F_WRLCK, 0, 9), -EBADF);
	assert_int_equal(call(&a, FUSE_GETLK, 1, F_WRLCK, 0, 9), -EBADF);
	a.fh--;
	/* No descriptor for another owner. */
	f->fake->fd_limit = 0;
	assert_int_equal(call(&a, FUSE_SETLK, 5, F_RDLCK, 0, 9), -ENOLCK);
	f->fake->fd_limit = 1000;
	assert_int_equal(call(&a, FUSE_SETLK, 5, F_RDLCK, 0, 9), -EAGAIN);

	fixture_stop(f);
	f->set.locks = false;
	assert_int_equal(fixture_start(f), 0);
	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), -EOPNOTSUPP);
	assert_int_equal(call(&a, FUSE_SETLKW, 1, F_WRLCK, 0, 9), -EOPNOTSUPP);
	assert_int_equal(call(&a, FUSE_GETLK, 1, F_WRLCK, 0, 9), -EOPNOTSUPP);
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	assert_int_equal(flush(&a, FUSE_RELEASE, 1), 0);
}

/* An owner takes one of the places for open files while it has locks. */
static void test_claims(void **state)
{
	struct fixture *f = *state;
	struct guest a;

	f->session.max_open = 3; /* of the ranges */
	f->fake->claim_max[GRAFT_CLAIM_OPEN] = 2;
	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 20, 29), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_WRLCK, 40, 49), 0);
	assert_int_equal(f->fake->claimed[GRAFT_CLAIM_OPEN], 2);
	assert_int_equal(call(&a, FUSE_SETLK, 3, F_WRLCK, 60, 69), -ENOLCK);
	/* One that got no lock keeps no place. */
	assert_int_equal(flush(&a, FUSE_FLUSH, 2), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 3, F_WRLCK, 0, 9), -EAGAIN);
	assert_int_equal(f->fake->claimed[GRAFT_CLAIM_OPEN], 1);
	assert_int_equal(call(&a, FUSE_SETLK, 3, F_WRLCK, 60, 69), 0);
	/* No descriptor for an owner. */
	assert_int_equal(flush(&a, FUSE_FLUSH, 3), 0);
	f->fake->fd_limit = 0;
	assert_int_equal(call(&a, FUSE_SETLK, 3, F_WRLCK, 60, 69), -ENOLCK);
	f->fake->fd_limit = 1000;
	assert_int_equal(f->fake->claimed[GRAFT_CLAIM_OPEN], 1);
	fixture_stop(f);
	assert_int_equal(f->fake->claimed[GRAFT_CLAIM_OPEN], 0);
}

/* What the kernel keeps for a guest's locks is bounded too, whoever owns them. */
static void test_ranges(void **state)
{
	struct fixture *f = *state;
	struct guest a;

	f->session.max_open = 4;
	f->fake->claim_max[GRAFT_CLAIM_OPEN] = 4;
	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 99), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_UNLCK, 10, 19), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_RDLCK, 50, 59), 0); /* four */
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_UNLCK, 30, 39), -ENOLCK);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 200, 209), -ENOLCK);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 200, 209), -ENOLCK);
	/* What makes no more of them goes on, as does what was refused by somebody else. */
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_WRLCK, 0, 0), -ENOLCK);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 100, 109), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 10, 19), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_WRLCK, 0, 0), -EAGAIN);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 200, TO_END), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 2, F_RDLCK, 180, 180), -ENOLCK);
	/* Their owner's close gives them back. */
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 2 * i, 2 * i), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 6, 6), -ENOLCK);
	fixture_stop(f);
}

static void test_two_sessions(void **state)
{
	struct fixture *f = *state;
	struct guest a, b;

	guest_open(&a, f, true);
	guest_open(&b, f, false);
	int before = fixture_open_fds();
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), 0);
	/* The same owner's number in another guest is another owner. */
	assert_int_equal(call(&b, FUSE_SETLK, 1, F_RDLCK, 0, 9), -EAGAIN);
	assert_int_equal(flush(&b, FUSE_FLUSH, 1), 0);
	assert_int_equal(call(&b, FUSE_SETLK, 1, F_RDLCK, 0, 9), -EAGAIN);
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	assert_int_equal(fixture_open_fds(), before);
	assert_int_equal(call(&b, FUSE_SETLK, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_RDLCK, 0, 9), -EAGAIN);
	/* A session's end frees what it had. */
	rq_session_end(f, b.s);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), 0);
	/* The host sees them, and they the host's. */
	int fd = open(fixture_path(f, "a"), O_RDWR);
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), -1);
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_RDLCK, 0, 9), -EAGAIN);
	close(fd);
}

static void test_flock(void **state)
{
	struct fixture *f = *state;
	struct guest a, b;

	guest_open(&a, f, true);
	guest_open(&b, f, false);
	assert_int_equal(flock_by(&a, F_RDLCK), 0);
	assert_int_equal(flock_by(&b, F_RDLCK), 0);
	assert_int_equal(flock_by(&b, F_WRLCK), -EAGAIN);
	assert_int_equal(flock_by(&a, F_UNLCK), 0);
	assert_int_equal(flock_by(&b, F_WRLCK), 0);
	/* POSIX locks are a matter of their own. */
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(flock_by(&a, F_RDLCK), -EAGAIN);
	/* RELEASE ends it, even while a request has the handle. */
	struct handle *h;
	assert_int_equal(handle_get(b.s, b.fh, b.node, &h), 0);
	rq_use(f, b.s);
	struct fake_req *fr = fake_req_new(f->fake, FUSE_RELEASE, b.node);
	*fake_in(fr, struct fuse_release_in) =
	    (struct fuse_release_in){.fh = b.fh, .release_flags = FUSE_RELEASE_FLOCK_UNLOCK};
	assert_int_equal(fake_call(fr), 0);
	fake_req_free(fr);
	assert_int_equal(flock_by(&a, F_RDLCK), 0);
	handle_put(b.s, h);
	rq_session_end(f, b.s);
}

/* Waits of both kinds end with an unlock, in the same session and in another. */
static void test_waiting(void **state)
{
	struct fixture *f = *state;
	struct guest a, b;

	guest_open(&a, f, true);
	guest_open(&b, f, false);
	for (int kind = 0; kind < 4; kind++) {
		uint32_t flags = kind & 1 ? FUSE_LK_FLOCK : 0;
		const struct guest *other = kind & 2 ? &b : &a;

		if (kind == 1)
			continue; /* flock within one session wants a second handle: below */
		struct fake_req *have = request(&a, FUSE_SETLKW, 1, F_WRLCK, 0, TO_END, flags);
		assert_int_equal(fake_start(have), 0);
		struct fake_req *want = request(other, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END, flags);
		assert_int_equal(fake_start(want), GRAFT_ASYNC);
		usleep(30000);
		assert_false(fake_completed(want));
		fake_in(have, struct fuse_lk_in)->lk.type = F_UNLCK;
		assert_int_equal(fake_start(have), 0);
		assert_int_equal(fake_wait(want), 0);
		/* It has it now. */
		fake_in(have, struct fuse_lk_in)->lk.type = F_RDLCK;
		have->req.opcode = FUSE_SETLK;
		assert_int_equal(fake_start(have), -EAGAIN);
		fake_in(want, struct fuse_lk_in)->lk.type = F_UNLCK;
		assert_int_equal(fake_start(want), 0);
		fake_req_free(have);
		fake_req_free(want);
	}
	assert_int_equal(f->fake->deferred, 0);
	rq_session_end(f, b.s);
}

static void test_waiting_for_release(void **state)
{
	struct fixture *f = *state;
	struct guest a, b;
	uint64_t second;

	guest_open(&a, f, true);
	b = a;
	assert_int_equal(rq_open(f, a.node, O_RDWR, &second, NULL), 0);
	b.fh = second;
	assert_int_equal(flock_by(&a, F_WRLCK), 0);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, 4), 0);
	struct fake_req *w1 = request(&b, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END, FUSE_LK_FLOCK);
	struct fake_req *w2 = request(&b, FUSE_SETLKW, 2, F_RDLCK, 4, 4, 0);
	assert_int_equal(fake_start(w1), GRAFT_ASYNC);
	assert_int_equal(fake_start(w2), GRAFT_ASYNC);
	assert_int_equal(flush(&a, FUSE_RELEASE, 1), 0);
	assert_int_equal(fake_wait(w1), 0);
	assert_int_equal(fake_wait(w2), 0);
	fake_req_free(w1);
	fake_req_free(w2);
	assert_int_equal(flush(&b, FUSE_RELEASE, 2), 0);
	assert_int_equal(f->inst->count.handles, 0);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct guest a;

	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, TO_END), 0);
	int before = fixture_open_fds();
	for (int i = 0; i < 20; i++) {
		struct fake_req *w = request(&a, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END, 0);
		assert_int_equal(fake_start(w), GRAFT_ASYNC);
		if (i % 2)
			usleep(12000); /* into the waiting thread's attempt, at times */
		assert_true(fake_cancel(w));
		assert_int_equal(fake_wait(w), -EINTR);
		assert_int_equal(w->completed, 1);
		/* Too late: nothing happens. */
		fake_cancel(w);
		assert_int_equal(w->completed, 1);
		fake_req_free(w);
	}
	/* The owner that only waited has left nothing. */
	assert_int_equal(fixture_open_fds(), before);
}

/* The cancellation comes before the operation has returned. */
static void cancel_at_once(struct graft_req *req, void (*fn)(struct graft_inst *, struct graft_req *))
{
	struct fake_req *fr = (struct fake_req *)(void *)req;

	fn(fr->fake->inst, req);
}

static void test_cancel_early(void **state)
{
	struct fixture *f = *state;
	struct guest a;

	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, TO_END), 0);
	f->fake->host.cancel = cancel_at_once;
	assert_int_equal(call(&a, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END), -EINTR);
	/* Memory for the waiter is short. */
	f->fake->alloc_failures = 1;
	assert_int_equal(call(&a, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END), -ENOMEM);
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	assert_int_equal(call(&a, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END), 0);
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;
	struct fake_req *w[1024];
	struct guest a;

	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, TO_END), 0);
	for (int i = 0; i < 1024; i++) {
		w[i] = request(&a, FUSE_SETLKW, 2, F_RDLCK, 0, TO_END, 0);
		assert_int_equal(fake_start(w[i]), GRAFT_ASYNC);
	}
	assert_int_equal(call(&a, FUSE_SETLKW, 2, F_RDLCK, 0, TO_END), -ENOLCK);
	/* Its owner may wait, and close a descriptor meanwhile. */
	assert_int_equal(flush(&a, FUSE_FLUSH, 2), 0);
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	for (int i = 0; i < 1024; i++) {
		assert_int_equal(fake_wait(w[i]), 0);
		fake_req_free(w[i]);
	}
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, TO_END), -EAGAIN);
}

/* Should the server end a session while somebody waits, he is answered and nothing stays. */
static void test_end_of_session(void **state)
{
	struct fixture *f = *state;
	struct fake_req *w[10];
	struct guest a, b;

	guest_open(&a, f, true);
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, TO_END), 0);
	int before = fixture_open_fds();
	guest_open(&b, f, false);
	for (int i = 0; i < 10; i++) {
		w[i] = request(&b, FUSE_SETLKW, (uint64_t)i, F_WRLCK, 0, TO_END, 0);
		assert_int_equal(fake_start(w[i]), GRAFT_ASYNC);
	}
	rq_session_end(f, b.s);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fake_wait(w[i]), -EINTR);
		fake_req_free(w[i]);
	}
	assert_true(fixture_open_fds() <= before);
}

/* Threads that take and leave locks, waiting, in two sessions; nobody is lost and no two have it at once. */
struct locker {
	struct guest g;
	uint64_t owner, fh;
	uint32_t flags;
	_Atomic int *inside;
	int bad;
};

static struct fake_req *quiet_request(const struct locker *l, uint32_t opcode, uint32_t type)
{
	struct fake_req *fr = fake_req_new(l->g.f->fake, opcode, l->g.node);

	fr->req.state = l->g.s;
	fr->req.session = l->g.s->session;
	*fake_in(fr, struct fuse_lk_in) =
	    (struct fuse_lk_in){.fh = l->fh, .owner = l->owner, .lk = {0, TO_END, type, 1}, .lk_flags = l->flags};
	return fr;
}

static void *lock_thread(void *arg)
{
	struct locker *l = arg;

	for (int i = 0; i < 30; i++) {
		struct fake_req *fr = quiet_request(l, FUSE_SETLKW, F_WRLCK);
		int res = fake_start(fr);

		if (res == GRAFT_ASYNC && i % 5 == 0)
			fake_cancel(fr);
		if (res == GRAFT_ASYNC)
			res = fake_wait(fr);
		fake_req_free(fr);
		if (res == -EINTR)
			continue;
		l->bad += res != 0;
		l->bad += atomic_fetch_add(l->inside, 1) != 0;
		atomic_fetch_sub(l->inside, 1);
		fr = quiet_request(l, FUSE_SETLK, F_UNLCK);
		l->bad += fake_start(fr) != 0;
		fake_req_free(fr);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct guest a, b;
	_Atomic int inside[2] = {0, 0};
	struct locker l[6];
	pthread_t t[6];

	guest_open(&a, f, true);
	guest_open(&b, f, false);
	for (int i = 0; i < 6; i++) {
		l[i] = (struct locker){.g = i % 2 ? a : b, .owner = (uint64_t)i, .flags = i < 3 ? 0 : FUSE_LK_FLOCK};
		l[i].inside = &inside[i < 3 ? 0 : 1];
		rq_use(f, l[i].g.s);
		assert_int_equal(rq_open(f, l[i].g.node, O_RDWR, &l[i].fh, NULL), 0);
	}
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, lock_thread, &l[i]), 0);
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(l[i].bad, 0);
	}
	rq_session_end(f, b.s);
}

static void test_no_memory(void **state)
{
	struct fixture *f = *state;
	struct graft_session session;
	struct guest a;
	int failed = 0;

	guest_open(&a, f, true);
	int before = fixture_open_fds();
	/* Each allocation of a new session in turn. */
	for (int n = 1; n < 100; n++) {
		calloc_fails = n;
		struct pt_session *s = rq_session(f, &session);
		bool reached = calloc_fails == 0;
		calloc_fails = 0;
		if (!reached) {
			assert_non_null(s);
			rq_session_end(f, s);
			break;
		}
		assert_null(s);
		failed++;
	}
	assert_in_range(failed, 3, 50);
	/* A new owner. */
	struct fake_req *fr = request(&a, FUSE_SETLK, 1, F_WRLCK, 0, TO_END, 0);
	calloc_fails = 1;
	int res = fake_start(fr);
	assert_int_equal(calloc_fails, 0);
	assert_int_equal(res, -ENOMEM);
	fake_req_free(fr);
	assert_int_equal(fixture_open_fds(), before);
	/* No thread to wait with. */
	assert_int_equal(call(&a, FUSE_SETLK, 1, F_WRLCK, 0, TO_END), 0);
	no_thread = true;
	assert_int_equal(call(&a, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END), -ENOLCK);
	no_thread = false;
	fr = request(&a, FUSE_SETLKW, 2, F_WRLCK, 0, TO_END, 0);
	assert_int_equal(fake_start(fr), GRAFT_ASYNC);
	assert_int_equal(flush(&a, FUSE_FLUSH, 1), 0);
	assert_int_equal(fake_wait(fr), 0);
	fake_req_free(fr);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_free)
	const struct CMUnitTest tests[] = {
	    T(test_posix),          T(test_refuses),      T(test_claims),         T(test_ranges), T(test_two_sessions),
	    T(test_flock),          T(test_waiting),      T(test_waiting_for_release),
	    T(test_cancel),         T(test_cancel_early), T(test_too_many),
	    T(test_end_of_session),
	    T(test_no_memory), T(test_threads),
	};
	return cmocka_run_group_tests_name("passthrough locks", tests, NULL, NULL);
}
