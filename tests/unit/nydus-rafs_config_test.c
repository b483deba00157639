/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and nydusd's JSON text: what comes of them together, and what is refused, by what name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus-rafs_fixture.h"

#include "lib/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCALFS "\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/b\"}}"
#define V1_CACHE(cache) "{\"device\":{" LOCALFS ",\"cache\":" cache "},\"mode\":\"direct\"}"
#define V1_BACKEND(backend) "{\"device\":{\"backend\":" backend "},\"mode\":\"direct\"}"
#define V1(more) "{\"device\":{" LOCALFS "},\"mode\":\"direct\"" more "}"
#define V2_CACHE "\"cache\":{\"type\":\"blobcache\",\"filecache\":{\"work_dir\":\"/c\"}}"
#define V2(more)                                                                                                       \
	"{\"version\":2,\"backend\":{\"type\":\"localfs\",\"localfs\":{\"dir\":\"/b\"}}," V2_CACHE ",\"rafs\":{" more  \
	"}}"

static char warned[1024];
static int warnings;

static void on_warn(void *arg, const char *text)
{
	(void)arg;
	warnings++;
	snprintf(warned, sizeof(warned), "%s", text);
}

/* One key for each pair of keys, ended by NULL. */
static int settle(struct nrf *f, struct nr_config *c, const char *const *pairs, struct graft_error *err)
{
	nrf_reset(f);
	nrf_set(f, "source", "/i/boot");
	for (; *pairs; pairs += 2)
		nrf_set(f, pairs[0], pairs[1]);
	assert_int_equal(options_finish(f->options, err), 0);
	warnings = 0;
	warned[0] = '\0';
	return nr_config_settle(c, options_settings(f->options), on_warn, NULL, err);
}
#define SETTLE(f, c, err, ...) settle(f, c, (const char *const[]){ __VA_ARGS__, NULL }, err)

static void must(struct nrf *f, struct nr_config *c, const char *const *pairs)
{
	struct graft_error err = { 0 };

	if (settle(f, c, pairs, &err) < 0)
		fail_msg("%s", err.text);
}
#define MUST(f, c, ...) must(f, c, (const char *const[]){ __VA_ARGS__, NULL })

static void the_table_is_right(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	if (options_check(nr_options, sizeof(struct nr_settings), &err) < 0)
		fail_msg("%s", err.text);
}

static void keys_alone(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "blob-dir", "/b");
	assert_int_equal(c.backend.kind, BACKEND_LOCALFS);
	assert_string_equal(c.backend.dir, "/b");
	assert_null(c.backend.file);
	assert_null(c.cache_dir);
	assert_false(c.cache_raw);
	assert_int_equal(c.validate, READER_VALIDATE_CRC);
	assert_int_equal(c.validate_v6, READER_VALIDATE_CRC);
	assert_int_equal(c.prefetch, NR_PREFETCH_OFF);
	assert_int_equal(c.readahead, 8 << 20);
	assert_int_equal(c.threads, 0);
	assert_int_equal(c.bandwidth, 0);
	nr_config_free(&c);

	MUST(*state, &c, "blob-dir", "/b", "blob-file", "/f", "alt-dirs", "/a1", "alt-dirs", "/a2", "cache-dir", "/c",
	     "cache-limit", "20G", "threads", "64", "read-ahead", "64M", "prefetch-limit", "5M", "validate", "full");
	assert_string_equal(c.backend.file, "/f");
	assert_int_equal(c.backend.alt_count, 2);
	assert_string_equal(c.backend.alt_dirs[1], "/a2");
	assert_string_equal(c.cache_dir, "/c");
	assert_false(c.cache_raw);
	assert_true(c.cache_limit == UINT64_C(20) << 30);
	assert_int_equal(c.threads, 64);
	assert_int_equal(c.readahead, 64 << 20);
	assert_int_equal(c.bandwidth, 5 << 20);
	assert_int_equal(c.validate, READER_VALIDATE_FULL);
	assert_int_equal(c.validate_v6, READER_VALIDATE_FULL);
	nr_config_free(&c);

	MUST(*state, &c, "device", "/dev/x", "cache", "compressed", "cache-dir", "/c", "read-ahead", "0", "validate",
	     "none");
	assert_int_equal(c.backend.kind, BACKEND_LOCALDISK);
	assert_string_equal(c.backend.device, "/dev/x");
	assert_true(c.cache_raw);
	assert_int_equal(c.readahead, 0);
	assert_int_equal(c.validate, READER_VALIDATE_NONE);
	nr_config_free(&c);

	MUST(*state, &c, "cache", "none", "cache-dir", "/c", "validate", "digest", "backend", "localfs");
	assert_null(c.cache_dir);
	assert_int_equal(c.validate, READER_VALIDATE_DIGEST);
	nr_config_free(&c);
}

