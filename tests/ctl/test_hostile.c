/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl and a server that is not there, hangs up, lies or tries to steer the terminal; and which server is meant. */
#include "rig.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void raw(struct rig *r, const char *bytes, enum fake_end end)
{
	fake_raw(r->api, bytes, strlen(bytes), end);
}

static void test_no_server(void **state)
{
	struct rig *r = *state;
	char said[256], name[192];
	rig_expect(r, "-s /nothing/here list", 3, "",
		   "graftctl: cannot reach graftfsd at /nothing/here: No such file or directory\n");
	/* A socket that nobody listens on any more. */
	snprintf(name, sizeof(name), "%s/dead", r->folder);
	struct fake_api *dead = fake_start(name);
	char moved[160];
	snprintf(moved, sizeof(moved), "%s/moved", r->folder);
	assert_int_equal(rename(name, moved), 0);
	fake_stop(dead);
	snprintf(name, sizeof(name), "list --socket=%s", moved);
	snprintf(said, sizeof(said), "graftctl: cannot reach graftfsd at %s: Connection refused\n", moved);
	rig_expect(r, name, 3, "", said);
	unlink(moved);
	assert_int_equal(fake_requests(r->api), 0);
}

static void test_long_socket(void **state)
{
	struct rig *r = *state;
	char path[200] = "";
	memset(path, 'x', 108);
	const char *words[] = { "-s", path, "list", NULL };
	rig_run_words(r, words, NULL);
	assert_int_equal(r->status, 2);
	assert_non_null(strstr(r->err, "a path of a socket has at most 107 bytes"));
	const char *none[] = { "-s", "", "list", NULL };
	rig_run_words(r, none, NULL);
	assert_int_equal(r->status, 2);
	assert_string_equal(r->err, "graftctl: the path of the socket is empty\n");
}

static const struct {
	const char *bytes, *said; /* said: a part of it */
} improper[] = {
	{ "", "no proper answer from" },
	{ "HTTP/1.1 200 OK\r\nContent-", "is no list" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]", "no proper answer from" },
	{ "SSH-2.0-OpenSSH_9.2\r\n", "no proper answer from" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no proper answer from" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[,", "is no JSON" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "is no list" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "is no list" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\"\xff\xfe\"", "is no JSON" },
	{ "HTTP/1.1 400 Bad\r\nContent-Length: 19\r\n\r\n<html>nothing</html>", "is no JSON" },
	{ "HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n", "answered with HTTP status 500 and no reason" },
	{ "HTTP/1.1 500 Bad\r\nContent-Length: 14\r\n\r\n{\"error\":true}",
	  "answered with HTTP status 500 and no reason" },
	{ "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
	  "HTTP status 302 and no reason" },
};

static void test_improper(void **state)
{
	struct rig *r = *state;
	for (size_t i = 0; i < sizeof(improper) / sizeof(improper[0]); i++) {
		raw(r, improper[i].bytes, FAKE_HANGUP);
		rig_run(r, "list");
		if (!strstr(r->err, improper[i].said))
			fail_msg("answer %zu: %s", i, r->err);
		assert_string_equal(r->out, "");
		assert_int_equal(r->status, 3);
	}
}

