/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's configuration: the three forms, their defaults, what is refused with which words, what is not used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PARSE "failed to parse configuration information"
#define LOCALFS "\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/b\"}}"
#define V1(more) "{\"device\":{" LOCALFS "},\"mode\":\"direct\"" more "}"
#define V1_DEVICE(more) "{\"device\":{" LOCALFS more "},\"mode\":\"direct\"}"
#define V1_BACKEND(type, config)                                                                                       \
	"{\"device\":{\"backend\":{\"type\":\"" type "\",\"config\":" config "}},\"mode\":\"direct\"}"
#define V1_CACHE(cache) V1_DEVICE(",\"cache\":" cache)
#define V2(more) "{\"version\":2" more "}"
#define V2_BACKEND(type, config) V2(",\"backend\":{\"type\":\"" type "\",\"" type "\":" config "}")
#define V2_RAFS(more) V2(",\"rafs\":{" more "}")

static struct nydus_config *must(const char *text)
{
	struct graft_error err = { 0 };
	struct nydus_config *c;

	if (nydus_config_read(&c, text, strlen(text), &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return c;
}

static void version_1_defaults(void **state)
{
	struct nydus_config *c = must(V1(""));

	(void)state;
	assert_int_equal(c->version, 2);
	assert_string_equal(c->id, "");
	assert_string_equal(c->backend.type, "localfs");
	assert_true(c->backend.given && c->backend.localfs.given);
	assert_string_equal(c->backend.localfs.dir, "/b");
	assert_string_equal(c->backend.localfs.blob_file, "");
	assert_null(c->backend.localfs.alt_dirs);
	assert_null(c->backend.localfs.readahead);
	assert_true(c->cache.given);
	assert_string_equal(c->cache.type, "");
	assert_false(c->cache.filecache.given);
	assert_string_equal(c->cache.filecache.work_dir, "");
	assert_true(c->rafs.given);
	assert_string_equal(c->rafs.mode, "direct");
	assert_int_equal(c->rafs.batch_size, 1 << 20);
	/* fs_prefetch is missing: all zero, with prefetch_all false */
	assert_false(c->rafs.prefetch.given || c->rafs.prefetch.enable || c->rafs.prefetch.prefetch_all);
	assert_int_equal(c->rafs.prefetch.threads, 0);
	assert_int_equal(c->rafs.prefetch.batch_size, 0);
	assert_false(c->overlay.given || c->idmap.given);
	assert_string_equal(c->overlay.upper_dir, "");
	assert_string_equal(c->backend.registry.host, "");
	assert_string_equal(c->backend.registry.http.proxy.url, "");
	assert_null(c->backend.registry.auth);
	assert_string_equal(c->unused, "");
	nydus_config_free(c);
	nydus_config_free(NULL);
}

static void version_1_prefetch(void **state)
{
	struct nydus_config *c = must(V1(",\"fs_prefetch\":{}"));

	(void)state;
	assert_true(c->rafs.prefetch.given && c->rafs.prefetch.prefetch_all);
	assert_false(c->rafs.prefetch.enable || c->rafs.prefetch.stream_prefetch);
	assert_int_equal(c->rafs.prefetch.threads, 8);
	assert_int_equal(c->rafs.prefetch.batch_size, 1 << 20);
	/* inherited only where it is enabled */
	assert_int_equal(c->cache.prefetch.threads, 0);
	assert_true(c->cache.prefetch.prefetch_all && !c->cache.prefetch.enable);
	nydus_config_free(c);

	c = must(V1(",\"fs_prefetch\":{\"enable\":true,\"threads_count\":3,\"merging_size\":4,\"bandwidth_rate\":5,"
		    "\"prefetch_all\":false}"));
	assert_int_equal(c->cache.prefetch.threads, 3);
	assert_int_equal(c->cache.prefetch.batch_size, 4);
	assert_int_equal(c->cache.prefetch.bandwidth_limit, 5);
	assert_true(c->cache.prefetch.enable);
	assert_false(c->cache.prefetch.prefetch_all);
	nydus_config_free(c);
}

/* The snapshotter's, with everything it may write. */
static void snapshotter_text(void **state)
{
	struct nydus_config *c = must(
		"{\"device\":{\"id\":\"/12\",\"backend\":{\"type\":\"registry\",\"config\":{\"readahead\":false,"
		"\"scheme\":\"http\",\"host\":\"r:5000\",\"repo\":\"library/a\",\"auth\":\"dTpw\",\"skip_verify\":true,"
		"\"mirrors\":null,\"blob_url_scheme\":\"http\",\"blob_redirected_host\":\"h\",\"timeout\":9,"
		"\"connect_timeout\":0,\"retry_limit\":2,\"ca_cert_files\":[\"/a.pem\",\"/b.pem\"],"
		"\"proxy\":{\"url\":\"http://u:p@127.0.0.1:65001\",\"fallback\":false}}},"
		"\"cache\":{\"type\":\"blobcache\",\"compressed\":true,\"config\":{\"work_dir\":\"/c\","
		"\"disable_indexed_map\":true,\"enable_encryption\":true,\"encryption_key\":\"00\"}}},"
		"\"mode\":\"direct\",\"digest_validate\":true,\"iostats_files\":true,\"enable_xattr\":true,"
		"\"amplify_io\":0,\"access_pattern\":true,\"latest_read_files\":true,"
		"\"id_mapping\":[0,1000,65536],\"warmup\":0}");
	const struct nydus_registry *r = &c->backend.registry;

	(void)state;
	assert_string_equal(c->id, "/12");
	assert_string_equal(c->backend.type, "registry");
	assert_string_equal(r->scheme, "http");
	assert_string_equal(r->host, "r:5000");
	assert_string_equal(r->auth, "dTpw");
	assert_null(r->registry_token);
	assert_true(r->http.skip_verify);
	assert_int_equal(r->http.timeout, 9);
	assert_int_equal(r->http.connect_timeout, 0);
	assert_int_equal(r->http.retry_limit, 2);
	assert_int_equal(nydus_config_count(r->http.ca_cert_files), 2);
	assert_string_equal(nydus_config_item(r->http.ca_cert_files, 1), "/b.pem");
	assert_true(r->http.proxy.given);
	assert_false(r->http.proxy.fallback);
	assert_int_equal(r->http.proxy.check_interval, 5);
	assert_int_equal(r->http.proxy.check_pause_elapsed, 300);
	assert_true(c->cache.compressed && c->cache.filecache.disable_indexed_map &&
		    c->cache.filecache.enable_encryption);
	assert_string_equal(c->cache.filecache.encryption_key, "00");
	assert_int_equal(c->rafs.batch_size, 0);
	assert_true(c->rafs.validate && c->rafs.iostats_files && c->rafs.enable_xattr && c->rafs.access_pattern &&
		    c->rafs.latest_read_files);
	assert_true(c->idmap.given);
	assert_int_equal(c->idmap.outside, 1000);
	assert_string_equal(c->unused, "warmup, device.backend.config.readahead, device.backend.config.mirrors");
	nydus_config_free(c);
}

static void version_2_defaults(void **state)
{
	struct nydus_config *c = must(V2(""));

	(void)state;
	assert_false(c->backend.given || c->cache.given || c->rafs.given);
	assert_string_equal(c->rafs.mode, "");
	nydus_config_free(c);

	c = must(
		"{\"version\":2,\"id\":\"x\",\"backend\":{\"type\":\"localdisk\",\"localdisk\":{\"device_path\":\"/d\","
		"\"disable_gpt\":true},\"localfs\":null,\"oss\":{\"endpoint\":\"e\",\"bucket_name\":\"\"}},\"cache\":{"
		"\"type\":\"filecache\",\"filecache\":{}},\"rafs\":{\"prefetch\":{\"enable\":true}},"
		"\"overlay\":{\"upper_dir\":\"/u\",\"work_dir\":\"/w\"},\"dedup\":{\"enable\":true,\"work_dir\":\"/"
		"d\"}}");
	assert_string_equal(c->id, "x");
	assert_string_equal(c->backend.localdisk.device_path, "/d");
	assert_true(c->backend.localdisk.disable_gpt);
	assert_true(c->backend.oss.given); /* read, not checked: the type is another */
	assert_string_equal(c->backend.oss.scheme, "https");
	assert_int_equal(c->backend.oss.http.timeout, 5);
	assert_true(c->backend.oss.http.proxy.fallback);
	assert_string_equal(c->cache.filecache.work_dir, ".");
	assert_string_equal(c->rafs.mode, "direct");
	assert_int_equal(c->rafs.batch_size, 1 << 20);
	assert_int_equal(c->rafs.prefetch.threads, 8);
	assert_false(c->rafs.prefetch.prefetch_all);
	assert_int_equal(c->cache.prefetch.threads, 0);
	assert_string_equal(c->overlay.upper_dir, "/u");
	assert_string_equal(c->unused, "dedup, backend.oss");
	nydus_config_free(c);
}

static void version_2_as_toml(void **state)
{
	struct nydus_config *c = must("version = 2\nid = 'x'\nsurplus = 1979-05-27\n"
				      "[backend]\ntype = \"s3\"\n[backend.s3]\nendpoint = ''\nregion = 'eu'\n"
				      "bucket_name = 'b'\nretry_limit = 255\nca_cert_files = [ '/x' ]\n"
				      "proxy.url = 'http://p'\n"
				      "[cache]\ntype = 'blobcache'\nfilecache.work_dir = '/c'\n"
				      "[cache.prefetch]\nenable = true\nthreads = 0x10\n"
				      "[[external_backends]]\ntype = 'x'\npatch = { a = 'b' }\nconfig = {}\n"
				      "[rafs]\nmode = 'cached'\n");

	(void)state;
	assert_string_equal(c->backend.s3.region, "eu");
	assert_int_equal(c->backend.s3.http.retry_limit, 255);
	assert_string_equal(c->backend.s3.http.proxy.url, "http://p");
	assert_string_equal(c->cache.filecache.work_dir, "/c");
	assert_int_equal(c->cache.prefetch.threads, 16);
	assert_int_equal(nydus_config_count(c->external_backends), 1);
	assert_string_equal(c->rafs.mode, "cached");
	assert_string_equal(c->unused, "surplus, external_backends");
	nydus_config_free(c);
}

/* A version does not make a text one of version 2 if it cannot be read as that. */
static void version_1_with_a_version(void **state)
{
	struct nydus_config *c = must(V1(",\"version\":2"));
	struct graft_error err = { 0 };

	(void)state;
	assert_false(c->backend.given);
	assert_int_equal(nydus_config_mountable(c, &err), -EINVAL);
	assert_string_equal(err.text, "Failed to load config: no configuration information for cache");
	assert_string_equal(c->unused, "device, mode");
	nydus_config_free(c);

	c = must(V1(",\"version\":\"2\""));
	assert_string_equal(c->backend.localfs.dir, "/b");
	assert_string_equal(c->unused, "version");
	nydus_config_free(c);
}

static const struct {
	const char *text, *says;
} refused[] = {
	{ "", PARSE ": missing field `version`" },
	{ "{", PARSE ": string or '}' expected at line 1, column 1" },
	{ "{\"auth\" \"secret\"}", PARSE ": ':' expected at line 1, column 16" },
	{ "{} {}", PARSE ": end of file expected" },
	{ "[]", PARSE ": it must be an object" },
	{ "[a", PARSE ": as TOML: ']' is missing at line 1" },
	{ "version = '2'", PARSE ": version must be a whole number" },
	{ "version = 2\nversion = 2", PARSE ": as TOML: a key that is taken at line 2" },
	{ "version = 1", "invalid configuration: version must be 2" },
	{ "{\"mode\":\"direct\",\"mode\":\"direct\"}", PARSE ": duplicate" },
	{ "{}", PARSE ": missing field `device`" },
	{ "{\"device\":7}", PARSE ": device must be an object" },
	{ "{\"device\":null}", PARSE ": device must be an object" },
	{ "{\"device\":{},\"mode\":\"direct\"}", PARSE ": missing field `device.backend`" },
	{ "{\"device\":{" LOCALFS "}}", PARSE ": missing field `mode`" },
	{ "{\"device\":{" LOCALFS "},\"mode\":null}", PARSE ": mode must be a text" },
	{ "{\"device\":{" LOCALFS "},\"mode\":\"fast\"}", PARSE ": mode 'fast' must be direct or cached" },
	{ "{\"device\":{\"backend\":{\"config\":{}}},\"mode\":\"\"}", PARSE ": missing field `device.backend.type`" },
	{ "{\"device\":{\"backend\":{\"type\":\"localfs\"}},\"mode\":\"\"}",
	  PARSE ": missing field `device.backend.config`" },
	{ V1_BACKEND("localfs", "[]"), PARSE ": device.backend.config must be an object" },
	{ V1_BACKEND("localfs", "null"), PARSE ": device.backend.config must be an object" },
	{ V1_BACKEND("localfs", "{}"), PARSE ": backend localfs: dir or blob_file is missing" },
	{ V1_BACKEND("localfs", "{\"dir\":1}"), PARSE ": device.backend.config.dir must be a text" },
	{ V1_BACKEND("localfs", "{\"dir\":null}"), PARSE ": device.backend.config.dir must be a text" },
	{ V1_BACKEND("localfs", "{\"dir\":\"a\",\"alt_dirs\":\"/a\"}"),
	  PARSE ": device.backend.config.alt_dirs must be a list of texts" },
	{ V1_BACKEND("localfs", "{\"dir\":\"a\",\"alt_dirs\":[1]}"), "alt_dirs must be a list of texts" },
	{ V1_BACKEND("localdisk", "{}"), PARSE ": backend localdisk: device_path is missing" },
	{ V1_BACKEND("ftp", "{}"), PARSE ": backend ftp is not known" },
	{ V1_BACKEND("http-proxy", "{\"addr\":\"http://x\"}"), PARSE ": backend http-proxy is not known to version 1" },
	{ V1_BACKEND("oss", "{\"endpoint\":\"e\"}"), PARSE ": missing field `device.backend.config.bucket_name`" },
	{ V1_BACKEND("oss", "{\"endpoint\":\"\",\"bucket_name\":\"b\"}"), "backend oss: endpoint is missing" },
	{ V1_BACKEND("s3", "{\"region\":\"\",\"bucket_name\":\"b\"}"),
	  "missing field `device.backend.config.endpoint`" },
	{ V1_BACKEND("s3", "{\"endpoint\":\"\",\"region\":\"\",\"bucket_name\":\"b\"}"),
	  "backend s3: region is missing" },
	{ V1_BACKEND("registry", "{\"host\":\"h\",\"repo\":\"\"}"), PARSE ": backend registry: repo is missing" },
	{ V1_BACKEND("registry", "{\"host\":\"h\",\"repo\":\"r\",\"retry_limit\":256}"),
	  "retry_limit must be at most 255" },
	{ V1_BACKEND("registry", "{\"host\":\"h\",\"repo\":\"r\",\"timeout\":4294967296}"), "timeout must be at most" },
	{ V1_BACKEND("registry", "{\"host\":\"h\",\"repo\":\"r\",\"proxy\":null}"), "proxy must be an object" },
	{ V1_CACHE("{\"type\":\"memory\"}"), PARSE ": cache type memory is not known" },
	{ V1_CACHE("{\"type\":\"blobcache\"}"), PARSE ": missing field `device.cache.config`" },
	{ V1_CACHE("{\"type\":\"blobcache\",\"config\":null}"), "device.cache.config must be an object" },
	{ V1_CACHE("{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"\"}}"), "cache blobcache: work_dir is missing" },
	{ V1_CACHE("{\"compressed\":\"yes\"}"), PARSE ": device.cache.compressed must be true or false" },
	{ V1_CACHE("null"), PARSE ": device.cache must be an object" },
	{ V1(",\"amplify_io\":268435457"), PARSE ": amplify_io (batch_size) must be at most 256 MiB" },
	{ V1(",\"amplify_io\":-1"), PARSE ": amplify_io must be a whole number" },
	{ V1(",\"amplify_io\":1.5"), PARSE ": amplify_io must be a whole number" },
	{ V1(",\"fs_prefetch\":{\"enable\":true,\"threads_count\":0}"), "threads must be from 1 to 1024" },
	{ V1(",\"fs_prefetch\":{\"enable\":true,\"threads_count\":1025}"), "threads must be from 1 to 1024" },
	{ V1(",\"fs_prefetch\":{\"enable\":true,\"merging_size\":268435457}"), "must be at most 256 MiB" },
	{ V1(",\"fs_prefetch\":{\"bandwidth_rate\":4294967296}"), "bandwidth_rate must be at most 4294967295" },
	{ V1_DEVICE(",\"external_backends\":[{}]"), PARSE ": external_backends: each has patch and config" },
	{ V1_DEVICE(",\"external_backends\":null"), PARSE ": external_backends must be a list" },
	{ V1(",\"id_mapping\":[0,1]"), PARSE ": id_mapping must be a list of three numbers" },
	{ V1(",\"id_mapping\":[0,1,-1]"), PARSE ": id_mapping must be a list of three numbers" },
	{ V1(",\"id_mapping\":[4294967295,0,1]"), PARSE ": id_mapping goes beyond the last id" },
	{ V2(",\"backend\":{}"), PARSE ": missing field `backend.type`" },
	{ V2(",\"backend\":{\"type\":\"localfs\"}"), "invalid configuration: backend localfs: localfs is missing" },
	{ V2_BACKEND("localfs", "{}"), "invalid configuration: backend localfs: dir or blob_file is missing" },
	{ V2_BACKEND("http-proxy", "{\"addr\":\"\"}"), "invalid configuration: backend http-proxy: addr is missing" },
	{ V2_BACKEND("http-proxy", "{\"addr\":\"x\"}"), "invalid configuration: backend http-proxy: addr must begin" },
	{ V2_BACKEND("nfs", "{}"), "invalid configuration: backend nfs is not known" },
	{ V2(",\"cache\":{\"type\":\"blobcache\"}"), "invalid configuration: cache blobcache: work_dir is missing" },
	{ V2(",\"cache\":{\"type\":\"fscache\"}"), "invalid configuration: cache fscache: work_dir is missing" },
	{ V2(",\"cache\":{\"prefetch\":null}"), PARSE ": cache.prefetch must be an object" },
	{ V2_RAFS("\"prefetch\":{}"), PARSE ": missing field `rafs.prefetch.enable`" },
	{ V2_RAFS("\"mode\":\"\""), "invalid configuration: mode '' must be direct or cached" },
	{ V2(",\"overlay\":{}"), PARSE ": missing field `overlay.upper_dir`" },
	{ V2(",\"external_backends\":[{\"patch\":{\"a\":1},\"type\":\"\",\"config\":{}}]"), "external_backends: each" },
	{ "{\"version\":4294967296}", PARSE ": version must be at most 4294967295" },
	{ "{\"version\":-1,\"device\":1}", PARSE ": version must be a whole number" },
	{ "{\"a\\u0000\":1}", PARSE ": " },
	{ "{\"a\":\"x\ny\"}", PARSE ": unexpected newline at line 1, column 7" },
	{ V2_RAFS("\"mode\":\"a\\nb\""), "invalid configuration: mode 'a?b' must be" },
};

static void refused_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct graft_error err = { 0 };
		struct nydus_config *c;

		assert_int_equal(nydus_config_read(&c, refused[i].text, strlen(refused[i].text), &err), -EINVAL);
		assert_null(c);
		if (!strstr(err.text, refused[i].says))
			fail_msg("%s: '%s' does not say '%s'", refused[i].text, err.text, refused[i].says);
		assert_int_equal(nydus_config_read(&c, refused[i].text, strlen(refused[i].text), NULL), -EINVAL);
	}
}

