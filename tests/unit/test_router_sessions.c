/* SPDX-License-Identifier: Apache-2.0 */
/* The mount table and its clients: flags, several sessions, notifications, very many mounts, numbers that are made up. */
#include "full.h"
#include "server_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_submounts(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out e;

	world_mount(w, "/", 0, "a/ a/file=1");
	world_mount(w, "/a/m", 1, "file=1");
	w->t[1].ino = w->t[0].ino; /* the same numbers in both: st_dev tells them apart */
	world_init(w, FUSE_SUBMOUNTS);
	assert_int_equal(call_walk(w->c, "/a", &e), 0);
	assert_int_equal(e.attr.flags & FUSE_ATTR_SUBMOUNT, 0);
	assert_int_equal(call_walk(w->c, "/a/m", &e), 0);
	assert_int_equal(e.attr.flags & FUSE_ATTR_SUBMOUNT, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(call_walk(w->c, "/a/m/file", &e), 0);
	assert_int_equal(e.attr.flags & FUSE_ATTR_SUBMOUNT, 0);
	assert_int_equal(call_list(w->c, FUSE_READDIRPLUS, call_node(w->c, "/a"), LIST_SIZE, &w->list), 0);
	uint32_t i = listing_find(&w->list, "m");
	if (w->list.entry[i].e.nodeid)
		assert_int_equal(w->list.entry[i].e.attr.flags & FUSE_ATTR_SUBMOUNT, FUSE_ATTR_SUBMOUNT);
}

/* One st_dev for all, so the numbers must differ; what LOOKUP, GETATTR, STATX and listings say must be one number. */
static void test_no_submounts(void **state)
{
	static const char *const path[] = { "/", "/a", "/a/file", "/a/m", "/a/m/file", "/way", "/way/n", "/way/n/file" };
	struct world *w = *state;
	uint64_t ino[8];

	world_mount(w, "/", 0, "a/ a/file=1");
	world_mount(w, "/a/m", 1, "file=1");
	world_mount(w, "/way/n", 2, "file=1");
	w->t[0].ino = w->t[1].ino = w->t[2].ino = 0;
	world_init(w, 0);
	for (int i = 0; i < 8; i++) {
		struct fuse_entry_out e;
		struct fuse_attr_out attr;
		struct fuse_statx_out sx;

		assert_int_equal(call_walk(w->c, path[i], &e), 0);
		assert_int_equal(e.attr.flags & FUSE_ATTR_SUBMOUNT, 0);
		assert_int_equal(call_getattr(w->c, e.nodeid, &attr), 0);
		assert_true(attr.attr.ino == e.attr.ino);
		assert_int_equal(call_statx(w->c, e.nodeid, &sx), 0);
		assert_true(sx.stat.ino == e.attr.ino);
		ino[i] = e.attr.ino;
		for (int k = 0; k < i; k++)
			assert_true(ino[k] != ino[i]);
	}
	assert_int_equal(call_list(w->c, FUSE_READDIRPLUS, call_node(w->c, "/a"), LIST_SIZE, &w->list), 0);
	uint32_t m = listing_find(&w->list, "m"), file = listing_find(&w->list, "file");
	assert_true(w->list.entry[file].ino == ino[2] && w->list.entry[file].e.attr.ino == ino[2]);
	if (w->list.entry[m].e.nodeid)
		assert_true(w->list.entry[m].e.attr.ino == ino[3]);
}

/* vhost-user clients cannot be told, so what the router owns has no timeout; the rest has what the backend said. */
static void test_timeouts(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out e;

	world_mount(w, "/", 0, "a/ a/file=1 b/ b/file=1");
	world_mount(w, "/a/m", 1, "file=1");
	world_init(w, 0);
	assert_int_equal(call_walk(w->c, "/a/m", &e), 0);
	assert_int_equal(e.entry_valid + e.entry_valid_nsec, 0);
	assert_int_equal(call_walk(w->c, "/a/m/file", &e), 0);
	assert_int_equal(e.entry_valid, 60);
	assert_int_equal(call_walk(w->c, "/b/file", &e), 0);
	assert_int_equal(e.entry_valid, 60);
	assert_int_equal(call_walk(w->c, "/a/file", &e), 0);
	assert_int_equal(e.entry_valid, 60);
}

