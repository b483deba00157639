/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of nodes: look-up counts, ids a guest invents, descriptors within a budget, with file handles and without. */
#include "passthrough_fixture.h"

#include "plugins/passthrough/node.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES 200

/* Some files named 0, 1, 2 ...; their nodes go to ids. */
static void make_files(const struct fixture *f, int n)
{
	char name[16];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fixture_file(f, name, name);
	}
}

static int look(struct fixture *f, int i, struct fuse_entry_out *out)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", i);
	return fixture_lookup(f, GRAFT_ROOT_NODE, name, out);
}

static bool need_handles(struct fixture *f)
{
	if (f->inst->handles)
		return true;
	print_message("no file handles here\n");
	return false;
}

static void test_counts(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out a, b;

	fixture_file(f, "file", "x");
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &a), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &b), 0);
	assert_int_equal(a.nodeid, b.nodeid);
	assert_true(a.nodeid > GRAFT_ROOT_NODE && a.nodeid < UINT64_C(1) << GRAFT_NODE_BITS);
	assert_int_equal(a.generation, 0);
	fixture_forget(f, a.nodeid, 1);
	assert_int_equal(fixture_getattr(f, a.nodeid, NULL), 0);
	fixture_forget(f, a.nodeid, 0);
	assert_int_equal(fixture_getattr(f, a.nodeid, NULL), 0);
	fixture_forget(f, a.nodeid, 1);
	assert_int_equal(fixture_getattr(f, a.nodeid, NULL), -EBADF);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 0);
	/* The place is used again, under another id. */
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &b), 0);
	assert_int_equal((uint32_t)a.nodeid, (uint32_t)b.nodeid);
	assert_int_not_equal(a.nodeid, b.nodeid);
	assert_int_equal(fixture_getattr(f, a.nodeid, NULL), -EBADF);
	/* Forgetting more than there was, or the old id, hurts nothing else. */
	fixture_forget(f, a.nodeid, 1);
	assert_int_equal(fixture_getattr(f, b.nodeid, NULL), 0);
	fixture_forget(f, b.nodeid, UINT64_MAX);
	assert_int_equal(fixture_getattr(f, b.nodeid, NULL), -EBADF);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
}

static void test_batch_forget(void **state)
{
	struct fixture *f = *state;
	struct fuse_forget_one one[4] = {{.nlookup = 1}, {.nlookup = 1}, {.nodeid = 77, .nlookup = 1}, {.nlookup = 1}};
	struct fake_req *fr;
	struct fuse_entry_out out[3];

	make_files(f, 3);
	assert_int_equal(fixture_start(f), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(look(f, i, &out[i]), 0);
	one[0].nodeid = out[0].nodeid;
	one[1].nodeid = out[1].nodeid;
	one[3].nodeid = out[2].nodeid;
	fr = fake_req_new(f->fake, FUSE_BATCH_FORGET, 0);
	/* More data than the count says, and then a greater count than there is data for. */
	fake_in(fr, struct fuse_batch_forget_in)->count = 3;
	fr->req.data = one;
	fr->req.data_len = sizeof(one);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fixture_getattr(f, out[0].nodeid, NULL), -EBADF);
	assert_int_equal(fixture_getattr(f, out[1].nodeid, NULL), -EBADF);
	assert_int_equal(fixture_getattr(f, out[2].nodeid, NULL), 0);
	fake_in(fr, struct fuse_batch_forget_in)->count = UINT32_MAX;
	fr->req.data = &one[3];
	fr->req.data_len = sizeof(one[3]);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fixture_getattr(f, out[2].nodeid, NULL), -EBADF);
	fake_req_free(fr);
}

static void test_root_stays(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_start(f), 0);
	fixture_forget(f, GRAFT_ROOT_NODE, 1);
	fixture_forget(f, GRAFT_ROOT_NODE, UINT64_MAX);
	assert_int_equal(fixture_getattr(f, GRAFT_ROOT_NODE, NULL), 0);
}

