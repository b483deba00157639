/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's API: requests as its clients send them, answers as nydusd v2.4.4 gave them. */
#include "control_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PASSTHROUGH "{\"fs_type\":\"passthrough_fs\",\"source\":\"/srv\",\"config\":\"\"}"
#define MOUNT_OTHER(text) "{\"code\":\"UNDEFINED\",\"message\":\"Mount(MountFilesystem(Other(\\\"" text "\\\")))\"}"
#define PATH_WALK                                                                                                      \
	MOUNT_OTHER(                                                                                                   \
		"VFS failed to handle request, PathWalk(Os { code: 22, kind: InvalidInput, message: \\\\\\\"Invalid "  \
		"argument\\\\\\\" })")
#define BAD_REQUEST "{\"code\":\"UNDEFINED\",\"message\":\"BadRequest\"}"
#define NO_MOUNTPOINT                                                                                                  \
	"{\"code\":\"UNDEFINED\",\"message\":\"QueryString(\\\"'mountpoint' should be specified in query "             \
	"string\\\")\"}"

/* The answer's very bytes: clients compare no more than the status, but see a 204 without a body. */
static void mount_answers_204_without_body(void **state)
{
	int fd = rig_connect(*state);
	struct reply *reply = call_on(fd, "POST", "/api/v1/mount?mountpoint=/containers", PASSTHROUGH);

	assert_int_equal(reply->status, 204);
	assert_null(strcasestr(reply->head, "Content-Length"));
	assert_null(strcasestr(reply->head, "Connection: close"));
	assert_true(wire_silent(fd));
	reply_free(reply);
	close(fd);
	assert_string_equal(fake_key("/containers", "type", 0), "passthrough");
	assert_string_equal(fake_key("/containers", "source", 0), "/srv");
	assert_null(fake_key("/containers", "config", 0));
}

/* kata's Go runtime sends the path raw, runtime-rs encoded; snapshotter encodes as Go's url.QueryEscape does. */
static void mountpoints_come_raw_and_encoded(void **state)
{
	static const struct {
		const char *query, *at;
	} rows[] = {
		{ "mountpoint=/rafs/c1/lowerdir", "/rafs/c1/lowerdir" },
		{ "mountpoint=%2Fcontainers", "/containers" },
		{ "mountpoint=%2fa%2Fb%20c", "/a/b c" },
		{ "mountpoint=/with+space", "/with space" },
		{ "mountpoint=/plus%2Bplus", "/plus+plus" },
		{ "x=1&mountpoint=/first&mountpoint=/second", "/first" },
		{ "m%6funtpoint=/encoded-name", "/encoded-name" },
		{ "mountpoint=/100%&y", "/100%" },
		{ "mountpoint=/%zz", "/%zz" },
		{ "mountpoint=/%C3%BCber", "/\xc3\xbc"
					   "ber" },
		{ "mountpoint=/a=b", "/a=b" },
		{ "mountpoint=/", "/" },
	};
	char target[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(target, sizeof(target), "/api/v1/mount?%s", rows[i].query);
		expect(call(*state, "POST", target, PASSTHROUGH), 204, NULL);
		if (!fake_key(rows[i].at, "type", 0))
			fail_msg("%s is not mounted", rows[i].at);
		expect(call(*state, "DELETE", target, NULL), 204, NULL);
		assert_int_equal(fake_nmounts(), 0);
	}
}

static void bad_paths(void **state)
{
	static const char *const paths[] = { "relative", "", "x/../y", ".", "../x", "/%ff%fe", "/a%00b", "/a%0Ab" };
	char target[256];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(target, sizeof(target), "/api/v1/mount?mountpoint=%s", paths[i]);
		expect(call(*state, "POST", target, PASSTHROUGH), 500, PATH_WALK);
		expect(call(*state, "PUT", target, PASSTHROUGH), 500, PATH_WALK);
		expect(call(*state, "DELETE", target, NULL), 500, PATH_WALK);
	}
	assert_int_equal(fake_nmounts(), 0);
}

/* A mount is where its path leads, whatever it is written like, and goes by any other spelling. */
static void paths_lead_somewhere(void **state)
{
	static const struct {
		const char *path, *at;
	} rows[] = {
		{ "/x//y", "/x/y" },
		{ "/rafs/../lowerdir", "/lowerdir" },
		{ "/.", "/" },
		{ "//", "/" },
		{ "/..", "/" },
		{ "/../../a/..", "/" },
		{ "/x/", "/x" },
		{ "/a/../d/./e//", "/d/e" },
		{ "/...", "/..." },
		{ "/..a/.b", "/..a/.b" },
		{ "///a///..//./b/../../c", "/c" },
	};
	char target[256], other[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(target, sizeof(target), "/api/v1/mount?mountpoint=%s", rows[i].path);
		snprintf(other, sizeof(other), "/api/v1/mount?mountpoint=/z/..%s/.", rows[i].at);
		expect(call(*state, "POST", target, PASSTHROUGH), 204, NULL);
		if (!fake_key(rows[i].at, "type", 0))
			fail_msg("%s is not mounted", rows[i].at);
		expect(call(*state, "POST", other, PASSTHROUGH), 500, MOUNT_OTHER("object or filesystem already exists"));
		expect(call(*state, "DELETE", other, NULL), 204, NULL);
		assert_int_equal(fake_nmounts(), 0);
	}
}

