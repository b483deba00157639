/* SPDX-License-Identifier: Apache-2.0 */
/* Backing files in the server: when FUSE_PASSTHROUGH is negotiated, what plugins get, and what is said where they do not. */
#include "server_rig.h"

#include "lib/log.h"
#include "server/host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char lines[4096];

static void sink(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	if (strlen(lines) + strlen(line) + 2 < sizeof(lines))
		strcat(strcat(lines, line), "\n");
}

static uint32_t count_lines(const char *text)
{
	uint32_t n = 0;

	for (const char *at = lines; (at = strstr(at, text)); at++)
		n++;
	return n;
}

/* A transport whose kernel has backing files. */
static int able, answer; /* of the next calls */
static int asked, closed_id;
static pthread_t asking;

static int fake_able(struct transport *t)
{
	(void)t;
	return able;
}

static int fake_open(struct transport *t, int fd)
{
	(void)t;
	assert_int_equal(fd, 42);
	asked++;
	asking = pthread_self();
	return answer;
}

static void fake_close(struct transport *t, int id)
{
	(void)t;
	closed_id = id;
}

static const struct transport_ops ops = {
	.kind = GRAFT_DEV_FUSE, .backing_able = fake_able, .backing_open = fake_open, .backing_close = fake_close
};
static const struct transport_ops ops_without = { .kind = GRAFT_VHOST_USER };

/* A backend that answers OPEN with what it was told, and a layer that wants to see every READ. */
static int told;
static uint64_t wants = FUSE_PASSTHROUGH;

static int create(const struct graft_host *host, struct graft_slot *slot, const void *settings, struct graft_inst **inst,
		  struct graft_error *err)
{
	(void)host;
	(void)slot;
	(void)settings;
	(void)err;
	*inst = NULL;
	return 0;
}

static int start(struct graft_inst *inst, struct graft_error *err)
{
	(void)inst;
	(void)err;
	return 0;
}

static void end(struct graft_inst *inst)
{
	(void)inst;
}

static void features(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	f->can = UINT64_MAX & ~(uint64_t)FUSE_NO_OPEN_SUPPORT;
	f->want = wants;
}

static void session_close(struct graft_inst *inst, void *state)
{
	(void)inst;
	if (told > 0)
		host_services.backing_close(state, told);
}

static int session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	(void)inst;
	*state = (void *)(uintptr_t)session;
	return 0;
}

static int op_open(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_open_out *out = req->out;

	(void)inst;
	told = host_services.backing_open(req, 42);
	out->open_flags = FOPEN_NOFLUSH | FOPEN_KEEP_CACHE;
	return 0;
}

static int op_next(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	return host_services.next(req, NULL, NULL);
}

static graft_op *const backend_ops[] = { [FUSE_OPEN] = op_open };
static graft_op *const layer_ops[] = { [FUSE_READ] = op_next };
static graft_op *const flusher_ops[] = { [FUSE_FLUSH] = op_next };

#define COMMON \
	.size = sizeof(struct graft_plugin), .abi_major = GRAFT_ABI_MAJOR, .abi_minor = GRAFT_ABI_MINOR, .version = "1", \
	.summary = "", .threads = GRAFT_PARALLEL, .create = create, .start = start, .quiesce = end, .destroy = end

static const struct graft_plugin backend = { COMMON, .name = "backend", .kind = GRAFT_BACKEND, .features = features,
					     .session_open = session_open, .session_close = session_close,
					     .nops = FUSE_OPEN + 1, .ops = backend_ops };
static const struct graft_plugin watcher = { COMMON, .name = "watcher", .kind = GRAFT_LAYER, .nops = FUSE_READ + 1,
					     .ops = layer_ops };
static const struct graft_plugin idle = { COMMON, .name = "idle", .kind = GRAFT_LAYER,
					  .flags = GRAFT_PASS_UNKNOWN };

static const struct graft_plugin flusher = { COMMON, .name = "flusher", .kind = GRAFT_LAYER, .nops = FUSE_FLUSH + 1,
					     .ops = flusher_ops };

static const struct rig_mount flushed = { "m", "/", { &flusher, &backend } };
static const struct rig_mount plain = { "m", "/", { &idle, &backend } };
static const struct rig_mount watched = { "m", "/", { &watcher, &backend } };

static struct rig *rig_with(const struct rig_mount *mount, const struct transport_ops *o)
{
	struct rig *rig = rig_new(mount, 1);

	rig->transport.ops = o;
	lines[0] = 0;
	return rig;
}

