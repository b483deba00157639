/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's /api/v1/metrics: bodies, ids and statuses as recorded from the running daemon. */
#include "control_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NONE(what) "{\"code\":\"UNDEFINED\",\"message\":\"" what "(Metrics(Stats(NoCounter)))\"}"
#define FIFTEEN(four, nine) "[0,0,0,0," four ",0,0,0,0," nine ",0,0,0,0,0]"
/* The fake's LOOKUPs and READs. */
#define GLOBAL(flag, id)                                                                                               \
	"{\"files_account_enabled\":" flag ",\"access_pattern_enabled\":" flag                                         \
	",\"record_latest_read_files_enabled\":" flag ",\"measure_latency\":true,\"id\":\"" id "\",\"nr_opens\":0,"    \
	"\"data_read\":20480,\"block_count_read\":[0,0,5,0,0,0,0,0],\"fop_hits\":" FIFTEEN(                            \
		"5",                                                                                                   \
		"5") ",\"fop_errors\":" FIFTEEN("0",                                                                   \
						"2") ",\"fop_cumulative_latency_total\":" FIFTEEN("5000000",           \
												  "0") ",\"read_"      \
												       "latency_"      \
												       "dist\":[0,0,"  \
												       "0,0,0,0,0,5]}"
#define ZEROS "[0,0,0,0,0,0,0,0]"
#define BACKEND                                                                                                        \
	"{\"backend_type\":\"localfs\",\"read_count\":3,\"read_errors\":1,\"read_amount_total\":2101248,"              \
	"\"read_cumulative_latency_millis_total\":5001,\"read_cumulative_latency_millis_dist\":[0,0,1,0,0,0,0,5000],"  \
	"\"read_count_block_size_dist\":[0,0,1,0,0,0,0,2],\"read_latency_sizes_dist\":[" ZEROS "," ZEROS               \
	",[1,0,0,0,0,0,0,0]," ZEROS "," ZEROS "," ZEROS "," ZEROS ",[0,0,1,0,0,0,0,1]]}"
#define CACHE                                                                                                          \
	"{\"underlying_files\":[\"b.blob.data\",\"a.blob.data\"],\"store_path\":\"/c\",\"partial_hits\":11,"           \
	"\"whole_hits\":2,\"total\":14,\"entries_count\":8,\"prefetch_data_amount\":600212,"                           \
	"\"prefetch_requests_count\":2,\"prefetch_workers\":2,\"prefetch_unmerged_chunks\":4,"                         \
	"\"prefetch_cumulative_time_millis\":27,\"prefetch_begin_time_secs\":1795255738,"                              \
	"\"prefetch_begin_time_millis\":623,\"prefetch_end_time_secs\":1795255739,"                                    \
	"\"prefetch_end_time_millis\":657,\"buffered_backend_size\":0,\"data_all_ready\":false}"

/* Configurations: id, cache type, whether files are counted. */
#define CONFIG(id, cache, stats)                                                                                       \
	"{\\\"device\\\":{\\\"id\\\":\\\"" id "\\\",\\\"backend\\\":{\\\"type\\\":\\\"localfs\\\",\\\"config\\\":{"    \
	"\\\"dir\\\":\\\"/b\\\"}},\\\"cache\\\":{\\\"type\\\":\\\"" cache "\\\",\\\"config\\\":{\\\"work_dir\\\":"     \
	"\\\"/c\\\"}}},\\\"mode\\\":\\\"direct\\\",\\\"iostats_files\\\":" stats ",\\\"access_pattern\\\":" stats      \
	",\\\"latest_read_files\\\":" stats ",\\\"fs_prefetch\\\":{\\\"enable\\\":true,\\\"threads_count\\\":2}}"

static void mount_image(const struct rig *r, const char *at, const char *source, const char *config)
{
	char target[64], body[1024];

	snprintf(target, sizeof(target), "/api/v1/mount?mountpoint=%s", at);
	snprintf(body, sizeof(body), "{\"fs_type\":\"rafs\",\"source\":\"%s\",\"config\":\"%s\"}", source, config);
	expect(call(r, "POST", target, body), 204, NULL);
}

static void get(const struct rig *r, const char *below, int status, const char *body)
{
	char target[96];

	snprintf(target, sizeof(target), "/api/v1/metrics%s", below);
	expect(call(r, "GET", target, NULL), status, body);
}

static const char *const none[][2] = {
	{ "", NONE("GlobalMetrics") },
	{ "/files", NONE("FsFilesMetrics") },
	{ "/files?latest=true", NONE("FsFilesMetrics") },
	{ "/pattern", NONE("Pattern") },
	{ "/backend", NONE("BackendMetrics") },
	{ "/blobcache", NONE("BlobcacheMetrics") },
};

