/* SPDX-License-Identifier: Apache-2.0 */
/* GETLK, SETLK, SETLKW: POSIX locks as open-file-description locks, flock on the handle, and those who wait for one. */
#include "locks.h"

#include "handle.h"
#include "lib/cleanup.h"
#include "lib/thread.h"
#include "lock_ranges.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define OWNER_BUCKETS 256u
#define OWNERS_MAX 4096u  /* of one session: (node, process) pairs that have locked something */
#define RANGES_MAX 65536u /* of one session: the kernel keeps 192 bytes for each, on nobody's account */
#define WAITERS_MAX 1024u /* of one session */
#define WAIT_MIN_MS 10
#define WAIT_MAX_MS 100

/*
 * The POSIX locks of one guest process on one node are open-file-description locks of a descriptor of their own, so
 * that two processes of the guest conflict as they should.
 */
struct lock_owner {
	struct lock_owner *next; /* in the bucket */
	uint64_t node, owner;    /* constant, like fd */
	int fd;
	/*
	 * Held while the kernel changes the locks, for ranges must change in the same order. It makes wait only requests of one process
	 * about one file, which the kernel makes wait for each other as well. Taken before the table's.
	 */
	pthread_mutex_t changing;
	struct lock_ranges ranges; /* protected by changing */
	/* Protected by the table's lock. */
	uint32_t users; /* requests at work with it or waiting */
	bool idle;      /* holds no lock that the guest knows of: goes with its last user */
};

enum waiter_state {
	WAITER_BUSY,   /* somebody tries for it, or it is not armed yet: only he may end it */
	WAITER_WAITING /* whoever has the table's lock may take it out and end the request */
};

/* A SETLKW that did not get its lock yet. The request's own memory. */
struct lock_waiter {
	struct lock_waiter *next, *prev; /* with state and cancelled: protected by the table's lock */
	enum waiter_state state;
	bool cancelled; /* while busy */
	/* Constant. */
	struct graft_req *req;
	struct handle *h;         /* pinned */
	struct lock_owner *owner; /* in use; NULL: flock */
};

enum thread_state { THREAD_NONE, THREAD_RUNNING, THREAD_ENDED };

struct lock_table {
	struct pt_session *session;
	pthread_mutex_t lock; /* never held across a system call on the share */
	pthread_cond_t changed;
	/* Protected by lock. */
	struct lock_owner *owners[OWNER_BUCKETS];
	struct lock_waiter *first, *last; /* in the order they came */
	uint32_t nowners, nranges, nwaiters;
	enum thread_state thread_state;
	pthread_t thread;
	bool retry;   /* something was unlocked: do not sleep on */
	bool closing; /* nobody waits any more */
};

int lock_table_new(struct pt_session *s)
{
	struct lock_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->session = s;
	pthread_mutex_init(&t->lock, NULL);
	thread_cond_init(&t->changed);
	s->locks = t;
	return 0;
}

static struct lock_owner **bucket(struct lock_table *t, uint64_t node, uint64_t owner)
{
	uint64_t mix = (node ^ owner * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);

	return &t->owners[mix >> 56 & (OWNER_BUCKETS - 1)];
}

/* Under the table's lock: the owner, in use once more, or NULL. */
static struct lock_owner *find(struct lock_table *t, uint64_t node, uint64_t owner)
{
	struct lock_owner *o = *bucket(t, node, owner);

	while (o && (o->node != node || o->owner != owner))
		o = o->next;
	if (o)
		o->users++;
	return o;
}

static struct lock_owner *owner_get(struct lock_table *t, uint64_t node, uint64_t owner)
{
	LOCK_SCOPE(&t->lock);
	return find(t, node, owner);
}

/* An owner has a descriptor for as long as it has locks: it counts as an open file. 0 or -ENOLCK. */
static int claim(const struct pt_session *s)
{
	if (!s->session->max_open)
		return 0;
	return s->inst->host->claim(s->session, GRAFT_CLAIM_OPEN) ? -ENOLCK : 0;
}

static void unclaim(const struct pt_session *s)
{
	if (s->session->max_open)
		s->inst->host->unclaim(s->session, GRAFT_CLAIM_OPEN, 1);
}

/* Makes room for n ranges where there were old, before the kernel has them, or gives it back. 0 or -ENOLCK. */
static int count_ranges(struct lock_table *t, uint32_t old, uint32_t n)
{
	const uint64_t open = t->session->session->max_open;
	const uint32_t most = open && open < RANGES_MAX ? (uint32_t)open : RANGES_MAX;

	LOCK_SCOPE(&t->lock);
	if (n > old && t->nranges + (n - old) > most)
		return -ENOLCK;
	t->nranges = t->nranges - old + n;
	return 0;
}

