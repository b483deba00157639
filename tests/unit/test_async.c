/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in flight: cancelling against completing, serial and blocking plugins, sessions that end under them. */
#include "full.h"
#include "server_layers.h"
#include "server_rig.h"

#include "server/fuse/serve.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODE (1ull << 48 | 2) /* of the first mount */

#define REQUESTS 16

/* Waiting requests, as those of SETLKW: in this list, or over. */
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static struct graft_req *waiting[REQUESTS];
static _Atomic uint32_t cancels, op_running;
static _Atomic bool hold_op;

static struct rig *rig;
static struct rig_request *requests[REQUESTS];

static void complete_from_here(struct graft_req *req, int res)
{
	layers[BACKEND].host->complete(req, res);
}

/* Takes req, or any, out of the list. */
static struct graft_req *take_waiting(struct graft_req *req)
{
	struct graft_req *taken = NULL;

	pthread_mutex_lock(&waiting_lock);
	for (int i = 0; i < REQUESTS && !taken; i++) {
		if (waiting[i] && (!req || waiting[i] == req)) {
			taken = waiting[i];
			waiting[i] = NULL;
		}
	}
	pthread_mutex_unlock(&waiting_lock);
	return taken;
}

static void cancel_wait(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	atomic_fetch_add(&cancels, 1);
	assert_int_equal(atomic_load(&op_running), 0);
	/* Valid though another thread may be completing it. */
	assert_int_equal(req->opcode, FUSE_ACCESS);
	if (take_waiting(req))
		complete_from_here(req, -EINTR);
}

static int op_wait(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	layers[BACKEND].host->cancel(req, cancel_wait);
	pthread_mutex_lock(&waiting_lock);
	for (int i = 0; i < REQUESTS; i++) {
		if (!waiting[i]) {
			waiting[i] = req;
			break;
		}
	}
	pthread_mutex_unlock(&waiting_lock);
	return GRAFT_ASYNC;
}

static void start_stack(void)
{
	static const struct rig_mount mount = { "web", "/", { &plugin_a, &plugin_b, &plugin_c, &plugin_backend } };

	rig = rig_new(&mount, 1);
	assert_int_equal(rig_init(rig, 0), 0);
}

static int set_up(void **state)
{
	(void)state;
	layers_reset();
	memset(waiting, 0, sizeof(waiting));
	atomic_store(&cancels, 0);
	for (int i = 0; i < REQUESTS; i++)
		requests[i] = rig_request_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < REQUESTS; i++)
		rig_request_free(requests[i]);
	rig_free(rig);
	for (int i = 0; i < LAYERS; i++)
		assert_int_equal(layers[i].sessions, 0);
	return 0;
}

static void begin(int i)
{
	struct fuse_access_in in = { 0 };

	rig_fill(rig, requests[i], FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0, RIG_ROOM);
	assert_true(rig_serve(rig, requests[i]));
}

static uint64_t unique_of(int i)
{
	struct fuse_in_header h;

	memcpy(&h, requests[i]->in_bytes, sizeof(h));
	return h.unique;
}

static void interrupt(uint64_t unique)
{
	struct fuse_interrupt_in in = { unique };
	struct rig_request *q = rig_request_new();

	rig_fill(rig, q, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0, 0);
	assert_false(rig_serve(rig, q));
	assert_int_equal(q->t.used, 0);
	rig_request_free(q);
}

/* A transfer that waits ends by INTERRUPT where the plugin wants that, else by itself. */
static void test_interrupt_io(void **state)
{
	struct fuse_read_in in = { .size = 3 };
	int p[2];

	(void)state;
	start_stack();
	assert_int_equal(pipe(p), 0);
	layers[BACKEND].down = MODE_IO;
	layers[BACKEND].io_fd = p[0];
	for (int cancel = 0; cancel < 2; cancel++) {
		layers[BACKEND].io_cancel = cancel;
		rig_fill(rig, requests[0], FUSE_READ, NODE, &in, sizeof(in), NULL, 0, RIG_ROOM);
		assert_true(rig_serve(rig, requests[0]));
		interrupt(unique_of(0));
		usleep(5000);
		if (!cancel)
			assert_int_equal(write(p[1], "abc", 3), 3);
		rig_wait(requests[0]);
		assert_int_equal(rig_error(requests[0]), cancel ? -EINTR : 0);
	}
	close(p[0]);
	close(p[1]);
}

