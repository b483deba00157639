/* SPDX-License-Identifier: Apache-2.0 */
/* Threads at work on one table of nodes, under TSan above all, and a host that changes the tree meanwhile. */
#include "passthrough_fixture.h"

#include "plugins/passthrough/node.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES   48
#define THREADS 4
#define ROUNDS  8000

struct worker {
	struct fixture *f;
	uint64_t ino[FILES];
	unsigned int seed;
	bool hostile;
	const char *complaint; /* NULL: all was well */
};

static unsigned int next(struct worker *w)
{
	w->seed = w->seed * 1103515245u + 12345u;
	return w->seed >> 8;
}

static int look(struct worker *w, unsigned int i, struct fuse_entry_out *out)
{
	struct node_ref root;
	char name[16];
	int res;

	snprintf(name, sizeof(name), "%u", i);
	node_get(w->f->s, GRAFT_ROOT_NODE, &root);
	res = pt_lookup(w->f->s, &root, name, out);
	node_put(w->f->s, &root);
	return res;
}

/* What a guest does: use a node for as long as it holds it, then forget it. */
static void use(struct worker *w, uint64_t id, uint64_t ino)
{
	struct pt_session *s = w->f->s;
	struct node_ref ref;
	struct stat st;
	int res = node_get(s, id, &ref);

	if (res < 0) {
		if (!w->hostile)
			w->complaint = "a node that is held was not found";
		return;
	}
	/* Several times, to have it in use while others look for descriptors to take. */
	for (int i = 0; i < 6; i++) {
		if (fstatat(ref.fd, "", &st, AT_EMPTY_PATH) < 0)
			w->complaint = "the descriptor was taken away";
		else if (!w->hostile && st.st_ino != ino)
			w->complaint = "another inode";
	}
	node_put(s, &ref);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct fuse_entry_out held[8] = {{0}};

	for (int round = 0; round < ROUNDS && !w->complaint; round++) {
		unsigned int slot = next(w) % 8, i = next(w) % FILES;
		struct fuse_entry_out *e = &held[slot];

		if (e->nodeid) {
			use(w, e->nodeid, e->attr.ino);
			pt_forget(w->f->s, e->nodeid, w->hostile ? next(w) % 3 : 1);
			e->nodeid = 0;
		} else if (look(w, i, e) == 0) {
			if (e->attr.ino != w->ino[i])
				w->complaint = "look-up gave another file";
			use(w, e->nodeid, w->ino[i]);
		} else {
			w->complaint = "look-up failed";
		}
		if (w->hostile) {
			use(w, (uint64_t)(next(w) % 64) << 32 | next(w) % 64, 0);
			pt_forget(w->f->s, (uint64_t)(next(w) % 512) << 32 | next(w) % 64, 1 + next(w) % 2);
		}
		if (round % 16 == 0 && pt_handle_fd_take(w->f->s, PT_FD_FILE) == 0)
			pt_handle_fd_give(w->f->s);
	}
	for (size_t i = 0; i < 8; i++) {
		if (held[i].nodeid)
			pt_forget(w->f->s, held[i].nodeid, 1);
	}
	return NULL;
}

static void run(struct fixture *f, bool hostile)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	char name[16];

	/* So few descriptors that nearly every look-up takes one from another node. */
	atomic_store(&f->fake->fd_limit, 24);
	memset(workers, 0, sizeof(workers));
	for (int i = 0; i < FILES; i++) {
		struct stat st;

		snprintf(name, sizeof(name), "%d", i);
		fixture_file(f, name, "x");
		assert_int_equal(stat(fixture_path(f, name), &st), 0);
		for (size_t t = 0; t < THREADS; t++)
			workers[t].ino[i] = st.st_ino;
	}
	assert_int_equal(fixture_start(f), 0);
	if (!f->inst->handles) {
		print_message("no file handles here\n");
		skip();
	}
	for (size_t t = 0; t < THREADS; t++) {
		workers[t].f = f;
		workers[t].seed = (unsigned int)t + 1;
		workers[t].hostile = hostile;
		assert_int_equal(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
	}
	for (size_t t = 0; t < THREADS; t++) {
		pthread_join(threads[t], NULL);
		if (workers[t].complaint)
			fail_msg("%s", workers[t].complaint);
	}
	assert_true(fake_metric(f->fake, "evicted-descriptors") > 0);
}