static void prefetch_keys(void **state)
{
	static const struct {
		const char *keys[9];
		uint32_t prefetch;
		bool all;
		size_t npaths;
	} rows[] = {
		{ { "prefetch", "table" }, NR_PREFETCH_TABLE, false, 0 },
		{ { "prefetch", "all" }, NR_PREFETCH_TABLE, true, 0 },
		{ { "prefetch", "all", "prefetch-list", "/a" }, NR_PREFETCH_LIST, true, 1 },
		{ { "prefetch", "off", "prefetch-list", "/a" }, NR_PREFETCH_OFF, false, 1 },
		{ { "prefetch-list", "/a", "prefetch-list", "/b" }, NR_PREFETCH_LIST, false, 2 },
		{ { "prefetch-files", "/" }, NR_PREFETCH_LIST, false, 1 },
		{ { "prefetch", "list", "prefetch-files", "/a", "prefetch-list", "/b" }, NR_PREFETCH_LIST, false, 2 },
		/* JSON: the API's list needs no more than that it does not forbid it, ours not even that */
		{ { "config", V1(""), "prefetch-files", "/a" }, NR_PREFETCH_LIST, false, 1 },
		{ { "config", V1(",\"fs_prefetch\":{\"enable\":false}"), "prefetch-files", "/a" },
		  NR_PREFETCH_OFF,
		  false,
		  1 },
		{ { "config", V1(",\"fs_prefetch\":{\"enable\":false}"), "prefetch-list", "/a" },
		  NR_PREFETCH_LIST,
		  false,
		  1 },
		{ { "config", V1(",\"fs_prefetch\":{\"enable\":true}") }, NR_PREFETCH_TABLE, true, 0 },
		{ { "config", V1(",\"fs_prefetch\":{}") }, NR_PREFETCH_OFF, false, 0 },
		{ { "config", V1(",\"fs_prefetch\":{\"enable\":true,\"prefetch_all\":false}") },
		  NR_PREFETCH_TABLE,
		  false,
		  0 },
		{ { "config", V1(",\"fs_prefetch\":{\"enable\":true}"), "prefetch-files", "/" },
		  NR_PREFETCH_LIST,
		  true,
		  1 },
		{ { "config", V1(",\"fs_prefetch\":{\"enable\":true}"), "prefetch", "off" },
		  NR_PREFETCH_OFF,
		  false,
		  0 },
		{ { "config", V2("\"prefetch\":{\"enable\":true}") }, NR_PREFETCH_TABLE, false, 0 },
		{ { "config", V2("\"prefetch\":{\"enable\":true,\"prefetch_all\":true}") },
		  NR_PREFETCH_TABLE,
		  true,
		  0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nr_config c;

		must(*state, &c, rows[i].keys);
		assert_int_equal(c.prefetch, rows[i].prefetch);
		assert_int_equal(c.prefetch_all, rows[i].all);
		assert_int_equal(c.npaths, rows[i].npaths);
		nr_config_free(&c);
	}
}

static void keys_that_contradict(void **state)
{
	static const struct {
		const char *keys[9];
		const char *text;
	} rows[] = {
		{ { "cache", "plain", "blob-dir", "/b" },
		  "cache = plain needs a directory: key 'cache-dir' is missing" },
		{ { "cache", "compressed" }, "cache = compressed needs a directory" },
		{ { "backend", "localfs", "device", "/d" }, "device is for backend = localdisk" },
		{ { "backend", "localdisk" }, "key 'device' is missing" },
		{ { "device", "/d", "blob-dir", "/b" }, "are for backend = localfs" },
		{ { "alt-dirs", "b" }, "alt-dirs = b: must be an absolute path" },
		{ { "prefetch", "list" }, "key 'prefetch-list' is missing" },
		{ { "prefetch", "table", "prefetch-list", "/a" }, "prefetch = table does not go with a list" },
		{ { "prefetch-list", "a" }, "prefetch-list: 'a' is not an absolute path" },
		{ { "prefetch-files", "a" }, "invalid prefetch file list" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct graft_error err = { 0 };
		struct nr_config c;

		assert_int_equal(settle(*state, &c, rows[i].keys, &err), -EINVAL);
		if (!strstr(err.text, rows[i].text))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].text);
		nr_config_free(&c);
	}
}

