/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the clients of nydusd do, byte for byte as they were recorded: Kata's runtimes in Go and in Rust, nydus-snapshotter, nydusify. The
 * daemon is started with their command lines; a front end looks at what a guest would see, or the host at its mount.
 */
#include "tests/nydusd/client.h"

#include "tests/vring/fuse_client.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define END_MS 5000 /* what Kata waits after SIGTERM before SIGKILL */
#define TEXT "written on the host\n"

static bool can_mount; /* in a mount namespace of its own */

/* A share with a file, the image's folder linked beside it, and the configuration of version 1 as Kata's users write it. */
static int set_up(void **state)
{
	struct client *c = calloc(1, sizeof(*c));

	*state = c;
	return c ? client_init(c, TEXT) : -1;
}

static int tear_down(void **state)
{
	int res = client_fini(*state);

	free(*state);
	return res;
}

/* ---- what a guest sees ---- */

static void guest_open(struct frontend **fe, struct fuse_client *fuse, const char *socket)
{
	struct frontend_config config = { .socket = socket, .protocol = FRONTEND_ALL };

	assert_int_equal(frontend_open(fe, &config), 0);
	assert_int_equal(fuse_client_init(fuse, *fe, 1, 1, 0), 0);
	assert_int_equal(fuse_init(fuse, 0), 0);
}

/* The node of a path, 0 where there is none. */
static uint64_t guest_walk(struct fuse_client *fuse, const char *path)
{
	char copy[512], *rest = copy, *part;
	uint64_t node = FUSE_ROOT_ID;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((part = strsep(&rest, "/"))) {
		struct fuse_entry_out out;
		if (*part && fuse_lookup(fuse, node, part, &out) != 0)
			return 0;
		node = *part ? out.nodeid : node;
	}
	return node;
}

static void guest_reads(struct fuse_client *fuse, const char *path, const char *text)
{
	uint64_t node = guest_walk(fuse, path), fh = 0;
	char data[4096];

	if (!node)
		fail_msg("a guest does not see %s", path);
	int res = fuse_open(fuse, node, O_RDONLY, &fh);
	assert_true(res == 0 || res == -ENOSYS);
	ssize_t n = fuse_read(fuse, node, fh, data, sizeof(data), 0);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(data, text, strlen(text));
}

static void guest_close(struct frontend *fe, struct fuse_client *fuse)
{
	fuse_client_fini(fuse);
	frontend_close(fe);
}

/* ---- Kata, the runtime in Go ---- */

#define GO "User-Agent: Go-http-client/1.1\r\n"
#define GZIP "Accept-Encoding: gzip\r\n"

static void go_mount(struct client *c, const char *at, const char *body, int status)
{
	struct answer a;

	client_say(c, &a,
		   "POST /api/v1/mount?mountpoint=%s HTTP/1.1\r\nHost: unix\r\n" GO "Content-Length: %zu\r\n"
		   "Content-Type: application/json\r\n" GZIP "\r\n%s",
		   at, strlen(body), body);
	client_expect(&a, status);
}

static void go_umount(struct client *c, const char *at, int status)
{
	struct answer a;

	client_say(c, &a, "DELETE /api/v1/mount?mountpoint=%s HTTP/1.1\r\nHost: unix\r\n" GO GZIP "\r\n", at);
	client_expect(&a, status);
}

static void go_ready(struct client *c)
{
	struct answer a;

	client_say(c, &a, "GET /api/v1/daemon HTTP/1.1\r\nHost: unix\r\n" GO GZIP "\r\n");
	client_expect(&a, 200);
	assert_non_null(strstr(a.body, "\"state\":\"RUNNING\""));
}

