/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's /api/v1/mount: bodies, statuses and error texts as its clients know them. */
#include "server/control/api.h"
#include "server/control/nydus_body.h"
#include "server/control/nydus_config.h"
#include "server/control/spec.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define V5_SUPER_SIZE 8192 /* bytes that nydusd reads at once */
#define BAD_PATH                                                                                                       \
	"VFS failed to handle request, PathWalk(Os { code: 22, kind: InvalidInput, message: \"Invalid argument\" })"

/* In the order in which nydusd asks for them. */
static const struct nydus_member mount_members[] = {
	{ "source", NYDUS_TEXT, true },
	{ "fs_type", NYDUS_TEXT, false },
	{ "config", NYDUS_TEXT_OR_OBJECT, true },
	{ "prefetch_files", NYDUS_TEXTS, false },
};
static const struct nydus_shape mount_form = { "struct ApiMountCmd", mount_members, 4 };

static void refuse(struct request *req, const char *text)
{
	answer_nydus(&req->answer, 500, "Mount(MountFilesystem(Other(", text, ")))");
}

static int is_plugin(const struct graft_plugin *plugin, void *name)
{
	return plugin->kind == GRAFT_BACKEND && !strcmp(plugin->name, name);
}

/* nydusd's sentence; what it knows, but has no plugin here, has one of its own. */
static bool check_type(const struct api *api, struct request *req, const char *fs_type)
{
	const char *plugin = spec_plugin_name(fs_type);
	char text[512];

	if (api->host->each_plugin(api->host->server, is_plugin, (void *)plugin))
		return true;
	if (plugin != fs_type)
		snprintf(text, sizeof(text), "%s is served by the plugin %s, which is not loaded", fs_type, plugin);
	else
		snprintf(text, sizeof(text),
			 "invalid argument `only 'rafs' and 'passthrough_fs' are supported, but %.200s was specified`",
			 fs_type);
	refuse(req, text);
	return false;
}

struct mount_search {
	const struct api *api;
	const char *at;
	json_t *entry; /* of backend_collection, where wanted */
	json_t *texts; /* for that */
	bool found, want_entry, rafs;
};

static int look_at_mount(const struct mount_info *info, void *arg)
{
	struct mount_search *search = arg;

	if (strcmp(info->at, search->at))
		return 0;
	search->found = true;
	search->rafs = !strcmp(info->type, "nydus-rafs");
	if (search->want_entry)
		search->entry = nydus_backend_entry(search->api, info, search->texts);
	return 1;
}

static struct mount_search search_mount(const struct api *api, const char *at, bool want_entry)
{
	struct mount_search search = { .api = api, .at = at, .want_entry = want_entry };

	if (want_entry)
		search.texts = nydus_texts(api->host);
	api->host->each_mount(api->host->server, look_at_mount, &search);
	json_decref(search.texts);
	search.texts = NULL;
	return search;
}

enum nydus_mounted nydus_mounted(const struct api *api, const char *at)
{
	struct mount_search search = search_mount(api, at, false);

	return search.rafs ? NYDUS_RAFS : search.found ? NYDUS_OTHER : NYDUS_NOTHING;
}

/* Whether nydusd would go on, by what is at the path already. */
static bool check_mounted(const struct api *api, struct request *req, const char *at)
{
	enum nydus_mounted there = nydus_mounted(api, at);
	bool mount = !strcmp(req->method, "POST");

	if (mount && there != NYDUS_NOTHING)
		refuse(req, "object or filesystem already exists");
	else if (!mount && there == NYDUS_NOTHING)
		refuse(req, "object or filesystem doesn't exist");
	else if (!strcmp(req->method, "PUT") && there != NYDUS_RAFS)
		refuse(req, "filesystem type mismatch, expect RAFS");
	else
		return true;
	return false;
}

/* --- failures, as nydusd words them */

