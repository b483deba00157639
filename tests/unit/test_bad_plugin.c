/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that break the rules of an operation: the client gets an error, the log names who did what, the rest goes on. */
#include "lib/clock.h"
#include "lib/log.h"
#include "server/makings.h"
#include "server_layers.h"
#include "server_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODE (1ull << 48 | 2) /* of the first mount */
#define GOOD (2ull << 48 | 2) /* of the second, which obeys */

static struct rig *rig;
static struct rig_request *q, *second;
static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[16384];

static void keep_line(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	pthread_mutex_lock(&lines_lock);
	size_t len = strlen(lines);
	snprintf(lines + len, sizeof(lines) - len, "%s\n", line);
	pthread_mutex_unlock(&lines_lock);
}

/* A line with this text came since the last call. */
static void assert_logged(const char *text)
{
	pthread_mutex_lock(&lines_lock);
	bool found = strstr(lines, text) != NULL;
	if (!found)
		print_error("not in the log: %s\nbut:\n%s", text, lines);
	lines[0] = '\0';
	pthread_mutex_unlock(&lines_lock);
	assert_true(found);
}

static int good_op(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return -EDOM;
}

static graft_op *const good_ops[] = { [FUSE_UNLINK] = good_op };
static struct graft_plugin good_plugin;

static int set_up(void **state)
{
	static const struct rig_mount mounts[] = {
		{ "web", "/", { &plugin_a, &plugin_b, &plugin_c, &plugin_backend } },
		{ "other", "/other", { &good_plugin } },
	};

	(void)state;
	layers_reset();
	good_plugin = plugin_backend;
	good_plugin.name = "good";
	good_plugin.ops = good_ops;
	good_plugin.nops = sizeof(good_ops) / sizeof(good_ops[0]);
	good_plugin.session_open = NULL;
	good_plugin.session_close = NULL;
	lines[0] = '\0';
	log_set_sink(keep_line, NULL);
	q = rig_request_new();
	second = rig_request_new();
	rig = rig_new(mounts, 2);
	rig->keys[CONFIG_KEY_LOCKS] = CONFIG_FLAG_ALWAYS;
	assert_int_equal(rig_init(rig, FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	/* Whatever was done before: the other mount serves, and the connection ends in order. */
	assert_int_equal(rig_call(rig, second, FUSE_UNLINK, GOOD, NULL, 0, "x", 2), -EDOM);
	rig_request_free(q);
	rig_request_free(second);
	rig_free(rig);
	log_set_sink(NULL, NULL);
	for (int i = 0; i < LAYERS; i++)
		assert_int_equal(layers[i].sessions, 0);
	return 0;
}

static int unlink_x(void)
{
	return rig_call(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2);
}

static void test_results(void **state)
{
	static const int wrong[] = { 2, 1 << 30, -4096, INT32_MIN, INT32_MAX }; /* ten lines: no more at a time */
	static const enum layer_mode modes[] = { MODE_PLAIN, MODE_DEFER };
	char want[128];

	(void)state;
	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]) * 2; i++) {
		layers[BACKEND].down = modes[i % 2];
		layers[BACKEND].result = wrong[i / 2];
		assert_int_equal(unlink_x(), -EIO);
		snprintf(want, sizeof(want),
			 "web: plugin backend gave %d, which is neither 0 nor -errno nor GRAFT_ASYNC, to UNLINK",
			 wrong[i / 2]);
		assert_logged(want);
	}
	layers[BACKEND].result = -4095; /* legal here, and no errno for Linux */
	assert_int_equal(unlink_x(), -EIO);
	assert_string_equal(lines, "");
}

/* On the way back the layer is to blame, at once and from a worker. */
static void test_results_up(void **state)
{
	(void)state;
	layers[BACKEND].result = -1;
	layers[1].add = -5000;
	assert_int_equal(unlink_x(), -EIO);
	assert_logged("web.b: plugin b gave -5001, which is neither 0 nor -errno nor GRAFT_ASYNC, to UNLINK");
	layers[1].up = MODE_DEFER;
	assert_int_equal(unlink_x(), -EIO);
	assert_logged("web.b: plugin b gave -5001");
	layers[BACKEND].down = MODE_DEFER;
	layers[1].up = MODE_PLAIN;
	assert_int_equal(unlink_x(), -EIO);
	assert_logged("web.b: plugin b gave -5001");
}

