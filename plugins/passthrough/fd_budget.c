/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor budget: a CLOCK hand goes round the descriptors that nodes hold, in all sessions at once. */
#include "fd_budget.h"

#include "lib/cleanup.h"
#include "node.h"
#include "node_table.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define TABLES_MAX    256       /* sessions on one instance */
#define OWNERS_MAX    (1 << 22) /* descriptor numbers from here on are not kept by nodes */
#define RESERVE_MAX   64        /* descriptors left for what lives during one request */
#define LISTING_MAX   32        /* descriptors left for directories when files and nodes have all others */
#define BATCH         8         /* nodes that give up theirs for one request, where the limit sank */
#define LOOKUP_STEPS  256       /* descriptors looked at for one look-up */
#define RELIEVE_STEPS 4096      /* after EMFILE */
#define OPEN_STEPS    65536     /* for an open file, which has nothing to fall back to */
#define ID_MASK       ((UINT64_C(1) << GRAFT_NODE_BITS) - 1)

struct member {
	struct node_table *table;
	uint32_t evictors; /* threads inside */
};

struct fd_budget {
	/* By descriptor: table's slot << 48 | node id, 0: no node's. Only a hint, node_evict checks it. */
	_Atomic uint64_t *owners;
	uint32_t nowners;
	_Atomic uint32_t top;  /* one more than the greatest number ever held; relaxed */
	_Atomic uint32_t hand; /* relaxed */
	_Atomic uint64_t files; /* descriptors of open files; relaxed */
	_Atomic bool warned;
	pthread_mutex_t lock;
	pthread_cond_t left;
	/* Protected by lock. */
	struct member tables[TABLES_MAX];
};

static size_t owners_size(const struct fd_budget *b)
{
	return (b->nowners + (size_t)1) * sizeof(*b->owners);
}

struct fd_budget *fd_budget_new(void)
{
	struct fd_budget *b = calloc(1, sizeof(*b));
	struct rlimit limit;

	if (!b)
		return NULL;
	b->nowners = OWNERS_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < OWNERS_MAX)
		b->nowners = (uint32_t)limit.rlim_max;
	/* Touched only as far as descriptors go; a heap would touch all of it. */
	b->owners = mmap(NULL, owners_size(b), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->owners == MAP_FAILED) {
		free(b);
		return NULL;
	}
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->left, NULL);
	return b;
}

void fd_budget_free(struct fd_budget *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->left);
	munmap(b->owners, owners_size(b));
	free(b);
}

int fd_budget_join(struct fd_budget *b, struct node_table *t)
{
	LOCK_SCOPE(&b->lock);
	for (uint32_t i = 0; i < TABLES_MAX; i++) {
		if (!b->tables[i].table) {
			b->tables[i].table = t;
			t->slot = i;
			return 0;
		}
	}
	return -ENFILE;
}

void fd_budget_leave(struct fd_budget *b, struct node_table *t)
{
	struct member *m = &b->tables[t->slot];

	pthread_mutex_lock(&b->lock);
	while (m->evictors)
		pthread_cond_wait(&b->left, &b->lock);
	m->table = NULL;
	pthread_mutex_unlock(&b->lock);
}

static struct node_table *enter(struct fd_budget *b, uint32_t slot)
{
	LOCK_SCOPE(&b->lock);
	struct member *m = &b->tables[slot];

	if (m->table)
		m->evictors++;
	return m->table;
}

static void quit(struct fd_budget *b, const struct node_table *t)
{
	if (!t)
		return;
	LOCK_SCOPE(&b->lock);
	if (!--b->tables[t->slot].evictors)
		pthread_cond_broadcast(&b->left);
}

/* Makes nodes give up to want descriptors up, looking at no more than steps of them. How many did. */
static uint32_t evict(struct graft_inst *inst, uint32_t want, uint32_t steps)
{
	struct fd_budget *b = inst->budget;
	uint32_t top = atomic_load_explicit(&b->top, memory_order_relaxed), done = 0;
	struct node_table *t = NULL;

	if (!inst->handles || !top)
		return 0;
	if (steps > 2 * top)
		steps = 2 * top; /* once round to take the second chance away, once to find */
	while (steps-- && done < want) {
		uint32_t fd = atomic_fetch_add_explicit(&b->hand, 1, memory_order_relaxed) % top;
		uint64_t tag = atomic_load_explicit(&b->owners[fd], memory_order_relaxed);

		if (!tag)
			continue;
		if (!t || t->slot != tag >> GRAFT_NODE_BITS) {
			quit(b, t);
			t = enter(b, (uint32_t)(tag >> GRAFT_NODE_BITS));
		}
		if (t && node_evict(t, tag & ID_MASK, (int)fd))
			done++;
	}
	quit(b, t);
	return done;
}

