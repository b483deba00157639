/* SPDX-License-Identifier: Apache-2.0 */
/* graftfs's own API and /metrics. */
#include "control_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MOUNTS "/api/graft/v1/mounts"
#define WEB "{\"type\":\"passthrough\",\"config\":{\"source\":\"/srv\"},\"name\":\"web\"}"
#define WEB_AT_X                                                                                                       \
	"{\"name\":\"web\",\"at\":\"/x\",\"type\":\"passthrough\",\"layers\":[],\"keys\":{\"source\":\"/srv\"},"       \
	"\"state\":\"mounted\",\"slot\":1,\"since\":1795255738624844480,\"nodes\":0,\"handles\":1,\"requests\":13,"    \
	"\"errors\":2}"

static void mount_list_umount(void **state)
{
	expect(call(*state, "GET", MOUNTS, NULL), 200, "[]");
	expect(call(*state, "POST", MOUNTS "?at=/x", WEB), 201, WEB_AT_X);
	expect(call(*state, "GET", MOUNTS, NULL), 200, "[" WEB_AT_X "]");
	expect(call(*state, "GET", MOUNTS "?at=%2Fx", NULL), 200, WEB_AT_X);
	expect_error(call(*state, "GET", MOUNTS "?at=/y", NULL), 404, "ENOENT", "nothing is mounted at /y");
	expect(call(*state, "DELETE", MOUNTS "?at=/x", NULL), 204, NULL);
	expect_error(call(*state, "DELETE", MOUNTS "?at=/x", NULL), 404, "ENOENT", "/x");
	expect(call(*state, "GET", MOUNTS, NULL), 200, "[]");
}

static void remount_replaces(void **state)
{
	expect_error(call(*state, "PUT", MOUNTS "?at=/x", WEB), 404, "ENOENT", "nothing is mounted at /x");
	expect(call(*state, "POST", MOUNTS "?at=/x", WEB), 201, WEB_AT_X);
	expect_error(call(*state, "POST", MOUNTS "?at=/x", WEB), 409, "EEXIST", "already");
	struct reply *reply = call(
		*state, "PUT", MOUNTS "?at=/x",
		"{\"type\":\"memory\",\"layers\":\"idmap\",\"config\":{\"idmap.uid\":[\"a\",\"b\"],\"cache\":\"x\"}}");
	assert_int_equal(reply->status, 200);
	assert_int_equal(json_integer_value(json_object_get(reply->json, "slot")), 2);
	char *keys = json_dumps(json_object_get(reply->json, "keys"), JSON_COMPACT);
	assert_string_equal(keys, "{\"idmap.uid\":[\"a\",\"b\"],\"cache\":\"x\"}");
	free(keys);
	char *layers = json_dumps(json_object_get(reply->json, "layers"), JSON_COMPACT);
	assert_string_equal(layers, "[\"idmap\"]");
	free(layers);
	reply_free(reply);
	expect_error(
		call(*state, "PUT", MOUNTS "?at=/x", "{\"type\":\"passthrough\",\"config\":{\"source\":\"/missing\"}}"),
		400, "ENOENT", "/missing: No such file");
	assert_string_equal(fake_key("/x", "type", 0), "memory");
}

static void strict_umount_counts(void **state)
{
	expect(call(*state, "POST", MOUNTS "?at=/x", WEB), 201, WEB_AT_X);
	fake_hold("/x", 3);
	expect_error(call(*state, "DELETE", MOUNTS "?at=/x&strict=true", NULL), 409, "EBUSY", "3 nodes");
	expect_error(call(*state, "DELETE", MOUNTS "?at=/x&strict=yes", NULL), 400, "EINVAL", "strict");
	assert_int_equal(fake_nmounts(), 1);
	expect(call(*state, "DELETE", MOUNTS "?at=/x&strict=false", NULL), 204, NULL);
}