static void each_type_has_its_plugin(void **state)
{
	static const struct {
		const char *fs_type, *plugin;
	} rows[] = {
		{ "passthrough_fs", "passthrough" }, { "passthroughfs", "passthrough" },
		{ "passthrough", "passthrough" },    { "rafs", "nydus-rafs" },
		{ "nydus-rafs", "nydus-rafs" },      { "memory", "memory" },
	};
	char body[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body), "{\"fs_type\":\"%s\",\"source\":\"/s\",\"config\":\"{}\"}", rows[i].fs_type);
		expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m", body), 204, NULL);
		assert_string_equal(fake_key("/m", "type", 0), rows[i].plugin);
		assert_string_equal(fake_key("/m", "source", 0), "/s");
		expect(call(*state, "DELETE", "/api/v1/mount?mountpoint=/m", NULL), 204, NULL);
	}
}

static void unknown_types(void **state)
{
	static const struct {
		const char *fs_type, *text;
	} rows[] = {
		{ "blobfs", "but blobfs was specified`" },
		{ "", "but  was specified`" },
		{ "idmap", "but idmap was specified`" }, /* a layer */
		{ "RAFS", "but RAFS was specified`" },
	};
	char body[128], wanted[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body), "{\"fs_type\":\"%s\",\"source\":\"/s\",\"config\":\"\"}", rows[i].fs_type);
		snprintf(wanted, sizeof(wanted),
			 MOUNT_OTHER("invalid argument `only 'rafs' and 'passthrough_fs' are supported, %s"), rows[i].text);
		expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m", body), 500, wanted);
		expect(call(*state, "PUT", "/api/v1/mount?mountpoint=/m", body), 500, wanted);
	}
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m", "{\"source\":\"/s\",\"config\":\"\"}"), 500,
	       MOUNT_OTHER("invalid argument `only 'rafs' and 'passthrough_fs' are supported, but  was specified`"));
	fake_unload_rafs();
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m",
		    "{\"fs_type\":\"rafs\",\"source\":\"/s\",\"config\":\"\"}"),
	       500, MOUNT_OTHER("rafs is served by the plugin nydus-rafs, which is not loaded"));
	assert_int_equal(fake_nmounts(), 0);
}

/* kata: the configuration of rafs is JSON in a text. */
static void rafs_gets_its_text(void **state)
{
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/rafs/c1/lowerdir",
		    "{\"fs_type\":\"rafs\",\"source\":\"/"
		    "boot\",\"config\":\"{\\\"device\\\":{},\\n\\\"mode\\\":\\\"direct\\\"}\","
		    "\"prefetch_files\":[\"/\",\"/bin\"]}"),
	       204, NULL);
	assert_string_equal(fake_key("/rafs/c1/lowerdir", "config", 0), "{\"device\":{},\n\"mode\":\"direct\"}");
	assert_string_equal(fake_key("/rafs/c1/lowerdir", "prefetch-files", 0), "/");
	assert_string_equal(fake_key("/rafs/c1/lowerdir", "prefetch-files", 1), "/bin");
}

/* What of a configuration is no business of rafs's becomes layers. */
static void rafs_gets_its_layers(void **state)
{
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m",
		    "{\"fs_type\":\"rafs\",\"source\":\"/b\",\"config\":\"{\\\"device\\\":{\\\"backend\\\":{\\\"type\\\":"
		    "\\\"localfs\\\",\\\"config\\\":{\\\"dir\\\":\\\"/b\\\"}}},\\\"mode\\\":\\\"direct\\\","
		    "\\\"id_mapping\\\":[0,1000,65536]}\"}"),
	       204, NULL);
	assert_string_equal(fake_key("/m", "layers", 0), "idmap");
	assert_string_equal(fake_key("/m", "idmap.uid", 0), "map:1000:0:65536");
	assert_string_equal(fake_key("/m", "idmap.gid", 0), "map:1000:0:65536");
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/o",
		    "{\"fs_type\":\"rafs\",\"source\":\"/b\",\"config\":\"version = 2\\n[overlay]\\nupper_dir = '/u'\\n"
		    "work_dir = '/w'\"}"),
	       204, NULL);
	assert_string_equal(fake_key("/o", "layers", 0), "overlay");
	assert_string_equal(fake_key("/o", "overlay.upper-dir", 0), "/u");
	assert_string_equal(fake_key("/o", "overlay.work-dir", 0), "/w");
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/p",
		    "{\"fs_type\":\"rafs\",\"source\":\"/b\",\"config\":\"version = 2\\n[overlay]\\nupper_dir = ''\\n"
		    "work_dir = ''\"}"),
	       500, MOUNT_OTHER("invalid argument `workdir and upperdir must be specified for overlayfs`"));
}

