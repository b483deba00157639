/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of the /dev/fuse transport's end: stop, unmount and abort from outside, with requests and open files. */
#include "fuse_dev_world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static int open_file(const char *name)
{
	int fd = open(world_path(name), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A read of "slow" that waits for an answer. */
struct slow_read {
	pthread_t thread;
	int fd;
	ssize_t res;
	int code;
};

static void *slow_main(void *arg)
{
	struct slow_read *r = arg;
	char byte;

	r->res = pread(r->fd, &byte, 1, 0);
	r->code = errno;
	return NULL;
}

static void slow_start(struct slow_read *r)
{
	*r = (struct slow_read){ .fd = open_file("slow") };
	assert_int_equal(pthread_create(&r->thread, NULL, slow_main, r), 0);
	world_wait_parked(1);
}

static void slow_end(struct slow_read *r)
{
	pthread_join(r->thread, NULL);
	close(r->fd);
}

static void *stop_main(void *arg)
{
	*(int *)arg = world_stop();
	return NULL;
}

/* ---- from outside ---- */

static bool abort_connection(void)
{
	char path[64];
	struct stat st;

	assert_int_equal(stat(w.dir, &st), 0);
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", minor(st.st_dev));
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
	return true;
}

/* The transport has ended in order by itself, and nothing is left. */
static void check_ended(void)
{
	struct transport_info info;
	uint8_t notice[16] = { 16 };

	world_wait(&w.ended, 1);
	assert_int_equal(atomic_load(&w.disconnects), 1);
	assert_int_equal(world_mounts(NULL), 0);
	assert_int_equal(w.t->ops->join(w.t), 0);
	w.t->ops->describe(w.t, &info);
	assert_int_equal(info.clients, 0);
	assert_int_equal(w.t->ops->send(w.t, notice, sizeof(notice)), -ENOTCONN);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(atomic_load(&w.ended), 1);
}

static void test_abort(void **state)
{
	struct statvfs fs;

	(void)state;
	world_start(2);
	int fd = open_file("hello");
	if (!abort_connection()) {
		puts("SKIP: no fusectl");
		skip();
	}
	check_ended();
	assert_int_equal(fstatvfs(fd, &fs), -1);
	assert_int_equal(errno, ENOTCONN);
	close(fd);
}

/* What is in flight ends first. */
static void test_abort_in_flight(void **state)
{
	struct slow_read r;

	(void)state;
	world_start(2);
	slow_start(&r);
	atomic_store(&w.deaf_to_cancel, true);
	if (!abort_connection()) {
		puts("SKIP: no fusectl");
		skip();
	}
	world_wait(&w.cancels, 3);
	assert_int_equal(atomic_load(&w.disconnects), 0);
	assert_int_equal(atomic_load(&w.ended), 0);
	world_release();
	check_ended();
	slow_end(&r);
	assert_int_equal(r.res, -1);
}

static void test_umount(void **state)
{
	struct stat st;

	(void)state;
	world_start(2);
	assert_int_equal(stat(world_path("hello"), &st), 0);
	assert_int_equal(umount2(w.dir, 0), 0);
	check_ended();
}

/* A mount detached from outside goes on for who has a file open. */
static void test_lazy_umount(void **state)
{
	char text[sizeof(WORLD_TEXT)] = "";

	(void)state;
	world_start(2);
	int fd = open_file("hello");
	assert_int_equal(umount2(w.dir, MNT_DETACH), 0);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), sizeof(WORLD_TEXT) - 1);
	assert_string_equal(text, WORLD_TEXT);
	assert_int_equal(atomic_load(&w.ended), 0);
	close(fd);
	check_ended();
}

/* stop of a mount that was detached from outside. */
static void test_stop_detached(void **state)
{
	(void)state;
	world_start(2);
	int fd = open_file("hello");
	assert_int_equal(umount2(w.dir, MNT_DETACH), 0);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(atomic_load(&w.ended), 0);
	close(fd);
}

/* ---- stop ---- */