static void hostile_texts(void **state)
{
	char *text = malloc(NYDUS_CONFIG_MAX + 2);
	struct graft_error err = { 0 };
	struct nydus_config *c;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', NYDUS_CONFIG_MAX + 1);
	assert_int_equal(nydus_config_read(&c, text, NYDUS_CONFIG_MAX + 1, &err), -EINVAL);
	assert_string_equal(err.text, PARSE ": longer than 1 MiB");
	memcpy(text, V1(""), strlen(V1("")));
	assert_int_equal(nydus_config_read(&c, text, NYDUS_CONFIG_MAX, &err), 0);
	nydus_config_free(c);
	memset(text, '[', 10000);
	assert_int_equal(nydus_config_read(&c, text, 10000, &err), -EINVAL);
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(nydus_config_read(&c, text, 10000, &err), -EINVAL);
	assert_non_null(strstr(err.text, "depth"));
	assert_int_equal(nydus_config_read(&c, "{}\0", 3, &err), -EINVAL);
	assert_int_equal(nydus_config_read(&c, "\0", 1, &err), -EINVAL);
	free(text);
}

/* Names come from outside: they are cut, and stay on one line. */
static void unused_names(void **state)
{
	char text[4096] = "{\"device\":{" LOCALFS "},\"mode\":\"direct\",\"a\\nb\":1";
	struct nydus_config *c;

	(void)state;
	for (int i = 0; i < 60; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"unknown-field-%d\":null", i);
	strcat(text, "}");
	c = must(text);
	assert_int_equal(strncmp(c->unused, "a?b, unknown-field-0, ", 22), 0);
	assert_string_equal(c->unused + strlen(c->unused) - 9, " and more");
	nydus_config_free(c);

	c = must(V1(",\"fs_prefetch\":{\"stream_prefetch\":true}"));
	assert_string_equal(c->unused, "fs_prefetch.stream_prefetch");
	nydus_config_free(c);
	c = must(V1_CACHE("{\"config\":{\"work_dir\":\"/c\"}}"));
	assert_string_equal(c->unused, "device.cache.config");
	nydus_config_free(c);
	c = must(V2(",\"cache\":{\"filecache\":{},\"fscache\":{}}"));
	assert_string_equal(c->unused, "cache.filecache, cache.fscache");
	nydus_config_free(c);
	c = must(V1_DEVICE(",\"external_backends\":[]"));
	assert_string_equal(c->unused, "");
	nydus_config_free(c);
}

