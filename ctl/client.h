/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP client of one Unix socket: a request, its answer, both bounded. */
#ifndef GRAFT_CTL_CLIENT_H
#define GRAFT_CTL_CLIENT_H

#include "lib/error.h"

#include <signal.h>
#include <stddef.h>

#define CLIENT_ANSWER_MAX ((size_t)256 << 20) /* bytes of a body */
#define CLIENT_SECONDS_MAX 300                /* until an answer is complete */
#define CLIENT_PARAMS_MAX 4

struct client;

/* One of the query; value NULL: left out. */
struct client_param {
	const char *name, *value;
};

struct client_request {
	const char *method, *path; /* path as it goes into the URL */
	struct client_param params[CLIENT_PARAMS_MAX];
	const char *body; /* JSON text; NULL: none */
};

/* Zeroed before the call; the caller frees body. */
struct client_answer {
	long status; /* HTTP */
	char *body;
	size_t size;
};

/* socket is borrowed. Nothing is connected yet. NULL with err. */
struct client *client_new(const char *socket, struct graft_error *err);
void client_free(struct client *c);

/* A request that runs ends with -EINTR soon after *stop is not 0. Borrowed. */
void client_stop_at(struct client *c, const volatile sig_atomic_t *stop);

/*
 * 0 whenever a whole HTTP answer came, whatever its status. Otherwise -errno with err: the server is not there, hung
 * up, took too long, sent no HTTP or more than CLIENT_ANSWER_MAX. Blocks. One thread.
 */
int client_call(struct client *c, const struct client_request *request, struct client_answer *answer,
		struct graft_error *err);

#endif