static void test_complete_result(void **state)
{
	static const enum layer_mode modes[] = { MODE_THREAD, MODE_INSIDE };

	(void)state;
	for (int i = 0; i < 2; i++) {
		layers[BACKEND].down = modes[i];
		layers[BACKEND].result = 99;
		assert_int_equal(unlink_x(), -EIO);
		assert_logged("web: plugin backend gave 99");
		layers[BACKEND].result = GRAFT_ASYNC;
		assert_int_equal(unlink_x(), -EIO);
		assert_logged("web: plugin backend completed with GRAFT_ASYNC UNLINK");
	}
}

static void test_unpinned(void **state)
{
	(void)state;
	layers[BACKEND].down = MODE_UNPINNED;
	assert_int_equal(unlink_x(), -EIO);
	assert_logged("web: plugin backend returned GRAFT_ASYNC without cancel, defer or io");
}

static struct graft_req *kept;
static int then; /* what the operation returns in the end */
static uint32_t times;

static void no_cancel(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
}

static int op_complete_inside(struct graft_inst *inst, struct graft_req *req)
{
	const struct graft_host *host = layers[BACKEND].host;

	(void)inst;
	kept = req;
	host->cancel(req, no_cancel);
	for (uint32_t i = 0; i < times; i++)
		host->complete(req, -EXDEV - (int)i);
	return then;
}

/* The first result counts. */
static void test_completes_twice(void **state)
{
	(void)state;
	backend_ops[FUSE_UNLINK] = op_complete_inside;
	then = GRAFT_ASYNC;
	times = 3;
	assert_int_equal(unlink_x(), -EXDEV);
	assert_int_equal(q->completions, 1);
	assert_logged("plugin backend completed a request that does not wait: a fault of the plugin");
	/* When the client has its answer already. */
	layers[BACKEND].host->complete(kept, 0);
	assert_int_equal(q->completions, 1);
	assert_logged("plugin backend completed a request that does not wait");
	/* complete, and then a result as well. */
	times = 1;
	then = -EBADF;
	assert_int_equal(unlink_x(), -EXDEV);
	assert_int_equal(q->completions, 1);
}

static int op_complete_unannounced(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	layers[BACKEND].host->complete(req, -EXDEV);
	return -EBADF;
}

static void test_complete_unannounced(void **state)
{
	(void)state;
	backend_ops[FUSE_UNLINK] = op_complete_unannounced;
	assert_int_equal(unlink_x(), -EBADF);
	assert_logged("completed a request that does not wait");
	assert_int_equal(q->completions, 0);
}

static int op_too_much(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	req->done = req->dst_len + 1;
	return 0;
}

static int op_wide_node(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	((struct fuse_entry_out *)req->out)->nodeid = 1ull << 48;
	return 0;
}

static void test_replies(void **state)
{
	struct fuse_read_in in = { .size = 100 };

	(void)state;
	backend_ops[FUSE_READ] = op_too_much;
	backend_ops[FUSE_LOOKUP] = op_wide_node;
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), -EIO);
	assert_logged("web: plugin a or b or c or backend put more bytes than there is room for into the reply of READ");
	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, NODE, NULL, 0, "x", 2), -EIO);
	assert_logged("web: plugin a or b or c or backend gave a node id of more than 48 bits to LOOKUP");
}

#define SECONDS(n) ((uint64_t)(n) * 1000000000)

static bool look_in(uint64_t seconds)
{
	return watch_look(rig->server->watch, clock_ns(CLOCK_MONOTONIC) + SECONDS(seconds), WATCH_PATIENCE_NS);
}

/* Nothing came since the last assert_logged. */
static void assert_silent(void)
{
	assert_string_equal(lines, "");
}

static int op_forgets(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	layers[BACKEND].host->cancel(req, no_cancel);
	kept = req;
	return GRAFT_ASYNC;
}

