/* SPDX-License-Identifier: Apache-2.0 */
/* The table of addresses: which handler answers which method, with or without a body, and where it runs. */
#include "server/control/api.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum body_rule { BODY_NONE, BODY_NEEDED, BODY_ANY };

struct route {
	const char *path, *method; /* method "*": any other */
	api_handler *handler;
	enum body_rule body;
	bool blocks;
};

#define OWN "/api/graft/v1"
#define TOO_MANY "{ \"error\": \"Too many open connections\" }" /* of nydusd's HTTP library */

static const struct route routes[] = {
	{ "/api/v1/daemon", "GET", nydus_daemon_get, BODY_NONE, false },
	{ "/api/v1/daemon", "PUT", nydus_daemon_put, BODY_NEEDED, false },
	{ "/api/v2/daemon", "GET", nydus_daemon_v2_get, BODY_NONE, false },
	{ "/api/v2/daemon", "PUT", nydus_daemon_put, BODY_NEEDED, false },
	{ "/api/v1/daemon/start", "PUT", nydus_start, BODY_NONE, true },
	{ "/api/v1/daemon/exit", "PUT", nydus_exit, BODY_NONE, true },
	{ "/api/v1/daemon/fuse/sendfd", "PUT", nydus_sendfd, BODY_NONE, true },
	{ "/api/v1/daemon/fuse/takeover", "PUT", nydus_takeover, BODY_NONE, true },
	{ "/api/v1/daemon/events", "GET", nydus_events, BODY_NONE, false },
	{ "/api/v1/daemon/backend", "GET", nydus_backend, BODY_NONE, true },
	{ "/api/v1/metrics", "GET", nydus_metrics_global, BODY_NONE, true },
	{ "/api/v1/metrics/files", "GET", nydus_metrics_files, BODY_NONE, true },
	{ "/api/v1/metrics/pattern", "GET", nydus_metrics_pattern, BODY_NONE, true },
	{ "/api/v1/metrics/backend", "GET", nydus_metrics_backend, BODY_NONE, true },
	{ "/api/v1/metrics/blobcache", "GET", nydus_metrics_blobcache, BODY_NONE, true },
	{ "/api/v1/metrics/inflight", "GET", nydus_metrics_inflight, BODY_NONE, false },
	{ "/api/v1/config", "GET", nydus_config_get, BODY_NONE, false },
	{ "/api/v1/config", "PUT", nydus_config_put, BODY_NEEDED, true },
	{ "/api/v2/blobs", "GET", nydus_blobs_get, BODY_NONE, false },
	{ "/api/v2/blobs", "PUT", nydus_blobs_put, BODY_NEEDED, true },
	{ "/api/v2/blobs", "DELETE", nydus_blobs_delete, BODY_NONE, false },
	/* nydusd looks for the mount point before it looks at method and body. */
	{ "/api/v1/mount", "POST", nydus_mount, BODY_ANY, true },
	{ "/api/v1/mount", "PUT", nydus_mount, BODY_ANY, true },
	{ "/api/v1/mount", "DELETE", nydus_mount, BODY_ANY, true },
	{ "/api/v1/mount", "*", nydus_mount, BODY_ANY, false },
	{ OWN "/mounts", "GET", graft_mounts_get, BODY_NONE, false },
	{ OWN "/mounts", "POST", graft_mounts_post, BODY_NEEDED, true },
	{ OWN "/mounts", "PUT", graft_mounts_put, BODY_NEEDED, true },
	{ OWN "/mounts", "DELETE", graft_mounts_delete, BODY_NONE, true },
	{ OWN "/mounts/retry", "POST", graft_retry, BODY_NONE, true },
	{ OWN "/transports", "GET", graft_transports, BODY_NONE, false },
	{ OWN "/config", "GET", graft_config, BODY_NONE, false },
	{ OWN "/stats", "GET", graft_stats, BODY_NONE, false },
	{ OWN "/log-level", "GET", graft_log_level_get, BODY_NONE, false },
	{ OWN "/log-level", "PUT", graft_log_level_put, BODY_NEEDED, false },
	{ OWN "/plugins", "GET", graft_plugins, BODY_NONE, false },
	{ OWN "/info", "GET", graft_info, BODY_NONE, false },
	{ OWN "/stop", "PUT", graft_stop, BODY_NONE, false },
	{ "/metrics", "GET", openmetrics, BODY_NONE, true },
};
#define NROUTES (sizeof(routes) / sizeof(routes[0]))

bool route_is_own(const struct request *req)
{
	return !strncmp(req->uri.path, "/api/graft/", strlen("/api/graft/")) || !strcmp(req->uri.path, "/metrics");
}

/* Header Allow of a path, which is in the table. */
static const char *allowed(const char *path)
{
	static const struct {
		const char *path, *methods;
	} several[] = {
		{ OWN "/mounts", "GET, POST, PUT, DELETE" },
		{ OWN "/log-level", "GET, PUT" },
	};

	for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++)
		if (!strcmp(path, several[i].path))
			return several[i].methods;
	for (size_t i = 0; i < NROUTES; i++)
		if (!strcmp(path, routes[i].path))
			return routes[i].method;
	return NULL;
}

static const struct route *refuse_method(struct request *req)
{
	const char *allow = allowed(req->uri.path);

	if (!route_is_own(req)) {
		answer_nydus(&req->answer, allow ? 400 : 404, allow ? "BadRequest" : "NoRoute", NULL, NULL);
	} else if (!allow) {
		answer_error(&req->answer, 404, ENOENT, "there is nothing at %.200s", req->uri.path);
	} else {
		answer_error(&req->answer, 405, EOPNOTSUPP, "%.20s is not possible at %s, but %s is", req->method,
			     req->uri.path, allow);
		req->answer.allow = allow;
	}
	return NULL;
}

const struct route *route_find(struct request *req)
{
	const struct route *found = NULL;

	if (req->uri.path[0] != '/') {
		answer_nydus(&req->answer, 400, "BadRequest", NULL, NULL);
		return NULL;
	}
	for (size_t i = 0; i < NROUTES && !found; i++)
		if (!strcmp(req->uri.path, routes[i].path) &&
		    (routes[i].method[0] == '*' || !strcmp(req->method, routes[i].method)))
			found = &routes[i];
	if (!found)
		return refuse_method(req);
	if (found->body == BODY_ANY || (found->body == BODY_NEEDED) == (req->body != NULL))
		return found;
	if (route_is_own(req))
		answer_error(&req->answer, 400, EINVAL, "%s %s %s", req->method, req->uri.path,
			     req->body ? "takes no body" : "needs a JSON body");
	else
		answer_nydus(&req->answer, 400, "BadRequest", NULL, NULL);
	return NULL;
}

bool route_blocks(const struct route *route)
{
	return route->blocks;
}

void route_run(const struct route *route, const struct api *api, struct request *req)
{
	route->handler(api, req);
}

void route_refuse(struct request *req, unsigned status, int code, const char *text)
{
	if (route_is_own(req))
		answer_error(&req->answer, status, code, "%s", text);
	else if (code == EAGAIN || code == ESHUTDOWN)
		answer_nydus(&req->answer, status, "DaemonAbnormal(NotReady): ", text, NULL);
	else
		answer_nydus(&req->answer, status, "BadRequest: ", text, NULL);
}

void route_refuse_connection(struct request *req)
{
	if (route_is_own(req))
		answer_error(&req->answer, 503, EAGAIN, "too many connections");
	else
		answer_text(&req->answer, 503, "application/json", strdup(TOO_MANY), strlen(TOO_MANY));
}

uint64_t api_uptime(const struct api *api)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec - api->started;
}
