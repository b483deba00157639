/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl: what each command prints of a proper answer, for people and with --json. */
#include "rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WEB                                                                                                            \
	"{\"name\":\"web\",\"at\":\"/\",\"type\":\"passthrough\",\"layers\":[\"idmap\",\"outer:a\"],"                  \
	"\"keys\":{\"source\":\"/srv/web\",\"idmap.uid\":[\"a\",\"b\"]},\"state\":\"mounted\",\"slot\":1,"             \
	"\"since\":1795255738624844480,\"nodes\":12,\"handles\":1,\"requests\":5311,\"errors\":3}"
#define APP                                                                                                            \
	"{\"name\":\"app\",\"at\":\"/images/app\",\"type\":\"rafs\",\"layers\":[],\"keys\":{},\"state\":\"failed\","   \
	"\"why\":\"/img/app.boot: No such file or directory\"}"
#define MOUNTS "[" WEB "," APP "]"

#define STATS_ROW                                                                                                      \
	"{\"op\":\"LOOKUP\",\"opcode\":1,\"count\":100,\"errors\":2,\"total_ns\":1234500,\"buckets\":[60,38,1,1]}"
#define STATS_OTHER "{\"op\":\"READ\",\"opcode\":15,\"count\":0,\"errors\":0,\"total_ns\":0,\"buckets\":[0,0,0,0]}"
#define BOUNDS "\"bounds_ns\":[1000,4000,16000,null]"

static const char table[] = "AT           TYPE         SOURCE    STATE    NODES  HANDLES  REQUESTS  ERRORS\n"
			    "/            passthrough  /srv/web  mounted     12        1      5311       3\n"
			    "/images/app  rafs         -         failed       0        0         0       0\n";

static void test_list(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 200, MOUNTS);
	rig_expect(r, "list", 0, table, "");
	assert_string_equal(fake_request(r->api, 0), "GET /api/graft/v1/mounts");
	rig_expect(r, "list --paths", 0, "/\n/images/app\n", "");
	fake_json(r->api, 200, "[]");
	fake_json(r->api, 200, "[]");
	rig_expect(r, "list", 0, "AT  TYPE  SOURCE  STATE  NODES  HANDLES  REQUESTS  ERRORS\n", "");
	rig_expect(r, "list --paths", 0, "", "");
}

static void test_list_as_json(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 200, "[{\"at\":\"/\xc3\xa9\",\"slot\":1}]");
	static const char json[] = "[\n  {\n    \"at\": \"/\\u00E9\",\n    \"slot\": 1\n  }\n]\n";
	rig_expect(r, "list --json", 0, json, "");
	rig_expect(r, "--json list", 0, json, "");
}

static void test_show_mount(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 200, WEB);
	fake_json(r->api, 200, "{" BOUNDS ",\"mounts\":[{\"at\":\"/\",\"ops\":[" STATS_ROW "]}]}");
	rig_expect(r, "show /", 0,
		   "at         /\n"
		   "name       web\n"
		   "type       passthrough\n"
		   "layers     idmap outer:a\n"
		   "state      mounted\n"
		   "since      2026-11-21 10:08:58\n"
		   "slot       1\n"
		   "nodes      12\n"
		   "handles    1\n"
		   "requests   5311, 3 with an error\n"
		   "keys\n"
		   "  source = /srv/web\n"
		   "  idmap.uid = a\n"
		   "  idmap.uid = b\n"
		   "\n"
		   "AT  OP      COUNT  ERRORS    MEAN       P50       P99\n"
		   "/   LOOKUP    100       2  12.3us  <=1.00us  <=16.0us\n",
		   "");
	assert_string_equal(fake_request(r->api, 0), "GET /api/graft/v1/mounts?at=%2F");
	assert_string_equal(fake_request(r->api, 1), "GET /api/graft/v1/stats?at=%2F");
}

static void test_show_failed_mount(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 200, APP);
	rig_expect(r, "show /images/app", 0,
		   "at         /images/app\n"
		   "name       app\n"
		   "type       rafs\n"
		   "state      failed\n"
		   "why        /img/app.boot: No such file or directory\n"
		   "keys\n",
		   "");
	assert_int_equal(fake_requests(r->api), 1);
}

static void answer_server(struct rig *r)
{
	fake_json(r->api, 200,
		  "{\"version\":\"0.1.0\",\"instance\":\"web1\",\"pid\":4711,\"uptime\":93784,\"state\":\"running\"}");
	fake_json(r->api, 200,
		  "[{\"name\":\"vhost-user\",\"kind\":\"vhost-user\",\"where\":\"/run/fs.sock\",\"clients\":1,"
		  "\"queues\":2}]");
	fake_json(r->api, 200, MOUNTS);
}

static void test_show_server(void **state)
{
	struct rig *r = *state;
	char out[2048];
	snprintf(out, sizeof(out),
		 "instance   web1\n"
		 "version    0.1.0\n"
		 "state      running\n"
		 "pid        4711\n"
		 "up for     1d 02:03:04\n"
		 "\n"
		 "TRANSPORT   KIND        WHERE         CLIENTS  QUEUES\n"
		 "vhost-user  vhost-user  /run/fs.sock        1       2\n"
		 "\n"
		 "%s",
		 table);
	answer_server(r);
	rig_expect(r, "show", 0, out, "");
	assert_string_equal(fake_request(r->api, 0), "GET /api/graft/v1/info");
	assert_string_equal(fake_request(r->api, 1), "GET /api/graft/v1/transports");
	assert_string_equal(fake_request(r->api, 2), "GET /api/graft/v1/mounts");
	answer_server(r);
	rig_run(r, "show --json");
	assert_int_equal(r->status, 0);
	/* One object of three answers. */
	assert_int_equal(strncmp(r->out, "{\n  \"info\": {\n", 14), 0);
	assert_non_null(strstr(r->out, "\n  \"transports\": [\n"));
	assert_non_null(strstr(r->out, "\n  \"mounts\": [\n"));
	assert_string_equal(r->out + strlen(r->out) - 6, "  ]\n}\n");
}