/* What nodes, open files and open directories together may hold. */
static uint64_t usable(const struct graft_inst *inst)
{
	uint32_t limit = inst->host->fd_limit(inst->slot);
	uint32_t reserve = limit / 8 < RESERVE_MAX ? limit / 8 : RESERVE_MAX;

	return limit - reserve;
}

/* The same without directories: a guest that ran out of descriptors can still list, and so find out why. */
static uint64_t usable_for(const struct graft_inst *inst, enum pt_fd_use use)
{
	uint64_t all = usable(inst);

	return use == PT_FD_DIR ? all : all - (all / 16 < LISTING_MAX ? all / 16 : LISTING_MAX);
}

/* How many descriptors too many there are if nodes hold that many: 0 or up to BATCH. */
static uint32_t excess(const struct graft_inst *inst, uint64_t nodes, uint64_t nodes_max, enum pt_fd_use use)
{
	uint64_t max = usable_for(inst, use);
	uint64_t files = atomic_load_explicit(&inst->budget->files, memory_order_relaxed);
	uint64_t over = nodes + files > max ? nodes + files - max : 0;

	if (nodes > nodes_max && nodes - nodes_max > over)
		over = nodes - nodes_max;
	return over < BATCH ? (uint32_t)over : BATCH;
}

bool fd_budget_node_take(struct graft_inst *inst, int fd, bool may_evict)
{
	_Atomic uint64_t *held = &inst->count.node_fds;
	uint64_t max = usable(inst) / 4 * 3;

	if (fd > NODE_FD_MAX || (uint32_t)fd >= inst->budget->nowners)
		return false;
	for (;;) {
		uint64_t nodes = atomic_fetch_add_explicit(held, 1, memory_order_relaxed) + 1;
		uint32_t over = excess(inst, nodes, max, PT_FD_FILE);

		if (!over)
			return true;
		atomic_fetch_sub_explicit(held, 1, memory_order_relaxed);
		/* One more round only where enough was found: another thread may have been quicker. */
		if (!may_evict || evict(inst, over, LOOKUP_STEPS) < over)
			return false;
	}
}

void fd_budget_node_give(struct graft_inst *inst)
{
	atomic_fetch_sub_explicit(&inst->count.node_fds, 1, memory_order_relaxed);
}

void fd_budget_node_own(struct graft_inst *inst, int fd, const struct node_table *t, uint64_t id)
{
	struct fd_budget *b = inst->budget;
	uint32_t top = atomic_load_explicit(&b->top, memory_order_relaxed);

	atomic_store_explicit(&b->owners[fd], (uint64_t)t->slot << GRAFT_NODE_BITS | id, memory_order_relaxed);
	while (top <= (uint32_t)fd) {
		if (atomic_compare_exchange_weak_explicit(&b->top, &top, (uint32_t)fd + 1, memory_order_relaxed,
							  memory_order_relaxed))
			break;
	}
}

void fd_budget_node_disown(struct graft_inst *inst, int fd)
{
	atomic_store_explicit(&inst->budget->owners[fd], 0, memory_order_relaxed);
	fd_budget_node_give(inst);
}

void fd_budget_node_close(struct graft_inst *inst, int fd)
{
	int saved = errno;

	/* Before the close: the next to get this number records itself. */
	fd_budget_node_disown(inst, fd);
	close(fd);
	errno = saved;
}

void fd_budget_warn(struct graft_inst *inst)
{
	if (!atomic_exchange_explicit(&inst->budget->warned, true, memory_order_relaxed))
		inst->host->log(inst->slot, GRAFT_LOG_WARN,
				"descriptors exhausted (%u allowed): what needs one fails until the guest lets some go",
				inst->host->fd_limit(inst->slot));
}

int pt_handle_fd_take(struct pt_session *s, enum pt_fd_use use)
{
	struct graft_inst *inst = s->inst;
	_Atomic uint64_t *files = &inst->budget->files;

	for (;;) {
		uint64_t nodes = atomic_load_explicit(&inst->count.node_fds, memory_order_relaxed);
		uint32_t over;

		atomic_fetch_add_explicit(files, 1, memory_order_relaxed);
		over = excess(inst, nodes, UINT64_MAX, use);
		if (!over)
			return 0;
		atomic_fetch_sub_explicit(files, 1, memory_order_relaxed);
		if (!evict(inst, over, OPEN_STEPS)) {
			fd_budget_warn(inst);
			return -ENFILE;
		}
	}
}

void pt_handle_fd_give(struct pt_session *s)
{
	atomic_fetch_sub_explicit(&s->inst->budget->files, 1, memory_order_relaxed);
}

bool pt_fd_relieve(struct graft_inst *inst)
{
	int saved = errno;
	uint32_t n = evict(inst, BATCH, RELIEVE_STEPS);

	errno = saved;
	return n > 0;
}
