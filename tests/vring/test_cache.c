/* SPDX-License-Identifier: Apache-2.0 */
/* Cache modes: one value of the key makes timeouts and flags of open files; others are refused before there is a socket. */
#include "tests/vring/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAY 86400
#define DAX_FLAGS (FUSE_MAP_ALIGNMENT | FUSE_HAS_INODE_DAX)

struct mode {
	const char *value; /* NULL: the key is left out */
	uint64_t seconds;
	uint32_t file, dir; /* FOPEN_* */
};

static const struct mode modes[] = {
	{"auto", 1, 0, 0},
	{"always", DAY, FOPEN_KEEP_CACHE, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR},
	{"metadata", DAY, FOPEN_DIRECT_IO, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR},
	{"never", 0, FOPEN_DIRECT_IO, 0},
	{NULL, 1, 0, 0},
};

/* "none" is the word of a command line that turns it into never (graftfsd-virtiofsd(8)). */
static const char *const refused[] = {"none", "bogus", "Auto", "auto always", "1", ""};

static uint32_t open_flags(struct fuse_client *c, uint32_t opcode, uint64_t node)
{
	struct fuse_open_in in = {.flags = opcode == FUSE_OPENDIR ? O_DIRECTORY : O_RDONLY};
	struct fuse_op op = {.opcode = opcode,
			     .node = node,
			     .arg = {{.bytes = &in, .len = sizeof(in)}},
			     .nargs = 1,
			     .reply_len = sizeof(struct fuse_open_out)};
	struct fuse_open_out out;

	assert_int_equal(fuse_call(c, &op), 0);
	memcpy(&out, fuse_reply(c, c->slot), sizeof(out));
	return out.open_flags & ~(uint32_t)(FOPEN_NOFLUSH | FOPEN_PARALLEL_DIRECT_WRITES);
}

/* No mode offers to map files (DAX), for which there is no window; asked for all the same, it is an error. */
static void check_no_dax(struct fuse_client *c, const struct fuse_entry_out *e)
{
	const uint64_t body[5] = {0, 0, 4096, 3, 0};
	struct fuse_op op = {.node = e->nodeid, .arg = {{.bytes = body, .len = sizeof(body)}}, .nargs = 1};

	assert_true((c->flags & DAX_FLAGS) == 0);
	assert_int_equal(e->attr.flags & FUSE_ATTR_DAX, 0);
	op.opcode = FUSE_SETUPMAPPING;
	assert_true(fuse_call(c, &op) < 0);
	op.opcode = FUSE_REMOVEMAPPING;
	assert_true(fuse_call(c, &op) < 0);
}

static void check_mode(struct fixture *f, const struct mode *m)
{
	struct fuse_entry_out e;

	fixture_connect(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 1, 0), 0);
	f->mounted = true;
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT | DAX_FLAGS), 0);
	fixture_write_file(f, "file", "x", 1);
	assert_int_equal(fuse_lookup(&f->client, FUSE_ROOT_ID, "file", &e), 0);
	assert_int_equal(e.entry_valid, m->seconds);
	assert_int_equal(e.attr_valid, m->seconds);
	assert_int_equal(open_flags(&f->client, FUSE_OPEN, e.nodeid), m->file);
	assert_int_equal(open_flags(&f->client, FUSE_OPENDIR, FUSE_ROOT_ID), m->dir);
	check_no_dax(&f->client, &e);
	fixture_check_alive(f);
	fixture_disconnect(f);
}

static void test_modes(void **state)
{
	struct fixture f = {.config = {.queues = 1}};
	char keys[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(keys, sizeof(keys), "cache = %s", modes[i].value ? modes[i].value : "");
		f.config.mount_keys = modes[i].value ? keys : NULL;
		assert_int_equal(daemon_init(&f.daemon, &f.config), 0);
		assert_int_equal(daemon_start(&f.daemon), 0);
		check_mode(&f, &modes[i]);
		assert_int_equal(daemon_stop(&f.daemon, 60000), 0);
		assert_false(daemon_reported(&f.daemon));
		daemon_fini(&f.daemon);
	}
}

static void test_refused(void **state)
{
	struct daemon d;
	char keys[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct daemon_config config = {.mount_keys = keys};

		snprintf(keys, sizeof(keys), "cache = %s", refused[i]);
		assert_int_equal(daemon_init(&d, &config), 0);
		assert_int_equal(daemon_spawn(&d), 0);
		assert_int_equal(daemon_wait(&d, 60000), 2);
		assert_true(daemon_logged(&d, "cache"));
		assert_int_equal(access(d.socket, F_OK), -1);
		daemon_fini(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_modes), cmocka_unit_test(test_refused)};

	return cmocka_run_group_tests_name("vring/cache", tests, NULL, NULL);
}