static void test_stop_open_file(void **state)
{
	struct statvfs fs;

	(void)state;
	world_start(4);
	int fd = open_file("hello");
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
	assert_int_equal(fstatvfs(fd, &fs), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(atomic_load(&w.ended), 0);
	close(fd);
}

static void test_stop_in_flight(void **state)
{
	struct slow_read r;

	(void)state;
	world_start(1);
	slow_start(&r);
	assert_int_equal(world_stop(), 0);
	assert_true(atomic_load(&w.cancels) >= 1);
	slow_end(&r);
	assert_int_equal(r.res, -1);
	assert_int_equal(r.code, EINTR);
}

/* What cannot be cancelled is waited for, and answered. */
static void test_stop_waits(void **state)
{
	struct slow_read r;
	pthread_t stopper;
	int res = -1;

	(void)state;
	world_start(2);
	slow_start(&r);
	atomic_store(&w.deaf_to_cancel, true);
	assert_int_equal(pthread_create(&stopper, NULL, stop_main, &res), 0);
	world_wait(&w.cancels, 3);
	assert_int_equal(atomic_load(&w.disconnects), 0);
	world_release();
	pthread_join(stopper, NULL);
	assert_int_equal(res, 0);
	slow_end(&r);
	assert_int_equal(r.res, 1);
}

/* Changes that only the kernel knows of are written before the end. */
static void test_stop_writes_back(void **state)
{
	(void)state;
	world_start(2);
	int fd = open_file("big");
	uint8_t *map = mmap(NULL, WORLD_BIG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	for (uint32_t i = 0; i < 1u << 20; i++)
		map[i] = world_byte(i);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(atomic_load(&w.written), 1u << 20);
	munmap(map, WORLD_BIG);
	close(fd);
}

/* A server that answers nothing, not even INIT. */
static void test_stop_unanswered(void **state)
{
	(void)state;
	atomic_store(&w.defer_all, true);
	world_start(2);
	world_wait_parked(1);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
}

/* A notification that the kernel holds because a READ waits: the connection is aborted in the end. */
static void test_stop_held_notice(void **state)
{
	struct fuse_notify_inval_inode_out inode = { .ino = 4 };
	struct fuse_out_header h = { .len = sizeof(h) + sizeof(inode), .error = FUSE_NOTIFY_INVAL_INODE };
	uint8_t notice[sizeof(h) + sizeof(inode)];
	struct slow_read r = { 0 };

	(void)state;
	world_start(1);
	r.fd = open_file("big");
	atomic_store(&w.defer_all, true);
	assert_int_equal(pthread_create(&r.thread, NULL, slow_main, &r), 0);
	world_wait_parked(1);
	memcpy(notice, &h, sizeof(h));
	memcpy(notice + sizeof(h), &inode, sizeof(inode));
	for (int i = 0; i < 10; i++)
		assert_int_equal(w.t->ops->send(w.t, notice, sizeof(notice)), 0);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
	slow_end(&r);
	assert_int_equal(r.res, -1);
}

/* ---- data put into the kernel's cache ---- */

struct store {
	pthread_t thread;
	int res;
};

/* Into the first page of "big". */
static int store_page(uint64_t node, uint8_t byte, uint32_t said)
{
	static uint8_t page[4096];
	struct fuse_notify_store_out out = { .nodeid = node, .size = said };
	struct fuse_out_header h = { .len = sizeof(h) + sizeof(out) + sizeof(page), .error = FUSE_NOTIFY_STORE };
	struct iovec iov[] = { { &h, sizeof(h) }, { &out, sizeof(out) }, { page, 100 }, { page + 100, sizeof(page) - 100 } };

	memset(page, byte, sizeof(page));
	return w.t->ops->store(w.t, iov, 4);
}

static void *store_main(void *arg)
{
	((struct store *)arg)->res = store_page(4, 'x', 4096);
	return NULL;
}

static void test_store(void **state)
{
	char bytes[5000];

	(void)state;
	world_start(2);
	int fd = open_file("big");
	assert_int_equal(store_page(4, 's', 4096), 0);
	assert_int_equal(pread(fd, bytes, 4096, 0), 4096);
	assert_int_equal(atomic_load(&w.reads), 0);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(bytes[i], 's');
	assert_int_equal(store_page(99, 's', 4096), -ENOENT);
	assert_int_equal(store_page(4, 's', 4095), -EINVAL);
	close(fd);
	w.t->ops->stop(w.t);
	assert_int_equal(store_page(4, 's', 4096), -ENOTCONN);
	assert_int_equal(w.t->ops->join(w.t), 0);
	assert_int_equal(store_page(4, 's', 4096), -ENOTCONN);
	assert_int_equal(world_stop(), 0);
}

/* A READ and then a store of the same page; the store waits inside the kernel. */
static void hold_store(struct slow_read *r, struct store *s)
{
	r->fd = open_file("big");
	atomic_store(&w.defer_all, true);
	assert_int_equal(pthread_create(&r->thread, NULL, slow_main, r), 0);
	world_wait_parked(1);
	assert_int_equal(pthread_create(&s->thread, NULL, store_main, s), 0);
	usleep(50000);
}

static void test_store_waits(void **state)
{
	struct slow_read r = { 0 };
	struct store s = { .res = -1 };

	(void)state;
	world_start(2);
	hold_store(&r, &s);
	atomic_store(&w.defer_all, false);
	world_release();
	pthread_join(s.thread, NULL);
	assert_int_equal(s.res, 0);
	slow_end(&r);
	assert_int_equal(r.res, 1);
	assert_int_equal(world_stop(), 0);
}

/* The end, by stop or from outside, while the kernel holds one. */
static void end_held_store(bool outside)
{
	struct slow_read r = { 0 };
	struct store s = { .res = -1 };

	world_start(1);
	hold_store(&r, &s);
	if (outside && !abort_connection()) {
		puts("SKIP: no fusectl");
		outside = false;
	}
	if (!outside)
		w.t->ops->stop(w.t);
	assert_int_equal(w.t->ops->join(w.t), 0);
	pthread_join(s.thread, NULL);
	assert_int_equal(store_page(4, 's', 4096), -ENOTCONN);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
	slow_end(&r);
	/* The store may have had the page first. */
	assert_true(r.res == -1 || r.res == 1);
}

static void test_stop_held_store(void **state)
{
	(void)state;
	end_held_store(false);
}

static void test_abort_held_store(void **state)
{
	(void)state;
	end_held_store(true);
}

/* ---- start ---- */

static bool no_thread;

int __real_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);
int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg)
{
	return no_thread ? -EAGAIN : __real_thread_start(t, name, fn, arg);
}

