/* SPDX-License-Identifier: Apache-2.0 */
/* Locks that wait, and descriptors that run out. */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROOT FUSE_ROOT_ID
#define NOFILE 200
#define FILES 400
#define SPARE 20

static struct fixture locks = {.config = {.queues = 1, .mount_keys = "locks = true"}};
static struct fixture limits = {.config = {.queues = 1, .rlimit_nofile = NOFILE}};

/* A file opened by two owners. */
struct lock_bench {
	struct fuse_client high; /* on the hiprio queue */
	uint64_t node, fh;
};

static void lock_up(struct fixture *f, struct lock_bench *b)
{
	struct fuse_entry_out e;

	fixture_connect(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 2, 4096), 0);
	f->mounted = true;
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), 0);
	assert_int_equal(fuse_client_init(&b->high, f->fe, FRONTEND_HIPRIO, 1, 4096), 0);
	assert_int_equal(fuse_create(&f->client, ROOT, "file", O_RDWR, 0644, &e, &b->fh), 0);
	b->node = e.nodeid;
}

static struct fuse_lk_in lock_of(const struct lock_bench *b, uint64_t owner, uint32_t type)
{
	return (struct fuse_lk_in){.fh = b->fh,
				   .owner = owner,
				   .lk = {.start = 10, .end = 19, .type = type, .pid = (uint32_t)owner}};
}

static int set_lock(struct fixture *f, const struct lock_bench *b, uint64_t owner, uint32_t type)
{
	struct fuse_lk_in in = lock_of(b, owner, type);

	return fuse_lock(&f->client, FUSE_SETLK, b->node, &in, NULL);
}

/* Starts a SETLKW in slot 1, which has to wait. */
static struct fuse_slot *wait_lock(struct fixture *f, const struct lock_bench *b, uint64_t owner)
{
	struct fuse_lk_in in = lock_of(b, owner, F_WRLCK);
	struct fuse_op op = {
		.opcode = FUSE_SETLKW, .node = b->node, .arg = {{.bytes = &in, .len = sizeof(in)}}, .nargs = 1};
	struct fuse_slot *s = &f->client.slot[1];

	assert_int_equal(fuse_submit(&f->client, s, &op), 0);
	ring_kick(f->client.ring);
	for (unsigned i = 0; i < 5; i++)
		fixture_check_alive(f); /* the queue goes on meanwhile */
	assert_true(s->busy);
	return s;
}

static void finish(struct fixture *f, const struct fuse_slot *s)
{
	while (s->busy) {
		assert_int_equal(ring_wait(f->client.ring, 30000), 0);
		fuse_reap(&f->client);
	}
}

static void test_locks(void **state)
{
	struct fixture *f = *state;
	struct lock_bench b;
	struct fuse_lk_out out;

	if (fixture_is_peer(f))
		skip();
	lock_up(f, &b);
	assert_int_equal(set_lock(f, &b, 1, F_WRLCK), 0);
	assert_int_equal(set_lock(f, &b, 2, F_WRLCK), -EAGAIN);
	assert_int_equal(set_lock(f, &b, 2, F_RDLCK), -EAGAIN);
	struct fuse_lk_in in = lock_of(&b, 2, F_RDLCK);
	assert_int_equal(fuse_lock(&f->client, FUSE_GETLK, b.node, &in, &out), 0);
	assert_int_equal(out.lk.type, F_WRLCK);
	assert_int_equal(out.lk.start, 10);
	assert_int_equal(out.lk.end, 19);
	assert_int_equal(set_lock(f, &b, 1, F_UNLCK), 0);
	assert_int_equal(set_lock(f, &b, 1, F_RDLCK), 0);
	assert_int_equal(set_lock(f, &b, 2, F_RDLCK), 0);
	assert_int_equal(fuse_lock(&f->client, FUSE_GETLK, b.node, &in, &out), 0);
	assert_int_equal(out.lk.type, F_UNLCK);
	fuse_client_fini(&b.high);
}

static void test_wait(void **state)
{
	struct fixture *f = *state;
	struct lock_bench b;

	if (fixture_is_peer(f))
		skip();
	lock_up(f, &b);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(set_lock(f, &b, 1, F_WRLCK), 0);
		struct fuse_slot *s = wait_lock(f, &b, 2);
		assert_int_equal(set_lock(f, &b, 1, F_UNLCK), 0);
		finish(f, s);
		assert_int_equal(s->error, 0);
		assert_int_equal(set_lock(f, &b, 2, F_UNLCK), 0);
	}
	fuse_client_fini(&b.high);
}

static void test_interrupt(void **state)
{
	struct fixture *f = *state;
	struct lock_bench b;

	if (fixture_is_peer(f))
		skip();
	lock_up(f, &b);
	assert_int_equal(set_lock(f, &b, 1, F_WRLCK), 0);
	for (unsigned i = 0; i < 20; i++) {
		struct fuse_slot *s = wait_lock(f, &b, 2);
		assert_int_equal(fuse_interrupt(&b.high, s->unique), 0);
		finish(f, s);
		assert_int_equal(s->error, -EINTR);
	}
	assert_int_equal(set_lock(f, &b, 1, F_UNLCK), 0);
	assert_int_equal(set_lock(f, &b, 2, F_WRLCK), 0);
	fuse_client_fini(&b.high);
}