static void test_invented_ids(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out;
	uint64_t real;

	fixture_file(f, "file", "x");
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &out), 0);
	real = out.nodeid;
	const uint64_t ids[] = {0,
				2,
				real & UINT32_MAX,
				real + 1,
				real ^ (UINT64_C(1) << 32),
				real | UINT64_C(1) << 48,
				(real & ~(uint64_t)UINT32_MAX) | 1,
				UINT64_C(1) << 32,
				(UINT64_C(1) << 32) | 1,
				(UINT64_C(1) << 48) - 1,
				UINT64_C(1) << 63,
				UINT64_MAX};
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(fixture_getattr(f, ids[i], NULL), -EBADF);
		assert_int_equal(fixture_lookup(f, ids[i], "file", NULL), -EBADF);
		fixture_forget(f, ids[i], 1);
	}
	assert_int_equal(fixture_getattr(f, real, NULL), 0);
}

/* Far more files than descriptors: all of them stay usable, and descriptors stay within the limit. */
static void test_eviction(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out[FILES], again;
	struct fuse_attr attr;
	int base;

	make_files(f, FILES);
	atomic_store(&f->fake->fd_limit, 64);
	base = fixture_open_fds();
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	for (int i = 0; i < FILES; i++)
		assert_int_equal(look(f, i, &out[i]), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < FILES; i++) {
			assert_int_equal(fixture_getattr(f, out[i].nodeid, &attr), 0);
			assert_int_equal(attr.ino, out[i].attr.ino);
			assert_int_equal(look(f, i, &again), 0);
			assert_int_equal(again.nodeid, out[i].nodeid);
		}
		assert_true(fake_metric(f->fake, "node-descriptors") <= 48);
		assert_true(fixture_open_fds() - base <= 64);
	}
	assert_true(fake_metric(f->fake, "evicted-descriptors") >= FILES - 48);
	for (int i = 0; i < FILES; i++)
		fixture_forget(f, out[i].nodeid, 4);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 0);
	fixture_stop(f);
	assert_int_equal(fixture_open_fds(), base);
}

/* A limit that sinks while nodes hold descriptors takes them back bit by bit. */
static void test_limit_sinks(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out;

	make_files(f, FILES);
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	for (int i = 0; i < FILES - 50; i++)
		assert_int_equal(look(f, i, &out), 0);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), FILES - 50);
	atomic_store(&f->fake->fd_limit, 32);
	for (int i = FILES - 50; i < FILES; i++)
		assert_int_equal(look(f, i, &out), 0);
	assert_true(fake_metric(f->fake, "node-descriptors") <= 21);
}

/* Without handles the guest is told when descriptors are used up, and all goes on when it lets some go. */
static void no_handles(struct fixture *f)
{
	struct fuse_entry_out out[FILES], extra;
	int got = 0;

	make_files(f, FILES);
	atomic_store(&f->fake->fd_limit, 64);
	assert_int_equal(fixture_start(f), 0);
	while (got < FILES && look(f, got, &out[got]) == 0)
		got++;
	assert_int_equal(got, 42); /* three quarters of what is left after an eighth in reserve */
	assert_int_equal(look(f, got, &extra), -ENFILE);
	assert_int_equal(look(f, got + 1, &extra), -ENFILE);
	assert_true(fake_logged(f->fake, "descriptors exhausted (64 allowed)"));
	/* Everything else works. */
	for (int i = 0; i < got; i++) {
		assert_int_equal(fixture_getattr(f, out[i].nodeid, NULL), 0);
		assert_int_equal(look(f, i, &extra), 0);
	}
	assert_int_equal(fake_metric(f->fake, "nodes"), got + 1);
	fixture_forget(f, out[0].nodeid, 2);
	assert_int_equal(look(f, got, &extra), 0);
	assert_int_equal(look(f, got + 1, &extra), -ENFILE);
	assert_int_equal(fake_metric(f->fake, "evicted-descriptors"), 0);
}

