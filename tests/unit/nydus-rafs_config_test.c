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

static char noted[1024];

static void on_say(void *arg, int level, const char *text)
{
	(void)arg;
	warnings += level == GRAFT_LOG_WARN;
	snprintf(level == GRAFT_LOG_WARN ? warned : noted, sizeof(warned), "%s", text);
}

/* One key for each pair of keys, ended by NULL. */
static int settle(struct nrf *f, struct nr_config *c, const char *const *pairs, struct graft_error *err)
{
	nrf_reset(f);
	nrf_set(f, "source", "/i/boot");
	for (; *pairs; pairs += 2)
		nrf_set(f, pairs[0], pairs[1]);
	assert_int_equal(options_finish(f->options, err), 0);
	const struct nr_settings *set = options_settings(f->options);
	const struct nr_log log = { on_say, NULL };
	warnings = 0;
	warned[0] = noted[0] = '\0';
	return nr_config_settle(c, set, set->config, set->config ? strlen(set->config) : 0, &log, err);
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
		{ { "prefetch-files", "/" }, NR_PREFETCH_TABLE, true, 0 },
		{ { "prefetch-files", "/", "prefetch-files", "/a" }, NR_PREFETCH_LIST, false, 2 },
		{ { "prefetch-list", "/" }, NR_PREFETCH_LIST, false, 1 },
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
		  NR_PREFETCH_TABLE,
		  true,
		  0 },
		{ { "config", V1(",\"fs_prefetch\":{\"enable\":false}"), "prefetch-files", "/" },
		  NR_PREFETCH_OFF,
		  false,
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
	assert_string_equal(
		warned, "config: not used here: warmup, device.backend.config.proxy, device.backend.config.timeout, "
			"device.backend.config.connect_timeout, device.backend.config.retry_limit");
	assert_string_equal(noted, "config: id_mapping is the work of the layer idmap");
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
	assert_string_equal(warned, "config: not used here: device.cache.config.compressed");
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

static void version_2_as_toml(void **state)
{
	struct nr_config c;

	MUST(*state, &c, "config",
	     "version = 2\n[backend]\ntype = \"localfs\"\n[backend.localfs]\ndir = \"/b\"\nalt_dirs = [\"/x\", \"\"]\n"
	     "[cache]\ntype = \"filecache\"\ncompressed = true\n[cache.filecache]\nwork_dir = \"/c\"\n"
	     "[rafs]\nbatch_size = 0\n[overlay]\nupper_dir = '/u'\nwork_dir = '/w'\n");
	assert_string_equal(c.backend.dir, "/b");
	assert_int_equal(c.backend.alt_count, 1);
	assert_true(c.backend.alt_may_miss);
	assert_string_equal(c.cache_dir, "/c");
	assert_true(c.cache_raw);
	assert_int_equal(c.readahead, 0);
	assert_int_equal(warnings, 0);
	assert_string_equal(noted, "config: overlay is the work of the layer overlay");
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

	MUST(*state, &c, "config",
	     "{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/b\",\"readahead\":true}}},"
	     "\"mode\":\"direct\",\"amplify_io\":0}");
	assert_int_equal(c.readahead, NR_READAHEAD);
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
	MUST(*state, &c, "config", V1_CACHE("{\"type\":\"blobcache\",\"config\":{}}"));
	assert_string_equal(c.cache_dir, ".");
	nr_config_free(&c);
}

/* Texts that no image can be mounted with, and what the error must say; nydus_config_test.c has the others. */
static const struct {
	const char *text, *says;
} refused[] = {
	{ "{", "failed to parse configuration information: string or '}' expected" },
	{ "version = 2\n[backend]\n", "failed to parse configuration information: missing field `backend.type`" },
	{ "version = 2\n", "Failed to load config: no configuration information for cache" },
	{ V1(",\"version\":2"), "no configuration information for cache" },
	{ "{\"version\":2,\"cache\":{},\"rafs\":{}}",
	  "Failed to create device: no configuration information for backend" },
	{ V2("\"mode\":\"fast\""), "invalid configuration: mode 'fast' must be direct or cached" },
	{ V1_BACKEND("{\"type\":\"registry\",\"config\":{\"host\":\"h\",\"repo\":\"r\"}}"),
	  "backend registry is not built in yet; localfs and localdisk are" },
	{ V1_BACKEND("{\"type\":\"localdisk\",\"config\":{}}"), "device_path is missing" },
	{ V1_CACHE("{\"type\":\"fscache\",\"config\":{}}"), "cache type fscache is not built in" },
	{ V1_BACKEND("{\"type\":\"localfs\",\"config\":{\"dir\":\"/b\",\"alt_dirs\":["
		     "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\","
		     "\"16\",\"17\"]}}"),
	  "more than 16 alt_dirs" },
};

#define KEY_HALF "00112233445566778899aabbccddeeff"
#define SECRET(key)                                                                                                    \
	V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/c\",\"enable_encryption\":true,"                 \
		 "\"enable_convergent_encryption\":true,\"encryption_key\":\"" key "\"}}")

static void encryption(void **state)
{
	static const char *const bad[] = {
		SECRET(""),
		SECRET(KEY_HALF KEY_HALF),
		SECRET(KEY_HALF "0123456789abcdef0123456789ABCDE"),
		SECRET(KEY_HALF "0123456789abcdef0123456789ABCDEF0"),
		SECRET(KEY_HALF "0123456789abcdef0123456789ABCDEg"),
		V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/c\",\"enable_encryption\":true}}"),
	};
	const char *good = SECRET(KEY_HALF "0123456789abcdef0123456789ABCDEF");
	struct nr_config c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct graft_error err = { 0 };

		assert_int_equal(SETTLE(*state, &c, &err, "config", bad[i]), -EINVAL);
		assert_non_null(
			strstr(err.text, "Failed to create device: Invalid argument (os error 22): encryption_key"));
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
	/* Of v5 images: no map. */
	assert_false(c.cache_unmapped);
	MUST(*state, &c, "config",
	     V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/c\",\"disable_indexed_map\":true}}"));
	assert_true(c.cache_unmapped);
	nr_config_free(&c);
	/* Nor is what is kept nowhere. */
	MUST(*state, &c, "config", bad[0], "cache", "none");
	assert_false(c.secret.on);
	nr_config_free(&c);
}

static void json_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct graft_error err = { 0 };
		struct nr_config c;

		assert_int_equal(SETTLE(*state, &c, &err, "config", refused[i].text), -EINVAL);
		if (!strstr(err.text, refused[i].says) || strncmp(err.text, "Failed to ", 10) != 0)
			fail_msg("%s: '%s' does not say '%s'", refused[i].text, err.text, refused[i].says);
		assert_int_equal(warnings, 0);
		nr_config_free(&c);
	}
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
		cmocka_unit_test_setup_teardown(version_2_as_toml, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(fields_with_meaning, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(keys_win_over_json, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(json_refused, nrf_new, nrf_free),
		cmocka_unit_test_setup_teardown(encryption, nrf_new, nrf_free),
	};

	return cmocka_run_group_tests_name("nydus-rafs-config", tests, NULL, NULL);
}
