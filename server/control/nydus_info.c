/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's /api/v1/daemon: what a client learns about the daemon, its start and its end. */
#include "server/control/api.h"
#include "server/control/nydus_config.h"
#include "server/control/upgrade/upgrade.h"

#include <inttypes.h>
#include <stdio.h>
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

json_t *nydus_backend_entry(const struct mount_info *info, const json_t *texts)
{
	bool rafs = !strcmp(info->type, "nydus-rafs");
	const char *type = rafs ? "Rafs" : info->type;
	char mounted[64];

	if (!strcmp(type, "passthrough"))
		type = "PassthroughFs";
	format_time(info->since, mounted, sizeof(mounted));
	return json_pack("{s:o, s:o, s:s, s:o}", "backend_type", answer_string(type), "mountpoint",
			 answer_string(info->at), "mounted_time", mounted, "config",
			 rafs ? nydus_rafs_config(info, texts, false) : json_null());
}

struct collection {
	json_t *entries, *texts;
};

static int add_entry(const struct mount_info *info, void *arg)
{
	const struct collection *c = arg;

	json_object_set_new(c->entries, info->at, nydus_backend_entry(info, c->texts));
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
	struct collection c = { json_object(), nydus_texts(api->host) };

	if (c.entries)
		api->host->each_mount(api->host->server, add_entry, &c);
	json_decref(c.texts);
	answer_info(api, req, c.entries);
}

void nydus_daemon_v2_get(const struct api *api, struct request *req)
{
	answer_info(api, req, json_null());
}

/* Errors go to the log, not to a ring in memory. */
void nydus_events(const struct api *api, struct request *req)
{
	(void)api;
	answer_json(&req->answer, 200,
		    json_pack("{s:i, s:i, s:i, s:i, s:[]}", "max_errors", 500, "total_errors", 0, "max_size", 51200,
			      "total_size", 0, "errors"));
}
