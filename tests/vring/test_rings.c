/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed rings of every kind: split and packed, indirect, event index, odd layouts, many queues. */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUES 4
#define FILE_SIZE 300000
#define QUIET_MS 50 /* long enough for an interrupt that should not come */

static struct fixture fixture = {.config = {.queues = QUEUES}};

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + i / 251);
}

static void make_file(struct fixture *f)
{
	unsigned char *bytes = malloc(FILE_SIZE);

	assert_non_null(bytes);
	for (size_t i = 0; i < FILE_SIZE; i++)
		bytes[i] = pattern(i);
	fixture_write_file(f, "file", bytes, FILE_SIZE);
	free(bytes);
}

static bool matches(const unsigned char *bytes, size_t len, size_t off)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != pattern(off + i))
			return false;
	return true;
}

/* Reads here and there and compares; returns 0 or a negative number. Usable on any thread. */
static int read_some(struct fuse_client *c, uint64_t node, uint64_t fh, unsigned count, uint32_t max, unsigned seed)
{
	unsigned char *to = malloc(max);
	int res = to ? 0 : -ENOMEM;

	for (unsigned i = 0; i < count && res == 0; i++) {
		uint64_t off = (uint64_t)rand_r(&seed) % FILE_SIZE;
		uint32_t size = 1 + (uint32_t)rand_r(&seed) % max;
		uint64_t want = off + size > FILE_SIZE ? FILE_SIZE - off : size;
		ssize_t n = fuse_read(c, node, fh, to, size, off);
		if (n < 0)
			res = (int)n;
		else if ((uint64_t)n != want || !matches(to, want, off))
			res = -EILSEQ;
	}
	free(to);
	return res;
}

/* A ring of 16 goes round hundreds of times. */
static void run_wrap(struct fixture *f, const struct fixture_mode *mode)
{
	uint64_t fh, node;

	(void)mode;
	make_file(f);
	fixture_start_client(f, 1);
	node = fixture_open(f, "file", 0, &fh);
	assert_int_equal(read_some(&f->client, node, fh, fixture_count(1500, 20000), 5000, 1), 0);
	assert_int_equal(fuse_release(&f->client, node, fh), 0);
}

static void test_wrap(void **state)
{
	struct frontend_config c = {.ring_size = 16};

	fixture_each_mode(*state, &c, run_wrap);
}

static void submit_getattr(struct fuse_client *c, struct fuse_slot *s)
{
	struct fuse_getattr_in in = {.getattr_flags = 0};
	struct fuse_op op = {.opcode = FUSE_GETATTR,
			     .node = FUSE_ROOT_ID,
			     .arg = {{.bytes = &in, .len = sizeof(in)}},
			     .nargs = 1,
			     .reply_len = sizeof(struct fuse_attr_out)};

	assert_int_equal(fuse_submit(c, s, &op), 0);
}

/* The ring is filled to the brim, kicked once, and emptied. */
static void run_full(struct fixture *f, const struct fixture_mode *mode)
{
	unsigned n = mode->features & FEATURE_INDIRECT ? 64 : 16, done;

	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 64, 4096), 0);
	f->mounted = true;
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < n; i++)
			submit_getattr(&f->client, &f->client.slot[i]);
		assert_int_equal(f->client.ring->nfree, 0);
		ring_kick(f->client.ring);
		for (done = 0; done < n;) {
			struct fuse_slot *s;
			assert_int_equal(ring_wait(f->client.ring, 60000), 0);
			while ((s = fuse_reap(&f->client))) {
				assert_int_equal(s->error, 0);
				assert_int_equal(s->len, sizeof(struct fuse_attr_out));
				done++;
			}
		}
		assert_int_equal(f->client.ring->nfree, 64);
	}
}

static void test_full_ring(void **state)
{
	struct frontend_config c = {.ring_size = 64};

	fixture_each_mode(*state, &c, run_full);
}

