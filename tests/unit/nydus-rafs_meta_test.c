/* SPDX-License-Identifier: Apache-2.0 */
/* Names, attributes, links, listings and xattrs of images of both versions; what clients must not do, and must not
 * break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus-rafs_fixture.h"
#include "nydus-rafs_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *const images[] = { "v5-zstd", "v6-zstd" };

static int fresh(void **state)
{
	memset(&engine, 0, sizeof(engine));
	return nrf_new(state);
}

/* Runs test on one image of each version. */
static void each_image(struct nrf *f, void (*test)(struct nrf *f))
{
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		nrf_reset(f);
		nrf_set_image(f, images[i]);
		if (nrf_start(f) < 0)
			fail_msg("%s: %s", images[i], f->err.text);
		test(f);
		nrf_stop(f);
	}
}

static void attributes_of(struct nrf *f)
{
	struct fuse_entry_out e;
	struct fuse_attr a;

	assert_int_equal(nrf_getattr(f, GRAFT_ROOT_NODE, &a), 0);
	assert_int_equal(a.mode, S_IFDIR | 0755);
	assert_true(a.ino > 0);

	assert_int_equal(nrf_lookup(f, GRAFT_ROOT_NODE, "owners", &e), 0);
	assert_true(e.nodeid > 1);
	assert_true(e.entry_valid >= 86400 && e.attr_valid >= 86400);
	assert_int_equal(e.attr.mode, S_IFDIR | 0777);
	assert_int_equal(nrf_lookup(f, e.nodeid, "max", &e), 0);
	assert_int_equal(e.attr.uid, UINT32_MAX - 1);
	assert_int_equal(e.attr.gid, UINT32_MAX - 2);
	assert_int_equal(e.attr.mtime, 2147483648u);
	assert_int_equal(e.attr.ctime, 2147483648u);
	assert_int_equal(e.attr.blksize, 4096);

	assert_int_equal(nrf_getattr(f, nrf_node(f, "modes/setuid"), &a), 0);
	assert_int_equal(a.mode, S_IFREG | 04755);
	assert_int_equal(a.size, 11);
	assert_int_equal(nrf_getattr(f, nrf_node(f, "special/bigdev"), &a), 0);
	assert_int_equal(a.mode, S_IFCHR | 0600);
	assert_int_equal(a.rdev, (70000 & 0xff) | 300 << 8 | (70000 & ~0xff) << 12);
	assert_int_equal(nrf_getattr(f, nrf_node(f, "special/fifo"), &a), 0);
	assert_int_equal(a.mode, S_IFIFO | 0640);
}

static void attributes(void **state)
{
	each_image(*state, attributes_of);
}

/* Images that say nothing of owners belong to the server; those without times are as old as the mount. */
static void what_an_image_does_not_say(void **state)
{
	struct nrf *f = *state;
	struct rafs_inode inode = { .ino = 99, .mode = S_IFREG | 0640, .uid = 12, .gid = 13, .mtime_nsec = 5 };
	struct fuse_attr a;

	nrf_set_image(f, "v6-zstd");
	assert_int_equal(nrf_start(f), 0);
	struct rafs_super super = *f->inst->super;
	struct graft_inst inst = *f->inst;
	inst.super = &super;
	inst.uid = 7;
	inst.gid = 8;
	super.flags |= RAFS_SUPER_EXPLICIT_IDS;
	node_attr(&inst, &inode, &a);
	assert_int_equal(a.uid, 12);
	assert_int_equal(a.gid, 13);
	assert_true(a.mtime == inst.mounted / 1000000000 && a.mtimensec == inst.mounted % 1000000000);
	super.flags &= ~(uint64_t)RAFS_SUPER_EXPLICIT_IDS;
	inode.mtime = 3;
	node_attr(&inst, &inode, &a);
	assert_int_equal(a.uid, 7);
	assert_int_equal(a.gid, 8);
	assert_true(a.mtime == 3 && a.mtimensec == 5);
	/* only the permissions of the root are made up */
	inode.ino = super.root;
	inode.mode = S_IFDIR | 01700;
	node_attr(&inst, &inode, &a);
	assert_int_equal(a.mode, S_IFDIR | 01755);
}

