/* SPDX-License-Identifier: Apache-2.0 */
/* What nydusd's API keeps beside mounts: values that change while a mount runs, entries of blobs, errors, spellings of paths. */
#include "control_rig.h"

#include "lib/log_errors.h"
#include "server/control/nydus_blobs.h"
#include "server/control/nydus_values.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CONFIG "/api/v1/config"
#define BLOBS "/api/v2/blobs"
#define MOUNT "/api/v1/mount?mountpoint="
#define SAID(text) "{\"code\":\"UNDEFINED\",\"message\":\"" text "\"}"
#define BAD_REQUEST SAID("BadRequest")
#define PASSTHROUGH "{\"fs_type\":\"passthrough_fs\",\"source\":\"/srv\",\"config\":\"\"}"
#define IMAGE "{\"fs_type\":\"rafs\",\"source\":\"/image\",\"config\":\"{}\"}"

/* --- GET and PUT config */

static void values_are_kept_by_id(void **state)
{
	expect(call(*state, "GET", CONFIG, NULL), 200, "{}");
	expect(call(*state, "GET", CONFIG "?id=/", NULL), 200, "{}");
	expect(call(*state, "PUT", CONFIG "?id=/", "{}"), 204, NULL);
	expect(call(*state, "PUT", CONFIG "?id=/", "{\"registry_auth\":\"dGVzdDp0ZXN0\"}"), 204, NULL);
	expect(call(*state, "GET", CONFIG "?id=/", NULL), 200, "{\"registry_auth\":\"dGVzdDp0ZXN0\"}");
	expect(call(*state, "PUT", CONFIG "?id=%2F", "{\"registry_auth\":\"other\",\"dragonfly_scheduler_endpoint\":\"d\"}"), 204,
	       NULL);
	expect(call(*state, "GET", CONFIG "?id=/", NULL), 200,
	       "{\"registry_auth\":\"other\",\"dragonfly_scheduler_endpoint\":\"d\"}");
	expect(call(*state, "GET", CONFIG "?id=/17", NULL), 200, "{}");
	/* No id is the id "". */
	expect(call(*state, "PUT", CONFIG, "{\"registry_auth\":\"all\"}"), 204, NULL);
	expect(call(*state, "GET", CONFIG "?id=", NULL), 200, "{\"registry_auth\":\"all\"}");
	/* Where everybody's are listed, passwords are not. */
	expect(call(*state, "GET", CONFIG, NULL), 200,
	       "{\"/:registry_auth\":\"\",\"/:dragonfly_scheduler_endpoint\":\"d\",\":registry_auth\":\"\"}");
}

