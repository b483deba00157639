/* SPDX-License-Identifier: Apache-2.0 */
/* A client of nydusd in a test: the daemon as its child, raw HTTP over the API's socket. */
#include "tests/nydusd/client.h"

#include "tests/vring/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define READY_MS 60000 /* sanitizers take their time */
#define STEP_MS 5
#define WORDS_MAX 40

static void in_dir(const struct client *c, const char *name, char path[2 * CLIENT_ROOM])
{
	snprintf(path, 2 * CLIENT_ROOM, "%s/%s", c->dir, name);
}

void client_write(const struct client *c, const char *name, const char *text)
{
	char path[2 * CLIENT_ROOM];

	in_dir(c, name, path);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

int client_init(struct client *c, const char *text)
{
	static const char *const folders[] = { "share", "cache", "mnt" };
	const char *tmp = getenv("TMPDIR"), *images = getenv("GRAFT_IMAGES");
	char path[2 * CLIENT_ROOM];

	snprintf(c->dir, sizeof(c->dir), "%s/graftfs-nydusd.XXXXXX", tmp ? tmp : "/tmp");
	c->out = -1;
	if (!images || !mkdtemp(c->dir))
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		in_dir(c, folders[i], path);
		if (mkdir(path, 0755) != 0)
			return -1;
	}
	in_dir(c, "image", path);
	if (symlink(images, path) != 0)
		return -1;
	client_write(c, "share/file", text);
	snprintf(c->cwd, sizeof(c->cwd), "%s", c->dir);
	in_dir(c, "nydusd-api.sock", path);
	snprintf(c->api, sizeof(c->api), "%.500s", path);
	in_dir(c, "vhost-fs.sock", path);
	snprintf(c->socket, sizeof(c->socket), "%.500s", path);
	snprintf(c->config, sizeof(c->config),
		 "{\"device\":{\"id\":\"/42\",\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"%s/image/blobs\"}},\"cache\":{\"type\":"
		 "\"blobcache\",\"config\":{\"work_dir\":\"%s/cache\"}}},\"mode\":\"direct\",\"digest_validate\":false,"
		 "\"iostats_files\":true}",
		 c->dir, c->dir);
	return 0;
}

int client_fini(struct client *c)
{
	static const char *const words[] = { "AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:" };
	char path[2 * CLIENT_ROOM];
	int res = 0;

	if (c->pid > 0)
		client_end(c, SIGKILL, READY_MS);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		res = strstr(c->said, words[i]) ? -1 : res;
	if (res)
		fputs(c->said, stderr);
	in_dir(c, "mnt", path);
	umount2(path, MNT_DETACH);
	if (chdir("/") == 0)
		daemon_remove_tree(c->dir, true);
	return res;
}

void client_move(struct client *c, const char *name)
{
	snprintf(c->cwd, sizeof(c->cwd), "%s/%s", c->dir, name);
	assert_int_equal(mkdir(c->cwd, 0755), 0);
	assert_int_equal(chdir(c->cwd), 0);
	strcpy(c->api, "nydusd-api.sock");
	strcpy(c->socket, "virtiofsd.sock");
}

/* Beside the program under test. */
static void program_path(char path[2 * CLIENT_ROOM])
{
	const char *program = getenv("GRAFTFSD");
	const char *slash = program ? strrchr(program, '/') : NULL;

	assert_non_null(slash);
	snprintf(path, 2 * CLIENT_ROOM, "%.*s/nydusd", (int)(slash - program), program);
}

void client_start(struct client *c, const char *const *words)
{
	const char *argv[WORDS_MAX] = { "nydusd" };
	char program[2 * CLIENT_ROOM];
	int pipes[2];

	program_path(program);
	for (size_t i = 0; words[i]; i++) {
		assert_true(i + 2 < WORDS_MAX);
		argv[i + 1] = words[i];
	}
	if (c->out >= 0)
		close(c->out);
	c->said[0] = '\0';
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	c->pid = fork();
	if (c->pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		if (chdir(c->cwd) == 0)
			execv(program, (char *const *)argv);
		_exit(127);
	}
	assert_true(c->pid > 0);
	close(pipes[1]);
	c->out = pipes[0];
}

static void pause_step(void)
{
	usleep(STEP_MS * 1000);
}

/* Whether it has ended; *status as client_wait gives it. What it said has been read then. */
static bool has_ended(struct client *c, int *status)
{
	int raw;

	if (waitpid(c->pid, &raw, WNOHANG) != c->pid)
		return false;
	c->pid = 0;
	*status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw);
	size_t len = 0;
	ssize_t n;
	while (len + 1 < sizeof(c->said) && (n = read(c->out, c->said + len, sizeof(c->said) - len - 1)) > 0)
		len += (size_t)n;
	c->said[len] = '\0';
	return true;
}

void client_await(struct client *c)
{
	int status;

	for (int ms = 0; access(c->api, F_OK) != 0; ms += STEP_MS) {
		if (has_ended(c, &status))
			fail_msg("it ended with %d: %s", status, c->said);
		if (ms > READY_MS)
			fail_msg("no socket at %s", c->api);
		pause_step();
	}
}

int client_wait(struct client *c, int ms)
{
	int status = 0;

	for (; !has_ended(c, &status); ms -= STEP_MS) {
		if (ms <= 0)
			fail_msg("it does not end");
		pause_step();
	}
	return status;
}

int client_end(struct client *c, int signal, int ms)
{
	assert_int_equal(kill(c->pid, signal), 0);
	return client_wait(c, ms);
}

int client_connect(const struct client *c)
{
	const struct timeval patience = { .tv_sec = 30 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(c->api) < sizeof(addr.sun_path));
	strcpy(addr.sun_path, c->api);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		fail_msg("%s: %s", c->api, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

bool client_hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, 0) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

/* Bytes of the answer's body behind the head; 0 without a length. */
static size_t body_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at ? strtoul(at + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

static void read_answer(int fd, struct answer *a)
{
	static char text[sizeof(a->head) + sizeof(a->body)];
	size_t len = 0, head = 0;
	char *end = NULL;

	memset(a, 0, sizeof(*a));
	while (!end || len < head + body_length(a->head)) {
		assert_true(len + 1 < sizeof(text));
		ssize_t n = recv(fd, text + len, sizeof(text) - len - 1, 0);
		if (n <= 0)
			fail_msg("the answer ends after %zu bytes: %.*s", len, (int)len, text);
		len += (size_t)n;
		text[len] = '\0';
		if (end || !(end = strstr(text, "\r\n\r\n")))
			continue;
		head = (size_t)(end - text) + 4;
		assert_true(head < sizeof(a->head));
		memcpy(a->head, text, head);
	}
	memcpy(a->body, text + head, len - head);
	assert_int_equal(len - head, body_length(a->head));
	assert_int_equal(sscanf(a->head, "HTTP/1.1 %d", &a->status), 1);
}

void client_say(const struct client *c, struct answer *a, const char *fmt, ...)
{
	char text[16384];
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_in_range(len, 1, sizeof(text) - 1);
	int fd = client_connect(c);
	assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
	read_answer(fd, a);
	close(fd);
}

void client_expect(const struct answer *a, int status)
{
	if (a->status != status)
		fail_msg("%d, not %d: %s", a->status, status, a->body);
	if (status == 204)
		assert_int_equal(a->body[0], 0);
	else
		assert_int_equal(a->body[0] == '{' || a->body[0] == '[', 1);
}