static void nothing_mounted(void **state)
{
	const struct rig *r = *state;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		get(r, none[i][0], 404, none[i][1]);
	/* No image. */
	expect(call(r, "POST", "/api/v1/mount?mountpoint=/pt",
		    "{\"fs_type\":\"passthrough_fs\",\"source\":\"/s\",\"config\":\"\"}"),
	       204, NULL);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		get(r, none[i][0], 404, none[i][1]);
	get(r, "?id=/pt", 404, NONE("GlobalMetrics"));
	expect(call(r, "GET", "/api/v1/metrics", "{}"), 400, "{\"code\":\"UNDEFINED\",\"message\":\"BadRequest\"}");
	expect(call(r, "PUT", "/api/v1/metrics/files", NULL), 400,
	       "{\"code\":\"UNDEFINED\",\"message\":\"BadRequest\"}");
	expect(call(r, "GET", "/api/v1/metrics/", NULL), 404, "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}");
}

static void one_image(void **state)
{
	const struct rig *r = *state;

	mount_image(r, "/img6", "/boot", CONFIG("", "blobcache", "true"));
	get(r, "", 200, GLOBAL("true", "/img6"));
	get(r, "?id=/img6", 200, GLOBAL("true", "/img6"));
	get(r, "?id=%2Fimg6", 200, GLOBAL("true", "/img6"));
	get(r, "?id=", 404, NONE("GlobalMetrics"));
	get(r, "?id=/img", 404, NONE("GlobalMetrics"));
	get(r, "?id=/img6%00", 404, NONE("GlobalMetrics"));
	get(r, "/files", 200, "{\"133\":{\"total_fops\":1}}");
	get(r, "/files?latest=false", 200, "{\"133\":{\"total_fops\":1}}");
	get(r, "/files?id=/img6&latest=true", 200, "[[133],[143,150]]");
	get(r, "/pattern", 200, "[{\"ino\":133}]");
	get(r, "/pattern?id=poison", 404, NONE("Pattern"));
	get(r, "/backend?id=/img6", 200, BACKEND);
	get(r, "/backend?id=/x", 404, NONE("BackendMetrics"));
	/* The cache's id is the configuration's. */
	get(r, "/blobcache", 200, CACHE);
	get(r, "/blobcache?id=", 200, CACHE);
	get(r, "/blobcache?id=/img6", 404, NONE("BlobcacheMetrics"));
	/* What is umounted is forgotten. */
	expect(call(r, "DELETE", "/api/v1/mount?mountpoint=/img6", NULL), 204, NULL);
	mount_image(r, "/other", "/boot", CONFIG("/cid", "", "false"));
	get(r, "", 200, GLOBAL("false", "/other"));
	get(r, "/backend", 200, BACKEND);
	get(r, "/blobcache", 404, NONE("BlobcacheMetrics"));
	get(r, "/blobcache?id=/cid", 404, NONE("BlobcacheMetrics"));
}

/* The sum of two. */
#define BOTH                                                                                                           \
	"{\"backend_type\":\"localfs\",\"read_count\":6,\"read_errors\":2,\"read_amount_total\":4202496,"              \
	"\"read_cumulative_latency_millis_total\":10003,\"read_cumulative_latency_millis_dist\":[0,0,3,0,0,0,0,10000]" \
	","                                                                                                            \
	"\"read_count_block_size_dist\":[0,0,2,0,0,0,0,4],\"read_latency_sizes_dist\":[" ZEROS "," ZEROS               \
	",[2,0,0,0,0,0,0,0]," ZEROS "," ZEROS "," ZEROS "," ZEROS ",[0,0,2,0,0,0,0,2]]}"

/* Mounts of one configuration have one backend together; caches go by the configuration's id. */
static void some_images(void **state)
{
	const struct rig *r = *state;

	mount_image(r, "/one", "/boot", CONFIG("", "blobcache", "false"));
	mount_image(r, "/two", "/boot2", CONFIG("", "blobcache", "false"));
	get(r, "", 404, NONE("GlobalMetrics"));
	get(r, "/files", 404, NONE("FsFilesMetrics"));
	get(r, "?id=/two", 200, GLOBAL("false", "/two"));
	get(r, "/backend", 200, BOTH);
	get(r, "/backend?id=/two", 200, BOTH);
	mount_image(r, "/three", "/boot", CONFIG("/three", "filecache", "false"));
	get(r, "/backend", 404, NONE("BackendMetrics"));
	get(r, "/backend?id=/three", 200, BACKEND);
	get(r, "/blobcache", 404, NONE("BlobcacheMetrics"));
	get(r, "/blobcache?id=/three", 200, CACHE);
	expect(call(r, "DELETE", "/api/v1/mount?mountpoint=/three", NULL), 204, NULL);
	expect(call(r, "DELETE", "/api/v1/mount?mountpoint=/one", NULL), 204, NULL);
	get(r, "/backend", 200, BACKEND);
	get(r, "/blobcache", 200, CACHE);
	/* A plugin that cannot say. */
	mount_image(r, "/torn", "/torn", CONFIG("t", "blobcache", "false"));
	get(r, "/files?id=/torn", 500,
	    "{\"code\":\"UNDEFINED\",\"message\":\"FsFilesMetrics(Metrics(Stats(Serialize)))\"}");
	get(r, "/backend?id=/torn", 404, NONE("BackendMetrics"));
}

