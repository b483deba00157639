/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of a server's life fails once: an error at that place, nothing lost, everything else goes on. */
#include "server_probe.h"
#include "server_rig.h"

#include "lib/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *s);

/* Allocations until one fails; 0: never. */
static _Atomic int countdown;

static bool fails(void)
{
	int left = atomic_load(&countdown);

	return left > 0 && atomic_fetch_sub(&countdown, 1) == 1;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

static const struct rig_mount mount = { "web", "/", { &probe_plugin } };

/* One whole life with the n-th allocation failing. False when there is no n-th. */
static bool start_with(int n)
{
	struct graft_error err = { 0 };

	atomic_store(&countdown, n);
	struct rig *rig = rig_try(&mount, 1, &err);
	int left = atomic_exchange(&countdown, 0);
	if (rig) {
		rig_free(rig);
		return left <= 0;
	}
	assert_int_equal(err.code, ENOMEM);
	assert_true(err.text[0]);
	return true;
}

static void test_start(void **state)
{
	int n = 1;

	(void)state;
	while (start_with(n))
		n++;
	assert_true(n > 5);
}

/* The result with the n-th allocation failing; *left: whether there was an n-th. */
static int call_with(struct rig *rig, struct rig_request *q, int n, bool *happened,
		     int (*call)(struct rig *, struct rig_request *))
{
	atomic_store(&countdown, n);
	int res = call(rig, q);
	*happened = atomic_exchange(&countdown, 0) <= 0;
	return res;
}

static int big_setxattr(struct rig *rig, struct rig_request *q)
{
	struct fuse_setxattr_in in = { .size = 60000 };
	static char tail[7 + 60000] = "user.k";

	return rig_call(rig, q, FUSE_SETXATTR, 1, &in, 8, tail, sizeof(tail));
}

static int init(struct rig *rig, struct rig_request *q)
{
	struct fuse_init_in in = { .major = 7, .minor = 31 };

	return rig_call(rig, q, FUSE_INIT, 0, &in, 16, NULL, 0);
}

static int statfs(struct rig *rig, struct rig_request *q)
{
	return rig_call(rig, q, FUSE_STATFS, 1, NULL, 0, NULL, 0);
}

static void every_failure(int (*call)(struct rig *, struct rig_request *), int at_least)
{
	struct rig *rig = rig_new(&mount, 1);
	struct rig_request *q = rig_request_new();
	bool happened = true;
	int n;

	assert_int_equal(init(rig, q), 0);
	for (n = 1; happened; n++) {
		int res = call_with(rig, q, n, &happened, call);

		assert_true(res == 0 || res == -ENOMEM);
		assert_true(!happened || res == -ENOMEM);
		/* The next of the same kind works. */
		assert_int_equal(call(rig, q), 0);
	}
	assert_true(n > at_least);
	rig_request_free(q);
	rig_free(rig);
	assert_int_equal(probe_sessions, 0);
}

static void test_requests(void **state)
{
	(void)state;
	every_failure(big_setxattr, 1);
	every_failure(init, 2);
}

/* The first request of a queue allocates what it is known by; without that it is served all the same. */
static void test_counters(void **state)
{
	(void)state;
	for (int n = 1; n < 3; n++) {
		struct rig *rig = rig_new(&mount, 1);
		struct rig_request *q = rig_request_new(), *other = rig_request_new();
		struct op_sum sum;
		bool happened;

		q->t.queue = (struct transport_queue *)q;
		assert_int_equal(init(rig, other), 0);
		assert_int_equal(call_with(rig, q, n, &happened, statfs), 0);
		assert_int_equal(happened, n < 2);
		server_op(rig->server, FUSE_STATFS, &sum);
		assert_int_equal(sum.count, 1);
		rig_request_free(q);
		rig_request_free(other);
		rig_free(rig);
	}
}

static int set_up(void **state)
{
	(void)state;
	probe_features = (struct graft_features){ .can = UINT64_MAX };
	log_set_level(GRAFT_LOG_ERROR);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_start, set_up),
		cmocka_unit_test_setup(test_requests, set_up),
		cmocka_unit_test_setup(test_counters, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