/* A JSON text as the value of another one's string. */
static void go_rafs_body(const struct client *c, char *to, size_t room)
{
	size_t len = (size_t)snprintf(to, room, "{\"fs_type\":\"rafs\",\"source\":\"%s/image/boot\",\"config\":\"", c->dir);

	for (const char *p = c->config; *p; p++)
		len += (size_t)snprintf(to + len, room - len, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
	snprintf(to + len, room - len, "\"}");
}

static void test_kata_go(void **state)
{
	struct client *c = *state;
	const char *const line[] = { "virtiofs", "--log-level", "info", "--apisock", c->api, "--sock", c->socket, "--thread-pool-size=1",
				     "--announce-submounts", NULL };
	struct frontend *fe;
	struct fuse_client fuse;
	char body[8192];

	client_start(c, line);
	client_await(c);
	assert_int_equal(access(c->socket, F_OK), 0); /* before the API's */
	go_ready(c);
	snprintf(body, sizeof(body), "{\"fs_type\":\"passthrough_fs\",\"source\":\"%s/share\",\"config\":\"\"}", c->dir);
	go_mount(c, "/containers", body, 204);
	go_rafs_body(c, body, sizeof(body));
	go_mount(c, "/rafs/9f86d08/lowerdir", body, 204);
	guest_open(&fe, &fuse, c->socket);
	guest_reads(&fuse, "containers/file", TEXT);
	guest_reads(&fuse, "rafs/9f86d08/lowerdir/" CLIENT_IMAGE_FILE, CLIENT_IMAGE_TEXT);
	/* Another container, while the guest runs; then both go. */
	go_mount(c, "/rafs/second/lowerdir", body, 204);
	guest_reads(&fuse, "rafs/second/lowerdir/" CLIENT_IMAGE_FILE, CLIENT_IMAGE_TEXT);
	go_umount(c, "/rafs/9f86d08/lowerdir", 204);
	assert_int_equal(guest_walk(&fuse, "rafs/9f86d08/lowerdir/" CLIENT_IMAGE_FILE), 0);
	go_umount(c, "/rafs/second/lowerdir", 204);
	go_umount(c, "/rafs/second/lowerdir", 500);
	guest_reads(&fuse, "containers/file", TEXT);
	/* The machine still runs: nydusd would wait for it. */
	assert_int_equal(client_end(c, SIGTERM, END_MS), 0);
	guest_close(fe, &fuse);
	assert_int_equal(access(c->api, F_OK), -1);
	assert_non_null(strstr(c->said, "WARN"));
	assert_non_null(strstr(c->said, "--announce-submounts: it is an option of virtiofsd"));
}

/* The older one, which nobody ever connects to: SIGTERM ends it at once all the same. */
static void test_kata_go_hybrid(void **state)
{
	struct client *c = *state;
	const char *const line[] = { "virtiofs", "--hybrid-mode", "--log-level", "debug", "--apisock", c->api, "--sock", c->socket, NULL };
	char body[8192];

	client_start(c, line);
	client_await(c);
	go_ready(c);
	snprintf(body, sizeof(body), "{\"fs_type\":\"passthrough_fs\",\"source\":\"%s/nowhere\",\"config\":\"\"}", c->dir);
	go_mount(c, "/containers", body, 500);
	assert_int_equal(client_end(c, SIGTERM, END_MS), 0);
	assert_int_equal(access(c->socket, F_OK), -1);
}

/* ---- Kata, the runtime in Rust ---- */

#define JSON "content-type: application/json\r\n"

/* hyperlocal gives the socket's path, in hexadecimal, as the host. */
static void rust_say(struct client *c, struct answer *a, const char *method, const char *target, const char *body)
{
	char host[1024];
	size_t len = 0;

	for (const char *p = c->api; *p && len + 3 < sizeof(host); p++)
		len += (size_t)snprintf(host + len, sizeof(host) - len, "%02x", (unsigned char)*p);
	if (*body)
		client_say(c, a, "%s %s HTTP/1.1\r\n" JSON "host: %s\r\ncontent-length: %zu\r\n\r\n%s", method, target, host,
			   strlen(body), body);
	else
		client_say(c, a, "%s %s HTTP/1.1\r\n" JSON "host: %s\r\n\r\n", method, target, host);
}

/* Rootless: bare names in a folder whose path is too long for a socket. */
static void test_kata_rust(void **state)
{
	struct client *c = *state;
	const char *const line[] = { "virtiofs", "--hybrid-mode", "--log-level", "info", "--apisock", "nydusd-api.sock", "--sock",
				     "virtiofsd.sock", "--thread-pool-size=1", "-o", "announce_submounts", NULL };
	static const char *const strings[] = { "package_ver", "git_commit", "build_time", "profile", "rustc" };
	struct frontend *fe;
	struct fuse_client fuse;
	struct answer a;
	char body[8192];

	client_move(c, "a-folder-with-a-name-that-leaves-no-room-for-a-socket-in-the-hundred-and-seven-bytes-which-there-are-for-its-name");
	client_start(c, line);
	client_await(c);
	rust_say(c, &a, "GET", "/api/v1/daemon", "");
	client_expect(&a, 200);
	assert_non_null(strstr(a.body, "\"state\":\"RUNNING\""));
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		char key[32];
		snprintf(key, sizeof(key), "\"%s\":\"", strings[i]);
		assert_non_null(strstr(a.body, key));
	}
	snprintf(body, sizeof(body), "{\"fs_type\":\"passthrough_fs\",\"source\":\"%s/share\",\"config\":\"\"}", c->dir);
	rust_say(c, &a, "POST", "/api/v1/mount?mountpoint=%2Fcontainers", body);
	client_expect(&a, 204);
	go_rafs_body(c, body, sizeof(body));
	rust_say(c, &a, "POST", "/api/v1/mount?mountpoint=%2Frafs%2Fcid%2Flowerdir", body);
	client_expect(&a, 204);
	guest_open(&fe, &fuse, c->socket);
	guest_reads(&fuse, "containers/file", TEXT);
	guest_reads(&fuse, "rafs/cid/lowerdir/" CLIENT_IMAGE_FILE, CLIENT_IMAGE_TEXT);
	rust_say(c, &a, "DELETE", "/api/v1/mount?mountpoint=%2Frafs%2Fcid%2Flowerdir", "");
	client_expect(&a, 204);
	assert_int_equal(client_end(c, SIGKILL, END_MS), -SIGKILL);
	guest_close(fe, &fuse);
}

