/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as version 2: nydusd's fields in its order, its defaults, no secrets but where they are wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus/config.h"

#include <stdlib.h>
#include <string.h>

#define NO_PREFETCH                                                                                                    \
	"{\"enable\":false,\"threads\":0,\"batch_size\":0,\"bandwidth_limit\":0,\"prefetch_all\":false,"               \
	"\"stream_prefetch\":false}"
#define PREFETCH                                                                                                       \
	"{\"enable\":true,\"threads\":2,\"batch_size\":1048576,\"bandwidth_limit\":0,\"prefetch_all\":true,"           \
	"\"stream_prefetch\":false}"
#define HTTP_HEAD(files)                                                                                               \
	"\"skip_verify\":false,\"ca_cert_files\":" files ",\"timeout\":5,\"connect_timeout\":5,\"retry_limit\":0"
#define PROXY(url)                                                                                                     \
	"\"proxy\":{\"url\":\"" url "\",\"ping_url\":\"\",\"fallback\":true,\"check_interval\":5,\"use_http\":false,"  \
	"\"check_pause_elapsed\":300,\"dragonfly_scheduler_endpoint\":\"\"}"

static void shows(const char *text, bool secrets, const char *json)
{
	struct graft_error err = { 0 };
	struct nydus_config *c;
	json_t *shown;
	char *is;

	if (nydus_config_read(&c, text, strlen(text), &err) < 0)
		fail_msg("%s: %s", text, err.text);
	shown = nydus_config_show(c, secrets);
	is = json_dumps(shown, JSON_COMPACT);
	assert_non_null(is);
	assert_string_equal(is, json);
	json_decref(shown);
	nydus_config_free(c);
	/* What is shown says the same when it is read. */
	if (secrets) {
		assert_int_equal(nydus_config_read(&c, is, strlen(is), &err), 0);
		shown = nydus_config_show(c, true);
		free(is);
		is = json_dumps(shown, JSON_COMPACT);
		assert_string_equal(is, json);
		json_decref(shown);
		nydus_config_free(c);
	}
	free(is);
}

/* As nydusd's API answered. */
static void a_local_image(void **state)
{
	static const char shown[] =
		"{\"version\":2,\"id\":\"\",\"backend\":{\"type\":\"localfs\",\"localdisk\":null,"
		"\"localfs\":{\"blob_file\":\"\",\"dir\":\"/b\",\"alt_dirs\":[]},\"oss\":null,\"s3\":null,"
		"\"registry\":null,\"http-proxy\":null},\"external_backends\":[],"
		"\"cache\":{\"type\":\"blobcache\",\"compressed\":false,\"validate\":false,\"prefetch\":" PREFETCH
		",\"filecache\":{\"work_dir\":\"/c\",\"disable_indexed_map\":false,\"enable_encryption\":false,"
		"\"enable_convergent_encryption\":false,\"encryption_key\":\"\"},\"fscache\":null},"
		"\"rafs\":{\"mode\":\"direct\",\"batch_size\":1048576,\"validate\":false,\"enable_xattr\":true,"
		"\"iostats_files\":true,\"access_pattern\":true,\"latest_read_files\":true,\"prefetch\":" PREFETCH
		"},\"overlay\":null}";

	(void)state;
	shows("{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/b\",\"readahead\":true}},"
	      "\"cache\":{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"/c\"}}},\"mode\":\"direct\","
	      "\"enable_xattr\":true,\"iostats_files\":true,\"access_pattern\":true,\"latest_read_files\":true,"
	      "\"id_mapping\":[0,1,2],\"fs_prefetch\":{\"enable\":true,\"threads_count\":2}}",
	      true, shown);
}

static void nothing(void **state)
{
	(void)state;
	shows("version = 2", true,
	      "{\"version\":2,\"id\":\"\",\"backend\":null,\"external_backends\":[],\"cache\":null,\"rafs\":null,"
	      "\"overlay\":null}");
}

#define REGISTRY(auth, token, url)                                                                                     \
	"{\"scheme\":\"https\",\"host\":\"h\",\"repo\":\"r\",\"auth\":" auth                                           \
	"," HTTP_HEAD("[\"/a\"]") ",\"registry_token\":" token                                                         \
				  ",\"blob_url_scheme\":\"\",\"blob_redirected_host\":\"\"," PROXY(url) "}"
#define STORE(region, id, secret)                                                                                      \
	"{\"scheme\":\"https\",\"endpoint\":\"e\"," region "\"bucket_name\":\"b\",\"object_prefix\":\"\","             \
	"\"access_key_id\":" id ",\"access_key_secret\":" secret "," HTTP_HEAD("[]") "," PROXY("") "}"
#define ALL(registry, id, secret, addr, key, external)                                                                 \
	"{\"version\":2,\"id\":\"\",\"backend\":{\"type\":\"registry\",\"localdisk\":{\"device_path\":\"/d\","         \
	"\"disable_gpt\":true},\"localfs\":null,\"oss\":" STORE("", id, secret) ",\"s3\":" STORE(                      \
		"\"region\":\"eu\",", id,                                                                              \
		secret) ",\"registry\":" registry ",\"http-proxy\":{\"addr\":" addr                                    \
			",\"path\":\"/p\"," HTTP_HEAD("[]") "," PROXY(                                                 \
				"") "}},"                                                                              \
				    "\"external_backends\":[{\"patch\":{},\"type\":\"registry\",\"config\":{" external \
				    "}}],"                                                                             \
				    "\"cache\":{\"type\":\"filecache\",\"compressed\":false,\"validate\":false,"       \
				    "\"prefetch\":" NO_PREFETCH ",\"filecache\":{\"work_dir\":\".\",\"disable_"        \
								"indexed_map\":false,\"enable_encryption\":true,"      \
				    "\"enable_convergent_encryption\":false,\"encryption_key\":" key                   \
				    "},\"fscache\":null},\"rafs\":null,"                                               \
				    "\"overlay\":{\"upper_dir\":\"/u\",\"work_dir\":\"/w\"}}"

static void secrets(void **state)
{
	static const char open[] = ALL(REGISTRY("\"me\"", "\"to\"", "http://u:p@x:1/@y"), "\"key\"", "\"pw\"",
				       "\"https://me:pw@h\"", "\"00ff\"", "\"auth\":\"me\",\"host\":\"h\"");
	static const char blank[] = ALL(REGISTRY("null", "null", "http://x:1/@y"), "\"\"", "\"\"", "\"https://h\"",
					"\"\"", "\"auth\":\"\",\"host\":\"h\"");

	(void)state;
	shows(open, true, open);
	shows(open, false, blank);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_local_image),
		cmocka_unit_test(nothing),
		cmocka_unit_test(secrets),
	};

	return cmocka_run_group_tests_name("nydus-show", tests, NULL, NULL);
}
