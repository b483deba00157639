/* SPDX-License-Identifier: Apache-2.0 */
/* A file system in memory, small and slow: one lock, names searched one by one. */
#include "server_tree.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000
#define ENTRY_SECONDS 60 /* that a client may keep entries and attributes */

struct graft_inst {
	struct tree *t;
	const struct graft_host *host;
};

/* What a session holds. */
struct tree_session {
	struct tree *t;
	uint64_t lookups[TREE_NODES];
	int32_t handles;
};

/* lock held. 0 where there is none. */
static uint32_t find_child(const struct tree *t, uint32_t parent, const char *name)
{
	for (uint32_t i = 2; i < TREE_NODES; i++) {
		if (t->nodes[i].parent == parent && !strcmp(t->nodes[i].name, name))
			return i;
	}
	return 0;
}

/* lock held. 0 where there is no room. */
static uint32_t add_child(struct tree *t, uint32_t parent, const char *name, uint32_t mode, const char *text)
{
	for (uint32_t i = 2; i < TREE_NODES; i++) {
		struct tree_node *n = &t->nodes[i];

		if (n->mode)
			continue;
		*n = (struct tree_node){ .parent = parent, .mode = mode, .text = text };
		snprintf(n->name, sizeof(n->name), "%s", name);
		return i;
	}
	return 0;
}

/* One word of a tree's description; takes it apart. */
static void add_word(struct tree *t, char *word)
{
	char *text = strchr(word, '='), *slash;
	size_t len = strlen(word);
	bool dir = word[len - 1] == '/';
	uint32_t at = 1;

	if (text)
		*text++ = 0;
	if (dir)
		word[len - 1] = 0;
	while ((slash = strchr(word, '/'))) {
		*slash = 0;
		at = find_child(t, at, word);
		assert_true(at);
		word = slash + 1;
	}
	assert_true(add_child(t, at, word, dir ? S_IFDIR | 0755 : S_IFREG | 0644, text ? strdup(text) : NULL));
}

void tree_init(struct tree *t, const char *words)
{
	char *copy = strdup(words), *rest = NULL;

	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	t->nodes[1] = (struct tree_node){ .parent = 1, .mode = S_IFDIR | 0755 };
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		add_word(t, word);
	free(copy);
}

void tree_check_empty(struct tree *t)
{
	for (int i = 0; i < PATIENCE_MS && (t->destroys != t->creates || t->sessions); i++)
		usleep(1000);
	assert_int_equal(t->destroys, t->creates);
	assert_int_equal(t->sessions, 0);
	assert_int_equal(t->held, 0);
	assert_int_equal(t->handles, 0);
	assert_int_equal(t->faults, 0);
}

void tree_fini(struct tree *t)
{
	for (uint32_t i = 2; i < TREE_NODES; i++)
		free((char *)(uintptr_t)t->nodes[i].text);
	pthread_mutex_destroy(&t->lock);
}

uint32_t tree_waiting(struct tree *t)
{
	uint32_t n = 0;

	LOCK_SCOPE(&t->lock);
	for (int i = 0; i < TREE_WAITING; i++)
		n += t->waiting[i] != NULL;
	return n;
}

/* Takes req, or any, out of the list. */
static struct graft_req *take_waiting(struct tree *t, const struct graft_req *req)
{
	LOCK_SCOPE(&t->lock);
	for (int i = 0; i < TREE_WAITING; i++) {
		struct graft_req *found = t->waiting[i];

		if (!found || (req && found != req))
			continue;
		t->waiting[i] = NULL;
		return found;
	}
	return NULL;
}

static const struct graft_host *host_of(struct tree *t)
{
	LOCK_SCOPE(&t->lock);
	return t->host;
}

void tree_release(struct tree *t, int res)
{
	struct graft_req *req;

	while ((req = take_waiting(t, NULL)))
		host_of(t)->complete(req, res);
}

static void cancel(struct graft_inst *inst, struct graft_req *req)
{
	struct tree *t = inst->t;

	atomic_fetch_add(&t->cancels, 1);
	if (atomic_load(&t->wait) != TREE_WAIT_STUBBORN && take_waiting(t, req))
		inst->host->complete(req, -EINTR);
}

static int wait_for_release(struct graft_inst *inst, struct graft_req *req)
{
	struct tree *t = inst->t;
	bool listed = false;

	inst->host->cancel(req, cancel);
	pthread_mutex_lock(&t->lock);
	for (int i = 0; i < TREE_WAITING && !listed; i++) {
		listed = !t->waiting[i];
		if (listed)
			t->waiting[i] = req;
	}
	pthread_mutex_unlock(&t->lock);
	return listed ? GRAFT_ASYNC : -EIO;
}

static uint64_t id_of(uint32_t i)
{
	return i == 1 ? 1 : TREE_ID(i);
}