/* ---- nydus-snapshotter and nydusify, by the host's own mount ---- */

static void need_mounts(void)
{
	if (can_mount)
		return;
	puts("SKIP: this needs root, /dev/fuse and a mount namespace");
	skip();
}

static void host_reads(const struct client *c, const char *name, const char *text)
{
	char path[1024], data[4096] = "";

	snprintf(path, sizeof(path), "%s/mnt/%s", c->dir, name);
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	size_t n = fread(data, 1, sizeof(data) - 1, f);
	fclose(f);
	assert_int_equal(n, strlen(text));
	assert_string_equal(data, text);
}

static void test_snapshotter_shared(void **state)
{
	struct client *c = *state;
	char mnt[1100], log[1100], body[8192];
	const char *const line[] = { "fuse", "--thread-num", "4", "--mountpoint", mnt, "--apisock", c->api, "--log-level", "info",
				     "--log-rotation-size", "100", "--log-file", log, "--failover-policy", "resend",
				     "--backend-source", "http://localhost/x", NULL };
	struct answer a;

	need_mounts();
	snprintf(mnt, sizeof(mnt), "%s/mnt", c->dir);
	snprintf(log, sizeof(log), "%s/logs/nydusd.log", c->dir);
	client_start(c, line);
	client_await(c);
	int idle = client_connect(c); /* its end is the daemon's death */
	go_ready(c);
	go_rafs_body(c, body, sizeof(body));
	go_mount(c, "%2F42", body, 204);
	host_reads(c, "42/" CLIENT_IMAGE_FILE, CLIENT_IMAGE_TEXT);
	go_mount(c, "%2F42", body, 500);
	client_say(c, &a, "GET /api/v1/metrics?id=%%2F42 HTTP/1.1\r\nHost: unix\r\n" GO GZIP "\r\n");
	client_expect(&a, 200);
	client_say(c, &a, "GET /api/v1/metrics/blobcache?id=%%2F42 HTTP/1.1\r\nHost: unix\r\n" GO GZIP "\r\n");
	client_expect(&a, 200);
	client_say(c, &a,
		   "PUT /api/v1/config?id=%%2F42 HTTP/1.1\r\nHost: unix\r\n" GO "Content-Length: 22\r\n"
		   "Content-Type: application/json\r\n" GZIP "\r\n{\"registry_auth\":\"YQ\"}");
	client_expect(&a, 204);
	assert_false(client_hung_up(idle));
	go_umount(c, "%2F42", 204);
	snprintf(body, sizeof(body), "%s/42/" CLIENT_IMAGE_FILE, mnt);
	assert_int_equal(access(body, F_OK), -1);
	assert_int_equal(client_end(c, SIGTERM, END_MS), 0);
	assert_true(client_hung_up(idle));
	close(idle);
	assert_int_equal(access(c->api, F_OK), -1);
	snprintf(log, sizeof(log), "%s/logs/nydusd_rCURRENT.log", c->dir);
	assert_int_equal(access(log, F_OK), 0);
	assert_string_equal(c->said, "");
}