static void test_stats(void **state)
{
	struct rig *r = *state;
	fake_json(r->api, 200,
		  "{" BOUNDS ",\"server\":[" STATS_ROW
		  "],\"mounts\":[{\"name\":\"web\",\"at\":\"/web\",\"slot\":1,\"ops\":[" STATS_OTHER
		  ",{\"op\":\"FSYNC\",\"count\":3,\"errors\":0,\"total_ns\":4500000000,\"buckets\":[0,0,1,2]}]}]}");
	rig_expect(r, "stats", 0,
		   "AT       OP      COUNT  ERRORS    MEAN       P50       P99\n"
		   "/web     READ        0       0       -         -         -\n"
		   "/web     FSYNC       3       0   1.50s   >16.0us   >16.0us\n"
		   "(other)  LOOKUP    100       2  12.3us  <=1.00us  <=16.0us\n",
		   "");
	assert_string_equal(fake_request(r->api, 0), "GET /api/graft/v1/stats");
	fake_json(r->api, 200, "{" BOUNDS ",\"mounts\":[]}");
	rig_expect(r, "stats /web", 0, "AT  OP  COUNT  ERRORS  MEAN  P50  P99\n", "");
	assert_string_equal(fake_request(r->api, 1), "GET /api/graft/v1/stats?at=%2Fweb");
	fake_json(r->api, 404,
		  "{\"error\":{\"code\":\"ENOENT\",\"errno\":2,\"message\":\"nothing is mounted at /x\"}}");
	rig_expect(r, "stats /x", 4, "", "graftctl: nothing is mounted at /x (ENOENT)\n");
}

static void test_plugins(void **state)
{
	struct rig *r = *state;
	fake_json(
		r->api, 200,
		"[{\"name\":\"passthrough\",\"version\":\"0.1.0\",\"summary\":\"a folder of the host\",\"kind\":\"backend\","
		"\"options\":[{\"key\":\"source\",\"type\":\"path\",\"required\":true,\"help\":\"the folder\"},"
		"{\"key\":\"cache\",\"type\":\"enum\",\"required\":false,\"default\":\"auto\",\"choices\":[\"never\",\"auto\"],"
		"\"help\":\"how long\"},{\"key\":\"log\",\"type\":\"string\",\"required\":false,\"help\":\"where\"}]},"
		"{\"name\":\"idmap\",\"version\":\"1\",\"summary\":\"ids\",\"kind\":\"layer\",\"options\":[]}]");
	rig_expect(r, "plugins", 0,
		   "NAME         KIND     VERSION  SUMMARY\n"
		   "passthrough  backend  0.1.0    a folder of the host\n"
		   "idmap        layer    1        ids\n",
		   "");
	rig_expect(r, "plugins passthrough", 0,
		   "KEY     TYPE        DEFAULT     HELP\n"
		   "source  path        (required)  the folder\n"
		   "cache   never|auto  auto        how long\n"
		   "log     string      -           where\n",
		   "");
	rig_expect(r, "plugins rafs", 4, "",
		   "graftctl: no plugin 'rafs' is loaded; 'graftctl plugins' lists those that are\n");
	rig_run(r, "plugins idmap --json");
	assert_non_null(strstr(r->out, "\"name\": \"idmap\""));
	assert_null(strstr(r->out, "passthrough"));
	rig_run(r, "plugins --json");
	assert_non_null(strstr(r->out, "passthrough"));
}

static void test_config_and_level(void **state)
{
	struct rig *r = *state;
	/* Not to a terminal: every byte as it is, so that the server can read it. */
	fake_json(r->api, 200, "{\"config\":\"[server]\\nlog-level = info\\n\\n[mount a\\\\b]\\n\"}");
	rig_expect(r, "config", 0, "[server]\nlog-level = info\n\n[mount a\\b]\n", "");
	assert_string_equal(fake_request(r->api, 0), "GET /api/graft/v1/config");
	fake_json(r->api, 200, "{\"level\":\"info\"}");
	rig_expect(r, "log-level", 0, "info\n", "");
	assert_string_equal(fake_request(r->api, 1), "GET /api/graft/v1/log-level");
	rig_expect(r, "log-level --json", 0, "{\n  \"level\": \"info\"\n}\n", "");
}

static void full_disk(void)
{
	if (dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO) < 0)
		_exit(97);
}

static void test_full_disk(void **state)
{
	struct rig *r = *state;
	static const char *const words[] = { "list", NULL };
	fake_json(r->api, 200, MOUNTS);
	rig_run_words(r, words, full_disk);
	assert_string_equal(r->err, "graftctl: cannot write to standard output: No space left on device\n");
	assert_int_equal(r->status, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_list_as_json, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_show_mount, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_show_failed_mount, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_show_server, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_stats, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_plugins, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_config_and_level, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_full_disk, rig_set_up, rig_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
