/* SPDX-License-Identifier: Apache-2.0 */
/* What nydusd's API shows of an image's configuration: version 2, every field that its clients insist on. */
#include "server/control/nydus_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PREFETCH(enable, threads, batch, limit, all)                                                                   \
	"{\"enable\":" enable ",\"threads\":" threads ",\"batch_size\":" batch ",\"bandwidth_limit\":" limit           \
	",\"prefetch_all\":" all ",\"stream_prefetch\":false}"
#define NO_PREFETCH PREFETCH("false", "0", "0", "0", "false")
#define V1_PREFETCH PREFETCH("false", "0", "0", "0", "true") /* of a cache */
#define LOCALFS(file, dir, alt)                                                                                        \
	"{\"type\":\"localfs\",\"localdisk\":null,\"localfs\":{\"blob_file\":\"" file "\",\"dir\":\"" dir              \
	"\",\"alt_dirs\":" alt "},\"oss\":null,\"s3\":null,\"registry\":null,\"http-proxy\":null}"
#define FILECACHE(dir)                                                                                                 \
	"{\"work_dir\":\"" dir "\",\"disable_indexed_map\":false,\"enable_encryption\":false,"                         \
	"\"enable_convergent_encryption\":false,\"encryption_key\":\"\"}"
#define CACHE(type, compressed, prefetch, filecache)                                                                   \
	"{\"type\":\"" type "\",\"compressed\":" compressed ",\"validate\":false,\"prefetch\":" prefetch               \
	",\"filecache\":" filecache ",\"fscache\":null}"
#define RAFS(mode, batch, validate, stats, prefetch) RAFS_XATTR("true", mode, batch, validate, stats, prefetch)
#define RAFS_XATTR(xattr, mode, batch, validate, stats, prefetch)                                                      \
	"{\"mode\":\"" mode "\",\"batch_size\":" batch ",\"validate\":" validate ",\"enable_xattr\":" xattr            \
	",\"iostats_files\":" stats ",\"access_pattern\":false,\"latest_read_files\":false,\"prefetch\":" prefetch "}"
#define CONFIG(id, backend, cache, rafs)                                                                               \
	"{\"version\":2,\"id\":\"" id "\",\"backend\":" backend ",\"external_backends\":[],\"cache\":" cache           \
	",\"rafs\":" rafs ",\"overlay\":null}"

#define KATA                                                                                                           \
	"{\"device\":{\"id\":\"/s\",\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/b\",\"alt_dirs\":[\"/"    \
	"x\"]}"                                                                                                        \
	"},\"cache\":{\"type\":\"blobcache\",\"compressed\":true,\"config\":{\"work_dir\":\"/c\"}}},"                  \
	"\"mode\":\"cached\",\"digest_validate\":true,\"iostats_files\":true,\"amplify_io\":4096,"                     \
	"\"fs_prefetch\":{\"enable\":true,\"threads_count\":2,\"bandwidth_rate\":5}}"
#define KATA_PREFETCH PREFETCH("true", "2", "1048576", "5", "true")

static void shows(const struct mount_key *keys, size_t n, const char *want)
{
	struct mount_info info = { .name = "m", .at = "/m", .type = "nydus-rafs", .keys = keys, .nkeys = n };
	json_t *config = nydus_rafs_config(&info, NULL, false);
	char *text = json_dumps(config, JSON_COMPACT);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	json_decref(config);
}
#define SHOWS(want, ...)                                                                                               \
	shows((const struct mount_key[]){ __VA_ARGS__ },                                                               \
	      sizeof((const struct mount_key[]){ __VA_ARGS__ }) / sizeof(struct mount_key), want)

static void keys_alone(void **state)
{
	(void)state;
	SHOWS(CONFIG("", LOCALFS("", "", "[]"), CACHE("", "false", V1_PREFETCH, "null"),
		     RAFS("direct", "1048576", "false", "false", NO_PREFETCH)),
	      { "source", "/boot" });
	SHOWS(CONFIG("", LOCALFS("/f", "/b", "[\"/x\",\"/y\"]"),
		     CACHE("blobcache", "true", V1_PREFETCH, FILECACHE("/c")),
		     RAFS("direct", "1048576", "false", "false", NO_PREFETCH)),
	      { "blob-dir", "/b" }, { "blob-file", "/f" }, { "alt-dirs", "/x" }, { "alt-dirs", "/y" },
	      { "cache-dir", "/c" }, { "cache", "compressed" });
	SHOWS(CONFIG("",
		     "{\"type\":\"localdisk\",\"localdisk\":{\"device_path\":\"/dev/x\",\"disable_gpt\":false},"
		     "\"localfs\":null,\"oss\":null,\"s3\":null,\"registry\":null,\"http-proxy\":null}",
		     CACHE("", "false", V1_PREFETCH, "null"), RAFS("direct", "1048576", "false", "false", NO_PREFETCH)),
	      { "device", "/dev/x" }, { "cache-dir", "/c" }, { "cache", "none" });
}

