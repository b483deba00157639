/* SPDX-License-Identifier: Apache-2.0 */
/* What the black-box tests share. */
#include "tests/vring/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 60000

const struct fixture_mode fixture_modes[FIXTURE_MODES] = {
	{ "split", 0 },
	{ "split, indirect", FEATURE_INDIRECT },
	{ "split, event index", FEATURE_EVENT_IDX },
	{ "split, indirect, event index", FEATURE_INDIRECT | FEATURE_EVENT_IDX },
	{ "packed", FEATURE_PACKED },
	{ "packed, indirect", FEATURE_PACKED | FEATURE_INDIRECT },
	{ "packed, event index", FEATURE_PACKED | FEATURE_EVENT_IDX },
	{ "packed, indirect, event index", FEATURE_PACKED | FEATURE_INDIRECT | FEATURE_EVENT_IDX },
};

static struct fixture *group; /* of the group that runs: cmocka gives group set-up no argument of the caller's */

static int group_up(void **state)
{
	struct fixture *f = group;

	(void)state;
	if (daemon_init(&f->daemon, &f->config) < 0)
		return -1;
	return daemon_start(&f->daemon) < 0 ? -1 : 0;
}

static bool is_graftfsd(const struct fixture *f)
{
	return !daemon_is_peer(&f->daemon);
}

static int group_down(void **state)
{
	struct fixture *f = group;
	bool ours = is_graftfsd(f);
	int status = daemon_stop(&f->daemon, STOP_TIMEOUT_MS);

	(void)state;
	int res = daemon_reported(&f->daemon) || (ours && status != 0) ? -1 : 0;

	if (res < 0)
		fprintf(stderr, "the daemon ended with status %d\n", status);
	daemon_fini(&f->daemon);
	return res;
}

int fixture_run(const char *name, const struct CMUnitTest *tests, size_t n, struct fixture *f)
{
	group = f;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0); /* a test that hangs is killed: its log must say where it was */
	if (getenv("GRAFT_TEST_FILTER"))
		cmocka_set_test_filter(getenv("GRAFT_TEST_FILTER"));
	return _cmocka_run_group_tests(name, tests, n, group_up, group_down);
}

int fixture_test_up(void **state)
{
	struct fixture *f = *state;

	if (daemon_alive(&f->daemon))
		return 0;
	daemon_remove_tree(f->daemon.share, false);
	return daemon_start(&f->daemon) < 0 ? -1 : 0;
}

int fixture_test_down(void **state)
{
	struct fixture *f = *state;

	fixture_disconnect(f);
	daemon_remove_tree(f->daemon.share, false);
	if (is_graftfsd(f) && !daemon_alive(&f->daemon)) {
		fprintf(stderr, "the daemon died\n");
		daemon_show_log(&f->daemon);
		return -1;
	}
	return daemon_reported(&f->daemon) ? -1 : 0;
}

void fixture_connect_with(struct fixture *f, const struct frontend_config *config)
{
	struct frontend_config c = *config;

	if (!is_graftfsd(f) && !daemon_alive(&f->daemon))
		assert_int_equal(daemon_start(&f->daemon), 0); /* the peer serves one connection only */
	c.socket = f->daemon.socket;
	assert_int_equal(frontend_open(&f->fe, &c), 0);
}

void fixture_connect(struct fixture *f, uint64_t features)
{
	struct frontend_config c = { .features = features, .protocol = FIXTURE_PROTOCOL };

	fixture_connect_with(f, &c);
}

void fixture_stop_client(struct fixture *f)
{
	if (f->mounted)
		fuse_client_fini(&f->client);
	f->mounted = false;
}

void fixture_disconnect(struct fixture *f)
{
	fixture_stop_client(f);
	if (!f->fe)
		return;
	frontend_close(f->fe);
	f->fe = NULL;
	if (!is_graftfsd(f))
		daemon_wait(&f->daemon, STOP_TIMEOUT_MS); /* the peer ends with its connection */
}

void fixture_start_client(struct fixture *f, unsigned nslots)
{
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, nslots, 0), 0);
	f->mounted = true;
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
}

void fixture_mount(struct fixture *f, uint64_t features)
{
	fixture_connect(f, features);
	fixture_start_client(f, 1);
}

