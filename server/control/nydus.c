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

#define BAD_PATH                                                                                                       \
	"VFS failed to handle request, PathWalk(Os { code: 22, kind: InvalidInput, message: \"Invalid argument\" })"

/* In the order in which nydusd asks for them. */
static const struct nydus_member mount_members[] = {
	{ "source", NYDUS_TEXT, true },
	{ "fs_type", NYDUS_TEXT, false },
	{ "config", NYDUS_TEXT_OR_OBJECT, true },
	{ "prefetch_files", NYDUS_TEXTS, false },
};
static const struct nydus_form mount_form = { "struct ApiMountCmd", mount_members, 4 };

static void refuse(struct request *req, const char *text)
{
	answer_nydus(&req->answer, 500, "Mount(MountFilesystem(Other(", text, ")))");
}

struct plugin_search {
	const char *name;
	FILE *names;
	bool found, some;
};

static int look_at_plugin(const struct graft_plugin *plugin, void *arg)
{
	struct plugin_search *search = arg;

	if (plugin->kind != GRAFT_BACKEND)
		return 0;
	search->found = search->found || !strcmp(plugin->name, search->name);
	fprintf(search->names, "%s%s", search->some ? ", " : "", plugin->name);
	search->some = true;
	return 0;
}

/* nydusd's sentence where it does not know the name either, and the names of the plugins that are loaded. */
static void refuse_type(struct request *req, const char *fs_type, const char *loaded)
{
	const char *plugin = spec_plugin_name(fs_type);
	auto_free char *text = NULL;
	int len = plugin != fs_type
			  ? asprintf(&text, "%s is served by the plugin %s, which is not loaded; plugins that are: %s",
				     fs_type, plugin, loaded)
			  : asprintf(&text,
				     "invalid argument `only 'rafs' and 'passthrough_fs' are supported, but %.200s was "
				     "specified`; plugins that are loaded: %s",
				     fs_type, loaded);

	if (len < 0)
		text = NULL;
	refuse(req, text ? text : "out of memory");
}

/* Is a plugin for fs_type loaded? Otherwise the answer is set. */
static bool check_type(const struct api *api, struct request *req, const char *fs_type)
{
	auto_free char *names = NULL;
	size_t len = 0;
	struct plugin_search search = { .name = spec_plugin_name(fs_type), .names = open_memstream(&names, &len) };

	if (!search.names) {
		refuse(req, "out of memory");
		return false;
	}
	api->host->each_plugin(api->host->server, look_at_plugin, &search);
	if (fclose(search.names) != 0) {
		refuse(req, "out of memory");
		return false;
	}
	if (!search.found)
		refuse_type(req, fs_type, names);
	return search.found;
}

struct mount_search {
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
		search->entry = nydus_backend_entry(info, search->texts);
	return 1;
}

static bool is_mounted(const struct api *api, const char *at)
{
	struct mount_search search = { .at = at };

	api->host->each_mount(api->host->server, look_at_mount, &search);
	return search.found;
}

/* passthrough_fs's own words for what went wrong with a source; the table of mounts has others. */
static bool speaks_passthrough(const struct spec *spec, const json_t *body, const struct graft_error *err)
{
	return spec && json_is_string(json_object_get(body, "config")) && err->code != EINVAL &&
	       !strcmp(spec->keys[1].value, "passthrough") && strncmp(err->text, "VFS ", 4) != 0;
}

/* Answers a manager's result; spec and body are NULL for an umount. */
static void answer_result(const struct api *api, struct request *req, const char *at, const struct spec *spec,
			  const json_t *body, int res, const struct graft_error *err)
{
	bool mount = !strcmp(req->method, "POST");
	char text[256];

	if (res == 0) {
		answer_empty(&req->answer, 204);
		return;
	}
	api->host->log(GRAFT_LOG_WARN, "api", "%s /api/v1/mount of %s: %s", req->method, at, err->text);
	if (mount && res == -EEXIST && is_mounted(api, at)) {
		refuse(req, "object or filesystem already exists");
	} else if (!mount && res == -ENOENT && !is_mounted(api, at)) {
		refuse(req, "object or filesystem doesn't exist");
	} else if (res == -ESHUTDOWN) {
		answer_nydus(&req->answer, 503, "Mount(DaemonAbnormal(NotReady))", NULL, NULL);
	} else if (speaks_passthrough(spec, body, err)) {
		snprintf(text, sizeof(text), "passthroughfs failed to handle request, %s (os error %d)",
			 strerrordesc_np(-res) ? strerrordesc_np(-res) : "unknown error", -res);
		refuse(req, text);
	} else {
		refuse(req, err->text);
	}
}

/*
 * What is there decides first, in nydusd's order: a path is taken, or nothing is mounted there, or no image. What is remounted is an image,
 * whatever the body calls it, and no list of files for prefetch is looked at.
 */
static bool check_place(const struct api *api, struct request *req, const char *at, json_t *body)
{
	struct mount_search search = { .at = at };

	api->host->each_mount(api->host->server, look_at_mount, &search);
	if (!strcmp(req->method, "POST")) {
		if (search.found)
			refuse(req, "object or filesystem already exists");
		return !search.found;
	}
	if (!search.found)
		refuse(req, "object or filesystem doesn't exist");
	else if (!search.rafs)
		refuse(req, "filesystem type mismatch, expect RAFS");
	if (!search.found || !search.rafs)
		return false;
	json_object_set_new(body, "fs_type", json_string("rafs"));
	json_object_del(body, "prefetch_files");
	return true;
}

