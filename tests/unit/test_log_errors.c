/* SPDX-License-Identifier: Apache-2.0 */
/* The errors that are kept: which, how many, and how they are written. */
#include "lib/log.h"
#include "lib/log_errors.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DATE_BYTES 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct seen {
	size_t n, bytes;
	char first[LOG_ERRORS_SIZE + 1], last[LOG_ERRORS_SIZE + 1];
};

static void look(const char *line, void *arg)
{
	struct seen *s = arg;

	snprintf(s->n ? s->last : s->first, sizeof(s->first), "%s", line);
	s->n++;
	s->bytes += strlen(line);
}

static void see(struct seen *s)
{
	s->n = s->bytes = 0;
	s->first[0] = s->last[0] = '\0';
	log_errors_each(look, s);
}

static void drop_line(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	(void)line;
}

static int set_up(void **state)
{
	(void)state;
	log_errors_clear();
	log_set_sink(drop_line, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	log_errors_clear();
	log_set_sink(NULL, NULL);
	log_set_form(LOG_FORM_PLAIN, "graftfsd");
	return 0;
}

static void test_lines(void **state)
{
	static struct seen s;

	(void)state;
	see(&s);
	assert_int_equal(s.n, 0);
	log_warn("web", "only a warning");
	log_msg(GRAFT_LOG_ERROR, "web", "disk %d\nis full", 7);
	log_msg(GRAFT_LOG_ERROR, NULL, "no object");
	see(&s);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.first + DATE_BYTES, " - web: disk 7?is full");
	assert_string_equal(s.last + DATE_BYTES, " - no object");
	assert_string_equal(s.first + DATE_BYTES - 4, " GMT - web: disk 7?is full");
	assert_int_equal(s.first[3], ',');
	/* The form of the log is the log's. */
	log_set_form(LOG_FORM_STAMPED, "x");
	log_msg(GRAFT_LOG_ERROR, "web", "stamped");
	see(&s);
	assert_string_equal(s.last + DATE_BYTES, " - web: stamped");
}

static void test_numbers(void **state)
{
	static struct seen s;
	char text[32];

	(void)state;
	for (int i = 0; i < 3 * LOG_ERRORS_MAX + 7; i++) {
		snprintf(text, sizeof(text), "%d", i);
		log_errors_add("n", text);
	}
	see(&s);
	assert_int_equal(s.n, LOG_ERRORS_MAX);
	assert_string_equal(s.first + DATE_BYTES, " - n: 1007");
	assert_string_equal(s.last + DATE_BYTES, " - n: 1506");
}

static void test_bytes(void **state)
{
	static struct seen s;
	static char text[LOG_ERRORS_SIZE + 1];

	(void)state;
	log_errors_add(NULL, "first");
	memset(text, 'x', 10000);
	for (int i = 0; i < 12; i++) {
		log_errors_add(NULL, text);
		see(&s);
		assert_true(s.bytes <= LOG_ERRORS_SIZE);
	}
	assert_int_equal(s.n, 5);
	/* One that takes all the room, and one that has none and is not kept. */
	memset(text, 'y', LOG_ERRORS_SIZE);
	text[LOG_ERRORS_SIZE - DATE_BYTES - 3] = '\0';
	log_errors_add(NULL, text);
	see(&s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.bytes, LOG_ERRORS_SIZE);
	text[LOG_ERRORS_SIZE - DATE_BYTES - 3] = 'y';
	log_errors_add(NULL, text);
	see(&s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.bytes, LOG_ERRORS_SIZE);
}

static void *add_many(void *arg)
{
	for (int i = 0; i < 2000; i++)
		log_errors_add("t", "one of many");
	return arg;
}

static void test_threads(void **state)
{
	static struct seen s;
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, add_many, NULL);
	for (int i = 0; i < 20; i++)
		see(&s);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	see(&s);
	assert_int_equal(s.n, LOG_ERRORS_MAX);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = { T(test_lines), T(test_numbers), T(test_bytes), T(test_threads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
