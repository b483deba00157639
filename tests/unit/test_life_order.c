/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which the hooks of three layers and a backend are called, with a failure at each of them, and over a saved state. */
#include "server/state.h"
#include "server_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#undef fail /* also the name of a service */

#define MEMBERS 4 /* a, b, c, and the backend z */

struct graft_inst {
	char name;
	const struct graft_host *host;
};

static struct graft_inst insts[MEMBERS] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'z' } };
static char trace[1024];
static const char *fails; /* this word of the trace returns an error */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Writes down "create:a"; -EDOM where that shall fail. */
static int note(const char *what, char name)
{
	char word[32];

	snprintf(word, sizeof(word), "%s:%c", what, name);
	pthread_mutex_lock(&lock);
	size_t len = strlen(trace);
	snprintf(trace + len, sizeof(trace) - len, "%s%s", len ? " " : "", word);
	pthread_mutex_unlock(&lock);
	return fails && strcmp(word, fails) == 0 ? -EDOM : 0;
}

static int fail(const struct graft_inst *inst, struct graft_error *err, int res)
{
	return res ? inst->host->fail(err, -res, "the test wants it") : 0;
}

#define CREATE(letter, i)                                                                                              \
	static int create_##letter(const struct graft_host *host, struct graft_slot *slot, const void *settings,       \
				   struct graft_inst **inst, struct graft_error *err)                                  \
	{                                                                                                              \
		(void)slot;                                                                                            \
		(void)settings;                                                                                        \
		insts[i].host = host;                                                                                  \
		*inst = &insts[i];                                                                                     \
		return fail(&insts[i], err, note("create", insts[i].name));                                            \
	}
CREATE(a, 0)
CREATE(b, 1)
CREATE(c, 2)
CREATE(z, 3)

static int start(struct graft_inst *inst, struct graft_error *err)
{
	return fail(inst, err, note("start", inst->name));
}

static int session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	(void)session;
	*state = inst;
	return note("open", inst->name);
}

static void session_close(struct graft_inst *inst, void *state)
{
	assert_ptr_equal(state, inst);
	note("close", inst->name);
}

static void quiesce(struct graft_inst *inst)
{
	note("quiesce", inst->name);
}

static int save(struct graft_inst *inst, struct graft_stream *s, struct graft_error *err)
{
	int res = note("save", inst->name);

	return res ? fail(inst, err, res) : inst->host->state_put(s, 1, &inst->name, 1);
}

static int load(struct graft_inst *inst, uint32_t version, struct graft_stream *s, struct graft_error *err)
{
	const void *bytes;
	uint32_t tag;
	size_t len;

	assert_int_equal(version, 1);
	/* Each gets its own records. */
	assert_int_equal(inst->host->state_get(s, &tag, &bytes, &len), 1);
	assert_int_equal(len, 1);
	assert_int_equal(*(const char *)bytes, inst->name);
	return fail(inst, err, note("load", inst->name));
}

static void destroy(struct graft_inst *inst)
{
	note("destroy", inst->name);
}

#define PLUGIN(letter, of_kind)                                                                                        \
	{                                                                                                              \
		.size = sizeof(struct graft_plugin), .abi_major = GRAFT_ABI_MAJOR, .name = #letter, .kind = of_kind,   \
		.threads = GRAFT_PARALLEL, .state_version = 1, .create = create_##letter, .start = start,              \
		.session_open = session_open, .session_close = session_close, .quiesce = quiesce, .save = save,        \
		.load = load, .destroy = destroy,                                                                      \
	}
static const struct graft_plugin plugins[MEMBERS] = { PLUGIN(a, GRAFT_LAYER), PLUGIN(b, GRAFT_LAYER),
						      PLUGIN(c, GRAFT_LAYER), PLUGIN(z, GRAFT_BACKEND) };
static const struct rig_mount mounts = { "m", "/", { &plugins[0], &plugins[1], &plugins[2], &plugins[3] } };

static int set_up(void **state)
{
	(void)state;
	trace[0] = '\0';
	fails = NULL;
	return 0;
}

