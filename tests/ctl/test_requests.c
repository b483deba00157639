/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl: the request each command makes, to the byte, and the exit status of what the server says. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define API "/api/graft/v1/"

static const struct {
	const char *line, *request;
	int http;
} silent[] = {
	{ "mount /srv/web /web",
	  "POST " API "mounts?at=%2Fweb {\"type\":\"passthrough\",\"config\":{\"source\":\"/srv/web\"}}", 201 },
	{ "mount --source /srv/web /web -o cache=never -o xattr=",
	  "POST " API "mounts?at=%2Fweb "
	  "{\"type\":\"passthrough\",\"config\":{\"source\":\"/srv/web\",\"cache\":\"never\",\"xattr\":\"\"}}",
	  201 },
	{ "mount /x -osource=/srv/a=b",
	  "POST " API "mounts?at=%2Fx {\"type\":\"passthrough\",\"config\":{\"source\":\"/srv/a=b\"}}", 201 },
	{ "mount /img --type rafs --source=oci:x --layers idmap%20%20outer:a --layers xattrmap --name app",
	  "POST " API "mounts?at=%2Fimg {\"type\":\"rafs\",\"config\":{\"source\":\"oci:x\"},"
	  "\"layers\":[\"idmap\",\"outer:a\",\"xattrmap\"],\"name\":\"app\"}",
	  201 },
	{ "mount /m -t mem -o idmap.uid=a -o idmap.uid=b -o idmap.uid=c",
	  "POST " API "mounts?at=%2Fm {\"type\":\"mem\",\"config\":{\"idmap.uid\":[\"a\",\"b\",\"c\"]}}", 201 },
	{ "mount /srv /a%20b&c=d?#+%",
	  "POST " API "mounts?at=%2Fa%20b%26c%3Dd%3F%23%2B%25 "
	  "{\"type\":\"passthrough\",\"config\":{\"source\":\"/srv\"}}",
	  201 },
	{ "mount -- /srv --json",
	  "POST " API "mounts?at=--json {\"type\":\"passthrough\",\"config\":{\"source\":\"/srv\"}}", 201 },
	{ "remount /srv/b /web -o cache=always",
	  "PUT " API
	  "mounts?at=%2Fweb {\"type\":\"passthrough\",\"config\":{\"source\":\"/srv/b\",\"cache\":\"always\"}}",
	  200 },
	{ "umount /web", "DELETE " API "mounts?at=%2Fweb", 204 },
	{ "umount --strict /web", "DELETE " API "mounts?at=%2Fweb&strict=true", 204 },
	{ "retry", "POST " API "mounts/retry", 204 },
	{ "retry /web", "POST " API "mounts/retry?at=%2Fweb", 204 },
	{ "log-level debug", "PUT " API "log-level {\"level\":\"debug\"}", 204 },
	{ "stop", "PUT " API "stop", 204 },
};

static void test_silent_commands(void **state)
{
	struct rig *r = *state;
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		fake_json(r->api, silent[i].http, silent[i].http == 204 ? NULL : "{\"at\":\"/web\"}");
		rig_expect(r, silent[i].line, 0, "", "");
		assert_string_equal(fake_request(r->api, i), silent[i].request);
	}
	assert_int_equal(fake_requests(r->api), sizeof(silent) / sizeof(silent[0]));
}

