/* SPDX-License-Identifier: Apache-2.0 */
/* Saved state: what a stack writes it reads again, and nothing else is taken. */
#include "server/server.h"
#include "server/state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#undef fail /* also the name of a service */

struct graft_inst {
	const struct graft_host *host;
	uint32_t records; /* to write, or read */
	uint64_t sum;     /* of what was read */
	uint32_t version; /* load was told */
	int fail;         /* save and load return this */
};

static struct graft_inst insts[2];
static uint32_t created;

static int create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		  struct graft_inst **inst, struct graft_error *err)
{
	(void)slot;
	(void)settings;
	(void)err;
	*inst = &insts[created++ % 2];
	(*inst)->host = host;
	return 0;
}

static int save(struct graft_inst *inst, struct graft_stream *s, struct graft_error *err)
{
	unsigned char bytes[1000];
	uint32_t tag;
	const void *p;
	size_t n;

	if (inst->fail)
		return inst->fail == -EIO ? inst->fail : inst->host->fail(err, -inst->fail, "the test wants it");
	memset(bytes, 7, sizeof(bytes));
	for (uint32_t i = 0; i < inst->records; i++)
		assert_int_equal(inst->host->state_put(s, i, bytes, i * 3 % sizeof(bytes)), 0);
	assert_int_equal(inst->host->state_put(s, 0, bytes, STATE_RECORD_MAX + 1), -EFBIG);
	assert_int_equal(inst->host->state_get(s, &tag, &p, &n), -EINVAL);
	return 0;
}

static int load(struct graft_inst *inst, uint32_t version, struct graft_stream *s, struct graft_error *err)
{
	uint32_t tag, n = 0;
	const void *bytes;
	size_t len;
	int res;

	inst->version = version;
	inst->sum = 0;
	assert_int_equal(inst->host->state_put(s, 1, "x", 1), -EINVAL);
	while ((res = inst->host->state_get(s, &tag, &bytes, &len)) == 1) {
		const unsigned char *p = bytes;

		if (tag != n || len != n * 3 % 1000)
			return inst->host->fail(err, EBADMSG, "record %u is not what was saved", n);
		for (size_t i = 0; i < len; i++)
			inst->sum += p[i];
		n++;
	}
	inst->records = n;
	if (res < 0)
		return inst->host->fail(err, -res, "record %u is broken", n);
	return inst->fail;
}

static void destroy(struct graft_inst *inst)
{
	(void)inst;
}

static graft_op *const no_ops[1];
static struct plugin layer = { .desc = { .size = sizeof(struct graft_plugin),
					 .name = "layer",
					 .kind = GRAFT_LAYER,
					 .threads = GRAFT_PARALLEL,
					 .state_version = 3,
					 .ops = no_ops,
					 .create = create,
					 .save = save,
					 .load = load,
					 .destroy = destroy } };
static struct plugin backend = { .desc = { .size = sizeof(struct graft_plugin),
					   .name = "backend",
					   .kind = GRAFT_BACKEND,
					   .threads = GRAFT_PARALLEL,
					   .state_version = 1,
					   .ops = no_ops,
					   .create = create,
					   .save = save,
					   .load = load,
					   .destroy = destroy } };

static struct server *server;
static struct mount *mount;
static struct state_buf saved;

static int set_up(void **state)
{
	static struct member_config members[2] = { { .name = "layer", .plugin = &layer },
						   { .name = "web", .plugin = &backend } };
	static const struct mount_config config = { .name = "web", .at = "/", .members = members, .nmembers = 2 };
	struct graft_error err = { 0 };

	(void)state;
	memset(insts, 0, sizeof(insts));
	created = 0;
	layer.desc.state_version = 3;
	layer.desc.save = save;
	server = server_new(1, 1024, &err);
	assert_non_null(server);
	assert_int_equal(server_mount(server, &config, &err), 0);
	mount = server->mounts.first;
	saved = (struct state_buf){ 0 };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	state_buf_fini(&saved);
	server_free(server);
	return 0;
}

/* The backend is made first, so it is insts[0]. */
static void save_some(uint32_t backend_records, uint32_t layer_records)
{
	struct graft_error err = { 0 };

	insts[0].records = backend_records;
	insts[1].records = layer_records;
	state_buf_fini(&saved);
	if (mount_save(mount, &saved, &err))
		assert_string_equal(err.text, "");
}

