/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of the /dev/fuse transport: serving, requests that go ASYNC, several readers, notifications. */
#include "fuse_dev_world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

static void read_hello(void)
{
	char text[64] = "";
	int fd = open(world_path("hello"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), sizeof(WORLD_TEXT) - 1);
	assert_string_equal(text, WORLD_TEXT);
	close(fd);
}

static void test_serve(void **state)
{
	struct transport_info info;
	struct statvfs fs;
	char line[512];
	struct stat st;

	(void)state;
	world_start(1);
	assert_int_equal(world_mounts(line), 1);
	assert_non_null(strstr(line, " - fuse.graftfs world rw,user_id=0,group_id=0,default_permissions,allow_other"));
	assert_non_null(strstr(line, " rw,nosuid,nodev,"));
	w.t->ops->describe(w.t, &info);
	assert_string_equal(info.where, w.dir);
	assert_int_equal(info.clients, 1);
	assert_int_equal(info.queues, 1);
	read_hello();
	assert_int_equal(stat(world_path("nothing"), &st), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(statvfs(w.dir, &fs), 0);
	assert_int_equal(fs.f_namemax, 255);
	assert_int_equal(atomic_load(&w.inits), 1);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
	assert_int_equal(atomic_load(&w.ended), 0);
}

/* 1 MiB in one request, both ways. */
static void test_long_transfers(void **state)
{
	uint8_t *bytes = aligned_alloc(4096, WORLD_BIG);

	(void)state;
	assert_non_null(bytes);
	world_start(2);
	int fd = open(world_path("big"), O_RDWR | O_DIRECT | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, WORLD_BIG), WORLD_BIG);
	for (uint32_t i = 0; i < WORLD_BIG; i++)
		assert_int_equal(bytes[i], world_byte(i));
	assert_int_equal(pwrite(fd, bytes, WORLD_BIG, 0), WORLD_BIG);
	close(fd);
	assert_int_equal(atomic_load(&w.reads), WORLD_BIG >> 20);
	assert_int_equal(atomic_load(&w.writes), WORLD_BIG >> 20);
	assert_int_equal(atomic_load(&w.written), WORLD_BIG);
	assert_int_equal(world_stop(), 0);
	free(bytes);
}

/* ---- many at once ---- */

struct slow_read {
	pthread_t thread;
	ssize_t res;
	int code;
	uint8_t bytes[100];
	off_t at;
};

static void *slow_main(void *arg)
{
	struct slow_read *r = arg;
	int fd = open(world_path("slow"), O_RDONLY | O_CLOEXEC);

	r->res = fd < 0 ? fd : pread(fd, r->bytes, sizeof(r->bytes), r->at);
	r->code = errno;
	close(fd);
	return NULL;
}

static void slow_start(struct slow_read *r, off_t at)
{
	*r = (struct slow_read){ .at = at };
	assert_int_equal(pthread_create(&r->thread, NULL, slow_main, r), 0);
}

static void test_async(void **state)
{
	struct slow_read readers[20];

	(void)state;
	world_start(1);
	for (int i = 0; i < 20; i++)
		slow_start(&readers[i], i * 1000);
	world_wait_parked(20);
	/* The one reader goes on meanwhile, with other requests. */
	read_hello();
	assert_true(atomic_load(&w.made) >= 21);
	world_release();
	for (int i = 0; i < 20; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].res, 100);
		for (int k = 0; k < 100; k++)
			assert_int_equal(readers[i].bytes[k], world_byte((uint64_t)(i * 1000 + k)));
	}
	uint32_t made = atomic_load(&w.made);
	/* They are used again. */
	for (int i = 0; i < 20; i++)
		slow_start(&readers[i], i);
	world_wait_parked(20);
	world_release();
	for (int i = 0; i < 20; i++)
		pthread_join(readers[i].thread, NULL);
	assert_int_equal(atomic_load(&w.made), made);
	assert_int_equal(atomic_load(&w.cancels), 0);
	assert_int_equal(world_stop(), 0);
}

static void *release_main(void *arg)
{
	(void)arg;
	while (atomic_load(&w.defer_all)) {
		world_release();
		usleep(100);
	}
	return NULL;
}

struct walker {
	pthread_t thread;
	bool bad;
};

static void *walk_main(void *arg)
{
	struct walker *walker = arg;
	char path[64], text[64];
	struct stat st;

	for (int i = 0; i < 200 && !walker->bad; i++) {
		snprintf(path, sizeof(path), "%s/no-%d", w.dir, i);
		walker->bad |= stat(path, &st) == 0 || errno != ENOENT;
		snprintf(path, sizeof(path), "%s/hello", w.dir);
		int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		walker->bad |= fd < 0 || read(fd, text, sizeof(text)) != sizeof(WORLD_TEXT) - 1;
		close(fd);
	}
	return NULL;
}