static void wrong_values(void **state)
{
	static const struct {
		const char *method, *target, *body;
		int status;
		const char *answer;
	} rows[] = {
		{ "PUT", CONFIG "?id=/", "{\"bad\":\"x\"}", 500, SAID("Configure(ResponsePayloadType)") },
		{ "PUT", CONFIG "?id=/", "{\"registry_auth\":\"x\",\"bad\":\"x\"}", 500, SAID("Configure(ResponsePayloadType)") },
		{ "PUT", CONFIG "?id=/", "{\"registry_auth\":1}", 400,
		  SAID("ParseBody(Error(\\\"invalid type: integer `1`, expected a string\\\", line: 1, column: 18))") },
		{ "PUT", CONFIG "?id=/", "{\"registry_auth\":null}", 400,
		  SAID("ParseBody(Error(\\\"invalid type: null, expected a string\\\", line: 1, column: 21))") },
		{ "PUT", CONFIG "?id=/", "[]", 400,
		  SAID("ParseBody(Error(\\\"invalid type: sequence, expected a map\\\", line: 1, column: 0))") },
		{ "PUT", CONFIG "?id=/", NULL, 400, BAD_REQUEST },
		{ "GET", CONFIG "?id=/", "{}", 400, BAD_REQUEST },
		{ "DELETE", CONFIG "?id=/", NULL, 400, BAD_REQUEST },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(call(*state, rows[i].method, rows[i].target, rows[i].body), rows[i].status, rows[i].answer);
	expect(call(*state, "GET", CONFIG, NULL), 200, "{}");
}

/* At once where it is mounted, else when it comes; until it goes. */
static void mounts_are_told(void **state)
{
	char told[256];

	expect(call(*state, "POST", MOUNT "/17", IMAGE), 204, NULL);
	fake_told(told);
	assert_string_equal(told, "");
	expect(call(*state, "PUT", CONFIG "?id=/17", "{\"registry_auth\":\"a\"}"), 204, NULL);
	fake_told(told);
	assert_string_equal(told, "/17 registry_auth=a");
	expect(call(*state, "PUT", MOUNT "/17", IMAGE), 204, NULL);
	fake_told(told);
	assert_string_equal(told, "/17 registry_auth=a");
	expect(call(*state, "DELETE", MOUNT "/17", NULL), 204, NULL);
	expect(call(*state, "GET", CONFIG "?id=/17", NULL), 200, "{}");
	expect(call(*state, "PUT", CONFIG "?id=/18", "{\"registry_auth\":\"b\"}"), 204, NULL);
	fake_told(told);
	assert_string_equal(told, "");
	expect(call(*state, "POST", MOUNT "/18", IMAGE), 204, NULL);
	fake_told(told);
	assert_string_equal(told, "/18 registry_auth=b");
	/* One that the mount does not take is kept, as nydusd would. */
	expect(call(*state, "PUT", CONFIG "?id=/18", "{\"proxy_url\":\"p\"}"), 204, NULL);
	expect(call(*state, "GET", CONFIG "?id=/18", NULL), 200, "{\"registry_auth\":\"b\",\"proxy_url\":\"p\"}");
	/* graftfs's own API takes mounts away, too. */
	expect(call(*state, "DELETE", "/api/graft/v1/mounts?at=/18", NULL), 204, NULL);
	expect(call(*state, "GET", CONFIG, NULL), 200, "{}");
}

static void values_are_bounded(void **state)
{
	struct nydus_values *v = nydus_values_new();
	char *text = malloc(1 << 20), id[16];
	int res = 0, n = 0;

	(void)state;
	memset(text, 'x', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	json_t *texts = json_pack("{s:s}", "proxy_url", text);
	for (; !res && n < 100; n++) {
		snprintf(id, sizeof(id), "/%d", n);
		res = nydus_values_put(v, id, texts);
	}
	assert_int_equal(res, -ENOSPC);
	assert_int_equal(n, 8);
	/* The same again takes no more room, and what went gives its own back. */
	assert_int_equal(nydus_values_put(v, "/0", texts), 0);
	assert_int_equal(nydus_values_put(v, "/7", texts), -ENOSPC);
	nydus_values_drop(v, "/0");
	assert_int_equal(nydus_values_put(v, "/7", texts), 0);
	json_decref(texts);
	free(text);
	nydus_values_free(v);
}

/* --- paths as they were given */

static void paths_are_shown_as_given(void **state)
{
	expect(call(*state, "POST", MOUNT "/a/../d/./e//", PASSTHROUGH), 204, NULL);
	assert_string_equal(fake_key("/d/e", "type", 0), "passthrough");
	struct reply *reply = call(*state, "GET", "/api/v1/daemon", NULL);
	json_t *entry = json_object_get(json_object_get(reply->json, "backend_collection"), "/a/../d/./e//");
	assert_string_equal(json_string_value(json_object_get(entry, "mountpoint")), "/a/../d/./e//");
	reply_free(reply);
	expect(call(*state, "POST", MOUNT "/d//e", PASSTHROUGH), 500,
	       SAID("Mount(MountFilesystem(Other(\\\"object or filesystem already exists\\\")))"));
	expect(call(*state, "GET", "/api/v1/daemon/backend?mountpoint=/d/e/", NULL), 500,
	       SAID("FsBackendInfo(Metrics(Daemon(Other(\\\"filesystem type mismatch, expect RAFS\\\"))))"));
	/* Under any spelling, and nothing is left of it. */
	expect(call(*state, "DELETE", MOUNT "/d/e", NULL), 204, NULL);
	expect(call(*state, "POST", MOUNT "/d/e", PASSTHROUGH), 204, NULL);
	reply = call(*state, "GET", "/api/v1/daemon", NULL);
	assert_non_null(json_object_get(json_object_get(reply->json, "backend_collection"), "/d/e"));
	assert_int_equal(json_object_size(json_object_get(reply->json, "backend_collection")), 1);
	reply_free(reply);
	/* Values go by the spelling, as in nydusd. */
	expect(call(*state, "POST", MOUNT "//i", IMAGE), 204, NULL);
	expect(call(*state, "PUT", CONFIG "?id=//i", "{\"registry_auth\":\"a\"}"), 204, NULL);
	char told[256];
	fake_told(told);
	assert_string_equal(told, "/i registry_auth=a");
	for (int i = 0; i < 2; i++) {
		reply = call(*state, "GET", i ? "/api/v1/metrics?id=/i/" : "/api/v1/metrics?id=//i", NULL);
		assert_int_equal(reply->status, 200);
		assert_string_equal(json_string_value(json_object_get(reply->json, "id")), "//i");
		reply_free(reply);
	}
	reply = call(*state, "GET", "/api/v1/metrics/backend?id=//i", NULL);
	assert_int_equal(reply->status, 200);
	reply_free(reply);
	expect(call(*state, "DELETE", MOUNT "/i/", NULL), 204, NULL);
	expect(call(*state, "GET", CONFIG "?id=//i", NULL), 200, "{}");
}

/* --- events */

static void errors_are_told(void **state)
{
	char wanted[512], date[30];
	struct reply *reply;

	expect(call(*state, "PUT", "/api/v1/daemon/events", NULL), 400, BAD_REQUEST);
	log_errors_add("web", "the \"disk\" is \xff full");
	reply = call(*state, "GET", "/api/v1/daemon/events", NULL);
	snprintf(date, sizeof(date), "%s", json_string_value(json_array_get(json_object_get(reply->json, "errors"), 0)));
	snprintf(wanted, sizeof(wanted),
		 "{\"max_errors\":500,\"total_errors\":1,\"max_size\":51200,\"total_size\":57,\"errors\":[\"%s - web: the "
		 "\\\"disk\\\" is ? full\"]}",
		 date);
	assert_string_equal(reply->body, wanted);
	reply_free(reply);
}

/* --- blobs */

struct blob_files {
	char boot[128], old[128], dir[128];
};

static void make_file(const char *path, uint32_t magic_at, const void *magic)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(pwrite(fd, magic, 4, magic_at), 4);
	close(fd);
}

static void make_files(const struct rig *r, struct blob_files *f)
{
	snprintf(f->boot, sizeof(f->boot), "%s/boot", r->dir);
	snprintf(f->old, sizeof(f->old), "%s/old", r->dir);
	snprintf(f->dir, sizeof(f->dir), "%s/cache", r->dir);
	make_file(f->boot, 1024, "\xe2\xe1\xf5\xe0");
	make_file(f->old, 0, "SFAR");
	assert_int_equal(mkdir(f->dir, 0700), 0);
}

static void remove_files(const struct blob_files *f)
{
	unlink(f->boot);
	unlink(f->old);
	rmdir(f->dir);
}

/* As nydus-snapshotter sends it. The caller frees it. */
static char *entry_of(const char *type, const char *id, const char *domain, const char *cache, const char *work_dir, const char *boot)
{
	char *text = NULL;

	assert_true(asprintf(&text,
			     "{\"type\":\"%s\",\"id\":\"%s\",\"domain_id\":\"%s\",\"config\":{\"id\":\"f\",\"backend_type\":\"localfs\","
			     "\"backend_config\":{\"dir\":\"/blobs\"},\"cache_type\":\"%s\",\"cache_config\":{\"work_dir\":\"%s\"},"
			     "\"prefetch_config\":{\"enable\":false,\"threads_count\":0,\"merging_size\":0,\"bandwidth_rate\":0},"
			     "\"metadata_path\":\"%s\"}}",
			     type, id, domain, cache, work_dir, boot) > 0);
	return text;
}

static struct reply *put_entry(const struct rig *r, char *entry)
{
	struct reply *reply = call(r, "PUT", BLOBS, entry);

	free(entry);
	return reply;
}

#define CREATE(text) SAID("CreateBlobObject(DaemonAbnormal(Other(\\\"" text "\\\")))")
#define INVALID CREATE("Invalid argument (os error 22)")
#define NO_ENTRY SAID("DeleteBlobObject(DaemonAbnormal(Other(\\\"No such file or directory (os error 2)\\\")))")

static void blobs_come_and_go(void **state)
{
	const struct rig *r = *state;
	struct blob_files f;

	make_files(r, &f);
	fake_config()->ntransports = 0;
	for (int i = 0; i < 2; i++) {
		expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", f.dir, f.boot)), 204, NULL);
		expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", f.dir, f.boot)), 500,
		       CREATE("blob_cache: bootstrap blob already exists"));
		expect(put_entry(r, entry_of("bootstrap", "b", "d", "blobcache", f.dir, f.boot)), 204, NULL);
		expect(put_entry(r, entry_of("bootstrap", "a", "", "fscache", f.dir, f.boot)), 204, NULL);
		struct reply *reply = call(r, "GET", BLOBS "?domain_id=d", NULL);
		assert_int_equal(json_array_size(reply->json), 2);
		json_t *first = json_array_get(reply->json, 0);
		assert_string_equal(json_string_value(json_object_get(first, "type")), "bootstrap");
		assert_string_equal(json_string_value(json_object_get(first, "id")), "a");
		assert_string_equal(json_string_value(json_object_get(json_object_get(first, "config_v2"), "metadata_path")),
				    f.boot);
		reply_free(reply);
		reply = call(r, "GET", BLOBS "?domain_id=d&blob_id=b", NULL);
		assert_int_equal(json_array_size(reply->json), 1);
		reply_free(reply);
		expect(call(r, "DELETE", BLOBS "?domain_id=d&blob_id=c", NULL), 500, NO_ENTRY);
		expect(call(r, "DELETE", BLOBS "?domain_id=d&blob_id=a", NULL), 204, NULL);
		expect(call(r, "DELETE", BLOBS "?domain_id=d&blob_id=a", NULL), 500, NO_ENTRY);
		expect(call(r, "DELETE", BLOBS "?domain_id=d", NULL), 204, NULL);
		expect(call(r, "DELETE", BLOBS "?domain_id=d", NULL), 204, NULL);
		expect(call(r, "GET", BLOBS "?domain_id=d", NULL), 200, "[]");
		expect(call(r, "DELETE", BLOBS "?domain_id=&blob_id=a", NULL), 204, NULL);
		expect(call(r, "DELETE", BLOBS "?domain_id=", NULL), 500, NO_ENTRY);
	}
	/* There is no kernel's cache to take a file out of. */
	expect(call(r, "DELETE", BLOBS "?blob_id=a", NULL), 501, SAID("DeleteBlobFile(DaemonAbnormal(Unsupported))"));
	remove_files(&f);
}