/* lock held. The node of a request: one that this session holds. 0 where it is none. */
static uint32_t held_node(const struct tree_session *s, uint64_t id)
{
	uint64_t i = id == 1 ? 1 : id - TREE_ID(0);

	if (i == 1 || (i < TREE_NODES && s->lookups[i]))
		return (uint32_t)i;
	atomic_fetch_add(&s->t->faults, 1); /* the tests let no client name what it does not hold */
	return 0;
}

static void fill_attr(const struct tree *t, uint32_t i, struct fuse_attr *attr)
{
	const struct tree_node *n = &t->nodes[i];

	attr->ino = t->ino + i;
	attr->mode = n->mode;
	attr->nlink = 1;
	attr->uid = 1000;
	attr->size = n->text ? strlen(n->text) : 0;
}

/* lock held. Fills and counts a look-up. */
static void give_entry(struct tree_session *s, uint32_t i, struct fuse_entry_out *e)
{
	e->nodeid = id_of(i);
	e->entry_valid = e->attr_valid = ENTRY_SECONDS;
	fill_attr(s->t, i, &e->attr);
	s->lookups[i]++;
	atomic_fetch_add(&s->t->held, 1);
}

/* lock held. */
static void take_back(struct tree_session *s, uint64_t id, uint64_t n)
{
	uint64_t i = id - TREE_ID(0);

	if (id == 1)
		return;
	if (i >= TREE_NODES || s->lookups[i] < n) {
		atomic_fetch_add(&s->t->faults, 1);
		return;
	}
	s->lookups[i] -= n;
	atomic_fetch_sub(&s->t->held, (int64_t)n);
}

static int op_lookup(struct graft_inst *inst, struct graft_req *req)
{
	struct tree *t = inst->t;
	struct fuse_entry_out *e = req->out;

	LOCK_SCOPE(&t->lock);
	uint32_t dir = held_node(req->state, req->node);
	if (!dir)
		return -EBADF;
	if (!S_ISDIR(t->nodes[dir].mode))
		return -ENOTDIR;
	uint32_t i = find_child(t, dir, req->name);
	if (i)
		give_entry(req->state, i, e);
	else if (t->negative)
		e->entry_valid = ENTRY_SECONDS;
	else
		return -ENOENT;
	return 0;
}

static int op_forget(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_forget_in *in = req->in;

	LOCK_SCOPE(&inst->t->lock);
	take_back(req->state, req->node, in->nlookup);
	return 0;
}

static int op_batch_forget(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_forget_one *one = req->data;

	LOCK_SCOPE(&inst->t->lock);
	for (uint32_t i = 0; i < req->data_len / sizeof(*one); i++)
		take_back(req->state, one[i].nodeid, one[i].nlookup);
	return 0;
}

static int op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_attr_out *out = req->out;

	LOCK_SCOPE(&inst->t->lock);
	uint32_t i = held_node(req->state, req->node);
	if (!i)
		return -EBADF;
	out->attr_valid = ENTRY_SECONDS;
	fill_attr(inst->t, i, &out->attr);
	return 0;
}

static int op_setattr(struct graft_inst *inst, struct graft_req *req)
{
	atomic_fetch_add(&inst->t->changes, 1);
	return op_getattr(inst, req);
}

static int open_handle(struct graft_inst *inst, struct graft_req *req, struct fuse_open_out *out, bool dir)
{
	struct tree_session *s = req->state;

	LOCK_SCOPE(&inst->t->lock);
	uint32_t i = held_node(s, req->node);
	if (!i)
		return -EBADF;
	if (S_ISDIR(inst->t->nodes[i].mode) != dir)
		return dir ? -ENOTDIR : -EISDIR;
	s->handles++;
	atomic_fetch_add(&inst->t->handles, 1);
	out->fh = 1000 + i;
	return 0;
}

static int op_open(struct graft_inst *inst, struct graft_req *req)
{
	return open_handle(inst, req, req->out, false);
}

static int op_opendir(struct graft_inst *inst, struct graft_req *req)
{
	return open_handle(inst, req, req->out, true);
}

static int op_release(struct graft_inst *inst, struct graft_req *req)
{
	struct tree_session *s = req->state;

	LOCK_SCOPE(&inst->t->lock);
	if (!s->handles) {
		atomic_fetch_add(&inst->t->faults, 1);
		return -EBADF;
	}
	s->handles--;
	atomic_fetch_sub(&inst->t->handles, 1);
	return 0;
}

static int op_read(struct graft_inst *inst, struct graft_req *req)
{
	struct tree *t = inst->t;
	const struct fuse_read_in *in = req->in;

	if (atomic_load(&t->wait) != TREE_WAIT_NOT)
		return wait_for_release(inst, req);
	LOCK_SCOPE(&t->lock);
	uint32_t i = held_node(req->state, req->node);
	const char *text = i ? t->nodes[i].text : NULL;
	size_t len = text ? strlen(text) : 0;
	if (!i)
		return -EBADF;
	if (in->offset >= len)
		return 0;
	len -= in->offset;
	return inst->host->put(req, text + in->offset, len < in->size ? len : in->size);
}