static void owner_free(struct lock_table *t, struct lock_owner *o)
{
	count_ranges(t, o->ranges.n, 0);
	lock_ranges_drop(&o->ranges);
	pthread_mutex_destroy(&o->changing);
	close(o->fd);
	pt_handle_fd_give(t->session);
	unclaim(t->session);
	free(o);
}

static void owner_put(struct lock_table *t, struct lock_owner *o)
{
	pthread_mutex_lock(&t->lock);
	bool gone = --o->users == 0 && o->idle;
	if (gone) {
		struct lock_owner **at = bucket(t, o->node, o->owner);
		while (*at != o)
			at = &(*at)->next;
		*at = o->next;
		t->nowners--;
	}
	pthread_mutex_unlock(&t->lock);
	if (gone)
		owner_free(t, o);
}

/* Write locks need a descriptor open for writing; where that is refused, read locks still work. */
static int open_for_locks(struct pt_session *s, uint64_t node)
{
	struct node_ref ref;
	int fd = node_get(s, node, &ref);

	if (fd < 0)
		return fd;
	fd = s->inst->set->readonly ? -EROFS : node_open(s, &ref, O_RDWR | O_NONBLOCK);
	if (fd == -EROFS || fd == -EACCES || fd == -EPERM || fd == -EISDIR || fd == -ETXTBSY)
		fd = node_open(s, &ref, O_RDONLY | O_NONBLOCK);
	node_put(s, &ref);
	return fd;
}

/* Puts a new owner into the table unless another request was quicker. The one that counts, in use; NULL: no room. */
static struct lock_owner *insert(struct lock_table *t, struct lock_owner *made)
{
	LOCK_SCOPE(&t->lock);
	struct lock_owner *o = find(t, made->node, made->owner);

	if (o || t->nowners >= OWNERS_MAX)
		return o;
	struct lock_owner **at = bucket(t, made->node, made->owner);
	made->next = *at;
	*at = made;
	t->nowners++;
	return made;
}

/* The owner, made if need be. 0 or -errno. */
static int owner_make(struct lock_table *t, uint64_t node, uint64_t owner, struct lock_owner **out)
{
	struct pt_session *s = t->session;

	*out = owner_get(t, node, owner);
	if (*out)
		return 0;
	if (claim(s))
		return -ENOLCK;
	if (pt_handle_fd_take(s, PT_FD_FILE) < 0) {
		unclaim(s);
		return -ENOLCK;
	}
	struct lock_owner *made = calloc(1, sizeof(*made));
	int fd = made ? open_for_locks(s, node) : -ENOMEM;
	if (fd < 0) {
		free(made);
		pt_handle_fd_give(s);
		unclaim(s);
		return fd;
	}
	*made = (struct lock_owner){.node = node, .owner = owner, .fd = fd, .users = 1, .idle = true};
	pthread_mutex_init(&made->changing, NULL);
	*out = insert(t, made);
	if (*out != made)
		owner_free(t, made);
	return *out ? 0 : -ENOLCK;
}

static struct lock_table *table(const struct graft_req *req)
{
	return pt_session(req)->locks;
}

/* A guest's range as fcntl takes it. 0 or -EINVAL. */
static int to_flock(const struct fuse_file_lock *lk, struct flock *fl)
{
	if (lk->start > INT64_MAX || lk->start > lk->end)
		return -EINVAL;
	if (lk->type != F_RDLCK && lk->type != F_WRLCK && lk->type != F_UNLCK)
		return -EINVAL;
	memset(fl, 0, sizeof(*fl)); /* l_pid 0: an open file description's */
	fl->l_type = (short)lk->type;
	fl->l_whence = SEEK_SET;
	fl->l_start = (off_t)lk->start;
	fl->l_len = lk->end >= INT64_MAX ? 0 : (off_t)(lk->end - lk->start + 1);
	return 0;
}