static void lookups_of(struct nrf *f)
{
	struct fuse_entry_out e;
	uint64_t a, b;

	/* What is not there: an answer that may be kept. */
	assert_int_equal(nrf_lookup(f, GRAFT_ROOT_NODE, "missing", &e), 0);
	assert_int_equal(e.nodeid, 0);
	assert_true(e.entry_valid >= 86400);
	assert_int_equal(nrf_lookup(f, nrf_node(f, "empty-dir"), "x", &e), 0);
	assert_int_equal(e.nodeid, 0);
	assert_int_equal(nrf_lookup(f, nrf_node(f, "sizes/text-1"), "x", &e), -ENOTDIR);

	assert_int_equal(nrf_lookup(f, nrf_node(f, "names"), "new\nline", &e), 0);
	assert_int_equal(e.attr.size, 2);
	a = nrf_node(f, "links/hard-a");
	b = nrf_node(f, "names/hard-c");
	assert_true(a == b);
	assert_int_equal(nrf_getattr(f, a, &e.attr), 0);
	assert_int_equal(e.attr.nlink, 3);
	assert_true(nrf_node(f, "sizes/text-1") != nrf_node(f, "sizes/text-2"));
}

static void lookups(void **state)
{
	each_image(*state, lookups_of);
}

/* Ids that no client was ever given: an error, or an inode that is there, never more. */
static void hostile_nodes_of(struct nrf *f)
{
	static const uint64_t wild[] = { 0,         2,         3,          100,
					 4096,      1 << 20,   UINT32_MAX, (UINT64_C(1) << 48) - 1,
					 INT64_MAX, UINT64_MAX };
	struct fuse_attr a;
	char buf[64];

	for (uint64_t i = 0; i < 6000; i++) {
		uint64_t node = i < sizeof(wild) / sizeof(wild[0]) ? wild[i] : i;
		int res = nrf_getattr(f, node, &a);

		if (res == 0 && node != GRAFT_ROOT_NODE)
			assert_true(a.ino == node);
		else if (node != GRAFT_ROOT_NODE)
			assert_true(res == -ESTALE || res == -EUCLEAN);
		nrf_lookup(f, node, "x", NULL);
		nrf_readlink(f, node, buf, sizeof(buf));
		nrf_xattr(f, node, "user.x", buf, sizeof(buf));
		nrf_xattr(f, node, NULL, buf, 0);
		nrf_open(f, FUSE_OPENDIR, node, O_RDONLY, NULL);
		nrf_open(f, FUSE_OPEN, node, O_RDONLY, NULL);
		nrf_read(f, node, 0, buf, sizeof(buf));
	}
	assert_int_equal(nrf_getattr(f, UINT64_MAX, &a), -ESTALE);
	assert_int_equal(nrf_getattr(f, 0, &a), -ESTALE);
}

static void hostile_nodes(void **state)
{
	each_image(*state, hostile_nodes_of);
}

static void links_of(struct nrf *f)
{
	char to[4096];
	struct fuse_attr a;
	uint64_t node = nrf_node(f, "links/long");

	assert_int_equal(nrf_readlink(f, nrf_node(f, "links/abs"), to, sizeof(to)), 11);
	assert_memory_equal(to, "/etc/passwd", 11);
	assert_int_equal(nrf_getattr(f, node, &a), 0);
	assert_int_equal(nrf_readlink(f, node, to, sizeof(to)), (int)a.size);
	for (size_t i = 0; i < a.size; i++)
		assert_int_equal(to[i], 't');
	assert_int_equal(nrf_readlink(f, node, to, a.size - 1), -ENAMETOOLONG);
	assert_int_equal(nrf_readlink(f, nrf_node(f, "sizes"), to, sizeof(to)), -EINVAL);
	assert_int_equal(nrf_readlink(f, nrf_node(f, "sizes/text-1"), to, sizeof(to)), -EINVAL);
}

static void links(void **state)
{
	each_image(*state, links_of);
}