/* A configuration that is in a file is shown as any other. */
static void rafs_has_its_text_in_a_file(void **state)
{
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m",
		    "{\"fs_type\":\"rafs\",\"source\":\"/b\",\"config\":{\"config-file\":\"/c\"}}"),
	       204, NULL);
	struct reply *reply = call(*state, "GET", "/api/v1/daemon", NULL);
	json_t *entry = json_object_get(json_object_get(reply->json, "backend_collection"), "/m");
	const json_t *id = json_object_get(json_object_get(entry, "config"), "id");
	assert_string_equal(json_string_value(id), "in-a-file");
	reply_free(reply);
	reply = call(*state, "GET", "/api/v1/mount?mountpoint=/m", NULL);
	id = json_object_get(json_object_get(reply->json, "config"), "id");
	assert_string_equal(json_string_value(id), "in-a-file");
	reply_free(reply);
}

static void prefetch_files_are_checked(void **state)
{
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m",
		    "{\"fs_type\":\"rafs\",\"source\":\"/b\",\"config\":\"{}\",\"prefetch_files\":[\"bin\"]}"),
	       500, MOUNT_OTHER("invalid prefetch file list"));
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m",
		    "{\"fs_type\":\"passthrough\",\"source\":\"/b\",\"config\":\"\",\"prefetch_files\":[\"/a\",\"bin\"]}"),
	       500, MOUNT_OTHER("invalid prefetch file list"));
	/* Looked at, but of no use. */
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/p",
		    "{\"fs_type\":\"passthrough\",\"source\":\"/b\",\"config\":\"\",\"prefetch_files\":[\"/bin\"]}"),
	       204, NULL);
	assert_null(fake_key("/p", "prefetch-files", 0));
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m",
		    "{\"fs_type\":\"passthrough\",\"source\":\"/b\",\"config\":\"\",\"prefetch_files\":null}"),
	       204, NULL);
}

static void config_may_be_an_object(void **state)
{
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m",
		    "{\"fs_type\":\"passthrough_fs\",\"source\":\"/"
		    "s\",\"config\":{\"cache\":\"never\",\"number\":7,\"flag\":true,"
		    "\"idmap\":{\"uid\":[\"a\",\"b\"]}}}"),
	       204, NULL);
	assert_string_equal(fake_key("/m", "cache", 0), "never");
	assert_string_equal(fake_key("/m", "number", 0), "7");
	assert_string_equal(fake_key("/m", "flag", 0), "true");
	assert_string_equal(fake_key("/m", "idmap.uid", 0), "a");
	assert_string_equal(fake_key("/m", "idmap.uid", 1), "b");
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/n",
		    "{\"fs_type\":\"memory\",\"source\":\"\",\"config\":\"{\\\"cache\\\":0.5}\"}"),
	       204, NULL);
	assert_string_equal(fake_key("/n", "cache", 0), "0.5");
	assert_null(fake_key("/n", "source", 0));
}

static void bad_config_is_refused(void **state)
{
	static const struct {
		const char *config, *text;
	} rows[] = {
		{ "{\"at\":\"/x\"}", "config: 'at' does not belong there" },
		{ "{\"type\":\"memory\"}", "config: 'type' does not belong there" },
		{ "{\"layers\":[\"idmap\"]}", "config: 'layers' does not belong there" },
		{ "{\"cache\":null}", "config: 'cache' must be a text, a number, a boolean or an array of these" },
		{ "{\"cache\":[[1]]}", "config: 'cache' must be a text, a number, a boolean or an array of these" },
		{ "{\"\":1}", "config: a key is empty" },
		{ "{\"a b\":1}", "config: a key is made of letters, digits, '-' and '.'" },
		{ "{\"chache\":1}", "unknown key 'chache'" },
		{ "\"[1]\"", "config must be a JSON object" },
		{ "\"nonsense\"", "config is not JSON" },
	};
	char body[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body), "{\"fs_type\":\"memory\",\"source\":\"/s\",\"config\":%s}",
			 rows[i].config);
		struct reply *reply = call(*state, "POST", "/api/v1/mount?mountpoint=/m", body);
		if (reply->status != 500 || !strstr(reply->body, rows[i].text))
			fail_msg("%s: %d %s", rows[i].config, reply->status, reply->body);
		reply_free(reply);
	}
	assert_int_equal(fake_nmounts(), 0);
}

