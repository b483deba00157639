/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes in use: a descriptor for each request, kept, or opened from the file handle; making and evicting. */
#include "node.h"

#include "fd_budget.h"
#include "lib/cleanup.h"
#include "mount_fds.h"
#include "open.h"

#include <fcntl.h>

/* Asks for the handle once. 0, -EOPNOTSUPP where there is none, or another error. */
static int seen_handle(struct graft_inst *inst, struct node_seen *seen)
{
	uint64_t mount;
	int res;

	if (seen->h.len)
		return 0;
	if (seen->no_handle || !inst->handles)
		return -EOPNOTSUPP;
	res = fhandle_of(seen->fd, "", &seen->h, &mount);
	if (!res && mount != seen->key.mount) {
		seen->h.len = 0;
		res = -EOPNOTSUPP;
	}
	seen->no_handle = res == -EOPNOTSUPP;
	return res;
}

/* The next value of the clock, for a node whose descriptor is open already. */
static void stamp(struct node_table *t, struct node *n)
{
	/* Release pairs with the acquire load in lookup.c: who starts later finds the descriptor open. */
	uint64_t now = atomic_fetch_add_explicit(&t->clock, 1, memory_order_release) + 1;

	atomic_store_explicit(&n->since, now, memory_order_relaxed);
}

/* A handle that works later, for a node that cannot keep its descriptor. */
static int fall_back(struct graft_inst *inst, struct node_seen *seen)
{
	int res = seen_handle(inst, seen);
	struct mount_fds_probe probe = {
		.mount = seen->key.mount,
		.fd = seen->fd,
		.type = seen->type,
		.h = &seen->h,
	};

	if (!res)
		res = mount_fds_get(inst->mounts, &probe);
	if (!res)
		return 0;
	fd_budget_warn(inst);
	return -ENFILE;
}

static int fill(struct node_table *t, struct node *n, const struct node_seen *seen)
{
	n->ino = seen->key.ino;
	n->dev_major = seen->key.dev_major;
	n->dev_minor = seen->key.dev_minor;
	n->mount = seen->key.mount;
	n->type = (uint8_t)(seen->type >> 12);
	return seen->h.len ? node_handle_set(t, n, &seen->h) : 0;
}

/* A new node that was not published yet. */
struct fresh {
	struct node *n;
	uint64_t id;
	int fd; /* the descriptor it will have, or -1 */
};

static void fresh_drop(struct node_table *t, struct fresh *f)
{
	if (f->fd >= 0)
		fd_budget_node_disown(t->inst, f->fd);
	node_release(t, f->n);
	f->n = NULL;
}

static int fresh_make(struct node_table *t, struct node_seen *seen, struct fresh *f)
{
	struct graft_inst *inst = t->inst;
	int res;

	f->n = node_alloc(t, &f->id);
	f->fd = -1;
	if (!f->n)
		return -ENFILE;
	if (inst->set->file_handles == PT_HANDLES_MANDATORY) {
		res = seen_handle(inst, seen);
		if (res < 0)
			goto drop;
	}
	if (fd_budget_node_take(inst, seen->fd, true)) {
		f->fd = seen->fd;
		fd_budget_node_own(inst, f->fd, t, f->id);
		stamp(t, f->n);
	} else {
		res = fall_back(inst, seen);
		if (res < 0)
			goto drop;
		f->n->mount = seen->key.mount;
		f->n->counted = true;
	}
	res = fill(t, f->n, seen);
	if (!res)
		return 0;
drop:
	fresh_drop(t, f);
	return res;
}

/* Lets a node have fd, if the budget allows. True: it is the node's now. The caller has the node pinned. */
static bool give_fd(struct node_table *t, struct node *n, uint64_t id, int fd, bool evict)
{
	bool given = false;
	uint64_t word;

	if (atomic_exchange_explicit(&n->busy, true, memory_order_acquire))
		return false;
	if (fd_budget_node_take(t->inst, fd, evict)) {
		fd_budget_node_own(t->inst, fd, t, id);
		stamp(t, n);
		word = atomic_load_explicit(&n->word, memory_order_relaxed);
		/* Release pairs with the acquire loads of word: since is seen with the descriptor. */
		while (!given && (word & NODE_GENERATION) && node_word_fd(word) < 0)
			given = atomic_compare_exchange_weak_explicit(&n->word, &word,
								      word | (uint64_t)(fd + 1) << NODE_FD_SHIFT,
								      memory_order_release, memory_order_relaxed);
		if (!given)
			fd_budget_node_disown(t->inst, fd);
	}
	atomic_store_explicit(&n->busy, false, memory_order_release);
	return given;
}

/* A node that was found though it has no descriptor may have the one that is at hand. */
static void offer_fd(struct node_table *t, uint64_t id, struct node_seen *seen)
{
	uint64_t word;
	struct node *n = node_pin(t, id, &word);

	if (!n)
		return;
	if (node_word_fd(word) < 0 && give_fd(t, n, id, seen->fd, false))
		seen->fd = -1;
	node_unpin(t, n);
}

