/* SPDX-License-Identifier: Apache-2.0 */
/* A client's calls: the bytes of each request, and its reply taken apart. */
#include "server_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define BATCH 2048 /* entries of a BATCH_FORGET */

struct calls *calls_new(struct rig *rig)
{
	struct calls *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->rig = rig;
	c->q = rig_request_new();
	return c;
}

void calls_free(struct calls *c)
{
	calls_forget_all(c);
	rig_request_free(c->q);
	free(c);
}

/* A request without a reply. */
static void tell(struct calls *c, uint32_t opcode, uint64_t node, const void *in, size_t len, const void *tail,
		 size_t tail_len)
{
	rig_fill(c->rig, c->q, opcode, node, in, len, tail, tail_len, 0);
	rig_serve(c->rig, c->q);
	rig_wait(c->q);
	assert_int_equal(c->q->t.used, 0);
}

void call_forget(struct calls *c, uint64_t node, uint64_t n)
{
	struct fuse_forget_in in = { n };

	tell(c, FUSE_FORGET, node, &in, sizeof(in), NULL, 0);
}

void calls_forget_all(struct calls *c)
{
	while (c->nheld)
		call_forget(c, c->held[--c->nheld], 1);
}

void calls_batch_forget_all(struct calls *c)
{
	while (c->nheld) {
		struct fuse_forget_one one[BATCH];
		struct fuse_batch_forget_in in = { 0 };

		while (c->nheld && in.count < BATCH)
			one[in.count++] = (struct fuse_forget_one){ c->held[--c->nheld], 1 };
		tell(c, FUSE_BATCH_FORGET, 0, &in, sizeof(in), one, in.count * sizeof(*one));
	}
}

void calls_drop(struct calls *c)
{
	c->nheld = 0;
}

static int call(struct calls *c, uint32_t opcode, uint64_t node, const void *in, size_t len, const char *name)
{
	return rig_call(c->rig, c->q, opcode, node, in, len, name, name ? strlen(name) + 1 : 0);
}

/* Copies the reply's fixed part. */
static int answer(struct calls *c, int res, void *out, size_t len)
{
	if (res)
		return res;
	assert_true(rig_data_len(c->q) >= len);
	memcpy(out, rig_data(c->q), len);
	return 0;
}

static void hold(struct calls *c, uint64_t node)
{
	assert_true(c->nheld < CALLS_HELD);
	if (node)
		c->held[c->nheld++] = node;
}

int call_lookup(struct calls *c, uint64_t dir, const char *name, struct fuse_entry_out *e)
{
	int res = answer(c, call(c, FUSE_LOOKUP, dir, NULL, 0, name), e, sizeof(*e));

	if (res)
		return res;
	hold(c, e->nodeid);
	return e->nodeid ? 0 : -ENOENT;
}

int call_getattr(struct calls *c, uint64_t node, struct fuse_attr_out *out)
{
	struct fuse_getattr_in in = { 0 };

	return answer(c, call(c, FUSE_GETATTR, node, &in, sizeof(in), NULL), out, sizeof(*out));
}

int call_walk(struct calls *c, const char *path, struct fuse_entry_out *e)
{
	char copy[4200], *rest = NULL;
	struct fuse_attr_out root;
	int res = call_getattr(c, 1, &root);

	if (res)
		return res;
	*e = (struct fuse_entry_out){ .nodeid = 1, .attr = root.attr };
	strncpy(copy, path, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = 0;
	for (char *name = strtok_r(copy, "/", &rest); name && !res; name = strtok_r(NULL, "/", &rest))
		res = call_lookup(c, e->nodeid, name, e);
	return res;
}

uint64_t call_node(struct calls *c, const char *path)
{
	struct fuse_entry_out e;
	int res = call_walk(c, path, &e);

	if (res)
		fail_msg("%s: error %d", path, res);
	return e.nodeid;
}

int call_statx(struct calls *c, uint64_t node, struct fuse_statx_out *out)
{
	struct fuse_statx_in in = { .sx_mask = 0x7ff };

	return answer(c, call(c, GRAFT_OP_STATX, node, &in, sizeof(in), NULL), out, sizeof(*out));
}

int call_chmod(struct calls *c, uint64_t node)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0700 };

	return call(c, FUSE_SETATTR, node, &in, sizeof(in), NULL);
}

int call_access(struct calls *c, uint64_t node)
{
	struct fuse_access_in in = { .mask = 4 };

	return call(c, FUSE_ACCESS, node, &in, sizeof(in), NULL);
}