/* The keys' own ranges are the server's to check. */
static void values_out_of_range(void **state)
{
	static const char *const rows[][2] = {
		{ "threads", "65" }, { "read-ahead", "65M" },     { "validate", "sha256" }, { "prefetch", "yes" },
		{ "cache", "true" }, { "backend", "registry" },   { "source", "boot" },     { "cache-dir", "x" },
		{ "device", "sda" }, { "cache-limit", "twenty" },
	};
	struct nrf *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct graft_error err = { 0 };

		assert_int_equal(options_set(f->options, rows[i][0], rows[i][1], "x", &err), -EINVAL);
	}
}

/* Kata's extraoption as its documents show it. */
static void kata_text(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "config",
	     "{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/blobs\"}},"
	     "\"cache\":{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/cache\"}}},\"mode\":\"direct\","
	     "\"digest_validate\":false,\"iostats_files\":false,\"enable_xattr\":true,"
	     "\"fs_prefetch\":{\"enable\":true,\"threads_count\":10,\"merging_size\":131072,"
	     "\"bandwidth_rate\":10485760}}");
	assert_string_equal(c.backend.dir, "/blobs");
	assert_string_equal(c.cache_dir, "/cache");
	assert_int_equal(c.prefetch, NR_PREFETCH_TABLE);
	assert_true(c.prefetch_all);
	assert_int_equal(c.bandwidth, 10485760);
	assert_int_equal(c.validate, READER_VALIDATE_CRC);
	assert_int_equal(warnings, 0);
	nr_config_free(&c);
}

static void snapshotter_text(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "config",
	     "{\"device\":{\"id\":\"/12\",\"backend\":{\"type\":\"localfs\",\"config\":{\"readahead\":false,"
	     "\"proxy\":{\"fallback\":false},\"dir\":\"/"
	     "blobs\",\"timeout\":5,\"connect_timeout\":5,\"retry_limit\":2}},"
	     "\"cache\":{\"type\":\"blobcache\",\"compressed\":true,\"config\":{\"work_dir\":\"/cache\","
	     "\"disable_indexed_map\":false}}},\"mode\":\"direct\",\"digest_validate\":false,"
	     "\"iostats_files\":false,\"enable_xattr\":true,\"amplify_io\":1048576,\"access_pattern\":false,"
	     "\"latest_read_files\":false,\"fs_prefetch\":{\"enable\":false,\"prefetch_all\":false},"
	     "\"id_mapping\":[0,1000,65536],\"warmup\":0}");
	assert_true(c.cache_raw);
	assert_int_equal(c.prefetch, NR_PREFETCH_OFF);
	assert_int_equal(c.readahead, 8 << 20);
	assert_int_equal(warnings, 1);
	assert_string_equal(warned, "config: unknown fields are ignored: id_mapping, warmup");
	nr_config_free(&c);
}

