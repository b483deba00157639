/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of resident_drop_code: less of the files is mapped, and everything still runs and reads as before. */
#include "lib/resident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char text[] = "a constant of the program";
static char written[] = "what was written stays";

static long file_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "RssFile: %ld", &kib);
	fclose(f);
	return kib;
}

static void test_drop(void **state)
{
	long before;

	(void)state;
	written[0] = 'W';
	before = file_kib();
	resident_drop_code();
	assert_true(file_kib() < before);
	assert_string_equal(text, "a constant of the program");
	assert_string_equal(written, "What was written stays");
	/* Functions of libraries, and the pointers to them that the linker wrote. */
	assert_true(strtol("42", NULL, 10) == 42 && time(NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_drop) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
