/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl top: its blocks, its JSON, its screen and keys, a server that goes and comes, and what no server should say.
 */
#include "pty_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SCREEN "\x1b[?1049h\x1b[?25l"
#define BACK "\x1b[?25h\x1b[?1049l"
#define REVERSE "\x1b[7m"
#define MOST "9223372036854775807"

static const char *const live[] = { "top", "--interval", "0.1", NULL };

/* Reading n of two mounts: each time 10 READ of 4 KiB and 20 LOOKUP at /web, 5 READ at /db with 2 errors, 1 INIT. */
static void answer(struct rig *r, unsigned n)
{
	char json[2048];
	snprintf(json, sizeof(json),
		 "{\"bounds_ns\":[1000,4000,null],\"server\":[{\"op\":\"INIT\",\"count\":%u,\"errors\":0,\"total_ns\":%"
		 "u,"
		 "\"buckets\":[%u,0,0]}],\"mounts\":[{\"at\":\"/"
		 "web\",\"ops\":[{\"op\":\"READ\",\"count\":%u,\"errors\":0,"
		 "\"total_ns\":%u,\"bytes\":%u,\"buckets\":[0,%u,0]},{\"op\":\"LOOKUP\",\"count\":%u,\"errors\":0,"
		 "\"total_ns\":%u,\"bytes\":0,\"buckets\":[%u,0,0]}]},{\"at\":\"/"
		 "db\",\"ops\":[{\"op\":\"READ\",\"count\":%u,"
		 "\"errors\":%u,\"total_ns\":%u,\"bytes\":%u,\"buckets\":[0,0,%u]}]}]}",
		 n, n * 500, n, n * 10, n * 20000, n * 40960, n * 10, n * 20, n * 10000, n * 20, n * 5, n * 2,
		 n * 50000, n * 512, n * 5);
	fake_json(r->api, 200, json);
}

/* The text behind the block's date, its first line and the titles, which must be these. */
static const char *rows_of(const struct rig *r, const char *sum, const char *titles)
{
	char title[128] = "";
	const char *text = strchr(r->out, '\n');
	assert_non_null(text);
	text = strchr(text, ' ');
	assert_non_null(text);
	assert_int_equal(strncmp(text, sum, strlen(sum)), 0);
	text = strchr(text, '\n') + 1;
	for (size_t n = 0; *text != '\n' && n < sizeof(title) - 1; text++) {
		if (*text != ' ' || text[1] != ' ')
			title[n++] = *text;
	}
	assert_string_equal(title, titles);
	return text + 1;
}

/* A row's words: rates are left out, they depend on the time. */
static const char *expect_row(const char *text, const char *words)
{
	char line[256] = "", *rest = NULL;
	size_t len = strcspn(text, "\n"), n = 0;
	char copy[256];
	assert_true(len < sizeof(copy));
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if (strchr(word, '.') && !strpbrk(word, "<>us"))
			continue;
		if (strstr(word, "iB") || (strlen(word) > 1 && strspn(word, "0123456789") == strlen(word)))
			continue;
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", n ? " " : "", word);
	}
	assert_string_equal(line, words);
	return text + len + 1;
}

static void test_once(void **state)
{
	struct rig *r = *state;
	answer(r, 1);
	answer(r, 2);
	rig_run(r, "top --once -i 0.1");
	assert_string_equal(r->err, "");
	assert_int_equal(r->status, 0);
	assert_int_equal(fake_requests(r->api), 2);
	const char *text = rows_of(r, " ", "AT OP RATE/S ERRORS BYTES/S MEAN P50 P99");
	text = expect_row(text, "/web LOOKUP 0 - 500ns <=1.00us <=1.00us");
	text = expect_row(text, "/web READ 0 2.00us <=4.00us <=4.00us");
	text = expect_row(text, "/db READ 2 10.0us >4.00us >4.00us");
	text = expect_row(text, "(other) INIT 0 - 500ns <=1.00us <=1.00us");
	assert_string_equal(text, "\n");
	assert_non_null(strstr(r->out, " requests/s  2 errors  "));
	assert_non_null(strstr(r->out, "  mean 2.24us  p50 <=1.00us  p99 >4.00us\n"));
}

static void test_groups_and_orders(void **state)
{
	struct rig *r = *state;
	answer(r, 1);
	answer(r, 2);
	answer(r, 3);
	rig_run(r, "top --by mount --sort latency --count 2 -i 0.1 /x");
	assert_int_equal(r->status, 0);
	assert_string_equal(fake_request(r->api, 2), "GET /api/graft/v1/stats?at=%2Fx");
	const char *text = rows_of(r, " ", "AT RATE/S ERRORS BYTES/S MEAN P50 P99");
	text = expect_row(text, "/db 2 10.0us >4.00us >4.00us");
	text = expect_row(text, "/web 0 1.00us <=1.00us <=4.00us");
	text = expect_row(text, "(other) 0 - 500ns <=1.00us <=1.00us");
	assert_int_equal(*text, '\n');

	answer(r, 4);
	rig_run(r, "top --by op --sort bytes --once -i 0.1");
	text = rows_of(r, " ", "OP RATE/S ERRORS BYTES/S MEAN P50 P99");
	assert_int_equal(strncmp(text, "\n", 1), 0);
}

