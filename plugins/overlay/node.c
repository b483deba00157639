/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes: found, made, copied up, renamed and forgotten. No lock is held across a system call on the share. */
#include "node.h"

#include "lib/cleanup.h"
#include "node_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_BUCKETS 256
#define UPPER_TAG (UINT64_C(1) << 40) /* apart from the numbers below, which are an image's, and small */

uint64_t ov_upper_ino(uint64_t ino)
{
	return ino ^ UPPER_TAG;
}

bool ov_fd_take(struct graft_inst *inst, bool for_node)
{
	uint32_t limit = inst->host->fd_limit(inst->slot);

	if (atomic_fetch_add_explicit(&inst->fds, 1, memory_order_relaxed) < (for_node ? limit / 2 : limit))
		return true;
	ov_fd_give(inst);
	return false;
}

void ov_fd_give(struct graft_inst *inst)
{
	atomic_fetch_sub_explicit(&inst->fds, 1, memory_order_relaxed);
}

int ov_nodes_new(struct ov_session *s)
{
	struct ov_nodes *t = calloc(1, sizeof(*t));
	struct ov_node *root = calloc(1, sizeof(*root));
	struct statx stx;

	s->nodes = t;
	if (t)
		t->root = root;
	if (!t || !root) {
		free(root);
		free(t);
		s->nodes = NULL;
		return -ENOMEM;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->nbuckets = FIRST_BUCKETS;
	t->buckets = calloc(t->nbuckets, sizeof(struct ov_node *));
	t->lower_buckets = calloc(t->nbuckets, sizeof(struct ov_node *));
	int res = ov_stat(s->inst->upper_fd, &stx);
	if (res < 0 || !t->buckets || !t->lower_buckets)
		return res < 0 ? res : -ENOMEM;
	root->id = GRAFT_ROOT_NODE;
	root->type = S_IFDIR;
	root->lower = GRAFT_ROOT_NODE;
	root->upper_ino = stx.stx_ino;
	root->ino = ov_upper_ino(stx.stx_ino);
	root->refs = 1;
	atomic_init(&root->fd, s->inst->upper_fd);
	table_link(t, root, table_hash_upper(stx.stx_ino));
	table_link_lower(t, root);
	return 0;
}

static void free_node(struct ov_session *s, struct ov_node *n)
{
	int fd = atomic_load_explicit(&n->fd, memory_order_relaxed);

	if (fd >= 0) {
		close(fd);
		ov_fd_give(s->inst);
	}
	if (s->session->max_nodes)
		s->inst->host->unclaim(s->session, GRAFT_CLAIM_NODE, 1);
	atomic_fetch_sub_explicit(&s->inst->nodes, 1, memory_order_relaxed);
	free(n->name);
	free(n);
}

void ov_nodes_free(struct ov_session *s)
{
	struct ov_nodes *t = s->nodes;

	for (uint32_t i = 0; i < t->nslots; i++) {
		if (t->slots[i].node)
			free_node(s, t->slots[i].node);
	}
	pthread_mutex_destroy(&t->lock);
	free(t->buckets);
	free(t->lower_buckets);
	free(t->slots);
	free(t->dead);
	free(t->root);
	free(t);
	s->nodes = NULL;
}

/* Takes a node that nobody needs out of the table, and of its parents those that nobody needs then. A list, by next. */
static struct ov_node *reap(struct ov_nodes *t, struct ov_node *n)
{
	struct ov_node *list = NULL;

	while (n && n != t->root && !n->refs && !n->nlookup) {
		struct ov_node *parent = n->parent;

		table_unlink(t, n);
		if (n->lower && S_ISDIR(n->type))
			table_unlink_lower(t, n);
		if (n->lower_count)
			table_dead(t, n->lower, n->lower_count);
		table_remove(t, n);
		n->next = list;
		list = n;
		if (parent)
			parent->refs--;
		n = parent;
	}
	return list;
}

static void free_list(struct ov_session *s, struct ov_node *list)
{
	while (list) {
		struct ov_node *next = list->next;
		free_node(s, list);
		list = next;
	}
}

static struct ov_node *find_id(const struct ov_nodes *t, uint64_t id)
{
	return id == GRAFT_ROOT_NODE ? t->root : table_find(t, id);
}

struct ov_node *ov_node_get(struct ov_session *s, uint64_t id)
{
	LOCK_SCOPE(&s->nodes->lock);
	struct ov_node *n = find_id(s->nodes, id);

	if (n)
		n->refs++;
	return n;
}

struct ov_node *ov_node_hold(struct ov_session *s, struct ov_node *node)
{
	LOCK_SCOPE(&s->nodes->lock);
	node->refs++;
	return node;
}

static struct ov_node *drop_ref(struct ov_nodes *t, struct ov_node *n)
{
	LOCK_SCOPE(&t->lock);
	n->refs--;
	return reap(t, n);
}

void ov_node_put(struct ov_session *s, struct ov_node *node)
{
	if (node)
		free_list(s, drop_ref(s->nodes, node));
}

/* The nearest directory above that has a descriptor, in use, and the path from there. 0 or -errno. */
static int find_path(struct ov_nodes *t, struct ov_node *n, char path[PATH_MAX], char **start, struct ov_node **from)
{
	LOCK_SCOPE(&t->lock);
	char *p = path + PATH_MAX - 1;

	*p = '\0';
	do {
		size_t len = n->name ? strlen(n->name) : 0;
		if (!len || !n->parent)
			return -ESTALE;
		if (len + 1 > (size_t)(p - path))
			return -ENAMETOOLONG;
		if (*p)
			*--p = '/';
		p -= len;
		memcpy(p, n->name, len);
		n = n->parent;
	} while (atomic_load_explicit(&n->fd, memory_order_relaxed) < 0);
	n->refs++;
	*start = p;
	*from = n;
	return 0;
}

/* By its path: a descriptor of what the node stands for, or -errno. */
static int open_path(struct ov_session *s, struct ov_node *n)
{
	char path[PATH_MAX], *p;
	struct ov_node *from;
	struct statx stx;
	int res = find_path(s->nodes, n, path, &p, &from);

	if (res < 0)
		return res;
	int fd =
		ov_open_name(s->inst, atomic_load_explicit(&from->fd, memory_order_relaxed), p, O_PATH | O_NOFOLLOW, 0);
	ov_node_put(s, from);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	res = ov_stat(fd, &stx);
	if (res == 0 && stx.stx_ino != n->upper_ino)
		res = -ESTALE;
	if (res < 0)
		close(fd);
	return res < 0 ? res : fd;
}

int ov_ref_node(struct ov_session *s, struct ov_node *node, struct ov_ref *ref)
{
	int fd = atomic_load_explicit(&node->fd, memory_order_acquire);

	ref->node = ov_node_hold(s, node);
	ref->temp = fd == OV_NODE_FD_UNKEPT;
	ref->fd = ref->temp ? open_path(s, node) : fd;
	if (!ref->temp || ref->fd >= 0)
		return 0;
	int res = ref->fd;
	ov_node_put(s, node);
	return res;
}

int ov_ref_get(struct ov_session *s, uint64_t id, struct ov_ref *ref)
{
	ref->node = ov_node_get(s, id);
	if (!ref->node)
		return -ESTALE;
	int fd = atomic_load_explicit(&ref->node->fd, memory_order_acquire);
	ref->temp = fd == OV_NODE_FD_UNKEPT;
	ref->fd = ref->temp ? open_path(s, ref->node) : fd;
	if (!ref->temp || ref->fd >= 0)
		return 0;
	int res = ref->fd;
	ov_node_put(s, ref->node);
	return res;
}

void ov_ref_put(struct ov_session *s, struct ov_ref *ref)
{
	if (ref->temp)
		close(ref->fd);
	ov_node_put(s, ref->node);
}

static void set_name(struct ov_node *n, struct ov_node *parent, char *name)
{
	free(n->name);
	n->name = name;
	if (parent)
		parent->refs++;
	if (n->parent)
		n->parent->refs--;
	n->parent = parent;
}

/* With the lock: the part above is known now. True: fd was taken. */
static bool attach(struct ov_session *s, struct ov_node *n, uint64_t upper_ino, int fd, bool kept)
{
	(void)s;
	table_unlink(s->nodes, n);
	n->upper_ino = upper_ino;
	atomic_store_explicit(&n->fd, kept ? fd : OV_NODE_FD_UNKEPT, memory_order_release);
	table_link(s->nodes, n, table_hash_upper(upper_ino));
	return kept;
}

static struct ov_node *new_node(struct ov_session *s, const struct ov_found *f)
{
	struct ov_node *n;
	char *name = f->parent ? strdup(f->name) : NULL;

	if (f->parent && !name)
		return NULL;
	if (s->session->max_nodes && s->inst->host->claim(s->session, GRAFT_CLAIM_NODE) < 0) {
		free(name);
		return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (!n) {
		if (s->session->max_nodes)
			s->inst->host->unclaim(s->session, GRAFT_CLAIM_NODE, 1);
		free(name);
		return NULL;
	}
	n->name = name;
	n->type = (f->upper ? f->upper->stx_mode : f->lower_mode) & S_IFMT;
	n->lower = f->lower;
	n->ino = f->lower ? f->lower_ino : ov_upper_ino(f->upper->stx_ino);
	atomic_init(&n->fd, OV_NODE_FD_NONE);
	atomic_fetch_add_explicit(&s->inst->nodes, 1, memory_order_relaxed);
	return n;
}

/* With the lock. The node that the finding is about, if it is known. */
static struct ov_node *find_known(const struct ov_nodes *t, const struct ov_found *f)
{
	struct ov_node *n = f->upper ? table_find_upper(t, f->upper->stx_ino) : NULL;
	mode_t type = (f->upper ? f->upper->stx_mode : f->lower_mode) & S_IFMT;

	if (!n && f->parent)
		n = table_find_name(t, f->parent, f->name);
	return n && n->type == type && (!f->lower || !n->lower || n->lower == f->lower) ? n : NULL;
}

/* With the lock. Puts a new node where it is found. 0 or -errno. */
static int add_node(struct ov_nodes *t, struct ov_node *n, const struct ov_found *f)
{
	int res = table_add(t, n);

	if (res < 0)
		return res;
	if (f->parent) {
		n->parent = f->parent;
		f->parent->refs++;
	}
	table_link(t, n, f->upper ? table_hash_upper(f->upper->stx_ino) : table_hash_name(f->parent, f->name));
	if (n->lower && S_ISDIR(n->type))
		table_link_lower(t, n);
	return 0;
}

/* With the lock. What a finding tells of a node; the look-up below becomes the node's. *old: a name that is to be
 * freed. */
static void refresh(struct ov_session *s, struct ov_node *n, struct ov_found *f, bool *keep, char **name)
{
	if (f->upper && !ov_has_upper(n) && attach(s, n, f->upper->stx_ino, f->fd, *keep)) {
		f->fd = -1;
		*keep = false;
	}
	if (f->lower && n->lower == f->lower)
		n->lower_count++;
	else if (f->lower)
		table_dead(s->nodes, f->lower, 1);
	/* Of several names the last one seen. */
	if (ov_has_upper(n) && f->parent && !n->parent && *name) {
		set_name(n, f->parent, *name);
		*name = NULL;
		n->gone = false;
	}
	n->nlookup++;
	n->refs++;
}

int ov_node_enter(struct ov_session *s, struct ov_found *f, struct ov_node **node)
{
	struct ov_nodes *t = s->nodes;
	bool keep = f->upper && f->fd >= 0 && ov_fd_take(s->inst, !S_ISDIR(f->upper->stx_mode));
	struct ov_node *made = NULL;
	char *name = NULL;
	int res = 0;

	pthread_mutex_lock(&t->lock);
	struct ov_node *n = find_known(t, f);
	if (!n || (f->upper && !n->parent && n != t->root)) {
		pthread_mutex_unlock(&t->lock);
		name = n && f->parent ? strdup(f->name) : NULL;
		made = n ? NULL : new_node(s, f);
		if (!n && !made)
			res = -ENFILE;
		pthread_mutex_lock(&t->lock);
		n = find_known(t, f);
	}
	if (!n && made) {
		res = add_node(t, made, f);
		n = res == 0 ? made : NULL;
		made = res == 0 ? NULL : made;
	}
	if (n)
		refresh(s, n, f, &keep, &name);
	else if (f->lower)
		table_dead(t, f->lower, 1);
	pthread_mutex_unlock(&t->lock);
	if (made)
		free_node(s, made);
	if (keep)
		ov_fd_give(s->inst);
	cleanup_close(&f->fd);
	f->fd = -1;
	free(name);
	*node = n;
	return n ? 0 : res < 0 ? res : -ENFILE;
}

struct ov_node *ov_node_find_upper(struct ov_session *s, uint64_t upper_ino)
{
	LOCK_SCOPE(&s->nodes->lock);
	struct ov_node *n = table_find_upper(s->nodes, upper_ino);

	if (n)
		n->refs++;
	return n;
}

struct ov_node *ov_node_find_name(struct ov_session *s, const struct ov_node *parent, const char *name)
{
	LOCK_SCOPE(&s->nodes->lock);
	struct ov_node *n = table_find_name(s->nodes, parent, name);

	if (n)
		n->refs++;
	return n;
}

struct ov_node *ov_node_find_lower(struct ov_session *s, uint64_t lower)
{
	LOCK_SCOPE(&s->nodes->lock);
	struct ov_node *n = table_find_lower(s->nodes, lower);

	if (n)
		n->refs++;
	return n;
}

uint64_t ov_node_shown_ino(struct ov_session *s, uint64_t upper_ino)
{
	LOCK_SCOPE(&s->nodes->lock);
	const struct ov_node *n = table_find_upper(s->nodes, upper_ino);

	return n ? n->ino : 0;
}

void ov_node_set_upper(struct ov_session *s, struct ov_node *node, uint64_t upper_ino, int fd)
{
	/* A file without a name is reached by its descriptor alone. */
	bool kept = ov_fd_take(s->inst, !S_ISDIR(node->type));

	pthread_mutex_lock(&s->nodes->lock);
	if (!kept && node->gone) {
		atomic_fetch_add_explicit(&s->inst->fds, 1, memory_order_relaxed);
		kept = true;
	}
	bool taken = !ov_has_upper(node) && attach(s, node, upper_ino, fd, kept);
	pthread_mutex_unlock(&s->nodes->lock);
	if (taken)
		return;
	if (kept)
		ov_fd_give(s->inst);
	close(fd);
}

/* With the lock: who has that name. In use; or NULL. */
static struct ov_node *find_named(const struct ov_nodes *t, const struct ov_node *parent, const char *name,
				  uint64_t ino)
{
	struct ov_node *n = ino ? table_find_upper(t, ino) : table_find_name(t, parent, name);

	return n && n->parent == parent && n->name && strcmp(n->name, name) == 0 ? n : NULL;
}

void ov_node_unname(struct ov_session *s, struct ov_node *parent, const char *name)
{
	struct ov_nodes *t = s->nodes;
	struct ov_ref dir;
	struct statx stx = { 0 };
	struct ov_node *list = NULL;
	int fd = -1;

	/* Still there: this is asked before the name goes. */
	if (ov_ref_node(s, parent, &dir) == 0) {
		if (dir.fd >= 0 && ov_see(dir.fd, name, &stx) == OV_OBJECT)
			fd = ov_open_name(s->inst, dir.fd, name, O_PATH | O_NOFOLLOW, 0);
		ov_ref_put(s, &dir);
	}
	bool kept = fd >= 0 && ov_fd_take(s->inst, false);
	pthread_mutex_lock(&t->lock);
	struct ov_node *n = find_named(t, parent, name, fd >= 0 ? stx.stx_ino : 0);
	if (n) {
		if (kept && atomic_load_explicit(&n->fd, memory_order_relaxed) == OV_NODE_FD_UNKEPT) {
			atomic_store_explicit(&n->fd, fd, memory_order_release);
			kept = false;
			fd = -1;
		}
		if (!ov_has_upper(n))
			table_unlink(t, n);
		struct ov_node *old = n->parent;
		set_name(n, NULL, NULL);
		n->gone = true;
		list = reap(t, old);
	}
	pthread_mutex_unlock(&t->lock);
	free_list(s, list);
	if (kept)
		ov_fd_give(s->inst);
	cleanup_close(&fd);
}

void ov_node_rename(struct ov_session *s, struct ov_node *node, struct ov_node *parent, const char *name)
{
	char *copy = strdup(name);
	struct ov_nodes *t = s->nodes;

	pthread_mutex_lock(&t->lock);
	struct ov_node *old = node->parent;
	set_name(node, copy ? parent : NULL, copy);
	node->gone = !copy;
	struct ov_node *list = old ? reap(t, old) : NULL;
	pthread_mutex_unlock(&t->lock);
	free_list(s, list);
}

int ov_node_place(struct ov_session *s, struct ov_node *node, struct ov_node **parent, char name[256])
{
	LOCK_SCOPE(&s->nodes->lock);
	*parent = NULL;
	if (!node->parent || !node->name)
		return -ENOENT;
	strncpy(name, node->name, 255);
	name[255] = '\0';
	*parent = node->parent;
	node->parent->refs++;
	return 0;
}

void ov_node_forget(struct ov_session *s, uint64_t id, uint64_t count)
{
	struct ov_nodes *t = s->nodes;
	struct ov_node *list = NULL;

	pthread_mutex_lock(&t->lock);
	struct ov_node *n = table_find(t, id);
	if (n) {
		n->nlookup -= count < n->nlookup ? count : n->nlookup;
		list = reap(t, n);
	}
	pthread_mutex_unlock(&t->lock);
	free_list(s, list);
}

uint32_t ov_nodes_dead(struct ov_session *s, struct fuse_forget_one *to, uint32_t max)
{
	LOCK_SCOPE(&s->nodes->lock);
	struct ov_nodes *t = s->nodes;
	uint32_t n = t->ndead < max ? t->ndead : max;

	t->ndead -= n;
	if (n)
		memcpy(to, t->dead + t->ndead, n * sizeof(*to));
	return n;
}

void ov_nodes_drop_lower(struct ov_session *s, uint64_t lower)
{
	LOCK_SCOPE(&s->nodes->lock);
	table_dead(s->nodes, lower, 1);
}

uint32_t ov_nodes_count_dead(struct ov_session *s)
{
	LOCK_SCOPE(&s->nodes->lock);
	return s->nodes->ndead;
}