/* A daemon for one image. Its --version names the commit that the API names. */
static void test_snapshotter_dedicated(void **state)
{
	struct client *c = *state;
	char mnt[1100], config[1100], boot[1100], list[1100], commit[128];
	const char *const version[] = { "--version", NULL };
	const char *const line[] = { "fuse", "--thread-num", "10", "--config", config, "--bootstrap", boot, "--mountpoint", mnt, "--apisock",
				     c->api, "--log-level", "info", "--log-rotation-size", "100", "--prefetch-files", list,
				     "--failover-policy", "flush", NULL };
	struct answer a;

	need_mounts();
	client_start(c, version);
	assert_int_equal(client_wait(c, END_MS), 0);
	const char *found = strstr(c->said, "Git Commit: \t");
	assert_non_null(found);
	assert_int_equal(sscanf(found, "Git Commit: \t%100s", commit), 1);
	snprintf(mnt, sizeof(mnt), "%s/mnt", c->dir);
	snprintf(config, sizeof(config), "%s/config.json", c->dir);
	snprintf(boot, sizeof(boot), "%s/image/boot", c->dir);
	snprintf(list, sizeof(list), "%s/list", c->dir);
	client_write(c, "config.json", c->config);
	client_write(c, "list", "/" CLIENT_IMAGE_FILE "\n\n");
	client_start(c, line);
	client_await(c);
	go_ready(c);
	host_reads(c, CLIENT_IMAGE_FILE, CLIENT_IMAGE_TEXT);
	client_say(c, &a, "GET /api/v1/daemon HTTP/1.1\r\nHost: unix\r\n" GO GZIP "\r\n");
	char *named = strstr(a.body, "\"git_commit\":\"");
	assert_non_null(named);
	assert_memory_equal(named + strlen("\"git_commit\":\""), commit, strlen(commit));
	assert_non_null(strstr(a.body, "\"/\":{\"backend_type\":\"Rafs\""));
	assert_int_equal(client_end(c, SIGTERM, END_MS), 0);
	assert_int_equal(umount(mnt), -1);
}

/* Without /dev/cachefiles it serves its API all the same: blobs are kept, mounts are refused as unsupported. */
static void test_singleton(void **state)
{
	struct client *c = *state;
	const char *const line[] = { "singleton", "--apisock", c->api, "--log-level", "info", NULL };
	struct answer a;

	client_start(c, line);
	client_await(c);
	go_ready(c);
	go_mount(c, "/a", "{\"fs_type\":\"rafs\",\"source\":\"/x\",\"config\":\"{}\"}", 501);
	client_say(c, &a, "GET /api/v2/blobs?domain_id=none HTTP/1.1\r\nHost: unix\r\n" GO GZIP "\r\n");
	client_expect(&a, 200);
	assert_int_equal(client_end(c, SIGTERM, END_MS), 0);
	assert_int_equal(access(c->api, F_OK), -1);
}

/* nydusify ends it by taking the mount away. */
static void test_nydusify(void **state)
{
	struct client *c = *state;
	char mnt[1100], config[1100], boot[1100];
	const char *const line[] = { "--config", config, "--mountpoint", mnt, "--bootstrap", boot, "--apisock", c->api, "--log-level",
				     "warn", NULL };

	need_mounts();
	snprintf(mnt, sizeof(mnt), "%s/mnt", c->dir);
	snprintf(config, sizeof(config), "%s/config.json", c->dir);
	snprintf(boot, sizeof(boot), "%s/image/boot", c->dir);
	client_write(c, "config.json", c->config);
	client_start(c, line);
	client_await(c);
	go_ready(c);
	host_reads(c, CLIENT_IMAGE_FILE, CLIENT_IMAGE_TEXT);
	assert_int_equal(umount(mnt), 0);
	assert_int_equal(client_wait(c, END_MS), 0);
}

/* PUT exit leaves the mount, whose server is gone; a start finds it and takes it away. */
static void test_exit(void **state)
{
	struct client *c = *state;
	char mnt[1100], share[1100], other[1200];
	const char *const line[] = { "--mountpoint", mnt, "--shared-dir", share, "--apisock", c->api, "--log-level", "error", NULL };
	struct answer a;

	need_mounts();
	snprintf(mnt, sizeof(mnt), "%s/mnt", c->dir);
	snprintf(share, sizeof(share), "%s/share", c->dir);
	snprintf(other, sizeof(other), "%s/never-asked-for", mnt);
	for (int i = 0; i < 2; i++) {
		client_start(c, line);
		client_await(c);
		host_reads(c, "file", TEXT);
		client_say(c, &a, "PUT /api/v1/daemon/exit HTTP/1.1\r\nHost: unix\r\n" GO "Content-Length: 0\r\n" GZIP "\r\n");
		client_expect(&a, 204);
		assert_int_equal(client_wait(c, END_MS), 0);
		assert_int_equal(access(c->api, F_OK), -1);
		assert_int_equal(access(other, F_OK), -1);
		assert_int_equal(errno, ENOTCONN); /* what the kernel knows it would still tell */
	}
	assert_int_equal(umount(mnt), 0);
	assert_int_equal(umount(mnt), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kata_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kata_go_hybrid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kata_rust, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_snapshotter_shared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_snapshotter_dedicated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_singleton, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nydusify, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exit, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	can_mount = geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0 && unshare(CLONE_NEWNS) == 0 &&
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