static void test_json(void **state)
{
	struct rig *r = *state;
	answer(r, 1);
	answer(r, 2);
	rig_run(r, "top --json --by op --sort errors -n1 -i0.1");
	assert_int_equal(r->status, 0);
	assert_int_equal(strncmp(r->out, "{\"seconds\":0.", 13), 0);
	const char *first = strstr(r->out, "\"rows\":[{\"op\":\"READ\",\"rate\":"), *second;
	assert_non_null(first);
	assert_non_null(strstr(
		first, "\"count\":15,\"errors\":2,\"bytes\":41472,\"mean_ns\":4666,\"p50_ns\":4000,\"p99_ns\":null}"));
	second = strstr(first, "{\"op\":\"LOOKUP\",");
	assert_non_null(second);
	assert_non_null(strstr(second, "{\"op\":\"INIT\","));
	assert_string_equal(r->out + strlen(r->out) - 3, "]}\n");
	rig_run(r, "top --json -n1 -i0.1");
	assert_non_null(strstr(r->out, "\"rows\":[]}\n"));
}

static void test_keys(void **state)
{
	static const struct {
		const char *key, *shown;
	} keys[] = {
		{ "m", "by mount, most rate first" }, { "e", "by mount, most errors first" },
		{ "o", "by op, most errors first" },  { "b", "by op, most bytes first" },
		{ "l", "by op, most latency first" }, { "\x1b[Axa", "by all, most latency first" },
		{ "r", "by all, most rate first" },
	};
	struct rig *r = *state;
	struct pty p;
	for (unsigned n = 1; n <= 40; n++)
		answer(r, n);
	pty_start(&p, r, live, 120, 24);
	assert_int_equal(pty_wait(&p, 0, SCREEN), 0);
	size_t at = pty_wait(&p, 0, "by all, most rate first");
	pty_wait(&p, at, REVERSE "AT");
	pty_wait(&p, at, "/web     LOOKUP");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		pty_type(&p, keys[i].key);
		at = pty_wait(&p, at + 1, keys[i].shown);
	}
	pty_type(&p, "mq");
	assert_int_equal(pty_end(&p), 0);
	assert_string_equal(p.shown + p.size - strlen(BACK), BACK);
	pty_free(&p);
}

/* The line of an answer that failed takes the table's place until there is one again; no rate spans the gap. */
static void test_server_comes_back(void **state)
{
	struct rig *r = *state;
	struct pty p;
	answer(r, 1);
	answer(r, 2);
	/* A connection that is used again and found closed is tried once more. */
	fake_raw(r->api, "", 0, FAKE_HANGUP);
	fake_raw(r->api, "", 0, FAKE_HANGUP);
	fake_json(r->api, 404,
		  "{\"error\":{\"code\":\"ENOENT\",\"errno\":2,\"message\":\"nothing is mounted at /\\u001b[2J\"}}");
	fake_json(r->api, 200, "[]");
	fake_json(r->api, 200, "{\"bounds_ns\":[1],\"mounts\":7}");
	answer(r, 1);
	answer(r, 2);
	pty_start(&p, r, live, 120, 24);
	size_t at = pty_wait(&p, 0, "/web     LOOKUP");
	at = pty_wait(&p, at, "trying again: no proper answer from ");
	at = pty_wait(&p, at, "trying again: nothing is mounted at /\\x1b[2J (ENOENT)");
	at = pty_wait(&p, at, "answered to stats is no object");
	at = pty_wait(&p, at, "trying again: the server's statistics have no proper mounts");
	pty_wait(&p, at, "/web     LOOKUP");
	assert_null(strstr(p.shown, "\x1b[2J"));
	pty_type(&p, "q");
	assert_int_equal(pty_end(&p), 0);
	pty_free(&p);
}

/* At the start, and where nobody looks, it is an error. */
static void test_no_server(void **state)
{
	struct rig *r = *state;
	struct pty p;
	fake_raw(r->api, "", 0, FAKE_HANGUP);
	pty_start(&p, r, live, 120, 24);
	assert_int_equal(pty_end(&p), 3);
	assert_non_null(strstr(p.shown, BACK "graftctl: no proper answer from "));
	pty_free(&p);
	rig_run(r, "top -i 0.1");
	assert_int_equal(r->status, 3);
	assert_string_equal(r->out, "");
}