static void test_interrupt(void **state)
{
	(void)state;
	backend_ops[FUSE_ACCESS] = op_wait;
	start_stack();
	begin(0);
	begin(1);
	interrupt(12345);
	assert_int_equal(atomic_load(&cancels), 0);
	interrupt(unique_of(0));
	rig_wait(requests[0]);
	assert_int_equal(rig_error(requests[0]), -EINTR);
	assert_int_equal(atomic_load(&cancels), 1);
	assert_false(requests[1]->done);
	/* Once more does nothing. */
	interrupt(unique_of(0));
	complete_from_here(take_waiting(NULL), -EAGAIN);
	rig_wait(requests[1]);
	assert_int_equal(rig_error(requests[1]), -EAGAIN);
	assert_int_equal(atomic_load(&cancels), 1);
}

static void test_cancel_all(void **state)
{
	(void)state;
	backend_ops[FUSE_ACCESS] = op_wait;
	start_stack();
	for (int i = 0; i < REQUESTS; i++)
		begin(i);
	fuse_client.cancel(rig->conn);
	for (int i = 0; i < REQUESTS; i++) {
		rig_wait(requests[i]);
		assert_int_equal(rig_error(requests[i]), -EINTR);
	}
	assert_int_equal(atomic_load(&cancels), REQUESTS);
}

/* INTERRUPT while the operation still runs: cancel comes when it has returned, not into the middle of it. */
static int op_wait_slowly(struct graft_inst *inst, struct graft_req *req)
{
	atomic_store(&op_running, 1);
	int res = op_wait(inst, req);
	while (atomic_load(&hold_op))
		usleep(100);
	atomic_store(&op_running, 0);
	return res;
}

static int defer_wait(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	return layers[BACKEND].host->defer(req, op_wait_slowly);
}

static void test_interrupt_while_running(void **state)
{
	(void)state;
	backend_ops[FUSE_ACCESS] = defer_wait;
	start_stack();
	atomic_store(&hold_op, true);
	begin(0);
	while (!atomic_load(&op_running))
		usleep(100);
	interrupt(unique_of(0));
	usleep(2000);
	assert_int_equal(atomic_load(&cancels), 0);
	atomic_store(&hold_op, false);
	rig_wait(requests[0]);
	assert_int_equal(rig_error(requests[0]), -EINTR);
	assert_int_equal(atomic_load(&cancels), 1);
}

static _Atomic bool stop;

static void *complete_all_the_time(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		struct graft_req *req = take_waiting(NULL);

		if (req)
			complete_from_here(req, 0);
	}
	return NULL;
}

static void *cancel_all_the_time(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		fuse_client.cancel(rig->conn);
	return NULL;
}

/* Completing and cancelling the same requests from two threads: each ends exactly once. */
static void test_race(void **state)
{
	pthread_t threads[2];
	uint32_t eintr = 0;

	(void)state;
	backend_ops[FUSE_ACCESS] = op_wait;
	start_stack();
	atomic_store(&stop, false);
	pthread_create(&threads[0], NULL, complete_all_the_time, NULL);
	pthread_create(&threads[1], NULL, cancel_all_the_time, NULL);
	for (size_t round = full_count(300, 60); round > 0; round--) {
		layers[0].up = round % 3 == 1 ? MODE_DEFER : MODE_PLAIN;
		for (int i = 0; i < REQUESTS; i++)
			begin(i);
		for (int i = 0; i < REQUESTS; i++) {
			rig_wait(requests[i]);
			assert_int_equal(requests[i]->completions, 1);
			int res = rig_error(requests[i]);
			assert_true(res == 0 || res == -EINTR);
			eintr += res == -EINTR;
		}
	}
	atomic_store(&stop, true);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	(void)eintr;
}