static void test_nested(void **state)
{
	struct rig *r = *state;
	size_t size = 5 << 20;
	char *bytes = malloc(size + 128);
	assert_non_null(bytes);
	int head = sprintf(bytes, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	memset(bytes + head, '[', size);
	fake_raw(r->api, bytes, (size_t)head + size, FAKE_HANGUP);
	free(bytes);
	rig_run(r, "list");
	assert_non_null(strstr(r->err, "is no JSON"));
	assert_int_equal(r->status, 3);
}

static void test_flood(void **state)
{
	struct rig *r = *state;
	char said[256];
	raw(r, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", FAKE_FLOOD);
	snprintf(said, sizeof(said), "graftctl: the answer of %s is longer than 256 MiB\n", r->socket);
	rig_expect(r, "list", 3, "", said);
}

#define HOSTILE "/a\\u001b[2J\\u009b\\n\\t\\\\\\u202e\\u200b\\u007f\\u00e9"
#define HARMLESS "/a\\x1b[2J\\u{9b}\\n\\t\\\\\\u{202e}\\u{200b}\\x7f\xc3\xa9"

/* Whatever a name holds, nothing of it reaches the terminal that could steer it. */
static void test_hostile_names(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 200,
		  "[{\"at\":\"" HOSTILE "\",\"name\":7,\"type\":\"" HOSTILE "\",\"keys\":{\"source\":\"" HOSTILE
		  "\"},\"state\":null,\"nodes\":-5,\"handles\":\"x\",\"requests\":1e300}, 7, null, []]");
	rig_run(r, "list");
	assert_int_equal(r->status, 0);
	const char *line = strchr(r->out, '\n');
	assert_non_null(line);
	char row[512];
	snprintf(row, sizeof(row), "\n%s  %s  %s%14s", HARMLESS, HARMLESS, HARMLESS, "0");
	assert_int_equal(strncmp(line, row, strlen(row)), 0);
	rig_expect(r, "list --paths", 0, HARMLESS "\n\n\n\n", "");

	fake_json(r->api, 400, "{\"error\":{\"code\":\"" HOSTILE "\",\"message\":\"" HOSTILE "\"}}");
	fake_json(r->api, 400, "{\"error\":{\"code\":\"" HOSTILE "\",\"message\":\"" HOSTILE "\"}}");
	rig_expect(r, "list", 1, "", "graftctl: " HARMLESS " (" HARMLESS ")\n");
}

/* Every command is given every kind of JSON: an error or something harmless, never a crash. */
static void test_wrong_types(void **state)
{
	static const char *const lines[] = { "list",   "list --paths", "show",         "show /",
					     "stats",  "stats /",      "plugins",      "plugins x",
					     "config", "log-level",    "umount /",     "retry",
					     "stop",   "list --json",  "stats --json", "show --json",
					     "top --once -i0.1" };
	static const char *const answers[] = {
		"null",
		"7",
		"\"x\"",
		"[]",
		"{}",
		"[[]]",
		"[{}]",
		"{\"mounts\":7}",
		"{\"bounds_ns\":[]}",
		"{\"bounds_ns\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17],\"mounts\":[]}",
		"{\"bounds_ns\":[\"a\",-1],\"mounts\":[{\"ops\":[{\"buckets\":[-1,9223372036854775807],\"count\":3}]}]}",
		"{\"bounds_ns\":[1],\"mounts\":[],\"server\":[7,{}]}",
		"{\"bounds_ns\":[1],\"mounts\":[],\"server\":7}",
		"{\"config\":7,\"level\":[],\"keys\":{\"a\":7,\"b\":[7]},\"layers\":[7],\"since\":\"x\",\"why\":7}",
	};
	struct rig *r = *state;
	for (size_t a = 0; a < sizeof(answers) / sizeof(answers[0]); a++) {
		for (size_t l = 0; l < sizeof(lines) / sizeof(lines[0]); l++) {
			struct fake_api *api = r->api;
			fake_stop(api);
			r->api = fake_start(r->socket);
			fake_json(r->api, 200, answers[a]);
			rig_run(r, lines[l]);
			if (r->status != 0 && r->status != 3 && r->status != 4)
				fail_msg("%s of %s: status %d, %s", lines[l], answers[a], r->status, r->err);
			assert_true((r->status == 0) == (r->err[0] == '\0'));
		}
	}
}

/* /run is a folder of the rig's in the child. */
static char run[128];

static void own_run(void)
{
	int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
	if (unshare(flags) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(run, "/run", NULL, MS_BIND, NULL) != 0)
		_exit(77);
}

static void make_folder(const struct rig *r, const char *name)
{
	char path[192];
	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void remove_folder(const struct rig *r, const char *name)
{
	char path[192];
	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	rmdir(path);
}

static void look_for_servers(struct rig *r)
{
	static const char *const words[] = { "log-level", NULL };
	char path[192];
	snprintf(run, sizeof(run), "%s/run", r->folder);
	r->no_socket = true;
	rig_run_words(r, words, own_run);
	if (r->status == 77)
		return;
	assert_string_equal(r->err,
			    "graftctl: no server found: nothing at /run/graftfs/*/api.sock; say where with --socket or "
			    "GRAFTCTL_SOCKET\n");
	assert_int_equal(r->status, 3);

	snprintf(path, sizeof(path), "%s/run/graftfs/a/api.sock", r->folder);
	struct fake_api *a = fake_start(path);
	fake_json(a, 200, "{\"level\":\"warn\"}");
	rig_run_words(r, words, own_run);
	assert_string_equal(r->out, "warn\n");
	assert_int_equal(r->status, 0);

	snprintf(path, sizeof(path), "%s/run/graftfs/b/api.sock", r->folder);
	struct fake_api *b = fake_start(path);
	rig_run_words(r, words, own_run);
	assert_string_equal(r->err, "graftctl: 2 servers run here; say which with --socket: /run/graftfs/a/api.sock "
				    "/run/graftfs/b/api.sock\n");
	assert_int_equal(r->status, 2);
	fake_stop(a);
	fake_stop(b);
}

static void test_default_socket(void **state)
{
	static const char *const folders[] = { "run", "run/graftfs", "run/graftfs/a", "run/graftfs/b" };
	struct rig *r = *state;
	for (size_t i = 0; i < 4; i++)
		make_folder(r, folders[i]);
	look_for_servers(r);
	for (size_t i = 4; i-- > 0;)
		remove_folder(r, folders[i]);
	/* No right to make a mount namespace here. */
	if (r->status == 77)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_server, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_long_socket, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_improper, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_nested, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_flood, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_names, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_types, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_default_socket, rig_set_up, rig_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
