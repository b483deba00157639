/* SPDX-License-Identifier: Apache-2.0 */
/* OPENDIR, READDIR, READDIRPLUS, RELEASEDIR and FSYNCDIR of the passthrough plugin. */
#include "passthrough_requests.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs what stands above */
#include <cmocka.h>

#define MANY 10000

/* The linker puts these in front of libc's. */
static int getdents_errno; /* fails the getdents64 behind the next getdents_after ones */
static int getdents_after;
static uint64_t cookie_bias; /* makes cookies of more than 63 bits, which lseek refuses */
static _Atomic uint32_t seeks;
static bool no_memory; /* malloc and calloc of the plugin fail */

ssize_t __real_getdents64(int fd, void *buf, size_t len);
ssize_t __wrap_getdents64(int fd, void *buf, size_t len);
off_t __real_lseek(int fd, off_t off, int whence);
off_t __wrap_lseek(int fd, off_t off, int whence);
void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__wrap_calloc(size_t n, size_t len);

ssize_t __wrap_getdents64(int fd, void *buf, size_t len)
{
	if (getdents_errno && getdents_after-- == 0) {
		errno = getdents_errno;
		return -1;
	}
	ssize_t n = __real_getdents64(fd, buf, cookie_bias && len > 200 ? 200 : len);
	for (ssize_t at = 0; cookie_bias && at < n;) {
		struct dirent64 *d = (struct dirent64 *)(void *)((char *)buf + at);
		d->d_off = (int64_t)((uint64_t)d->d_off | cookie_bias);
		at += d->d_reclen;
	}
	return n;
}

off_t __wrap_lseek(int fd, off_t off, int whence)
{
	atomic_fetch_add(&seeks, 1);
	if (off < 0) {
		errno = EINVAL;
		return -1;
	}
	return __real_lseek(fd, off, whence);
}

void *__wrap_malloc(size_t len)
{
	return no_memory ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t n, size_t len)
{
	return no_memory ? NULL : __real_calloc(n, len);
}

static int setup(void **state)
{
	getdents_errno = getdents_after = 0;
	cookie_bias = 0;
	no_memory = false;
	return rq_setup(state);
}

/* One entry as the guest gets it. */
struct seen {
	uint64_t ino, off, node;
	uint32_t type;
	char name[256];
};

/* Entries of one reply taken apart; the number, or -errno. */
static int list_once(struct fixture *f, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, size_t size,
		     struct seen *to, int max)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, node);
	size_t head = opcode == FUSE_READDIRPLUS ? sizeof(struct fuse_entry_out) : 0;
	int n = 0;

	fake_in(fr, struct fuse_read_in)->fh = fh;
	fake_in(fr, struct fuse_read_in)->offset = off;
	fake_in(fr, struct fuse_read_in)->size = (uint32_t)size;
	fake_req_dst(fr, size);
	int res = fake_call(fr);
	for (size_t at = 0; res == 0 && at < fr->req.done; n++) {
		struct fuse_dirent d;
		struct fuse_entry_out entry = {0};

		assert_true(n < max);
		memcpy(&entry, fr->buf + at, head);
		memcpy(&d, fr->buf + at + head, FUSE_NAME_OFFSET);
		assert_true(d.namelen > 0 && d.namelen < 256);
		to[n] = (struct seen){.ino = d.ino, .off = d.off, .node = entry.nodeid, .type = d.type};
		memcpy(to[n].name, fr->buf + at + head + FUSE_NAME_OFFSET, d.namelen);
		if (head) {
			assert_int_equal(entry.attr.ino, d.ino);
			assert_int_equal((entry.attr.mode & S_IFMT) >> 12, d.type);
		}
		at += graft_dirent_size(opcode, d.namelen);
		assert_true(at <= fr->req.done);
	}
	fake_req_free(fr);
	return res < 0 ? res : n;
}

