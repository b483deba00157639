/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins of other versions of the ABI on this server: compiled with the header of 1.0, and one that is newer than it. */
#include "server/plugin_loader.h"
#include "server_layers.h"
#include "server_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOT (2ull << 48 | 1) /* of the second mount */

static struct rig *rig;
static struct rig_request *q;
static struct plugin_registry *registry;

static const struct plugin *load(const char *name)
{
	struct graft_error err = { 0 };
	const struct plugin *p = plugin_load(registry, name, &err);

	if (!p)
		fail_msg("%s", err.text);
	return p;
}

static void set_member(struct member_config *m, const char *name)
{
	struct graft_error err = { 0 };

	m->name = strdup(name);
	m->plugin = load(name);
	m->options = options_new(m->plugin->desc.opts, m->plugin->desc.settings_size);
	assert_non_null(m->options);
	assert_int_equal(options_finish(m->options, &err), 0);
}

/* The layers stand over the backend of 1.0 in this order. */
static void mount_over(const char *first, const char *second)
{
	struct mount_config *m = calloc(1, sizeof(*m));
	struct graft_error err = { 0 };

	m->name = strdup("abi");
	m->where = strdup("test");
	m->at = "/abi";
	m->members = calloc(3, sizeof(*m->members));
	m->nmembers = 3;
	set_member(&m->members[0], first);
	set_member(&m->members[1], second);
	set_member(&m->members[2], "abi-v1-0");
	if (mounts_add(rig->server, m, &err))
		fail_msg("%s", err.text);
	assert_int_equal(rig_init(rig, 0), 0);
}

static int set_up(void **state)
{
	static const char *const dirs[] = { TEST_PLUGIN_DIR, NULL };
	static const struct rig_mount base = { "base", "/", { &plugin_backend } };

	(void)state;
	layers_reset();
	registry = plugin_registry_new(dirs);
	rig = rig_new(&base, 1);
	q = rig_request_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_request_free(q);
	rig_free(rig);
	plugin_registry_free(registry);
	return 0;
}

static void test_descriptions(void **state)
{
	const struct graft_plugin *old = &load("abi-v1-0")->desc, *newer = &load("abi-newer")->desc;

	(void)state;
	assert_int_equal(old->abi_minor, 0);
	assert_true(old->size <= sizeof(*old));
	assert_int_equal(newer->size, sizeof(*newer));
	assert_int_equal(newer->abi_minor, GRAFT_ABI_MINOR + 1);
	assert_true(newer->nops > GRAFT_OP_COUNT);
	/* What a plugin of 1.0 does not know is 0 for the server. */
	for (const unsigned char *p = (const unsigned char *)old + old->size; p < (const unsigned char *)(old + 1); p++)
		assert_int_equal(*p, 0);
}

static void check_file(void)
{
	struct fuse_getattr_in getattr = { 0 };
	struct fuse_read_in read = { .size = 100 };

	assert_int_equal(rig_call(rig, q, FUSE_LOOKUP, ROOT, NULL, 0, "file", 5), 0);
	struct fuse_entry_out entry = *(const struct fuse_entry_out *)rig_data(q);
	assert_int_equal(entry.attr.uid, 1000);
	assert_int_equal(rig_call(rig, q, FUSE_GETATTR, entry.nodeid, &getattr, sizeof(getattr), NULL, 0), 0);
	const struct fuse_attr_out *attr = rig_data(q);
	assert_int_equal(attr->attr.uid, 1000);
	assert_int_equal(attr->attr.gid, 5000);
	assert_int_equal(rig_call(rig, q, FUSE_READ, entry.nodeid, &read, sizeof(read), NULL, 0), 0);
	assert_int_equal(rig_data_len(q), 5);
	assert_memory_equal(rig_data(q), "hello", 5);
	/* Later than 1.0's table of operations, and not in the newer's: passes both layers, ends as absent. */
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, ROOT, NULL, 0, "file", 5), -EROFS);
	assert_int_equal(rig_call(rig, q, FUSE_SYNCFS, ROOT, "\0\0\0\0\0\0\0", 8, NULL, 0), 0);
	/* What this server does not know never reaches a plugin that does. */
	assert_int_equal(rig_call(rig, q, GRAFT_OP_COUNT, entry.nodeid, NULL, 0, NULL, 0), -ENOSYS);
	assert_int_equal(rig_call(rig, q, GRAFT_OP_COUNT + 39, entry.nodeid, NULL, 0, NULL, 0), -ENOSYS);
}

static void test_newer_outside(void **state)
{
	(void)state;
	mount_over("abi-newer", "abi-v1-0-layer");
	check_file();
}

static void test_older_outside(void **state)
{
	(void)state;
	mount_over("abi-v1-0-layer", "abi-newer");
	check_file();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descriptions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_newer_outside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_older_outside, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