static void failed_records_are_listed_and_retried(void **state)
{
	fake_fail("/a", "/img/a: No such file or directory", false);
	fake_fail("/b", "later", true);
	expect(call(*state, "GET", MOUNTS "?at=/a", NULL), 200,
	       "{\"name\":\"old\",\"at\":\"/a\",\"type\":\"memory\",\"layers\":[],\"keys\":{\"source\":\"/"
	       "s\"},\"state\":"
	       "\"failed\",\"why\":\"/img/a: No such file or directory\"}");
	expect(call(*state, "POST", MOUNTS "/retry?at=/b", NULL), 204, NULL);
	expect_error(call(*state, "POST", MOUNTS "/retry?at=/b", NULL), 404, "ENOENT", "no record failed at /b");
	expect_error(call(*state, "POST", MOUNTS "/retry?at=/a", NULL), 400, "ENOENT", "/img/a");
	expect_error(call(*state, "POST", MOUNTS "/retry", "{}"), 400, "EINVAL", "takes no body");
	expect_error(call(*state, "GET", MOUNTS "/retry", NULL), 405, "EOPNOTSUPP", "POST");
	expect_error(call(*state, "POST", MOUNTS "/retry?at=b", NULL), 400, "EINVAL", "absolute");
}

static void sources_fail_with_their_status(void **state)
{
	static const struct {
		const char *source;
		int status;
		const char *code;
	} rows[] = { { "/missing", 400, "ENOENT" },
		     { "/secret", 403, "EACCES" },
		     { "/full", 500, "ENOSPC" },
		     { "/gone", 501, "ENOSYS" } };
	char body[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body), "{\"type\":\"memory\",\"config\":{\"source\":\"%s\"}}", rows[i].source);
		expect_error(call(*state, "POST", MOUNTS "?at=/x", body), rows[i].status, rows[i].code, rows[i].source);
	}
	assert_int_equal(fake_nmounts(), 0);
}