/* The whole listing from off on; the number of entries. */
static int list_all(struct fixture *f, uint32_t opcode, uint64_t fh, uint64_t off, size_t size, struct seen *to,
		    int max)
{
	int n = 0;

	for (;;) {
		int more = list_once(f, opcode, GRAFT_ROOT_NODE, fh, off, size, to + n, max - n);

		assert_true(more >= 0);
		if (more == 0)
			return n;
		n += more;
		off = to[n - 1].off;
	}
}

static void forget_all(struct fixture *f, const struct seen *list, int n)
{
	for (int i = 0; i < n; i++)
		if (list[i].node)
			fixture_forget(f, list[i].node, 1);
}

static void make_many(struct fixture *f, int n)
{
	for (int i = 0; i < n; i++) {
		char name[64];
		snprintf(name, sizeof(name), "file-%d%.*s", i, i % 20, "xxxxxxxxxxxxxxxxxxxx");
		int fd = open(fixture_path(f, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
}

/* Every number below n seen once, "." and ".." once. */
static void check_complete(const struct seen *list, int count, int n)
{
	char *found = __real_calloc(1, (size_t)n);
	int dots = 0;

	for (int i = 0; i < count; i++) {
		int number;
		if (list[i].name[0] == '.') {
			dots++;
			assert_int_equal(list[i].type, DT_DIR);
			assert_int_equal(list[i].node, 0);
			continue;
		}
		assert_int_equal(sscanf(list[i].name, "file-%d", &number), 1);
		assert_in_range(number, 0, n - 1);
		assert_int_equal(found[number], 0);
		found[number] = 1;
	}
	assert_int_equal(dots, 2);
	assert_int_equal(count, n + 2);
	free(found);
}

static uint64_t open_root(struct fixture *f)
{
	uint64_t fh;

	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);
	return fh;
}

static uint64_t number_of(const struct seen *list, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].ino;
	fail_msg("no '%s'", name);
	return 0;
}

/* The root is its own parent: what is above the share is not told. Below it, ".." is what it is. */
static void test_parent(void **state)
{
	static const uint32_t ops[] = {FUSE_READDIR, FUSE_READDIRPLUS};
	struct fixture *f = *state;
	struct seen list[8];
	uint64_t fh, sub_fh;

	assert_int_equal(mkdir(fixture_path(f, "sub"), 0755), 0);
	uint64_t sub = fixture_node(f, "sub");
	assert_int_equal(rq_opendir(f, sub, O_RDONLY, &sub_fh, NULL), 0);
	fh = open_root(f);
	for (size_t op = 0; op < 2; op++) {
		int n = list_once(f, ops[op], GRAFT_ROOT_NODE, fh, 0, 4096, list, 8);
		uint64_t root = number_of(list, n, ".");
		assert_int_equal(number_of(list, n, ".."), root);
		forget_all(f, list, n);
		n = list_once(f, ops[op], sub, sub_fh, 0, 4096, list, 8);
		assert_int_equal(number_of(list, n, ".."), root);
		assert_int_not_equal(number_of(list, n, "."), root);
	}
	assert_int_equal(rq_handle(f, FUSE_RELEASEDIR, sub, sub_fh), 0);
	assert_int_equal(rq_handle(f, FUSE_RELEASEDIR, GRAFT_ROOT_NODE, fh), 0);
}

static void test_large(void **state)
{
	static const size_t sizes[] = {256, 4096, 65536};
	static const uint32_t ops[] = {FUSE_READDIR, FUSE_READDIRPLUS};
	struct fixture *f = *state;
	struct seen *list = malloc((MANY + 2) * sizeof(*list));

	make_many(f, MANY);
	uint64_t nodes = f->inst->count.nodes;
	for (size_t op = 0; op < 2; op++) {
		for (size_t i = 0; i < 3; i++) {
			uint64_t fh = open_root(f);

			seeks = 0;
			int n = list_all(f, ops[op], fh, 0, sizes[i], list, MANY + 2);
			/* From first to last nothing but getdents64, and each result of that is used up. */
			assert_int_equal(seeks, 0);
			check_complete(list, n, MANY);
			for (int k = 0; k < n; k++)
				assert_int_equal(list[k].node != 0, op == 1 && list[k].name[0] != '.');
			/* Each node was counted once for each time it was given out: entries without room were not. */
			if (op == 1)
				assert_int_equal(f->inst->count.nodes, nodes + MANY);
			forget_all(f, list, n);
			assert_int_equal(f->inst->count.nodes, nodes);
			assert_int_equal(rq_handle(f, FUSE_RELEASEDIR, GRAFT_ROOT_NODE, fh), 0);
		}
	}
	assert_int_equal(f->fake->deferred, 0);
	free(list);
}

static void test_seek(void **state)
{
	struct fixture *f = *state;
	enum { N = 2000 };
	struct seen *list = malloc((N + 2) * sizeof(*list)), *tail = malloc((N + 3) * sizeof(*tail));

	make_many(f, N);
	uint64_t fh = open_root(f);
	int n = list_all(f, FUSE_READDIR, fh, 0, 4096, list, N + 2);
	check_complete(list, n, N);
	srand(1);
	for (int i = 0; i < 40; i++) {
		int from = rand() % n;
		/* Sometimes a piece only, so that the next seek finds a half-used buffer. */
		if (i % 3 == 0) {
			int some = list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, list[from].off, 500, tail, N + 2);
			for (int k = 0; k < some; k++)
				assert_string_equal(tail[k].name, list[from + 1 + k].name);
			continue;
		}
		int rest = list_all(f, FUSE_READDIR, fh, list[from].off, 1000, tail, N + 2);
		assert_int_equal(rest, n - from - 1);
		for (int k = 0; k < rest; k++)
			assert_string_equal(tail[k].name, list[from + 1 + k].name);
	}
	/* From the start again: what was added since is there. */
	fixture_file(f, "file-2000", "");
	n = list_all(f, FUSE_READDIR, fh, 0, 4096, tail, N + 3);
	free(list);
	check_complete(tail, n, N + 1);
	free(tail);
}

