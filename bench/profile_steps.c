/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of the workloads with an end: how each is asked, what a right answer is, the system call that does it. */
#include "bench/profiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define OBJECT_SIZE (16u << 10)
#define SOME_TIME 1700000000 /* seconds; what an archive may say */

void tree_name(char name[BENCH_NAME_SIZE], const char *kind, unsigned number)
{
	snprintf(name, BENCH_NAME_SIZE, "%.4s-%06u", kind, number % BENCH_MAX_FILES);
}

static uint32_t file_size(const struct step *step, unsigned file)
{
	return step->whose == OBJECT ? OBJECT_SIZE : 1024 * (1 + file % 16);
}

static void step_name(char name[BENCH_NAME_SIZE], const struct step *step, unsigned file)
{
	const char *kind = step->whose == OBJECT ? "objt" : "file";

	tree_name(name, step->move == MOVE_ABSENT ? "none" : kind, file);
}

static struct tree_file *step_file(const struct tree *t, const struct step *step, unsigned file)
{
	return step->whose == OBJECT ? &t->object[file] : &t->file[file];
}

static uint64_t node_of(struct tree_file *f)
{
	return atomic_load_explicit(&f->node, memory_order_relaxed);
}

/* Counts a look-up: 1, or -EBADMSG if the node is not the one that is known. */
static int note_lookup(struct tree_file *f, uint64_t node)
{
	uint64_t known = 0;

	if (!node)
		return -EBADMSG;
	/* Several queues may be the first to look it up, and must have been told the same. */
	if (!atomic_compare_exchange_strong_explicit(&f->node, &known, node, memory_order_relaxed, memory_order_relaxed) &&
	    known != node)
		return -EBADMSG;
	atomic_fetch_add_explicit(&f->lookups, 1, memory_order_relaxed);
	return 1;
}

/* Gives all look-ups of a removed file back, as a guest does. */
static int forget_file(struct bench_slot *s, struct tree_file *f)
{
	uint64_t node = atomic_exchange_explicit(&f->node, 0, memory_order_relaxed);
	uint32_t count = atomic_exchange_explicit(&f->lookups, 0, memory_order_relaxed);
	int res = count ? bench_forget(s->queue, node, count) : 0;

	return res < 0 ? res : 1;
}

static void build_named(struct bench_slot *s, uint32_t opcode, uint64_t dir, const char *name, uint32_t reply)
{
	bench_shape(s, opcode, dir, BENCH_NAME_SIZE, 0, reply, 0);
	memcpy(s->body, name, BENCH_NAME_SIZE);
}

static void build_create(struct bench_slot *s, uint64_t dir, const char *name)
{
	const struct fuse_create_in in = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0644, .umask = 022};

	bench_shape(s, FUSE_CREATE, dir, sizeof(in) + BENCH_NAME_SIZE, 0,
		    sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out), 0);
	memcpy(s->body, &in, sizeof(in));
	memcpy((char *)s->body + sizeof(in), name, BENCH_NAME_SIZE);
}

static void build_body(struct bench_slot *s, uint32_t opcode, uint64_t node, const void *body, uint32_t len,
		       uint32_t reply)
{
	bench_shape(s, opcode, node, len, 0, reply, 0);
	memcpy(s->body, body, len);
}

static void build_open(struct bench_slot *s, uint32_t opcode, uint64_t node)
{
	const struct fuse_open_in in = {.flags = O_RDONLY};

	build_body(s, opcode, node, &in, sizeof(in), sizeof(struct fuse_open_out));
}

static void build_release(struct bench_slot *s, uint32_t opcode, uint64_t node)
{
	const struct fuse_release_in in = {.fh = s->fh};

	build_body(s, opcode, node, &in, sizeof(in), 0);
}

/* The first page of a request's data lies behind the others; see bench_shape. */
static unsigned char *first_page(const struct bench_slot *s, uint32_t size)
{
	return s->data + (size - 1) / BENCH_PAGE * BENCH_PAGE;
}

/* As the kernel reads: whole pages. */
static void build_read(struct bench_slot *s, uint32_t opcode, uint64_t node, uint64_t off, uint32_t size)
{
	const uint32_t pages = (size + BENCH_PAGE - 1) / BENCH_PAGE * BENCH_PAGE;
	const struct fuse_read_in in = {.fh = s->fh, .offset = off, .size = pages, .flags = O_RDONLY};

	bench_shape(s, opcode, node, sizeof(in), 0, 0, pages);
	memcpy(s->body, &in, sizeof(in));
}

static void build_write(struct bench_slot *s, unsigned file, uint32_t size)
{
	const struct fuse_write_in in = {.fh = s->fh, .size = size, .flags = O_RDWR};
	const uint64_t stamp = bench_stamp(file, 0);

	bench_shape(s, FUSE_WRITE, s->node, sizeof(in), size, sizeof(struct fuse_write_out), 0);
	memcpy(s->body, &in, sizeof(in));
	memcpy(first_page(s, size), &stamp, sizeof(stamp));
}