/* The owner's locks become what they are with fl. 0, -EAGAIN where somebody else has it, another -errno. */
static int change(struct lock_table *t, struct lock_owner *o, struct flock *fl)
{
	const uint64_t start = (uint64_t)fl->l_start;
	const struct lock_range range = {
		.start = start,
		.end = fl->l_len ? start + (uint64_t)fl->l_len - 1 : INT64_MAX,
		.type = (uint32_t)fl->l_type,
	};
	struct lock_ranges ranges;

	LOCK_SCOPE(&o->changing);
	uint32_t had = o->ranges.n;
	if (lock_ranges_change(&o->ranges, &range, &ranges))
		return -ENOLCK;
	/* Less room is needed only once the kernel has let go. */
	int res = ranges.n > had ? count_ranges(t, had, ranges.n) : 0;
	if (!res && fcntl(o->fd, F_OFD_SETLK, fl) < 0) {
		res = errno == EACCES ? -EAGAIN : -errno;
		if (ranges.n > had)
			count_ranges(t, ranges.n, had);
	}
	if (res) {
		lock_ranges_drop(&ranges);
		return res;
	}
	if (ranges.n < had)
		count_ranges(t, had, ranges.n);
	lock_ranges_drop(&o->ranges);
	o->ranges = ranges;
	return 0;
}

static int getlk(struct lock_table *t, const struct fuse_lk_in *in, const struct handle *h, struct fuse_file_lock *out)
{
	struct flock fl;
	int res = to_flock(&in->lk, &fl);

	if (res < 0)
		return res;
	/* The handle's own descriptor has no such locks: right for an owner without any. */
	struct lock_owner *o = owner_get(t, handle_node(h), in->owner);
	if (fcntl(o ? o->fd : h->fd, F_OFD_GETLK, &fl) < 0)
		res = -errno;
	if (o)
		owner_put(t, o);
	if (res < 0)
		return res;
	out->type = (uint32_t)fl.l_type;
	if (fl.l_type == F_UNLCK)
		return 0;
	out->start = (uint64_t)fl.l_start;
	out->end = fl.l_len ? (uint64_t)(fl.l_start + fl.l_len - 1) : INT64_MAX;
	/* A process of the host, or of another guest, has no number that this guest could know. */
	out->pid = 0;
	return 0;
}

int pt_op_getlk(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_lk_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct handle *h;
	(void)inst;

	if (!s->locks)
		return -EOPNOTSUPP;
	int res = handle_get(s, in->fh, req->node, &h);
	if (res < 0)
		return res;
	res = getlk(s->locks, in, h, &((struct fuse_lk_out *)req->out)->lk);
	handle_put(s, h);
	return res;
}

static int try_flock(const struct fuse_lk_in *in, const struct handle *h)
{
	int op = in->lk.type == F_RDLCK ? LOCK_SH : in->lk.type == F_WRLCK ? LOCK_EX : LOCK_UN;

	return flock(h->fd, op | LOCK_NB) < 0 ? -errno : 0;
}

static int try_posix(struct lock_table *t, const struct fuse_lk_in *in, struct lock_owner *o)
{
	struct flock fl;
	int res = to_flock(&in->lk, &fl);

	if (res < 0)
		return res;
	res = change(t, o, &fl);
	if (res < 0)
		return res;
	if (fl.l_type != F_UNLCK) {
		LOCK_SCOPE(&t->lock);
		o->idle = false;
	}
	return 0;
}

/* One attempt. 0, -EAGAIN where somebody else has it, another -errno. */
static int try_lock(struct lock_table *t, const struct fuse_lk_in *in, const struct handle *h, struct lock_owner *o)
{
	return o ? try_posix(t, in, o) : try_flock(in, h);
}

static void wake(struct lock_table *t)
{
	LOCK_SCOPE(&t->lock);
	if (!t->first)
		return;
	t->retry = true;
	pthread_cond_signal(&t->changed);
}

void locks_changed(struct pt_session *s)
{
	if (s->locks)
		wake(s->locks);
}

/* Takes no memory, so that it cannot fail. */
static void unlock_all(struct lock_table *t, struct lock_owner *o)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	LOCK_SCOPE(&o->changing);
	fcntl(o->fd, F_OFD_SETLK, &all);
	count_ranges(t, o->ranges.n, 0);
	lock_ranges_drop(&o->ranges);
}

void locks_drop_owner(struct pt_session *s, uint64_t node, uint64_t owner)
{
	struct lock_table *t = s->locks;
	struct lock_owner *o = t ? owner_get(t, node, owner) : NULL;

	if (!o)
		return;
	unlock_all(t, o);
	pthread_mutex_lock(&t->lock);
	o->idle = true;
	pthread_mutex_unlock(&t->lock);
	owner_put(t, o);
	wake(t);
}