static void test_never_handles(void **state)
{
	struct fixture *f = *state;

	f->set.file_handles = PT_HANDLES_NEVER;
	no_handles(f);
}

static void test_mandatory_handles(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out;
	struct fhandle h;
	struct node_ref ref;

	fixture_file(f, "file", "x");
	f->set.file_handles = PT_HANDLES_MANDATORY;
	if (fixture_start(f) < 0) {
		print_message("%s\n", f->err.text);
		skip();
	}
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &out), 0);
	assert_int_equal(node_get(f->s, out.nodeid, &ref), 0);
	assert_true(node_handle(f->s->nodes, ref.node, &h));
	node_put(f->s, &ref);
}

/* Nobody but the one asking may use a descriptor that is taken away. */
static void test_pinned_is_not_evicted(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out;
	struct node_ref ref, other;

	fixture_file(f, "file", "x");
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &out), 0);
	assert_int_equal(node_get(f->s, out.nodeid, &ref), 0);
	assert_false(ref.temp);
	assert_false(node_evict(f->s->nodes, out.nodeid, ref.fd));
	assert_false(node_evict(f->s->nodes, out.nodeid, ref.fd));
	node_put(f->s, &ref);
	assert_false(node_evict(f->s->nodes, out.nodeid, ref.fd + 1));
	node_evict(f->s->nodes, out.nodeid, ref.fd); /* takes the second chance, or the descriptor */
	node_evict(f->s->nodes, out.nodeid, ref.fd);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 0);
	/* A forgotten node lives until its last user lets it go. */
	assert_int_equal(node_get(f->s, out.nodeid, &ref), 0);
	assert_int_equal(node_get(f->s, out.nodeid, &other), 0);
	fixture_forget(f, out.nodeid, 1);
	assert_int_equal(fake_metric(f->fake, "nodes"), 2);
	assert_int_equal(fixture_getattr(f, out.nodeid, NULL), -EBADF);
	node_put(f->s, &ref);
	assert_int_equal(fake_metric(f->fake, "nodes"), 2);
	node_put(f->s, &other);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 0);
}

/* Takes a node's descriptor away by force. */
static void evict_now(struct fixture *f, uint64_t id)
{
	for (int fd = 0; fd < 1024; fd++) {
		if (node_evict(f->s->nodes, id, fd) || node_evict(f->s->nodes, id, fd))
			return;
	}
	fail_msg("not evicted");
}

static void test_stale(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out, next;
	struct fuse_attr attr;

	fixture_file(f, "file", "old");
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &out), 0);
	evict_now(f, out.nodeid);
	assert_int_equal(fixture_getattr(f, out.nodeid, &attr), 0);
	assert_int_equal(attr.size, 3);
	evict_now(f, out.nodeid);
	assert_int_equal(unlink(fixture_path(f, "file")), 0);
	assert_int_equal(fixture_getattr(f, out.nodeid, NULL), -ESTALE);
	/* On many file systems the new file gets the old one's inode number: it must not become the old node. */
	fixture_file(f, "file", "newer");
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &next), 0);
	assert_int_not_equal(next.nodeid, out.nodeid);
	assert_int_equal(fixture_getattr(f, next.nodeid, &attr), 0);
	assert_int_equal(attr.size, 5);
	assert_int_equal(fixture_getattr(f, out.nodeid, NULL), -ESTALE);
	/* And both ways of looking up agree. */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &out), 0);
		assert_int_equal(out.nodeid, next.nodeid);
	}
}