/* lock held. The entry at a position: ".", "..", then the children by number. 0 behind the last. */
static uint32_t entry_at(const struct tree *t, uint32_t dir, uint64_t at, const char **name)
{
	const struct tree_node *n = &t->nodes[at];

	if (at < 2) {
		*name = at ? ".." : ".";
		return at ? t->nodes[dir].parent : dir;
	}
	*name = n->name;
	return n->parent == dir ? (uint32_t)at : 0;
}

static int op_readdir(struct graft_inst *inst, struct graft_req *req)
{
	struct tree *t = inst->t;
	const struct fuse_read_in *in = req->in;
	bool plus = req->opcode == FUSE_READDIRPLUS;

	LOCK_SCOPE(&t->lock);
	uint32_t dir = held_node(req->state, req->node);
	if (!dir)
		return -EBADF;
	for (uint64_t at = in->offset; at < TREE_NODES; at++) {
		struct fuse_direntplus e = { 0 };
		const char *name;
		uint32_t i = entry_at(t, dir, at, &name);

		if (!i)
			continue;
		e.dirent.ino = t->ino + i;
		e.dirent.off = at + 1;
		e.dirent.type = t->nodes[i].mode >> 12;
		e.dirent.namelen = (uint32_t)strlen(name);
		if (plus && at >= 2)
			give_entry(req->state, i, &e.entry_out);
		uint64_t id = e.entry_out.nodeid;
		int res = inst->host->dirent(req, &e, name);
		if (res != GRAFT_DIRENT_OK && id)
			take_back(req->state, id, 1);
		if (res == GRAFT_DIRENT_FULL)
			return 0;
	}
	return 0;
}

static int op_statfs(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_statfs_out *out = req->out;

	atomic_fetch_add(&inst->t->statfs, 1);
	out->st.blocks = inst->t->ino + 1;
	return 0;
}

static int op_syncfs(struct graft_inst *inst, struct graft_req *req)
{
	(void)req;
	atomic_fetch_add(&inst->t->syncfs, 1);
	return 0;
}

static int op_fine(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return 0;
}

/* lock held. MKDIR, MKNOD, CREATE, SYMLINK and LINK: a new name. */
static int make(struct graft_inst *inst, struct graft_req *req, uint32_t mode)
{
	struct tree *t = inst->t;

	uint32_t dir = held_node(req->state, req->node);
	if (!dir)
		return -EBADF;
	if (find_child(t, dir, req->name))
		return -EEXIST;
	uint32_t i = add_child(t, dir, req->name, mode, NULL);
	if (!i)
		return -ENOSPC;
	atomic_fetch_add(&t->changes, 1);
	give_entry(req->state, i, req->out);
	return 0;
}

static int op_make(struct graft_inst *inst, struct graft_req *req)
{
	LOCK_SCOPE(&inst->t->lock);
	switch (req->opcode) {
	case FUSE_MKDIR:
		return make(inst, req, S_IFDIR | 0755);
	case FUSE_SYMLINK:
		return make(inst, req, S_IFLNK | 0777);
	default:
		return make(inst, req, S_IFREG | 0644);
	}
}

static int op_create(struct graft_inst *inst, struct graft_req *req)
{
	struct tree_session *s = req->state;
	struct fuse_open_out *open = (void *)((char *)req->out + sizeof(struct fuse_entry_out));

	LOCK_SCOPE(&inst->t->lock);
	int res = make(inst, req, S_IFREG | 0644);
	if (res)
		return res;
	s->handles++;
	atomic_fetch_add(&inst->t->handles, 1);
	open->fh = 1;
	return 0;
}

static int op_remove(struct graft_inst *inst, struct graft_req *req)
{
	struct tree *t = inst->t;

	LOCK_SCOPE(&t->lock);
	uint32_t dir = held_node(req->state, req->node);
	uint32_t i = dir ? find_child(t, dir, req->name) : 0;
	if (!i)
		return dir ? -ENOENT : -EBADF;
	t->nodes[i].parent = 0;
	atomic_fetch_add(&t->changes, 1);
	return 0;
}

static int op_rename(struct graft_inst *inst, struct graft_req *req)
{
	struct tree *t = inst->t;

	LOCK_SCOPE(&t->lock);
	uint32_t from = held_node(req->state, req->node), to = held_node(req->state, req->node2);
	uint32_t i = from && to ? find_child(t, from, req->name) : 0;
	if (!i)
		return from && to ? -ENOENT : -EBADF;
	uint32_t target = find_child(t, to, req->name2);
	if (target)
		t->nodes[target].parent = 0;
	t->nodes[i].parent = to;
	snprintf(t->nodes[i].name, sizeof(t->nodes[i].name), "%s", req->name2);
	atomic_fetch_add(&t->changes, 1);
	return 0;
}

