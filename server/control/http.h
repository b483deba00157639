/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server on the API's socket: one thread for all connections; what may block runs on the daemon's workers. */
#ifndef GRAFT_SERVER_CONTROL_HTTP_H
#define GRAFT_SERVER_CONTROL_HTTP_H

#include "server/control/api.h"

#define HTTP_CONNECTIONS_MAX 512

struct http;

/* Serves on fd, which stays the caller's: open until http_free. api outlives it. NULL with err. */
struct http *http_new(const struct api *api, int fd, struct graft_error *err);
/*
 * No new connections and requests; waits a few seconds for answers to those that run, then answers them with 503 and
 * closes all connections. Their work may still go on.
 */
void http_stop(struct http *h);
/* After http_stop: waits for all work to end. NULL is fine. */
void http_free(struct http *h);

#endif
