/* SPDX-License-Identifier: Apache-2.0 */
/* A server for tests of graftctl. */
#include "fake_api.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWERS_MAX 64
#define REQUESTS_MAX 256
#define REQUEST_BYTES_MAX (64 * 1024)

struct answer {
	char *bytes;
	size_t size;
	enum fake_end end;
};

struct fake_api {
	char path[108];
	int listener;
	pthread_t thread;

	pthread_mutex_t lock; /* protects the rest */
	pthread_cond_t came;
	int connection; /* the one being served, or -1 */
	bool stopped;
	struct answer answers[ANSWERS_MAX];
	size_t nanswers;
	char *requests[REQUESTS_MAX];
	size_t nrequests;
};

static void need(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

static bool send_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* Bytes of a whole request at the start of text, 0 while some are missing; *body: of its body. */
static size_t whole_request(const char *text, size_t size, size_t *body)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");
	if (!end)
		return 0;
	*body = length && length < end ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
	size_t head = (size_t)(end - text) + 4;
	return size >= head + *body ? head + *body : 0;
}

/* Keeps the request; returns the answer to give. */
static struct answer take_request(struct fake_api *f, const char *text, size_t whole, size_t body)
{
	struct answer answer = { 0 };
	const char *end = strstr(text, " HTTP/1.1\r\n");
	pthread_mutex_lock(&f->lock);
	need(f->nrequests < REQUESTS_MAX, "too many requests");
	int res = asprintf(&f->requests[f->nrequests], "%.*s%s%.*s", end ? (int)(end - text) : 0, text,
			   body > 0 ? " " : "", (int)body, text + whole - body);
	need(res >= 0, "asprintf");
	if (f->nanswers > 0)
		answer = f->answers[f->nrequests < f->nanswers ? f->nrequests : f->nanswers - 1];
	f->nrequests++;
	pthread_cond_broadcast(&f->came);
	pthread_mutex_unlock(&f->lock);
	return answer;
}

/* false: this connection is over. */
static bool give(int fd, const struct answer *a)
{
	static char flood[64 * 1024];
	char byte;
	memset(flood, '[', sizeof(flood));
	bool good = send_all(fd, a->bytes, a->size);
	while (good && a->end == FAKE_FLOOD)
		good = send_all(fd, flood, sizeof(flood));
	while (good && a->end == FAKE_STALL)
		good = recv(fd, &byte, 1, 0) > 0;
	return good && a->end == FAKE_KEEP;
}

static void serve(struct fake_api *f, int fd, char *text)
{
	size_t size = 0;
	for (;;) {
		size_t body, whole = whole_request(text, size, &body);
		if (whole > 0) {
			struct answer answer = take_request(f, text, whole, body);
			if (!give(fd, &answer))
				return;
			memmove(text, text + whole, size - whole);
			size -= whole;
			text[size] = '\0';
			continue;
		}
		ssize_t n = recv(fd, text + size, REQUEST_BYTES_MAX - size, 0);
		if (n <= 0)
			return;
		size += (size_t)n;
		text[size] = '\0';
	}
}

/* false: it is all over. */
static bool set_connection(struct fake_api *f, int fd)
{
	pthread_mutex_lock(&f->lock);
	f->connection = fd;
	bool go = !f->stopped;
	pthread_mutex_unlock(&f->lock);
	return go;
}

static void *run(void *arg)
{
	struct fake_api *f = arg;
	char *text = malloc(REQUEST_BYTES_MAX + 1);
	need(text, "malloc");
	for (;;) {
		int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			break;
		text[0] = '\0';
		if (set_connection(f, fd))
			serve(f, fd, text);
		set_connection(f, -1);
		close(fd);
	}
	free(text);
	return NULL;
}

struct fake_api *fake_start(const char *path)
{
	struct fake_api *f = calloc(1, sizeof(*f));
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	need(f && strlen(path) < sizeof(address.sun_path), "fake_start");
	strcpy(f->path, path);
	strcpy(address.sun_path, path);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->came, NULL);
	f->connection = -1;
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	need(bind(f->listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(f->listener, 8) == 0, path);
	need(pthread_create(&f->thread, NULL, run, f) == 0, "pthread_create");
	return f;
}

void fake_stop(struct fake_api *f)
{
	pthread_mutex_lock(&f->lock);
	f->stopped = true;
	/* After a test that failed its client may be there still. */
	if (f->connection >= 0)
		shutdown(f->connection, SHUT_RDWR);
	pthread_mutex_unlock(&f->lock);
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listener);
	unlink(f->path);
	for (size_t i = 0; i < f->nanswers; i++)
		free(f->answers[i].bytes);
	for (size_t i = 0; i < f->nrequests; i++)
		free(f->requests[i]);
	pthread_cond_destroy(&f->came);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void fake_raw(struct fake_api *f, const void *bytes, size_t size, enum fake_end end)
{
	pthread_mutex_lock(&f->lock);
	need(f->nanswers < ANSWERS_MAX, "too many answers");
	struct answer *a = &f->answers[f->nanswers++];
	*a = (struct answer){ malloc(size + 1), size, end };
	need(a->bytes, "malloc");
	memcpy(a->bytes, bytes, size);
	pthread_mutex_unlock(&f->lock);
}

void fake_json(struct fake_api *f, int status, const char *json)
{
	char *bytes;
	int size =
		json ? asprintf(&bytes,
				"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
				status, strlen(json), json)
		     : asprintf(&bytes, "HTTP/1.1 %d Said\r\n%s\r\n", status,
				status == 204 ? "" : "Content-Length: 0\r\n");
	need(size >= 0, "asprintf");
	fake_raw(f, bytes, (size_t)size, FAKE_KEEP);
	free(bytes);
}

const char *fake_request(struct fake_api *f, size_t i)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&f->lock);
	int res = 0;
	while (f->nrequests <= i && res == 0)
		res = pthread_cond_timedwait(&f->came, &f->lock, &until);
	const char *request = i < f->nrequests ? f->requests[i] : NULL;
	pthread_mutex_unlock(&f->lock);
	return request;
}

size_t fake_requests(struct fake_api *f)
{
	pthread_mutex_lock(&f->lock);
	size_t n = f->nrequests;
	pthread_mutex_unlock(&f->lock);
	return n;
}
