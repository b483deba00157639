/* SPDX-License-Identifier: Apache-2.0 */
/* The control API from the outside. */
#include "tests/mounts/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX 8192
#define TIMEOUT_SECONDS 120
#define PATH_MAX_ENCODED (3 * 4096 + 64)

int api_open(struct api *a, const char *socket_path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};

	*a = (struct api){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	a->body = malloc(API_ANSWER_MAX + 1);
	if (a->fd < 0 || !a->body)
		return -ENOMEM;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return connect(a->fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

void api_close(struct api *a)
{
	if (a->fd >= 0)
		close(a->fd);
	free(a->body);
	*a = (struct api){.fd = -1};
}

static int send_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The head of an answer up to its empty line; what came behind it is put into the body. */
static int read_head(struct api *a, char head[HEAD_MAX + 1])
{
	size_t have = 0;
	char *end = NULL;

	while (!end) {
		ssize_t n = have < HEAD_MAX ? recv(a->fd, head + have, HEAD_MAX - have, 0) : 0;

		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		have += (size_t)n;
		head[have] = 0;
		end = strstr(head, "\r\n\r\n");
	}
	*end = 0;
	a->len = have - (size_t)(end + 4 - head);
	memcpy(a->body, end + 4, a->len);
	return 0;
}

static size_t body_length(const char *head)
{
	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
		if (!strncasecmp(line + 2, "Content-Length:", 15))
			return strtoul(line + 17, NULL, 10);
	}
	return 0;
}

static int read_answer(struct api *a)
{
	char head[HEAD_MAX + 1];
	int status;
	int res = read_head(a, head);

	if (res)
		return res;
	if (sscanf(head, "HTTP/1.%*d %d", &status) != 1)
		return -EPROTO;
	size_t len = body_length(head);
	if (len > API_ANSWER_MAX || a->len > len)
		return -EMSGSIZE;
	while (a->len < len) {
		ssize_t n = recv(a->fd, a->body + a->len, len - a->len, 0);

		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		a->len += (size_t)n;
	}
	a->body[a->len] = 0;
	return status;
}

int api_call(struct api *a, const char *method, const char *target, const char *body)
{
	char head[PATH_MAX_ENCODED + 512];
	int len = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, target);

	if (body)
		len += snprintf(head + len, sizeof(head) - (size_t)len,
				"Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
	len += snprintf(head + len, sizeof(head) - (size_t)len, "\r\n");
	int res = send_all(a->fd, head, (size_t)len);
	if (!res && body)
		res = send_all(a->fd, body, strlen(body));
	return res ? res : read_answer(a);
}

static int mount_call(struct api *a, const char *method, const char *at, const char *source)
{
	char target[PATH_MAX_ENCODED], body[4096];

	snprintf(target, sizeof(target), "/api/v1/mount?mountpoint=%s", at);
	snprintf(body, sizeof(body), "{\"fs_type\":\"passthrough_fs\",\"source\":\"%s\",\"config\":\"\"}", source);
	return api_call(a, method, target, source[0] ? body : NULL);
}

int api_mount(struct api *a, const char *at, const char *source)
{
	return mount_call(a, "POST", at, source);
}

int api_remount(struct api *a, const char *at, const char *source)
{
	char target[PATH_MAX_ENCODED], body[4096];

	snprintf(target, sizeof(target), "/api/graft/v1/mounts?at=%s", at);
	snprintf(body, sizeof(body), "{\"type\":\"passthrough\",\"config\":{\"source\":\"%s\"}}", source);
	int res = api_call(a, "PUT", target, body);
	return res == 200 ? 204 : res;
}

int api_umount(struct api *a, const char *at)
{
	return mount_call(a, "DELETE", at, "");
}
