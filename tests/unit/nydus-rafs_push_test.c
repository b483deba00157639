/* SPDX-License-Identifier: Apache-2.0 */
/* What is put into a client's cache ahead of it: when it begins and stops, what is left out, refusals, and the end at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus-rafs_fixture.h"
#include "nydus-rafs_reader.h"

#include "lib/thread.h"
#include "plugins/nydus-rafs/push.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 300    /* files many/file-*, of 1 to 3 bytes */
#define STORED 8192 /* kept at most */
#define PROBE 16    /* as in push.c: so many-th is left out */
#define MIDDLE 220000 /* bytes of chunks/dup-a */

/* The client's cache. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock */
	uint64_t nodes[STORED];
	uint32_t n, inside;
	bool wrong; /* other bytes than the file's, or another session */
	bool hold;  /* stores wait inside */
	int res;
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static uint64_t nodes[MANY];
static _Atomic uint32_t starts; /* of threads */
static _Atomic bool no_thread;

int __real_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);
int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

int __wrap_thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg)
{
	atomic_fetch_add(&starts, 1);
	return atomic_load(&no_thread) ? -EAGAIN : __real_thread_start(t, name, fn, arg);
}

static bool right(const struct iovec *iov, uint64_t node)
{
	const unsigned char *bytes = iov->iov_base;

	for (size_t i = 0; i < iov->iov_len; i++)
		if (bytes[i] != engine_byte(node, i))
			return false;
	return true;
}

static int store(struct fake_host *fake, const struct graft_session *session, uint64_t node, uint64_t off,
		 const struct iovec *iov, uint32_t niov)
{
	bool good = session == fake->session && !off && niov == 1 && iov->iov_len && right(iov, node);

	pthread_mutex_lock(&cache.lock);
	cache.wrong |= !good;
	if (cache.n < STORED)
		cache.nodes[cache.n++] = node;
	cache.inside++;
	pthread_cond_broadcast(&cache.changed);
	while (cache.hold)
		pthread_cond_wait(&cache.changed, &cache.lock);
	cache.inside--;
	int res = cache.res;
	pthread_mutex_unlock(&cache.lock);
	return res;
}

static int fresh(void **state)
{
	struct nrf *f;

	memset(&engine, 0, sizeof(engine));
	atomic_store(&starts, 0);
	atomic_store(&no_thread, false);
	cache.n = cache.inside = 0;
	cache.wrong = cache.hold = false;
	cache.res = 0;
	if (nrf_new(state) < 0)
		return -1;
	f = *state;
	f->session.transport = GRAFT_DEV_FUSE;
	f->fake->store_hook = store;
	nrf_set_image(f, "v6-zstd");
	if (nrf_start(f) < 0)
		return -1;
	for (uint32_t i = 0; i < MANY; i++) {
		char path[32];

		snprintf(path, sizeof(path), "many/file-%05u", i);
		nodes[i] = nrf_node(f, path);
	}
	return 0;
}

static int gone(void **state)
{
	struct nrf *f = *state;

	nrf_stop(f);
	assert_int_equal(engine.nwaiting, 0);
	assert_false(cache.wrong);
	assert_int_equal(cache.inside, 0);
	return nrf_free(state);
}

/* ---- what a client does ---- */

static struct push *push_of(const struct nrf *f)
{
	return f->fake->state;
}

static void list(const struct nrf *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		push_listed(push_of(f), nodes[i], 1 + (i > 9) + (i > 99));
	push_listing_done(push_of(f));
}

static void read_files(const struct nrf *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		push_read(push_of(f), nodes[i]);
}

/* ---- what came of it ---- */

static uint32_t threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	uint32_t n = 0;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char path[300], name[32] = "";

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		FILE *file = fopen(path, "re");
		if (!file)
			continue;
		n += fgets(name, sizeof(name), file) && !strcmp(name, "rafs-push\n");
		fclose(file);
	}
	closedir(dir);
	return n;
}

