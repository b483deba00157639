/* SPDX-License-Identifier: Apache-2.0 */
/* The services of a struct graft_host, done in the plainest way a test can watch. */
#include "fake_host.h"

#include <errno.h>
#include <ftw.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct fake_job {
	struct fake_job *next;
	struct fake_req *fr;
	graft_op *fn; /* defer; NULL: io */
	struct graft_io io;
	graft_io_done *done;
	void *cookie;
};

struct fake_alloc {
	struct fake_alloc *next;
	_Alignas(16) unsigned char bytes[];
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct fake_req *of(struct graft_req *req)
{
	return (struct fake_req *)(void *)req;
}

__attribute__((format(printf, 3, 4))) static void host_log(struct graft_slot *slot, int level, const char *fmt, ...)
{
	struct fake_host *fake = slot->fake;
	int saved = errno;
	va_list ap;
	int n;

	(void)level;
	pthread_mutex_lock(&fake->lock);
	va_start(ap, fmt);
	n = vsnprintf(fake->log + fake->log_len, sizeof(fake->log) - fake->log_len, fmt, ap);
	va_end(ap);
	if (n > 0 && fake->log_len + (size_t)n + 1 < sizeof(fake->log)) {
		fake->log_len += (size_t)n;
		fake->log[fake->log_len++] = '\n';
	}
	fake->log[fake->log_len] = 0;
	pthread_mutex_unlock(&fake->lock);
	errno = saved;
}

__attribute__((format(printf, 3, 4))) static int host_fail(struct graft_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		err->code = code;
	}
	return -code;
}

static void *host_alloc(struct graft_req *req, size_t bytes)
{
	struct fake_req *fr = of(req);
	struct fake_host *fake = fr->fake;
	int left = atomic_load(&fake->alloc_failures);
	struct fake_alloc *a;

	if (left) {
		if (left > 0)
			atomic_fetch_sub(&fake->alloc_failures, 1);
		return NULL;
	}
	if (bytes > (1 << 20) - fr->alloc_bytes)
		return NULL;
	a = must(calloc(1, sizeof(*a) + bytes));
	a->next = fr->allocs;
	fr->allocs = a;
	fr->alloc_bytes += bytes;
	return a->bytes;
}