/* A session ends while requests of it wait: they are cancelled, and it is closed when the last is out. */
static void test_session_ends(void **state)
{
	(void)state;
	backend_ops[FUSE_ACCESS] = op_wait;
	start_stack();
	begin(0);
	begin(1);
	assert_int_equal(layers[BACKEND].sessions, 1);
	assert_int_equal(rig_init(rig, 0), 0);
	for (int i = 0; i < 2; i++) {
		rig_wait(requests[i]);
		assert_int_equal(rig_error(requests[i]), -EINTR);
	}
	/* The new session is there; the old one goes as soon as a worker comes to it. */
	while (__atomic_load_n(&layers[BACKEND].sessions, __ATOMIC_RELAXED) > 1)
		usleep(100);
	begin(2);
	fuse_client.cancel(rig->conn);
	rig_wait(requests[2]);
}

static int op_stubborn(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	atomic_fetch_add(&op_running, 1);
	while (atomic_load(&hold_op))
		usleep(100);
	atomic_fetch_sub(&op_running, 1);
	return 0;
}

static int defer_stubborn(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	return layers[BACKEND].host->defer(req, op_stubborn);
}

/* INIT waits for nobody: a request that cannot be ended keeps its own session open, not the client. */
static void test_session_outlives(void **state)
{
	(void)state;
	backend_ops[FUSE_ACCESS] = defer_stubborn;
	start_stack();
	atomic_store(&hold_op, true);
	begin(0);
	begin(1);
	while (atomic_load(&op_running) < 2)
		usleep(100);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_init(rig, 0), 0);
	while (__atomic_load_n(&layers[BACKEND].sessions, __ATOMIC_RELAXED) > 2)
		usleep(100);
	usleep(2000);
	assert_int_equal(__atomic_load_n(&layers[BACKEND].sessions, __ATOMIC_RELAXED), 2);
	atomic_store(&hold_op, false);
	rig_wait(requests[0]);
	rig_wait(requests[1]);
	assert_int_equal(rig_error(requests[0]), 0);
	while (__atomic_load_n(&layers[BACKEND].sessions, __ATOMIC_RELAXED) > 1)
		usleep(100);
}

/* Requests from many threads while another sends INIT all the time. */
static void *getattr_all_the_time(void *arg)
{
	struct rig_request *q = arg;
	struct fuse_getattr_in in = { 0 };

	while (!atomic_load(&stop)) {
		int res = rig_call(rig, q, FUSE_GETATTR, NODE, &in, sizeof(in), NULL, 0);

		assert_true(res == 0 || res == -EBADF);
	}
	return NULL;
}

static void test_init_storm(void **state)
{
	pthread_t threads[2];

	(void)state;
	backend_ops[FUSE_ACCESS] = op_wait;
	start_stack();
	atomic_store(&stop, false);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, getattr_all_the_time, requests[i]);
	for (size_t i = full_count(300, 60); i > 0; i--)
		assert_int_equal(rig_init(rig, 0), 0);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void *unlink_many(void *arg)
{
	struct rig_request *q = arg;

	for (int i = 0; i < 50; i++)
		assert_int_equal(rig_call(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2), 0);
	return NULL;
}