/* What nydusd makes of -D. */
static void localfs_dir_text(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "config",
	     "{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/d\",\"readahead\":true}},"
	     "\"cache\":{\"type\":\"blobcache\",\"config\":{\"compressed\":false,\"work_dir\":\"/d\"}}},"
	     "\"mode\":\"direct\",\"digest_validate\":false,\"iostats_files\":false}");
	assert_string_equal(c.backend.dir, "/d");
	assert_string_equal(c.cache_dir, "/d");
	assert_int_equal(warnings, 0);
	nr_config_free(&c);
}

/* Version 2 as nydusd's own API shows it. */
static void version_2(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "config",
	     "{\"version\":2,\"id\":\"\",\"backend\":{\"type\":\"localfs\",\"localdisk\":null,\"localfs\":"
	     "{\"blob_file\":\"\",\"dir\":\"/b\",\"alt_dirs\":[\"/x\",\"\"]},\"oss\":null,\"s3\":null,"
	     "\"registry\":null,\"http-proxy\":null},\"external_backends\":[],\"cache\":{\"type\":\"blobcache\","
	     "\"compressed\":false,\"validate\":true,\"prefetch\":{\"enable\":true,\"threads\":2,"
	     "\"batch_size\":1048576,\"bandwidth_limit\":77,\"prefetch_all\":true,\"stream_prefetch\":false},"
	     "\"filecache\":{\"work_dir\":\"/c\",\"disable_indexed_map\":false,\"enable_encryption\":false,"
	     "\"enable_convergent_encryption\":false,\"encryption_key\":\"\"},\"fscache\":null},"
	     "\"rafs\":{\"mode\":\"cached\",\"batch_size\":33554432,\"validate\":false,\"enable_xattr\":true,"
	     "\"iostats_files\":true,\"access_pattern\":true,\"latest_read_files\":true,\"prefetch\":"
	     "{\"enable\":true,\"bandwidth_limit\":5}},\"overlay\":null}");
	assert_string_equal(c.backend.dir, "/b");
	assert_null(c.backend.file);
	assert_int_equal(c.backend.alt_count, 1);
	assert_string_equal(c.backend.alt_dirs[0], "/x");
	assert_string_equal(c.cache_dir, "/c");
	assert_int_equal(c.validate, READER_VALIDATE_DIGEST);
	assert_int_equal(c.validate_v6, READER_VALIDATE_DIGEST);
	assert_int_equal(c.prefetch, NR_PREFETCH_TABLE);
	assert_false(c.prefetch_all);
	assert_int_equal(c.bandwidth, 77);
	assert_int_equal(c.readahead, 32 << 20);
	assert_int_equal(warnings, 0);
	nr_config_free(&c);
}

static void fields_with_meaning(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "config", V1(",\"digest_validate\":true,\"amplify_io\":0"));
	assert_int_equal(c.validate, READER_VALIDATE_FULL);
	assert_int_equal(c.validate_v6, READER_VALIDATE_DIGEST);
	assert_int_equal(c.readahead, 0);
	nr_config_free(&c);

	MUST(*state, &c, "config", V1(",\"amplify_io\":268435456"));
	assert_int_equal(c.readahead, NR_READAHEAD_MAX);
	nr_config_free(&c);

	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"filecache\",\"config\":{\"work_dir\":\"/c\"}}"));
	assert_string_equal(c.cache_dir, "/c");
	nr_config_free(&c);
	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"dummycache\",\"config\":{\"work_dir\":\"/c\"}}"));
	assert_null(c.cache_dir);
	nr_config_free(&c);
	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"\"}"));
	assert_null(c.cache_dir);
	nr_config_free(&c);

	MUST(*state, &c, "config", V1_BACKEND("{\"type\":\"localdisk\",\"config\":{\"device_path\":\"/dev/x\"}}"));
	assert_int_equal(c.backend.kind, BACKEND_LOCALDISK);
	assert_string_equal(c.backend.device, "/dev/x");
	nr_config_free(&c);
	MUST(*state, &c, "config",
	     V1_BACKEND("{\"type\":\"localdisk\",\"config\":{\"device_path\":\"/dev/x\",\"disable_gpt\":true}}"));
	assert_true(c.backend.disable_gpt);
	nr_config_free(&c);
}