static void test_two_sessions(void **state)
{
	struct world *w = *state;
	struct rig *other = rig_connect(w->rig, GRAFT_VHOST_USER);
	struct calls *c = calls_new(other);
	struct fuse_attr_out attr;

	world_mount(w, "/", 0, "a/");
	world_init(w, 0);
	assert_int_equal(rig_init(other, 0), 0);
	world_mount(w, "/a/m", 1, "file=1");
	check_file(w->c, "/a/m/file", "1");
	check_file(c, "/a/m/file", "1");
	assert_int_equal(w->t[1].sessions, 2);
	uint64_t mine = call_node(w->c, "/a/m/file"), theirs = call_node(c, "/a/m/file");
	/* One gives back, the other still holds. */
	calls_forget_all(w->c);
	assert_int_equal(call_getattr(c, theirs, &attr), 0);
	world_umount(w, "/a/m");
	assert_int_equal(call_getattr(c, theirs, &attr), -ESTALE);
	assert_true(call_getattr(w->c, mine, &attr) < 0);
	usleep(10000);
	/* The numbers stay while somebody holds them. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(rig_mount(w->rig, "/a/m", &w->t[2], NULL), 0);
		assert_int_not_equal(SLOT_OF(call_node(w->c, "/a/m")), SLOT_OF(theirs));
		world_umount(w, "/a/m");
		calls_forget_all(w->c);
	}
	assert_int_equal(call_getattr(c, theirs, &attr), -ESTALE);
	/* A client that leaves holds nothing. */
	calls_drop(c);
	calls_free(c);
	rig_free(other);
	wait_for_count(&w->t[1].destroys, 1);
	check_names(w, "/", "a");
}

static void test_later_sessions(void **state)
{
	struct world *w = *state;

	world_mount(w, "/a/m", 0, "file=1");
	world_init(w, 0);
	call_node(w->c, "/a/m/file");
	world_mount(w, "/a/n", 1, "file=2");
	for (int i = 0; i < 3; i++) {
		struct rig *other = rig_connect(w->rig, i == 1 ? GRAFT_DEV_FUSE : GRAFT_VHOST_USER);
		struct calls *c = calls_new(other);

		assert_int_equal(rig_init(other, 0), 0);
		check_file(c, "/a/m/file", "1");
		check_file(c, "/a/n/file", "2");
		if (i == 2)
			world_umount(w, "/a/n");
		/* INIT once more: a new session, the old one's numbers are gone with it. */
		assert_int_equal(rig_init(other, 0), 0);
		calls_drop(c);
		check_file(c, "/a/m/file", "1");
		check_error(c, "/a/n", i == 2 ? -ENOENT : 0);
		if (i)
			calls_drop(c);
		calls_free(c);
		rig_free(other);
	}
	check_names(w, "/a", "m");
}

static void test_disconnect_with_mounts(void **state)
{
	struct world *w = *state;
	struct rig *other = rig_connect(w->rig, GRAFT_VHOST_USER);
	struct calls *c = calls_new(other);
	uint64_t fh;

	world_mount(w, "/", 0, "a/ a/b/");
	world_mount(w, "/a/b/m", 1, "file=1");
	assert_int_equal(rig_init(other, 0), 0);
	uint64_t file = call_node(c, "/a/b/m/file");
	assert_int_equal(call_open(c, FUSE_OPEN, file, &fh), 0);
	assert_true(w->t[1].held > 0);
	calls_drop(c);
	calls_free(c);
	rig_free(other);
	assert_int_equal(w->t[1].held, 0);
	assert_int_equal(w->t[1].handles, 0);
	assert_int_equal(w->t[0].held, 0);
	assert_int_equal(w->t[0].sessions + w->t[1].sessions, 0);
	world_umount(w, "/a/b/m");
	wait_for_count(&w->t[1].destroys, 1);
	world_init(w, 0);
	check_names(w, "/a/b", "");
}