static void wrong_blobs(void **state)
{
	const struct rig *r = *state;
	struct blob_files f;

	make_files(r, &f);
	fake_config()->ntransports = 0;
	expect(put_entry(r, entry_of("datablob", "a", "d", "fscache", f.dir, f.boot)), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a/b", "d", "fscache", f.dir, f.boot)), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a", "d/", "fscache", f.dir, f.boot)), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", f.dir, "")), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", f.dir, "/nonexistent/boot")), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", f.dir, f.dir)), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", f.dir, f.old)), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", "/nonexistent/dir", f.boot)), 500,
	       CREATE("Input/output error (os error 5)"));
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", f.boot, f.boot)), 500, INVALID);
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "fscache", "", f.boot)), 400, BAD_REQUEST);
	expect(put_entry(r, entry_of("bootstrap", "a", "d", "nocache", f.dir, f.boot)), 400, BAD_REQUEST);
	expect(call(r, "GET", BLOBS "?domain_id=d", NULL), 200, "[]");
	remove_files(&f);
}

/* Also where there are none: wrong requests are told first, as nydusd does. */
static void blobs_elsewhere(void **state)
{
	const struct rig *r = *state;

	expect(call(r, "GET", BLOBS, NULL), 400, BAD_REQUEST);
	expect(call(r, "GET", BLOBS "?blob_id=x", NULL), 400, BAD_REQUEST);
	expect(call(r, "GET", BLOBS "?domain_id=x", NULL), 501, SAID("GetBlobObjects(DaemonAbnormal(Unsupported))"));
	expect(call(r, "PUT", BLOBS, NULL), 400, BAD_REQUEST);
	expect(call(r, "PUT", BLOBS, "{}"), 400,
	       SAID("ParseBody(Error(\\\"missing field `type`\\\", line: 1, column: 2))"));
	expect(call(r, "PUT", BLOBS, "{\"type\":\"bootstrap\",\"id\":\"x\"}"), 400, BAD_REQUEST);
	expect(call(r, "PUT", BLOBS, "{\"type\":\"bootstrap\",\"id\":\"x\",\"config\":null,\"config_v2\":null}"), 400, BAD_REQUEST);
	expect(put_entry(r, entry_of("bootstrap", "x", "d", "fscache", "/x", "/x")), 501,
	       SAID("CreateBlobObject(DaemonAbnormal(Unsupported))"));
	expect(call(r, "PUT", BLOBS,
		    "{\"type\":\"bootstrap\",\"id\":\"x\",\"config_v2\":{\"version\":2,\"backend\":{\"type\":\"localfs\","
		    "\"localfs\":{\"dir\":\"/b\"}},\"cache\":{\"type\":\"fscache\",\"fscache\":{\"work_dir\":\"/c\"}}}}"),
	       501, SAID("CreateBlobObject(DaemonAbnormal(Unsupported))"));
	expect(call(r, "DELETE", BLOBS, NULL), 400, BAD_REQUEST);
	expect(call(r, "DELETE", BLOBS "?domain_id=x", "{}"), 400, BAD_REQUEST);
	expect(call(r, "DELETE", BLOBS "?domain_id=x", NULL), 501, SAID("DeleteBlobObject(DaemonAbnormal(Unsupported))"));
	expect(call(r, "DELETE", BLOBS "?blob_id=x&domain_id=", NULL), 501,
	       SAID("DeleteBlobObject(DaemonAbnormal(Unsupported))"));
	expect(call(r, "DELETE", BLOBS "?blob_id=x", NULL), 204, NULL);
	expect(call(r, "POST", BLOBS, "{}"), 400, BAD_REQUEST);
}

