/* SPDX-License-Identifier: Apache-2.0 */
/* Front doors: graftfsd's own, and a level of the log that stands in the environment. */
#include "server/door.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define CONFIGURED 77 /* what is given as configured */
#define VARIABLE "GRAFTFS_TEST_LOG"

static const struct door door = { .name = "virtiofsd", .log_variable = VARIABLE };

static void test_own_door(void **state)
{
	(void)state;
	assert_string_equal(door_graftfsd.name, "graftfsd");
	assert_int_equal(door_graftfsd.signal_status, 0);
	assert_false(door_graftfsd.hangup_ends);
	assert_int_equal(setenv("RUST_LOG", "trace", 1), 0);
	assert_int_equal(door_log_level(&door_graftfsd, CONFIGURED), CONFIGURED);
}

static void test_levels(void **state)
{
	static const struct {
		const char *text;
		int level;
	} rows[] = {
		{ "error", GRAFT_LOG_ERROR },
		{ "WARN", GRAFT_LOG_WARN },
		{ "Info", GRAFT_LOG_INFO },
		{ "debug", GRAFT_LOG_DEBUG },
		{ "trace", GRAFT_LOG_TRACE },
		{ "off", LOG_OFF },
		{ "virtiofsd", GRAFT_LOG_TRACE },
		{ "virtiofsd=debug", GRAFT_LOG_DEBUG },
		{ "virtio=debug", GRAFT_LOG_DEBUG }, /* modules are told apart by how their names begin */
		{ "warn,virtiofsd=debug", GRAFT_LOG_DEBUG },
		{ "virtiofsd=debug,warn", GRAFT_LOG_DEBUG },
		{ "virtiofsd=debug,virtiofsd=off", LOG_OFF },
		{ "virtiofsd=debug,virt=off", GRAFT_LOG_DEBUG },
		{ "vhost=debug", LOG_OFF }, /* others only */
		{ "vhost=debug,info", GRAFT_LOG_INFO },
		{ "virtiofsd::passthrough=debug", LOG_OFF },
		{ "debug/pattern", GRAFT_LOG_DEBUG },
		{ "warn/virtiofsd=trace,trace", GRAFT_LOG_WARN },
		{ ",,error,", GRAFT_LOG_ERROR },
		/* Nothing that can be understood. */
		{ "", CONFIGURED },
		{ ",", CONFIGURED },
		{ "/", CONFIGURED },
		{ "virtiofsd=loud", CONFIGURED },
		{ "virtiofsd=", CONFIGURED },
		{ "=", CONFIGURED },
	};

	(void)state;
	assert_int_equal(unsetenv(VARIABLE), 0);
	assert_int_equal(door_log_level(&door, CONFIGURED), CONFIGURED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(setenv(VARIABLE, rows[i].text, 1), 0);
		if (door_log_level(&door, CONFIGURED) != rows[i].level)
			fail_msg("\"%s\": %d, not %d", rows[i].text, door_log_level(&door, CONFIGURED), rows[i].level);
	}
}

/* nydusd's variable makes the log quieter, not louder, and what is about others changes nothing. */
static void test_lowers(void **state)
{
	static const struct door lowers = { .name = "nydusd", .log_variable = VARIABLE, .log_lowers = true };
	static const struct {
		const char *text;
		int level;
	} rows[] = {
		{ "error", GRAFT_LOG_ERROR },  { "off", LOG_OFF },
		{ "debug", GRAFT_LOG_INFO },   { "info", GRAFT_LOG_INFO },
		{ "nydusd=warn", GRAFT_LOG_WARN }, { "rafs=error", GRAFT_LOG_INFO },
		{ "rafs=trace,warn", GRAFT_LOG_WARN }, { "x=y", GRAFT_LOG_INFO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(setenv(VARIABLE, rows[i].text, 1), 0);
		assert_int_equal(door_log_level(&lowers, GRAFT_LOG_INFO), rows[i].level);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_own_door), cmocka_unit_test(test_levels),
					    cmocka_unit_test(test_lowers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