static void keys_win_over_json(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "config",
	     "{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"blob_file\":\"/f\",\"alt_dirs\":[\"/a\"]}},"
	     "\"cache\":{\"type\":\"blobcache\",\"compressed\":true,\"validate\":true,\"config\":{\"work_dir\":\"/"
	     "c\"}}},"
	     "\"mode\":\"direct\",\"amplify_io\":0,\"fs_prefetch\":{\"enable\":true,\"bandwidth_rate\":9}}",
	     "blob-dir", "/mine", "cache-dir", "/keep", "cache", "plain", "validate", "none", "read-ahead", "1M",
	     "prefetch", "table", "prefetch-limit", "0");
	assert_string_equal(c.backend.dir, "/mine");
	assert_null(c.backend.file); /* the text's backend is gone as a whole */
	assert_int_equal(c.backend.alt_count, 0);
	assert_string_equal(c.cache_dir, "/keep");
	assert_false(c.cache_raw);
	assert_int_equal(c.validate, READER_VALIDATE_NONE);
	assert_int_equal(c.readahead, 1 << 20);
	assert_int_equal(c.prefetch, NR_PREFETCH_TABLE);
	assert_false(c.prefetch_all);
	assert_int_equal(c.bandwidth, 0);
	nr_config_free(&c);

	MUST(*state, &c, "config", V1(""), "device", "/dev/x");
	assert_int_equal(c.backend.kind, BACKEND_LOCALDISK);
	assert_null(c.backend.dir);
	nr_config_free(&c);
	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/c\"}}"), "cache",
	     "none");
	assert_null(c.cache_dir);
	nr_config_free(&c);
	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"blobcache\",\"config\":{}}"), "cache-dir", "/c");
	assert_string_equal(c.cache_dir, "/c");
	nr_config_free(&c);
}

