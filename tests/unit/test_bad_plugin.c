/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that break the rules of an operation: the client gets an error, the log names who did what, the rest goes on. */
#include "lib/log.h"
#include "server_layers.h"
#include "server_rig.h"

#include <errno.h>
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
	assert_int_equal(rig_init(rig, 0), 0);
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_results),   TEST(test_results_up),      TEST(test_complete_result),
		TEST(test_unpinned),  TEST(test_completes_twice), TEST(test_complete_unannounced),
		TEST(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