/* Requests of several readers, inline and ASYNC, complete on other threads. */
static void test_threads(void **state)
{
	struct walker walkers[4] = { 0 };
	struct transport_info info;
	pthread_t releaser;

	for (int deferred = 0; deferred < 2; deferred++) {
		world_start(4);
		w.t->ops->describe(w.t, &info);
		assert_int_equal(info.queues, 4);
		atomic_store(&w.defer_all, deferred);
		if (deferred)
			assert_int_equal(pthread_create(&releaser, NULL, release_main, NULL), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk_main, &walkers[i]), 0);
		for (int i = 0; i < 4; i++) {
			pthread_join(walkers[i].thread, NULL);
			assert_false(walkers[i].bad);
		}
		atomic_store(&w.defer_all, false);
		if (deferred)
			pthread_join(releaser, NULL);
		world_release();
		assert_true(atomic_load(&w.lookups) >= 800);
		assert_int_equal(world_stop(), 0);
		if (!deferred) {
			world_teardown(state);
			world_setup(state);
		}
	}
}

/* ---- notifications ---- */

static size_t entry_notice(uint8_t *to, uint64_t parent, const char *name)
{
	struct fuse_notify_inval_entry_out entry = { .parent = parent, .namelen = (uint32_t)strlen(name) };
	struct fuse_out_header h = { .error = FUSE_NOTIFY_INVAL_ENTRY };

	h.len = (uint32_t)(sizeof(h) + sizeof(entry) + entry.namelen + 1);
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), &entry, sizeof(entry));
	memcpy(to + sizeof(h) + sizeof(entry), name, entry.namelen + 1);
	return h.len;
}

static size_t inode_notice(uint8_t *to, uint64_t node)
{
	struct fuse_notify_inval_inode_out inode = { .ino = node };
	struct fuse_out_header h = { .len = sizeof(h) + sizeof(inode), .error = FUSE_NOTIFY_INVAL_INODE };

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), &inode, sizeof(inode));
	return h.len;
}

/* The kernel asks again for what it was told to forget: calls stat until counter moves. */
static void stat_until(_Atomic uint32_t *counter)
{
	uint32_t before = atomic_load(counter);
	struct stat st;

	for (int i = 0; i < 1000 && atomic_load(counter) == before; i++) {
		assert_int_equal(stat(world_path("hello"), &st), 0);
		usleep(1000);
	}
	assert_true(atomic_load(counter) > before);
}

static void test_notify(void **state)
{
	uint8_t notice[TRANSPORT_NOTICE_MAX + 1];
	struct stat st;

	(void)state;
	world_start(2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(stat(world_path("hello"), &st), 0);
	assert_int_equal(atomic_load(&w.lookups), 1); /* cached */
	assert_int_equal(w.t->ops->send(w.t, notice, entry_notice(notice, 1, "hello")), 0);
	stat_until(&w.lookups);
	assert_int_equal(w.t->ops->send(w.t, notice, inode_notice(notice, 2)), 0);
	stat_until(&w.getattrs);
	/* What the kernel does not know is no harm. */
	assert_int_equal(w.t->ops->send(w.t, notice, entry_notice(notice, 1, "unknown")), 0);
	assert_int_equal(w.t->ops->send(w.t, notice, inode_notice(notice, 99)), 0);
	assert_int_equal(w.t->ops->send(w.t, notice, 0), -EINVAL);
	assert_int_equal(w.t->ops->send(w.t, notice, sizeof(notice)), -EINVAL);
	assert_int_equal(w.t->ops->send(w.t, notice, entry_notice(notice, 1, "hello")), 0);
	stat_until(&w.lookups);
	assert_int_equal(world_stop(), 0);
}

static void *read_big_main(void *arg)
{
	char byte;
	int fd = open(world_path("big"), O_RDONLY | O_CLOEXEC);

	*(ssize_t *)arg = fd < 0 ? fd : pread(fd, &byte, 1, 0);
	close(fd);
	return NULL;
}

/*
 * The kernel holds an invalidation while a page of the file waits for its READ. Nobody else waits for that, the list
 * fills up, and all goes on when the READ is answered.
 */
static void test_notify_waits(void **state)
{
	uint8_t notice[64];
	pthread_t reader;
	ssize_t res = -1;
	uint32_t sent = 0;

	(void)state;
	world_start(1);
	struct stat st;
	assert_int_equal(stat(world_path("big"), &st), 0);
	int fd = open(world_path("big"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	atomic_store(&w.defer_all, true);
	assert_int_equal(pthread_create(&reader, NULL, read_big_main, &res), 0);
	world_wait_parked(1); /* its OPEN */
	world_release();
	world_wait_parked(1); /* its READ */
	size_t len = inode_notice(notice, 4);
	while (w.t->ops->send(w.t, notice, len) == 0)
		assert_true(++sent < 100000);
	assert_true(sent >= 8192);
	assert_int_equal(w.t->ops->send(w.t, notice, len), -ENOBUFS);
	atomic_store(&w.defer_all, false);
	world_release();
	pthread_join(reader, NULL);
	assert_int_equal(res, 1);
	/* As soon as there is room for one; the next may find it full again. */
	int again = w.t->ops->send(w.t, notice, len);
	for (int i = 0; i < 1000 && again; i++) {
		usleep(10000);
		again = w.t->ops->send(w.t, notice, len);
	}
	assert_int_equal(again, 0);
	close(fd);
	assert_int_equal(world_stop(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_serve, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_long_transfers, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_async, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_threads, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_notify, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_notify_waits, world_setup, world_teardown),
	};

	if (!world_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
