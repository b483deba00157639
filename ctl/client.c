/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP client of one Unix socket, by libcurl. */
#include "ctl/client.h"

#include "lib/cleanup.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define CONNECT_SECONDS 10

struct client {
	CURL *curl;
	struct curl_slist *headers;
	const char *socket;
	const volatile sig_atomic_t *stop; /* or NULL */
	char reason[CURL_ERROR_SIZE];
};

/* A body while it comes. */
struct incoming {
	struct client_answer *answer;
	size_t room;
	int error; /* -errno */
};

static size_t take_body(const char *data, size_t one, size_t n, void *arg)
{
	struct incoming *in = arg;
	struct client_answer *a = in->answer;
	size_t size = one * n;
	if (size > CLIENT_ANSWER_MAX - a->size) {
		in->error = -EFBIG;
		return 0;
	}
	if (a->size + size + 1 > in->room) {
		size_t room = (a->size + size + 1) * 2;
		char *body = realloc(a->body, room);
		if (!body) {
			in->error = -ENOMEM;
			return 0;
		}
		a->body = body;
		in->room = room;
	}
	memcpy(a->body + a->size, data, size);
	a->size += size;
	a->body[a->size] = '\0';
	return size;
}

static int look_for_stop(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	const struct client *c = arg;
	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	return c->stop && *c->stop;
}

/* What is the same for each request. */
static bool set_up(struct client *c)
{
	static const char *const lines[] = { "Content-Type: application/json", "Accept: application/json", "Expect:" };
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct curl_slist *longer = curl_slist_append(c->headers, lines[i]);
		if (!longer)
			return false;
		c->headers = longer;
	}
	/* The environment may name a proxy, which must not hear of this. */
	return curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "graftctl/" GRAFT_VERSION) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)CLIENT_SECONDS_MAX) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->reason) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, look_for_stop) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c) == CURLE_OK &&
	       curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

struct client *client_new(const char *socket, struct graft_error *err)
{
	if (strlen(socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		error_set(err, ENAMETOOLONG, "socket '%.120s...': a path of a socket has at most 107 bytes", socket);
		return NULL;
	}
	struct client *c = calloc(1, sizeof(*c));
	if (c) {
		c->socket = socket;
		c->curl = curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK ? curl_easy_init() : NULL;
	}
	if (!c || !c->curl || !set_up(c)) {
		error_set(err, ENOMEM, "cannot prepare an HTTP client: out of memory");
		client_free(c);
		return NULL;
	}
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	curl_global_cleanup();
	free(c);
}

void client_stop_at(struct client *c, const volatile sig_atomic_t *stop)
{
	c->stop = stop;
}

/* The caller frees it; NULL when out of memory. */
static char *make_url(struct client *c, const struct client_request *request)
{
	char *url = NULL;
	size_t size;
	FILE *to = open_memstream(&url, &size);
	if (!to)
		return NULL;
	/* The name of the host is only there for the form. */
	fprintf(to, "http://localhost%s", request->path);
	bool bad = false;
	char before = '?';
	for (size_t i = 0; i < CLIENT_PARAMS_MAX; i++) {
		const struct client_param *p = &request->params[i];
		if (!p->name || !p->value)
			continue;
		/* Length 0 would mean strlen to curl, which is right here too. */
		char *escaped = curl_easy_escape(c->curl, p->value, 0);
		bad |= !escaped;
		fprintf(to, "%c%s=%s", before, p->name, escaped ? escaped : "");
		curl_free(escaped);
		before = '&';
	}
	bad |= ferror(to) != 0;
	if (fclose(to) != 0 || bad) {
		free(url);
		return NULL;
	}
	return url;
}

static int failed(const struct client *c, CURLcode code, const struct incoming *in, struct graft_error *err)
{
	long os = 0;
	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os);
	if (in->error == -EFBIG)
		return error_set(err, EFBIG, "the answer of %s is longer than %zu MiB", c->socket,
				 CLIENT_ANSWER_MAX >> 20);
	if (in->error == -ENOMEM || code == CURLE_OUT_OF_MEMORY)
		return error_set(err, ENOMEM, "out of memory");
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return error_set(err, EINTR, "interrupted");
	if (code == CURLE_COULDNT_CONNECT && os != 0)
		return error_set(err, ECONNREFUSED, "cannot reach graftfsd at %s: %s", c->socket, strerror((int)os));
	if (code == CURLE_COULDNT_CONNECT)
		return error_set(err, ECONNREFUSED, "cannot reach graftfsd at %s", c->socket);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return error_set(err, ETIMEDOUT, "no answer from %s: %s", c->socket, c->reason);
	return error_set(err, EPROTO, "no proper answer from %s: %s", c->socket,
			 c->reason[0] ? c->reason : curl_easy_strerror(code));
}

int client_call(struct client *c, const struct client_request *request, struct client_answer *answer,
		struct graft_error *err)
{
	auto_free char *url = make_url(c, request);
	if (!url)
		return error_set(err, ENOMEM, "out of memory");
	struct incoming in = { .answer = answer };
	const char *body = request->body ? request->body : "";

	c->reason[0] = '\0';
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &in);
	CURLcode code = curl_easy_setopt(c->curl, CURLOPT_URL, url);
	/* GET must not become a POST, as it does when a body is set. */
	if (code == CURLE_OK)
		code = curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
	if (code == CURLE_OK && strcmp(request->method, "GET") != 0) {
		code = curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, request->method);
	if (code == CURLE_OK)
		code = curl_easy_perform(c->curl);
	if (code != CURLE_OK)
		return failed(c, code, &in, err);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	return 0;
}
