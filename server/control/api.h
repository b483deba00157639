/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and their handlers: what http.c reads is looked up in the table of routes and answered by one handler. */
#ifndef GRAFT_SERVER_CONTROL_API_H
#define GRAFT_SERVER_CONTROL_API_H

#include "server/control/answer.h"
#include "server/control/manager.h"
#include "server/control/uri.h"

/* What handlers work with. Constant after api_init. */
struct api {
	const struct control_host *host;
	struct manager *manager;
	struct upgrade *upgrade; /* NULL in tests of what does not ask for it: then the state is RUNNING */
	struct nydus_values *values;
	struct nydus_blobs *blobs;
	struct spellings *spellings;
	uint64_t started; /* seconds of CLOCK_BOOTTIME */
};

/* The stores. 0 or -ENOMEM; api_fini in both cases. */
int api_init(struct api *api);
void api_fini(struct api *api);
/* After a mount came to a path, from nydusd's API as it was given there, else NULL; and after it went. */
void api_mount_came(const struct api *api, const char *at, const char *given);
void api_mount_went(const struct api *api, const char *at);

struct request {
	const char *method; /* "GET", as sent */
	struct uri uri;
	size_t line; /* bytes of its first line */
	const char *body; /* bytes of body_len and a NUL; NULL: none */
	size_t body_len;
	struct answer answer;
};

typedef void api_handler(const struct api *api, struct request *req);

struct upgrade;
struct route;
/* Whether its address is graftfs's own, and not nydusd's: those have other limits and forms of errors. */
bool route_is_own(const struct request *req);
/* NULL where there is none, the method is wrong or a body is where none may be; the answer is set then. */
const struct route *route_find(struct request *req);
/* Whether its handler may block: then it must run on a worker. */
bool route_blocks(const struct route *route);
void route_run(const struct route *route, const struct api *api, struct request *req);
/*
 * Answers for what goes wrong before or beside a handler, in the form of the address's family. status 403, 413, 500 and
 * 503; text is one clear sentence.
 */
void route_refuse(struct request *req, unsigned status, int code, const char *text);
/* The same where there are too many connections. */
void route_refuse_connection(struct request *req);

/* nydusd's API: nydus.c, nydus_info.c. */
api_handler nydus_daemon_get, nydus_daemon_v2_get, nydus_daemon_put, nydus_events;
/* nydus_life.c */
api_handler nydus_start, nydus_exit, nydus_sendfd, nydus_takeover;
api_handler nydus_backend, nydus_mount;
/* nydus_metrics.c, nydus_caches.c */
api_handler nydus_metrics_global, nydus_metrics_files, nydus_metrics_pattern, nydus_metrics_inflight;
api_handler nydus_metrics_backend, nydus_metrics_blobcache;
/* nydus_values.c, nydus_blobs.c */
api_handler nydus_config_get, nydus_config_put, nydus_blobs_get, nydus_blobs_put, nydus_blobs_delete;
/* The query's mountpoint as it was given, or NULL with the answer. The caller frees it. */
char *nydus_query_mountpoint(struct request *req);
/* What is mounted at a path. */
enum nydus_mounted { NYDUS_NOTHING, NYDUS_RAFS, NYDUS_OTHER };
enum nydus_mounted nydus_mounted(const struct api *api, const char *at);
/* What nydusd this daemon stands for. */
enum nydus_form { NYDUS_FUSE, NYDUS_VIRTIOFS, NYDUS_SINGLETON };
enum nydus_form nydus_form_of(const struct api *api);
/* The object of backend_collection for a mount; NULL when out of memory. */
json_t *nydus_backend_entry(const struct api *api, const struct mount_info *info, const json_t *texts);

/* graftfs's own: graft_mounts.c, graft_info.c, graft_stats.c, openmetrics.c. */
api_handler graft_mounts_get, graft_mounts_post, graft_mounts_put, graft_mounts_delete, graft_retry;
api_handler graft_transports, graft_config, graft_log_level_get, graft_log_level_put, graft_plugins, graft_info;
api_handler graft_stop, graft_stats, openmetrics;

/* The query's `at`, which the caller frees: 1, 0 where it is missing, negative for a bad path: then the answer is set. */
int graft_query_at(struct request *req, char **at);
/* Seconds since the daemon's API came up. */
uint64_t api_uptime(const struct api *api);

#endif