/* As nydusd 2.4.4 answered. */
static void bodies_that_do_not_parse(void **state)
{
	static const struct {
		const char *body, *error;
	} rows[] = {
		{ "{bad",
		  "\\\"key must be a string\\\", line: 1, column: 2" },
		{ "null",
		  "\\\"invalid type: null, expected struct ApiMountCmd\\\", line: 1, column: 4" },
		{ "1",
		  "\\\"invalid type: integer `1`, expected struct ApiMountCmd\\\", line: 1, column: 1" },
		{ "\"x\"",
		  "\\\"invalid type: string \\\\\\\"x\\\\\\\", expected struct ApiMountCmd\\\", line: 1, column: 3" },
		{ "{",
		  "\\\"EOF while parsing an object\\\", line: 1, column: 1" },
		{ "{}",
		  "\\\"missing field `source`\\\", line: 1, column: 2" },
		{ "{\"fs_type\":\"rafs\",\"config\":\"\"}",
		  "\\\"missing field `source`\\\", line: 1, column: 30" },
		{ "{\"source\":1,\"config\":\"\"}",
		  "\\\"invalid type: integer `1`, expected a string\\\", line: 1, column: 11" },
		{ "{\"source\":\"\",\"config\":null}",
		  "\\\"invalid type: null, expected a string\\\", line: 1, column: 26" },
		{ "{\"source\":\"\",\"config\":\"\",\"prefetch_files\":[1]}",
		  "\\\"invalid type: integer `1`, expected a string\\\", line: 1, column: 44" },
		{ "{\"source\":\"\",\"config\":\"\",\"prefetch_files\":\"x\"}",
		  "\\\"invalid type: string \\\\\\\"x\\\\\\\", expected a sequence\\\", line: 1, column: 45" },
		{ "{\"source\":\"\",\"source\":\"\",\"config\":\"\"}",
		  "\\\"duplicate field `source`\\\", line: 1, column: 21" },
		{ "{\"source\":\"\",\"config\":\"\"} x",
		  "\\\"trailing characters\\\", line: 1, column: 27" },
		{ "{\"source\":\"\",\n\"config\":1.5}",
		  "\\\"invalid type: floating point `1.5`, expected a string\\\", line: 2, column: 12" },
		{ "{\"source\":true,\"config\":\"\"}",
		  "\\\"invalid type: boolean `true`, expected a string\\\", line: 1, column: 14" },
		{ "{\"source\":[1],\"config\":\"\"}",
		  "\\\"invalid type: sequence, expected a string\\\", line: 1, column: 10" },
		{ "{\"source\":{\"x\":1},\"config\":\"\"}",
		  "\\\"invalid type: map, expected a string\\\", line: 1, column: 10" },
		{ "{\"source\":-1,\"config\":\"\"}",
		  "\\\"invalid type: integer `-1`, expected a string\\\", line: 1, column: 12" },
		{ "{\"fs_type\":null,\"source\":\"\",\"config\":\"\"}",
		  "\\\"invalid type: null, expected a string\\\", line: 1, column: 15" },
		{ "{\"source\":\"\001\",\"config\":\"\"}",
		  "\\\"control character (\\\\\\\\u0000-\\\\\\\\u001F) found while parsing a string\\\", line: 1, column: 12" },
		{ "{\"source\":\"\\x\",\"config\":\"\"}",
		  "\\\"invalid escape\\\", line: 1, column: 13" },
		{ "{\"source\":\"\\ud800\",\"config\":\"\"}",
		  "\\\"unexpected end of hex escape\\\", line: 1, column: 18" },
		{ "{\"source\":\"a\" \"config\":\"\"}",
		  "\\\"expected `,` or `}`\\\", line: 1, column: 15" },
		{ "{\"source\":\"a\",}",
		  "\\\"trailing comma\\\", line: 1, column: 15" },
		{ "{source:1}",
		  "\\\"key must be a string\\\", line: 1, column: 2" },
		{ "{'a':1}",
		  "\\\"key must be a string\\\", line: 1, column: 2" },
		{ "{\"a\":tru}",
		  "\\\"expected ident\\\", line: 1, column: 9" },
		{ "{\"a\":01}",
		  "\\\"invalid number\\\", line: 1, column: 7" },
		{ "{\"a\":",
		  "\\\"EOF while parsing a value\\\", line: 1, column: 5" },
		{ "{\"a\"",
		  "\\\"EOF while parsing an object\\\", line: 1, column: 4" },
		{ "{\"a",
		  "\\\"EOF while parsing a string\\\", line: 1, column: 3" },
		{ "{\"source\":\"x\",\"config\":\"\",}",
		  "\\\"trailing comma\\\", line: 1, column: 27" },
		{ "\303\277",
		  "\\\"expected value\\\", line: 1, column: 1" },
		{ "nul",
		  "\\\"EOF while parsing a value\\\", line: 1, column: 3" },
		{ "tru",
		  "\\\"EOF while parsing a value\\\", line: 1, column: 3" },
		{ "-",
		  "\\\"EOF while parsing a value\\\", line: 1, column: 1" },
		{ "{\"a\":-}",
		  "\\\"invalid number\\\", line: 1, column: 7" },
	};
	char expected[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(expected, sizeof(expected), "{\"code\":\"UNDEFINED\",\"message\":\"ParseBody(Error(%s))\"}",
			 rows[i].error);
		struct reply *reply = call(*state, "POST", "/api/v1/mount?mountpoint=/m", rows[i].body);

		if (reply->status != 400 || strcmp(reply->body, expected) != 0)
			fail_msg("%s\n%s\n%s", rows[i].body, reply->body, expected);
		reply_free(reply);
	}
}

#define IMAGE "{\"fs_type\":\"rafs\",\"source\":\"/image\",\"config\":\"{}\"}"

static void twice_and_nothing(void **state)
{
	const char *target = "/api/v1/mount?mountpoint=/m";

	expect(call(*state, "DELETE", target, NULL), 500, MOUNT_OTHER("object or filesystem doesn't exist"));
	expect(call(*state, "PUT", target, PASSTHROUGH), 500, MOUNT_OTHER("object or filesystem doesn't exist"));
	expect(call(*state, "POST", target, PASSTHROUGH), 204, NULL);
	expect(call(*state, "POST", target, PASSTHROUGH), 500, MOUNT_OTHER("object or filesystem already exists"));
	expect(call(*state, "POST", target, "{\"fs_type\":\"rafs\",\"source\":\"/missing\",\"config\":\"x\"}"), 500,
	       MOUNT_OTHER("object or filesystem already exists"));
	assert_int_equal(fake_nmounts(), 1);
	expect(call(*state, "DELETE", target, NULL), 204, NULL);
	expect(call(*state, "DELETE", target, NULL), 500, MOUNT_OTHER("object or filesystem doesn't exist"));
}