/* Under the table's lock. */
static void append_waiter(struct lock_table *t, struct lock_waiter *w)
{
	w->prev = t->last;
	w->next = NULL;
	*(t->last ? &t->last->next : &t->first) = w;
	t->last = w;
	t->nwaiters++;
}

/* Under the table's lock. */
static void unlink_waiter(struct lock_table *t, struct lock_waiter *w)
{
	*(w->prev ? &w->prev->next : &t->first) = w->next;
	*(w->next ? &w->next->prev : &t->last) = w->prev;
	t->nwaiters--;
}

/* Lets go of what the waiter held and answers. It is in no list any more. */
static void end_waiter(struct lock_table *t, struct lock_waiter *w, int res)
{
	if (w->owner)
		owner_put(t, w->owner);
	handle_put(t->session, w->h);
	t->session->inst->host->complete(w->req, res); /* frees w */
}

/* The client gave the request up. Any thread; the request may have been completed meanwhile, so it is only compared. */
static void cancel(struct graft_inst *inst, struct graft_req *req)
{
	struct lock_table *t = table(req);
	(void)inst;

	pthread_mutex_lock(&t->lock);
	struct lock_waiter *w = t->first;
	while (w && w->req != req)
		w = w->next;
	bool mine = w && w->state == WAITER_WAITING;
	if (mine)
		unlink_waiter(t, w);
	else if (w)
		w->cancelled = true;
	pthread_mutex_unlock(&t->lock);
	if (mine)
		end_waiter(t, w, -EINTR);
}

/* What an attempt that has ended with res means for a busy waiter. True: it is out of the list, *res is its end. */
static bool settle(struct lock_table *t, struct lock_waiter *w, int *res)
{
	LOCK_SCOPE(&t->lock);
	if (*res == -EAGAIN && (w->cancelled || t->closing))
		*res = -EINTR;
	if (*res == -EAGAIN) {
		w->state = WAITER_WAITING;
		return false;
	}
	unlink_waiter(t, w);
	return true;
}

/*
 * Under the table's lock, which it gives up meanwhile: one attempt for everyone who waits. Whoever joins the list
 * during the round is at its end and had an attempt of his own. True if anyone's wait has ended.
 */
static bool try_all(struct lock_table *t)
{
	bool progress = false;

	for (uint32_t left = t->nwaiters; left && t->first; left--) {
		struct lock_waiter *w = t->first;
		while (w && w->state != WAITER_WAITING)
			w = w->next;
		if (!w)
			break;
		/* To the end of the list: the next turn takes the next one, and the order stays after a whole round. */
		unlink_waiter(t, w);
		append_waiter(t, w);
		w->state = WAITER_BUSY;
		pthread_mutex_unlock(&t->lock);
		int res = try_lock(t, w->req->in, w->h, w->owner);
		bool ended = settle(t, w, &res);
		if (ended)
			end_waiter(t, w, res);
		progress |= ended;
		pthread_mutex_lock(&t->lock);
	}
	return progress;
}

/* Under the table's lock: sleeps until something was unlocked, or `ms` passed. */
static void sleep_on(struct lock_table *t, long ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!t->retry && t->first)
		if (pthread_cond_timedwait(&t->changed, &t->lock, &until) != 0)
			break;
}

/* Lives while somebody waits. Locks of other sessions, and of the host, come free without a word: hence the clock. */
static void *wait_thread(void *arg)
{
	struct lock_table *t = arg;
	long ms = WAIT_MIN_MS;

	LOCK_SCOPE(&t->lock);
	while (t->first) {
		sleep_on(t, ms);
		bool quick = t->retry;
		t->retry = false;
		quick |= try_all(t);
		ms = quick ? WAIT_MIN_MS : ms < WAIT_MAX_MS / 2 ? ms * 2 : WAIT_MAX_MS;
	}
	t->thread_state = THREAD_ENDED;
	return NULL;
}

/* Under the table's lock. An ended thread has only to return, so joining it does not wait. */
static int ensure_thread(struct lock_table *t)
{
	if (t->thread_state == THREAD_RUNNING)
		return 0;
	if (t->thread_state == THREAD_ENDED)
		pthread_join(t->thread, NULL);
	t->thread_state = thread_start(&t->thread, "graft-locks", wait_thread, t) == 0 ? THREAD_RUNNING : THREAD_NONE;
	return t->thread_state == THREAD_RUNNING ? 0 : -ENOLCK;
}

