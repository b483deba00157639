/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is allocated for a GETATTR, a LOOKUP of a known name, a READ or a WRITE, from the client's bytes to the reply's. */
#include "server_rig.h"

#include "server/config_internal.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS 100

extern const struct graft_plugin graft_plugin_v1; /* passthrough's */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);

static _Atomic unsigned int allocations;

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	allocations++;
	return __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	allocations++;
	return __real_aligned_alloc(align, size);
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	allocations++;
	return __real_mmap(at, len, prot, flags, fd, off);
}

struct world {
	char dir[64];
	struct plugin plugin;
	struct rig *rig;
	struct rig_request *q;
};

static int set_up(void **state)
{
	struct world *w = __real_calloc(1, sizeof(*w));
	struct graft_error err = { 0 };
	char path[96];

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "/tmp/graftfs-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(path, sizeof(path), "%s/file", w->dir);
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	close(fd);
	w->rig = rig_new(NULL, 0);
	w->plugin = (struct plugin){ .path = "test", .desc = graft_plugin_v1 };
	assert_int_equal(mounts_add(w->rig->server, rig_share(&w->plugin, w->dir), &err), 0);
	assert_int_equal(rig_init(w->rig, 0), 0);
	w->q = rig_request_new();
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rig_free(w->rig);
	rig_request_free(w->q);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static uint64_t look_up(struct world *w, const char *name)
{
	assert_int_equal(rig_call(w->rig, w->q, FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, name, strlen(name) + 1), 0);
	return ((const struct fuse_entry_out *)rig_data(w->q))->nodeid;
}

static uint64_t open_file(struct world *w, uint64_t node)
{
	struct fuse_open_in in = { .flags = O_RDWR };

	assert_int_equal(rig_call(w->rig, w->q, FUSE_OPEN, node, &in, sizeof(in), NULL, 0), 0);
	return ((const struct fuse_open_out *)rig_data(w->q))->fh;
}

/* Serves the same request again and again. The first may make what the following find. */
static void again(struct world *w, uint64_t len)
{
	unsigned int before = 0;

	for (int i = 0; i <= ROUNDS; i++) {
		if (i == 1)
			before = allocations;
		rig_serve(w->rig, w->q);
		rig_wait(w->q);
		assert_int_equal(rig_error(w->q), 0);
		assert_int_equal(rig_data_len(w->q), len);
	}
	assert_int_equal(allocations, before);
}

static void test_getattr(void **state)
{
	struct fuse_getattr_in in = { 0 };
	struct world *w = *state;

	rig_fill(w->rig, w->q, FUSE_GETATTR, look_up(w, "file"), &in, sizeof(in), NULL, 0, RIG_ROOM);
	again(w, sizeof(struct fuse_attr_out));
}

static void test_lookup(void **state)
{
	struct world *w = *state;

	look_up(w, "file");
	look_up(w, "file");
	rig_fill(w->rig, w->q, FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, "file", 5, RIG_ROOM);
	again(w, sizeof(struct fuse_entry_out));
}

static void test_read(void **state)
{
	struct world *w = *state;
	uint64_t node = look_up(w, "file");
	struct fuse_read_in in = { .fh = open_file(w, node), .size = 4096 };

	rig_fill(w->rig, w->q, FUSE_READ, node, &in, sizeof(in), NULL, 0, RIG_ROOM);
	again(w, 4096);
}

static void test_write(void **state)
{
	static const unsigned char data[4096] = { 1 };
	struct world *w = *state;
	uint64_t node = look_up(w, "file");
	struct fuse_write_in in = { .fh = open_file(w, node), .size = sizeof(data) };

	rig_fill(w->rig, w->q, FUSE_WRITE, node, &in, sizeof(in), data, sizeof(data), RIG_ROOM);
	again(w, sizeof(struct fuse_write_out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_getattr, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lookup, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