static void test_plain_terminals(void **state)
{
	static const char *const once[] = { "top", "--once", "-i", "0.1", NULL };
	struct rig *r = *state;
	struct pty p;
	for (unsigned n = 1; n <= 40; n++)
		answer(r, n);
	pty_start(&p, r, once, 120, 24);
	assert_int_equal(pty_end(&p), 0);
	assert_non_null(strstr(p.shown, "/web     LOOKUP"));
	assert_null(strchr(p.shown, '\x1b'));
	pty_free(&p);

	rig_set_variable("TERM=dumb");
	pty_start(&p, r, live, 120, 24);
	pty_wait(&p, 0, "/web     LOOKUP");
	assert_int_equal(kill(p.child, SIGTERM), 0);
	assert_int_equal(pty_end(&p), 0);
	assert_null(strchr(p.shown, '\x1b'));
	pty_free(&p);

	rig_set_variable("NO_COLOR=1");
	pty_start(&p, r, live, 120, 24);
	pty_wait(&p, 0, "/web     LOOKUP");
	pty_type(&p, "q");
	assert_int_equal(pty_end(&p), 0);
	assert_null(strstr(p.shown, REVERSE));
	pty_free(&p);
}

/* The signal finds the program in the middle of a write: nobody reads what it shows. */
static void test_stopped_writing(void **state)
{
	struct rig *r = *state;
	struct pty p;
	for (unsigned n = 1; n <= 40; n++)
		answer(r, n);
	rig_set_variable("TERM=dumb");
	pty_start(&p, r, live, 120, 24);
	pty_wait_stuck(&p);
	/* What the write had put out is over with the stop; the next one waits with nothing done, and ends with EINTR. */
	assert_int_equal(kill(p.child, SIGSTOP), 0);
	assert_int_equal(waitpid(p.child, NULL, WUNTRACED), p.child);
	assert_int_equal(kill(p.child, SIGCONT), 0);
	pty_wait_stuck(&p);
	assert_int_equal(kill(p.child, SIGTERM), 0);
	assert_int_equal(pty_end(&p), 0);
	pty_free(&p);
}

static void test_windows(void **state)
{
	struct rig *r = *state;
	for (unsigned n = 1; n <= 50; n++)
		answer(r, n);
	for (unsigned short rows = 1; rows < 8; rows++) {
		struct pty p;
		pty_start(&p, r, live, (unsigned short)(rows * 3), rows);
		size_t at = pty_wait(&p, 0, "\x1b[J");
		at = pty_wait(&p, at + 1, "\x1b[J");
		size_t begin = pty_wait(&p, at, "\x1b[H"), end = pty_wait(&p, begin, "\x1b[J"), lines = 0;
		for (const char *c = p.shown + begin; c < p.shown + end; c++)
			lines += *c == '\n';
		assert_true(lines < rows || rows == 1);
		pty_resize(&p, 100, 20);
		pty_wait(&p, end, "by all, most rate first");
		pty_type(&p, "q");
		assert_int_equal(pty_end(&p), 0);
		pty_free(&p);
	}
}

/* Sums that would wrap, counts that go back, members that are missing or of another type, names that steer. */
static void test_hostile(void **state)
{
	static const char *const answers[] = {
		"{\"bounds_ns\":[1000,null],\"mounts\":[]}",
		"{\"bounds_ns\":[1000,null],\"server\":[{}],\"mounts\":["
		"{\"at\":\"/\\u001b[2J\\n\",\"ops\":[{\"op\":\"\\u001b]0;x\\u0007\",\"count\":" MOST ",\"errors\":" MOST
		",\"total_ns\":" MOST ",\"bytes\":" MOST ",\"buckets\":[" MOST "," MOST "]},"
		"{\"op\":\"\\u001b]0;x\\u0007\",\"count\":" MOST ",\"bytes\":" MOST ",\"buckets\":[" MOST "," MOST "]},"
		"{\"op\":\"\\u001b]0;x\\u0007\",\"count\":" MOST ",\"bytes\":" MOST ",\"buckets\":[" MOST "," MOST
		"]}]},"
		"{\"ops\":[{\"op\":7,\"count\":\"x\"},{\"count\":3,\"buckets\":{}},{\"op\":\"READ\",\"count\":-5},7]}]"
		"}",
		"{\"bounds_ns\":[1000,null],\"mounts\":[{\"at\":\"/"
		"\\u001b[2J\\n\",\"ops\":[{\"op\":\"\\u001b]0;x\\u0007\","
		"\"count\":5,\"errors\":1,\"total_ns\":0,\"buckets\":[1,0]}]}]}",
	};
	struct rig *r = *state;
	for (size_t i = 0; i < 3; i++)
		fake_json(r->api, 200, answers[i]);
	rig_run(r, "top --by mount -n 2 -i 0.1");
	assert_int_equal(r->status, 0);
	assert_string_equal(r->err, "");
	assert_null(strchr(r->out, '\x1b'));
	assert_non_null(strstr(r->out, " " MOST " errors"));
	assert_non_null(strstr(r->out, "/\\x1b[2J\\n "));
	assert_non_null(strstr(r->out, "PiB"));
	for (size_t i = 0; i < 3; i++)
		fake_json(r->api, 200, answers[i]);
	rig_run(r, "top --json --once -i 0.1");
	assert_int_equal(r->status, 0);
	assert_null(strchr(r->out, '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_groups_and_orders, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_json, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_keys, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_server_comes_back, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_no_server, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_plain_terminals, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_stopped_writing, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_windows, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_hostile, rig_set_up, rig_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