/* One thread for each queue, each with a client of the same session. */
struct worker {
	pthread_t thread;
	struct fuse_client client;
	uint64_t node, fh;
	unsigned seed;
	int res;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct fuse_entry_out e;

	w->res = 0;
	for (unsigned i = 0; i < 20 && w->res == 0; i++) {
		w->res = fuse_lookup(&w->client, FUSE_ROOT_ID, "file", &e);
		if (w->res == 0 && e.nodeid != w->node)
			w->res = -ESTALE;
		if (w->res == 0)
			w->res = read_some(&w->client, w->node, w->fh, 25, 20000, w->seed + i);
	}
	return NULL;
}

static void run_queues(struct fixture *f, const struct fixture_mode *mode)
{
	struct worker w[QUEUES];
	uint64_t node, fh;

	(void)mode;
	make_file(f);
	fixture_start_client(f, 1);
	node = fixture_open(f, "file", 0, &fh);
	for (unsigned i = 0; i < QUEUES; i++) {
		w[i] = (struct worker){.node = node, .fh = fh, .seed = i * 1000};
		assert_int_equal(fuse_client_init(&w[i].client, f->fe, 1 + i, 1, 32768), 0);
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < QUEUES; i++) {
		pthread_join(w[i].thread, NULL);
		fuse_client_fini(&w[i].client);
		assert_int_equal(w[i].res, 0);
	}
	fixture_check_alive(f);
}

static void test_queues(void **state)
{
	struct frontend_config c = {.queues = QUEUES};

	if (fixture_is_peer(*state))
		skip();
	fixture_each_mode(*state, &c, run_queues);
}

/* FORGET on the hiprio queue takes the node away. */
static void run_hiprio(struct fixture *f, const struct fixture_mode *mode)
{
	struct fuse_client high;
	struct fuse_entry_out e;
	struct fuse_attr_out attr;

	(void)mode;
	make_file(f);
	fixture_start_client(f, 1);
	assert_int_equal(fuse_client_init(&high, f->fe, FRONTEND_HIPRIO, 1, 4096), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fuse_lookup(&f->client, FUSE_ROOT_ID, "file", &e), 0);
	assert_int_equal(fuse_forget(&high, e.nodeid, 2), 0);
	assert_int_equal(fuse_getattr(&f->client, e.nodeid, &attr), 0);
	struct fuse_forget_one one = {.nodeid = e.nodeid, .nlookup = 1};
	assert_int_equal(fuse_batch_forget(&high, &one, 1), 0);
	assert_int_equal(fuse_getattr(&f->client, e.nodeid, &attr), -EBADF);
	assert_int_equal(fuse_interrupt(&high, 12345), 0);
	fuse_client_fini(&high);
}

static void test_hiprio(void **state)
{
	struct frontend_config c = {.ring_size = 0};

	fixture_each_mode(*state, &c, run_hiprio);
}

/* Every part of every request is one byte long. */
static void run_bytes(struct fixture *f, const struct fixture_mode *mode)
{
	struct fuse_entry_out e;
	unsigned char to[64];
	uint64_t fh;

	(void)mode;
	make_file(f);
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 1, 0), 0);
	f->mounted = true;
	f->client.segment = 1;
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
	assert_int_equal(fuse_lookup(&f->client, FUSE_ROOT_ID, "file", &e), 0);
	assert_int_equal(fuse_lookup(&f->client, FUSE_ROOT_ID, "absent", &e), -ENOENT);
	assert_int_equal(fuse_lookup(&f->client, FUSE_ROOT_ID, "file", &e), 0);
	assert_int_equal(fuse_open(&f->client, e.nodeid, 2, &fh), 0);
	assert_int_equal(fuse_read(&f->client, e.nodeid, fh, to, sizeof(to), 1000), sizeof(to));
	assert_true(matches(to, sizeof(to), 1000));
	assert_int_equal(fuse_write(&f->client, e.nodeid, fh, "scattered", 9, 5), 9);
	assert_int_equal(fuse_read(&f->client, e.nodeid, fh, to, 9, 5), 9);
	assert_memory_equal(to, "scattered", 9);
	assert_int_equal(fuse_release(&f->client, e.nodeid, fh), 0);
}