/* Until the thread has ended, as it does when there was nothing to do for a while. */
static void rest(void)
{
	for (int i = 0; i < 1000 && threads(); i++)
		usleep(10000);
	assert_int_equal(threads(), 0);
}

static void await(const uint32_t *what, uint32_t n)
{
	struct timespec until;
	int code = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&cache.lock);
	while (*what < n && !code)
		code = pthread_cond_timedwait(&cache.changed, &cache.lock, &until);
	pthread_mutex_unlock(&cache.lock);
	assert_int_equal(code, 0);
}

static void await_waiting(uint32_t n)
{
	for (int i = 0; i < 1000 && engine.nwaiting < n; i++)
		usleep(10000);
	assert_int_equal(engine.nwaiting, n);
}

static void release(void)
{
	pthread_mutex_lock(&cache.lock);
	cache.hold = false;
	pthread_cond_broadcast(&cache.changed);
	pthread_mutex_unlock(&cache.lock);
}

/* What stores end with from now on. */
static void answer(int res)
{
	pthread_mutex_lock(&cache.lock);
	cache.res = res;
	pthread_mutex_unlock(&cache.lock);
}

static uint32_t stored(void)
{
	pthread_mutex_lock(&cache.lock);
	uint32_t n = cache.n;
	pthread_mutex_unlock(&cache.lock);
	return n;
}

/* At rest: from the k-th on, files from..to-1 without probes were stored, in order; and nothing else. */
static void check_stored(uint32_t k, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		if (i % PROBE == PROBE - 1)
			continue;
		assert_true(k < stored());
		assert_int_equal(cache.nodes[k++], nodes[i]);
	}
	assert_int_equal(stored(), k);
}

/* At rest: the same files from the first on, each once, in whatever order their data came. */
static void check_stored_anyhow(uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < to; i++) {
		uint32_t times = 0;

		for (uint32_t k = 0; k < stored(); k++)
			times += cache.nodes[k] == nodes[i];
		assert_int_equal(times, i % PROBE == PROBE - 1 ? 0 : 1);
		n += times;
	}
	assert_int_equal(stored(), n);
}

/* ---- tests ---- */

static void nothing_without_reads(void **state)
{
	struct nrf *f = *state;

	list(f, 0, MANY);
	list(f, 0, MANY);
	read_files(f, 0, 3);
	/* Others than those of a listing. */
	for (int i = 0; i < 20; i++)
		push_read(push_of(f), nrf_node(f, "sizes/text-4097"));
	assert_int_equal(starts, 0);
	assert_int_equal(stored(), 0);
}

/* The fourth in order: it begins a little ahead, up to 64 files; each probe lets it go on. */
static void reads_in_order(void **state)
{
	struct nrf *f = *state;

	list(f, 0, MANY);
	read_files(f, 0, 4);
	rest();
	check_stored(0, 7, 68);
	uint32_t n = stored();
	read_files(f, 15, 16);
	rest();
	check_stored(n, 68, 80);
	n = stored();
	/* The same once more brings nothing new. */
	read_files(f, 15, 16);
	rest();
	assert_int_equal(stored(), n);
	for (uint32_t i = 31, all = n; i + 1 + 64 < MANY; i += 16) {
		read_files(f, i, i + 1);
		all += 15;
		await(&cache.n, all);
	}
	read_files(f, 239, 240);
	rest();
	check_stored(n, 80, MANY);
	assert_int_equal(fake_metric(f->fake, "pushed-files"), stored());
	assert_true(fake_metric(f->fake, "pushed-bytes") > stored());
}

/* A listing goes ahead at once of who has read in order, 64 files and no more until a READ confirms them. */
static void stops_without_a_read(void **state)
{
	struct nrf *f = *state;

	list(f, 0, 5);
	read_files(f, 0, 4);
	assert_int_equal(starts, 0);
	list(f, 5, 200);
	rest();
	assert_int_equal(stored(), 64);
	check_stored(0, 5, 73);
	list(f, 200, MANY);
	rest();
	assert_int_equal(stored(), 64);
	read_files(f, 15, 16);
	rest();
	check_stored(64, 73, 80);
}