static void test_hammer(void **state)
{
	struct fixture *f = *state;

	run(f, false);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 0);
}

static void test_hammer_hostile(void **state)
{
	struct fixture *f = *state;
	int fds = fixture_open_fds();

	run(f, true);
	fixture_stop(f);
	assert_int_equal(fixture_open_fds(), fds);
}

struct swapper {
	int dirfd;
	_Atomic bool stop;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop))
		renameat2(s->dirfd, "a", s->dirfd, "b", RENAME_EXCHANGE);
	return NULL;
}

/* A name that is now a directory, now a symlink out of the share: what it leads to is never outside. */
static void test_no_escape(void **state)
{
	struct fixture *f = *state;
	char outside[] = "/tmp/graftfs-outside-XXXXXX", secret[64];
	struct swapper swapper = {.stop = false};
	unsigned int dirs = 0, links = 0;
	struct stat st;
	pthread_t thread;
	int fd;

	assert_non_null(mkdtemp(outside));
	snprintf(secret, sizeof(secret), "%s/file", outside);
	fd = open(secret, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	assert_int_equal(mkdir(fixture_path(f, "a"), 0755), 0);
	fixture_file(f, "a/file", "inside");
	assert_int_equal(symlink(outside, fixture_path(f, "b")), 0);
	assert_int_equal(fixture_start(f), 0);
	swapper.dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
	for (int i = 0; i < 3000; i++) {
		struct fuse_entry_out dir, file;
		int res;

		assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "a", &dir), 0);
		res = fixture_lookup(f, dir.nodeid, "file", &file);
		if (S_ISLNK(dir.attr.mode)) {
			assert_int_equal(res, -ENOTDIR);
			links++;
		} else {
			assert_int_equal(res, 0);
			assert_int_not_equal(file.attr.ino, st.st_ino);
			assert_int_equal(file.attr.size, 6);
			dirs++;
			fixture_forget(f, file.nodeid, 1);
		}
		fixture_forget(f, dir.nodeid, 1);
	}
	atomic_store(&swapper.stop, true);
	pthread_join(thread, NULL);
	close(swapper.dirfd);
	unlink(secret);
	rmdir(outside);
	assert_int_equal(dirs + links, 3000);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
}

struct churner {
	const struct fixture *f;
	_Atomic bool stop;
};

static void *churn(void *arg)
{
	struct churner *c = arg;
	char a[512], b[512];

	snprintf(a, sizeof(a), "%s/one", c->f->dir);
	snprintf(b, sizeof(b), "%s/two", c->f->dir);
	while (!atomic_load(&c->stop)) {
		int fd = open(a, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		close(fd);
		unlink(b);
		rename(a, b);
		unlink(b);
		mkdir(a, 0700);
		rmdir(a);
	}
	return NULL;
}

/* Files come and go and their inode numbers are used again at once: a node is always of the type its look-up said. */
static void test_reused_inodes(void **state)
{
	static const char *const names[] = {"one", "two"};
	struct fixture *f = *state;
	struct churner churner = {.f = f};
	pthread_t thread;
	struct fuse_entry_out kept = {0};
	int found = 0;

	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(pthread_create(&thread, NULL, churn, &churner), 0);
	for (int i = 0; i < 6000; i++) {
		struct fuse_entry_out e;
		struct fuse_attr attr;
		int res = fixture_lookup(f, GRAFT_ROOT_NODE, names[i % 2], &e);

		if (res == 0) {
			found++;
			assert_int_equal(fixture_getattr(f, e.nodeid, &attr), 0);
			assert_int_equal(attr.mode & S_IFMT, e.attr.mode & S_IFMT);
			assert_int_equal(attr.ino, e.attr.ino);
			if (kept.nodeid)
				fixture_forget(f, kept.nodeid, 1);
			kept = e;
		} else {
			assert_int_equal(res, -ENOENT);
		}
	}
	atomic_store(&churner.stop, true);
	pthread_join(thread, NULL);
	if (kept.nodeid)
		fixture_forget(f, kept.nodeid, 1);
	print_message("%d found\n", found);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
}

int main(void)
{
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_hammer),
		FIXTURE_TEST(test_hammer_hostile),
		FIXTURE_TEST(test_no_escape),
		FIXTURE_TEST(test_reused_inodes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