static void build_handle(struct bench_slot *s, enum move move, uint64_t dir)
{
	const struct fuse_flush_in flush = {.fh = s->fh};
	const struct fuse_setattr_in times = {.valid = FATTR_ATIME | FATTR_MTIME | FATTR_FH,
					      .fh = s->fh,
					      .atime = SOME_TIME,
					      .mtime = SOME_TIME};

	if (move == MOVE_FLUSH)
		build_body(s, FUSE_FLUSH, s->node, &flush, sizeof(flush), 0);
	else if (move == MOVE_TIMES)
		build_body(s, FUSE_SETATTR, s->node, &times, sizeof(times), sizeof(struct fuse_attr_out));
	else if (move == MOVE_RELEASE)
		build_release(s, FUSE_RELEASE, s->node);
	else
		build_release(s, FUSE_RELEASEDIR, dir);
}

void step_build(struct bench_slot *s, const struct tree *t, const struct step *step, unsigned file, unsigned dir)
{
	const uint64_t parent = t->dir[dir], top = s->queue->bench->dir;
	char name[BENCH_NAME_SIZE];

	step_name(name, step, file);
	switch ((enum move)step->move) {
	case MOVE_LOOKUP:
	case MOVE_ABSENT:
		build_named(s, FUSE_LOOKUP, parent, name, sizeof(struct fuse_entry_out));
		break;
	case MOVE_OPEN:
		s->node = node_of(step_file(t, step, file));
		build_open(s, FUSE_OPEN, s->node);
		break;
	case MOVE_OPENDIR:
		build_open(s, FUSE_OPENDIR, parent);
		break;
	case MOVE_READ:
		build_read(s, FUSE_READ, s->node, 0, file_size(step, file));
		break;
	case MOVE_LIST:
		build_read(s, FUSE_READDIRPLUS, parent, s->off, BENCH_DIR_SIZE);
		break;
	case MOVE_CREATE:
		build_create(s, parent, name);
		break;
	case MOVE_WRITE:
		build_write(s, file, file_size(step, file));
		break;
	case MOVE_FLUSH:
	case MOVE_TIMES:
	case MOVE_RELEASE:
	case MOVE_RELEASEDIR:
		build_handle(s, (enum move)step->move, parent);
		break;
	case MOVE_UNLINK:
	case MOVE_UNLINK_ALL:
		build_named(s, FUSE_UNLINK, parent, name, 0);
		break;
	case MOVE_RMDIR:
		tree_name(name, "dir", dir);
		bench_shape(s, FUSE_RMDIR, top, (uint32_t)strlen(name) + 1, 0, 0, 0);
		memcpy(s->body, name, strlen(name) + 1);
		break;
	case MOVE_END:
		break;
	}
}

static int check_read(const struct bench_slot *s, const struct step *step, unsigned file, uint32_t len)
{
	uint32_t size = file_size(step, file);
	uint64_t stamp;

	/* The request was for whole pages, which is what says where the first one lies. */
	memcpy(&stamp, first_page(s, size), sizeof(stamp));
	return len == size && stamp == bench_stamp(file, 0) ? 1 : -EBADMSG;
}

static int check_create(struct bench_slot *s, struct tree_file *f, uint32_t len)
{
	const struct fuse_entry_out *entry = s->reply;
	const struct fuse_open_out *open = (const void *)(entry + 1);

	if (len != sizeof(*entry) + sizeof(*open))
		return -EBADMSG;
	s->node = entry->nodeid;
	s->fh = open->fh;
	return note_lookup(f, entry->nodeid);
}

/* The file of the tree in a directory that an entry names, or -1. */
static long entry_file(const struct tree *t, const struct fuse_dirent *e, unsigned dir)
{
	unsigned file = 0;

	if (e->namelen != BENCH_NAME_SIZE - 1 || memcmp(e->name, "file-", 5) != 0)
		return -1;
	for (unsigned i = 5; i < e->namelen; i++)
		file = file * 10 + (unsigned)(e->name[i] - '0');
	return file < t->files && file / TREE_DIR_FILES == dir ? (long)file : -1;
}

static int take_entry(struct bench_slot *s, const struct tree *t, const struct fuse_direntplus *e, unsigned dir)
{
	long file = entry_file(t, &e->dirent, dir);

	if (!e->entry_out.nodeid) /* "." and ".." come without, and others may */
		return 1;
	return file < 0 ? bench_forget(s->queue, e->entry_out.nodeid, 1) : note_lookup(&t->file[file], e->entry_out.nodeid);
}