/* --- INIT flags --- */

static void test_flag_that_is_missing(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };

	world_mount(w, "/", 0, "");
	world_init(w, 0);
	world_tree(w, 1, "")->need = FUSE_POSIX_ACL;
	int res = rig_mount(w->rig, "/m", &w->t[1], &err);
	assert_true(res < 0);
	assert_non_null(strstr(err.text, "POSIX_ACL"));
	check_error(w->c, "/m", -ENOENT);
	tree_check_empty(&w->t[1]);
	assert_int_equal(rig_count_mounts(w->rig), 1);
	/* And one that the session has, but the mount cannot serve. */
	world_tree(w, 2, "")->cannot = FUSE_WRITEBACK_CACHE;
	w->rig->keys[CONFIG_KEY_WRITEBACK] = CONFIG_FLAG_ALWAYS;
	err = (struct graft_error){ 0 };
	assert_true(rig_init(w->rig, FUSE_WRITEBACK_CACHE) == 0);
	res = rig_mount(w->rig, "/m", &w->t[2], &err);
	assert_true(res < 0);
	assert_non_null(strstr(err.text, "WRITEBACK_CACHE"));
	tree_check_empty(&w->t[2]);
}

static void test_flag_before_sessions(void **state)
{
	struct world *w = *state;

	world_tree(w, 0, "file=1")->need = FUSE_POSIX_LOCKS;
	assert_int_equal(rig_mount(w->rig, "/m", &w->t[0], NULL), 0);
	assert_true(rig_init(w->rig, 0) < 0);
	assert_int_equal(rig_init(w->rig, FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), 0);
	check_file(w->c, "/m/file", "1");
}

/* Where nothing can come or go, a client whose mounts need no OPEN is told so. Listings then go by handle 0, the root's too. */
static void test_no_open(void **state)
{
	struct world *w = *state;
	uint64_t fh, flags = FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;

	w->rig->server->fixed = true;
	world_tree(w, 0, "file=1 sub/ sub/file=2")->need = flags;
	assert_int_equal(rig_mount(w->rig, "/", &w->t[0], NULL), 0);
	world_init(w, flags);
	uint64_t file = call_node(w->c, "/file"), sub = call_node(w->c, "/sub");
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), -ENOSYS);
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, sub, &fh), -ENOSYS);
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, 1, &fh), -ENOSYS);
	assert_int_equal(call_read_dir(w->c, FUSE_READDIR, 1, 0, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), "file sub");
	assert_int_equal(call_read_dir(w->c, FUSE_READDIRPLUS, sub, 0, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), "file");
}

/* By key, where mounts come and go: then one that needs to be asked is refused, and directories are still opened. */
static void test_no_open_by_key(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };
	uint64_t fh;

	world_mount(w, "/m", 0, "file=1");
	w->rig->keys[CONFIG_KEY_NO_OPEN] = CONFIG_FLAG_ALWAYS;
	world_init(w, FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT);
	assert_int_equal(call_open(w->c, FUSE_OPEN, call_node(w->c, "/m/file"), &fh), -ENOSYS);
	check_names(w, "/", "m");
	check_names(w, "/m", "file");
	world_tree(w, 1, "")->cannot = FUSE_NO_OPEN_SUPPORT;
	assert_true(rig_mount(w->rig, "/n", &w->t[1], &err) < 0);
	assert_non_null(strstr(err.text, "NO_OPEN_SUPPORT"));
	tree_check_empty(&w->t[1]);
	/* The host's kernel can be told of changes, so it need not ask for directories either. */
	struct rig *host = rig_connect(w->rig, GRAFT_DEV_FUSE);
	host->keys[CONFIG_KEY_NO_OPEN] = CONFIG_FLAG_ALWAYS;
	struct calls *c = calls_new(host);
	assert_int_equal(rig_init(host, FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT), 0);
	assert_int_equal(call_open(c, FUSE_OPENDIR, 1, &fh), -ENOSYS);
	assert_int_equal(call_read_dir(c, FUSE_READDIR, 1, 0, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), "m");
	calls_free(c);
	rig_free(host);
}