int call_open(struct calls *c, uint32_t opcode, uint64_t node, uint64_t *fh)
{
	struct fuse_open_in in = { .flags = O_RDONLY };
	struct fuse_open_out out = { 0 };
	int res = answer(c, call(c, opcode, node, &in, sizeof(in), NULL), &out, sizeof(out));

	*fh = out.fh;
	return res;
}

int call_release(struct calls *c, uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };

	return call(c, opcode, node, &in, sizeof(in), NULL);
}

int call_read(struct calls *c, uint64_t node, uint64_t fh, char *text, size_t room)
{
	struct fuse_read_in in = { .fh = fh, .size = (uint32_t)room - 1 };
	int res = call(c, FUSE_READ, node, &in, sizeof(in), NULL);

	if (res)
		return res;
	uint64_t len = rig_data_len(c->q);
	assert_true(len < room);
	memcpy(text, rig_data(c->q), len);
	text[len] = 0;
	return 0;
}

int call_cat(struct calls *c, const char *path, char *text, size_t room)
{
	struct fuse_entry_out e;
	uint64_t fh;
	int res = call_walk(c, path, &e);

	if (!res)
		res = call_open(c, FUSE_OPEN, e.nodeid, &fh);
	if (res)
		return res;
	res = call_read(c, e.nodeid, fh, text, room);
	int closed = call_release(c, FUSE_RELEASE, e.nodeid, fh);
	return res ? res : closed;
}

/* One entry of a reply; returns its bytes. */
static size_t take_entry(struct calls *c, bool plus, const unsigned char *at, size_t left, struct listing *l)
{
	struct fuse_dirent d;
	size_t head = plus ? sizeof(struct fuse_entry_out) : 0;

	assert_true(left >= head + FUSE_NAME_OFFSET);
	assert_true(l->n < CALLS_ENTRIES);
	memset(&l->entry[l->n].e, 0, sizeof(l->entry[l->n].e));
	memcpy(&l->entry[l->n].e, at, head);
	memcpy(&d, at + head, FUSE_NAME_OFFSET);
	size_t size = FUSE_REC_ALIGN(head + FUSE_NAME_OFFSET + d.namelen);
	assert_true(size <= left && d.namelen && d.namelen < sizeof(l->entry[0].name));
	memcpy(l->entry[l->n].name, at + head + FUSE_NAME_OFFSET, d.namelen);
	l->entry[l->n].name[d.namelen] = 0;
	l->entry[l->n].type = d.type;
	l->entry[l->n].ino = d.ino;
	l->entry[l->n].off = d.off;
	hold(c, l->entry[l->n].e.nodeid);
	l->n++;
	return size;
}

int call_read_dir(struct calls *c, uint32_t opcode, uint64_t node, uint64_t fh, uint32_t size, struct listing *l)
{
	return call_read_dir_at(c, opcode, node, fh, 0, size, l);
}

int call_read_dir_at(struct calls *c, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, uint32_t size,
		     struct listing *l)
{
	l->n = 0;
	for (;;) {
		struct fuse_read_in in = { .fh = fh, .size = size, .offset = l->n ? l->entry[l->n - 1].off : off };
		int res = call(c, opcode, node, &in, sizeof(in), NULL);

		if (res)
			return res;
		size_t left = rig_data_len(c->q);
		const unsigned char *at = rig_data(c->q);
		assert_true(left <= size);
		if (!left)
			return 0;
		while (left) {
			size_t taken = take_entry(c, opcode == FUSE_READDIRPLUS, at, left, l);

			at += taken;
			left -= taken;
		}
	}
}

int call_list(struct calls *c, uint32_t opcode, uint64_t node, uint32_t size, struct listing *l)
{
	uint64_t fh;
	int res = call_open(c, FUSE_OPENDIR, node, &fh);

	if (res)
		return res;
	res = call_read_dir(c, opcode, node, fh, size, l);
	int closed = call_release(c, FUSE_RELEASEDIR, node, fh);
	return res ? res : closed;
}

uint32_t listing_find(const struct listing *l, const char *name)
{
	uint32_t found = UINT32_MAX;

	for (uint32_t i = 0; i < l->n; i++) {
		if (strcmp(l->entry[i].name, name))
			continue;
		if (found != UINT32_MAX)
			fail_msg("'%s' stands twice", name);
		found = i;
	}
	return found;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *listing_names(const struct listing *l)
{
	static char text[CALLS_ENTRIES * 64];
	static const char *names[CALLS_ENTRIES];
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		if (strcmp(l->entry[i].name, ".") && strcmp(l->entry[i].name, ".."))
			names[n++] = l->entry[i].name;
	}
	qsort(names, n, sizeof(names[0]), compare);
	text[0] = 0;
	char *at = text;
	for (uint32_t i = 0; i < n; i++) {
		at = stpcpy(at, names[i]);
		if (i + 1 < n)
			at = stpcpy(at, " ");
	}
	return text;
}