static void xattrs_of(struct nrf *f)
{
	uint64_t user = nrf_node(f, "xattr/user"), shared = nrf_node(f, "xattr/shared-0");
	char value[70000], names[512];
	int64_t n = nrf_xattr(f, shared, "user.same", NULL, 0);

	assert_true(n > 10);
	assert_int_equal(nrf_xattr(f, shared, "user.same", value, (size_t)n), n);
	assert_memory_equal(value, "shared value used by", 20);
	assert_int_equal(nrf_xattr(f, shared, "user.same", value, sizeof(value)), n);
	assert_int_equal(nrf_xattr(f, shared, "user.same", value, (size_t)n - 1), -ERANGE);
	assert_int_equal(nrf_xattr(f, shared, "user.none", value, sizeof(value)), -ENODATA);
	assert_int_equal(nrf_xattr(f, shared, "user.none", NULL, 0), -ENODATA);
	assert_int_equal(nrf_xattr(f, nrf_node(f, "xattr/opaque"), "trusted.overlay.opaque", value, 1), 1);
	assert_int_equal(value[0], 'y');

	n = nrf_xattr(f, shared, NULL, NULL, 0);
	assert_int_equal(n, sizeof("user.same"));
	assert_int_equal(nrf_xattr(f, shared, NULL, names, sizeof(names)), n);
	assert_string_equal(names, "user.same");
	assert_int_equal(nrf_xattr(f, shared, NULL, names, 3), -ERANGE);
	assert_true(nrf_xattr(f, user, NULL, names, sizeof(names)) > (int64_t)sizeof("user.bin"));
	assert_int_equal(nrf_xattr(f, nrf_node(f, "sizes/text-1"), NULL, names, sizeof(names)), 0);
	assert_int_equal(nrf_xattr(f, GRAFT_ROOT_NODE, NULL, NULL, 0), 0);
	assert_int_equal(nrf_xattr(f, nrf_node(f, "links/abs"), NULL, names, sizeof(names)), 0);

	atomic_store(&f->fake->alloc_failures, 1);
	assert_int_equal(nrf_xattr(f, shared, "user.same", value, sizeof(value)), -ENOMEM);
}

static void xattrs(void **state)
{
	each_image(*state, xattrs_of);
}

/* A listing of many replies; what it found, checked entry by entry. */
struct listed {
	uint32_t entries, nodes, names; /* names: file-NNNNN in order */
	bool dot, dotdot;
	uint64_t off; /* of the last entry */
};

static void look_at_entry(struct nrf *f, uint32_t opcode, const unsigned char *at, struct listed *l)
{
	const struct fuse_entry_out *e = opcode == FUSE_READDIRPLUS ? (const void *)at : NULL;
	const struct fuse_dirent *d = (const void *)(at + (e ? sizeof(*e) : 0));
	char want[32];

	l->entries++;
	assert_true(d->off > l->off);
	l->off = d->off;
	if (d->namelen <= 2 && d->name[0] == '.') {
		l->dot |= d->namelen == 1;
		l->dotdot |= d->namelen == 2;
		assert_int_equal(d->type, DT_DIR);
		assert_true(!e || !e->nodeid);
		return;
	}
	snprintf(want, sizeof(want), "file-%05u", l->names++);
	assert_int_equal(d->namelen, 10);
	assert_memory_equal(d->name, want, 10);
	assert_true(d->type == DT_REG || (!e && d->type == DT_UNKNOWN));
	if (e && e->nodeid) {
		struct fuse_attr a;

		l->nodes++;
		assert_true(e->entry_valid >= 86400 && e->attr_valid >= 86400);
		assert_int_equal(nrf_getattr(f, e->nodeid, &a), 0);
		assert_memory_equal(&a, &e->attr, sizeof(a));
		assert_true(a.ino == d->ino);
	}
}

static struct listed list(struct nrf *f, uint32_t opcode, uint64_t node, size_t room)
{
	size_t head = opcode == FUSE_READDIRPLUS ? sizeof(struct fuse_entry_out) : 0;
	struct listed l = { 0 };

	for (;;) {
		struct fake_req *fr = fake_req_new(f->fake, opcode, node);
		size_t at = 0;

		fake_in(fr, struct fuse_read_in)->offset = l.off;
		fake_req_dst(fr, room);
		assert_int_equal(fake_call(fr), 0);
		size_t done = fr->req.done;
		while (at < done) {
			const struct fuse_dirent *d = (const void *)(fr->buf + at + head);

			look_at_entry(f, opcode, fr->buf + at, &l);
			at += graft_dirent_size(opcode, d->namelen);
		}
		fake_req_free(fr);
		if (!done)
			return l;
	}
}

