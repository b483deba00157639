/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/thread: name, signals, umask and directory of its own, and both ways a start can fail. */
#include "lib/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool fail_unshare, fail_create;

int __real_unshare(int flags);
int __wrap_unshare(int flags);
int __wrap_unshare(int flags)
{
	if (!fail_unshare)
		return __real_unshare(flags);
	errno = EPERM;
	return -1;
}

int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return fail_create ? EAGAIN : __real_pthread_create(t, attr, fn, arg);
}

struct seen {
	char name[16], cwd[256];
	sigset_t blocked;
	mode_t mask;
	bool ran;
};

static void *look(void *arg)
{
	struct seen *s = arg;
	s->ran = true;
	pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
	pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
	s->mask = umask(0777);
	if (chdir("/proc") != 0 || !getcwd(s->cwd, sizeof(s->cwd)))
		s->cwd[0] = '\0';
	return s;
}

static void test_start(void **state)
{
	(void)state;
	struct seen s = { .mask = 0777 };
	pthread_t t;
	void *result = NULL;
	sigset_t before, after;
	mode_t mask = umask(027);

	assert_int_equal(chdir("/"), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(thread_start(&t, "a-name-longer-than-15", look, &s), 0);
	assert_int_equal(pthread_join(t, &result), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_ptr_equal(result, &s);
	assert_string_equal(s.name, "a-name-longer-t");
	assert_true(sigismember(&s.blocked, SIGTERM));
	assert_true(sigismember(&s.blocked, SIGUSR2));
	assert_false(sigismember(&s.blocked, SIGBUS));
	assert_int_equal(s.mask, 0);
	assert_string_equal(s.cwd, "/proc");

	/* Nothing of it reached this thread. */
	char cwd[256];
	assert_string_equal(getcwd(cwd, sizeof(cwd)), "/");
	assert_int_equal(umask(mask), 027);
	for (int sig = 1; sig < NSIG; sig++)
		assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
}

static void test_unshare_fails(void **state)
{
	(void)state;
	struct seen s = { .ran = false };
	pthread_t t = pthread_self();
	fail_unshare = true;
	assert_int_equal(thread_start(&t, "x", look, &s), -EPERM);
	fail_unshare = false;
	assert_false(s.ran);
	assert_true(pthread_equal(t, pthread_self()));
}

static void test_create_fails(void **state)
{
	(void)state;
	struct seen s = { .ran = false };
	pthread_t t = pthread_self();
	sigset_t now;
	fail_create = true;
	assert_int_equal(thread_start(&t, "x", look, &s), -EAGAIN);
	fail_create = false;
	assert_false(s.ran);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_false(sigismember(&now, SIGTERM));
}

/* Those that were begun come to life together; one that cannot harms no other. */
static void test_together(void **state)
{
	(void)state;
	struct seen s[4] = { { .ran = false } };
	struct thread_birth births[4];
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_begin(&births[i], "together", look, &s[i]), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_await(&births[i], &t[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		assert_true(s[i].ran);
		assert_string_equal(s[i].name, "together");
		assert_int_equal(s[i].mask, 0);
	}
	fail_unshare = true;
	assert_int_equal(thread_begin(&births[0], "x", look, &s[0]), 0);
	assert_int_equal(thread_await(&births[0], &t[0]), -EPERM);
	fail_unshare = false;
	fail_create = true;
	assert_int_equal(thread_begin(&births[1], "x", look, &s[1]), -EAGAIN);
	fail_create = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_unshare_fails),
		cmocka_unit_test(test_create_fails),
		cmocka_unit_test(test_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