int call_make(struct calls *c, uint32_t opcode, uint64_t dir, const char *name, struct fuse_entry_out *e)
{
	static const char target[] = "elsewhere";
	struct fuse_mkdir_in mkdir_in = { .mode = 0755 };
	struct fuse_mknod_in mknod_in = { .mode = S_IFREG | 0644 };
	struct fuse_create_in create_in = { .mode = S_IFREG | 0644, .flags = O_RDWR };
	unsigned char tail[400];
	size_t len = strlen(name) + 1, tail_len = len;
	struct fuse_entry_out out;
	const void *in = &mkdir_in;
	size_t in_len = sizeof(mkdir_in);

	memcpy(tail, name, len);
	if (opcode == FUSE_MKNOD) {
		in = &mknod_in;
		in_len = sizeof(mknod_in);
	} else if (opcode == FUSE_CREATE) {
		in = &create_in;
		in_len = sizeof(create_in);
	} else if (opcode == FUSE_SYMLINK) {
		in_len = 0;
		memcpy(tail + len, target, sizeof(target));
		tail_len += sizeof(target);
	}
	int res = rig_call(c->rig, c->q, opcode, dir, in, in_len, tail, tail_len);
	if (!res) {
		answer(c, 0, &out, sizeof(out));
		hold(c, out.nodeid);
	}
	if (!res && e)
		*e = out;
	return res;
}

int call_remove(struct calls *c, uint32_t opcode, uint64_t dir, const char *name)
{
	return call(c, opcode, dir, NULL, 0, name);
}

int call_rename(struct calls *c, uint32_t opcode, uint64_t dir, const char *name, uint64_t newdir, const char *newname,
		uint32_t flags)
{
	struct fuse_rename_in in = { newdir };
	struct fuse_rename2_in in2 = { .newdir = newdir, .flags = flags };
	bool plain = opcode == FUSE_RENAME;
	char names[600];
	size_t len = strlen(name) + 1, newlen = strlen(newname) + 1;

	memcpy(names, name, len);
	memcpy(names + len, newname, newlen);
	return rig_call(c->rig, c->q, opcode, dir, plain ? (void *)&in : &in2, plain ? sizeof(in) : sizeof(in2), names,
			len + newlen);
}

int call_link(struct calls *c, uint64_t node, uint64_t dir, const char *name)
{
	struct fuse_link_in in = { node };
	struct fuse_entry_out out;
	int res = answer(c, call(c, FUSE_LINK, dir, &in, sizeof(in), name), &out, sizeof(out));

	if (!res)
		hold(c, out.nodeid);
	return res;
}

int call_copy(struct calls *c, uint32_t opcode, uint64_t from, uint64_t to)
{
	struct fuse_copy_file_range_in in = { .nodeid_out = to, .len = 10 };

	return call(c, opcode, from, &in, sizeof(in), NULL);
}

int call_statfs(struct calls *c, uint64_t node, uint64_t *blocks)
{
	struct fuse_statfs_out out = { 0 };
	int res = answer(c, call(c, FUSE_STATFS, node, NULL, 0, NULL), &out, sizeof(out));

	*blocks = out.st.blocks;
	return res;
}

int call_syncfs(struct calls *c, uint64_t node)
{
	struct fuse_syncfs_in in = { 0 };

	return call(c, FUSE_SYNCFS, node, &in, sizeof(in), NULL);
}

int call_getxattr(struct calls *c, uint64_t node, const char *name)
{
	struct fuse_getxattr_in in = { .size = 64 };

	return call(c, FUSE_GETXATTR, node, &in, sizeof(in), name);
}

int call_listxattr(struct calls *c, uint64_t node)
{
	struct fuse_getxattr_in in = { .size = 64 };
	int res = call(c, FUSE_LISTXATTR, node, &in, sizeof(in), NULL);

	return res ? res : (int)rig_data_len(c->q);
}

int call_setxattr(struct calls *c, uint64_t node, const char *name)
{
	struct fuse_setxattr_in in = { .size = 1 };
	unsigned char tail[300];
	size_t len = strlen(name) + 1;

	memcpy(tail, name, len);
	tail[len] = 'x';
	return rig_call(c->rig, c->q, FUSE_SETXATTR, node, &in, FUSE_COMPAT_SETXATTR_IN_SIZE, tail, len + 1);
}