static int op_link(struct graft_inst *inst, struct graft_req *req)
{
	LOCK_SCOPE(&inst->t->lock);
	if (!held_node(req->state, req->node2))
		return -EBADF;
	return make(inst, req, S_IFREG | 0644);
}

static int op_copy(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_copy_file_range_in *in = req->in;

	LOCK_SCOPE(&inst->t->lock);
	if (!held_node(req->state, req->node) || !held_node(req->state, req->node2))
		return -EBADF;
	atomic_fetch_add(&inst->t->changes, 1);
	((struct fuse_write_out *)req->out)->size = (uint32_t)in->len;
	return 0;
}

static int create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		  struct graft_inst **inst, struct graft_error *err)
{
	struct tree *t;

	(void)slot;
	memcpy(&t, settings, sizeof(t));
	if (t->create_error)
		return (host->fail)(err, -t->create_error, "a tree that does not grow");
	*inst = calloc(1, sizeof(**inst));
	if (!*inst)
		return (host->fail)(err, ENOMEM, "no memory");
	(*inst)->t = t;
	(*inst)->host = host;
	pthread_mutex_lock(&t->lock);
	t->host = host;
	pthread_mutex_unlock(&t->lock);
	atomic_fetch_add(&t->creates, 1);
	return 0;
}

static int start(struct graft_inst *inst, struct graft_error *err)
{
	return inst->t->start_error ? (inst->host->fail)(err, -inst->t->start_error, "a tree that does not start") : 0;
}

static void features(struct graft_inst *inst, struct graft_features *f)
{
	f->can = ~inst->t->cannot;
	f->want = f->need = inst->t->need;
	f->root = inst->t->root;
}

static int session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	struct tree_session *s;

	(void)session;
	if (inst->t->session_error)
		return inst->t->session_error;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->t = inst->t;
	atomic_fetch_add(&inst->t->sessions, 1);
	*state = s;
	return 0;
}

static void session_close(struct graft_inst *inst, void *state)
{
	struct tree_session *s = state;

	for (uint32_t i = 2; i < TREE_NODES; i++)
		atomic_fetch_sub(&inst->t->held, (int64_t)s->lookups[i]);
	atomic_fetch_sub(&inst->t->handles, s->handles);
	free(s);
	atomic_fetch_sub(&inst->t->sessions, 1);
}

static void destroy(struct graft_inst *inst)
{
	struct tree *t = inst->t;

	free(inst);
	atomic_fetch_add(&t->destroys, 1);
}

static graft_op *const ops[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = op_lookup,
	[FUSE_FORGET] = op_forget,
	[FUSE_BATCH_FORGET] = op_batch_forget,
	[FUSE_GETATTR] = op_getattr,
	[FUSE_SETATTR] = op_setattr,
	[FUSE_OPEN] = op_open,
	[FUSE_OPENDIR] = op_opendir,
	[FUSE_RELEASE] = op_release,
	[FUSE_RELEASEDIR] = op_release,
	[FUSE_READ] = op_read,
	[FUSE_READDIR] = op_readdir,
	[FUSE_READDIRPLUS] = op_readdir,
	[FUSE_STATFS] = op_statfs,
	[FUSE_SYNCFS] = op_syncfs,
	[FUSE_ACCESS] = op_fine,
	[FUSE_FLUSH] = op_fine,
	[FUSE_MKDIR] = op_make,
	[FUSE_MKNOD] = op_make,
	[FUSE_SYMLINK] = op_make,
	[FUSE_CREATE] = op_create,
	[FUSE_UNLINK] = op_remove,
	[FUSE_RMDIR] = op_remove,
	[FUSE_RENAME] = op_rename,
	[FUSE_RENAME2] = op_rename,
	[FUSE_LINK] = op_link,
	[FUSE_COPY_FILE_RANGE] = op_copy,
};

/* The address of the tree as a number: the plugin finds it without a global. */
static const struct graft_opt options[] = {
	{ .key = "tree", .type = GRAFT_OPT_U64, .offset = 0, .help = "address of the struct tree" },
	{ .key = NULL },
};

const struct graft_plugin tree_plugin = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.name = "tree",
	.version = "1",
	.summary = "test",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_PARALLEL,
	.opts = options,
	.settings_size = sizeof(uint64_t),
	.nops = GRAFT_OP_COUNT,
	.ops = ops,
	.create = create,
	.start = start,
	.features = features,
	.session_open = session_open,
	.session_close = session_close,
	.destroy = destroy,
};