/* At the end of the list, busy until it is armed. 0 or -ENOLCK. */
static int enqueue(struct lock_table *t, struct lock_waiter *w)
{
	LOCK_SCOPE(&t->lock);
	if (t->nwaiters >= WAITERS_MAX)
		return -ENOLCK;
	w->state = WAITER_BUSY;
	append_waiter(t, w);
	int res = ensure_thread(t);
	if (res < 0)
		unlink_waiter(t, w);
	return res;
}

/*
 * Makes a request wait that did not get its lock. h and o are pinned and belong to the waiter if this returns
 * GRAFT_ASYNC. cancel() may come at any moment from the call that names it on, so the waiter stands in the list before
 * that, busy: nobody completes it under our hands, and a cancellation in between is kept.
 */
static int wait_for(struct graft_inst *inst, struct graft_req *req, struct handle *h, struct lock_owner *o)
{
	struct lock_table *t = table(req);
	struct lock_waiter *w = inst->host->alloc(req, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->req = req;
	w->h = h;
	w->owner = o;
	int res = enqueue(t, w);
	if (res < 0)
		return res;
	inst->host->cancel(req, cancel);
	/* Once more: it may have been unlocked before anybody knew that we wait. */
	res = try_lock(t, req->in, h, o);
	return settle(t, w, &res) ? res : GRAFT_ASYNC;
}

static int set_lock(struct graft_inst *inst, struct graft_req *req, struct handle *h, bool wait)
{
	const struct fuse_lk_in *in = req->in;
	bool posix = !(in->lk_flags & FUSE_LK_FLOCK);
	bool unlock = in->lk.type == F_UNLCK;
	struct lock_table *t = table(req);
	struct lock_owner *o = NULL;
	struct flock fl;

	int res = to_flock(&in->lk, &fl);
	if (res < 0)
		return res;
	if (posix && unlock) {
		o = owner_get(t, handle_node(h), in->owner);
		if (!o)
			return 0; /* nothing to unlock */
	} else if (posix) {
		res = owner_make(t, handle_node(h), in->owner, &o);
	}
	if (res == 0)
		res = try_lock(t, in, h, o);
	if (res == -EAGAIN && wait)
		res = wait_for(inst, req, h, o);
	if (o && res != GRAFT_ASYNC)
		owner_put(t, o);
	if (res == 0 && unlock)
		wake(t);
	return res;
}

static int setlk(struct graft_inst *inst, struct graft_req *req, bool wait)
{
	const struct fuse_lk_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct handle *h;

	if (!s->locks)
		return -EOPNOTSUPP;
	int res = handle_get(s, in->fh, req->node, &h);
	if (res < 0)
		return res;
	res = set_lock(inst, req, h, wait);
	if (res != GRAFT_ASYNC)
		handle_put(s, h);
	return res;
}

int pt_op_setlk(struct graft_inst *inst, struct graft_req *req)
{
	return setlk(inst, req, false);
}

int pt_op_setlkw(struct graft_inst *inst, struct graft_req *req)
{
	return setlk(inst, req, true);
}

/* Under the table's lock: the first that still waits, out of the list. */
static struct lock_waiter *take_waiting(struct lock_table *t)
{
	struct lock_waiter *w = t->first;

	while (w && w->state != WAITER_WAITING)
		w = w->next;
	if (w)
		unlink_waiter(t, w);
	return w;
}

/* The server has ended every request before; should one wait nevertheless, it is answered. */
static void end_waiters(struct lock_table *t)
{
	struct lock_waiter *w;

	do {
		pthread_mutex_lock(&t->lock);
		t->closing = true;
		w = take_waiting(t);
		pthread_cond_signal(&t->changed);
		pthread_mutex_unlock(&t->lock);
		if (w)
			end_waiter(t, w, -EINTR);
	} while (w);
}

static void stop_thread(struct lock_table *t)
{
	pthread_mutex_lock(&t->lock);
	bool join = t->thread_state != THREAD_NONE;
	t->retry = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	if (join)
		pthread_join(t->thread, NULL);
}

void lock_table_free(struct pt_session *s)
{
	struct lock_table *t = s->locks;

	if (!t)
		return;
	end_waiters(t);
	stop_thread(t);
	for (uint32_t i = 0; i < OWNER_BUCKETS; i++) {
		while (t->owners[i]) {
			struct lock_owner *o = t->owners[i];
			t->owners[i] = o->next;
			owner_free(t, o);
		}
	}
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
	s->locks = NULL;
}