/* GET_VRING_BASE does not wait for a lock that nobody gives back; the request has ended when it answers. */
static void test_stop_waiting(void **state)
{
	struct fixture *f = *state;
	struct lock_bench b;
	uint32_t base;

	if (fixture_is_peer(f))
		skip();
	lock_up(f, &b);
	assert_int_equal(set_lock(f, &b, 1, F_WRLCK), 0);
	struct fuse_slot *s = wait_lock(f, &b, 2);
	assert_int_equal(frontend_stop_ring(f->fe, 1, &base), 0);
	assert_non_null(fuse_reap(&f->client));
	assert_false(s->busy);
	assert_true(s->error < 0);
	assert_int_equal(base, ring_base(f->client.ring));
	assert_int_equal(frontend_start_ring(f->fe, 1), 0);
	fixture_check_alive(f);
	fuse_client_fini(&b.high);
}

/* A front end that leaves with a lock waiting takes all its locks along. */
static void test_leave_waiting(void **state)
{
	struct fixture *f = *state;
	struct lock_bench b;

	if (fixture_is_peer(f))
		skip();
	for (unsigned i = 0; i < 5; i++) {
		lock_up(f, &b);
		assert_int_equal(set_lock(f, &b, 1, F_WRLCK), 0);
		wait_lock(f, &b, 2);
		fuse_client_fini(&b.high);
		fixture_disconnect(f);
	}
	fixture_check_survived(f);
}

static void make_files(struct fixture *f)
{
	char name[32];

	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		fixture_write_file(f, name, name, strlen(name));
	}
}

/* What must go on while no descriptor is left for open files. */
static void check_others(struct fixture *f, uint64_t node, uint64_t fh)
{
	struct fuse_entry_out e;
	struct fuse_attr_out attr;
	char name[32], got[32];

	assert_int_equal(fuse_getattr(&f->client, node, &attr), 0);
	assert_int_equal(fuse_read(&f->client, node, fh, got, sizeof(got), 0), 6);
	assert_int_equal(fuse_write(&f->client, node, fh, "FILE", 4, 0), 4);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(fuse_lookup(&f->client, ROOT, name, &e), 0);
		assert_int_equal(e.attr.size, strlen(name));
	}
	assert_int_equal(fuse_lookup(&f->client, ROOT, "absent", &e), -ENOENT);
	assert_int_equal(fuse_mkdir(&f->client, ROOT, "dir", 0755, &e), 0);
	assert_int_equal(fuse_rmdir(&f->client, ROOT, "dir"), 0);
}

/* The edge may have moved by what nodes held; a CREATE that is refused has made nothing. */
static void create_until_refused(struct fixture *f)
{
	struct fuse_entry_out e;
	uint64_t fh[SPARE];
	char name[32];
	int res = 0;

	for (unsigned i = 0; i < SPARE && res == 0; i++) {
		snprintf(name, sizeof(name), "new-%u", i);
		res = fuse_create(&f->client, ROOT, name, O_RDWR, 0644, &e, &fh[i]);
	}
	assert_true(res == -ENFILE || res == -EMFILE);
	assert_int_equal(access(fixture_path(f, name), F_OK), -1);
}

static void test_descriptors(void **state)
{
	struct fixture *f = *state;
	uint64_t nodes[FILES], fhs[FILES], dir_fh;
	unsigned with_node;
	struct fuse_entry_out e;
	unsigned opened;
	char name[32];
	int res = 0;

	if (fixture_is_peer(f))
		skip();
	make_files(f);
	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_opendir(&f->client, ROOT, &dir_fh), 0);
	for (opened = 0; opened < FILES; opened++) {
		snprintf(name, sizeof(name), "file-%u", opened);
		assert_int_equal(fuse_lookup(&f->client, ROOT, name, &e), 0);
		nodes[opened] = e.nodeid;
		res = fuse_open(&f->client, e.nodeid, O_RDWR, &fhs[opened]);
		if (res < 0)
			break;
	}
	if (res != -ENFILE && res != -EMFILE)
		fail_msg("open number %u: %d", opened, res);
	assert_true(opened > 10 && opened < NOFILE);
	assert_true(daemon_fds(&f->daemon) < NOFILE + 3);
	check_others(f, nodes[0], fhs[0]);
	assert_int_equal(fixture_list(f, ROOT, dir_fh, &with_node), FILES + 2);
	create_until_refused(f);
	/* Two go, one comes: its node may need the other for a moment. */
	assert_int_equal(fuse_release(&f->client, nodes[1], fhs[1]), 0);
	assert_int_equal(fuse_release(&f->client, nodes[0], fhs[0]), 0);
	assert_int_equal(fuse_open(&f->client, nodes[0], O_RDWR, &fhs[0]), 0);
	fhs[1] = fhs[--opened];
	nodes[1] = nodes[opened];
	for (unsigned i = 0; i < opened; i++)
		assert_int_equal(fuse_release(&f->client, nodes[i], fhs[i]), 0);
	for (unsigned i = 0; i < opened; i++)
		assert_int_equal(fuse_open(&f->client, nodes[i], O_RDWR, &fhs[i]), 0);
	fixture_disconnect(f);
	fixture_check_survived(f);
}

int main(void)
{
	const struct CMUnitTest lock_tests[] = {
		FIXTURE_TEST(test_locks, &locks),	 FIXTURE_TEST(test_wait, &locks),
		FIXTURE_TEST(test_interrupt, &locks),	 FIXTURE_TEST(test_stop_waiting, &locks),
		FIXTURE_TEST(test_leave_waiting, &locks),
	};
	const struct CMUnitTest limit_tests[] = {FIXTURE_TEST(test_descriptors, &limits)};
	int failed = fixture_run("vring/locks", lock_tests, sizeof(lock_tests) / sizeof(lock_tests[0]), &locks);

	failed += fixture_run("vring/limits", limit_tests, 1, &limits);
	return failed;
}
