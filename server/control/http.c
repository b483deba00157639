/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server: connections and bodies by libmicrohttpd, whose thread finds the handler and never blocks. */
#include "server/control/http.h"

#include "server/control/http_limits.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONNECTIONS_SPARE 64          /* beyond the limit: to be told so */
#define CONNECTION_MEMORY (48u << 10) /* bytes: a path of 4096 bytes, all percent-encoded, and headers */
#define DRAIN_MAX (64ull << 20) /* bytes of a body that is too large: read on, so that the client reads our answer */
#define STOP_ANSWERED_S 3       /* for answers of what runs */
#define STOP_REFUSED_S 1        /* for those with 503 after that */

enum peer { PEER_GOOD, PEER_FOREIGN, PEER_TOO_MANY };

/* One connection; the library's "socket context". The HTTP thread's. */
struct peer_connection {
	enum peer peer;
	bool spoke; /* a request line has come */
};

/* One request. Owned by its connection, and by a worker while it is there. */
struct exchange {
	struct http *http;
	struct MHD_Connection *connection;
	struct request req;
	/* the HTTP thread's; req is the worker's while working */
	char *body;
	size_t room;
	uint64_t drained; /* bytes of a body that nobody wants */
	bool begun, counted;
	bool refused; /* the answer is there before the body */
	const struct route *route;
	/* protected by http->lock */
	unsigned owners;
	bool working, suspended;
	struct exchange *next, **link; /* of http->suspended */
};

struct http {
	const struct api *api;
	struct MHD_Daemon *daemon;
	unsigned connections; /* the HTTP thread's */
	pthread_mutex_t lock;
	pthread_cond_t idle; /* active or working went down */
	/* protected by lock */
	struct exchange *suspended;
	unsigned active;  /* requests that were read whole and are not yet answered */
	unsigned working; /* on workers */
	bool stopping;
};

static void exchange_free(struct exchange *x)
{
	answer_fini(&x->req.answer);
	uri_fini(&x->req.uri);
	free((char *)x->req.method);
	free(x->body);
	free(x);
}

/* NULL when there was no memory for it. */
static struct peer_connection *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* MHD_OPTION_URI_LOG_CALLBACK: the only place where the target of a request is seen as it was sent. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
	struct exchange *x = calloc(1, sizeof(*x));
	struct peer_connection *p = peer_of(connection);

	if (p)
		p->spoke = true;
	if (!x)
		return NULL;
	x->http = arg;
	x->owners = 1;
	x->req.line = strlen(target);
	x->connection = connection;
	if (uri_init(&x->req.uri, target) == 0)
		return x;
	free(x);
	return NULL;
}

static enum peer judge_peer(struct http *h, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return PEER_FOREIGN;
	if (h->api->host->config->server.api_peers == CONFIG_API_PEERS_OWNER && peer.uid != 0 && peer.uid != geteuid())
		return PEER_FOREIGN;
	return h->connections > HTTP_CONNECTIONS_MAX ? PEER_TOO_MANY : PEER_GOOD;
}

/*
 * A first line without a space is no request line: the library hangs up without a word. (MHD_USE_TURBO keeps it from
 * closing the sending side before it tells us.)
 */
static void answer_garbage(struct http *h, struct MHD_Connection *connection)
{
	static const char answer[] =
		"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n"
		"Content-Length: 78\r\n\r\n"
		"{\"error\":{\"code\":\"EPROTO\",\"errno\":71,\"message\":\"this is not an HTTP request\"}}";
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	pthread_mutex_lock(&h->lock);
	bool stopping = h->stopping;
	pthread_mutex_unlock(&h->lock);
	/* Most are clients that leave: nobody is there to listen. */
	if (!stopping && info)
		(void)!send(info->connect_fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *h = arg;
	struct peer_connection *p = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		h->connections++;
		p = calloc(1, sizeof(*p));
		if (p)
			p->peer = judge_peer(h, connection);
		*context = p;
		return;
	}
	h->connections--;
	if (p && !p->spoke)
		answer_garbage(h, connection);
	free(p);
}

/* Hands the answer to the library. last: the connection is closed after it. */
static enum MHD_Result send_answer(struct exchange *x, bool last)
{
	struct answer *a = &x->req.answer;
	enum MHD_Result res;