static void mount_or_remount(const struct api *api, struct request *req, const char *at)
{
	struct graft_error err = { 0 };
	struct spec spec = { 0 };
	json_t *body = nydus_body(req, &mount_form);
	const char *fs_type = body ? json_string_value(json_object_get(body, "fs_type")) : NULL;

	if (!body)
		goto out;
	if (!fs_type) {
		fs_type = "";
		json_object_set_new(body, "fs_type", json_string(""));
	}
	if (!check_type(api, req, fs_type))
		goto out;
	if (!uri_path_good(at)) {
		refuse(req, BAD_PATH);
		goto out;
	}
	if (!check_place(api, req, at, body))
		goto out;
	int res = spec_from_nydus(&spec, at, body, &err);
	if (res < 0) {
		refuse(req, err.text);
		goto out;
	}
	spec.mount.where = at;
	res = !strcmp(req->method, "POST") ? manager_mount(api->manager, &spec.mount, &err)
					   : manager_remount(api->manager, &spec.mount, &err);
	answer_result(api, req, at, &spec, body, res, &err);
out:
	spec_fini(&spec);
	json_decref(body);
}

static void umount(const struct api *api, struct request *req, const char *at)
{
	struct graft_error err = { 0 };

	if (!uri_path_good(at)) {
		refuse(req, BAD_PATH);
		return;
	}
	int res = manager_umount(api->manager, at, false, &err);
	answer_result(api, req, at, NULL, NULL, res, &err);
}

static void show(const struct api *api, struct request *req, const char *at)
{
	struct mount_search search = { .at = at, .want_entry = true, .texts = nydus_texts(api->host) };

	api->host->each_mount(api->host->server, look_at_mount, &search);
	json_decref(search.texts);
	if (search.found)
		answer_json(&req->answer, 200, search.entry);
	else
		refuse(req, "object or filesystem doesn't exist");
}

/* The parameter mountpoint, a normal path if it is a path, or NULL with the answer. The caller frees it. */
static char *query_mountpoint(struct request *req)
{
	char *at = NULL;
	int res = uri_query(&req->uri, "mountpoint", &at);

	if (res == 1) {
		uri_path_normal(at);
		return at;
	}
	if (res == 0)
		answer_nydus(&req->answer, 400, "QueryString(", "'mountpoint' should be specified in query string",
			     ")");
	else
		refuse(req, res == -ENOMEM ? "out of memory" : BAD_PATH);
	return NULL;
}

void nydus_mount(const struct api *api, struct request *req)
{
	auto_free char *at = query_mountpoint(req);

	if (!at)
		return;
	if ((!strcmp(req->method, "POST") || !strcmp(req->method, "PUT")) && req->body)
		mount_or_remount(api, req, at);
	else if (!strcmp(req->method, "DELETE") && !req->body)
		umount(api, req, at);
	else if (!strcmp(req->method, "GET") && !req->body)
		show(api, req, at);
	else
		answer_nydus(&req->answer, 400, "BadRequest", NULL, NULL);
}

static void append(void *arg, const char *bytes, size_t len)
{
	fwrite(bytes, 1, len, arg);
}

/* 200 and what the plugin says of its image; 0, or why not. */
static int show_superblock(const struct api *api, struct request *req, const char *at)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return -ENOMEM;
	int res = api->host->ask(api->host->server, at, "superblock", NULL, append, to);
	if (fclose(to) != 0 && !res)
		res = -ENOMEM;
	if (res)
		free(text);
	else
		answer_text(&req->answer, 200, "application/json", text, len);
	return res;
}

void nydus_backend(const struct api *api, struct request *req)
{
	auto_free char *at = query_mountpoint(req);
	struct mount_search search = { .at = at };
	const char *text = "object or filesystem doesn't exist";

	if (!at)
		return;
	api->host->each_mount(api->host->server, look_at_mount, &search);
	int res = search.rafs ? show_superblock(api, req, at) : -ENOENT;
	if (!res)
		return;
	if (search.found && !search.rafs)
		text = "filesystem type mismatch, expect RAFS";
	else if (res != -ENOENT)
		text = strerrordesc_np(-res);
	answer_nydus(&req->answer, 500, "FsBackendInfo(Metrics(Daemon(Other(", text, "))))");
}

static int level_of(const char *name)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {
		{ "off", GRAFT_LOG_ERROR - 1 }, { "error", GRAFT_LOG_ERROR }, { "warn", GRAFT_LOG_WARN },
		{ "info", GRAFT_LOG_INFO },     { "debug", GRAFT_LOG_DEBUG }, { "trace", GRAFT_LOG_TRACE },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcasecmp(name, levels[i].name))
			return levels[i].level;
	return -EINVAL;
}

void nydus_daemon_put(const struct api *api, struct request *req)
{
	static const struct nydus_member members[] = { { "log_level", NYDUS_TEXT, true } };
	static const struct nydus_form form = { "struct DaemonConf", members, 1 };
	json_t *body = nydus_body(req, &form);

	if (!body)
		return;
	int level = level_of(json_string_value(json_object_get(body, "log_level")));
	if (level == -EINVAL) {
		answer_nydus(&req->answer, 500, "Configure(ResponsePayloadType)", NULL, NULL);
	} else {
		api->host->set_log_level(level);
		answer_empty(&req->answer, 204);
	}
	json_decref(body);
}