const char *fixture_find_peer(void)
{
	static char path[512];
	const char *cache = getenv("GRAFT_CACHE"), *home = getenv("HOME"), *given = getenv("GRAFT_PEER");

	if (given)
		snprintf(path, sizeof(path), "%s", given);
	else if (cache)
		snprintf(path, sizeof(path), "%s/tools/bin/virtiofsd", cache);
	else
		snprintf(path, sizeof(path), "%s/.cache/graftfs/tools/bin/virtiofsd", home ? home : "/root");
	if (access(path, X_OK) == 0)
		return path;
	print_message("no virtiofsd at %s: its recorded answers serve\n", path);
	return NULL;
}

void fixture_check_alive(struct fixture *f)
{
	struct fuse_attr_out out;

	assert_int_equal(fuse_getattr(&f->client, FUSE_ROOT_ID, &out), 0);
	assert_true(S_ISDIR(out.attr.mode));
}

void fixture_each_mode(struct fixture *f, const struct frontend_config *config,
		       void (*fn)(struct fixture *f, const struct fixture_mode *mode))
{
	for (unsigned i = 0; i < FIXTURE_MODES; i++) {
		const struct fixture_mode *mode = &fixture_modes[i];
		struct frontend_config c = *config;

		c.features |= mode->features;
		c.protocol = c.protocol ? c.protocol : FIXTURE_PROTOCOL;
		fixture_connect_with(f, &c);
		if ((mode->features & ~f->fe->features) == 0) {
			print_message("  %s\n", mode->name);
			fn(f, mode);
		} else {
			print_message("  %s: not offered\n", mode->name);
		}
		fixture_disconnect(f);
	}
}

bool fixture_is_peer(const struct fixture *f)
{
	return !is_graftfsd(f);
}

void fixture_check_survived(struct fixture *f)
{
	fixture_disconnect(f);
	if (is_graftfsd(f)) {
		assert_true(daemon_alive(&f->daemon));
		uint64_t before = daemon_cpu_ns(&f->daemon);
		usleep(200000);
		assert_true(daemon_cpu_ns(&f->daemon) - before < 100000000);
	}
	fixture_mount(f, FIXTURE_FEATURES);
	fixture_check_alive(f);
	fixture_disconnect(f);
}

const char *fixture_path(const struct fixture *f, const char *name)
{
	static char path[4][DAEMON_PATH + 300];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", f->daemon.share, name);
	return p;
}

void fixture_write_file(const struct fixture *f, const char *name, const void *bytes, size_t len)
{
	int fd = open(fixture_path(f, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

bool fixture_file_is(const struct fixture *f, const char *name, const void *bytes, size_t len)
{
	int fd = open(fixture_path(f, name), O_RDONLY | O_CLOEXEC);
	char *got = malloc(len + 1);

	assert_non_null(got);
	ssize_t n = fd < 0 ? -1 : pread(fd, got, len + 1, 0);
	bool same = n >= 0 && (size_t)n == len && memcmp(got, bytes, len) == 0;
	free(got);
	if (fd >= 0)
		close(fd);
	return same;
}

bool fixture_host_allocates(const struct fixture *f, int mode)
{
	const char *path = fixture_path(f, "probe-allocate");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	bool known = fallocate(fd, mode, 0, 4096) == 0;
	close(fd);
	unlink(path);
	return known;
}

uint64_t fixture_open(struct fixture *f, const char *name, uint32_t flags, uint64_t *fh)
{
	struct fuse_entry_out e;

	assert_int_equal(fuse_lookup(&f->client, FUSE_ROOT_ID, name, &e), 0);
	assert_int_equal(fuse_open(&f->client, e.nodeid, flags, fh), 0);
	return e.nodeid;
}

unsigned fixture_count(unsigned check, unsigned full)
{
	const char *s = getenv("GRAFT_FULL");

	return s && *s == '1' ? full : check;
}

unsigned fixture_list(struct fixture *f, uint64_t dir, uint64_t fh, unsigned *with_node)
{
	unsigned count = 0;
	uint64_t off = 0;
	ssize_t n;

	*with_node = 0;
	while ((n = fuse_readdirplus(&f->client, dir, fh, off, 4096)) > 0) {
		const unsigned char *at = fuse_data(&f->client, f->client.slot), *end = at + n;

		while (at < end) {
			struct fuse_direntplus d;

			memcpy(&d, at, FUSE_NAME_OFFSET_DIRENTPLUS);
			at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + d.dirent.namelen);
			off = d.dirent.off;
			*with_node += d.entry_out.nodeid != 0;
			count++;
		}
	}
	assert_int_equal(n, 0);
	return count;
}