static void host_complete(struct graft_req *req, int res)
{
	struct fake_req *fr = of(req);
	struct fake_host *fake = fr->fake;

	pthread_mutex_lock(&fake->lock);
	fr->completed++;
	fr->result = res;
	atomic_fetch_add(&fake->completions, 1);
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

static void host_cancel(struct graft_req *req, void (*fn)(struct graft_inst *, struct graft_req *))
{
	struct fake_req *fr = of(req);

	pthread_mutex_lock(&fr->fake->lock);
	fr->cancel = fn;
	pthread_mutex_unlock(&fr->fake->lock);
}

static int64_t transfer(const struct graft_io *io)
{
	int flags = (int)io->flags & ~RWF_NOWAIT;
	ssize_t n;

	switch (io->kind) {
	case GRAFT_IO_READ:
		n = preadv2(io->fd, io->iov, (int)io->niov, (off_t)io->off, flags);
		break;
	case GRAFT_IO_WRITE:
		n = pwritev2(io->fd, io->iov, (int)io->niov, (off_t)io->off, flags);
		break;
	case GRAFT_IO_FSYNC:
		n = fsync(io->fd);
		break;
	case GRAFT_IO_FDATASYNC:
		n = fdatasync(io->fd);
		break;
	default:
		return -EINVAL;
	}
	return n < 0 ? -errno : n;
}

static void job_run(struct fake_job *job)
{
	struct fake_req *fr = job->fr;
	struct fake_host *fake = fr->fake;
	int res;

	if (job->fn)
		res = job->fn(fake->inst, &fr->req);
	else
		res = job->done(fake->inst, &fr->req, transfer(&job->io), job->cookie);
	free(job);
	if (res != GRAFT_ASYNC)
		host_complete(&fr->req, res);
}

static int job_add(const struct fake_job *what)
{
	struct fake_host *fake = what->fr->fake;
	struct fake_job *job;

	if (atomic_load(&fake->queue_full))
		return -EAGAIN;
	atomic_fetch_add(what->fn ? &fake->deferred : &fake->ios, 1);
	job = must(malloc(sizeof(*job)));
	*job = *what;
	if (!atomic_load(&fake->queue)) {
		job_run(job);
		return GRAFT_ASYNC;
	}
	pthread_mutex_lock(&fake->lock);
	*fake->jobs_end = job;
	fake->jobs_end = &job->next;
	pthread_mutex_unlock(&fake->lock);
	return GRAFT_ASYNC;
}

static int host_defer(struct graft_req *req, graft_op *fn)
{
	struct fake_job job = {.fr = of(req), .fn = fn};

	return job_add(&job);
}

static int host_io(struct graft_req *req, const struct graft_io *io, graft_io_done *done, void *cookie)
{
	struct fake_job job = {.fr = of(req), .io = *io, .done = done, .cookie = cookie};

	return job_add(&job);
}

int (*fake_host_open)(const char *path, int flags);

static int host_open(struct graft_slot *slot, const char *path, int flags, struct graft_error *err)
{
	int code = atomic_exchange(&slot->fake->fail_open, 0);
	int fd = -1;

	if (!code) {
		fd = fake_host_open ? fake_host_open(path, flags) : open(path, flags | O_CLOEXEC);
		code = errno;
	}
	if (fd < 0)
		return host_fail(err, code, "cannot open %s: %s", path, strerror(code));
	return fd;
}

static uint32_t host_fd_limit(struct graft_slot *slot)
{
	return atomic_load(&slot->fake->fd_limit);
}

static int host_put(struct graft_req *req, const void *bytes, size_t len)
{
	const unsigned char *from = bytes;
	uint64_t skip = req->done;

	if (len > req->dst_len - req->done)
		return -ERANGE;
	req->done += len;
	for (uint32_t i = 0; i < req->ndst && len; i++) {
		size_t room = req->dst[i].iov_len;

		if (skip >= room) {
			skip -= room;
			continue;
		}
		room -= skip;
		if (room > len)
			room = len;
		memcpy((unsigned char *)req->dst[i].iov_base + skip, from, room);
		from += room;
		len -= room;
		skip = 0;
	}
	return 0;
}

static int host_dirent(struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	struct fake_req *fr = of(req);
	static const char zeros[8];
	uint64_t size = graft_dirent_size(req->opcode, e->dirent.namelen);
	size_t head = req->opcode == FUSE_READDIRPLUS ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	const void *from = req->opcode == FUSE_READDIRPLUS ? (const void *)e : (const void *)&e->dirent;

	if (fr->fake->dirent_hook) {
		int res = fr->fake->dirent_hook(fr, e, name);

		if (res != GRAFT_DIRENT_OK)
			return res;
	}
	if (size > req->dst_len - req->done)
		return GRAFT_DIRENT_FULL;
	host_put(req, from, head);
	host_put(req, name, e->dirent.namelen);
	host_put(req, zeros, size - head - e->dirent.namelen);
	return GRAFT_DIRENT_OK;
}

static int host_invalidate(struct graft_slot *slot, uint64_t node, const char *name)
{
	(void)slot;
	(void)node;
	(void)name;
	return -ENOTSUP;
}

static int host_store(struct graft_slot *slot, const struct graft_session *session, uint64_t node, uint64_t off,
		      const struct iovec *iov, uint32_t niov)
{
	struct fake_host *fake = slot->fake;

	return fake->store_hook ? fake->store_hook(fake, session, node, off, iov, niov) : -ENOTSUP;
}

static int host_metric(struct graft_slot *slot, const char *name, const char *unit, const uint64_t *counter)
{
	struct fake_host *fake = slot->fake;
	int res = -ENOSPC;

	(void)unit;
	pthread_mutex_lock(&fake->lock);
	if (fake->nmetrics < FAKE_METRICS) {
		fake->metrics[fake->nmetrics].name = name;
		fake->metrics[fake->nmetrics++].counter = counter;
		res = 0;
	}
	pthread_mutex_unlock(&fake->lock);
	return res;
}

/* The services know nothing but the session, so the last host made is the one. */
static struct fake_host *claim_host;

static int host_claim(const struct graft_session *session, uint32_t what)
{
	struct fake_host *fake = claim_host;

	(void)session;
	if (atomic_fetch_add(&fake->claimed[what], 1) < fake->claim_max[what])
		return 0;
	atomic_fetch_sub(&fake->claimed[what], 1);
	return -ENFILE;
}

static void host_unclaim(const struct graft_session *session, uint32_t what, uint64_t n)
{
	(void)session;
	atomic_fetch_sub(&claim_host->claimed[what], n);
}

static int host_confined(struct graft_slot *slot)
{
	return slot->fake->confined;
}

struct fake_host *fake_host_new(void)
{
	struct fake_host *fake = must(calloc(1, sizeof(*fake)));

	fake->host = (struct graft_host){
		.size = sizeof(fake->host),
		.abi_major = GRAFT_ABI_MAJOR,
		.abi_minor = GRAFT_ABI_MINOR,
		.log = host_log,
		.fail = host_fail,
		.alloc = host_alloc,
		.complete = host_complete,
		.cancel = host_cancel,
		.defer = host_defer,
		.io = host_io,
		.open = host_open,
		.fd_limit = host_fd_limit,
		.dirent = host_dirent,
		.put = host_put,
		.invalidate = host_invalidate,
		.metric = host_metric,
		.store = host_store,
		.claim = host_claim,
		.unclaim = host_unclaim,
		.confined = host_confined,
	};
	claim_host = fake;
	fake->slot.fake = fake;
	fake->jobs_end = &fake->jobs;
	atomic_store(&fake->fd_limit, 1000);
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	return fake;
}

void fake_host_free(struct fake_host *fake)
{
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->changed);
	free(fake);
}