static void test_removed_in_between(void **state)
{
	struct fixture *f = *state;
	enum { N = 3000 };
	struct seen *list = malloc((N + 2) * sizeof(*list));
	int n = 0;

	make_many(f, N);
	uint64_t fh = open_root(f);
	/* As rm -r does: each piece is removed before the next is asked for. */
	for (uint64_t off = 0;;) {
		int more = list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, off, 4096, list + n, N + 2 - n);
		assert_true(more >= 0);
		if (more == 0)
			break;
		for (int i = n; i < n + more; i++)
			if (list[i].name[0] != '.')
				assert_int_equal(unlink(fixture_path(f, list[i].name)), 0);
		n += more;
		off = list[n - 1].off;
	}
	check_complete(list, n, N);
	free(list);
}

static void test_vanished_is_listed_without_node(void **state)
{
	struct fixture *f = *state;
	struct seen list[210];

	make_many(f, 200);
	uint64_t fh = open_root(f);
	int n = list_once(f, FUSE_READDIRPLUS, GRAFT_ROOT_NODE, fh, 0, 1024, list, 210);
	assert_true(n > 2 && n < 20);
	for (int i = 0; i < 200; i++) {
		char name[64];
		snprintf(name, sizeof(name), "file-%d%.*s", i, i % 20, "xxxxxxxxxxxxxxxxxxxx");
		if (i % 2)
			unlink(fixture_path(f, name));
	}
	int first = n;
	n += list_all(f, FUSE_READDIRPLUS, fh, list[n - 1].off, 1024, list + n, 210 - n);
	check_complete(list, n, 200);
	for (int i = first; i < n; i++) {
		int number;
		if (sscanf(list[i].name, "file-%d", &number) == 1)
			assert_int_equal(list[i].node != 0, number % 2 == 0);
	}
}