/* Every type of object comes back from its handle. */
static void test_types_from_handles(void **state)
{
	static const char *const names[] = {"dir", "link", "pipe", "socket", "file"};
	static const mode_t types[] = {S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFREG};
	struct fixture *f = *state;

	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(symlink("nowhere", fixture_path(f, "link")), 0);
	assert_int_equal(mknod(fixture_path(f, "pipe"), S_IFIFO | 0644, 0), 0);
	assert_int_equal(mknod(fixture_path(f, "socket"), S_IFSOCK | 0644, 0), 0);
	fixture_file(f, "file", "x");
	fixture_file(f, "dir/below", "x");
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct fuse_entry_out out;
		struct fuse_attr attr;

		assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, names[i], &out), 0);
		evict_now(f, out.nodeid);
		assert_int_equal(fixture_getattr(f, out.nodeid, &attr), 0);
		assert_int_equal(attr.mode & S_IFMT, types[i]);
		if (types[i] == S_IFDIR)
			assert_int_equal(fixture_lookup(f, out.nodeid, "below", &out), 0);
	}
}

static void test_max_nodes(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out[20], extra;

	make_files(f, 20);
	f->set.max_nodes = 16;
	assert_int_equal(fixture_start(f), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(look(f, i, &out[i]), 0);
	assert_int_equal(look(f, 16, &extra), -ENFILE);
	assert_int_equal(look(f, 3, &extra), 0);
	assert_int_equal(fake_metric(f->fake, "nodes"), 17);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 16);
	fixture_forget(f, out[5].nodeid, 1);
	assert_int_equal(look(f, 16, &extra), 0);
}

/* A bound of the session's, beside the table's own. */
static void test_claims(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out[8], extra;

	make_files(f, 20);
	f->session.max_nodes = 8;
	f->fake->claim_max[GRAFT_CLAIM_NODE] = 8;
	assert_int_equal(fixture_start(f), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(look(f, i, &out[i]), 0);
	assert_int_equal(look(f, 8, &extra), -ENFILE);
	/* What is known already takes no more, however often it is looked up. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(look(f, 3, &extra), 0);
	assert_int_equal(f->fake->claimed[GRAFT_CLAIM_NODE], 8);
	fixture_forget(f, out[3].nodeid, 100);
	assert_int_equal(look(f, 8, &extra), -ENFILE);
	/* Forgotten too often, and forgotten though it was never known. */
	fixture_forget(f, out[3].nodeid, 1000);
	fixture_forget(f, out[3].nodeid, 1000);
	fixture_forget(f, 12345, 1000);
	assert_int_equal(f->fake->claimed[GRAFT_CLAIM_NODE], 7);
	assert_int_equal(look(f, 8, &extra), 0);
	assert_int_equal(look(f, 9, &extra), -ENFILE);
	fixture_stop(f);
	assert_int_equal(f->fake->claimed[GRAFT_CLAIM_NODE], 0);
}

/* Open files come first: nodes give their descriptors up for them. */
static void test_files_take_from_nodes(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out;
	int taken = 0, res;

	make_files(f, 40);
	atomic_store(&f->fake->fd_limit, 64);
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	for (int i = 0; i < 40; i++)
		assert_int_equal(look(f, i, &out), 0);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 40);
	while ((res = pt_handle_fd_take(f->s, PT_FD_FILE)) == 0)
		taken++;
	assert_int_equal(res, -ENFILE);
	assert_int_equal(taken, 53);
	/* What is left is for listings. */
	while ((res = pt_handle_fd_take(f->s, PT_FD_DIR)) == 0)
		taken++;
	assert_int_equal(res, -ENFILE);
	assert_int_equal(taken, 56);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 0);
	assert_int_equal(fixture_getattr(f, out.nodeid, NULL), 0);
	assert_int_equal(look(f, 0, &out), 0);
	while (taken--)
		pt_handle_fd_give(f->s);
	assert_int_equal(pt_handle_fd_take(f->s, PT_FD_FILE), 0);
	pt_handle_fd_give(f->s);
}

/* The process has fewer descriptors than the budget believes. */
static void test_emfile(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out;
	struct rlimit old, few;
	int res = 0, i;

	make_files(f, FILES);
	f->set.file_handles = PT_HANDLES_NEVER;
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)fixture_open_fds() + 20;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (i = 0; i < FILES && !res; i++)
		res = look(f, i, &out);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(res, -EMFILE);
	assert_int_equal(look(f, i, &out), 0);
}

