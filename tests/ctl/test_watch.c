/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl stats --watch: blocks and JSON into a pipe, the live table in a pseudo terminal, and all its ways to end. */
#include "pty_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SCREEN "\x1b[?1049h\x1b[?25l"
#define BACK "\x1b[?25h\x1b[?1049l"
#define GONE "{\"error\":{\"code\":\"ENOENT\",\"errno\":2,\"message\":\"nothing is mounted at /web\"}}"

static const char *const live[] = { "stats", "--watch", "0.1", NULL };

/* A reading of one mount: LOOKUP and READ by so many requests of 2 us, one in ten an error. */
static void answer(struct rig *r, unsigned lookups, unsigned reads)
{
	char json[1024];
	snprintf(
		json, sizeof(json),
		"{\"bounds_ns\":[1000,4000,null],\"server\":[{\"op\":\"LOOKUP\",\"count\":%u,\"errors\":%u,\"total_ns\":%u,"
		"\"buckets\":[0,%u,0]}],\"mounts\":[{\"at\":\"/web\",\"ops\":[{\"op\":\"LOOKUP\",\"count\":%u,\"errors\":%u,"
		"\"total_ns\":%u,\"buckets\":[0,%u,0]},{\"op\":\"READ\",\"count\":%u,\"errors\":0,\"total_ns\":%u,"
		"\"buckets\":[0,0,%u]}]}]}",
		lookups, lookups / 10, lookups * 2000, lookups, lookups, lookups / 10, lookups * 2000, lookups, reads,
		reads * 5000, reads);
	fake_json(r->api, 200, json);
}

/* The next line of *text, which moves behind it. */
static void expect_row(char **text, const char *at, const char *op, const char *errors, const char *mean,
		       const char *p50)
{
	char got[6][32];
	double rate;
	int used = 0;
	assert_int_equal(sscanf(*text, "%31s %31s %lf %31s %31s %31s %31s%n", got[0], got[1], &rate, got[2], got[3],
				got[4], got[5], &used),
			 7);
	assert_string_equal(got[0], at);
	assert_string_equal(got[1], op);
	assert_true(rate > 0);
	assert_string_equal(got[2], errors);
	assert_string_equal(got[3], mean);
	assert_string_equal(got[4], p50);
	assert_string_equal(got[5], p50);
	*text += used + 1;
}

static void expect_head(char **text)
{
	char date[32], time[32], titles[7][16];
	int used = 0;
	assert_int_equal(sscanf(*text, "%31s %31s %15s %15s %15s %15s %15s %15s %15s%n", date, time, titles[0],
				titles[1], titles[2], titles[3], titles[4], titles[5], titles[6], &used),
			 9);
	assert_int_equal(strlen(date), 10);
	assert_string_equal(titles[2], "RATE/S");
	*text += used + 1;
}

/* Rows of what came in the interval, the most frequent first, those of no mount last; a remount counts from 0. */
static void test_blocks(void **state)
{
	struct rig *r = *state;
	answer(r, 100, 1000);
	answer(r, 120, 1001);
	answer(r, 10, 1101);
	fake_json(r->api, 404, GONE);
	rig_run(r, "stats /web --watch 0.1");
	assert_int_equal(r->status, 4);
	assert_string_equal(r->err, "graftctl: nothing is mounted at /web (ENOENT)\n");
	assert_string_equal(fake_request(r->api, 3), "GET /api/graft/v1/stats?at=%2Fweb");
	assert_int_equal(fake_requests(r->api), 4);

	char *text = r->out;
	expect_head(&text);
	expect_row(&text, "/web", "LOOKUP", "2", "2.00us", "<=4.00us");
	expect_row(&text, "/web", "READ", "0", "5.00us", ">4.00us");
	expect_row(&text, "(other)", "LOOKUP", "2", "2.00us", "<=4.00us");
	expect_head(&text);
	expect_row(&text, "/web", "READ", "0", "5.00us", ">4.00us");
	expect_row(&text, "/web", "LOOKUP", "1", "2.00us", "<=4.00us");
	expect_row(&text, "(other)", "LOOKUP", "1", "2.00us", "<=4.00us");
	assert_string_equal(text, "\n");
}