static void listings_of(struct nrf *f)
{
	static const size_t rooms[] = { 160, 200, 4096, 1 << 20 };
	uint64_t many = nrf_node(f, "many");
	struct listed l;

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		l = list(f, FUSE_READDIR, many, rooms[i] / 4);
		assert_int_equal(l.entries, 302);
		assert_int_equal(l.names, 300);
		assert_true(l.dot && l.dotdot);
		if (rooms[i] < 168)
			continue;
		l = list(f, FUSE_READDIRPLUS, many, rooms[i]);
		assert_int_equal(l.names, 300);
		assert_int_equal(l.nodes, f->inst->verify ? 0 : 300);
		assert_true(l.dot && l.dotdot);
	}
	l = list(f, FUSE_READDIR, nrf_node(f, "empty-dir"), 4096);
	assert_int_equal(l.entries, 2);
}

static void listings(void **state)
{
	each_image(*state, listings_of);
}

static int dirs(struct nrf *f, uint32_t opcode, uint64_t node, uint64_t off, size_t room, uint64_t *parent)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, node);
	int res;

	fake_in(fr, struct fuse_read_in)->offset = off;
	fake_req_dst(fr, room);
	res = fake_call(fr);
	if (parent)
		*parent = ((const struct fuse_dirent *)(const void *)fr->buf)->ino;
	fake_req_free(fr);
	return res;
}

static void bad_listings_of(struct nrf *f)
{
	static const uint64_t offsets[] = { 3,          4,         777,        1 << 16,       (1 << 16) + 1,
					    UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 1 };
	uint64_t many = nrf_node(f, "many"), level1 = nrf_node(f, "deep/level0/level1"), ino;
	struct fuse_attr a;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		int res = dirs(f, FUSE_READDIRPLUS, many, offsets[i], 4096, NULL);

		assert_true(res == 0 || res == -EINVAL || res == -EUCLEAN);
	}
	assert_int_equal(dirs(f, FUSE_READDIR, many, 0, 0, NULL), 0);
	assert_int_equal(dirs(f, FUSE_READDIR, many, 0, 8, NULL), -EINVAL); /* no room for even one */
	assert_int_equal(dirs(f, FUSE_READDIR, nrf_node(f, "sizes/text-1"), 0, 4096, NULL), -ENOTDIR);
	/* ".." is the parent's number, and in the root its own */
	assert_int_equal(nrf_getattr(f, nrf_node(f, "deep/level0"), &a), 0);
	assert_int_equal(dirs(f, FUSE_READDIR, level1, 1, 32, &ino), 0);
	assert_true(ino == a.ino);
	assert_int_equal(nrf_getattr(f, GRAFT_ROOT_NODE, &a), 0);
	assert_int_equal(dirs(f, FUSE_READDIR, GRAFT_ROOT_NODE, 1, 32, &ino), 0);
	assert_true(ino == a.ino);
}

static void bad_listings(void **state)
{
	each_image(*state, bad_listings_of);
}

/* A layer that hides an entry: the next one comes. */
static int hide_one(struct fake_req *fr, const struct fuse_direntplus *e, const char *name)
{
	(void)fr;
	(void)e;
	return strcmp(name, "file-00000") ? GRAFT_DIRENT_OK : GRAFT_DIRENT_HIDE;
}

static void hidden_entries(void **state)
{
	struct nrf *f = *state;
	struct fake_req *fr;

	nrf_set_image(f, "v6-zstd");
	assert_int_equal(nrf_start(f), 0);
	fr = fake_req_new(f->fake, FUSE_READDIR, nrf_node(f, "many"));
	f->fake->dirent_hook = hide_one;
	fake_req_dst(fr, 2 * 32 + 40);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fr->req.done, 2 * 32 + 40);
	assert_memory_equal(fr->buf + 2 * 32 + FUSE_NAME_OFFSET, "file-00001", 10);
	fake_req_free(fr);
}