/* --- notifications --- */

struct notice_entry {
	uint64_t parent;
	char name[256];
};

/* INVAL_ENTRY and DELETE, whichever the server chose for an entry. False for anything else. */
static bool read_entry_notice(const struct rig_notice *n, struct notice_entry *to)
{
	struct fuse_out_header h;
	struct fuse_notify_inval_entry_out inval;
	struct fuse_notify_delete_out del;
	size_t head = sizeof(h);
	uint32_t len;

	memcpy(&h, n->bytes, sizeof(h));
	assert_int_equal(h.len, n->len);
	assert_int_equal(h.unique, 0);
	if (h.error == FUSE_NOTIFY_INVAL_ENTRY) {
		memcpy(&inval, n->bytes + head, sizeof(inval));
		head += sizeof(inval);
		to->parent = inval.parent;
		len = inval.namelen;
	} else if (h.error == FUSE_NOTIFY_DELETE) {
		memcpy(&del, n->bytes + head, sizeof(del));
		head += sizeof(del);
		to->parent = del.parent;
		len = del.namelen;
	} else {
		return false;
	}
	assert_true(len < sizeof(to->name) && n->len == head + len + 1);
	memcpy(to->name, n->bytes + head, len + 1);
	assert_int_equal(strlen(to->name), len);
	return true;
}

static bool told_of(struct rig *rig, uint64_t parent, const char *name)
{
	struct notice_entry e;
	bool found = false;

	pthread_mutex_lock(&rig->notices_lock);
	for (uint32_t i = 0; i < rig->nnotices; i++)
		found = found || (read_entry_notice(&rig->notices[i], &e) && e.parent == parent && !strcmp(e.name, name));
	pthread_mutex_unlock(&rig->notices_lock);
	return found;
}

static bool wait_until_told(struct rig *rig, uint64_t parent, const char *name)
{
	for (int i = 0; i < 20000; i++) {
		if (told_of(rig, parent, name))
			return true;
		usleep(1000);
	}
	return false;
}

static void forget_notices(struct rig *rig)
{
	pthread_mutex_lock(&rig->notices_lock);
	rig->nnotices = 0;
	pthread_mutex_unlock(&rig->notices_lock);
}

static void test_notifications(void **state)
{
	struct world *w = *state;
	struct rig *host = rig_connect(w->rig, GRAFT_DEV_FUSE);
	struct calls *c = calls_new(host);

	world_mount(w, "/", 0, "a/ a/m/ a/m/hidden=1");
	world_init(w, 0);
	assert_int_equal(rig_init(host, 0), 0);
	uint64_t a = call_node(c, "/a");
	check_file(c, "/a/m/hidden", "1");
	world_mount(w, "/a/m", 1, "file=1");
	assert_true(wait_until_told(host, a, "m"));
	check_file(c, "/a/m/file", "1");
	forget_notices(host);
	world_tree(w, 2, "file=2");
	assert_int_equal(rig_remount(w->rig, "/a/m", &w->t[2], NULL), 0);
	assert_true(wait_until_told(host, a, "m"));
	check_file(c, "/a/m/file", "2");
	forget_notices(host);
	world_umount(w, "/a/m");
	assert_true(wait_until_told(host, a, "m"));
	check_file(c, "/a/m/hidden", "1");
	forget_notices(host);
	/* A directory on the way appears and goes. */
	world_mount(w, "/way/m", 3, "file=3");
	assert_true(wait_until_told(host, 1, "way"));
	check_file(c, "/way/m/file", "3");
	forget_notices(host);
	world_umount(w, "/way/m");
	assert_true(wait_until_told(host, 1, "way") || told_of(host, call_node(c, "/"), "way"));
	check_error(c, "/way", -ENOENT);
	calls_free(c);
	rig_free(host);
}