	if (!a->status)
		answer_empty(a, 500);
	struct MHD_Response *response = MHD_create_response_from_buffer(a->len, a->body, MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	a->body = NULL; /* the response's now */
	a->len = 0;
	if (a->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	if (!route_is_own(&x->req)) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, a->unread ? "Firecracker API" : "Nydus API");
		MHD_set_response_options(response, MHD_RF_SEND_KEEP_ALIVE_HEADER, MHD_RO_END);
	}
	if (a->allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, a->allow);
	if (last)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	res = MHD_queue_response(x->connection, a->status, response);
	MHD_destroy_response(response);
	return res;
}

static enum MHD_Result refuse(struct exchange *x, unsigned status, int code, const char *text)
{
	route_refuse(&x->req, status, code, text);
	return send_answer(x, true);
}

/* Length and expectation are known before the body comes: one that nobody would read to its end. */
static bool refuse_at_once(struct exchange *x)
{
	const char *length =
		MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *expect = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
	unsigned long long bytes = length ? strtoull(length, NULL, 10) : 0;

	if (bytes <= http_limits_body(&x->req))
		return false;
	http_limits_refuse_body(&x->req, bytes);
	x->refused = true;
	return bytes > DRAIN_MAX || (expect && !strcasecmp(expect, "100-continue"));
}

/* Headers are here. */
static enum MHD_Result begin(struct exchange *x, const char *method, const char *version)
{
	const struct peer_connection *p = peer_of(x->connection);

	x->begun = true;
	x->req.method = strdup(method);
	x->req.line += strlen(method) + strlen(version) + 2; /* blanks */
	if (!x->req.method || !p)
		return MHD_NO;
	if (p->peer == PEER_FOREIGN)
		return refuse(x, 403, EPERM, "only root and the daemon's own user may use this socket");
	if (p->peer == PEER_TOO_MANY) {
		route_refuse_connection(&x->req);
		return send_answer(x, true);
	}
	if (refuse_at_once(x))
		return send_answer(x, true);
	x->refused = x->refused || !http_limits_head(x->connection, &x->req);
	return MHD_YES;
}

/* A part of the body. What is too large is thrown away, to a limit. */
static enum MHD_Result collect(struct exchange *x, const char *data, size_t *size)
{
	size_t len = x->req.body_len + *size;

	if (x->refused || x->drained || len > http_limits_body(&x->req)) {
		free(x->body);
		x->body = NULL;
		x->drained += x->drained ? *size : len;
		*size = 0;
		return x->drained > DRAIN_MAX ? MHD_NO : MHD_YES;
	}
	if (len >= x->room) {
		size_t room = x->room ? x->room : 1024;

		while (room <= len)
			room *= 2;
		char *body = realloc(x->body, room);
		if (!body)
			return MHD_NO;
		x->body = body;
		x->room = room;
	}
	memcpy(x->body + x->req.body_len, data, *size);
	x->body[len] = '\0';
	x->req.body_len = len;
	*size = 0;
	return MHD_YES;
}

/* Lock held. */
static void list_remove(struct exchange *x)
{
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	x->suspended = false;
}

/* Lock held: gives the connection back to the HTTP thread. */
static void resume(struct exchange *x)
{
	list_remove(x);
	MHD_resume_connection(x->connection);
}

/* A worker is done with it: its connection, if that still waits, goes on. */
static void leave_worker(struct exchange *x)
{
	struct http *h = x->http;

	pthread_mutex_lock(&h->lock);
	bool last = --x->owners == 0;
	x->working = false;
	if (x->suspended)
		resume(x);
	h->working--;
	pthread_cond_broadcast(&h->idle);
	pthread_mutex_unlock(&h->lock);
	if (last)
		exchange_free(x);
}

static void work(void *arg)
{
	struct exchange *x = arg;

	route_run(x->route, x->http->api, &x->req);
	leave_worker(x);
}

/* Puts the connection to sleep and its request on a worker. */
static enum MHD_Result start_work(struct exchange *x)
{
	struct http *h = x->http;
	const struct control_host *host = h->api->host;

	pthread_mutex_lock(&h->lock);
	MHD_suspend_connection(x->connection);
	x->suspended = x->working = true;
	x->owners++;
	x->next = h->suspended;
	x->link = &h->suspended;
	if (x->next)
		x->next->link = &x->next;
	h->suspended = x;
	h->working++;
	pthread_mutex_unlock(&h->lock);
	if (host->run(host->server, work, x) < 0) {
		route_refuse(&x->req, 503, EAGAIN, "too many requests at a time");
		leave_worker(x);
	}
	return MHD_YES;
}