/* A daemon without a transport is nydusd's singleton: no mounts. */
static void singletons_have_no_mounts(void **state)
{
	static const char unsupported[] = SAID("Mount(DaemonAbnormal(Unsupported))");

	fake_config()->ntransports = 0;
	expect(call(*state, "POST", MOUNT "/x", PASSTHROUGH), 501, unsupported);
	expect(call(*state, "PUT", MOUNT "/x", IMAGE), 501, unsupported);
	expect(call(*state, "DELETE", MOUNT "/x", NULL), 501, unsupported);
	expect(call(*state, "GET", "/api/v1/daemon/backend?mountpoint=/x", NULL), 501,
	       SAID("FsBackendInfo(DaemonAbnormal(Unsupported))"));
	struct reply *reply = call(*state, "POST", MOUNT "/x", "{\"fs_type\":\"x\",\"source\":\"\",\"config\":\"\"}");
	assert_int_equal(reply->status, 500);
	reply_free(reply);
	assert_int_equal(fake_nmounts(), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(values_are_kept_by_id), T(wrong_values), T(mounts_are_told), T(values_are_bounded),
		T(paths_are_shown_as_given), T(errors_are_told), T(blobs_come_and_go), T(wrong_blobs), T(blobs_elsewhere),
		T(singletons_have_no_mounts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