/* Texts that are no configuration, and what the error must say. */
static const struct {
	const char *text, *says;
} refused[] = {
	{ "{", "failed to parse configuration information" },
	{ "version = 2\n[backend]\n", "failed to parse configuration information: it must be JSON" },
	{ "{} {}", "failed to parse configuration information" },
	{ "[]", "it must be a JSON object" },
	{ "{\"mode\":\"direct\",\"mode\":\"direct\"}", "failed to parse configuration information" },
	{ "{}", "missing field `device`" },
	{ "{\"device\":7}", "device must be an object" },
	{ "{\"device\":{},\"mode\":\"direct\"}", "missing field `device.backend`" },
	{ "{\"device\":{" LOCALFS "}}", "missing field `mode`" },
	{ "{\"device\":{" LOCALFS "},\"mode\":null}", "missing field `mode`" },
	{ "{\"device\":{" LOCALFS "},\"mode\":\"fast\"}", "mode 'fast' must be direct or cached" },
	{ "{\"device\":{" LOCALFS "},\"mode\":1}", "mode must be a text" },
	{ V1_BACKEND("{\"config\":{}}"), "missing field `device.backend.type`" },
	{ V1_BACKEND("{\"type\":\"localfs\"}"), "missing field `device.backend.config`" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":[]}"), "device.backend.config must be an object" },
	{ V1_BACKEND("{\"type\":\"registry\",\"config\":{}}"),
	  "backend registry is not there yet; this release reads localfs and localdisk" },
	{ V1_BACKEND("{\"type\":\"oss\",\"config\":{}}"), "backend oss is not there yet" },
	{ V1_BACKEND("{\"type\":\"s3\",\"config\":{}}"), "backend s3 is not there yet" },
	{ V1_BACKEND("{\"type\":\"http-proxy\",\"config\":{}}"), "backend http-proxy is not there yet" },
	{ V1_BACKEND("{\"type\":\"ftp\",\"config\":{}}"), "backend ftp is not known" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":{\"dir\":\"b\"}}"), "dir 'b' must be an absolute path" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":{\"blob_file\":\"b\"}}"), "blob_file 'b' must be" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":{\"dir\":1}}"),
	  "device.backend.config.dir must be a text" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":{\"alt_dirs\":\"/a\"}}"), "alt_dirs must be a list" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":{\"alt_dirs\":[1]}}"), "alt_dirs must be a list" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":{\"alt_dirs\":[\"x\"]}}"), "must be an absolute path" },
	{ V1_BACKEND("{\"type\":\"localdisk\",\"config\":{}}"), "device_path is missing" },
	{ V1_BACKEND("{\"type\":\"localdisk\",\"config\":{\"device_path\":\"sda\"}}"),
	  "device_path 'sda' must" },
	{ V1_CACHE("{\"type\":\"fscache\",\"config\":{}}"), "cache type fscache is not there yet" },
	{ V1_CACHE("{\"type\":\"memory\"}"), "cache type memory is not known" },
	{ V1_CACHE("{\"type\":\"blobcache\"}"), "missing field `device.cache.config`" },
	{ V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"\"}}"), "work_dir is empty" },
	{ V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"enable_encryption\":1}}"),
	  "device.cache.config.enable_encryption must be true or false" },
	{ V1_CACHE("{\"compressed\":\"yes\"}"), "device.cache.compressed must be true or false" },
	{ "{\"device\":{" LOCALFS ",\"external_backends\":[{}]},\"mode\":\"direct\"}",
	  "device.external_backends: external backends are not there yet" },
	{ V1(",\"amplify_io\":268435457"), "amplify_io (batch_size) must be at most 256 MiB" },
	{ V1(",\"amplify_io\":-1"), "amplify_io must be a whole number" },
	{ V1(",\"amplify_io\":1.5"), "amplify_io must be a whole number" },
	{ V1(",\"fs_prefetch\":{\"enable\":true,\"threads_count\":0}"), "threads must be from 1 to 1024" },
	{ V1(",\"fs_prefetch\":{\"enable\":true,\"threads_count\":1025}"), "threads must be from 1 to 1024" },
	{ V1(",\"fs_prefetch\":{\"merging_size\":268435457}"), "must be at most 256 MiB" },
	{ V1(",\"fs_prefetch\":{\"stream_prefetch\":true}"),
	  "fs_prefetch.stream_prefetch: stream prefetch is not there yet" },
	{ V1(",\"version\":2"), "no configuration information for backend" },
	{ "{\"version\":3}", "version must be 2" },
	{ "{\"version\":2,\"backend\":{\"type\":\"localfs\"}}", "no configuration information for cache" },
	{ "{\"version\":2,\"backend\":{\"type\":\"localfs\"},\"cache\":{}}",
	  "no configuration information for rafs" },
	{ "{\"version\":2,\"backend\":{\"type\":\"registry\",\"registry\":{\"host\":\"h\"}},\"cache\":{},"
	  "\"rafs\":{}}",
	  "backend registry is not there yet" },
	{ "{\"version\":2,\"backend\":{\"type\":\"localfs\"},\"cache\":{\"type\":\"blobcache\"},\"rafs\":{}}",
	  "missing field `cache.filecache`" },
	{ V2("\"prefetch\":{}"), "missing field `rafs.prefetch.enable`" },
	{ "{\"version\":2,\"overlay\":{\"upper_dir\":\"/u\",\"work_dir\":\"/w\"}}",
	  "overlay: an overlay is made" },
	{ "{\"version\":2,\"dedup\":{\"enable\":true}}", "dedup.enable: the deduplication database" },
	{ "{\"device\":{\"dedup\":{\"enable\":true,\"work_dir\":\"/w\"}}}", "device.dedup.enable: the" },
	{ "{\"version\":2,\"external_backends\":[{\"type\":\"x\"}]}", "external backends are not there yet" },
};

#define KEY_HALF "00112233445566778899aabbccddeeff"
#define SECRET(key)                                                                                                    \
	V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/c\",\"enable_encryption\":true,"                    \
		 "\"enable_convergent_encryption\":true,\"encryption_key\":\"" key "\"}}")