/* passthrough_fs's own words for what went wrong with a source. */
static void refuse_passthrough(struct request *req, const char *source, int code)
{
	char text[256];

	if (source[0] != '/')
		code = ENOENT;
	if (code == ENOTDIR)
		snprintf(text, sizeof(text), "VFS failed to handle request, Mount(Os { code: %d, kind: NotADirectory, message: "
					     "\"Not a directory\" })", code);
	else
		snprintf(text, sizeof(text), "passthroughfs failed to handle request, %s (os error %d)",
			 strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error", code);
	refuse(req, text);
}

/* Whether a sentence has these three in one. */
static bool blames(const char *why, const char *before, const char *source, const char *after)
{
	auto_free char *words = NULL;

	if (asprintf(&words, "%s%s%s", before, source, after) < 0)
		words = NULL;
	return words && strstr(why, words);
}

/* What is wrong with a bootstrap, into text: false where that is not it, or nothing that nydusd has words for. */
static bool word_bootstrap(char *text, size_t size, const char *source, int code, const char *why, bool mount)
{
	const char *doing = mount ? "Failed to fill superBlock" : "Failed to read metadata";
	struct stat st = { .st_mode = 0 };

	if (!blames(why, "source ", source, "") && !blames(why, "", source, ": no image"))
		return false;
	/* Only where the daemon sees it: a sandbox has other paths. */
	bool seen = stat(source, &st) == 0;
	if (seen && S_ISDIR(st.st_mode))
		code = EISDIR;
	if (code != EINVAL)
		snprintf(text, size, "%s: %s (os error %d)", doing, strerrordesc_np(code), code);
	else if (seen && st.st_size < V5_SUPER_SIZE)
		snprintf(text, size, "%s: failed to fill whole buffer", doing);
	else
		snprintf(text, size, "%s: invalid RAFS superblock", doing);
	return true;
}

/* nydusd's two sentences for a text that is no configuration. */
static bool word_config(char *text, size_t size, const char *why)
{
	static const char *const sentences[] = { "failed to parse configuration information", "invalid configuration" };

	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (strstr(why, sentences[i])) {
			snprintf(text, size, "Failed to load config: %s", sentences[i]);
			return true;
		}
	return false;
}

/* Sentences that the plugin has from nydusd, with what it adds to an error of the system cut off. */
static bool word_device(char *text, size_t size, const char *why)
{
	const char *from = strstr(why, "Failed to "), *os = from ? strstr(from, "(os error ") : NULL;
	size_t len = os ? (size_t)(os - from) + strcspn(os, ")") + 1 : from ? strlen(from) : 0;

	if (from)
		snprintf(text, size, "%.*s", (int)len, from);
	return from;
}

/* The single quotation mark at the end is nydusd's. */
static void refuse_rafs(struct request *req, const char *source, int code, const char *why)
{
	char text[ERROR_TEXT_MAX], all[ERROR_TEXT_MAX + 64];
	bool mount = !strcmp(req->method, "POST");

	if (!(source[0] && word_bootstrap(text, sizeof(text), source, code, why, mount)) &&
	    !word_config(text, sizeof(text), why) && !word_device(text, sizeof(text), why))
		snprintf(text, sizeof(text), "%s", why);
	snprintf(all, sizeof(all), "RAFS failed to handle request, %s`", text);
	refuse(req, all);
}

/* Answers a manager's failure; body is NULL for an umount. */
static void answer_failure(const struct api *api, struct request *req, const char *at, const json_t *body, int res,
			   const struct graft_error *err)
{
	bool mount = !strcmp(req->method, "POST"), text = json_is_string(json_object_get(body, "config"));
	const char *source = json_string_value(json_object_get(body, "source"));
	const char *fs_type = json_string_value(json_object_get(body, "fs_type"));
	const char *type = fs_type ? spec_plugin_name(fs_type) : "";

	api->host->log(GRAFT_LOG_WARN, "api", "%s /api/v1/mount of %s: %s", req->method, at, err->text);
	if (mount && res == -EEXIST && nydus_mounted(api, at) != NYDUS_NOTHING)
		refuse(req, "object or filesystem already exists");
	else if (!mount && res == -ENOENT && nydus_mounted(api, at) == NYDUS_NOTHING)
		refuse(req, "object or filesystem doesn't exist");
	else if (res == -ESHUTDOWN)
		answer_nydus(&req->answer, 503, "Mount(DaemonAbnormal(NotReady))", NULL, NULL);
	else if (!strncmp(err->text, "VFS ", 4) || !strncmp(err->text, "invalid argument ", 17))
		refuse(req, err->text); /* nydusd's whole sentence: of the table of mounts, or of what to make of a configuration */
	else if (text && !strcmp(type, "passthrough") && (res != -EINVAL || source[0] != '/'))
		refuse_passthrough(req, source, -res);
	else if (text && !strcmp(type, "nydus-rafs"))
		refuse_rafs(req, source, -res, err->text);
	else
		refuse(req, err->text);
}

/* --- requests */

static int mount_with(const struct api *api, const struct request *req, const char *at, const json_t *body,
		      struct graft_error *err)
{
	struct spec spec = { 0 };
	int res = spec_from_nydus(&spec, at, body, err);

	spec.mount.where = at;
	if (!res)
		res = !strcmp(req->method, "POST") ? manager_mount(api->manager, &spec.mount, err)
						   : manager_remount(api->manager, &spec.mount, err);
	spec_fini(&spec);
	return res;
}

static bool check_files(struct request *req, const json_t *files)
{
	size_t i;
	const json_t *item;

	json_array_foreach(files, i, item) {
		if (json_string_value(item)[0] != '/') {
			refuse(req, "invalid prefetch file list");
			return false;
		}
	}
	return true;
}

/* Images need a configuration, under nydusd's name. The object is graftfs's own. */
static bool check_config(struct request *req, const json_t *body)
{
	const char *fs_type = json_string_value(json_object_get(body, "fs_type"));
	const char *config = json_string_value(json_object_get(body, "config"));

	if (!config || config[0] || !fs_type || strcmp(fs_type, "rafs") != 0)
		return true;
	refuse_rafs(req, "", EINVAL, "failed to parse configuration information");
	return false;
}

static bool check_supported(const struct api *api, struct request *req)
{
	if (nydus_form_of(api) != NYDUS_SINGLETON)
		return true;
	answer_nydus(&req->answer, 501, "Mount(DaemonAbnormal(Unsupported))", NULL, NULL);
	return false;
}

/* The path of a mount, clean; NULL with the answer. The caller frees it. */
static char *check_path(struct request *req, const char *given)
{
	char *at = uri_path_clean(given);

	if (!at)
		refuse(req, BAD_PATH);
	return at;
}

static void mount_or_remount(const struct api *api, struct request *req, const char *given)
{
	struct graft_error err = { 0 };
	json_t *body = nydus_body(req, &mount_form), *fs_type = json_object_get(body, "fs_type");
	auto_free char *at = NULL;

	if (!body)
		return;
	if (!check_type(api, req, fs_type ? json_string_value(fs_type) : "") || !check_supported(api, req))
		goto out;
	at = check_path(req, given);
	if (!at || !check_mounted(api, req, at))
		goto out;
	/* nydusd remounts images only, whatever is asked for, and looks at no list of files then. */
	if (!strcmp(req->method, "PUT")) {
		json_object_set_new(body, "fs_type", json_string("rafs"));
		json_object_del(body, "prefetch_files");
	}
	if (!check_files(req, json_object_get(body, "prefetch_files")) || !check_config(req, body))
		goto out;
	int res = mount_with(api, req, at, body, &err);
	if (res < 0) {
		answer_failure(api, req, at, body, res, &err);
		goto out;
	}
	api_mount_came(api, at, given);
	answer_empty(&req->answer, 204);
out:
	json_decref(body);
}

static void umount(const struct api *api, struct request *req, const char *given)
{
	struct graft_error err = { 0 };
	auto_free char *at = check_supported(api, req) ? check_path(req, given) : NULL;

	if (!at)
		return;
	int res = manager_umount(api->manager, at, false, &err);
	if (res < 0) {
		answer_failure(api, req, at, NULL, res, &err);
		return;
	}
	api_mount_went(api, at);
	answer_empty(&req->answer, 204);
}

static void show(const struct api *api, struct request *req, const char *given)
{
	auto_free char *at = check_path(req, given);

	if (!at)
		return;
	struct mount_search search = search_mount(api, at, true);
	if (search.found)
		answer_json(&req->answer, 200, search.entry);
	else
		refuse(req, "object or filesystem doesn't exist");
}

char *nydus_query_mountpoint(struct request *req)
{
	char *given = NULL;
	int res = uri_query(&req->uri, "mountpoint", &given);

	if (res == 1)
		return given;
	if (res == 0)
		answer_nydus(&req->answer, 400, "QueryString(", "'mountpoint' should be specified in query string",
			     ")");
	else
		refuse(req, res == -ENOMEM ? "out of memory" : BAD_PATH);
	return NULL;
}

void nydus_mount(const struct api *api, struct request *req)
{
	auto_free char *given = nydus_query_mountpoint(req);

	if (!given)
		return;
	if ((!strcmp(req->method, "POST") || !strcmp(req->method, "PUT")) && req->body)
		mount_or_remount(api, req, given);
	else if (!strcmp(req->method, "DELETE") && !req->body)
		umount(api, req, given);
	else if (!strcmp(req->method, "GET") && !req->body)
		show(api, req, given);
	else
		answer_nydus(&req->answer, 400, "BadRequest", NULL, NULL);
}