static void run_unlinks(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, unlink_many, requests[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* Everything of a serial member's mount is one at a time, what comes back from other threads included. */
static void test_serial(void **state)
{
	static const enum layer_mode end[] = { MODE_PLAIN, MODE_DEFER, MODE_THREAD, MODE_INSIDE };

	(void)state;
	for (int i = 0; i < 8; i++) {
		layers_reset();
		plugin_b.threads = i < 4 ? GRAFT_SERIAL_INSTANCE : GRAFT_SERIAL_PLUGIN;
		start_stack();
		layers[BACKEND].down = end[i % 4];
		layers[1].down = i % 4 == 2 ? MODE_DEFER : MODE_PLAIN;
		run_unlinks();
		assert_int_equal(layers[1].most_inside, 1);
		assert_int_equal(layers[BACKEND].most_inside, 1);
		if (i < 7)
			rig_free(rig);
	}
}

static _Atomic uintptr_t main_thread;

static int op_not_here(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return (uintptr_t)pthread_self() == atomic_load(&main_thread) ? -EIO : 0;
}

static _Atomic uint32_t serial_inside, serial_most;

static void serial_call(void)
{
	uint32_t inside = atomic_fetch_add(&serial_inside, 1) + 1;

	if (inside > atomic_load(&serial_most))
		atomic_store(&serial_most, inside);
	usleep(300);
	atomic_fetch_sub(&serial_inside, 1);
}

static int serial_open(struct graft_inst *inst, const struct graft_session *s, void **state)
{
	(void)s;
	serial_call();
	__atomic_add_fetch(&layers[BACKEND].sessions, 1, __ATOMIC_RELAXED);
	*state = &layers[BACKEND];
	(void)inst;
	return 0;
}

static void serial_close(struct graft_inst *inst, void *state)
{
	(void)inst;
	(void)state;
	serial_call();
	__atomic_sub_fetch(&layers[BACKEND].sessions, 1, __ATOMIC_RELAXED);
}

static int serial_op(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	serial_call();
	return 0;
}

/* Opening and closing sessions are calls like the others: a serial plugin needs no locks for them. */
static void test_serial_sessions(void **state)
{
	pthread_t threads[2];

	(void)state;
	atomic_store(&serial_most, 0);
	plugin_backend.threads = GRAFT_SERIAL_INSTANCE;
	plugin_backend.session_open = serial_open;
	plugin_backend.session_close = serial_close;
	backend_ops[FUSE_UNLINK] = serial_op;
	start_stack();
	struct rig *other = rig_connect(rig, GRAFT_VHOST_USER);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, unlink_many, requests[i]);
	for (int i = 0; i < 20; i++)
		assert_int_equal(rig_init(other, 0), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	rig_free(other);
	assert_int_equal(atomic_load(&serial_most), 1);
}

static void blocking(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	f->can = UINT64_MAX;
	f->blocking = 1;
}

/* An instance that blocks never runs on a queue's thread, FORGET included. */
static void test_blocking(void **state)
{
	struct fuse_access_in in = { 0 };
	struct fuse_forget_in forget = { 1 };

	(void)state;
	plugin_backend.features = blocking;
	backend_ops[FUSE_ACCESS] = backend_ops[FUSE_FORGET] = op_not_here;
	start_stack();
	atomic_store(&main_thread, (uintptr_t)pthread_self());
	for (int i = 0; i < 50; i++) {
		assert_int_equal(rig_call(rig, requests[0], FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0), 0);
		assert_true(requests[0]->pinned);
		rig_fill(rig, requests[1], FUSE_FORGET, NODE, &forget, sizeof(forget), NULL, 0, 0);
		assert_true(rig_serve(rig, requests[1]));
		rig_wait(requests[1]);
		assert_int_equal(requests[1]->t.used, 0);
	}
}

/* Two mounts: what crosses them is EXDEV, BATCH_FORGET is split, and each gets its own node ids. */
static uint32_t forgotten[2];

static int count_forgets(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_forget_one *e = req->data;
	uint32_t n = req->data_len / sizeof(*e);

	(void)inst;
	for (uint32_t i = 0; i < n; i++) {
		assert_true(e[i].nodeid >= 100 && e[i].nodeid < 200);
		forgotten[e[i].nlookup - 1]++;
	}
	return layers[BACKEND].down == MODE_DEFER ? layers[BACKEND].host->defer(req, op_not_here) : 0;
}

static int lookup_nine(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_entry_out *out = req->out;

	(void)inst;
	out->nodeid = req->node + 9;
	return 0;
}

static void test_two_mounts(void **state)
{
	static const struct rig_mount mounts[] = {
		{ "web", "/", { &plugin_a, &plugin_backend } },
		{ "app", "/app", { &plugin_b, &plugin_backend } },
	};
	const uint64_t web = 1ull << 48, app = 2ull << 48;
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one one[7];
	} in = { { 7, 0 },
		 { { app | 100, 2 },
		   { web | 101, 1 },
		   { app * 2 | 5, 1 },
		   { app | 102, 2 },
		   { web | 103, 1 },
		   { app, 2 },
		   { web | 104, 1 } } };
	struct fuse_link_in link = { app | 7 };
	struct rig_request *q = requests[0];

	(void)state;
	backend_ops[FUSE_BATCH_FORGET] = count_forgets;
	backend_ops[FUSE_LOOKUP] = lookup_nine;
	backend_ops[FUSE_ACCESS] = op_wait;
	plugin_b.ops = c_ops;
	c_ops[FUSE_BATCH_FORGET] = c_ops[FUSE_FORGET] = NULL;
	rig = rig_new(mounts, 2);
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, 1, NULL, 0, "x", 2), 0);
	assert_true(*(const uint64_t *)rig_data(q) == (web | 10));
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, app | 1, NULL, 0, "x", 2), 0);
	assert_true(*(const uint64_t *)rig_data(q) == (app | 10));
	assert_int_equal(rig_call(rig, q, FUSE_LINK, NODE, &link, sizeof(link), "x", 2), -EXDEV);
	assert_int_equal(rig_call(rig, q, FUSE_LINK, app | 1, &link, sizeof(link), "x", 2), 0);
	for (int i = 0; i < 2; i++) {
		forgotten[0] = forgotten[1] = 0;
		layers[BACKEND].down = i ? MODE_DEFER : MODE_PLAIN;
		rig_fill(rig, q, FUSE_BATCH_FORGET, 0, &in, sizeof(in), NULL, 0, 0);
		rig_serve(rig, q);
		rig_wait(q);
		assert_int_equal(forgotten[0], 3);
		assert_int_equal(forgotten[1], 2);
	}
}

