/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that are open, with the backing id that the client's kernel has for them. */
#include "backing.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BACKING_SHARDS  64
#define BACKING_BUCKETS 64 /* of each shard; a chain is long only with more open files than most processes may have */

/* Counted by the files that are open, of which each has a handle: so many there can be. */
struct backing {
	uint64_t node;
	int id; /* 0: through the server. Constant */
	uint32_t users;       /* protected by the shard's lock, like next */
	struct backing *next;
};

struct backing_shard {
	_Alignas(64) pthread_mutex_t lock;
	struct backing *buckets[BACKING_BUCKETS]; /* protected by lock */
};

struct backing_table {
	struct backing_shard shards[BACKING_SHARDS];
};

/* The low half of a node id is an index that counts up: spread already. */
static struct backing_shard *shard_of(const struct pt_session *s, uint64_t node)
{
	return &s->backings->shards[node % BACKING_SHARDS];
}

static struct backing **bucket_of(struct backing_shard *shard, uint64_t node)
{
	return &shard->buckets[node / BACKING_SHARDS % BACKING_BUCKETS];
}

int backing_table_new(struct pt_session *s)
{
	struct backing_table *t = aligned_alloc(_Alignof(struct backing_table), sizeof(*t));

	if (!t)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < BACKING_SHARDS; i++)
		pthread_mutex_init(&t->shards[i].lock, NULL);
	s->backings = t;
	return 0;
}

/* The handles have left. */
void backing_table_free(struct pt_session *s)
{
	struct backing_table *t = s->backings;

	for (size_t i = 0; i < BACKING_SHARDS; i++)
		pthread_mutex_destroy(&t->shards[i].lock);
	free(t);
	s->backings = NULL;
}

/* The node's, with one more user; where it has none, fresh becomes it (if not NULL). Takes the lock. */
static struct backing *take(struct pt_session *s, uint64_t node, struct backing *fresh)
{
	struct backing_shard *shard = shard_of(s, node);
	struct backing **bucket = bucket_of(shard, node);

	LOCK_SCOPE(&shard->lock);
	struct backing *b = *bucket;
	while (b && b->node != node)
		b = b->next;
	if (!b && fresh) {
		fresh->next = *bucket;
		*bucket = b = fresh;
	}
	if (b)
		b->users++;
	return b;
}

/* Whether the file system behind fd can do O_DIRECT: the kernel opens its backing file with the client's flags. */
static bool can_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || flags & O_DIRECT)
		return flags >= 0;
	return fcntl(fd, F_SETFL, flags | O_DIRECT) == 0 && fcntl(fd, F_SETFL, flags) == 0;
}

/* Without a lock: of two that do so at the same time, one gives its id back. */
static int make(const struct graft_req *req, uint64_t node, int fd, bool direct, struct backing **b)
{
	struct pt_session *s = pt_session(req);
	const struct graft_host *host = s->inst->host;
	struct backing *fresh = calloc(1, sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	/* Whatever the reason why not: the other way always works. */
	int id = direct && !can_direct(fd) ? 0 : host->backing_open((struct graft_req *)req, fd);
	fresh->node = node;
	fresh->id = id > 0 ? id : 0;
	*b = take(s, node, fresh);
	if (*b == fresh)
		return 0;
	if (fresh->id)
		host->backing_close(s->session, fresh->id);
	free(fresh);
	return 0;
}

/*
 * The kernel knows no other FOPEN flags with passthrough, and needs none: there is no cache to keep or to bypass. But
 * where O_DIRECT is not for the host, reads and writes of such a file come here as ever.
 */
static void answer(const struct pt_session *s, const struct backing *b, bool direct, struct fuse_open_out *out)
{
	uint32_t flags = FOPEN_PASSTHROUGH | (out->open_flags & FOPEN_NOFLUSH);

	if (!b->id)
		return;
	if (direct && !s->inst->set->direct_io)
		flags |= FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
	out->open_flags = flags;
	graft_open_out_set_backing(out, b->id);
}

int backing_join(const struct graft_req *req, uint64_t node, int fd, bool direct, struct fuse_open_out *out,
		 struct backing **b)
{
	struct pt_session *s = pt_session(req);
	int res = 0;

	*b = NULL;
	if (!s->backings)
		return 0;
	*b = take(s, node, NULL);
	if (!*b)
		res = make(req, node, fd, direct, b);
	if (!res && (*b)->id && direct && !can_direct(fd)) {
		backing_leave(s, *b);
		*b = NULL;
		res = -EINVAL;
	}
	if (!res)
		answer(s, *b, direct, out);
	return res;
}

void backing_leave(struct pt_session *s, struct backing *b)
{
	if (!b)
		return;
	struct backing_shard *shard = shard_of(s, b->node);
	bool last;

	pthread_mutex_lock(&shard->lock);
	last = --b->users == 0;
	if (last) {
		struct backing **at = bucket_of(shard, b->node);

		while (*at != b)
			at = &(*at)->next;
		*at = b->next;
	}
	pthread_mutex_unlock(&shard->lock);
	if (!last)
		return;
	if (b->id)
		s->inst->host->backing_close(s->session, b->id);
	free(b);
}