static void test_single_bytes(void **state)
{
	struct frontend_config c = {.ring_size = 256};

	fixture_each_mode(*state, &c, run_bytes);
}

/* The largest READ and WRITE, a page for each part. */
static void run_large(struct fixture *f, const struct fixture_mode *mode)
{
	uint64_t node, fh;
	unsigned char *bytes = malloc(FUSE_DATA_MAX);

	(void)mode;
	assert_non_null(bytes);
	for (size_t i = 0; i < FUSE_DATA_MAX; i++)
		bytes[i] = pattern(i + 7);
	fixture_write_file(f, "large", "", 0);
	fixture_start_client(f, 1);
	f->client.page_data = true;
	assert_int_equal(f->client.max_write, FUSE_DATA_MAX);
	node = fixture_open(f, "large", 2, &fh);
	assert_int_equal(fuse_write(&f->client, node, fh, bytes, FUSE_DATA_MAX, 0), FUSE_DATA_MAX);
	assert_true(fixture_file_is(f, "large", bytes, FUSE_DATA_MAX));
	memset(bytes, 0, FUSE_DATA_MAX);
	assert_int_equal(fuse_read(&f->client, node, fh, bytes, FUSE_DATA_MAX, 0), FUSE_DATA_MAX);
	assert_true(matches(bytes, FUSE_DATA_MAX, 7));
	free(bytes);
}

static void test_large(void **state)
{
	struct frontend_config c = {.ring_size = 512};

	fixture_each_mode(*state, &c, run_large);
}

/* Parts of length 0 at every place of a chain. */
static void run_zero_length(struct fixture *f, const struct fixture_mode *mode)
{
	struct ring *r = &f->fe->ring[1];
	struct fuse_in_header h = {.len = 56, .opcode = FUSE_GETATTR, .unique = 77, .nodeid = FUSE_ROOT_ID};
	uint64_t at = ram_alloc(&f->fe->ram, 4096, 4096), reply = at + 1024;
	struct ring_buf in[] = {{at, 0}, {at, 40}, {at, 0}, {at + 40, 16}, {at + 56, 0}};
	struct ring_buf out[] = {{reply, 0}, {reply, 16}, {reply, 0}, {reply + 16, 104}, {reply, 0}};
	struct fuse_out_header back;
	struct ring_used used;

	(void)mode;
	fixture_start_client(f, 1);
	memset(ram_ptr(&f->fe->ram, at), 0, 4096);
	memcpy(ram_ptr(&f->fe->ram, at), &h, sizeof(h));
	assert_int_equal(ring_add(r, in, 5, out, 5, &h), 0);
	ring_kick(r);
	assert_int_equal(ring_wait(r, 60000), 0);
	assert_int_equal(ring_take(r, &used), 1);
	assert_int_equal(used.len, 120);
	memcpy(&back, ram_ptr(&f->fe->ram, reply), sizeof(back));
	assert_int_equal(back.len, 120);
	assert_int_equal(back.error, 0);
	assert_int_equal(back.unique, 77);
}

static void test_zero_length(void **state)
{
	struct frontend_config c = {.ring_size = 0};

	fixture_each_mode(*state, &c, run_zero_length);
}

/*
 * Three small regions touch each other: a request's header, its reply and its data each lie in one descriptor that
 * begins in one region and ends in another.
 */
#define SPAN_BASE (1ULL << 30)
#define SPAN_SIZE 8192

static const struct ram_spec spanning[] = {
	{.gpa = SPAN_BASE, .size = SPAN_SIZE, .manual = true},
	{.gpa = SPAN_BASE + SPAN_SIZE, .size = SPAN_SIZE, .offset = 4096, .manual = true},
	{.gpa = SPAN_BASE + 2 * SPAN_SIZE, .size = SPAN_SIZE, .manual = true},
	{.gpa = 4ULL << 30, .size = 64 << 20},
};