/* Images only; the type must be one, and means nothing. */
static void remounts(void **state)
{
	const char *target = "/api/v1/mount?mountpoint=/m";

	expect(call(*state, "PUT", "/api/v1/mount?mountpoint=m", PASSTHROUGH), 500, PATH_WALK);
	expect(call(*state, "POST", target, PASSTHROUGH), 204, NULL);
	expect(call(*state, "PUT", target, IMAGE), 500, MOUNT_OTHER("filesystem type mismatch, expect RAFS"));
	expect(call(*state, "DELETE", target, NULL), 204, NULL);
	expect(call(*state, "POST", target, IMAGE), 204, NULL);
	expect(call(*state, "PUT", target, "{\"fs_type\":\"rafs\",\"source\":\"/other\",\"config\":\"{}\"}"), 204, NULL);
	assert_string_equal(fake_key("/m", "source", 0), "/other");
	expect(call(*state, "PUT", target,
		    "{\"fs_type\":\"passthrough_fs\",\"source\":\"/third\",\"config\":\"{}\",\"prefetch_files\":[\"bin\"]}"),
	       204, NULL);
	assert_null(fake_key("/m", "prefetch-files", 0));
	assert_string_equal(fake_key("/m", "source", 0), "/third");
	assert_string_equal(fake_key("/m", "type", 0), "nydus-rafs");
	expect(call(*state, "PUT", target, "{\"fs_type\":\"rafs\",\"source\":\"/missing\",\"config\":\"{}\"}"), 500,
	       MOUNT_OTHER("RAFS failed to handle request, Failed to read metadata: No such file or directory (os error "
			   "2)`"));
	assert_string_equal(fake_key("/m", "source", 0), "/third");
}

/* As nydusd 2.4.4 answered. */
static void sources_that_cannot_be_used(void **state)
{
	static const struct {
		const char *fs_type, *source, *text;
	} rows[] = {
		{ "passthrough_fs", "/missing", "passthroughfs failed to handle request, No such file or directory (os error 2)" },
		{ "passthrough_fs", "/secret", "passthroughfs failed to handle request, Permission denied (os error 13)" },
		{ "passthrough_fs", "/file",
		  "VFS failed to handle request, Mount(Os { code: 20, kind: NotADirectory, message: \\\\\\\"Not a "
		  "directory\\\\\\\" })" },
		{ "passthrough_fs", "relative", "passthroughfs failed to handle request, No such file or directory (os error 2)" },
		{ "passthrough_fs", "", "passthroughfs failed to handle request, No such file or directory (os error 2)" },
		{ "rafs", "/missing",
		  "RAFS failed to handle request, Failed to fill superBlock: No such file or directory (os error 2)`" },
		{ "rafs", "/dev", "RAFS failed to handle request, Failed to fill superBlock: Is a directory (os error 21)`" },
		{ "rafs", "/dev/null", "RAFS failed to handle request, Failed to fill superBlock: failed to fill whole buffer`" },
		{ "rafs", "/proc/self/exe", "RAFS failed to handle request, Failed to fill superBlock: invalid RAFS superblock`" },
		{ "rafs", "/no-image", "RAFS failed to handle request, Failed to fill superBlock: invalid RAFS superblock`" },
		{ "rafs", "/bad-json",
		  "RAFS failed to handle request, Failed to load config: failed to parse configuration information`" },
		{ "rafs", "/bad-value", "RAFS failed to handle request, Failed to load config: invalid configuration`" },
		{ "rafs", "/no-device", "RAFS failed to handle request, Failed to create device: Input/output error (os error 5)`" },
		{ "rafs", "/no-cache",
		  "RAFS failed to handle request, Failed to configure device: Rafs v6 must have local blobcache configured`" },
		{ "rafs", "/full", "RAFS failed to handle request, /full: No space left on device`" },
		{ "rafs", "/bin/sh",
		  "RAFS failed to handle request, Failed to fill superBlock: invalid RAFS superblock`" },
		{ "memory", "/missing", "source /missing: No such file or directory" },
	};
	char body[128], wanted[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body), "{\"fs_type\":\"%s\",\"source\":\"%s\",\"config\":\"{}\"}", rows[i].fs_type,
			 rows[i].source);
		snprintf(wanted, sizeof(wanted), MOUNT_OTHER("%s"), rows[i].text);
		expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m", body), 500, wanted);
	}
	/* Images alone need a configuration. */
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m", "{\"fs_type\":\"rafs\",\"source\":\"/s\",\"config\":\"\"}"), 500,
	       MOUNT_OTHER("RAFS failed to handle request, Failed to load config: failed to parse configuration information`"));
	assert_int_equal(fake_nmounts(), 0);
}

