/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/log: the line's form, levels, control characters, cutting, one write a line, and the limit. */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct capture {
	char last[4096], before[4096]; /* the last line and the one before it */
	_Atomic int lines, level;
};

static void keep(void *user, int level, const char *line)
{
	struct capture *c = user;
	memcpy(c->before, c->last, sizeof(c->before));
	snprintf(c->last, sizeof(c->last), "%s", line);
	c->lines++;
	c->level = level;
}

static void count(void *user, int level, const char *line)
{
	struct capture *c = user;
	(void)level;
	c->lines += line[0] == 'g';
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	log_set_level(GRAFT_LOG_INFO);
	return 0;
}

static void test_form(void **state)
{
	(void)state;
	struct capture c = { 0 };
	log_set_sink(keep, &c);
	log_set_level(GRAFT_LOG_TRACE);
	log_info(NULL, "ready");
	assert_string_equal(c.last, "graftfsd: ready");
	log_info("web", "%d mounts", 2);
	assert_string_equal(c.last, "graftfsd: web: 2 mounts");
	log_warn("web", "text");
	assert_string_equal(c.last, "graftfsd: warn: web: text");
	log_err(NULL, "text");
	assert_string_equal(c.last, "graftfsd: error: text");
	log_dbg("a", "b");
	assert_string_equal(c.last, "graftfsd: debug: a: b");
	log_msg(GRAFT_LOG_TRACE, "a", "b");
	assert_string_equal(c.last, "graftfsd: trace: a: b");
	assert_int_equal(c.level, GRAFT_LOG_TRACE);
	log_msg(-5, "a", "b"); /* a plugin's level may be anything */
	assert_string_equal(c.last, "graftfsd: a: b");
}

static void test_level(void **state)
{
	(void)state;
	struct capture c = { 0 };
	log_set_sink(keep, &c);
	log_set_level(GRAFT_LOG_WARN);
	assert_int_equal(log_level(), GRAFT_LOG_WARN);
	log_info("x", "unseen");
	log_dbg("x", "unseen");
	assert_int_equal(c.lines, 0);
	log_warn("x", "seen");
	log_err("x", "seen");
	assert_int_equal(c.lines, 2);
}

static void test_text(void **state)
{
	(void)state;
	struct capture c = { 0 };
	char text[5000];
	log_set_sink(keep, &c);
	log_info("a\033[2Jb", "c\nd\x7f \xc3\xa9");
	assert_string_equal(c.last, "graftfsd: a?[2Jb: c?d? \xc3\xa9");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info(NULL, "%s", text);
	assert_int_equal(strlen(c.last), 2046);
	log_info(text, "%s", text);
	assert_int_equal(strlen(c.last), 2046);
	errno = EXDEV;
	log_info(NULL, "%m");
	assert_string_equal(c.last, "graftfsd: Invalid cross-device link");
	assert_int_equal(errno, EXDEV);
}

/* Runs fn with stderr going to a pipe; returns what came out. */
static size_t through_pipe(void (*fn)(void), char *out, size_t size)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	int saved = dup(STDERR_FILENO);
	assert_true(saved >= 0);
	dup2(fds[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	ssize_t n = read(fds[0], out, size - 1);
	close(fds[0]);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void say_two(void)
{
	log_info(NULL, "ready");
	log_err("web", "gone");
}

static void say_long(void)
{
	log_info(NULL, "%4000d", 1);
}

static void test_stderr(void **state)
{
	(void)state;
	char out[4096];
	through_pipe(say_two, out, sizeof(out));
	assert_string_equal(out, "graftfsd: ready\ngraftfsd: error: web: gone\n");
	size_t n = through_pipe(say_long, out, sizeof(out));
	assert_int_equal(n, 2047);
	assert_int_equal(out[n - 1], '\n');
}

static void test_limit(void **state)
{
	(void)state;
	struct capture c = { 0 };
	struct log_limit limit = { 0 };
	log_set_sink(keep, &c);
	log_limited(&limit, GRAFT_LOG_DEBUG, "x", "does not count");
	assert_int_equal(limit.count, 0);
	for (int i = 0; i < 25; i++)
		log_limited(&limit, GRAFT_LOG_WARN, "x", "line %d", i);
	assert_int_equal(c.lines, 10);
	assert_string_equal(c.last, "graftfsd: warn: x: line 9");

	/* Ten seconds later: a line about the 15 that were lost, then the new one. */
	limit.window -= 10000000000ULL;
	errno = EXDEV;
	log_limited(&limit, GRAFT_LOG_WARN, "x", "%m");
	assert_int_equal(c.lines, 12);
	assert_string_equal(c.before, "graftfsd: warn: x: 15 more lines like this were left out");
	assert_string_equal(c.last, "graftfsd: warn: x: Invalid cross-device link");
	assert_int_equal(errno, EXDEV);
	limit.window -= 10000000000ULL;
	log_limited(&limit, GRAFT_LOG_WARN, "x", "nothing was lost");
	assert_int_equal(c.lines, 13);
}

struct flood {
	struct log_limit limit;
	struct capture capture;
};

static void *pour(void *arg)
{
	struct flood *f = arg;
	for (int i = 0; i < 1000; i++)
		log_limited(&f->limit, GRAFT_LOG_WARN, "x", "line %d", i);
	return NULL;
}

static void test_limit_threads(void **state)
{
	(void)state;
	struct flood f = { 0 };
	pthread_t t[4];
	log_set_sink(count, &f.capture);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, pour, &f), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	/* A thread may count in the window that another is just beginning; a second window is possible on a slow
	 * machine. */
	assert_in_range(f.capture.lines, 10, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_form, teardown),
		cmocka_unit_test_teardown(test_level, teardown),
		cmocka_unit_test_teardown(test_text, teardown),
		cmocka_unit_test_teardown(test_stderr, teardown),
		cmocka_unit_test_teardown(test_limit, teardown),
		cmocka_unit_test_teardown(test_limit_threads, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
