/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay over a tree that counts, waits and fails: look-ups given back, copies whole or not at all, clients that
 * lie. */
#include "layer_plain.h"
#include "overlay_lower.h"
#include "plugins/overlay/overlay.h"
#include "server_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOT (1ull << 48 | 1)

extern const struct graft_plugin graft_plugin_v1;

static char folder[256], upper[280], temp[280];
static struct ov_settings settings;
static struct rig *rig;
static struct rig_request *q;
static struct graft_plugin layer, backend;

static int create(const struct graft_host *host, struct graft_slot *slot, const void *set, struct graft_inst **inst,
		  struct graft_error *err)
{
	(void)set;
	return graft_plugin_v1.create(host, slot, &settings, inst, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	const char *dir = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%.200s/graftfs-overlay.XXXXXX", dir ? dir : "/tmp");
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(upper, sizeof(upper), "%s/upper", folder);
	snprintf(temp, sizeof(temp), "%s/work", folder);
	mkdir(upper, 0755);
	mkdir(temp, 0755);
	settings = (struct ov_settings){ .upper_dir = upper, .work_dir = temp };
	layer = graft_plugin_v1;
	layer.opts = NULL;
	layer.create = create;
	backend = plain_backend(lower_ops, NULL);
	lower = (struct lower){ .fail = -1 };
	q = rig_request_new();
	return 0;
}

static void start(void)
{
	const struct rig_mount mount = { "web", "/", { &layer, &backend } };

	rig = rig_new(&mount, 1);
	assert_int_equal(rig_init(rig, FUSE_DO_READDIRPLUS), 0);
}

/* Nothing unfinished is left, and of what is below nothing is open. */
static int tear_down(void **state)
{
	(void)state;
	rig_request_free(q);
	if (rig)
		rig_free(rig);
	rig = NULL;
	strcat(temp, "/work");
	assert_int_equal(lower.strange, 0);
	assert_int_equal(lower.opens, 0);
	DIR *d = opendir(temp);
	for (struct dirent *e; d && (e = readdir(d));)
		assert_int_equal(e->d_name[0], '.');
	if (d)
		closedir(d);
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static int look(uint64_t dir, const char *name, struct fuse_entry_out *out)
{
	int res = rig_call(rig, q, FUSE_LOOKUP, dir, NULL, 0, name, strlen(name) + 1);

	*out = (struct fuse_entry_out){ 0 };
	if (res == 0)
		*out = *(const struct fuse_entry_out *)rig_data(q);
	return res;
}

static uint64_t node_of(uint64_t dir, const char *name)
{
	struct fuse_entry_out out;

	assert_int_equal(look(dir, name, &out), 0);
	return out.nodeid;
}

static void forget(uint64_t node, uint64_t n)
{
	const struct fuse_forget_in in = { .nlookup = n };

	rig_fill(rig, q, FUSE_FORGET, node, &in, sizeof(in), NULL, 0, 0);
	rig_serve(rig, q);
	rig_wait(q);
}

static int open_node(uint32_t opcode, uint64_t node, uint32_t flags, uint64_t *fh)
{
	const struct fuse_open_in in = { .flags = flags };
	int res = rig_call(rig, q, opcode, node, &in, sizeof(in), NULL, 0);

	*fh = 0;
	/* Above and below: a close(2) asks for nothing. */
	if (res == 0 && opcode == FUSE_OPEN)
		assert_true(((const struct fuse_open_out *)rig_data(q))->open_flags & FOPEN_NOFLUSH);
	if (res == 0)
		*fh = ((const struct fuse_open_out *)rig_data(q))->fh;
	return res;
}

static int release(uint32_t opcode, uint64_t node, uint64_t fh)
{
	const struct fuse_release_in in = { .fh = fh };

	return rig_call(rig, q, opcode, node, &in, sizeof(in), NULL, 0);
}

static int read_node(uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, uint32_t size)
{
	const struct fuse_read_in in = { .fh = fh, .offset = off, .size = size };

	return rig_call(rig, q, opcode, node, &in, sizeof(in), NULL, 0);
}

static int write_node(uint64_t node, uint64_t fh, const char *text)
{
	const struct fuse_write_in in = { .fh = fh, .size = (uint32_t)strlen(text) };

	return rig_call(rig, q, FUSE_WRITE, node, &in, sizeof(in), text, strlen(text));
}

/* What the client has been given of what is below. */
static int64_t held(void)
{
	int64_t n = 0;

	for (int i = 0; i < LOWER_NODES; i++)
		n += lower.lookups[i];
	return n;
}

static void test_counts(void **state)
{
	struct fuse_entry_out out;
	uint64_t fh;

	(void)state;
	start();
	for (int later = 0; later < 2; later++) {
		lower.later = later;
		uint64_t file = node_of(ROOT, "file"), dir = node_of(ROOT, "dir"), one = node_of(ROOT, "one"),
			 two = node_of(ROOT, "two");
		assert_int_equal(node_of(ROOT, "file"), file);
		/* Copying up one leaves the other. */
		assert_true(one != two);
		uint64_t inner = node_of(dir, "inner");
		assert_int_equal(look(ROOT, "none", &out), -ENOENT);
		assert_int_equal(look(ROOT, "gone", &out), -ENOENT);
		assert_int_equal(look(file, "x", &out) < 0, 1);
		assert_int_equal(open_node(FUSE_OPENDIR, dir, O_RDONLY, &fh), 0);
		assert_int_equal(read_node(FUSE_READDIRPLUS, dir, fh, 0, 4096), 0);
		const struct fuse_direntplus *e = rig_data(q);
		assert_int_equal(e->entry_out.nodeid, inner);
		assert_int_equal(release(FUSE_RELEASEDIR, dir, fh), 0);
		forget(file, 1);
		forget(file, 1);
		forget(one, 1);
		forget(two, 1);
		/* A directory stays while something in it is known. */
		forget(dir, 1);
		assert_int_equal(lower.lookups[LOWER_DIR], 1);
		forget(inner, 2);
		forget(ROOT, 1);
		assert_int_equal(look(ROOT, "none", &out), -ENOENT);
		forget(ROOT, 1);
		assert_int_equal(held(), 0);
	}
}

static void same_as_below(const char *name)
{
	char path[600];
	static unsigned char bytes[LOWER_SIZE + 1];

	snprintf(path, sizeof(path), "%s/%s", upper, name);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), LOWER_SIZE);
	close(fd);
	for (uint64_t i = 0; i < LOWER_SIZE; i++) {
		if (bytes[i] != lower_byte(i))
			fail_msg("byte %llu differs", (unsigned long long)i);
	}
}