/* --- very many --- */

static void test_many_mounts(void **state)
{
	const uint32_t many = (uint32_t)full_count(4096, 512);
	struct world *w = *state;
	struct tree *t = calloc(many, sizeof(*t));
	char path[64], text[64];

	world_mount(w, "/", 0, "");
	world_init(w, 0);
	for (uint32_t i = 0; i < many; i++) {
		snprintf(text, sizeof(text), "file=%u", i);
		tree_init(&t[i], text);
		snprintf(path, sizeof(path), "/way/m%u%s", i, i % 3 ? "" : "/deep");
		assert_int_equal(rig_mount(w->rig, path, &t[i], NULL), 0);
	}
	assert_int_equal(rig_count_mounts(w->rig), many + 1);
	assert_int_equal(call_list(w->c, FUSE_READDIR, call_node(w->c, "/way"), 65536, &w->list), 0);
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->list.n; i++)
		n += w->list.entry[i].name[0] == 'm';
	assert_int_equal(n, many);
	for (uint32_t i = 0; i < many; i++) {
		snprintf(path, sizeof(path), "/way/m%u%s/file", i, i % 3 ? "" : "/deep");
		snprintf(text, sizeof(text), "%u", i);
		check_file(w->c, path, text);
		if (w->c->nheld > CALLS_HELD - 16)
			calls_forget_all(w->c);
	}
	for (uint32_t i = 0; i < many; i++) {
		snprintf(path, sizeof(path), "/way/m%u%s", i, i % 3 ? "" : "/deep");
		world_umount(w, path);
	}
	calls_batch_forget_all(w->c);
	for (uint32_t i = 0; i < many; i++) {
		tree_check_empty(&t[i]);
		tree_fini(&t[i]);
	}
	check_names(w, "/", "");
	free(t);
}

/* --- BATCH_FORGET, numbers that were made up --- */

static void test_batch_forget(void **state)
{
	struct world *w = *state;
	char path[32];

	world_mount(w, "/", 0, "a/ b/");
	world_init(w, 0);
	for (uint32_t i = 1; i < WORLD_TREES; i++) {
		snprintf(path, sizeof(path), "/a/way/m%u", i);
		world_mount(w, path, i, "d/ d/e/ f=1");
	}
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 1; i < WORLD_TREES; i++) {
			snprintf(path, sizeof(path), "/a/way/m%u/d/e", i);
			call_node(w->c, path);
			snprintf(path, sizeof(path), "/a/way/m%u/f", i);
			call_node(w->c, path);
		}
	}
	/* One goes before its nodes are given back. */
	world_umount(w, "/a/way/m3");
	calls_batch_forget_all(w->c);
	/* A worker takes back what was held of the one that went. */
	wait_for_count(&w->t[3].destroys, 1);
	for (uint32_t i = 1; i < WORLD_TREES; i++) {
		assert_int_equal(w->t[i].held, 0);
		assert_int_equal(w->t[i].faults, 0);
	}
}