static void stops_after_bytes(void **state)
{
	struct nrf *f = *state;
	uint64_t middle = nrf_node(f, "chunks/dup-a");
	uint32_t most = (4 << 20) / MIDDLE + 1;

	list(f, 0, 10);
	for (uint32_t i = 0; i < 100; i++)
		push_listed(push_of(f), middle, MIDDLE);
	push_listing_done(push_of(f));
	read_files(f, 0, 4);
	rest();
	assert_int_equal(stored(), 3 + most);
	for (uint32_t k = 0; k < stored(); k++)
		assert_int_equal(cache.nodes[k], k < 3 ? nodes[7 + k] : middle);
	/* What was dropped goes when it is asked for anew. */
	read_files(f, 8, 9);
	rest();
	assert_true(stored() > 3 + most);
	assert_int_equal(fake_metric(f->fake, "pushed-bytes") / (4 << 20), stored() / most);
}

static void left_out(void **state)
{
	static const char *const others[] = { "many", "links/abs", "special/char", "sizes/text-0", "chunks/rand-big" };
	struct nrf *f = *state;

	list(f, 0, 8);
	/* By what the listing says. */
	push_listed(push_of(f), nodes[100], 0);
	push_listed(push_of(f), nodes[101], (256 << 10) + 1);
	push_listed(push_of(f), nodes[102], UINT64_MAX);
	list(f, 8, 10);
	/* And where it says something else than the image. */
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		push_listed(push_of(f), nrf_node(f, others[i]), 1);
	push_listed(push_of(f), UINT32_MAX >> 2, 1);
	push_listed(push_of(f), 0, 1);
	push_listing_done(push_of(f));
	read_files(f, 0, 4);
	rest();
	check_stored(0, 7, 10);
}

static void refusals_that_last(void **state)
{
	static const int refused[] = { -ENOTSUP, -ENOTCONN, -EINVAL, -EPERM };
	struct nrf *f = *state;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		pthread_mutex_lock(&cache.lock);
		cache.n = 0;
		pthread_mutex_unlock(&cache.lock);
		answer(refused[i]);
		list(f, 0, MANY);
		read_files(f, 0, 10);
		rest();
		assert_int_equal(stored(), 1);
		list(f, 0, MANY);
		read_files(f, 0, MANY);
		assert_int_equal(threads(), 0);
		assert_int_equal(stored(), 1);
		nrf_stop(f);
		assert_int_equal(nrf_start(f), 0);
	}
}

/* Nodes that the client does not know: a few attempts, and again when it goes on reading in order. */
static void refusals_that_pass(void **state)
{
	struct nrf *f = *state;

	answer(-ENOENT);
	list(f, 0, MANY);
	read_files(f, 0, 4);
	rest();
	assert_int_equal(stored(), 1);
	assert_int_equal(fake_metric(f->fake, "pushed-files"), 0);
	answer(0);
	read_files(f, 4, 8);
	rest();
	assert_true(stored() > 50);
	assert_int_equal(fake_metric(f->fake, "pushed-files"), stored() - 1);
	answer(-ENOMEM);
	read_files(f, 100, 104);
	rest();
	answer(0);
	uint32_t n = stored();
	read_files(f, 104, 112);
	rest();
	assert_true(stored() > n + 30);
}

static void random_reads(void **state)
{
	static const uint32_t any[] = { 290, 200, 100, 50, 280, 10 };
	struct nrf *f = *state;

	list(f, 0, MANY);
	read_files(f, 0, 4);
	rest();
	uint32_t n = stored();
	for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++)
		read_files(f, any[i], any[i] + 1);
	read_files(f, 150, 153);
	rest();
	assert_int_equal(stored(), n);
	read_files(f, 153, 155);
	rest();
	assert_true(stored() > n);
}