static void test_no_room_for_nodes(void **state)
{
	struct fixture *f = *state;
	struct seen list[210];
	struct rlimit old, none;
	int with = 0;

	fixture_stop(f);
	f->set.max_nodes = 50;
	assert_int_equal(fixture_start(f), 0);
	make_many(f, 200);
	uint64_t fh = open_root(f);
	int n = list_all(f, FUSE_READDIRPLUS, fh, 0, 4096, list, 210);
	check_complete(list, n, 200);
	for (int i = 0; i < n; i++)
		with += list[i].node != 0;
	assert_int_equal(with, 50);
	forget_all(f, list, n);

	/* No descriptor at all is left. */
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	n = list_all(f, FUSE_READDIRPLUS, fh, 0, 4096, list, 210);
	setrlimit(RLIMIT_NOFILE, &old);
	check_complete(list, n, 200);
	forget_all(f, list, n);
	assert_int_equal(f->inst->count.nodes, 1);
}

static void test_sizes(void **state)
{
	struct fixture *f = *state;
	struct seen list[10];

	fixture_file(f, "a-name-that-is-longer-than-two-dots", "");
	uint64_t fh = open_root(f);
	assert_int_equal(list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, 0, 0, list, 10), 0);
	assert_int_equal(list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, 0, 24, list, 10), -EINVAL);
	assert_int_equal(list_once(f, FUSE_READDIRPLUS, GRAFT_ROOT_NODE, fh, 0, 128, list, 10), -EINVAL);
	/* Nothing was lost by that. */
	assert_int_equal(list_all(f, FUSE_READDIR, fh, 0, 64, list, 10), 3);
	/* A piece that takes "." only: not the end, and the others come after. */
	assert_int_equal(list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, 0, 32, list, 10), 1);
	assert_int_equal(list_all(f, FUSE_READDIR, fh, list[0].off, 64, list + 1, 9), 2);
}