static int check_list(struct bench_slot *s, const struct tree *t, unsigned dir, uint32_t len)
{
	uint32_t at = 0;

	while (len - at >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		const struct fuse_direntplus *e = (const void *)(s->data + at);
		if (e->dirent.namelen > len - at - FUSE_NAME_OFFSET_DIRENTPLUS)
			return -EBADMSG;
		int res = take_entry(s, t, e, dir);
		if (res < 0)
			return res;
		s->off = e->dirent.off;
		at += (uint32_t)FUSE_DIRENTPLUS_SIZE(e);
		if (at > len)
			return -EBADMSG;
	}
	return len == 0;
}

static int check_open(struct bench_slot *s, uint32_t len)
{
	const struct fuse_open_out *open = s->reply;

	if (len != sizeof(*open))
		return -EBADMSG;
	s->fh = open->fh;
	return 1;
}

static int good(bool is)
{
	return is ? 1 : -EBADMSG;
}

int step_check(struct bench_slot *s, struct tree *t, const struct step *step, unsigned file, unsigned dir, uint32_t len)
{
	struct tree_file *f = step_file(t, step, file);
	const struct fuse_entry_out *entry = s->reply;
	const struct fuse_write_out *write = s->reply;

	switch ((enum move)step->move) {
	case MOVE_LOOKUP:
		return len == sizeof(*entry) ? note_lookup(f, entry->nodeid) : -EBADMSG;
	case MOVE_ABSENT:
		return good(len == sizeof(*entry) && !entry->nodeid);
	case MOVE_OPEN:
	case MOVE_OPENDIR:
		return check_open(s, len);
	case MOVE_READ:
		return check_read(s, step, file, len);
	case MOVE_CREATE:
		return check_create(s, f, len);
	case MOVE_WRITE:
		return good(len == sizeof(*write) && write->size == file_size(step, file));
	case MOVE_TIMES:
		return good(len == sizeof(struct fuse_attr_out));
	case MOVE_LIST:
		return check_list(s, t, dir, len);
	case MOVE_UNLINK:
	case MOVE_UNLINK_ALL:
		return len ? -EBADMSG : forget_file(s, f);
	case MOVE_FLUSH:
	case MOVE_RELEASE:
	case MOVE_RELEASEDIR:
	case MOVE_RMDIR:
	case MOVE_END:
		break;
	}
	return good(len == 0);
}

/* By bare system calls */

static int opened(struct bare *x, int fd)
{
	x->handle = fd;
	return fd < 0 ? -errno : 0;
}

static int bare_transfer(struct bare *x, const struct step *step, unsigned file)
{
	uint32_t size = file_size(step, file);
	struct iovec iov = {.iov_base = x->buffer, .iov_len = size};
	ssize_t n = step->move == MOVE_READ ? preadv2(x->handle, &iov, 1, 0, 0) : pwritev2(x->handle, &iov, 1, 0, 0);

	return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EIO;
}

static int result(int res)
{
	return res ? -errno : 0;
}

static int bare_stat(int dir, const char *name, bool absent)
{
	struct statx st;
	int res = result(statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st));

	if (absent)
		return res == -ENOENT ? 0 : -EEXIST;
	return res;
}

int step_bare(struct bare *x, const struct step *step, unsigned file, unsigned dir)
{
	const struct timespec times[2] = {{.tv_sec = SOME_TIME}, {.tv_sec = SOME_TIME}};
	const int parent = x->tree_dir[dir];
	char name[BENCH_NAME_SIZE], path[32];

	step_name(name, step, file);
	switch ((enum move)step->move) {
	case MOVE_LOOKUP:
	case MOVE_ABSENT:
		return bare_stat(parent, name, step->move == MOVE_ABSENT);
	case MOVE_OPEN:
		return opened(x, openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
	case MOVE_OPENDIR:
		return opened(x, openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	case MOVE_CREATE:
		return opened(x, openat(parent, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	case MOVE_READ:
	case MOVE_WRITE:
		return bare_transfer(x, step, file);
	case MOVE_TIMES:
		return result(futimens(x->handle, times));
	case MOVE_LIST: {
		int res = bare_list_dir(x->handle, 0);
		return res < 0 ? res : 0;
	}
	case MOVE_RELEASE:
	case MOVE_RELEASEDIR:
		return result(close(x->handle));
	case MOVE_UNLINK:
	case MOVE_UNLINK_ALL:
		return result(unlinkat(parent, name, 0));
	case MOVE_RMDIR:
		tree_name(name, "dir", dir);
		snprintf(path, sizeof(path), "bare/%s", name);
		return result(unlinkat(x->dir, path, AT_REMOVEDIR));
	case MOVE_FLUSH: /* no system call does it alone */
	case MOVE_END:
		break;
	}
	return 0;
}
