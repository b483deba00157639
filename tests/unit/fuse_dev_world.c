/* SPDX-License-Identifier: Apache-2.0 */
/* A world for tests of the /dev/fuse transport. */
#include "fuse_dev_world.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

const struct world_elsewhere *world_elsewhere;
static const struct fuse_dev_host_ops *host_ops;
static void *host;

struct world w = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

struct parked {
	struct parked *next;
	struct transport_request *t;
	struct fuse_in_header header;
	bool waits;
};

enum { ROOT = 1, HELLO = 2, SLOW = WORLD_SLOW, BIG = 4 };

uint8_t world_byte(uint64_t at)
{
	return (uint8_t)(at % 251);
}

/* ---- replies ---- */

static uint64_t put(struct transport_request *t, const struct fuse_in_header *h, int error, const void *body,
		    size_t len)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + len), .error = error, .unique = h->unique };
	uint8_t *to = t->out[0].iov_base;

	assert_true(t->nout == 1 && t->out_len == t->out[0].iov_len && t->out_len >= sizeof(out) + (1u << 20));
	memcpy(to, &out, sizeof(out));
	if (len && body)
		memcpy(to + sizeof(out), body, len);
	return out.len;
}

static struct fuse_attr attr_of(uint64_t node)
{
	static const uint64_t sizes[] = { 0, 0, sizeof(WORLD_TEXT) - 1, 1u << 20, WORLD_BIG };
	struct fuse_attr attr = { .ino = node, .size = sizes[node], .nlink = 1, .blksize = 4096 };

	attr.mode = node == ROOT ? S_IFDIR | 0777 : S_IFREG | 0666;
	return attr;
}

static uint64_t do_lookup(struct transport_request *t, const struct fuse_in_header *h, const char *name)
{
	static const char *const names[] = { "hello", "slow", "big" };
	struct fuse_entry_out out = { .entry_valid = 1000, .attr_valid = 1000 };

	atomic_fetch_add(&w.lookups, 1);
	for (uint64_t i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		out.nodeid = HELLO + i;
		out.attr = attr_of(out.nodeid);
		return put(t, h, 0, &out, sizeof(out));
	}
	return put(t, h, -ENOENT, NULL, 0);
}

static uint64_t do_init(struct transport_request *t, const struct fuse_in_header *h, const void *body)
{
	const struct fuse_init_in *in = body;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = in->minor < 38 ? in->minor : 38,
		.max_readahead = in->max_readahead,
		.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES,
		.max_background = 64,
		.max_write = 1u << 20,
		.max_pages = 256,
		.time_gran = 1,
	};

	atomic_fetch_add(&w.inits, 1);
	return put(t, h, 0, &out, sizeof(out));
}

static uint64_t do_read(struct transport_request *t, const struct fuse_in_header *h, const struct fuse_read_in *in)
{
	uint8_t *to = (uint8_t *)t->out[0].iov_base + sizeof(struct fuse_out_header);
	uint64_t size = attr_of(h->nodeid).size, n = 0;

	atomic_fetch_add(&w.reads, 1);
	if (in->offset < size)
		n = in->size < size - in->offset ? in->size : size - in->offset;
	for (uint64_t i = 0; i < n; i++)
		to[i] = h->nodeid == HELLO ? (uint8_t)WORLD_TEXT[in->offset + i] : world_byte(in->offset + i);
	return put(t, h, 0, NULL, n);
}

static uint64_t do_write(struct transport_request *t, const struct fuse_in_header *h, const struct fuse_write_in *in)
{
	struct fuse_write_out out = { .size = in->size };
	const uint8_t *from = (const uint8_t *)(in + 1);
	uint32_t good = 0;

	assert_int_equal((uintptr_t)from % 4096, 0);
	assert_int_equal(t->in_len, sizeof(*h) + sizeof(*in) + in->size);
	while (good < in->size && from[good] == world_byte(in->offset + good))
		good++;
	atomic_fetch_add(&w.writes, 1);
	atomic_fetch_add(&w.written, good);
	return put(t, h, 0, &out, sizeof(out));
}