static void test_made_up_nodes(void **state)
{
	static const uint64_t slots[] = { 0, 1, 2, 3, 77, 65533, 65534, 65535 };
	static const uint64_t nodes[] = { 0, 1, 2, 3, 999, UINT32_MAX, 1ull << 47, (1ull << 48) - 1 };
	struct world *w = *state;

	world_mount(w, "/a/m", 0, "file=1");
	world_mount(w, "/b", 1, "file=1");
	world_umount(w, "/b");
	world_init(w, 0);
	call_node(w->c, "/a/m/file");
	for (size_t i = 0; i < 8; i++) {
		for (size_t k = 0; k < 8; k++) {
			uint64_t node = slots[i] << GRAFT_NODE_BITS | nodes[k];
			struct fuse_attr_out attr;
			struct fuse_entry_out e;
			uint64_t fh;

			int res = call_getattr(w->c, node, &attr);
			assert_true(res <= 0);
			call_lookup(w->c, node, "a", &e);
			call_open(w->c, FUSE_OPEN, node, &fh);
			call_release(w->c, FUSE_RELEASE, node, 77);
			call_read_dir(w->c, FUSE_READDIR, node, 77, 1000, &w->list);
			call_rename(w->c, FUSE_RENAME, node, "a", node, "b", 0);
			call_link(w->c, node, node, "c");
			call_copy(w->c, FUSE_COPY_FILE_RANGE, node, 1);
			call_syncfs(w->c, node);
			/* What it does not hold cannot be given back. */
			if (node != 1)
				call_forget(w->c, node, 1);
		}
	}
	check_file(w->c, "/a/m/file", "1");
	calls_drop(w->c);
	assert_int_equal(rig_init(w->rig, 0), 0);
	check_file(w->c, "/a/m/file", "1");
	/* The tests' own tree counts such requests as faults; a real plugin answers them. */
	calls_forget_all(w->c);
	atomic_store(&w->t[0].faults, 0);
}

/* Giving back more than was taken must not let a number be used again while somebody else holds it. */
static void test_forgetting_too_much(void **state)
{
	struct world *w = *state;
	struct rig *other = rig_connect(w->rig, GRAFT_VHOST_USER);
	struct calls *c = calls_new(other);
	struct fuse_attr_out attr;

	world_mount(w, "/m", 0, "file=1");
	world_init(w, 0);
	assert_int_equal(rig_init(other, 0), 0);
	uint64_t m = call_node(w->c, "/m");
	call_node(c, "/m");
	for (int i = 0; i < 10; i++) {
		call_forget(c, m, UINT64_MAX);
		call_forget(c, m, 1ull << 63);
		call_forget(c, m, INT64_MAX);
	}
	world_umount(w, "/m");
	for (int i = 1; i < 4; i++) {
		world_mount(w, "/m", 1, "file=2");
		assert_int_not_equal(SLOT_OF(call_node(w->c, "/m")), SLOT_OF(m));
		assert_int_equal(call_getattr(w->c, m, &attr), -ESTALE);
		world_umount(w, "/m");
		wait_for_count(&w->t[1].destroys, 1);
	}
	calls_drop(c);
	calls_free(c);
	rig_free(other);
}

/* What flies: the last one seen, and how many. */
struct flights {
	struct server *server;
	struct conn_flight last;
	uint32_t n;
	_Atomic uint64_t file; /* every GETATTR seen must be of this node */
	_Atomic bool over;
	_Atomic uint32_t wrong, seen;
};

static int note_flight(const struct conn_flight *f, void *arg)
{
	struct flights *all = arg;

	all->last = *f;
	all->n++;
	return 0;
}

static int check_flight(const struct conn_flight *f, void *arg)
{
	struct flights *all = arg;

	all->seen++;
	all->wrong += !f->began || !f->unique || (f->opcode == FUSE_GETATTR) != (f->node == all->file);
	return 0;
}

static void *look_for_flights(void *arg)
{
	struct flights *all = arg;

	while (!all->over)
		conn_each_flight(all->server, check_flight, all);
	return NULL;
}

static int end_at_first(const struct conn_flight *f, void *arg)
{
	(void)f;
	++*(int *)arg;
	return -ECANCELED;
}