static void test_json_lines(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 200, "{\"a\": 1}");
	fake_json(r->api, 200, "{\"a\": \"\\u001b\"}");
	fake_json(r->api, 404, GONE);
	rig_run(r, "stats --json -w0.1");
	assert_string_equal(r->out, "{\"a\":1}\n{\"a\":\"\\u001B\"}\n");
	assert_int_equal(r->status, 4);
}

/* Asserts that the frame at from, to the next one, has no more rows and columns than the window. */
static void expect_fits(const struct pty *p, size_t from, size_t columns, size_t rows)
{
	const char *text = p->shown + from, *end = strstr(text, "\x1b[J");
	size_t lines = 0;
	assert_non_null(end);
	assert_int_equal(strncmp(text, "\x1b[H", 3), 0);
	for (text += 3; text < end; lines++) {
		const char *stop = strstr(text, "\x1b[K\r\n");
		assert_non_null(stop);
		assert_true((size_t)(stop - text) <= columns);
		text = stop + 5;
	}
	assert_true(lines < rows);
}

static void test_live_table(void **state)
{
	struct rig *r = *state;
	struct pty p;
	answer(r, 100, 1000);
	answer(r, 200, 2000);
	answer(r, 300, 3000);
	answer(r, 400, 4000);
	answer(r, 500, 5000);
	pty_start(&p, r, live, 70, 10);
	assert_int_equal(pty_wait(&p, 0, SCREEN), 0);
	size_t row = pty_wait(&p, 0, "/web     READ ");
	pty_wait(&p, row, "\x1b[J");
	size_t frame = pty_wait(&p, pty_wait(&p, strlen(SCREEN), "\x1b[J"), "\x1b[H");
	expect_fits(&p, frame, 70, 10);
	pty_type(&p, "xq");
	assert_int_equal(pty_end(&p), 0);
	assert_string_equal(p.shown + p.size - strlen(BACK), BACK);
	pty_free(&p);
}

/* What does not fit is cut, and said; a change of the window shows at once. */
static void test_window(void **state)
{
	static const char *const slow[] = { "stats", "--watch", "60", NULL };
	struct rig *r = *state;
	struct pty p;
	answer(r, 100, 1000);
	answer(r, 200, 2000);
	pty_start(&p, r, live, 70, 5);
	size_t more = pty_wait(&p, 0, "... 2 more");
	assert_null(strstr(p.shown, "(other)"));
	pty_resize(&p, 20, 24);
	size_t at = pty_wait(&p, more, "(other)  LOOKUP");
	pty_wait(&p, at, "\x1b[J");
	pty_type(&p, "q");
	assert_int_equal(pty_end(&p), 0);
	pty_free(&p);

	/* Before the first interval has passed there is only the head. */
	pty_start(&p, r, slow, 30, 3);
	pty_wait(&p, 0, "\x1b[J");
	size_t seen = p.size;
	expect_fits(&p, strlen(SCREEN), 30, 3);
	pty_resize(&p, 10, 2);
	pty_wait(&p, seen, "\x1b[J");
	expect_fits(&p, seen, 10, 2);
	pty_type(&p, "Q");
	assert_int_equal(pty_end(&p), 0);
	pty_free(&p);
}

static void test_control_c(void **state)
{
	struct rig *r = *state;
	struct pty p;
	answer(r, 100, 1000);
	pty_start(&p, r, live, 70, 10);
	pty_wait(&p, 0, "\x1b[J");
	/* Ctrl-Z is no way to leave the second screen behind. */
	pty_type(&p, "\x1a\x03");
	assert_int_equal(pty_end(&p), 0);
	assert_string_equal(p.shown + p.size - strlen(BACK), BACK);
	pty_free(&p);
}