static void version_1(void **state)
{
	(void)state;
	SHOWS(CONFIG("/s", LOCALFS("", "/b", "[\"/x\"]"), CACHE("blobcache", "true", KATA_PREFETCH, FILECACHE("/c")),
		     RAFS_XATTR("false", "cached", "4096", "true", "true", KATA_PREFETCH)),
	      { "config", KATA });
	/* Keys win, as they do in the mount. */
	SHOWS(CONFIG("/s", LOCALFS("", "/mine", "[]"), CACHE("blobcache", "false", KATA_PREFETCH, FILECACHE("/keep")),
		     RAFS_XATTR("false", "cached", "4096", "true", "true", KATA_PREFETCH)),
	      { "config", KATA }, { "blob-dir", "/mine" }, { "cache-dir", "/keep" }, { "cache", "plain" });
}

/* What is shown can be given again, and shows the same. */
static void version_2(void **state)
{
	static const char text[] =
		CONFIG("i", LOCALFS("/f", "/b", "[]"),
		       CACHE("filecache", "false", PREFETCH("true", "3", "2", "1", "false"), FILECACHE("/c")),
		       RAFS("direct", "9", "false", "false", PREFETCH("true", "8", "1048576", "0", "true")));

	(void)state;
	SHOWS(text, { "config", text });
}

#define SECRET                                                                                                         \
	"{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/"                                       \
	"b\"}},\"cache\":{\"type\":\"blobcache\","                                                                     \
	"\"config\":{\"work_dir\":\"/"                                                                                 \
	"c\",\"enable_encryption\":true,\"encryption_key\":\"00ff\"}}},\"mode\":\"direct\"}"

static void secrets(void **state)
{
	static const struct mount_key keys[] = { { "config", SECRET } };
	const struct mount_info info = { .name = "m", .at = "/m", .type = "nydus-rafs", .keys = keys, .nkeys = 1 };

	(void)state;
	for (int shown = 0; shown < 2; shown++) {
		json_t *config = nydus_rafs_config(&info, NULL, shown);
		json_t *files = json_object_get(json_object_get(config, "cache"), "filecache");

		assert_string_equal(json_string_value(json_object_get(files, "encryption_key")), shown ? "00ff" : "");
		json_decref(config);
	}
}

/* Where keys are shown as they were given. */
static void blanked_texts(void **state)
{
	json_t *text = nydus_blanked(KATA);

	(void)state;
	assert_string_equal(json_string_value(text), KATA);
	json_decref(text);
	text = nydus_blanked(SECRET);
	assert_non_null(strstr(json_string_value(text), "\"encryption_key\":\"\""));
	assert_null(strstr(json_string_value(text), "00ff"));
	json_decref(text);
	text = nydus_blanked("{\"auth\":\"x\"");
	assert_string_equal(json_string_value(text), "");
	json_decref(text);
}

/* A text that the mount has in a file. */
static void text_in_a_file(void **state)
{
	static const struct mount_key keys[] = { { "config-file", "/f" } };
	const struct mount_info info = { .name = "m", .at = "/m", .type = "nydus-rafs", .keys = keys, .nkeys = 1 };
	json_t *texts = json_pack("{s:s, s:n}", "/m", KATA, "/x"), *config = nydus_rafs_config(&info, texts, false);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(config, "id")), "/s");
	json_decref(config);
	json_decref(texts);
}

static int count(void *arg, const char *name, const char *value, struct graft_error *err)
{
	(void)name;
	(void)value;
	(void)err;
	return ++*(int *)arg == 3 ? -E2BIG : 0;
}

static void layers(void **state)
{
	static const char text[] = "version = 2\nid_mapping = [0, 1, 2]\n";
	struct graft_error err = { 0 };
	int n = 0;

	(void)state;
	assert_int_equal(nydus_layers(text, strlen(text), count, &n, &err), -E2BIG);
	assert_int_equal(n, 3);
	assert_int_equal(nydus_layers(text, strlen(text) - 2, count, &n, &err), -EINVAL);
	assert_int_equal(strncmp(err.text, "Failed to load config: failed to parse configuration information: ", 66),
			 0);
	assert_int_equal(nydus_layers(KATA, strlen(KATA), count, &n, &err), 0);
	assert_int_equal(n, 3);
}

/* Texts that no mount was made from: no crash, and still every field. */
static void other_texts(void **state)
{
	static const char *const texts[] = {
		"x",
		"[]",
		"{}",
		"{\"version\":2}",
		"{\"device\":7,\"mode\":[]}",
		"{\"version\":2,\"cache\":{\"type\":5}}",
		"{\"device\":{\"backend\":{\"config\":{\"dir\":null}}},\"fs_prefetch\":3}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		SHOWS(CONFIG("", LOCALFS("", "", "[]"), CACHE("", "false", V1_PREFETCH, "null"),
			     RAFS("direct", "1048576", "false", "false", NO_PREFETCH)),
		      { "config", texts[i] });
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_alone), cmocka_unit_test(version_1),     cmocka_unit_test(version_2),
		cmocka_unit_test(secrets),    cmocka_unit_test(blanked_texts), cmocka_unit_test(text_in_a_file),
		cmocka_unit_test(layers),     cmocka_unit_test(other_texts),
	};

	return cmocka_run_group_tests_name("control-rafs", tests, NULL, NULL);
}