/* The server has another working directory: a relative source is made absolute, links in it are followed. */
static void test_relative_source(void **state)
{
	struct rig *r = *state;
	char folder[128], expected[512], line[256];
	snprintf(folder, sizeof(folder), "%s/data", r->folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(chdir(r->folder), 0);
	fake_json(r->api, 201, "{}");
	rig_expect(r, "mount ./data/../data /web", 0, "", "");
	snprintf(expected, sizeof(expected),
		 "POST " API "mounts?at=%%2Fweb {\"type\":\"passthrough\",\"config\":{\"source\":\"%s\"}}", folder);
	assert_string_equal(fake_request(r->api, 0), expected);

	snprintf(line, sizeof(line), "graftctl: source 'nothing': No such file or directory\n");
	rig_expect(r, "mount nothing /web", 2, "", line);
	assert_int_equal(fake_requests(r->api), 1);
	assert_int_equal(chdir("/"), 0);
	rmdir(folder);
}

static const struct {
	int http;
	const char *json, *said;
	int status;
} refusals[] = {
	{ 409, "{\"error\":{\"code\":\"EEXIST\",\"errno\":17,\"message\":\"something is mounted at /web already\"}}",
	  "something is mounted at /web already (EEXIST)", 1 },
	{ 404, "{\"error\":{\"code\":\"ENOENT\",\"errno\":2,\"message\":\"nothing is mounted at /web\"}}",
	  "nothing is mounted at /web (ENOENT)", 4 },
	{ 400, "{\"error\":{\"code\":\"ENOENT\",\"errno\":2,\"message\":\"source /srv/x: No such file or directory\"}}",
	  "source /srv/x: No such file or directory (ENOENT)", 1 },
	{ 409, "{\"error\":{\"code\":\"EBUSY\",\"errno\":16,\"message\":\"3 nodes are held\"}}",
	  "3 nodes are held (EBUSY)", 5 },
	{ 403, "{\"error\":{\"code\":\"EPERM\",\"errno\":1,\"message\":\"not for you\"}}", "not for you (EPERM)", 1 },
	{ 503, "{\"error\":{\"message\":\"ending\"}}", "ending (no code)", 1 },
};

static void test_refusals(void **state)
{
	struct rig *r = *state;
	char said[256];
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		fake_json(r->api, refusals[i].http, refusals[i].json);
		snprintf(said, sizeof(said), "graftctl: %s\n", refusals[i].said);
		rig_expect(r, "umount /web --strict", refusals[i].status, "", said);
	}
}

static void test_refusal_as_json(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 404, "{\"error\":{\"code\":\"ENOENT\",\"errno\":2,\"message\":\"no \\u001b\"}}");
	rig_expect(
		r, "--json umount /web", 4,
		"{\n  \"error\": {\n    \"code\": \"ENOENT\",\n    \"errno\": 2,\n    \"message\": \"no \\u001B\"\n  }\n}\n",
		"graftctl: no \\x1b (ENOENT)\n");
}