static void test_round_trip(void **state)
{
	struct graft_error err = { 0 };
	struct state_buf again = { 0 };

	(void)state;
	save_some(500, 3);
	insts[0].records = insts[1].records = 0;
	if (mount_load(mount, saved.bytes, saved.len, &err))
		assert_string_equal(err.text, "");
	assert_int_equal(insts[0].records, 500);
	assert_int_equal(insts[1].records, 3);
	assert_int_equal(insts[1].sum, 7 * 9);
	assert_int_equal(insts[0].version, 1);
	assert_int_equal(insts[1].version, 3);
	assert_int_equal(mount_save(mount, &again, &err), 0);
	assert_int_equal(again.len, saved.len);
	assert_memory_equal(again.bytes, saved.bytes, saved.len);
	state_buf_fini(&again);
	save_some(0, 0);
	assert_int_equal(mount_load(mount, saved.bytes, saved.len, &err), 0);
}

/* An older state is the plugin's to read. */
static void test_older_version(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	layer.desc.state_version = 2;
	save_some(1, 1);
	layer.desc.state_version = 3;
	assert_int_equal(mount_load(mount, saved.bytes, saved.len, &err), 0);
	assert_int_equal(insts[1].version, 2);
	save_some(1, 1);
	layer.desc.state_version = 2;
	assert_int_equal(mount_load(mount, saved.bytes, saved.len, &err), -EINVAL);
	assert_non_null(strstr(err.text, "state version 3 of layer: this release knows 1 to 2"));
}

static void test_truncated(void **state)
{
	(void)state;
	save_some(7, 5);
	for (size_t len = 0; len < saved.len; len++) {
		struct graft_error err = { 0 };
		unsigned char *cut = malloc(len ? len : 1); /* its own block, so that reading on is seen */

		memcpy(cut, saved.bytes, len);
		assert_true(mount_load(mount, cut, len, &err) < 0);
		assert_true(err.code && err.text[0]);
		free(cut);
	}
}

/* Any byte changed: it loads, or it is refused with a text; it never reads outside. */
static void test_changed(void **state)
{
	(void)state;
	save_some(7, 5);
	unsigned char *copy = malloc(saved.len);
	for (size_t i = 0; i < saved.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct graft_error err = { 0 };

			memcpy(copy, saved.bytes, saved.len);
			copy[i] ^= (unsigned char)(1 << bit);
			int res = mount_load(mount, copy, saved.len, &err);
			assert_true(res == 0 || err.text[0]);
		}
	}
	free(copy);
}

static void test_refused(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	save_some(1, 1);
	unsigned char *longer = malloc(saved.len + 1);
	memcpy(longer, saved.bytes, saved.len);
	longer[saved.len] = 0;
	assert_int_equal(mount_load(mount, longer, saved.len + 1, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "left"));
	/* Another number of members, and another plugin. */
	longer[8] = 3;
	assert_int_equal(mount_load(mount, longer, saved.len, &err), -EINVAL);
	assert_non_null(strstr(err.text, "the saved state has 3 members, mount web has 2"));
	longer[8] = 2;
	longer[18] = 'L';
	assert_int_equal(mount_load(mount, longer, saved.len, &err), -EINVAL);
	assert_non_null(strstr(err.text, "another plugin where this mount has layer"));
	free(longer);
	assert_int_equal(mount_load(mount, "not a state", 11, &err), -EBADMSG);
}

static void test_plugin_fails(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	save_some(1, 1);
	insts[1].fail = -ENOSPC;
	struct state_buf to = { 0 };
	assert_int_equal(mount_save(mount, &to, &err), -ENOSPC);
	assert_string_equal(err.text, "saving the state of layer: the test wants it");
	assert_null(to.bytes);
	/* One that says nothing still gives a text. */
	err = (struct graft_error){ 0 };
	insts[1].fail = -EIO;
	assert_int_equal(mount_save(mount, &to, &err), -EIO);
	assert_non_null(strstr(err.text, "without saying why"));
	err = (struct graft_error){ 0 };
	assert_int_equal(mount_load(mount, saved.bytes, saved.len, &err), -EIO);
	err = (struct graft_error){ 0 };
	layer.desc.save = NULL;
	assert_int_equal(mount_save(mount, &to, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "plugin layer has no state"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_older_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_plugin_fails, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