static void test_copy_up(void **state)
{
	static const enum graft_threads threads[] = { GRAFT_PARALLEL, GRAFT_SERIAL_INSTANCE };
	struct fuse_entry_out before, after;
	char path[600], value[16];
	uint64_t fh, old;

	(void)state;
	for (int i = 0; i < 4; i++) {
		backend.threads = threads[i % 2];
		lower.later = i / 2;
		start();
		assert_int_equal(look(ROOT, "file", &before), 0);
		uint64_t file = before.nodeid;
		assert_int_equal(open_node(FUSE_OPEN, file, O_RDONLY, &old), 0);
		assert_int_equal(read_node(FUSE_READ, file, old, 5, 4), 0);
		assert_int_equal(((const unsigned char *)rig_data(q))[0], lower_byte(5));
		assert_int_equal(open_node(FUSE_OPEN, file, O_RDWR, &fh), 0);
		same_as_below("file");
		snprintf(path, sizeof(path), "%s/file", upper);
		assert_int_equal(getxattr(path, "user.a", value, sizeof(value)), 5);
		assert_int_equal(write_node(file, fh, "new"), 0);
		/* Who had it open goes on with the copy. */
		assert_int_equal(read_node(FUSE_READ, file, old, 0, 4), 0);
		assert_memory_equal(rig_data(q), "new", 3);
		assert_int_equal(look(ROOT, "file", &after), 0);
		assert_int_equal(after.nodeid, before.nodeid);
		assert_int_equal(after.attr.ino, before.attr.ino);
		assert_int_equal(after.attr.mtime == 12345, 0);
		assert_int_equal(release(FUSE_RELEASE, file, fh), 0);
		assert_int_equal(release(FUSE_RELEASE, file, old), 0);
		assert_int_equal(release(FUSE_RELEASE, file, old), -EBADF);
		rig_free(rig);
		rig = NULL;
		assert_int_equal(unlink(path), 0);
		lower = (struct lower){ .fail = -1 };
	}
}