/* Not even the notifying one: the transport is as it was. */
static void test_no_thread(void **state)
{
	struct fuse_dev_config config = world_config();
	struct graft_error err = { 0 };
	static const struct transport_client none = { .request_size = 8 };

	(void)state;
	struct transport *t = fuse_dev_new(&config, &none, NULL, &err);
	assert_non_null(t);
	no_thread = true;
	assert_int_equal(t->ops->start(t, &err), -EAGAIN);
	no_thread = false;
	assert_int_equal(world_mounts(NULL), 0);
	assert_int_equal(t->ops->store(t, NULL, 0), -ENOTCONN);
	t->ops->free(t);
}

static void test_free_only(void **state)
{
	struct fuse_dev_config config = world_config();
	struct graft_error err = { 0 };
	static const struct transport_client none = { .request_size = 8 };

	(void)state;
	/* Never started. */
	struct transport *t = fuse_dev_new(&config, &none, NULL, &err);
	assert_non_null(t);
	assert_int_equal(t->ops->send(t, "x", 1), -ENOTCONN);
	t->ops->stop(t);
	assert_int_equal(t->ops->join(t), 0);
	t->ops->free(t);
	/* free alone stops, too. */
	world_start(2);
	w.t->ops->free(w.t);
	w.t = NULL;
	assert_int_equal(atomic_load(&w.disconnects), 1);
	assert_int_equal(world_mounts(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_abort, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_abort_in_flight, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_umount, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_lazy_umount, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_detached, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_open_file, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_in_flight, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_waits, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_writes_back, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_unanswered, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_held_notice, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_store, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_store_waits, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_stop_held_store, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_abort_held_store, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_no_thread, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_free_only, world_setup, world_teardown),
	};

	if (!world_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