/* It asks for what went ahead: it has dropped its cache. */
static void starts_over(void **state)
{
	struct nrf *f = *state;

	list(f, 0, MANY);
	read_files(f, 0, 4);
	rest();
	uint32_t n = stored();
	read_files(f, 20, 21);
	rest();
	check_stored(n, 24, 85);
	/* A walk from the beginning, of a listing that the client still has. */
	n = stored();
	read_files(f, 0, 4);
	rest();
	assert_true(stored() > n);
}

static void data_that_waits(void **state)
{
	struct nrf *f = *state;

	engine.reads = READS_WAIT;
	list(f, 0, 30);
	read_files(f, 0, 4);
	await_waiting(4);
	assert_int_equal(stored(), 0);
	/* One that fails is left to the client, and the others go on. */
	engine.error = EIO;
	engine_finish();
	engine.error = 0;
	for (uint32_t i = 8; i < 30; i++) {
		if (i % PROBE == PROBE - 1)
			continue;
		for (int tries = 0; tries < 1000 && !engine.nwaiting; tries++)
			usleep(10000);
		engine_finish();
	}
	rest();
	check_stored_anyhow(8, 30);
	engine.reads = READS_FAIL;
	engine.error = EIO;
	uint32_t n = stored();
	list(f, 30, 60);
	read_files(f, 30, 34);
	rest();
	assert_int_equal(stored(), n);
}

static void *stop_main(void *arg)
{
	nrf_stop(arg);
	return NULL;
}

static void ends_while_files_come(void **state)
{
	struct nrf *f = *state;
	pthread_t stopper;

	engine.reads = READS_WAIT;
	list(f, 0, MANY);
	read_files(f, 0, 4);
	await_waiting(4);
	assert_int_equal(pthread_create(&stopper, NULL, stop_main, f), 0);
	for (int i = 0; i < 4; i++) {
		usleep(20000);
		/* Their buffers are not given up before. */
		assert_int_equal(threads(), 1);
		assert_int_equal(engine.readers, 1);
		engine_finish();
	}
	pthread_join(stopper, NULL);
	assert_true(stored() <= 3);
	assert_int_equal(threads(), 0);
}

static void ends_while_the_client_waits(void **state)
{
	struct nrf *f = *state;
	pthread_t stopper;

	cache.hold = true;
	list(f, 0, MANY);
	read_files(f, 0, 4);
	await(&cache.inside, 1);
	/* Reads go on: nothing of it holds the lock. */
	read_files(f, 4, 40);
	list(f, 0, 10);
	assert_int_equal(pthread_create(&stopper, NULL, stop_main, f), 0);
	usleep(20000);
	assert_int_equal(threads(), 1);
	release();
	pthread_join(stopper, NULL);
	assert_true(stored() <= 2);
	assert_int_equal(threads(), 0);
}

static void thread_comes_again(void **state)
{
	struct nrf *f = *state;

	list(f, 0, MANY);
	read_files(f, 0, 4);
	await(&cache.n, 57);
	read_files(f, 15, 16);
	rest();
	assert_int_equal(starts, 1);
	read_files(f, 31, 32);
	rest();
	assert_int_equal(starts, 2);
	check_stored(0, 7, 96);
}

static void no_thread_can_be_had(void **state)
{
	struct nrf *f = *state;

	atomic_store(&no_thread, true);
	list(f, 0, MANY);
	read_files(f, 0, 100);
	assert_int_equal(starts, 1);
	list(f, 0, MANY);
	assert_int_equal(stored(), 0);
}

static void sessions_without(void **state)
{
	struct nrf *f = *state;

	nrf_stop(f);
	f->session.transport = GRAFT_VHOST_USER;
	assert_int_equal(nrf_start(f), 0);
	assert_null(push_of(f));
	list(f, 0, MANY);
	read_files(f, 0, MANY);
	nrf_stop(f);
	f->session.transport = GRAFT_DEV_FUSE;
	f->fake->host.store = NULL;
	assert_int_equal(nrf_start(f), 0);
	assert_null(push_of(f));
	assert_int_equal(starts, 0);
	push_free(NULL);
}