static void test_failures(void **state)
{
	static const int opcodes[] = { FUSE_READ, FUSE_OPEN, FUSE_GETATTR, FUSE_LISTXATTR, FUSE_GETXATTR };
	char path[600];
	uint64_t fh;

	(void)state;
	start();
	uint64_t file = node_of(ROOT, "file");
	snprintf(path, sizeof(path), "%s/file", upper);
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		lower.fail = opcodes[i];
		lower.error = EIO;
		assert_int_equal(open_node(FUSE_OPEN, file, O_WRONLY, &fh), -EIO);
		assert_int_equal(access(path, F_OK), -1);
	}
	/* Attributes that the backend does not have are none. */
	lower.fail = FUSE_LISTXATTR;
	lower.error = EOPNOTSUPP;
	assert_int_equal(open_node(FUSE_OPEN, file, O_WRONLY, &fh), 0);
	same_as_below("file");
	assert_int_equal(release(FUSE_RELEASE, file, fh), 0);
	/* A listing whose lower half cannot be read is no listing. */
	lower.fail = FUSE_READDIR;
	lower.error = EIO;
	assert_int_equal(open_node(FUSE_OPENDIR, ROOT, O_RDONLY, &fh), 0);
	assert_int_equal(read_node(FUSE_READDIR, ROOT, fh, 0, 4096), -EIO);
	lower.fail = FUSE_LOOKUP;
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, ROOT, NULL, 0, "two", 4), -EIO);
	lower.fail = -1;
	assert_int_equal(release(FUSE_RELEASEDIR, ROOT, fh), 0);
}

static uint32_t count_names(const char *wanted)
{
	const char *p = rig_data(q), *end = p + rig_data_len(q);
	uint32_t n = 0;

	while (p < end) {
		const struct fuse_dirent *d = (const void *)p;
		n += d->namelen == strlen(wanted) && memcmp(d->name, wanted, d->namelen) == 0;
		p += FUSE_DIRENT_SIZE(d);
	}
	return n;
}

static void test_names(void **state)
{
	const struct fuse_mkdir_in mkdir_in = { .mode = 0755 };
	const struct fuse_rename_in to_root = { .newdir = ROOT };
	struct fuse_entry_out out;
	struct stat st;
	char path[600];
	uint64_t fh;

	(void)state;
	start();
	node_of(ROOT, "two");
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, ROOT, NULL, 0, "two", 4), 0);
	assert_int_equal(look(ROOT, "two", &out), -ENOENT);
	snprintf(path, sizeof(path), "%s/two", upper);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, ROOT, NULL, 0, "two", 4), -ENOENT);
	/* Of both: it stays where it is. */
	uint64_t dir = node_of(ROOT, "dir");
	assert_int_equal(rig_call(rig, q, FUSE_RENAME, ROOT, &to_root, sizeof(to_root), "dir\0away", 9), -EXDEV);
	assert_int_equal(rig_call(rig, q, FUSE_RMDIR, ROOT, NULL, 0, "dir", 4), -ENOTEMPTY);
	node_of(dir, "inner");
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, dir, NULL, 0, "inner", 6), 0);
	assert_int_equal(rig_call(rig, q, FUSE_RMDIR, ROOT, NULL, 0, "dir", 4), 0);
	assert_int_equal(rig_call(rig, q, FUSE_MKDIR, ROOT, &mkdir_in, sizeof(mkdir_in), "dir", 4), 0);
	assert_int_equal(look(node_of(ROOT, "dir"), "inner", &out), -ENOENT);
	node_of(ROOT, "one");
	assert_int_equal(rig_call(rig, q, FUSE_RENAME, ROOT, &to_root, sizeof(to_root), "one\0two", 8), 0);
	assert_int_equal(look(ROOT, "one", &out), -ENOENT);
	assert_int_equal(look(ROOT, "two", &out), 0);
	assert_int_equal(out.attr.size, 3);
	assert_int_equal(open_node(FUSE_OPENDIR, ROOT, O_RDONLY, &fh), 0);
	assert_int_equal(read_node(FUSE_READDIR, ROOT, fh, 0, 4096), 0);
	assert_int_equal(count_names("one"), 0);
	assert_int_equal(count_names("two"), 1);
	assert_int_equal(count_names("dir"), 1);
	assert_int_equal(count_names("file"), 1);
	assert_int_equal(count_names("."), 1);
	/* Places that were never given. */
	assert_int_equal(read_node(FUSE_READDIR, ROOT, fh, UINT64_MAX, 4096), 0);
	assert_int_equal(rig_data_len(q), 0);
	assert_int_equal(read_node(FUSE_READDIR, ROOT, fh, 1000, 4096), 0);
	assert_int_equal(release(FUSE_RELEASEDIR, ROOT, fh), 0);
}