bool fake_folder_make(char path[256])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, 256, "%s/graftfs-test-XXXXXX", tmp ? tmp : "/tmp");
	if (mkdtemp(path))
		return true;
	perror(path);
	return false;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void fake_folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

int fake_plugin_start(struct fake_host *fake, const struct graft_plugin *plugin, const void *settings,
		      const struct graft_session *session, struct graft_error *err)
{
	struct graft_inst *inst = NULL;
	void *state = fake; /* not NULL: a plugin without a state says so */
	int res = plugin->create(&fake->host, &fake->slot, settings, &inst, err);

	if (res < 0)
		return res;
	fake->plugin = plugin;
	fake->inst = inst;
	fake->session = session;
	res = plugin->start(inst, err);
	if (!res)
		res = plugin->session_open(inst, session, &state);
	if (res < 0) {
		plugin->destroy(inst);
		fake->inst = NULL;
		return res;
	}
	fake->state = state;
	return 0;
}

void fake_plugin_stop(struct fake_host *fake)
{
	if (!fake->inst)
		return;
	if (fake->session)
		fake->plugin->session_close(fake->inst, fake->state);
	fake->plugin->quiesce(fake->inst);
	fake->plugin->destroy(fake->inst);
	fake->inst = NULL;
}

bool fake_logged(struct fake_host *fake, const char *text)
{
	bool found;

	pthread_mutex_lock(&fake->lock);
	found = strstr(fake->log, text) != NULL;
	pthread_mutex_unlock(&fake->lock);
	return found;
}

void fake_log_clear(struct fake_host *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->log[0] = 0;
	fake->log_len = 0;
	pthread_mutex_unlock(&fake->lock);
}

uint64_t fake_metric(struct fake_host *fake, const char *name)
{
	for (size_t i = 0; i < fake->nmetrics; i++) {
		if (!strcmp(fake->metrics[i].name, name))
			return __atomic_load_n(fake->metrics[i].counter, __ATOMIC_RELAXED);
	}
	return UINT64_MAX;
}

struct fake_req *fake_req_new(struct fake_host *fake, uint32_t opcode, uint64_t node)
{
	struct fake_req *fr = must(aligned_alloc(64, (sizeof(*fr) + 63) / 64 * 64));

	memset(fr, 0, sizeof(*fr));
	fr->fake = fake;
	fr->req.size = sizeof(fr->req);
	fr->req.opcode = opcode;
	fr->req.node = node;
	fr->req.unique = 1;
	fr->req.pid = (uint32_t)getpid();
	fr->req.in = fr->in;
	fr->req.out = fr->out;
	fr->req.session = fake->session;
	fr->req.state = fake->state;
	return fr;
}