/* The queue of the workers is bounded: beyond it defer says so, and the operation may answer that itself. */
static void test_full(void **state)
{
	struct fuse_access_in in = { 0 };
	int full = 0;

	(void)state;
	backend_ops[FUSE_ACCESS] = defer_stubborn;
	start_stack();
	atomic_store(&hold_op, true);
	begin(0);
	struct rig_request **many = calloc(SERVER_WORK_BOUND + 8, sizeof(*many));
	for (uint32_t i = 0; i < SERVER_WORK_BOUND + 8; i++) {
		many[i] = rig_request_new();
		rig_fill(rig, many[i], FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0, 128);
		rig_serve(rig, many[i]);
		full += many[i]->done && rig_error(many[i]) == -EAGAIN;
	}
	assert_true(full > 0);
	atomic_store(&hold_op, false);
	for (uint32_t i = 0; i < SERVER_WORK_BOUND + 8; i++) {
		rig_wait(many[i]);
		assert_int_equal(many[i]->completions, 1);
	}
	rig_wait(requests[0]);
	for (uint32_t i = 0; i < SERVER_WORK_BOUND + 8; i++)
		rig_request_free(many[i]);
	free(many);
}

/* Requests and errors are counted by opcode, inline and on other threads, and stay when the client leaves. */
static void test_counts(void **state)
{
	struct op_sum sum;

	(void)state;
	start_stack();
	for (int i = 0; i < 6; i++) {
		layers[BACKEND].down = i % 2 ? MODE_THREAD : MODE_PLAIN;
		layers[BACKEND].result = i < 2 ? -EACCES : 0;
		rig_call(rig, requests[0], FUSE_RMDIR, NODE, NULL, 0, "x", 2);
	}
	rig_call(rig, requests[0], 77, NODE, NULL, 0, NULL, 0);
	fuse_client.disconnect(rig->conn);
	server_op(rig->server, FUSE_RMDIR, &sum);
	assert_int_equal(sum.count, 6);
	assert_int_equal(sum.errors, 2);
	server_op(rig->server, 0, &sum);
	assert_int_equal(sum.count, 1);
	assert_int_equal(sum.errors, 1);
	rig->conn = fuse_client.connect(&rig->door, &rig->transport);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_interrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_interrupt_io, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cancel_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_interrupt_while_running, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_race, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_session_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_session_outlives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_init_storm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_serial, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_serial_sessions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_blocking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_mounts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
