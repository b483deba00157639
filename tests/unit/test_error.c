/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/error: text, code, wrapping, cutting, errno kept, a NULL error. */
#include "lib/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	errno = EPERM;
	assert_int_equal(error_set(&err, ENOENT, "open %s: %d", "/srv", 7), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "open /srv: 7");
	assert_int_equal(errno, EPERM);
}

static void test_wrap(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	error_set(&err, EINVAL, "no");
	assert_int_equal(error_wrap(&err, "line %d", 3), -EINVAL);
	assert_int_equal(error_wrap(&err, "%s", "file"), -EINVAL);
	assert_string_equal(err.text, "file: line 3: no");
	assert_int_equal(err.code, EINVAL);
}

static void test_null(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, EIO, "nobody reads this"), -EIO);
	assert_true(error_wrap(NULL, "nor this") < 0);
}

static void test_long(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	char text[3 * ERROR_TEXT_MAX];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	error_wrap(&err, "before");
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "before: xxx", 11);
	error_wrap(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	assert_int_equal(err.text[0], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