static void opens_of(struct nrf *f)
{
	uint64_t dir = nrf_node(f, "sizes"), file = nrf_node(f, "sizes/text-1");
	struct fuse_open_out out;

	assert_int_equal(nrf_open(f, FUSE_OPEN, file, O_RDONLY, &out), 0);
	assert_int_equal(out.open_flags, FOPEN_KEEP_CACHE | FOPEN_NOFLUSH);
	assert_int_equal(nrf_open(f, FUSE_OPENDIR, dir, O_RDONLY | O_DIRECTORY, &out), 0);
	assert_int_equal(out.open_flags, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR);
	assert_int_equal(nrf_open(f, FUSE_OPEN, file, O_WRONLY, NULL), -EROFS);
	assert_int_equal(nrf_open(f, FUSE_OPEN, file, O_RDWR, NULL), -EROFS);
	assert_int_equal(nrf_open(f, FUSE_OPEN, file, O_RDONLY | O_TRUNC, NULL), -EROFS);
	assert_int_equal(nrf_open(f, FUSE_OPENDIR, dir, O_RDWR, NULL), -EROFS);
	assert_int_equal(nrf_open(f, FUSE_OPEN, dir, O_RDONLY, NULL), -EISDIR);
	assert_int_equal(nrf_open(f, FUSE_OPEN, nrf_node(f, "special/fifo"), O_RDONLY, NULL), -EBADF);
	assert_int_equal(nrf_open(f, FUSE_OPENDIR, file, O_RDONLY, NULL), -ENOTDIR);
	assert_int_equal(nrf_open(f, FUSE_OPEN, UINT64_MAX, O_RDONLY, NULL), -ESTALE);
}

static void opens(void **state)
{
	each_image(*state, opens_of);
}

static int may(struct nrf *f, const char *path, uint32_t uid, uint32_t gid, uint32_t mask, const uint32_t *group)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_ACCESS, nrf_node(f, path));
	int res;

	fr->req.uid = uid;
	fr->req.gid = gid;
	fr->req.has_groups = group != NULL;
	fr->req.groups = group;
	fr->req.ngroups = group != NULL;
	fake_in(fr, struct fuse_access_in)->mask = mask;
	res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static void access_of(struct nrf *f)
{
	static const uint32_t two = 2;

	assert_int_equal(may(f, "modes/none", 0, 0, R_OK, NULL), 0);
	assert_int_equal(may(f, "modes/none", 0, 0, X_OK, NULL), -EACCES);
	assert_int_equal(may(f, "modes/none", 5, 5, R_OK, NULL), -EACCES);
	assert_int_equal(may(f, "modes/setuid", 5, 5, R_OK | X_OK, NULL), 0);
	assert_int_equal(may(f, "modes/setuid", 0, 0, W_OK, NULL), -EROFS);
	assert_int_equal(may(f, "modes", 0, 0, W_OK, NULL), -EROFS);
	assert_int_equal(may(f, "special/char", 5, 5, R_OK | W_OK, NULL), 0);
	assert_int_equal(may(f, "special/fifo", 5, 5, R_OK, NULL), -EACCES);
	assert_int_equal(may(f, "owners/one", 1, 9, R_OK, NULL), 0);
	assert_int_equal(may(f, "owners/one", 9, 9, R_OK, &two), 0);
	assert_int_equal(may(f, "owners/one", 9, 9, 64, NULL), -EINVAL);
}

static void access_by_mode(void **state)
{
	each_image(*state, access_of);
}

static void statfs_of(struct nrf *f)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_STATFS, GRAFT_ROOT_NODE);
	const struct fuse_kstatfs *st = &fake_out(fr, struct fuse_statfs_out)->st;

	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(st->bsize, 4096);
	assert_int_equal(st->namelen, 255);
	assert_true(st->files == f->inst->super->inodes && st->files > 400);
	assert_true(st->blocks > 400 && st->blocks < 4000);
	assert_true(!st->bfree && !st->bavail && !st->ffree);
	fake_req_free(fr);
}

static void statfs_tells(void **state)
{
	each_image(*state, statfs_of);
}

static void nothing_changes_of(struct nrf *f)
{
	static const uint32_t refused[] = {
		FUSE_SETATTR,
		FUSE_MKNOD,
		FUSE_MKDIR,
		FUSE_SYMLINK,
		FUSE_LINK,
		FUSE_UNLINK,
		FUSE_RMDIR,
		FUSE_RENAME,
		FUSE_RENAME2,
		FUSE_CREATE,
		FUSE_TMPFILE,
		FUSE_WRITE,
		FUSE_FALLOCATE,
		FUSE_COPY_FILE_RANGE,
		FUSE_SETXATTR,
		FUSE_REMOVEXATTR,
		GRAFT_OP_COPY_FILE_RANGE_64,
	};
	static const uint32_t trivial[] = { FUSE_FLUSH,      FUSE_FSYNC,  FUSE_RELEASE, FUSE_FSYNCDIR,
					    FUSE_RELEASEDIR, FUSE_SYNCFS, FUSE_FORGET,  FUSE_BATCH_FORGET };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct fake_req *fr = fake_req_new(f->fake, refused[i], GRAFT_ROOT_NODE);

		fake_req_name(fr, "x");
		fake_req_name2(fr, "y");
		fake_req_src(fr, "data", 4);
		assert_int_equal(fake_call(fr), -EROFS);
		fake_req_free(fr);
	}
	for (size_t i = 0; i < sizeof(trivial) / sizeof(trivial[0]); i++) {
		struct fake_req *fr = fake_req_new(f->fake, trivial[i], GRAFT_ROOT_NODE);

		assert_int_equal(fake_call(fr), 0);
		fake_req_free(fr);
	}
	assert_null(graft_plugin_v1.ops[FUSE_IOCTL]); /* ENOTTY is the server's answer */
}