/* Told once for each request, by plugin and operation; a lock may wait for ever. */
static void test_never_completes(void **state)
{
	struct fuse_lk_in lock = { .lk = { .type = F_WRLCK } };

	(void)state;
	backend_ops[FUSE_UNLINK] = backend_ops[FUSE_SETLKW] = op_forgets;
	rig_fill(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2, RIG_ROOM);
	assert_true(rig_serve(rig, q));
	struct graft_req *unlinked = kept;
	assert_false(look_in(30));
	assert_silent();
	assert_false(look_in(75));
	assert_logged("web: plugin backend: 1 UNLINK request not answered, the oldest for 75 seconds");
	assert_false(look_in(90));
	assert_silent();
	layers[BACKEND].host->complete(unlinked, -EXDEV);
	rig_wait(q);
	assert_int_equal(rig_error(q), -EXDEV);

	rig_fill(rig, q, FUSE_SETLKW, NODE, &lock, sizeof(lock), NULL, 0, RIG_ROOM);
	assert_true(rig_serve(rig, q));
	look_in(1000000);
	assert_silent();
	watch_tell(rig->server->watch);
	assert_logged("web: plugin backend: 1 SETLKW request not answered, the oldest for 0 seconds");
	layers[BACKEND].host->complete(kept, -EINTR);
	rig_wait(q);
}

/* An umount that cannot end says for whom it waits. */
static void test_umount_waits(void **state)
{
	(void)state;
	backend_ops[FUSE_UNLINK] = op_forgets;
	rig_fill(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2, RIG_ROOM);
	assert_true(rig_serve(rig, q));
	assert_int_equal(rig_umount(rig, "/"), 0);
	look_in(1);
	assert_silent();
	look_in(11);
	assert_logged("web: plugin backend: 1 UNLINK request not answered, the oldest for 11 seconds; the umount waits for it");
	look_in(70);
	assert_silent();
	layers[BACKEND].host->complete(kept, -EINTR);
	rig_wait(q);
	assert_int_equal(rig_error(q), -ESTALE);
}

static sem_t let_go, destroyed;

static int create_hangs(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			struct graft_inst **inst, struct graft_error *err)
{
	(void)host;
	(void)slot;
	(void)settings;
	(void)err;
	sem_wait(&let_go);
	*inst = NULL;
	return 0;
}

static void tell_destroyed(struct graft_inst *inst)
{
	(void)inst;
	sem_post(&destroyed);
}

static struct plugin hanging;

static struct mount_config *hanging_config(void)
{
	struct mount_config *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	hanging.desc = good_plugin;
	hanging.desc.name = "hanging";
	hanging.desc.create = create_hangs;
	hanging.desc.destroy = tell_destroyed;
	m->name = strdup("stuck");
	m->where = strdup("test");
	m->at = "/stuck";
	m->members = calloc(1, sizeof(*m->members));
	m->nmembers = 1;
	m->members->name = strdup("stuck");
	m->members->plugin = &hanging;
	return m;
}

/* A mount at run time whose plugin does not come back: the caller gets an answer, and what is made too late is dropped. */
static void test_create_hangs(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	sem_init(&let_go, 0, 0);
	sem_init(&destroyed, 0, 0);
	makings_set_patience(rig->server->makings, SECONDS(1) / 20);
	assert_int_equal(mounts_add(rig->server, hanging_config(), &err), -ETIMEDOUT);
	assert_string_equal(err.text, "[mount stuck]: plugin hanging: create has not returned for 0 seconds; given up");
	assert_false(look_in(61));
	assert_logged("stuck: plugin hanging: create has not returned for 61 seconds");
	assert_int_equal(rig_count_mounts(rig), 2);
	sem_post(&let_go);
	sem_wait(&destroyed);
	/* In time, the same works. */
	makings_set_patience(rig->server->makings, SECONDS(60));
	sem_post(&let_go);
	assert_int_equal(mounts_add(rig->server, hanging_config(), &err), 0);
	assert_int_equal(rig_count_mounts(rig), 3);
	assert_int_equal(rig_umount(rig, "/stuck"), 0);
	sem_wait(&destroyed);
}

static void test_start_hangs(void **state)
{
	struct watch *w = watch_new();
	struct watch_call call;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	(void)state;
	watch_starting(w, true);
	watch_begin(w, &call, "create", "slow", "web");
	watch_starting(w, false);
	assert_false(watch_look(w, now, WATCH_PATIENCE_NS));
	assert_true(watch_look(w, now + SECONDS(70), WATCH_PATIENCE_NS));
	assert_logged("web: plugin slow: create has not returned for 69 seconds");
	watch_end(w, &call);
	assert_false(watch_look(w, now + SECONDS(100), WATCH_PATIENCE_NS));
	watch_release(w);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_results),   TEST(test_results_up),      TEST(test_complete_result),
		TEST(test_unpinned),  TEST(test_completes_twice), TEST(test_complete_unannounced),
		TEST(test_replies),   TEST(test_never_completes), TEST(test_umount_waits),
		TEST(test_create_hangs), TEST(test_start_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