/* Requests of /dev/fuse that wait are seen with what the kernel calls them; others are not. */
static void test_flights(void **state)
{
	struct world *w = *state;
	struct rig *host = rig_connect(w->rig, GRAFT_DEV_FUSE), *rigs[] = { host, w->rig, host };
	struct calls *c = calls_new(host);
	struct rig_request *q[3];
	struct fuse_read_in in = { .size = 100 };
	struct flights all = { .server = w->rig->server };
	int calls = 0;

	world_mount(w, "/m", 0, "file=1");
	world_init(w, 0);
	assert_int_equal(rig_init(host, 0), 0);
	uint64_t file = call_node(c, "/m/file");
	call_node(w->c, "/m/file");
	assert_int_equal(conn_each_flight(all.server, note_flight, &all), 0);
	assert_int_equal(all.n, 0);
	uint64_t fh[3];
	for (int i = 0; i < 3; i++)
		assert_int_equal(call_open(rigs[i] == host ? c : w->c, FUSE_OPEN, file, &fh[i]), 0);
	w->t[0].wait = TREE_WAIT_STUBBORN;
	for (int i = 0; i < 3; i++) {
		q[i] = rig_request_new();
		in.fh = fh[i];
		rig_fill(rigs[i], q[i], FUSE_READ, file, &in, sizeof(in), NULL, 0, RIG_ROOM);
		assert_true(rig_serve(rigs[i], q[i]));
	}
	assert_int_equal(conn_each_flight(all.server, note_flight, &all), 0);
	assert_int_equal(all.n, 2);
	assert_true(all.last.node == file && all.last.opcode == FUSE_READ && all.last.unique && all.last.began);
	assert_int_equal(conn_each_flight(all.server, end_at_first, &calls), -ECANCELED);
	assert_int_equal(calls, 1);
	tree_release(&w->t[0], 0);
	all.n = 0;
	for (int i = 0; i < 3; i++) {
		rig_wait(q[i]);
		call_release(rigs[i] == host ? c : w->c, FUSE_RELEASE, file, fh[i]);
		rig_request_free(q[i]);
	}
	assert_int_equal(conn_each_flight(all.server, note_flight, &all), 0);
	assert_int_equal(all.n, 0);
	calls_drop(c);
	calls_free(c);
	rig_free(host);
}

/* Whoever looks while requests come and go sees each as it is, or not at all. */
static void test_flights_meanwhile(void **state)
{
	struct world *w = *state;
	struct rig *host = rig_connect(w->rig, GRAFT_DEV_FUSE);
	struct calls *c = calls_new(host);
	struct flights all = { .server = w->rig->server };
	struct fuse_attr_out attr;
	uint64_t blocks;
	pthread_t thread;

	world_mount(w, "/m", 0, "file=1");
	world_init(w, 0);
	assert_int_equal(rig_init(host, 0), 0);
	all.file = call_node(c, "/m/file");
	assert_int_equal(pthread_create(&thread, NULL, look_for_flights, &all), 0);
	for (int i = 0; i < 3000 || (!all.seen && i < 100000); i++) {
		assert_int_equal(call_getattr(c, all.file, &attr), 0);
		call_statfs(c, FUSE_ROOT_ID, &blocks);
	}
	all.over = true;
	pthread_join(thread, NULL);
	assert_int_equal(all.wrong, 0);
	calls_drop(c);
	calls_free(c);
	rig_free(host);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_submounts),
		T(test_no_submounts),
		T(test_timeouts),
		T(test_two_sessions),
		T(test_later_sessions),
		T(test_disconnect_with_mounts),
		T(test_flag_that_is_missing),
		T(test_flag_before_sessions),
		T(test_no_open),
		T(test_no_open_by_key),
		T(test_notifications),
		T(test_many_mounts),
		T(test_batch_forget),
		T(test_made_up_nodes),
		T(test_forgetting_too_much),
		T(test_flights),
		T(test_flights_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