static void nothing_changes(void **state)
{
	each_image(*state, nothing_changes_of);
}

/* validate = full, v5: what reads many records goes to a worker, and a wrong digest shows. */
static void digests_of_inodes(void **state)
{
	struct nrf *f = *state;
	struct rafs_inode inode;
	uint32_t before;
	char to[64];

	nrf_set_image(f, "v5-sha256");
	nrf_set(f, "validate", "full");
	assert_int_equal(nrf_start(f), 0);
	before = atomic_load(&f->fake->deferred);
	uint64_t file = nrf_node(f, "chunks/sparse"), link = nrf_node(f, "links/abs");
	assert_int_equal(atomic_load(&f->fake->deferred) - before, 4);
	assert_int_equal(nrf_open(f, FUSE_OPEN, file, O_RDONLY, NULL), 0);
	assert_int_equal(nrf_open(f, FUSE_OPENDIR, GRAFT_ROOT_NODE, O_RDONLY, NULL), 0);
	assert_int_equal(nrf_readlink(f, link, to, sizeof(to)), 11);
	assert_int_equal(atomic_load(&f->fake->deferred) - before, 7);
	/* workers are busy: here and now */
	atomic_store(&f->fake->queue_full, true);
	assert_int_equal(nrf_open(f, FUSE_OPEN, file, O_RDONLY, NULL), 0);
	atomic_store(&f->fake->queue_full, false);
	listings_of(f);

	assert_int_equal(node_get(f->inst, file, &inode), 0);
	assert_int_equal(node_verify(f->inst, &inode), 0);
	inode.digest[5] ^= 1;
	assert_int_equal(node_verify(f->inst, &inode), -EIO);
	assert_true(fake_logged(f->fake, "does not match its digest"));
}

static void digest_that_is_wrong(void **state)
{
	struct nrf *f = *state;
	char path[512];
	static char bytes[1 << 18];
	int in = open(nrf_image("v5-sha256", "boot"), O_RDONLY | O_CLOEXEC), out;
	ssize_t size = read(in, bytes, sizeof(bytes));
	struct rafs_inode inode;

	close(in);
	assert_true(size > 8192);
	nrf_set_image(f, "v5-sha256");
	assert_int_equal(nrf_start(f), 0);
	assert_int_equal(node_get(f->inst, nrf_node(f, "sizes/text-1"), &inode), 0);
	nrf_stop(f);
	bytes[inode.at] ^= 1; /* i_digest is the first field of the record */
	snprintf(path, sizeof(path), "%s", nrf_path(f, "boot"));
	out = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(out, bytes, (size_t)size), size);
	close(out);

	nrf_reset(f);
	nrf_set(f, "source", path);
	nrf_set(f, "blob-dir", nrf_image("v5-sha256", "blobs"));
	nrf_set(f, "validate", "full");
	assert_int_equal(nrf_start(f), 0);
	/* the directory's own digest covers its children's */
	assert_int_equal(nrf_lookup(f, GRAFT_ROOT_NODE, "sizes", NULL), -EIO);
	assert_int_equal(nrf_lookup(f, GRAFT_ROOT_NODE, "links", NULL), 0);
	nrf_stop(f);
	nrf_reset(f);
	nrf_set(f, "source", path);
	nrf_set(f, "blob-dir", nrf_image("v5-sha256", "blobs"));
	assert_int_equal(nrf_start(f), 0);
	assert_int_equal(nrf_lookup(f, GRAFT_ROOT_NODE, "sizes", NULL), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, nrf_free)

struct text {
	char bytes[4096];
	size_t len;
};