/* The server stopped answering: the key for an end still works. */
static void test_stalled(void **state)
{
	static const char part[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
	struct rig *r = *state;
	struct pty p;
	fake_raw(r->api, part, sizeof(part) - 1, FAKE_STALL);
	pty_start(&p, r, live, 70, 10);
	assert_non_null(fake_request(r->api, 0));
	pty_type(&p, "\x03");
	assert_int_equal(pty_end(&p), 0);
	assert_string_equal(p.shown + p.size - strlen(BACK), BACK);
	pty_free(&p);
}

static void test_signals(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP };
	struct rig *r = *state;
	for (size_t i = 0; i < 2; i++) {
		struct pty p;
		answer(r, 100, 1000);
		pty_start(&p, r, live, 70, 10);
		pty_wait(&p, 0, "\x1b[J");
		assert_int_equal(kill(p.child, signals[i]), 0);
		assert_int_equal(pty_end(&p), 0);
		assert_string_equal(p.shown + p.size - strlen(BACK), BACK);
		pty_free(&p);
	}
}

/* The first screen is back before anything is said. */
static void test_server_goes(void **state)
{
	struct rig *r = *state;
	struct pty p;
	answer(r, 100, 1000);
	fake_raw(r->api, "", 0, FAKE_HANGUP);
	pty_start(&p, r, live, 70, 10);
	assert_int_equal(pty_end(&p), 3);
	assert_non_null(strstr(p.shown, BACK "graftctl: no proper answer from "));
	pty_free(&p);
}

static void test_no_server(void **state)
{
	static const char *const words[] = { "-s", "/nothing/here", "stats", "--watch", NULL };
	struct rig *r = *state;
	struct pty p;
	pty_start(&p, r, words, 70, 10);
	assert_int_equal(pty_end(&p), 3);
	assert_non_null(
		strstr(p.shown, "graftctl: cannot reach graftfsd at /nothing/here: No such file or directory\r\n"));
	pty_free(&p);
}

static void hostile(struct rig *r, unsigned count)
{
	char json[512];
	snprintf(
		json, sizeof(json),
		"{\"bounds_ns\":[1000,null],\"mounts\":[{\"at\":\"/\\u001b[2J\\n\\u009b\",\"ops\":[{\"op\":\"\\u001b]0;x\\u0007\","
		"\"count\":%u,\"buckets\":[%u,0]}]}]}",
		count, count);
	fake_json(r->api, 200, json);
}

static void test_hostile_live(void **state)
{
	struct rig *r = *state;
	struct pty p;
	hostile(r, 1);
	hostile(r, 100);
	hostile(r, 1000);
	pty_start(&p, r, live, 100, 10);
	pty_wait(&p, 0, "/\\x1b[2J\\n\\u{9b}  \\x1b]0;x\\x07");
	pty_type(&p, "q");
	assert_int_equal(pty_end(&p), 0);
	assert_null(strstr(p.shown, "\x1b[2J"));
	assert_null(strstr(p.shown, "\x1b]0"));
	assert_null(strstr(p.shown, "\xc2\x9b"));
	pty_free(&p);
}

/* In a terminal the configuration cannot steer it either. */
static void test_config_in_terminal(void **state)
{
	static const char *const words[] = { "config", NULL };
	struct rig *r = *state;
	struct pty p;
	fake_json(r->api, 200, "{\"config\":\"[server]\\nlog-file = \\u001b[2J\\n\"}");
	pty_start(&p, r, words, 70, 10);
	assert_int_equal(pty_end(&p), 0);
	assert_string_equal(p.shown, "[server]\r\nlog-file = \\x1b[2J\r\n");
	pty_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_blocks, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_json_lines, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_live_table, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_window, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_control_c, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_stalled, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_signals, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_server_goes, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_no_server, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_live, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_config_in_terminal, rig_set_up, rig_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