static void encryption(void **state)
{
	static const char *const bad[] = {
		SECRET(""), SECRET(KEY_HALF KEY_HALF), SECRET(KEY_HALF "0123456789abcdef0123456789ABCDE"),
		SECRET(KEY_HALF "0123456789abcdef0123456789ABCDEF0"), SECRET(KEY_HALF "0123456789abcdef0123456789ABCDEg"),
		V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/c\",\"enable_encryption\":true}}"),
	};
	const char *good = SECRET(KEY_HALF "0123456789abcdef0123456789ABCDEF");
	struct nr_config c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct graft_error err = { 0 };

		assert_int_equal(SETTLE(*state, &c, &err, "config", bad[i]), -EINVAL);
		assert_non_null(strstr(err.text, "Failed to create device: Invalid argument (os error 22): encryption_key"));
		nr_config_free(&c);
	}
	MUST(*state, &c, "config", good);
	assert_true(c.secret.on && c.secret.convergent && c.cache_all);
	assert_int_equal(c.secret.key[16], 0x01);
	assert_int_equal(c.secret.key[31], 0xef);
	nr_config_free(&c);
	assert_false(c.secret.on);
	/* A raw cache is not encrypted. */
	MUST(*state, &c, "config", good, "cache", "compressed");
	assert_true(c.cache_raw && !c.secret.on && !c.cache_all);
	assert_int_equal(warnings, 1);
	nr_config_free(&c);
	/* Nor is what is kept nowhere. */
	MUST(*state, &c, "config", bad[0], "cache", "none");
	assert_false(c.secret.on);
	nr_config_free(&c);
}

static void relative_work_dir(void **state)
{
	char here[4096], want[4200];
	struct nr_config c;

	assert_non_null(getcwd(here, sizeof(here)));
	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"a/b\"}}"));
	snprintf(want, sizeof(want), "%s/a/b", here);
	assert_string_equal(c.cache_dir, want);
	nr_config_free(&c);
	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"blobcache\",\"config\":{}}"));
	snprintf(want, sizeof(want), "%s/.", here);
	assert_string_equal(c.cache_dir, want);
	nr_config_free(&c);
}

static void json_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct graft_error err = { 0 };
		struct nr_config c;

		assert_int_equal(SETTLE(*state, &c, &err, "config", refused[i].text), -EINVAL);
		if (!strstr(err.text, refused[i].says) || strncmp(err.text, "Failed to load config: ", 23) != 0)
			fail_msg("%s: '%s' does not say '%s'", refused[i].text, err.text, refused[i].says);
		assert_int_equal(warnings, 0);
		nr_config_free(&c);
	}
}

/* Names come from outside: they are cut, and stay on one line. */
static void unknown_names(void **state)
{
	char text[4096] = "{\"device\":{" LOCALFS "},\"mode\":\"direct\",\"a\\nb\":1";
	struct nr_config c;

	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"unknown-field-%d\":null", i);
	strcat(text, "}");
	MUST(*state, &c, "config", text);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(warned, ": a?b, unknown-field-0, "));
	assert_non_null(strstr(warned, " and more"));
	nr_config_free(&c);
}

static void text_too_long(void **state)
{
	char *text = malloc(CONFIG_JSON_MAX + 2);
	struct graft_error err = { 0 };
	struct config_json c;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', CONFIG_JSON_MAX + 1);
	text[CONFIG_JSON_MAX + 1] = '\0';
	assert_int_equal(config_json_read(&c, text, on_warn, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "longer than 1 MiB"));
	config_json_free(&c);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_right),
		cmocka_unit_test_setup_teardown(keys_alone, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(prefetch_keys, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(keys_that_contradict, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(values_out_of_range, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(kata_text, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(snapshotter_text, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(localfs_dir_text, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(version_2, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(fields_with_meaning, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(keys_win_over_json, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(json_refused, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(encryption, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(relative_work_dir, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(unknown_names, nrf_new, nrf_free),
		cmocka_unit_test(text_too_long),
	};

	return cmocka_run_group_tests_name("nydus-rafs-config", tests, NULL, NULL);
}
