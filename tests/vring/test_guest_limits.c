/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that takes all it may have, by raw requests, beside another guest of the same daemon. */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT FUSE_ROOT_ID
#define FILES 100
#define NODES 40
#define OPEN 12
#define KEYS "max-nodes = 40\nmax-open = 12\nmax-memory = 4M"

static struct fixture greedy = {.config = {.queues = 1, .transport_keys = KEYS}};

/* The other guest, on a transport without bounds. */
static char folder[DAEMON_PATH], second_socket[DAEMON_PATH + 16], mount_keys[2 * DAEMON_PATH];
static struct frontend *other_fe;
static struct fuse_client other;

static void start(struct fixture *f)
{
	struct frontend_config c = {
		.features = FIXTURE_FEATURES, .protocol = FIXTURE_PROTOCOL, .socket = second_socket};
	const uint64_t flags = FIXTURE_INIT | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
	char name[32];

	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		fixture_write_file(f, name, name, strlen(name));
	}
	fixture_connect(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 4, 0), 0);
	f->mounted = true;
	assert_int_equal(fuse_init(&f->client, flags), 0);
	assert_int_equal(frontend_open(&other_fe, &c), 0);
	assert_int_equal(fuse_client_init(&other, other_fe, 1, 1, 0), 0);
	assert_int_equal(fuse_init(&other, flags), 0);
}

static void finish(void)
{
	fuse_client_fini(&other);
	frontend_close(other_fe);
}

static int look(struct fuse_client *c, unsigned i, uint64_t *node)
{
	struct fuse_entry_out e;
	char name[32];
	int res;

	snprintf(name, sizeof(name), "file-%u", i);
	res = fuse_lookup(c, ROOT, name, &e);
	if (!res)
		*node = e.nodeid;
	return res;
}

/* What the other guest can do meanwhile: more than the first may. */
static void check_other(void)
{
	uint64_t node[FILES] = {0}, fh[FILES];

	for (unsigned i = 0; i < FILES; i++) {
		assert_int_equal(look(&other, i, &node[i]), 0);
		assert_int_equal(fuse_open(&other, node[i], O_RDONLY, &fh[i]), 0);
	}
	for (unsigned i = 0; i < FILES; i++)
		assert_int_equal(fuse_release(&other, node[i], fh[i]), 0);
	for (unsigned i = 0; i < FILES; i++)
		assert_int_equal(fuse_forget(&other, node[i], 1), 0);
}