#define CREATED "create:z create:c create:b create:a"
#define STARTED "start:z start:c start:b start:a"
#define OPENED "open:z open:c open:b open:a"
#define CLOSED "close:a close:b close:c close:z"
#define QUIESCED "quiesce:a quiesce:b quiesce:c quiesce:z"
#define DESTROYED "destroy:a destroy:b destroy:c destroy:z"

/* From below upwards when it comes, from above downwards when it goes. */
static void test_life(void **state)
{
	struct rig *rig = rig_new(&mounts, 1);

	(void)state;
	assert_string_equal(trace, CREATED " " STARTED);
	assert_int_equal(rig_init(rig, 0), 0);
	assert_string_equal(trace, CREATED " " STARTED " " OPENED);
	rig_free(rig);
	assert_string_equal(trace, CREATED " " STARTED " " OPENED " " CLOSED " " QUIESCED " " DESTROYED);
}

/* What was made before the failure is taken apart, and nothing else. */
static void test_failures(void **state)
{
	static const struct {
		const char *fails, *trace;
	} rows[] = {
		{ "create:z", "create:z" },
		{ "create:c", "create:z create:c destroy:z" },
		{ "create:b", "create:z create:c create:b destroy:c destroy:z" },
		{ "create:a", CREATED " destroy:b destroy:c destroy:z" },
		{ "start:z", CREATED " start:z " DESTROYED },
		{ "start:c", CREATED " start:z start:c quiesce:z " DESTROYED },
		{ "start:a", CREATED " " STARTED " quiesce:b quiesce:c quiesce:z " DESTROYED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct graft_error err = { 0 };

		trace[0] = '\0';
		fails = rows[i].fails;
		assert_null(rig_try(&mounts, 1, &err));
		assert_string_equal(trace, rows[i].trace);
		assert_int_equal(err.code, EDOM);
		assert_non_null(strstr(err.text, "[mount m]: "));
		assert_non_null(strstr(err.text, "the test wants it"));
	}
}

static void test_session_failures(void **state)
{
	static const struct {
		const char *fails, *trace;
	} rows[] = {
		{ "open:z", "open:z" },
		{ "open:c", "open:z open:c close:z" },
		{ "open:a", OPENED " close:b close:c close:z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig *rig = rig_new(&mounts, 1);

		trace[0] = '\0';
		fails = rows[i].fails;
		assert_int_equal(rig_init(rig, 0), -EDOM);
		assert_string_equal(trace, rows[i].trace);
		/* The next client finds all in order. */
		trace[0] = '\0';
		fails = NULL;
		assert_int_equal(rig_init(rig, 0), 0);
		assert_string_equal(trace, OPENED);
		rig_free(rig);
	}
}

/* Saved by one server, loaded by another before it starts. */
static void test_state(void **state)
{
	struct rig *rig = rig_new(&mounts, 1);
	struct graft_error err = { 0 };
	struct state_buf saved = { 0 }, none = { 0 };
	struct mount *m = rig->server->mounts.first;

	(void)state;
	mount_quiesce(m);
	trace[0] = '\0';
	assert_int_equal(mount_save(m, &saved, &err), 0);
	assert_string_equal(trace, "save:a save:b save:c save:z");
	trace[0] = '\0';
	fails = "save:b";
	assert_int_equal(mount_save(m, &none, &err), -EDOM);
	assert_string_equal(trace, "save:a save:b");
	assert_null(none.bytes);

	trace[0] = '\0';
	fails = NULL;
	assert_int_equal(mount_load(m, saved.bytes, saved.len, &err), 0);
	assert_string_equal(trace, "load:a load:b load:c load:z");
	trace[0] = '\0';
	fails = "load:c";
	assert_int_equal(mount_load(m, saved.bytes, saved.len, &err), -EDOM);
	assert_string_equal(trace, "load:a load:b load:c");
	fails = NULL;
	state_buf_fini(&saved);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_life, set_up),
		cmocka_unit_test_setup(test_failures, set_up),
		cmocka_unit_test_setup(test_session_failures, set_up),
		cmocka_unit_test_setup(test_state, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