/* Nothing is sent for these. */
static const struct {
	const char *line, *said;
} usage[] = {
	{ "", "no command; see graftctl --help" },
	{ "moutn /a /b", "unknown command 'moutn'; did you mean 'mount'?" },
	{ "frobnicate", "unknown command 'frobnicate'; see graftctl --help" },
	{ "help lits", "unknown command 'lits'; did you mean 'list'?" },
	{ "--jsno list", "unknown option '--jsno'; did you mean '--json'?; see graftctl --help" },
	{ "umount --stirct /a", "unknown option '--stirct'; did you mean '--strict'?; see graftctl umount --help" },
	{ "umount -x /a", "unknown option '-x'; see graftctl umount --help" },
	{ "umount --strict=yes /a", "--strict takes no value; see graftctl umount --help" },
	{ "umount", "argument missing: AT [--strict]; see graftctl umount --help" },
	{ "umount /a /b", "needless argument '/b'; see graftctl umount --help" },
	{ "list /a", "needless argument '/a'; see graftctl list --help" },
	{ "mount /a", "no source: graftctl mount SOURCE /a; see graftctl mount --help" },
	{ "mount /a /b --source /c", "the source is given twice: '/a' and '/c'; see graftctl mount --help" },
	{ "mount /a /b --type", "--type needs a value: PLUGIN; see graftctl mount --help" },
	{ "mount /a /b --type x --type y", "--type is given twice; see graftctl mount --help" },
	{ "mount /a /b -o", "--option needs a value: KEY=VALUE; see graftctl mount --help" },
	{ "mount /a /b -o ro", "-o ro: must be KEY=VALUE; see graftctl mount --help" },
	{ "mount /a /b -o =x", "-o =x: must be KEY=VALUE; see graftctl mount --help" },
	{ "mount /a /b -o k=\xff", "-o k=\\xff: is not UTF-8; see graftctl mount --help" },
	{ "mount /a /b -o k\xff=v", "-o k\\xff=v: is not UTF-8; see graftctl mount --help" },
	{ "mount /a\xff /b", "the source is not UTF-8; see graftctl mount --help" },
	{ "mount /a /b --layers \xff", "--layers is not UTF-8; see graftctl mount --help" },
	{ "mount /a /b --name \xff", "type or name is not UTF-8; see graftctl mount --help" },
	{ "log-level debgu", "no log level 'debgu'; did you mean 'debug'?; see graftctl log-level --help" },
	{ "log-level everything",
	  "no log level 'everything'; there are: error warn info debug trace; see graftctl log-level --help" },
	{ "stats --watch 0", "--watch 0: must be seconds from 0.1 to 86400; see graftctl stats --help" },
	{ "stats --watch=1x", "--watch 1x: must be seconds from 0.1 to 86400; see graftctl stats --help" },
	{ "stats --watch=nan", "--watch nan: must be seconds from 0.1 to 86400; see graftctl stats --help" },
	{ "stats -w1e9", "--watch 1e9: must be seconds from 0.1 to 86400; see graftctl stats --help" },
	{ "top -i 0", "--interval 0: must be seconds from 0.1 to 86400; see graftctl top --help" },
	{ "top --by x", "--by x: must be all, mount or op; see graftctl top --help" },
	{ "top --sort name", "--sort name: must be rate, latency, errors or bytes; see graftctl top --help" },
	{ "top --count 0", "--count 0: must be a number from 1 to 1000000000; see graftctl top --help" },
	{ "top -n 1x", "--count 1x: must be a number from 1 to 1000000000; see graftctl top --help" },
	{ "top -n 99999999999999999999",
	  "--count 99999999999999999999: must be a number from 1 to 1000000000; see graftctl top --help" },
	{ "top --once -n 2", "--once is --count 1; give one of them; see graftctl top --help" },
	{ "top /a /b", "needless argument '/b'; see graftctl top --help" },
	{ "-s /a list -s /b", "--socket is given twice; see graftctl list --help" },
	{ "-s", "--socket needs a value: SOCKET; see graftctl --help" },
};

static void test_usage(void **state)
{
	struct rig *r = *state;
	char said[256];
	for (size_t i = 0; i < sizeof(usage) / sizeof(usage[0]); i++) {
		snprintf(said, sizeof(said), "graftctl: %s\n", usage[i].said);
		rig_expect(r, usage[i].line, 2, "", said);
	}
	assert_int_equal(fake_requests(r->api), 0);
}

static void test_help(void **state)
{
	static const char *const names[] = { "mount", "umount", "remount", "list",      "show", "stats", "top",
					     "retry", "config", "stop",    "log-level", "help", "plugins" };
	struct rig *r = *state;
	char line[64], head[64], own[64], *overview;
	rig_run(r, "--help");
	assert_int_equal(r->status, 0);
	overview = strdup(r->out);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), "\n  %-10s ", names[i]);
		assert_non_null(strstr(overview, line));
		snprintf(line, sizeof(line), "%s --help", names[i]);
		rig_run(r, line);
		assert_int_equal(r->status, 0);
		assert_string_equal(r->err, "");
		snprintf(head, sizeof(head), "graftctl %s - ", names[i]);
		assert_int_equal(strncmp(r->out, head, strlen(head)), 0);
		/* Each teaches with an example. */
		snprintf(own, sizeof(own), "\n  graftctl ");
		assert_non_null(strstr(r->out, own));
		char *same = strdup(r->out);
		snprintf(line, sizeof(line), "help %s", names[i]);
		rig_expect(r, line, 0, same, "");
		free(same);
	}
	rig_expect(r, "help", 0, overview, "");
	free(overview);
	assert_int_equal(fake_requests(r->api), 0);
	rig_run(r, "--version");
	assert_int_equal(strncmp(r->out, "graftctl ", 9), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_silent_commands, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_relative_source, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_refusals, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_refusal_as_json, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_usage, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_help, rig_set_up, rig_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