static bool exists(const struct fixture *f, const char *name)
{
	return faccessat(AT_FDCWD, fixture_path(f, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing that would be one more node is made. */
static void check_makes_nothing(struct fixture *f)
{
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e;
	uint64_t fh;

	assert_int_equal(fuse_create(c, ROOT, "new", O_RDWR, 0644, &e, &fh), -ENFILE);
	assert_int_equal(fuse_mkdir(c, ROOT, "new", 0755, &e), -ENFILE);
	assert_int_equal(fuse_mknod(c, ROOT, "new", S_IFREG | 0644, 0, &e), -ENFILE);
	assert_int_equal(fuse_symlink(c, ROOT, "new", "target", &e), -ENFILE);
	assert_false(exists(f, "new"));
}

/* All names, those that fit with their nodes; each node that came was looked up once more. */
static unsigned list(struct fixture *f, unsigned *with_node)
{
	unsigned count;
	uint64_t fh;

	assert_int_equal(fuse_opendir(&f->client, ROOT, &fh), 0);
	count = fixture_list(f, ROOT, fh, with_node);
	assert_int_equal(fuse_releasedir(&f->client, ROOT, fh), 0);
	return count;
}

static void test_nodes(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	uint64_t node[FILES] = {0}, extra = 0;
	struct fuse_attr_out attr;
	unsigned with_node;

	if (fixture_is_peer(f))
		skip();
	start(f);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(look(c, i, &node[i]), 0);
	for (unsigned i = NODES; i < FILES; i++)
		assert_int_equal(look(c, i, &extra), -ENFILE);
	check_makes_nothing(f);
	check_other();
	assert_int_equal(list(f, &with_node), FILES + 2);
	assert_int_equal(with_node, NODES);
	assert_int_equal(look(c, 7, &extra), 0);
	assert_int_equal(extra, node[7]);
	assert_int_equal(fuse_getattr(c, node[7], &attr), 0);
	/* Looked up three times by now: forgotten a thousand times it makes room for one. */
	assert_int_equal(fuse_forget(c, node[7], 1000), 0);
	assert_int_equal(fuse_forget(c, node[7], 1000), 0);
	for (uint64_t made_up = 1; made_up; made_up <<= 1)
		assert_int_equal(fuse_forget(c, made_up, 1), 0);
	assert_int_equal(look(c, NODES, &node[7]), 0);
	assert_int_equal(look(c, NODES + 1, &extra), -ENFILE);
	/* What is held twice is not free yet. */
	struct fuse_forget_one some[] = {{node[1], 1}, {node[2], 2}, {node[3], 2}, {node[3], 9}};
	assert_int_equal(fuse_batch_forget(c, some, 4), 0);
	assert_int_equal(look(c, NODES + 1, &extra), 0);
	assert_int_equal(look(c, NODES + 2, &extra), 0);
	assert_int_equal(look(c, NODES + 3, &extra), -ENFILE);
	/* The next session begins with none. */
	assert_int_equal(fuse_destroy(c), 0);
	assert_int_equal(fuse_init(c, FIXTURE_INIT), 0);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(look(c, i, &node[i]), 0);
	assert_int_equal(look(c, NODES, &extra), -ENFILE);
	check_other();
	finish();
}

static int lock(struct fuse_client *c, uint64_t node, uint64_t fh, uint64_t owner, uint32_t type)
{
	const struct fuse_lk_in in = {
		.fh = fh, .owner = owner, .lk = {.start = owner, .end = owner, .type = type, .pid = 1}};

	return fuse_lock(c, FUSE_SETLK, node, &in, NULL);
}

static void test_open(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	uint64_t node = 0, fh[OPEN], extra;
	struct fuse_entry_out e;
	char got[32];

	if (fixture_is_peer(f))
		skip();
	start(f);
	assert_int_equal(look(c, 0, &node), 0);
	for (unsigned i = 0; i < OPEN; i++)
		assert_int_equal(fuse_open(c, node, O_RDWR, &fh[i]), 0);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(fuse_open(c, node, O_RDWR, &extra), -ENFILE);
		assert_int_equal(fuse_opendir(c, ROOT, &extra), -ENFILE);
	}
	assert_int_equal(fuse_create(c, ROOT, "new", O_RDWR, 0644, &e, &extra), -ENFILE);
	assert_false(exists(f, "new"));
	check_other();
	assert_int_equal(fuse_read(c, node, fh[3], got, sizeof(got), 0), 6);
	/* What it never had, or has no more, makes no room. */
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(fuse_release(c, node, fh[0] + 1000 + i), -EBADF);
		assert_int_equal(fuse_releasedir(c, ROOT, i), -EBADF);
	}
	assert_int_equal(fuse_open(c, node, O_RDWR, &extra), -ENFILE);
	assert_int_equal(fuse_release(c, node, fh[0]), 0);
	assert_int_equal(fuse_release(c, node, fh[0]), -EBADF);
	assert_int_equal(fuse_open(c, node, O_RDWR, &fh[0]), 0);
	assert_int_equal(fuse_open(c, node, O_RDWR, &extra), -ENFILE);
	/* Who owns locks counts as much as an open file. */
	assert_int_equal(lock(c, node, fh[0], 1, F_WRLCK), -ENOLCK);
	assert_int_equal(fuse_release(c, node, fh[OPEN - 1]), 0);
	assert_int_equal(lock(c, node, fh[0], 1, F_WRLCK), 0);
	assert_int_equal(lock(c, node, fh[0], 2, F_WRLCK), -ENOLCK);
	assert_int_equal(fuse_open(c, node, O_RDWR, &extra), -ENFILE);
	assert_int_equal(fuse_destroy(c), 0);
	assert_int_equal(fuse_init(c, FIXTURE_INIT), 0);
	assert_int_equal(look(c, 0, &node), 0);
	for (unsigned i = 0; i < OPEN; i++)
		assert_int_equal(fuse_open(c, node, O_RDWR, &fh[i]), 0);
	assert_int_equal(fuse_open(c, node, O_RDWR, &extra), -ENFILE);
	finish();
}

/* A request with as much behind its arguments as there can be, which the server copies. */
static int call_largest(struct fuse_client *c, uint32_t opcode, const void *in, uint32_t len, bool no_reply)
{
	const struct fuse_op op = {
		.opcode = opcode,
		.node = ROOT,
		.arg = {{.bytes = in, .len = len}},
		.nargs = 1,
		.data_in = FUSE_DATA_MAX,
		.reply_len = no_reply ? 0 : sizeof(struct fuse_ioctl_out),
		.no_reply = no_reply,
	};

	return fuse_call(c, &op);
}

/* The largest requests there are, again and again: their memory is given back, and the next has it. */
static void test_memory(void **state)
{
	const struct fuse_batch_forget_in forget = {.count = FUSE_DATA_MAX / sizeof(struct fuse_forget_one)};
	const struct fuse_ioctl_in ioctl = {.in_size = FUSE_DATA_MAX};
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_forget_one *one;

	if (fixture_is_peer(f))
		skip();
	start(f);
	one = fuse_data(c, c->slot);
	for (unsigned i = 0; i < forget.count; i++)
		one[i] = (struct fuse_forget_one){i * 7919, 1 + i};
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(call_largest(c, FUSE_BATCH_FORGET, &forget, sizeof(forget), true), 0);
		int res = call_largest(c, FUSE_IOCTL, &ioctl, sizeof(ioctl), false);
		assert_true(res < 0 && res != -ENOMEM);
		fixture_check_alive(f);
	}
	check_other();
	finish();
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_nodes, &greedy),
		FIXTURE_TEST(test_open, &greedy),
		FIXTURE_TEST(test_memory, &greedy),
	};

	snprintf(folder, sizeof(folder), "%.200s/graft-second-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder))
		return 1;
	snprintf(second_socket, sizeof(second_socket), "%s/socket", folder);
	snprintf(mount_keys, sizeof(mount_keys), "locks = true\n[transport vhost-user second]\nsocket = %s", second_socket);
	greedy.config.mount_keys = mount_keys;
	int failed = fixture_run("vring/guest-limits", tests, 3, &greedy);

	daemon_remove_tree(folder, true);
	return failed;
}