static void test_refuses(void **state)
{
	struct fixture *f = *state;
	struct seen list[10];
	uint64_t fh;

	fixture_file(f, "a", "x");
	uint64_t node = fixture_node(f, "a");
	assert_int_equal(rq_opendir(f, node, O_RDONLY, &fh, NULL), -ENOTDIR);
	assert_int_equal(rq_opendir(f, 4711, O_RDONLY, &fh, NULL), -EBADF);
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDWR, &fh, NULL), -EISDIR);
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDWR | O_TMPFILE, &fh, NULL), -EINVAL);
	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(list_once(f, FUSE_READDIR, node, fh, 0, 4096, list, 10), -ENOTDIR);
	assert_int_equal(list_once(f, FUSE_READDIRPLUS, node, fh, 0, 4096, list, 10), -ENOTDIR);
	/* OPEN of a directory lists as well. */
	assert_int_equal(rq_open(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(list_all(f, FUSE_READDIR, fh, 0, 4096, list, 10), 3);
	assert_int_equal(rq_handle(f, FUSE_FSYNCDIR, GRAFT_ROOT_NODE, fh), 0);
	assert_int_equal(f->fake->deferred, 1);
	assert_int_equal(rq_handle(f, FUSE_RELEASEDIR, node, fh), -EBADF);
	assert_int_equal(rq_handle(f, FUSE_RELEASEDIR, GRAFT_ROOT_NODE, fh), 0);
}

static int hide_odd(struct fake_req *fr, const struct fuse_direntplus *e, const char *name)
{
	int number;
	(void)fr;
	(void)e;

	return sscanf(name, "file-%d", &number) == 1 && number % 2 ? GRAFT_DIRENT_HIDE : GRAFT_DIRENT_OK;
}

static int always_full(struct fake_req *fr, const struct fuse_direntplus *e, const char *name)
{
	(void)fr;
	(void)e;
	return name[0] == '.' ? GRAFT_DIRENT_OK : GRAFT_DIRENT_FULL;
}

static void test_hooks(void **state)
{
	struct fixture *f = *state;
	struct seen list[310];

	make_many(f, 300);
	uint64_t fh = open_root(f);
	f->fake->dirent_hook = hide_odd;
	for (size_t size = 256; size <= 4096; size *= 16) {
		int n = list_all(f, FUSE_READDIRPLUS, fh, 0, size, list, 310);
		assert_int_equal(n, 152);
		assert_int_equal(f->inst->count.nodes, 151);
		forget_all(f, list, n);
		assert_int_equal(f->inst->count.nodes, 1);
	}
	/* A layer that has no room takes the look-up back; nothing at all in a reply is no end of the listing. */
	f->fake->dirent_hook = always_full;
	int res = 0;
	for (uint64_t off = 0; res >= 0; off = list[res - 1].off) {
		res = list_once(f, FUSE_READDIRPLUS, GRAFT_ROOT_NODE, fh, off, 4096, list, 310);
		if (res <= 0)
			break;
	}
	assert_int_equal(res, -EINVAL);
	assert_int_equal(f->inst->count.nodes, 1);
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct seen list[2100];

	make_many(f, 2000);
	uint64_t fh = open_root(f);
	getdents_errno = EIO;
	assert_int_equal(list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, 0, 4096, list, 2100), -EIO);
	/* Behind some entries the error waits until they were taken. */
	getdents_after = 1;
	int n = list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, 0, 1 << 20, list, 2100);
	assert_in_range(n, 100, 1999);
	getdents_after = 0;
	assert_int_equal(list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, list[n - 1].off, 4096, list, 2100), -EIO);
	getdents_errno = 0;
	/* And it goes on where it was. */
	n += list_all(f, FUSE_READDIR, fh, list[n - 1].off, 4096, list + n, 2100 - n);
	check_complete(list, n, 2000);
	/* Seeking to nonsense. */
	n = list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, UINT64_MAX, 4096, list, 2100);
	assert_int_equal(n, -EINVAL);
	assert_int_equal(list_all(f, FUSE_READDIR, fh, 0, 4096, list, 2100), 2002);
}

static void test_no_memory(void **state)
{
	struct fixture *f = *state;
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READDIR, GRAFT_ROOT_NODE);
	struct fake_req *open = fake_req_new(f->fake, FUSE_OPENDIR, GRAFT_ROOT_NODE);
	int before = fixture_open_fds();

	fake_in(fr, struct fuse_read_in)->fh = open_root(f);
	fake_req_dst(fr, 4096);
	no_memory = true;
	int list = fake_call(fr), opened = fake_call(open);
	no_memory = false;
	assert_int_equal(list, -ENOMEM);
	assert_int_equal(opened, -ENOMEM);
	assert_int_equal(f->inst->count.handles, 1);
	assert_int_equal(fixture_open_fds(), before + 1);
	assert_int_equal(fake_call(fr), 0);
	assert_true(fr->req.done > 0);
	fake_req_free(fr);
	fake_req_free(open);
}

static void test_wide_cookies(void **state)
{
	struct fixture *f = *state;
	struct seen list[110], tail[110];

	make_many(f, 100);
	cookie_bias = UINT64_C(1) << 63;
	uint64_t fh = open_root(f);
	int n = list_all(f, FUSE_READDIR, fh, 0, 300, list, 110);
	check_complete(list, n, 100);
	for (int i = 0; i < n; i += 7) {
		int rest = list_all(f, FUSE_READDIR, fh, list[i].off, 300, tail, 110);
		assert_int_equal(rest, n - i - 1);
		for (int k = 0; k < rest; k++)
			assert_string_equal(tail[k].name, list[i + 1 + k].name);
	}
	assert_int_equal(
	    list_once(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh, (UINT64_C(1) << 63) + 987654321, 300, tail, 110), -EINVAL);
}