int node_enter(struct pt_session *s, struct node_seen *seen, uint64_t *id)
{
	struct node_query q = {.key = seen->key, .type = seen->type, .start = UINT64_MAX};
	struct node_table *t = s->nodes;
	struct fresh f = {.n = NULL};
	enum node_found found = NODE_ABSENT;
	int res = seen->fresh ? fresh_make(t, seen, &f) : 0;

	while (res >= 0) {
		found = f.n ? node_publish(t, f.n, f.id, f.fd, &q, id) : node_find(t, &q, id);
		if (found == NODE_FOUND)
			break;
		if (found == NODE_COMPARE) {
			res = seen_handle(t->inst, seen);
			q.h = &seen->h;
			if (res == -EOPNOTSUPP)
				res = 0;
		} else {
			res = f.n ? -ENOMEM : fresh_make(t, seen, &f);
		}
	}
	if (found == NODE_FOUND && f.n && *id == f.id) {
		if (f.fd >= 0)
			seen->fd = -1;
		seen->made = true;
		return 0;
	}
	if (f.n)
		fresh_drop(t, &f);
	if (found == NODE_FOUND)
		offer_fd(t, *id, seen);
	return res;
}

/* Whether a handle and a mount descriptor stand ready, so that the node can do without fd. By busy's holder. */
static bool ready_to_fall_back(struct node_table *t, struct node *n, int fd)
{
	struct mount_fds_probe probe = {.mount = n->mount, .fd = fd, .type = (mode_t)n->type << 12};
	struct fhandle h;
	uint64_t mount;

	if (n->counted || n->stays)
		return n->counted;
	if (!node_handle(t, n, &h)) {
		if (fhandle_of(fd, "", &h, &mount) < 0 || mount != n->mount || node_handle_set(t, n, &h) < 0) {
			n->stays = true;
			return false;
		}
	}
	probe.h = &h;
	n->counted = mount_fds_get(t->inst->mounts, &probe) == 0;
	n->stays = !n->counted;
	return n->counted;
}

static bool take_fd(struct node_table *t, struct node *n, int fd)
{
	bool taken = false;
	uint64_t word;

	if (atomic_exchange_explicit(&n->busy, true, memory_order_acquire))
		return false;
	if (ready_to_fall_back(t, n, fd)) {
		word = atomic_load_explicit(&n->word, memory_order_relaxed);
		/* Only while this thread is the one user. Release: who sees no descriptor sees the handle. */
		while (!taken && (word & NODE_GENERATION) && node_word_fd(word) == fd && word / NODE_USER == 1)
			taken = atomic_compare_exchange_weak_explicit(&n->word, &word, word & ~NODE_FD_MASK,
								      memory_order_release, memory_order_relaxed);
	}
	atomic_store_explicit(&n->busy, false, memory_order_release);
	return taken;
}

bool node_evict(struct node_table *t, uint64_t id, int fd)
{
	uint64_t word;
	struct node *n = node_pin(t, id, &word);
	bool taken = false;

	if (!n)
		return false;
	if (node_word_fd(word) == fd && word < NODE_USER &&
	    !atomic_exchange_explicit(&n->used, 0, memory_order_relaxed) && take_fd(t, n, fd)) {
		fd_budget_node_close(t->inst, fd);
		atomic_fetch_add_explicit(&t->inst->count.evicted_fds, 1, memory_order_relaxed);
		taken = true;
	}
	node_unpin(t, n);
	return taken;
}

/* A temporary descriptor from the file handle. fd or -errno. */
static int open_handle(struct node_table *t, const struct node *n)
{
	struct fhandle h;
	int mount_fd = mount_fds_fd(t->inst->mounts, n->mount), fd;

	if (mount_fd < 0 || !node_handle(t, n, &h))
		return -ESTALE;
	fd = fhandle_open(mount_fd, &h);
	if ((fd == -EMFILE || fd == -ENFILE) && pt_fd_relieve(t->inst))
		fd = fhandle_open(mount_fd, &h);
	return fd;
}

int node_get(struct pt_session *s, uint64_t id, struct node_ref *ref)
{
	struct node_table *t = s->nodes;
	uint64_t word;
	bool warm;

	ref->temp = false;
	if (id == GRAFT_ROOT_NODE) {
		ref->node = t->root;
		ref->fd = s->inst->root_fd;
		return 0;
	}
	ref->node = node_pin(t, id, &word);
	/* What a server before gave out: the client looks the name up anew. */
	if (!ref->node)
		return s->session->life ? -ESTALE : -EBADF;
	warm = atomic_load_explicit(&ref->node->used, memory_order_relaxed);
	if (!warm)
		atomic_store_explicit(&ref->node->used, 1, memory_order_relaxed);
	ref->fd = node_word_fd(word);
	if (ref->fd >= 0)
		return 0;
	ref->fd = open_handle(t, ref->node);
	if (ref->fd < 0) {
		node_unpin(t, ref->node);
		return ref->fd;
	}
	/* Used twice in short time: worth a descriptor of its own, even at the cost of another node's. */
	ref->temp = !give_fd(t, ref->node, id, ref->fd, warm);
	return 0;
}

void node_put(struct pt_session *s, struct node_ref *ref)
{
	if (ref->node == s->nodes->root)
		return;
	if (ref->temp)
		cleanup_close(&ref->fd);
	node_unpin(s->nodes, ref->node);
}

mode_t node_type(const struct node_ref *ref)
{
	return (mode_t)ref->node->type << 12;
}

bool node_at_home(const struct pt_session *s, const struct node_ref *ref)
{
	const struct node *n = ref->node, *root = s->nodes->root;

	return n->mount == root->mount && n->dev_major == root->dev_major && n->dev_minor == root->dev_minor;
}

int node_open(struct pt_session *s, const struct node_ref *ref, int flags)
{
	mode_t type = node_type(ref);

	/* Opening a pipe or a device would act on this host. */
	if (!S_ISREG(type) && !S_ISDIR(type))
		return -EBADF;
	return open_again(s->inst, ref->fd, flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW));
}