/* mountpoint is looked for first; GET is ours. */
static void wrong_methods_and_bodies(void **state)
{
	static const struct {
		const char *method, *target, *body;
		int status;
		const char *answer;
	} rows[] = {
		{ "POST", "/api/v1/mount", PASSTHROUGH, 400, NO_MOUNTPOINT },
		{ "PATCH", "/api/v1/mount", NULL, 400, NO_MOUNTPOINT },
		{ "POST", "/api/v1/mount?mountpoint=/m", NULL, 400, BAD_REQUEST },
		{ "POST", "/api/v1/mount?mountpoint=/m", "", 400, BAD_REQUEST },
		{ "PUT", "/api/v1/mount?mountpoint=/m", NULL, 400, BAD_REQUEST },
		{ "DELETE", "/api/v1/mount?mountpoint=/m", "{}", 400, BAD_REQUEST },
		{ "PATCH", "/api/v1/mount?mountpoint=/m", PASSTHROUGH, 400, BAD_REQUEST },
		{ "POST", "/api/v1/daemon", "{}", 400, BAD_REQUEST },
		{ "GET", "/api/v1/daemon", "{}", 400, BAD_REQUEST },
		{ "PUT", "/api/v1/daemon", NULL, 400, BAD_REQUEST },
		{ "PUT", "/api/v1/daemon/exit", "{}", 400, BAD_REQUEST },
		{ "GET", "/api/v1/daemon/", NULL, 404, "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}" },
		{ "GET", "/api/v1/metric", NULL, 404, "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}" },
		{ "GET", "/", NULL, 404, "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}" },
		{ "GET", "/api%2Fv1/daemon", NULL, 404, "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(call(*state, rows[i].method, rows[i].target, rows[i].body), rows[i].status, rows[i].answer);
	assert_int_equal(fake_stops(), 0);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text)
		fail_msg("no text '%s'", key);
	return text;
}

/* runtime-rs wants status 200 and all five texts; it sends a Content-Type without a body. */
static void info_has_all_that_clients_read(void **state)
{
	static const char *const versions[] = { "package_ver", "git_commit", "build_time", "profile", "rustc" };
	static const char *const members[] = { "version", "id", "supervisor", "state", "backend_collection" };

	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/containers", PASSTHROUGH), 204, NULL);
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/r",
		    "{\"fs_type\":\"rafs\",\"source\":\"/b\",\"config\":\"{}\"}"),
	       204, NULL);
	struct reply *reply = call(*state, "GET", "/api/v1/daemon", "");
	assert_int_equal(reply->status, 200);
	assert_non_null(strstr(reply->head, "Content-Type: application/json\r\n"));
	for (size_t i = 0; i < 5; i++)
		assert_true(strlen(text_of(json_object_get(reply->json, "version"), versions[i])) > 0);
	/* In this order. */
	void *member = json_object_iter(reply->json);
	for (size_t i = 0; i < 5; i++, member = json_object_iter_next(reply->json, member))
		assert_string_equal(json_object_iter_key(member), members[i]);
	assert_string_equal(text_of(reply->json, "state"), "RUNNING");
	assert_string_equal(text_of(reply->json, "id"), "web1");
	assert_true(json_is_null(json_object_get(reply->json, "supervisor")));
	json_t *rafs = json_object_get(json_object_get(reply->json, "backend_collection"), "/r");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(rafs, "config"), "version")), 2);
	json_object_set_new(rafs, "config", json_string("control_rafs_test looks at it"));
	char *mounts = json_dumps(json_object_get(reply->json, "backend_collection"), JSON_COMPACT);
	assert_string_equal(mounts,
			    "{\"/containers\":{\"backend_type\":\"PassthroughFs\",\"mountpoint\":\"/containers\","
			    "\"mounted_time\":\"2026-11-21 10:08:58.62484448 +00:00:00\",\"config\":null},"
			    "\"/r\":{\"backend_type\":\"Rafs\",\"mountpoint\":\"/r\","
			    "\"mounted_time\":\"2026-11-21 10:08:58.62484448 +00:00:00\","
			    "\"config\":\"control_rafs_test looks at it\"}}");
	free(mounts);
	reply_free(reply);

	reply = call(*state, "GET", "/api/v2/daemon", NULL);
	assert_int_equal(reply->status, 200);
	assert_true(json_is_null(json_object_get(reply->json, "backend_collection")));
	reply_free(reply);
	expect(call(*state, "GET", "/api/v1/mount?mountpoint=/containers", NULL), 200,
	       "{\"backend_type\":\"PassthroughFs\",\"mountpoint\":\"/containers\","
	       "\"mounted_time\":\"2026-11-21 10:08:58.62484448 +00:00:00\",\"config\":null}");
	expect(call(*state, "GET", "/api/v1/mount?mountpoint=/none", NULL), 500,
	       MOUNT_OTHER("object or filesystem doesn't exist"));
}