/* Of a merged directory; each entry's node is forgotten. How many had one; *next: where the listing goes on. */
static uint32_t forget_listed(uint64_t *next)
{
	static unsigned char bytes[8192];
	uint64_t len = rig_data_len(q);
	uint32_t n = 0;

	assert_true(len <= sizeof(bytes));
	memcpy(bytes, rig_data(q), len);
	for (uint64_t at = 0; at < len;) {
		const struct fuse_direntplus *e = (const void *)(bytes + at);
		at += FUSE_DIRENTPLUS_SIZE(e);
		*next = e->dirent.off;
		if (!e->entry_out.nodeid)
			continue;
		assert_true(e->entry_out.attr.mode != 0);
		assert_int_equal(e->entry_out.attr.ino & UINT32_MAX, e->dirent.ino & UINT32_MAX);
		forget(e->entry_out.nodeid, 1);
		n++;
	}
	return n;
}

static void test_listed_nodes(void **state)
{
	const struct fuse_mkdir_in mkdir_in = { .mode = 0755 };
	uint64_t fh, off, next = 0;

	(void)state;
	for (int later = 0; later < 2; later++) {
		lower.later = later;
		start();
		if (!later)
			assert_int_equal(rig_call(rig, q, FUSE_MKDIR, ROOT, &mkdir_in, sizeof(mkdir_in), "mine", 5), 0);
		assert_int_equal(open_node(FUSE_OPENDIR, ROOT, O_RDONLY, &fh), 0);
		assert_int_equal(read_node(FUSE_READDIRPLUS, ROOT, fh, 0, 8192), 0);
		/* dir, file, one, two, link and mine: not what is a whiteout. */
		assert_int_equal(forget_listed(&next), 6);
		/* Bit by bit. */
		uint32_t n = 0;
		next = 0;
		do {
			off = next;
			assert_int_equal(read_node(FUSE_READDIRPLUS, ROOT, fh, off, 400), 0);
			n += forget_listed(&next);
		} while (next != off);
		assert_int_equal(n, 6);
		assert_int_equal(release(FUSE_RELEASEDIR, ROOT, fh), 0);
		forget(ROOT, 1);
		assert_int_equal(held(), 0);
		rig_free(rig);
		rig = NULL;
	}
}

/* What one copies up or removes, the other finds. */
static void test_two_clients(void **state)
{
	struct fuse_entry_out mine, others;
	uint64_t fh, theirs;

	(void)state;
	start();
	struct rig *first = rig, *second = rig_connect(rig, GRAFT_VHOST_USER);
	assert_int_equal(rig_init(second, 0), 0);
	assert_int_equal(look(ROOT, "file", &mine), 0);
	node_of(ROOT, "one");
	rig = second;
	assert_int_equal(look(ROOT, "file", &others), 0);
	node_of(ROOT, "one");
	assert_int_equal(open_node(FUSE_OPEN, others.nodeid, O_RDWR, &theirs), 0);
	assert_int_equal(write_node(others.nodeid, theirs, "theirs"), 0);
	assert_int_equal(rig_call(rig, q, FUSE_UNLINK, ROOT, NULL, 0, "one", 4), 0);
	rig = first;
	/* Without looking again it opens what is there now. */
	assert_int_equal(open_node(FUSE_OPEN, mine.nodeid, O_RDWR, &fh), 0);
	assert_int_equal(read_node(FUSE_READ, mine.nodeid, fh, 0, 6), 0);
	assert_memory_equal(rig_data(q), "theirs", 6);
	assert_int_equal(release(FUSE_RELEASE, mine.nodeid, fh), 0);
	assert_int_equal(look(ROOT, "file", &others), 0);
	assert_int_equal(others.nodeid, mine.nodeid);
	assert_int_equal(look(ROOT, "one", &others), -ENOENT);
	rig_free(second);
}