static void test_emfile_relieved(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out[FILES];
	struct rlimit old, few;
	int failed = 0;

	make_files(f, FILES);
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)fixture_open_fds() + 20;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < FILES; i++)
		failed += look(f, i, &out[i]) < 0;
	for (int i = 0; i < FILES; i++)
		failed += fixture_getattr(f, out[i].nodeid, NULL) < 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(failed, 0);
	assert_true(fake_metric(f->fake, "evicted-descriptors") > 0);
}

/* Keys and handles of inodes that do not exist, so that there can be many. Every tenth handle is a long one. */
static void imagined(struct node_query *q, struct fhandle *h, uint64_t i)
{
	memset(h, 0, sizeof(*h));
	h->type = 1;
	h->len = i % 10 ? 12 : 100;
	memcpy(h->bytes, &i, sizeof(i));
	/* Ten share a number: only the handle tells them apart. */
	*q = (struct node_query){.key = {.ino = 1000 + i / 10, .mount = 4}, .type = S_IFREG, .h = h};
}

/* A node that got its descriptor after a look-up began proves nothing by its number: another inode may have had it. */
static void test_young_descriptor(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out out;
	struct node_query q;
	struct statx stx;
	uint64_t id;

	fixture_file(f, "file", "x");
	assert_int_equal(fixture_start(f), 0);
	q = (struct node_query){.type = S_IFREG, .start = atomic_load(&f->s->nodes->clock)};
	assert_int_equal(statx(AT_FDCWD, fixture_path(f, "file"), 0, STATX_BASIC_STATS | STATX_MNT_ID, &stx), 0);
	q.key = node_key(&stx);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &out), 0);
	assert_int_equal(node_find(f->s->nodes, &q, &id), NODE_COMPARE);
	q.start = atomic_load(&f->s->nodes->clock);
	assert_int_equal(node_find(f->s->nodes, &q, &id), NODE_FOUND);
	assert_int_equal(id, out.nodeid);
	if (!need_handles(f))
		skip();
	/* So does one that got its descriptor back. */
	evict_now(f, id);
	assert_int_equal(node_find(f->s->nodes, &q, &id), NODE_COMPARE);
	assert_int_equal(fixture_getattr(f, id, NULL), 0);
	assert_int_equal(fixture_getattr(f, id, NULL), 0);
	assert_int_equal(fake_metric(f->fake, "node-descriptors"), 1);
	assert_int_equal(node_find(f->s->nodes, &q, &id), NODE_COMPARE);
}

static void test_many_nodes(void **state)
{
	enum { N = 200000 };
	struct fixture *f = *state;
	uint64_t *ids = malloc(N * sizeof(*ids)), found;
	struct node_query q;
	struct fhandle h;

	assert_non_null(ids);
	assert_int_equal(fixture_start(f), 0);
	struct node_table *t = f->s->nodes;
	for (uint64_t i = 0; i < N; i++) {
		uint64_t own;
		struct node *n = node_alloc(t, &own);

		imagined(&q, &h, i);
		assert_non_null(n);
		n->ino = q.key.ino;
		n->dev_major = n->dev_minor = 0;
		n->mount = q.key.mount;
		n->type = S_IFREG >> 12;
		assert_int_equal(node_handle_set(t, n, &h), 0);
		assert_int_equal(node_publish(t, n, own, -1, &q, &ids[i]), NODE_FOUND);
		assert_int_equal(ids[i], own);
	}
	for (uint64_t i = 0; i < N; i++) {
		imagined(&q, &h, i);
		assert_int_equal(node_find(t, &q, &found), NODE_FOUND);
		assert_int_equal(found, ids[i]);
		q.h = NULL;
		assert_int_equal(node_find(t, &q, &found), NODE_COMPARE);
		q.type = S_IFDIR;
		assert_int_equal(node_find(t, &q, &found), NODE_ABSENT);
	}
	assert_int_equal(fake_metric(f->fake, "nodes"), N + 1);
	/* In another order than they came, so that chains are cut everywhere. */
	for (uint64_t k = 0; k < N; k++)
		pt_forget(f->s, ids[k * 7919 % N], 2);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	assert_int_equal(slab_used(&t->outside), 0);
	for (uint64_t i = 0; i < N; i += 1000) {
		imagined(&q, &h, i);
		assert_int_equal(node_find(t, &q, &found), NODE_ABSENT);
	}
	free(ids);
}