static int raw_call(struct fixture *f, const struct ring_buf *in, unsigned nin, const struct ring_buf *out,
		    unsigned nout, uint32_t *len)
{
	struct ring *r = &f->fe->ring[1];
	struct ring_used used;
	int res = ring_add(r, in, nin, out, nout, f);

	if (res < 0)
		return res;
	ring_kick(r);
	res = ring_wait(r, 60000);
	if (res == 0 && ring_take(r, &used) != 1)
		res = -EBADMSG;
	*len = used.len;
	return res;
}

static void run_spanning(struct fixture *f, const struct fixture_mode *mode)
{
	struct ram *ram = &f->fe->ram;
	uint64_t border = SPAN_BASE + SPAN_SIZE, node, fh;
	struct {
		struct fuse_in_header h;
		struct fuse_read_in in;
	} req = {.h = {.len = sizeof(req), .opcode = FUSE_READ, .unique = 5}};
	struct fuse_out_header back;
	uint32_t len;

	(void)mode;
	make_file(f);
	fixture_start_client(f, 1);
	node = fixture_open(f, "file", 2, &fh);
	req.h.nodeid = node;
	req.in = (struct fuse_read_in){.fh = fh, .offset = 123, .size = SPAN_SIZE + 2000};
	/* READ: request across the first border, reply header and data across all three regions. */
	memcpy(ram_ptr(ram, border - 20), &req, sizeof(req));
	struct ring_buf in = {border - 20, sizeof(req)};
	struct ring_buf out[] = {{border + 1000, 16}, {border - 3000, 1000}, {border + 2000, SPAN_SIZE + 1000}};
	assert_int_equal(raw_call(f, &in, 1, out, 3, &len), 0);
	assert_int_equal(len, 16 + req.in.size);
	memcpy(&back, ram_ptr(ram, border + 1000), sizeof(back));
	assert_int_equal(back.error, 0);
	assert_true(matches(ram_ptr(ram, border - 3000), 1000, 123));
	assert_true(matches(ram_ptr(ram, border + 2000), SPAN_SIZE + 1000, 1123));

	/* WRITE: request across the first border, data across the second. */
	struct fuse_write_in w = {.fh = fh, .offset = 1, .size = SPAN_SIZE};
	req.h.len = (uint32_t)(sizeof(req.h) + sizeof(w)) + w.size;
	req.h.opcode = FUSE_WRITE;
	memcpy(ram_ptr(ram, border - 40), &req.h, sizeof(req.h));
	memcpy(ram_ptr(ram, border), &w, sizeof(w));
	for (unsigned i = 0; i < SPAN_SIZE; i++)
		*(unsigned char *)ram_ptr(ram, border + 1000 + i) = pattern(i + 99);
	struct ring_buf win[] = {{border - 40, 40 + sizeof(w)}, {border + 1000, SPAN_SIZE}};
	struct ring_buf wout = {border + SPAN_SIZE + 4000, 24};
	assert_int_equal(raw_call(f, win, 2, &wout, 1, &len), 0);
	assert_int_equal(len, 24);
	memcpy(&back, ram_ptr(ram, wout.gpa), sizeof(back));
	assert_int_equal(back.error, 0);
	unsigned char got[SPAN_SIZE];
	assert_int_equal(fuse_read(&f->client, node, fh, got, SPAN_SIZE, 1), SPAN_SIZE);
	assert_true(matches(got, SPAN_SIZE, 99));
}

static void test_spanning(void **state)
{
	struct frontend_config c = {.layout = spanning, .nlayout = 4};

	if (fixture_is_peer(*state))
		skip(); /* it takes no buffer that touches two regions */
	fixture_each_mode(*state, &c, run_spanning);
}