static void what_can_be_mounted(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ V1(""), NULL },
		{ V2_BACKEND("localfs", "{\"dir\":\"/b\"}"), "no configuration information for cache" },
		{ V2(",\"cache\":{}"), "no configuration information for rafs" },
		{ V2(",\"cache\":{},\"rafs\":{}"), "no configuration information for backend" },
		{ V1_BACKEND("registry", "{\"host\":\"h\",\"repo\":\"r\"}"),
		  "backend registry is not built in yet; localfs and localdisk are" },
		{ V1_BACKEND("oss", "{\"endpoint\":\"h\",\"bucket_name\":\"r\"}"), "backend oss is not built in yet" },
		{ V1_BACKEND("s3", "{\"endpoint\":\"\",\"region\":\"a\",\"bucket_name\":\"r\"}"),
		  "backend s3 is not built in yet" },
		{ V2(",\"backend\":{\"type\":\"http-proxy\",\"http-proxy\":{\"addr\":\"/"
		     "sock\"}},\"cache\":{},\"rafs\":{}"),
		  "backend http-proxy is not built in yet" },
		{ V1_CACHE("{\"type\":\"fscache\",\"config\":{}}"), "cache type fscache is not built in" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nydus_config *c = must(rows[i].text);
		struct graft_error err = { 0 };

		assert_int_equal(nydus_config_mountable(c, &err), rows[i].says ? -EINVAL : 0);
		if (rows[i].says && !strstr(err.text, rows[i].says))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
		nydus_config_free(c);
	}
}