/* Counts it as one that an orderly end waits for; false when the end has begun. */
static bool enter(struct exchange *x)
{
	LOCK_SCOPE(&x->http->lock);
	if (x->http->stopping)
		return false;
	x->http->active++;
	x->counted = true;
	return true;
}

/* The request is here as a whole. */
static enum MHD_Result dispatch(struct exchange *x)
{
	if (x->drained && !x->refused)
		http_limits_refuse_body(&x->req, x->drained);
	if (x->drained || x->refused)
		return send_answer(x, false);
	if (!enter(x))
		return refuse(x, 503, ESHUTDOWN, "the daemon is ending");
	x->req.body = x->req.body_len ? x->body : NULL;
	x->route = route_find(&x->req);
	if (x->route && route_blocks(x->route))
		return start_work(x);
	if (x->route)
		route_run(x->route, x->http->api, &x->req);
	return send_answer(x, false);
}

/* After a worker has answered, or the daemon would not wait for it. */
static enum MHD_Result finish(struct exchange *x)
{
	pthread_mutex_lock(&x->http->lock);
	bool working = x->working;
	pthread_mutex_unlock(&x->http->lock);
	if (!working)
		return send_answer(x, false);
	/* The worker still writes x->req.answer. */
	struct exchange own = { .connection = x->connection, .req.uri = x->req.uri, .req.method = x->req.method };
	enum MHD_Result res =
		refuse(&own, 503, ESHUTDOWN, "the daemon is ending and does not wait for this any longer");
	answer_fini(&own.req.answer);
	return res;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *size, void **context)
{
	struct exchange *x = *context;

	(void)arg;
	(void)connection;
	(void)url;
	if (!x)
		return MHD_NO;
	if (!x->begun)
		return begin(x, method, version);
	if (*size)
		return collect(x, data, size);
	return x->counted ? finish(x) : dispatch(x);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct http *h = arg;
	struct exchange *x = *context;
	const struct control_host *host = h->api->host;
	bool last, stop;

	(void)connection;
	(void)code;
	*context = NULL;
	if (!x)
		return;
	pthread_mutex_lock(&h->lock);
	if (x->suspended)
		list_remove(x);
	last = --x->owners == 0;
	stop = !x->working && x->req.answer.stop;
	if (x->counted)
		h->active--;
	pthread_cond_broadcast(&h->idle);
	pthread_mutex_unlock(&h->lock);
	if (last)
		exchange_free(x);
	if (stop)
		host->stop(host->server);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *format, va_list ap)
{
	const struct http *h = arg;
	char text[256];

	if (vsnprintf(text, sizeof(text), format, ap) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	h->api->host->log(GRAFT_LOG_DEBUG, "api", "%s", text);
}

static struct MHD_Daemon *start_daemon(struct http *h, int fd)
{
	const unsigned flags =
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | MHD_USE_ERROR_LOG;

	return MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, h, MHD_OPTION_LISTEN_SOCKET,
		fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)(HTTP_CONNECTIONS_MAX + CONNECTIONS_SPARE),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END);
}

struct http *http_new(const struct api *api, int fd, struct graft_error *err)
{
	struct http *h = calloc(1, sizeof(*h));
	sigset_t all, before;

	if (!h) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	h->api = api;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->idle, NULL);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = 0;
	h->daemon = start_daemon(h, fd);
	int code = errno ? errno : EIO;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (h->daemon)
		return h;
	error_set(err, code, "the API cannot be served: %s", strerror(code));
	http_free(h);
	return NULL;
}

/* Lock held: waits until all requests are answered, or for so many seconds. */
static void wait_answered(struct http *h, int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	while (h->active && pthread_cond_timedwait(&h->idle, &h->lock, &until) == 0)
		;
}

void http_stop(struct http *h)
{
	if (!h->daemon)
		return;
	MHD_quiesce_daemon(h->daemon);
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	wait_answered(h, STOP_ANSWERED_S);
	while (h->suspended)
		resume(h->suspended);
	wait_answered(h, STOP_REFUSED_S);
	pthread_mutex_unlock(&h->lock);
	MHD_stop_daemon(h->daemon);
	h->daemon = NULL;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	while (h->working)
		pthread_cond_wait(&h->idle, &h->lock);
	pthread_mutex_unlock(&h->lock);
	pthread_cond_destroy(&h->idle);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