static void bad_bodies_change_nothing(void **state)
{
	static const struct {
		const char *body, *text;
	} rows[] = {
		{ "{", "not the JSON" },
		{ "\xff", "not the JSON" },
		{ "[1]", "must be a JSON object" },
		{ "{}", "type is missing" },
		{ "{\"type\":1}", "type is missing" },
		{ "{\"type\":\"nonsense\"}", "is not loaded; passthrough" },
		{ "{\"type\":\"passthrough\"}", "source is missing" },
		{ "{\"type\":\"memory\",\"config\":\"x\"}", "config must be a JSON object" },
		{ "{\"type\":\"memory\",\"config\":[]}", "config must be a JSON object" },
		{ "{\"type\":\"memory\",\"config\":{\"a\\u0000\":1}}", "not the JSON" },
		{ "{\"type\":\"memory\",\"config\":{\"nokey\":1}}", "unknown key 'nokey'" },
		{ "{\"type\":\"memory\",\"type\":\"memory\"}", "duplicate" },
		{ "{\"type\":\"memory\",\"extra\":1}", "unknown member 'extra'" },
		{ "{\"type\":\"memory\",\"layers\":[1]}", "array of texts" },
		{ "{\"type\":\"memory\",\"layers\":{}}", "array of texts" },
		{ "{\"type\":\"memory\",\"name\":5}", "name must be a text" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_error(call(*state, "POST", MOUNTS "?at=/x", rows[i].body), 400, "EINVAL", rows[i].text);
		expect_error(call(*state, "PUT", MOUNTS "?at=/x", rows[i].body), 400, "EINVAL", rows[i].text);
	}
	assert_int_equal(fake_nmounts(), 0);
}

static void bad_requests_change_nothing(void **state)
{
	static const struct {
		const char *method, *target, *body;
		int status;
		const char *code, *text;
	} rows[] = {
		{ "POST", MOUNTS, WEB, 400, "EINVAL", "needs ?at=PATH" },
		{ "POST", MOUNTS "?at=", WEB, 400, "EINVAL", "absolute path" },
		{ "POST", MOUNTS "?at=x", WEB, 400, "EINVAL", "absolute path" },
		{ "POST", MOUNTS "?at=/x//y", WEB, 400, "EINVAL", "absolute path" },
		{ "POST", MOUNTS "?at=/rafs/../lowerdir", WEB, 400, "EINVAL", "absolute path" },
		{ "POST", MOUNTS "?at=/%ff", WEB, 400, "EINVAL", "absolute path" },
		{ "POST", MOUNTS "?at=/%00", WEB, 400, "EINVAL", "NUL" },
		{ "POST", MOUNTS "?at=/x", NULL, 400, "EINVAL", "needs a JSON body" },
		{ "POST", MOUNTS "?at=/x", "", 400, "EINVAL", "needs a JSON body" },
		{ "DELETE", MOUNTS "?at=/x", "{}", 400, "EINVAL", "takes no body" },
		{ "GET", MOUNTS "?at=x", NULL, 400, "EINVAL", "absolute path" },
		{ "GET", "/api/graft/v1/stats?at=x", NULL, 400, "EINVAL", "absolute path" },
		{ "PATCH", MOUNTS, NULL, 405, "EOPNOTSUPP", "GET, POST, PUT, DELETE" },
		{ "GET", "/api/graft/v1/none", NULL, 404, "ENOENT", "/api/graft/v1/none" },
		{ "GET", "/api/graft/v2/mounts", NULL, 404, "ENOENT", "nothing at" },
		{ "POST", "/api/graft/v1/stop", NULL, 405, "EOPNOTSUPP", "PUT" },
		{ "POST", "/metrics", NULL, 405, "EOPNOTSUPP", "GET" },
		{ "PUT", "/api/graft/v1/log-level", "{\"level\":\"loud\"}", 400, "EINVAL", "trace" },
		{ "PUT", "/api/graft/v1/log-level", "{\"level\":3}", 400, "EINVAL", "trace" },
		{ "PUT", "/api/graft/v1/log-level", "[]", 400, "EINVAL", "trace" },
		{ "PUT", "/api/graft/v1/log-level", "{", 400, "EINVAL", "not the JSON" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(call(*state, rows[i].method, rows[i].target, rows[i].body), rows[i].status, rows[i].code,
			     rows[i].text);
	assert_int_equal(fake_nmounts(), 0);
	assert_int_equal(fake_stops(), 0);
	assert_int_equal(fake_host()->log_level(), GRAFT_LOG_INFO);
	struct reply *reply = call(*state, "PATCH", MOUNTS, NULL);
	assert_non_null(strstr(reply->head, "Allow: GET, POST, PUT, DELETE\r\n"));
	reply_free(reply);
}

static void transports_are_listed(void **state)
{
	expect(call(*state, "GET", "/api/graft/v1/transports", NULL), 200,
	       "[{\"name\":\"vhost-user\",\"kind\":\"vhost-user\",\"where\":\"/run/"
	       "fs.sock\",\"clients\":1,\"queues\":2},"
	       "{\"name\":\"fuse\",\"kind\":\"fuse\",\"where\":\"/mnt/\\\"a\\\\b\\\"\",\"clients\":0,\"queues\":4}]");
}

static void configuration_is_shown(void **state)
{
	expect(call(*state, "GET", "/api/graft/v1/config", NULL), 200,
	       "{\"config\":\"[server]\\ninstance = web1\\n\"}");
	struct reply *reply = call(*state, "GET", "/api/graft/v1/config?format=ini", NULL);
	assert_non_null(strstr(reply->head, "Content-Type: text/plain; charset=utf-8\r\n"));
	expect(reply, 200, "[server]\ninstance = web1\n");
	fake_no_config_dump(true);
	expect_error(call(*state, "GET", "/api/graft/v1/config", NULL), 500, "EINVAL", "no INI file");
}

static void statistics_are_shown(void **state)
{
	expect(call(*state, "POST", MOUNTS "?at=/x", WEB), 201, WEB_AT_X);
#define OPS                                                                                                            \
	"[{\"op\":\"LOOKUP\",\"opcode\":1,\"count\":7,\"errors\":2,\"total_ns\":1000091000,\"bytes\":0,\"buckets\":["  \
	"0,3,4,0,0,0,"                                                                                                 \
	"0,0,0,0,0,0]},"                                                                                               \
	"{\"op\":\"READ\",\"opcode\":15,\"count\":5,\"errors\":0,\"total_ns\":5000000000,\"bytes\":20480,\"buckets\":" \
	"[0,0,0,0,0,0,0,"                                                                                              \
	"0,0,0,0,5]},"                                                                                                 \
	"{\"op\":\"53\",\"opcode\":53,\"count\":1,\"errors\":0,\"total_ns\":1,\"bytes\":0,\"buckets\":[1,0,0,0,0,0,0," \
	"0,0,0,0,0]}]"
#define BOUNDS                                                                                                         \
	"\"bounds_ns\":[1000,4000,16000,64000,256000,1024000,4096000,16384000,65536000,262144000,1048576000,null]"
	expect(call(*state, "GET", "/api/graft/v1/stats", NULL), 200,
	       "{" BOUNDS ",\"server\":" OPS ",\"mounts\":[{\"name\":\"web\",\"at\":\"/x\",\"slot\":1,\"ops\":" OPS
	       "}]}");
	expect(call(*state, "GET", "/api/graft/v1/stats?at=/x", NULL), 200,
	       "{" BOUNDS ",\"mounts\":[{\"name\":\"web\",\"at\":\"/x\",\"slot\":1,\"ops\":" OPS "}]}");
	expect_error(call(*state, "GET", "/api/graft/v1/stats?at=/y", NULL), 404, "ENOENT", "/y");
}

static void log_level_is_read_and_set(void **state)
{
	expect(call(*state, "GET", "/api/graft/v1/log-level", NULL), 200, "{\"level\":\"info\"}");
	expect(call(*state, "PUT", "/api/graft/v1/log-level", "{\"level\":\"trace\"}"), 204, NULL);
	assert_int_equal(fake_host()->log_level(), GRAFT_LOG_TRACE);
	expect(call(*state, "GET", "/api/graft/v1/log-level", NULL), 200, "{\"level\":\"trace\"}");
	fake_host()->set_log_level(-1);
	expect(call(*state, "GET", "/api/graft/v1/log-level", NULL), 200, "{\"level\":\"off\"}");
}

static void plugins_are_listed(void **state)
{
	struct reply *reply = call(*state, "GET", "/api/graft/v1/plugins", NULL);
	char *first;

	assert_int_equal(reply->status, 200);
	assert_int_equal(json_array_size(reply->json), 4);
	first = json_dumps(json_array_get(reply->json, 0), JSON_COMPACT);
	assert_string_equal(
		first,
		"{\"name\":\"passthrough\",\"version\":\"0.1.0\",\"summary\":\"a folder of the host\",\"kind\":"
		"\"backend\",\"options\":[{\"key\":\"source\",\"type\":\"path\",\"required\":true,\"help\":"
		"\"folder that is shared\"},{\"key\":\"cache\",\"type\":\"enum\",\"required\":false,\"default\":"
		"\"auto\",\"choices\":[\"never\",\"auto\"],\"help\":\"what the guest may keep\"},{\"key\":\"number\","
		"\"type\":\"number\",\"required\":false,\"min\":1,\"max\":9,\"help\":\"a number\"}]}");
	free(first);
	assert_string_equal(json_string_value(json_object_get(json_array_get(reply->json, 3), "kind")), "layer");
	reply_free(reply);
}

static void info_and_stop(void **state)
{
	struct reply *reply = call(*state, "GET", "/api/graft/v1/info", NULL);

	assert_int_equal(reply->status, 200);
	assert_int_equal(json_integer_value(json_object_get(reply->json, "pid")), getpid());
	assert_string_equal(json_string_value(json_object_get(reply->json, "version")), GRAFT_VERSION);
	assert_string_equal(json_string_value(json_object_get(reply->json, "instance")), "web1");
	assert_true(json_integer_value(json_object_get(reply->json, "uptime")) < 120);
	reply_free(reply);
	expect(call(*state, "PUT", "/api/graft/v1/stop", NULL), 204, NULL);
	for (int i = 0; i < 6000 && !fake_stops(); i++)
		usleep(10000);
	assert_int_equal(fake_stops(), 1);
}

static void expect_line(const struct reply *reply, const char *line)
{
	const char *at = strstr(reply->body, line);

	if (!at || (at > reply->body && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line '%s' in\n%s", line, reply->body);
}

/* Each family has its TYPE line, its samples come after that and before the next, and nothing stands twice. */
static void check_families(const char *text)
{
	char family[128] = "", *copy = strdup(text), *rest = copy, *line;
	json_t *seen = json_object();

	while ((line = strsep(&rest, "\n")) && *line && strcmp(line, "# EOF") != 0) {
		if (!strncmp(line, "# TYPE ", 7)) {
			assert_int_equal(sscanf(line, "# TYPE %127s", family), 1);
			assert_null(json_object_get(seen, line));
			json_object_set_new(seen, line, json_true());
		} else if (line[0] == '#') {
			assert_non_null(strstr(line, family));
		} else {
			assert_int_equal(strncmp(line, family, strlen(family)), 0);
			*strrchr(line, ' ') = '\0';
			assert_null(json_object_get(seen, line));
			json_object_set_new(seen, line, json_true());
		}
	}
	assert_string_equal(line, "# EOF");
	assert_string_equal(rest, "");
	json_decref(seen);
	free(copy);
}

static void metrics_are_open_metrics(void **state)
{
	expect(call(*state, "POST", MOUNTS "?at=/x%22%5Cy", WEB), 201,
	       "{\"name\":\"web\",\"at\":\"/"
	       "x\\\"\\\\y\",\"type\":\"passthrough\",\"layers\":[],\"keys\":{\"source\":\"/srv\"},"
	       "\"state\":\"mounted\",\"slot\":1,\"since\":1795255738624844480,\"nodes\":0,\"handles\":1,\"requests\":"
	       "13,"
	       "\"errors\":2}");
	fake_fail("/a", "why", false);
	struct reply *reply = call(*state, "GET", "/metrics", NULL);
	assert_int_equal(reply->status, 200);
	assert_non_null(
		strstr(reply->head, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
	expect_line(reply, "# TYPE graftfs_requests counter");
#define X "mount=\"web\",at=\"/x\\\"\\\\y\""
	expect_line(reply, "graftfs_requests_total{" X ",op=\"LOOKUP\"} 7");
	expect_line(reply, "graftfs_requests_total{" X ",op=\"53\"} 1");
	expect_line(reply, "graftfs_errors_total{" X ",op=\"LOOKUP\"} 2");
	expect_line(reply, "# TYPE graftfs_data_bytes counter");
	expect_line(reply, "# UNIT graftfs_data_bytes bytes");
	expect_line(reply, "graftfs_data_bytes_total{" X ",op=\"READ\"} 20480");
	expect_line(reply, "# TYPE graftfs_request_duration_seconds histogram");
	expect_line(reply, "# UNIT graftfs_request_duration_seconds seconds");
	expect_line(reply, "graftfs_request_duration_seconds_bucket{" X ",op=\"LOOKUP\",le=\"0.000001\"} 0");
	expect_line(reply, "graftfs_request_duration_seconds_bucket{" X ",op=\"LOOKUP\",le=\"0.000004\"} 3");
	expect_line(reply, "graftfs_request_duration_seconds_bucket{" X ",op=\"LOOKUP\",le=\"0.000016\"} 7");
	expect_line(reply, "graftfs_request_duration_seconds_bucket{" X ",op=\"LOOKUP\",le=\"1.048576\"} 7");
	expect_line(reply, "graftfs_request_duration_seconds_bucket{" X ",op=\"READ\",le=\"1.048576\"} 0");
	expect_line(reply, "graftfs_request_duration_seconds_bucket{" X ",op=\"READ\",le=\"+Inf\"} 5");
	expect_line(reply, "graftfs_request_duration_seconds_count{" X ",op=\"LOOKUP\"} 7");
	expect_line(reply, "graftfs_request_duration_seconds_sum{" X ",op=\"LOOKUP\"} 1.000091000");
	expect_line(reply, "graftfs_handles{" X "} 1");
	expect_line(reply, "graftfs_nodes{" X "} 0");
	expect_line(reply, "graftfs_mounts{state=\"mounted\"} 1");
	expect_line(reply, "graftfs_mounts{state=\"failed\"} 1");
	expect_line(reply, "graftfs_server_requests_total{op=\"LOOKUP\"} 7");
	expect_line(reply, "graftfs_clients{transport=\"vhost-user\",kind=\"vhost-user\"} 1");
	expect_line(reply, "graftfs_plugin_counter{object=\"we\\\"ird\\\\\\n?\",name=\"cached-fds\",unit=\"count\"} "
			   "18446744073709551615");
	expect_line(reply, "graftfs_build_info{version=\"" GRAFT_VERSION "\"} 1");
	check_families(reply->body);
	reply_free(reply);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(mount_list_umount),
		T(remount_replaces),
		T(strict_umount_counts),
		T(failed_records_are_listed_and_retried),
		T(sources_fail_with_their_status),
		T(bad_bodies_change_nothing),
		T(bad_requests_change_nothing),
		T(transports_are_listed),
		T(configuration_is_shown),
		T(statistics_are_shown),
		T(log_level_is_read_and_set),
		T(plugins_are_listed),
		T(info_and_stop),
		T(metrics_are_open_metrics),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