/* Packed rings need not be a power of two. */
static void test_odd_sizes(void **state)
{
	static const uint16_t sizes[] = {4, 5, 7, 100, 127, 1000};
	struct fixture *f = *state;

	if (fixture_is_peer(f))
		skip();
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frontend_config c = {.features = FEATURE_PACKED | FEATURE_EVENT_IDX,
					    .protocol = FIXTURE_PROTOCOL,
					    .ring_size = sizes[i]};
		fixture_connect_with(f, &c);
		run_wrap(f, &fixture_modes[4]);
		fixture_disconnect(f);
	}
}

static bool called(const struct ring *r, int timeout_ms)
{
	struct pollfd p = {.fd = r->call, .events = POLLIN};
	uint64_t count;

	return poll(&p, 1, timeout_ms) == 1 && read(r->call, &count, sizeof(count)) > 0;
}

/* Sends n requests and takes the answers without asking for an interrupt. */
static void poll_through(struct fixture *f, unsigned n)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++)
		submit_getattr(&f->client, &f->client.slot[i]);
	ring_kick(f->client.ring);
	while (done < n) {
		struct fuse_slot *s = fuse_reap(&f->client);
		if (!s) {
			usleep(1000);
			continue;
		}
		assert_int_equal(s->error, 0);
		done++;
	}
}

static void run_no_interrupt(struct fixture *f, const struct fixture_mode *mode)
{
	struct ring *r = &f->fe->ring[1];

	fixture_start_client(f, 8);
	called(r, 0);
	if (mode->features & FEATURE_EVENT_IDX) {
		/* An event index that was passed long ago is as good as none. */
		poll_through(f, 3);
		called(r, QUIET_MS);
		poll_through(f, 3);
		assert_false(called(r, QUIET_MS));
		return;
	}
	ring_interrupts(r, false);
	poll_through(f, 5);
	assert_false(called(r, QUIET_MS));
	ring_interrupts(r, true);
	poll_through(f, 1);
	assert_true(called(r, 60000));
}

static void test_no_interrupt(void **state)
{
	struct frontend_config c = {.ring_size = 0};

	if (fixture_is_peer(*state))
		skip(); /* it interrupts whatever NO_INTERRUPT says */
	fixture_each_mode(*state, &c, run_no_interrupt);
}

/* An interrupt comes when the used index passes the event, not before. */
static void run_event(struct fixture *f, const struct fixture_mode *mode)
{
	struct ring *r = &f->fe->ring[1];
	bool packed = mode->features & FEATURE_PACKED;
	unsigned step = packed && !(mode->features & FEATURE_INDIRECT) ? 4 : 1; /* descriptors of a GETATTR */

	if (!(mode->features & FEATURE_EVENT_IDX))
		return;
	fixture_start_client(f, 8);
	if (packed)
		ring_driver_event(r)->off_wrap = (uint16_t)(r->used + 4 * step) | 1u << 15;
	else
		ring_avail(r)->ring[r->size] = (uint16_t)(r->used + 4);
	called(r, QUIET_MS);
	poll_through(f, 4);
	assert_false(called(r, QUIET_MS));
	poll_through(f, 1);
	assert_true(called(r, 60000));
}

static void test_event_idx(void **state)
{
	struct frontend_config c = {.ring_size = 0};

	fixture_each_mode(*state, &c, run_event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_wrap, &fixture),
		FIXTURE_TEST(test_full_ring, &fixture),
		FIXTURE_TEST(test_queues, &fixture),
		FIXTURE_TEST(test_hiprio, &fixture),
		FIXTURE_TEST(test_single_bytes, &fixture),
		FIXTURE_TEST(test_large, &fixture),
		FIXTURE_TEST(test_zero_length, &fixture),
		FIXTURE_TEST(test_spanning, &fixture),
		FIXTURE_TEST(test_odd_sizes, &fixture),
		FIXTURE_TEST(test_no_interrupt, &fixture),
		FIXTURE_TEST(test_event_idx, &fixture),
	};

	return fixture_run("vring/rings", tests, sizeof(tests) / sizeof(tests[0]), &fixture);
}