static int add_key(void *arg, const char *name, const char *value, struct graft_error *err)
{
	char *all = arg;

	if (strlen(all) > 200)
		return error_set(err, E2BIG, "enough");
	strcat(strcat(strcat(strcat(all, name), "="), value), ";");
	return 0;
}

static void layers(void **state)
{
	static const struct {
		const char *text, *keys;
		int res;
	} rows[] = {
		{ V1(""), "", 0 },
		{ V1(",\"id_mapping\":[0,1000,0]"), "", 0 },
		{ V1(",\"id_mapping\":[0,1000,65536]"),
		  "layers=idmap;idmap.uid=map:1000:0:65536;idmap.gid=map:1000:0:65536;", 0 },
		{ V2(",\"overlay\":{\"upper_dir\":\"/u\",\"work_dir\":\"/w\"}"),
		  "layers=overlay;overlay.upper-dir=/u;overlay.work-dir=/w;", 0 },
		{ V2(",\"overlay\":{\"upper_dir\":\"/u\",\"work_dir\":\"/w\"},\"id_mapping\":[1,2,3]"),
		  "layers=idmap overlay;idmap.uid=map:2:1:3;idmap.gid=map:2:1:3;overlay.upper-dir=/u;"
		  "overlay.work-dir=/w;",
		  0 },
		{ V2(",\"overlay\":{\"upper_dir\":\"\",\"work_dir\":\"/w\"}"), "", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nydus_config *c = must(rows[i].text);
		struct graft_error err = { 0 };
		char all[512] = "";

		assert_int_equal(nydus_config_layers(c, add_key, all, &err), rows[i].res);
		assert_string_equal(all, rows[i].keys);
		if (rows[i].res)
			assert_string_equal(err.text,
					    "invalid argument `workdir and upperdir must be specified for overlayfs`");
		nydus_config_free(c);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_defaults),
		cmocka_unit_test(version_1_prefetch),
		cmocka_unit_test(snapshotter_text),
		cmocka_unit_test(version_2_defaults),
		cmocka_unit_test(version_2_as_toml),
		cmocka_unit_test(version_1_with_a_version),
		cmocka_unit_test(refused_texts),
		cmocka_unit_test(hostile_texts),
		cmocka_unit_test(unused_names),
		cmocka_unit_test(what_can_be_mounted),
		cmocka_unit_test(layers),
	};

	return cmocka_run_group_tests_name("nydus-config", tests, NULL, NULL);
}