static void log_level_is_set_in_any_case(void **state)
{
	static const struct {
		const char *word;
		int level;
	} rows[] = { { "off", -1 }, { "ERROR", 0 }, { "Warn", 1 },  { "warning", -9 },
		     { "info", 2 }, { "DeBuG", 3 }, { "trace", 4 }, { "", -9 } };
	char body[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int before = fake_host()->log_level();

		snprintf(body, sizeof(body), "{\"log_level\":\"%s\"}", rows[i].word);
		if (rows[i].level == -9)
			expect(call(*state, "PUT", "/api/v1/daemon", body), 500,
			       "{\"code\":\"UNDEFINED\",\"message\":\"Configure(ResponsePayloadType)\"}");
		else
			expect(call(*state, "PUT", "/api/v1/daemon", body), 204, NULL);
		assert_int_equal(fake_host()->log_level(), rows[i].level == -9 ? before : rows[i].level);
	}
	expect(call(*state, "PUT", "/api/v2/daemon", "{\"log_level\":\"warn\"}"), 204, NULL);
	expect(call(*state, "PUT", "/api/v1/daemon", "{}"), 400,
	       "{\"code\":\"UNDEFINED\",\"message\":\"ParseBody(Error(\\\"missing field `log_level`\\\", line: 1, "
	       "column: 2))\"}");
	expect(call(*state, "PUT", "/api/v1/daemon", "{\"log_level\":3}"), 400,
	       "{\"code\":\"UNDEFINED\",\"message\":\"ParseBody(Error(\\\"invalid type: integer `3`, expected a "
	       "string\\\", line: 1, column: 14))\"}");
}

static void start_events_and_backend(void **state)
{
	expect(call(*state, "PUT", "/api/v1/daemon/start", NULL), 400,
	       "{\"code\":\"UNDEFINED\",\"message\":\"Configure(DaemonAbnormal(UnexpectedEvent(\\\"Start\\\")))\"}");
	expect(call(*state, "GET", "/api/v1/daemon/events", NULL), 200,
	       "{\"max_errors\":500,\"total_errors\":0,\"max_size\":51200,\"total_size\":0,\"errors\":[]}");
	expect(call(*state, "GET", "/api/v1/daemon/backend", NULL), 400, NO_MOUNTPOINT);
	expect(call(*state, "GET", "/api/v1/daemon/backend?mountpoint=/m", NULL), 500,
	       "{\"code\":\"UNDEFINED\",\"message\":\"FsBackendInfo(Metrics(Daemon(Other(\\\"object or filesystem "
	       "doesn't "
	       "exist\\\"))))\"}");
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/m", PASSTHROUGH), 204, NULL);
	expect(call(*state, "GET", "/api/v1/daemon/backend?mountpoint=/m", NULL), 500,
	       "{\"code\":\"UNDEFINED\",\"message\":\"FsBackendInfo(Metrics(Daemon(Other(\\\"filesystem type mismatch, "
	       "expect "
	       "RAFS\\\"))))\"}");
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/r",
		    "{\"fs_type\":\"rafs\",\"source\":\"/b\",\"config\":\"{}\"}"),
	       204, NULL);
	expect(call(*state, "GET", "/api/v1/daemon/backend?mountpoint=/r", NULL), 200, "{\"magic\":3774210530}");
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/t",
		    "{\"fs_type\":\"rafs\",\"source\":\"/torn\",\"config\":\"{}\"}"),
	       204, NULL);
	expect(call(*state, "GET", "/api/v1/daemon/backend?mountpoint=/t", NULL), 500,
	       "{\"code\":\"UNDEFINED\",\"message\":\"FsBackendInfo(Metrics(Daemon(Other(\\\"Input/output "
	       "error\\\"))))\"}");
}

static void exit_answers_before_it_stops(void **state)
{
	int fd = rig_connect(*state);

	expect(call_on(fd, "PUT", "/api/v1/daemon/exit", NULL), 204, NULL);
	for (int i = 0; i < 6000 && !fake_stops(); i++)
		usleep(10000);
	assert_int_equal(fake_stops(), 1);
	/* The connection stays: snapshotter takes a hang-up for the daemon's death. */
	assert_true(wire_silent(fd));
	close(fd);
}

/* One connection for many requests, absolute targets and HTTP/1.0, as hyper, Go and curl send them. */
static void connections_are_kept(void **state)
{
	static const char old[] = "GET /api/v1/daemon/events HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
	int fd = rig_connect(*state);
	struct reply reply;

	for (int i = 0; i < 50; i++) {
		expect(call_on(fd, "POST", "http://localhost/api/v1/mount?mountpoint=/m", PASSTHROUGH), 204, NULL);
		expect(call_on(fd, "DELETE", "/api/v1/mount?mountpoint=/m", NULL), 204, NULL);
		expect(call_on(fd, "DELETE", "/api/v1/mount?mountpoint=/m", NULL), 500,
		       MOUNT_OTHER("object or filesystem doesn't exist"));
		expect(call_on(fd, "GET", "/none", NULL), 404, "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}");
	}
	assert_true(wire_send(fd, old, strlen(old)));
	assert_true(wire_receive(fd, &reply));
	assert_int_equal(reply.status, 200);
	json_decref(reply.json);
	free(reply.body);
	close(fd);
}

/* The bytes of kata's Go runtime, runtime-rs (hyper), nydus-snapshotter and nydusctl, each on a connection that it
 * keeps. */