static void test_lies(void **state)
{
	const struct fuse_setxattr_in set = { .size = 1 };
	const struct fuse_mknod_in whiteout = { .mode = S_IFCHR | 0644 };
	const struct fuse_getattr_in get = { 0 };
	struct fuse_entry_out out;
	uint64_t fh, other;

	(void)state;
	start();
	uint64_t file = node_of(ROOT, "file"), one = node_of(ROOT, "one");
	static const uint64_t wrong[] = { 2, 3, 1ull << 32, 0x7fffffffffff, 1ull << 32 | 77, 5ull << 32 };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint64_t node = 1ull << 48 | wrong[i];
		if (node == file || node == one)
			continue;
		assert_int_equal(rig_call(rig, q, FUSE_GETATTR, node, &get, sizeof(get), NULL, 0), -ESTALE);
		assert_int_equal(look(node, "x", &out), -ESTALE);
		assert_int_equal(open_node(FUSE_OPEN, node, O_RDWR, &fh), -ESTALE);
		assert_int_equal(rig_call(rig, q, FUSE_UNLINK, node, NULL, 0, "x", 2), -ESTALE);
		assert_int_equal(read_node(FUSE_READ, node, wrong[i], 0, 10), -EBADF);
		forget(node, 5);
	}
	/* Handles of other nodes, and of other kinds. */
	assert_int_equal(open_node(FUSE_OPEN, file, O_RDONLY, &fh), 0);
	assert_int_equal(open_node(FUSE_OPENDIR, ROOT, O_RDONLY, &other), 0);
	assert_int_equal(read_node(FUSE_READ, one, fh, 0, 10), -EBADF);
	assert_int_equal(read_node(FUSE_READDIR, file, fh, 0, 10), -ENOTDIR);
	assert_int_equal(release(FUSE_RELEASE, one, fh), -EBADF);
	assert_int_equal(write_node(file, fh, "x"), -EBADF);
	/* More forgotten than was given, while it is open. */
	forget(file, 100);
	assert_int_equal(release(FUSE_RELEASE, file, fh), 0);
	assert_int_equal(open_node(FUSE_OPEN, file, O_RDONLY, &fh), -ESTALE);
	assert_int_equal(release(FUSE_RELEASEDIR, ROOT, other), 0);
	/* What would change what the overlay itself reads. */
	char tail[] = "trusted.overlay.opaque\0y", mine[] = "user.overlay.opaque\0y";
	assert_int_equal(
		rig_call(rig, q, FUSE_SETXATTR, ROOT, &set, FUSE_COMPAT_SETXATTR_IN_SIZE, tail, sizeof(tail) - 1),
		-EPERM);
	assert_int_equal(
		rig_call(rig, q, FUSE_SETXATTR, ROOT, &set, FUSE_COMPAT_SETXATTR_IN_SIZE, mine, sizeof(mine) - 1),
		-EPERM);
	assert_int_equal(rig_call(rig, q, FUSE_MKNOD, ROOT, &whiteout, sizeof(whiteout), "w", 2), -EPERM);
}

static void refuse(const char *up, const char *work, const char *why)
{
	settings = (struct ov_settings){ .upper_dir = up, .work_dir = work };
	plain_refuses(&layer, &backend, why);
}

static void test_settings(void **state)
{
	char inside[600], missing[600], dots[600], slash[600];
	struct fuse_entry_out out;

	(void)state;
	snprintf(inside, sizeof(inside), "%s/in", upper);
	snprintf(missing, sizeof(missing), "%s/missing", folder);
	snprintf(dots, sizeof(dots), "%s/../upper", temp);
	snprintf(slash, sizeof(slash), "%s//", upper);
	refuse(upper, upper, "side by side");
	refuse(upper, inside, "side by side");
	refuse(inside, upper, "side by side");
	refuse(upper, slash, "side by side");
	refuse(dots, temp, "side by side");
	refuse("/", temp, "side by side");
	refuse(missing, temp, "upper-dir");
	refuse(upper, missing, "work-dir");
	refuse(upper, "/proc/self", "work-dir");
	settings = (struct ov_settings){ .upper_dir = slash, .work_dir = temp };
	start();
	assert_int_equal(look(ROOT, "file", &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copy_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_listed_nodes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_clients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
	};

	if (geteuid() != 0) {
		printf("SKIP: needs root, to act for other users\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