/* One session's look-ups make room for another's: the budget is the mount's. */
static void test_sessions_share_budget(void **state)
{
	struct fixture *f = *state;
	struct graft_session other = {.size = sizeof(other), .id = 2, .minor = 38};
	struct fuse_entry_out out;
	void *first, *second;

	make_files(f, FILES);
	atomic_store(&f->fake->fd_limit, 64);
	assert_int_equal(fixture_start(f), 0);
	if (!need_handles(f))
		skip();
	first = f->fake->state;
	assert_int_equal(graft_plugin_v1.session_open(f->inst, &other, &second), 0);
	for (int i = 0; i < FILES; i++)
		assert_int_equal(look(f, i, &out), 0);
	f->fake->state = second;
	for (int i = 0; i < FILES; i++)
		assert_int_equal(look(f, i, &out), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(pt_handle_fd_take(second, PT_FD_FILE), 0);
	for (int i = 0; i < 50; i++)
		pt_handle_fd_give(second);
	graft_plugin_v1.session_close(f->inst, second);
	f->fake->state = first;
	for (int i = 0; i < FILES; i++)
		assert_int_equal(look(f, i, &out), 0);
	assert_int_equal(fake_metric(f->fake, "nodes"), FILES + 1);
}

/* Ids that servers before gave out are ESTALE, and none of them is given out again while the last few may still be known. */
static void test_lives(void **state)
{
	struct fixture *f = *state;
	uint64_t ids[4][8];

	make_files(f, 8);
	for (uint32_t life = 0; life < 4; life++) {
		struct fuse_entry_out out;

		f->session.life = life;
		assert_int_equal(fixture_start(f), 0);
		for (uint32_t before = 0; before < life; before++) {
			for (int i = 0; i < 8; i++)
				assert_int_equal(fixture_getattr(f, ids[before][i], NULL), -ESTALE);
		}
		for (int i = 0; i < 8; i++) {
			assert_int_equal(look(f, i, &out), 0);
			ids[life][i] = out.nodeid;
			assert_int_equal(fixture_getattr(f, out.nodeid, NULL), 0);
			for (uint32_t before = 0; before < life; before++)
				assert_true((uint32_t)ids[before][i] != (uint32_t)out.nodeid);
		}
		fixture_stop(f);
	}
}

int main(void)
{
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_counts),
		FIXTURE_TEST(test_batch_forget),
		FIXTURE_TEST(test_root_stays),
		FIXTURE_TEST(test_invented_ids),
		FIXTURE_TEST(test_eviction),
		FIXTURE_TEST(test_limit_sinks),
		FIXTURE_TEST(test_never_handles),
		FIXTURE_TEST(test_mandatory_handles),
		FIXTURE_TEST(test_pinned_is_not_evicted),
		FIXTURE_TEST(test_stale),
		FIXTURE_TEST(test_types_from_handles),
		FIXTURE_TEST(test_max_nodes),
		FIXTURE_TEST(test_claims),
		FIXTURE_TEST(test_files_take_from_nodes),
		FIXTURE_TEST(test_emfile),
		FIXTURE_TEST(test_emfile_relieved),
		FIXTURE_TEST(test_sessions_share_budget),
		FIXTURE_TEST(test_young_descriptor),
		FIXTURE_TEST(test_many_nodes),
		FIXTURE_TEST(test_lives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