static int set_up(void **state)
{
	(void)state;
	able = asked = closed_id = told = 0;
	answer = 7;
	wants = FUSE_PASSTHROUGH;
	log_set_sink(sink, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	return 0;
}

static uint32_t open_flags; /* of the last reply */

/* What the plugin is told in an OPEN. */
static int try_open(struct rig *rig)
{
	struct rig_request *q = rig_request_new();
	struct fuse_open_in in = { 0 };

	told = 1234567;
	assert_int_equal(rig_call(rig, q, FUSE_OPEN, 1, &in, sizeof(in), NULL, 0), 0);
	open_flags = ((const struct fuse_open_out *)rig_data(q))->open_flags;
	rig_request_free(q);
	return told;
}

static void test_given(void **state)
{
	struct rig *rig = rig_with(&plain, &ops);

	(void)state;
	assert_int_equal(rig_init(rig, FUSE_PASSTHROUGH), 0);
	assert_int_equal(try_open(rig), 7);
	assert_string_equal(lines, "");
	rig_free(rig);
	assert_int_equal(closed_id, 7);
}

/* Where another process makes them, no thread that takes requests waits for it. */
static void test_elsewhere(void **state)
{
	(void)state;
	for (int waits = 0; waits < 3; waits++) {
		struct rig *rig = rig_with(&plain, &ops);

		rig->transport.backing_waits = waits > 0;
		assert_int_equal(rig_init(rig, waits < 2 ? FUSE_PASSTHROUGH : 0), 0);
		assert_int_equal(try_open(rig), waits < 2 ? 7 : -EOPNOTSUPP);
		if (waits < 2)
			assert_int_equal(!pthread_equal(asking, pthread_self()), waits);
		told = waits < 2 ? told : 0;
		rig_free(rig);
	}
}

/* Not negotiated: by the client, by right, by key, by transport. A line where somebody may wonder. */
static void test_not_negotiated(void **state)
{
	static const struct {
		const struct transport_ops *ops;
		uint64_t offered;
		int able;
		uint32_t key;
		const char *line;
	} cases[] = {
		{ &ops, 0, 0, CONFIG_FLAG_AUTO, "no passthrough of files: the kernel does not offer it" },
		{ &ops, FUSE_PASSTHROUGH, -EPERM, CONFIG_FLAG_AUTO, "no passthrough of files: it takes CAP_SYS_ADMIN" },
		{ &ops, FUSE_PASSTHROUGH, 0, CONFIG_FLAG_NEVER, NULL },
		{ &ops_without, FUSE_PASSTHROUGH, 0, CONFIG_FLAG_AUTO, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *rig = rig_with(&plain, cases[i].ops);

		able = cases[i].able;
		rig->keys[CONFIG_KEY_PASSTHROUGH] = cases[i].key;
		assert_int_equal(rig_init(rig, cases[i].offered), 0);
		assert_int_equal(try_open(rig), -EOPNOTSUPP);
		assert_int_equal(asked, 0);
		assert_int_equal(count_lines("passthrough"), cases[i].line ? 1 : 0);
		if (cases[i].line)
			assert_non_null(strstr(lines, cases[i].line));
		told = 0;
		rig_free(rig);
	}
}

static void test_forced(void **state)
{
	struct rig *rig = rig_with(&plain, &ops);

	(void)state;
	able = -EPERM;
	rig->keys[CONFIG_KEY_PASSTHROUGH] = CONFIG_FLAG_ALWAYS;
	assert_int_equal(rig_init(rig, FUSE_PASSTHROUGH), -EPROTO);
	assert_non_null(strstr(lines, "FUSE_PASSTHROUGH is set to always"));
	rig_free(rig);
}

static void test_writeback(void **state)
{
	struct rig *rig;

	(void)state;
	wants |= FUSE_WRITEBACK_CACHE;
	rig = rig_with(&plain, &ops);
	assert_int_equal(rig_init(rig, FUSE_PASSTHROUGH | FUSE_WRITEBACK_CACHE), 0);
	assert_int_equal(try_open(rig), -EOPNOTSUPP);
	assert_non_null(strstr(lines, "no passthrough of files: it excludes the writeback cache"));
	told = 0;
	rig_free(rig);
}

/* A layer would miss what goes by it. */
static void test_watched(void **state)
{
	struct rig *rig = rig_with(&watched, &ops);

	(void)state;
	assert_int_equal(rig_init(rig, FUSE_PASSTHROUGH), 0);
	assert_int_equal(try_open(rig), -EOPNOTSUPP);
	assert_int_equal(asked, 0);
	told = 0;
	rig_free(rig);
}

/* A backend spares the client FLUSH, but not a layer that has it. */
static void test_flush(void **state)
{
	struct rig *rig = rig_with(&plain, &ops);

	(void)state;
	assert_int_equal(rig_init(rig, 0), 0);
	try_open(rig);
	assert_int_equal(open_flags, FOPEN_NOFLUSH | FOPEN_KEEP_CACHE);
	told = 0;
	rig_free(rig);
	rig = rig_with(&flushed, &ops);
	assert_int_equal(rig_init(rig, 0), 0);
	try_open(rig);
	assert_int_equal(open_flags, FOPEN_KEEP_CACHE);
	told = 0;
	rig_free(rig);
}

/* One line, whatever fails; without the right, nobody asks again. */
static void test_refused(void **state)
{
	struct rig *rig = rig_with(&plain, &ops);

	(void)state;
	assert_int_equal(rig_init(rig, FUSE_PASSTHROUGH), 0);
	answer = -ELOOP;
	assert_int_equal(try_open(rig), -ELOOP);
	answer = -ENOMEM;
	assert_int_equal(try_open(rig), -ENOMEM);
	answer = 9;
	assert_int_equal(try_open(rig), 9);
	answer = -EPERM;
	assert_int_equal(try_open(rig), -EPERM);
	answer = 10;
	assert_int_equal(try_open(rig), -EOPNOTSUPP);
	assert_int_equal(asked, 4);
	assert_int_equal(count_lines("files without passthrough"), 1);
	assert_non_null(strstr(lines, "they lie on a file system that is itself stacked"));
	told = 0;
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_given, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_negotiated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_writeback, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_flush, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