static void put_text(void *arg, const char *bytes, size_t len)
{
	struct text *text = arg;

	assert_true(text->len + len < sizeof(text->bytes));
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

/* As nydusd 2.4.4 showed the same images. */
static void superblocks_are_told(void **state)
{
#define TIMEOUTS                                                                                                       \
	"\"attr_timeout\":{\"secs\":4294967296,\"nanos\":0},\"entry_timeout\":{\"secs\":4294967296,\"nanos\":0},"           \
	"\"is_chunk_dict\":false,"
	static const struct {
		const char *image, *json;
	} rows[] = {
		{ "v5-prefetch",
		  "{\"magic\":1380009555,\"version\":1280,\"sb_size\":8192,\"root_inode\":0,\"chunk_size\":1048576,"
		  "\"batch_size\":0,\"inodes_count\":421,\"flags\":{\"bits\":180},\"inode_table_entries\":423,"
		  "\"inode_table_offset\":8192,\"blob_table_size\":72,\"blob_table_offset\":9896,"
		  "\"extended_blob_table_offset\":9968,\"extended_blob_table_entries\":1,\"blob_device_table_count\":0,"
		  "\"blob_device_table_offset\":0,\"prefetch_table_offset\":9888,\"prefetch_table_entries\":2," TIMEOUTS
		  "\"meta_blkaddr\":0,\"root_nid\":0,\"chunk_table_offset\":0,\"chunk_table_size\":0}" },
		{ "v6-prefetch",
		  "{\"magic\":3774210530,\"version\":1536,\"sb_size\":0,\"root_inode\":0,\"chunk_size\":1048576,"
		  "\"batch_size\":0,\"inodes_count\":423,\"flags\":{\"bits\":16777396},\"inode_table_entries\":0,"
		  "\"inode_table_offset\":0,\"blob_table_size\":256,\"blob_table_offset\":4096,"
		  "\"extended_blob_table_offset\":0,\"extended_blob_table_entries\":0,\"blob_device_table_count\":1,"
		  "\"blob_device_table_offset\":1408,\"prefetch_table_offset\":4352,\"prefetch_table_entries\":2," TIMEOUTS
		  "\"meta_blkaddr\":2,\"root_nid\":128,\"chunk_table_offset\":65536,\"chunk_table_size\":27360}" },
		{ "v6-merged",
		  "{\"magic\":3774210530,\"version\":1536,\"sb_size\":0,\"root_inode\":0,\"chunk_size\":1048576,"
		  "\"batch_size\":0,\"inodes_count\":412,\"flags\":{\"bits\":16777270},\"inode_table_entries\":0,"
		  "\"inode_table_offset\":0,\"blob_table_size\":512,\"blob_table_offset\":4096,"
		  "\"extended_blob_table_offset\":0,\"extended_blob_table_entries\":0,\"blob_device_table_count\":2,"
		  "\"blob_device_table_offset\":1408,\"prefetch_table_offset\":0,\"prefetch_table_entries\":0," TIMEOUTS
		  "\"meta_blkaddr\":2,\"root_nid\":128,\"chunk_table_offset\":65536,\"chunk_table_size\":27120}" },
	};
	struct nrf *f = *state;
	char small[100];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct text text = { .len = 0 };

		nrf_reset(f);
		nrf_set_image(f, rows[i].image);
		assert_int_equal(nrf_start(f), 0);
		assert_int_equal(graft_plugin_v1.ask(f->inst, "superblock", NULL, put_text, &text), 0);
		assert_string_equal(text.bytes, rows[i].json);
		assert_int_equal(graft_plugin_v1.ask(f->inst, "super", NULL, put_text, &text), -EOPNOTSUPP);
		assert_int_equal(rafs_super_json(f->inst->image, small, sizeof(small)), -ERANGE);
		nrf_stop(f);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(attributes),
		T(what_an_image_does_not_say),
		T(lookups),
		T(hostile_nodes),
		T(links),
		T(xattrs),
		T(listings),
		T(bad_listings),
		T(hidden_entries),
		T(opens),
		T(access_by_mode),
		T(statfs_tells),
		T(nothing_changes),
		T(digests_of_inodes),
		T(digest_that_is_wrong),
		T(superblocks_are_told),
	};

	return cmocka_run_group_tests_name("nydus-rafs-meta", tests, NULL, NULL);
}