void fake_req_free(struct fake_req *fr)
{
	struct fake_alloc *a = fr->allocs;

	while (a) {
		struct fake_alloc *next = a->next;

		free(a);
		a = next;
	}
	free(fr->buf);
	free(fr);
}

static const char *keep(char *to, size_t size, const char *from)
{
	if (!from)
		return NULL;
	snprintf(to, size, "%s", from);
	return to;
}

void fake_req_name(struct fake_req *fr, const char *name)
{
	fr->req.name = keep(fr->name, sizeof(fr->name), name);
}

void fake_req_name2(struct fake_req *fr, const char *name2)
{
	fr->req.name2 = keep(fr->name2, sizeof(fr->name2), name2);
}

/* Two iovecs over a buffer, the first a third of it, so that nothing relies on one piece. */
static void buffer(struct fake_req *fr, size_t len)
{
	free(fr->buf);
	fr->buf = must(calloc(1, len + 1));
	fr->buf_len = len;
	fr->iov[0].iov_base = fr->buf;
	fr->iov[0].iov_len = len / 3;
	fr->iov[1].iov_base = fr->buf + len / 3;
	fr->iov[1].iov_len = len - len / 3;
}

void fake_req_dst(struct fake_req *fr, size_t len)
{
	buffer(fr, len);
	fr->req.dst = fr->iov;
	fr->req.ndst = 2;
	fr->req.dst_len = len;
	fr->req.done = 0;
}

void fake_req_src(struct fake_req *fr, const void *bytes, size_t len)
{
	buffer(fr, len);
	memcpy(fr->buf, bytes, len);
	fr->req.src = fr->iov;
	fr->req.nsrc = 2;
	fr->req.src_len = len;
}

int fake_start(struct fake_req *fr)
{
	const struct graft_plugin *plugin = fr->fake->plugin;

	if (fr->req.opcode >= plugin->nops || !plugin->ops[fr->req.opcode])
		return -ENOSYS;
	pthread_mutex_lock(&fr->fake->lock);
	fr->completed = 0;
	fr->cancel = NULL;
	pthread_mutex_unlock(&fr->fake->lock);
	return plugin->ops[fr->req.opcode](fr->fake->inst, &fr->req);
}

int fake_call(struct fake_req *fr)
{
	int res = fake_start(fr);

	if (res != GRAFT_ASYNC)
		return res;
	fake_run(fr->fake);
	return fake_wait(fr);
}

uint32_t fake_run(struct fake_host *fake)
{
	uint32_t n = 0;

	for (;;) {
		struct fake_job *job;

		pthread_mutex_lock(&fake->lock);
		job = fake->jobs;
		if (job) {
			fake->jobs = job->next;
			if (!fake->jobs)
				fake->jobs_end = &fake->jobs;
		}
		pthread_mutex_unlock(&fake->lock);
		if (!job)
			return n;
		job_run(job);
		n++;
	}
}

int fake_wait(struct fake_req *fr)
{
	struct timespec until;
	int res = -ETIMEDOUT;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&fr->fake->lock);
	while (!fr->completed) {
		if (pthread_cond_timedwait(&fr->fake->changed, &fr->fake->lock, &until))
			break;
	}
	if (fr->completed)
		res = fr->result;
	pthread_mutex_unlock(&fr->fake->lock);
	return res;
}

bool fake_completed(struct fake_req *fr)
{
	bool done;

	pthread_mutex_lock(&fr->fake->lock);
	done = fr->completed > 0;
	pthread_mutex_unlock(&fr->fake->lock);
	return done;
}

bool fake_cancel(struct fake_req *fr)
{
	void (*fn)(struct graft_inst *, struct graft_req *);

	pthread_mutex_lock(&fr->fake->lock);
	fn = fr->cancel;
	pthread_mutex_unlock(&fr->fake->lock);
	if (!fn)
		return false;
	fn(fr->fake->inst, &fr->req);
	return true;
}

int fake_lookup(struct fake_host *f, uint64_t parent, const char *name, struct fuse_entry_out *entry)
{
	struct fake_req *fr = fake_req_new(f, FUSE_LOOKUP, parent);

	fake_req_name(fr, name);
	int res = fake_call(fr);
	if (entry)
		*entry = *fake_out(fr, struct fuse_entry_out);
	fake_req_free(fr);
	return res;
}