static uint64_t answer(struct transport_request *t, const struct fuse_in_header *h)
{
	const void *body = h + 1;
	struct fuse_attr_out attr = { .attr_valid = 1000 };
	struct fuse_open_out open = { .open_flags = h->nodeid == SLOW ? FOPEN_DIRECT_IO : 0 };
	struct fuse_statfs_out statfs = { .st = { .bsize = 4096, .namelen = 255 } };

	switch (h->opcode) {
	case FUSE_INIT:
		return do_init(t, h, body);
	case FUSE_LOOKUP:
		return do_lookup(t, h, body);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		atomic_fetch_add(&w.getattrs, 1);
		attr.attr = attr_of(h->nodeid);
		return put(t, h, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		atomic_fetch_add(&w.opens, 1);
		return put(t, h, 0, &open, sizeof(open));
	case FUSE_READ:
		return do_read(t, h, body);
	case FUSE_WRITE:
		return do_write(t, h, body);
	case FUSE_STATFS:
		return put(t, h, 0, &statfs, sizeof(statfs));
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		atomic_fetch_add(&w.forgets, 1);
		return 0;
	case FUSE_INTERRUPT:
		return 0;
	case FUSE_READDIR:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return put(t, h, 0, NULL, 0);
	default:
		return put(t, h, -ENOSYS, NULL, 0);
	}
}

/* ---- the client ---- */

static void request_init(void *priv)
{
	assert_int_equal((uintptr_t)priv % 64, 0);
	*(struct parked *)priv = (struct parked){ 0 };
	atomic_fetch_add(&w.made, 1);
}

static void request_fini(void *priv)
{
	assert_false(((struct parked *)priv)->waits);
	atomic_fetch_add(&w.freed, 1);
}

static void *client_connect(void *user, struct transport *t)
{
	assert_ptr_equal(user, &w);
	(void)t;
	atomic_fetch_add(&w.connects, 1);
	return &w;
}

static void client_disconnect(void *conn)
{
	assert_ptr_equal(conn, &w);
	pthread_mutex_lock(&w.lock);
	assert_int_equal(w.nparked, 0);
	pthread_mutex_unlock(&w.lock);
	atomic_fetch_add(&w.disconnects, 1);
}

static void client_reset(void *conn)
{
	(void)conn;
	fail_msg("/dev/fuse knows no reset");
}

static void park(struct transport_request *t, const struct fuse_in_header *h)
{
	struct parked *p = t->priv;

	transport_request_pin(t);
	transport_request_pin(t); /* a second time does nothing */
	pthread_mutex_lock(&w.lock);
	assert_false(p->waits);
	*p = (struct parked){ .next = w.parked, .t = t, .header = *h, .waits = true };
	w.parked = p;
	w.nparked++;
	pthread_cond_broadcast(&w.changed);
	pthread_mutex_unlock(&w.lock);
}

static bool client_serve(void *conn, struct transport_request *t)
{
	struct fuse_in_header h;

	assert_ptr_equal(conn, &w);
	assert_int_equal(t->nin, 1);
	assert_true(t->in_len >= sizeof(h) && t->in_len == t->in[0].iov_len);
	memcpy(&h, t->in[0].iov_base, sizeof(h));
	assert_int_equal(h.len, t->in_len);
	bool one = h.opcode == FUSE_READ && h.nodeid == SLOW;
	bool may = h.opcode != FUSE_FORGET && h.opcode != FUSE_BATCH_FORGET && h.opcode != FUSE_INTERRUPT;
	if (one || (may && atomic_load(&w.defer_all))) {
		park(t, &h);
		return true;
	}
	t->used = answer(t, t->in[0].iov_base);
	return false;
}

/* Completes what is parked; error: with that, or 0: as asked. */
static void complete_all(int error)
{
	pthread_mutex_lock(&w.lock);
	struct parked *list = w.parked;
	w.parked = NULL;
	w.nparked = 0;
	pthread_mutex_unlock(&w.lock);
	while (list) {
		struct parked *next = list->next;
		struct transport_request *t = list->t;

		list->waits = false;
		transport_complete(t, error ? put(t, &list->header, error, NULL, 0) : answer(t, t->in[0].iov_base));
		list = next;
	}
}

static void client_cancel(void *conn)
{
	assert_ptr_equal(conn, &w);
	atomic_fetch_add(&w.cancels, 1);
	if (!atomic_load(&w.deaf_to_cancel))
		complete_all(-EINTR);
}

static const struct transport_client client = {
	.request_size = sizeof(struct parked),
	.request_init = request_init,
	.request_fini = request_fini,
	.connect = client_connect,
	.disconnect = client_disconnect,
	.reset = client_reset,
	.serve = client_serve,
	.cancel = client_cancel,
};

static void ended(struct transport *t, void *user)
{
	assert_ptr_equal(t, w.t);
	assert_ptr_equal(user, &w);
	atomic_fetch_add(&w.ended, 1);
}

/* ---- for tests ---- */

void world_release(void)
{
	complete_all(0);
}

static struct timespec in_ten_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 10;
	return t;
}