static void under_way(void **state)
{
	const struct rig *r = *state;

	get(r, "/inflight", 204, NULL);
	fake_under_way(2, 0);
	get(r, "/inflight", 200,
	    "[{\"inode\":72057594037927936,\"opcode\":15,\"unique\":46,\"timestamp_secs\":1795257452},"
	    "{\"inode\":72057594037927937,\"opcode\":15,\"unique\":47,\"timestamp_secs\":1795257452}]");
	fake_under_way(2, 2);
	get(r, "/inflight", 500,
	    "{\"code\":\"UNDEFINED\",\"message\":\"InflightMetrics(Metrics(Daemon(Unsupported)))\"}");
	fake_under_way(0, 3);
	get(r, "/inflight", 501,
	    "{\"code\":\"UNDEFINED\",\"message\":\"InflightMetrics(DaemonAbnormal(Unsupported))\"}");
}

static void has_line(const struct reply *reply, const char *line)
{
	const char *at = strstr(reply->body, line);

	if (!at || at == reply->body || at[-1] != '\n' || at[strlen(line)] != '\n')
		fail_msg("no line %s", line);
}

/* The same as OpenMetrics. */
static void open_metrics(void **state)
{
	const struct rig *r = *state;

	mount_image(r, "/one", "/boot", CONFIG("", "blobcache", "false"));
	mount_image(r, "/torn", "/torn", CONFIG("", "", "false"));
	fake_under_way(2, 0);
	struct reply *reply = call(r, "GET", "/metrics", NULL);
	assert_int_equal(reply->status, 200);
#define X "mount=\"made\",at=\"/one\""
	has_line(reply, "graftfs_read_size_bytes_bucket{" X ",le=\"4095\"} 0");
	has_line(reply, "graftfs_read_size_bytes_bucket{" X ",le=\"16383\"} 5");
	has_line(reply, "graftfs_read_size_bytes_bucket{" X ",le=\"+Inf\"} 5");
	has_line(reply, "graftfs_read_size_bytes_sum{" X "} 20480");
	has_line(reply, "graftfs_inflight 2");
	has_line(reply, "graftfs_image_backend_info{" X ",type=\"localfs\"} 1");
	has_line(reply, "graftfs_backend_read_duration_seconds_bucket{" X ",le=\"0.001999999\"} 1");
	has_line(reply, "graftfs_backend_read_duration_seconds_bucket{" X ",le=\"0.050999999\"} 2");
	has_line(reply, "graftfs_backend_read_duration_seconds_count{" X "} 3");
	has_line(reply, "graftfs_backend_read_duration_seconds_sum{" X "} 5.001999999");
	has_line(reply, "graftfs_backend_read_size_bytes_bucket{" X ",le=\"1048575\"} 1");
	has_line(reply, "graftfs_backend_read_size_bytes_sum{" X "} 2101248");
	has_line(reply, "graftfs_backend_read_errors_total{" X "} 1");
	has_line(reply, "graftfs_image_reads_total{" X ",result=\"miss\"} 3");
	has_line(reply, "graftfs_cache_chunks_total{" X ",what=\"kept\"} 8");
	has_line(reply, "graftfs_prefetch_seconds_total{" X "} 0.027000000");
	has_line(reply, "graftfs_prefetch_end_seconds{" X "} 1795255739.657000001");
	/* One that cannot say has only what the server counts. */
	assert_non_null(strstr(reply->body, "graftfs_read_size_bytes_count{mount=\"made\",at=\"/torn\"}"));
	assert_null(strstr(reply->body, "graftfs_image_reads_total{mount=\"made\",at=\"/torn\""));
	reply_free(reply);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_mounted, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(one_image, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(some_images, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(open_metrics, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(under_way, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests_name("control-metrics", tests, NULL, NULL);
}
