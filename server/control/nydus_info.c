/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's /api/v1/daemon: what a client learns about the daemon, its start and its end. */
#include "server/control/api.h"
#include "server/control/ask.h"

#include "lib/cleanup.h"
#include "lib/log_errors.h"
#include "server/control/nydus_body.h"
#include "server/control/nydus_config.h"
#include "server/control/spellings.h"
#include "server/control/upgrade/upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "2026-11-21 10:08:58.62484448 +00:00:00": trailing zeros of the fraction are cut, one digit stays. */
static void format_time(uint64_t since, char *text, size_t size)
{
	time_t seconds = (time_t)(since / 1000000000);
	char day[32], fraction[16];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(fraction, sizeof(fraction), "%09" PRIu64, since % 1000000000);
	for (size_t i = 8; i > 0 && fraction[i] == '0'; i--)
		fraction[i] = '\0';
	snprintf(text, size, "%s.%s +00:00:00", day, fraction);
}

json_t *nydus_backend_entry(const struct api *api, const struct mount_info *info, const json_t *texts)
{
	auto_free char *given = spellings_of(api->spellings, info->at);
	bool rafs = !strcmp(info->type, "nydus-rafs");
	const char *type = rafs ? "Rafs" : info->type;
	char mounted[64];

	if (!strcmp(type, "passthrough"))
		type = "PassthroughFs";
	format_time(info->since, mounted, sizeof(mounted));
	return json_pack("{s:o, s:o, s:s, s:o}", "backend_type", answer_string(type), "mountpoint",
			 answer_string(given ? given : info->at), "mounted_time", mounted, "config",
			 rafs ? nydus_rafs_config(info, texts, false) : json_null());
}

struct collection {
	const struct api *api;
	json_t *entries, *texts;
};

/* By the path as it was given. */
static int add_entry(const struct mount_info *info, void *arg)
{
	const struct collection *c = arg;
	json_t *entry = nydus_backend_entry(c->api, info, c->texts);

	json_object_set_new(c->entries, json_string_value(json_object_get(entry, "mountpoint")), entry);
	return 0;
}

static void answer_info(const struct api *api, struct request *req, json_t *backends)
{
	json_t *version = json_pack("{s:s, s:s, s:s, s:s, s:s}", "package_ver", "v" GRAFT_VERSION, "git_commit",
				    CONTROL_GIT_COMMIT, "build_time", CONTROL_BUILD_TIME, "profile", CONTROL_PROFILE,
				    "rustc", "none (C, " CONTROL_COMPILER ")");
	const char *instance = api->host->config->server.instance;

	const char *supervisor = api->host->config->server.supervisor;

	answer_json(&req->answer, 200,
		    json_pack("{s:o, s:o, s:o, s:s, s:o}", "version", version, "id",
			      instance ? answer_string(instance) : json_null(), "supervisor",
			      supervisor ? answer_string(supervisor) : json_null(), "state",
			      api->upgrade ? upgrade_state(api->upgrade) : "RUNNING", "backend_collection", backends));
}

void nydus_daemon_get(const struct api *api, struct request *req)
{
	struct collection c = { api, json_object(), nydus_texts(api->host) };

	if (c.entries)
		api->host->each_mount(api->host->server, add_entry, &c);
	json_decref(c.texts);
	answer_info(api, req, c.entries);
}

void nydus_daemon_v2_get(const struct api *api, struct request *req)
{
	answer_info(api, req, json_null());
}

struct events {
	json_t *lines;
	size_t bytes;
};

static void add_event(const char *line, void *arg)
{
	struct events *e = arg;

	json_array_append_new(e->lines, answer_string(line));
	e->bytes += strlen(line);
}

void nydus_events(const struct api *api, struct request *req)
{
	struct events e = { .lines = json_array() };

	api->host->each_error(add_event, &e);
	answer_json(&req->answer, 200,
		    json_pack("{s:i, s:I, s:i, s:I, s:o}", "max_errors", LOG_ERRORS_MAX, "total_errors",
			      (json_int_t)json_array_size(e.lines), "max_size", LOG_ERRORS_SIZE, "total_size",
			      (json_int_t)e.bytes, "errors", e.lines));
}

/* 200 and what the plugin says of its image; 0, or why not. */
static int show_superblock(const struct api *api, struct request *req, const char *at)
{
	char *text;
	size_t len;
	int res = control_ask(api->host, at, "superblock", &text, &len);

	if (!res)
		answer_text(&req->answer, 200, "application/json", text, len);
	return res;
}

void nydus_backend(const struct api *api, struct request *req)
{
	auto_free char *given = nydus_query_mountpoint(req);

	if (!given)
		return;
	if (nydus_form_of(api) == NYDUS_SINGLETON) {
		answer_nydus(&req->answer, 501, "FsBackendInfo(DaemonAbnormal(Unsupported))", NULL, NULL);
		return;
	}
	auto_free char *at = uri_path_clean(given);
	enum nydus_mounted there = at ? nydus_mounted(api, at) : NYDUS_NOTHING;
	const char *text = "object or filesystem doesn't exist";
	int res = there == NYDUS_RAFS ? show_superblock(api, req, at) : -ENOENT;
	if (!res)
		return;
	if (there == NYDUS_OTHER)
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
	static const struct nydus_shape form = { "struct DaemonConf", members, 1 };
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