/* While one request has the stream, another one on the same handle goes to a worker, and both are served. */
struct nested {
	struct fixture *f;
	struct fake_req *second;
	int second_start;
};
static struct nested nested;

static int start_second(struct fake_req *fr, const struct fuse_direntplus *e, const char *name)
{
	(void)e;
	(void)name;
	if (nested.second && fr != nested.second && nested.second_start == 0)
		nested.second_start = fake_start(nested.second);
	return GRAFT_DIRENT_OK;
}

static void test_claimed(void **state)
{
	struct fixture *f = *state;
	struct seen list[210];

	make_many(f, 200);
	uint64_t fh = open_root(f);
	nested = (struct nested){.f = f, .second = fake_req_new(f->fake, FUSE_READDIR, GRAFT_ROOT_NODE)};
	fake_in(nested.second, struct fuse_read_in)->fh = fh;
	fake_req_dst(nested.second, 4096);
	f->fake->queue = true;
	f->fake->dirent_hook = start_second;
	struct fake_req *first = fake_req_new(f->fake, FUSE_READDIR, GRAFT_ROOT_NODE);
	fake_in(first, struct fuse_read_in)->fh = fh;
	fake_req_dst(first, 4096);
	assert_int_equal(fake_start(first), 0);
	assert_int_equal(nested.second_start, GRAFT_ASYNC);
	assert_int_equal(f->fake->deferred, 1);
	assert_int_equal(fake_run(f->fake), 1);
	assert_int_equal(fake_wait(nested.second), 0);
	/* Both asked for the beginning. */
	assert_int_equal(nested.second->req.done, first->req.done);
	assert_memory_equal(nested.second->buf, first->buf, first->req.done);
	f->fake->dirent_hook = NULL;
	fake_req_free(first);
	fake_req_free(nested.second);
	assert_int_equal(list_all(f, FUSE_READDIR, fh, 0, 4096, list, 210), 202);
}

/* Threads that list through one handle, each from wherever it is: every listing is whole. */
struct lister {
	struct fixture *f;
	uint64_t fh;
	uint32_t opcode;
	int bad;
};

static void *list_thread(void *arg)
{
	struct lister *l = arg;
	struct seen *list = __real_calloc(502, sizeof(*list));

	for (int round = 0; round < 10; round++) {
		int n = 0;
		for (uint64_t off = 0; n < 502; off = list[n - 1].off) {
			int more = list_once(l->f, l->opcode, GRAFT_ROOT_NODE, l->fh, off, 2048, list + n, 502 - n);
			if (more <= 0) {
				l->bad++;
				break;
			}
			n += more;
		}
		for (int i = 1; i < n; i++)
			l->bad += list[i].off == list[i - 1].off;
		forget_all(l->f, list, n);
	}
	free(list);
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct lister l[4];
	pthread_t t[4];

	make_many(f, 500);
	uint64_t fh = open_root(f);
	for (int i = 0; i < 4; i++) {
		l[i] = (struct lister){.f = f, .fh = fh, .opcode = i % 2 ? FUSE_READDIRPLUS : FUSE_READDIR};
		assert_int_equal(pthread_create(&t[i], NULL, list_thread, &l[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(l[i].bad, 0);
	}
	assert_int_equal(f->inst->count.nodes, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_free)
	const struct CMUnitTest tests[] = {
	    T(test_parent),
	    T(test_large),
	    T(test_seek),
	    T(test_removed_in_between),
	    T(test_vanished_is_listed_without_node),
	    T(test_no_room_for_nodes),
	    T(test_sizes),
	    T(test_refuses),
	    T(test_hooks),
	    T(test_errors),
	    T(test_no_memory),
	    T(test_wide_cookies),
	    T(test_claimed),
	    T(test_threads),
	};
	return cmocka_run_group_tests_name("passthrough dir", tests, NULL, NULL);
}