static void no_read_ahead(void **state)
{
	struct nrf *f = *state;

	nrf_stop(f);
	nrf_reset(f);
	nrf_set_image(f, "v6-zstd");
	nrf_set(f, "read-ahead", "0");
	assert_int_equal(nrf_start(f), 0);
	assert_null(push_of(f));
}

/* ---- by requests ---- */

static void list_by_request(struct nrf *f, uint32_t opcode, const char *path)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, nrf_node(f, path));

	fake_in(fr, struct fuse_read_in)->size = 1 << 17;
	fake_req_dst(fr, 1 << 17);
	assert_int_equal(fake_call(fr), 0);
	fake_req_free(fr);
}

static void read_by_request(struct nrf *f, uint32_t i, uint64_t off)
{
	char bytes[8];

	assert_true(nrf_read(f, nodes[i], off, bytes, sizeof(bytes)) >= 0);
}

static void requests(void **state)
{
	struct nrf *f = *state;

	/* Without nodes the client knows none. */
	list_by_request(f, FUSE_READDIR, "many");
	for (uint32_t i = 0; i < 10; i++)
		read_by_request(f, i, 0);
	assert_int_equal(starts, 0);
	list_by_request(f, FUSE_READDIRPLUS, "links");
	list_by_request(f, FUSE_READDIRPLUS, "special");
	list_by_request(f, FUSE_READDIRPLUS, "");
	list_by_request(f, FUSE_READDIRPLUS, "many");
	for (uint32_t i = 0; i < 10; i++)
		read_by_request(f, i, 1);
	assert_int_equal(starts, 0);
	for (uint32_t i = 0; i < 6; i++)
		read_by_request(f, i, 0);
	rest();
	assert_true(stored() > 40);
	for (uint32_t k = 0, i = 0; k < stored(); k++, i++) {
		while (i < MANY && nodes[i] != cache.nodes[k])
			i++;
		assert_true(i < MANY);
	}
}

/* ---- many at once ---- */

static _Atomic bool walking;

static void *walk_main(void *arg)
{
	struct nrf *f = arg;

	while (atomic_load(&walking)) {
		list(f, 0, MANY);
		read_files(f, 0, MANY);
	}
	return NULL;
}

static void many_walkers(void **state)
{
	struct nrf *f = *state;
	pthread_t walkers[3];

	atomic_store(&walking, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&walkers[i], NULL, walk_main, f), 0);
	for (int i = 0; i < 30; i++) {
		/* Some of them from the engine's workers, some refused. */
		engine.reads = i % 3 == 1 ? READS_WAIT : READS_HIT;
		answer(i % 3 == 2 ? -ENOENT : 0);
		pthread_mutex_lock(&cache.lock);
		cache.n = 0;
		pthread_mutex_unlock(&cache.lock);
		usleep(10000);
		while (engine.nwaiting)
			engine_finish();
	}
	engine.reads = READS_HIT;
	while (engine.nwaiting)
		engine_finish();
	atomic_store(&walking, false);
	for (int i = 0; i < 3; i++)
		pthread_join(walkers[i], NULL);
	rest();
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(nothing_without_reads), T(reads_in_order),       T(stops_without_a_read), T(stops_after_bytes),
		T(left_out),              T(refusals_that_last),   T(refusals_that_pass),   T(random_reads),
		T(starts_over),           T(data_that_waits),      T(ends_while_files_come), T(ends_while_the_client_waits),
		T(thread_comes_again),    T(no_thread_can_be_had), T(sessions_without),     T(no_read_ahead),
		T(requests),              T(many_walkers),
	};

	return cmocka_run_group_tests_name("nydus-rafs-push", tests, NULL, NULL);
}