static void recorded_clients_pass(void **state)
{
#define GO "Host: unix\r\nUser-Agent: Go-http-client/1.1\r\n"
#define GO_BODY "Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
#define HYPER "content-type: application/json\r\nhost: 2f72756e2f6b61746100:0\r\n"
#define CTL "user-agent: nydusctl\r\nhost: 2f746d702f61:0\r\n"
	static const struct {
		int client;
		const char *head, *body;
		int status;
	} rows[] = {
		{ 0, "GET /api/v1/daemon HTTP/1.1\r\n" GO "Accept-Encoding: gzip\r\n\r\n", NULL, 200 },
		{ 0, "POST /api/v1/mount?mountpoint=/containers HTTP/1.1\r\n" GO "Content-Length: 56\r\n" GO_BODY,
		  "{\"fs_type\":\"passthrough_fs\",\"source\":\"/srv\",\"config\":\"\"}", 204 },
		{ 0, "POST /api/v1/mount?mountpoint=/rafs/c1/lowerdir HTTP/1.1\r\n" GO "Content-Length: 49\r\n" GO_BODY,
		  "{\"fs_type\":\"rafs\",\"source\":\"/boot\",\"config\":\"{}\"}", 204 },
		{ 0,
		  "DELETE /api/v1/mount?mountpoint=/rafs/c1/lowerdir HTTP/1.1\r\n" GO "Accept-Encoding: gzip\r\n\r\n",
		  NULL, 204 },
		{ 0, "DELETE /api/v1/mount?mountpoint=/containers HTTP/1.1\r\n" GO "Accept-Encoding: gzip\r\n\r\n",
		  NULL, 204 },
		{ 1, "GET /api/v1/daemon HTTP/1.1\r\n" HYPER "\r\n", NULL, 200 },
		{ 1, "POST /api/v1/mount?mountpoint=%2Fcontainers HTTP/1.1\r\n" HYPER "content-length: 56\r\n\r\n",
		  "{\"fs_type\":\"passthrough_fs\",\"source\":\"/srv\",\"config\":\"\"}", 204 },
		{ 1, "DELETE /api/v1/mount?mountpoint=%2Fcontainers HTTP/1.1\r\n" HYPER "content-length: 0\r\n\r\n",
		  NULL, 204 },
		{ 2, "POST /api/v1/mount?mountpoint=%2F17 HTTP/1.1\r\n" GO "Content-Length: 54\r\n" GO_BODY,
		  "{\"fs_type\":\"rafs\",\"source\":\"/image.boot\",\"config\":\"x\"}", 204 },
		{ 2, "GET /api/v1/daemon HTTP/1.1\r\n" GO "\r\n", NULL, 200 },
		{ 2, "DELETE /api/v1/mount?mountpoint=%2F17 HTTP/1.1\r\n" GO "\r\n", NULL, 204 },
		{ 3, "GET /api/v1/daemon HTTP/1.1\r\n" CTL "\r\n", NULL, 200 },
		{ 3, "PUT /api/v1/daemon HTTP/1.1\r\n" CTL "content-length: 21\r\n\r\n", "{\"log_level\":\"trace\"}",
		  204 },
		{ 3, "POST /api/v1/mount?mountpoint=/m HTTP/1.1\r\n" CTL "content-length: 46\r\n\r\n",
		  "{\"source\":\"/s\",\"fs_type\":\"rafs\",\"config\":\"xx\"}", 204 },
		{ 3, "GET /api/v1/metrics HTTP/1.1\r\n" CTL "\r\n", NULL, 200 },
		{ 3, "GET /api/v1/metrics/backend HTTP/1.1\r\n" CTL "\r\n", NULL, 200 },
		{ 3, "PUT /api/v1/mount?mountpoint=/m HTTP/1.1\r\n" CTL "content-length: 46\r\n\r\n",
		  "{\"source\":\"/t\",\"fs_type\":\"rafs\",\"config\":\"xx\"}", 204 },
		{ 3, "DELETE /api/v1/mount?mountpoint=/m HTTP/1.1\r\n" CTL "content-length: 0\r\n\r\n", NULL, 204 },
	};
	int fds[4];

	for (int i = 0; i < 4; i++)
		fds[i] = rig_connect(*state);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply *reply = malloc(sizeof(*reply));
		int fd = fds[rows[i].client];

		assert_true(wire_send(fd, rows[i].head, strlen(rows[i].head)));
		assert_true(!rows[i].body || wire_send(fd, rows[i].body, strlen(rows[i].body)));
		assert_true(wire_receive(fd, reply));
		if (reply->status != rows[i].status)
			fail_msg("row %zu: %d %s", i, reply->status, reply->body);
		reply_free(reply);
	}
	for (int i = 0; i < 4; i++) {
		assert_true(wire_silent(fds[i]));
		close(fds[i]);
	}
	assert_int_equal(fake_nmounts(), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(mount_answers_204_without_body),
		T(mountpoints_come_raw_and_encoded),
		T(bad_paths),
		T(paths_lead_somewhere),
		T(each_type_has_its_plugin),
		T(unknown_types),
		T(rafs_gets_its_text),
		T(rafs_gets_its_layers),
		T(rafs_has_its_text_in_a_file),
		T(prefetch_files_are_checked),
		T(config_may_be_an_object),
		T(bad_config_is_refused),
		T(bodies_that_do_not_parse),
		T(twice_and_nothing),
		T(remounts),
		T(sources_that_cannot_be_used),
		T(wrong_methods_and_bodies),
		T(info_has_all_that_clients_read),
		T(log_level_is_set_in_any_case),
		T(start_events_and_backend),
		T(exit_answers_before_it_stops),
		T(connections_are_kept),
		T(recorded_clients_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