void world_wait_parked(uint32_t n)
{
	struct timespec until = in_ten_seconds();
	int code = 0;

	pthread_mutex_lock(&w.lock);
	while (w.nparked < n && code == 0)
		code = pthread_cond_timedwait(&w.changed, &w.lock, &until);
	pthread_mutex_unlock(&w.lock);
	assert_int_equal(code, 0);
}

void world_wait(_Atomic uint32_t *counter, uint32_t n)
{
	for (int i = 0; i < 1000 && atomic_load(counter) < n; i++)
		usleep(10000);
	assert_true(atomic_load(counter) >= n);
}

const char *world_path(const char *name)
{
	static _Thread_local char path[128];

	snprintf(path, sizeof(path), "%s/%s", w.dir, name);
	return path;
}

int world_mounts(char line[512])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char text[4096], at[4096];
	int n = 0;

	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%*u %*u %*s %*s %4095s", at) != 1 || strcmp(at, w.dir) != 0)
			continue;
		n++;
		if (line)
			snprintf(line, 512, "%.511s", text);
	}
	fclose(f);
	return n;
}

struct fuse_dev_config world_config(void)
{
	return (struct fuse_dev_config){ .name = "test",
					 .mountpoint = w.dir,
					 .source = "world",
					 .threads = 2,
					 .host_ops = host_ops,
					 .host = host };
}

void world_make(const struct fuse_dev_config *config)
{
	struct graft_error err = { 0 };

	w.t = fuse_dev_new(config, &client, &w, &err);
	if (!w.t)
		fail_msg("%s", err.text);
	w.t->ended = ended;
	w.t->ended_user = &w;
}

void world_start(uint32_t threads)
{
	struct graft_error err = { 0 };
	struct fuse_dev_config config = world_config();

	config.threads = threads;
	world_make(&config);
	assert_int_equal(world_mounts(NULL), 0);
	if (w.t->ops->start(w.t, &err))
		fail_msg("%s", err.text);
}

int world_stop(void)
{
	struct transport *t = w.t;

	t->ops->stop(t);
	int res = t->ops->join(t);
	t->ops->free(t);
	w.t = NULL;
	assert_int_equal(atomic_load(&w.connects), 1);
	assert_int_equal(atomic_load(&w.disconnects), 1);
	assert_int_equal(atomic_load(&w.made), atomic_load(&w.freed));
	return res;
}

static void clear_counters(void)
{
	char *first = (char *)&w.connects;

	memset(first, 0, (size_t)((char *)&w.lock - first));
}

int world_setup(void **state)
{
	(void)state;
	clear_counters();
	strcpy(w.dir, "/tmp/graft-fuse-XXXXXX");
	if (!mkdtemp(w.dir))
		return -1;
	if (world_elsewhere)
		host_ops = world_elsewhere->begin(w.dir, &host);
	return 0;
}

int world_teardown(void **state)
{
	(void)state;
	if (w.t) {
		atomic_store(&w.deaf_to_cancel, false);
		w.t->ops->free(w.t);
		w.t = NULL;
	}
	while (umount2(w.dir, MNT_DETACH) == 0)
		;
	if (world_elsewhere)
		world_elsewhere->end();
	return rmdir(w.dir);
}

bool world_possible(void)
{
	if (geteuid() != 0) {
		puts("SKIP: only root can mount without fusermount3");
		return false;
	}
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("SKIP: /dev/fuse: %s\n", strerror(errno));
		return false;
	}
	close(fd);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		printf("SKIP: a mount namespace of its own: %s\n", strerror(errno));
		return false;
	}
	/* Where it cannot be mounted or is there already, the one test that needs it finds out. */
	if (mount("none", "/sys/fs/fuse/connections", "fusectl", 0, NULL) < 0)
		printf("fusectl: %s\n", strerror(errno));
	return true;
}
