/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-swap none|chroot|namespace [root|user]: a hostile user of the host exchanges directories and files of the share with links to
 * the outside, as fast as he can, while a guest works with them. 2 seconds; 60 with GRAFT_FULL=1.
 */
#include "tests/escape/world.h"

#include "tests/vring/clock.h"

#include <linux/fs.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 2
#define SECONDS_FULL 60
#define SECONDS_MORE 30 /* at most, until all was seen */
#define NPAIRS 5
#define SEEN_MIN 20 /* of each state; a run of 2 seconds sees hundreds */

/* What a name stood for when the guest came. */
enum seen { SEEN_REAL, SEEN_LINK, SEEN_NOTHING, NSEEN };

/* Where the guest saw both. */
enum place { AT_DIR, AT_DEEP, AT_FILE, AT_CREATE, AT_OPEN, AT_RENAME, AT_UNLINK, AT_SETATTR, AT_XATTR, AT_LIST, NPLACES };
static const char *const place_names[NPLACES] = {"LOOKUP of a directory", "LOOKUP below it", "LOOKUP of a file",
						 "CREATE", "OPEN", "RENAME", "UNLINK", "SETATTR", "xattr", "READDIRPLUS"};

static struct world world;
static unsigned counts[NPLACES][NSEEN];
static _Atomic uint64_t *swaps; /* shared with the process that swaps */

static void exchange(const char *a, const char *b)
{
	/* Fails while the guest has one of the two away. */
	if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0)
		atomic_fetch_add_explicit(swaps, 1, memory_order_relaxed);
}

/* The host's user. Ends with its parent. */
static void swap_for_ever(const struct world *w)
{
	static const char *const pairs[NPAIRS][2] = {{"share/dir", "share/dir-link"},
					       {"share/file", "share/file-link"},
					       {"share/dir/sub", "share/dir/sub-link"},
					       {"share/tree", "share/tree-link"},
					       {"share/victim", "share/victim-link"}};
	char path[NPAIRS][2][DAEMON_PATH + 64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < NPAIRS; i++)
		for (unsigned k = 0; k < 2; k++)
			snprintf(path[i][k], sizeof(path[i][k]), "%s/%s", w->daemon.base, pairs[i][k]);
	for (unsigned turn = 0;; turn++) {
		for (unsigned i = 0; i < NPAIRS; i++)
			exchange(path[i][0], path[i][1]);
		/* Fast, and now and then, in either state, slow enough for a guest to take several steps. */
		if (turn % 7 == 0)
			usleep(turn % 63 ? 50 : 700);
	}
}

static void prepare(struct world *w)
{
	host_link(w, "share/dir-link", w->canary.root);
	host_link(w, "share/file-link", "../outside/file");
	host_link(w, "share/dir/sub-link", world_path(w, "outside/dir"));
	host_dir(w, "share/tree");
	host_dir(w, "share/tree/dir");
	host_file(w, "share/tree/dir/inner", INSIDE);
	host_file(w, "share/tree/file", INSIDE);
	host_link(w, "share/tree-link", "../outside");
}

static int see(enum place place, int res)
{
	switch (res) {
	case 0:
		counts[place][SEEN_REAL]++;
		break;
	case -ENOTDIR: /* a link in a directory's place */
	case -EBADF:   /* a link that was to be opened */
	case -ESTALE:  /* a link that was to be opened by CREATE */
	case -EOPNOTSUPP:
	case -EPERM: /* user attributes of a link */
	case -ENODATA:
		counts[place][SEEN_LINK]++;
		break;
	case -ENOENT:
	case -EEXIST:
		counts[place][SEEN_NOTHING]++;
		break;
	default:
		fail_msg("%s: %s", place_names[place], strerror(-res));
	}
	return res;
}

/* A node by name; its kind is counted. 0 where there was nothing. */
static uint64_t look_at(struct world *w, enum place place, uint64_t parent, const char *name)
{
	struct fuse_entry_out e;
	int res = fuse_lookup(&w->c, parent, name, &e);

	if (res < 0) {
		see(place, res);
		return 0;
	}
	counts[place][S_ISLNK(e.attr.mode) ? SEEN_LINK : SEEN_REAL]++;
	return e.nodeid;
}

static void drop(struct world *w, uint64_t node)
{
	if (node)
		fuse_forget(&w->c, node, 1);
}

/* What is read through whatever opened is what lies inside; nothing else has that length. */
static void read_inside(struct world *w, uint64_t node, uint64_t fh)
{
	char data[100];
	ssize_t n = fuse_read(&w->c, node, fh, data, sizeof(data), 0);

	assert_true(n == 0 || n == (ssize_t)strlen(INSIDE));
	assert_memory_equal(data, INSIDE, (size_t)n);
}

static void use_file(struct world *w)
{
	struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = 0640};
	struct fuse_setattr_in times = {.valid = FATTR_MTIME, .mtime = 1};
	struct fuse_attr_out attr;
	uint64_t fh, node = look_at(w, AT_FILE, ROOT, "file");

	if (!node)
		return;
	if (see(AT_OPEN, fuse_open(&w->c, node, O_RDWR, &fh)) == 0) {
		read_inside(w, node, fh);
		want("WRITE", fuse_write(&w->c, node, fh, INSIDE, (uint32_t)strlen(INSIDE), 0), (int64_t)strlen(INSIDE));
		fuse_release(&w->c, node, fh);
	}
	see(AT_SETATTR, fuse_setattr(&w->c, node, &mode, &attr));
	fuse_setattr(&w->c, node, &times, &attr);
	see(AT_XATTR, fuse_setxattr(&w->c, node, "user.guest", "x", 1, 0));
	char value[100];
	assert_true(fuse_getxattr(&w->c, node, "user.canary", value, sizeof(value)) < 0);
	drop(w, node);
}

/* CREATE opens what is there, or makes it. */
static void create_file(struct world *w)
{
	struct fuse_entry_out e;
	uint64_t fh;
	int res = see(AT_CREATE, fuse_create(&w->c, ROOT, "file", O_RDWR, 0644, &e, &fh));

	if (res < 0)
		return;
	assert_true(S_ISREG(e.attr.mode));
	read_inside(w, e.nodeid, fh);
	fuse_release(&w->c, e.nodeid, fh);
	drop(w, e.nodeid);
}

static void use_dir(struct world *w)
{
	struct fuse_entry_out e;
	uint64_t fh, node = look_at(w, AT_DIR, ROOT, "dir");

	if (!node)
		return;
	int res = see(AT_CREATE, fuse_create(&w->c, node, "made", O_RDWR, 0644, &e, &fh));
	if (res == 0) {
		fuse_release(&w->c, e.nodeid, fh);
		drop(w, e.nodeid);
	}
	see(AT_RENAME, fuse_rename(&w->c, node, "made", node, "renamed"));
	see(AT_RENAME, fuse_rename2(&w->c, ROOT, "other", node, "other", RENAME_NOREPLACE));
	see(AT_RENAME, fuse_rename2(&w->c, node, "other", ROOT, "other", RENAME_NOREPLACE));
	see(AT_UNLINK, fuse_unlink(&w->c, node, "renamed"));
	/* "file" stands in both: one of them is the canary's. */
	uint64_t file = look_at(w, AT_DEEP, node, "file"), sub = look_at(w, AT_DEEP, node, "sub");
	if (file && fuse_open(&w->c, file, O_RDONLY, &fh) == 0) {
		read_inside(w, file, fh);
		fuse_release(&w->c, file, fh);
	}
	if (sub)
		assert_true(fuse_lookup(&w->c, sub, "inner", &e) < 0);
	drop(w, file);
	drop(w, sub);
	drop(w, node);
}

/* Two steps down a tree whose top changes meanwhile, and what may be unlinked there. */
static void use_tree(struct world *w)
{
	struct fuse_entry_out e;
	uint64_t fh, tree = look_at(w, AT_DIR, ROOT, "tree"), dir, inner;

	if (!tree)
		return;
	dir = look_at(w, AT_DEEP, tree, "dir");
	inner = dir ? look_at(w, AT_DEEP, dir, "inner") : 0;
	if (inner && fuse_open(&w->c, inner, O_RDONLY, &fh) == 0) {
		read_inside(w, inner, fh);
		fuse_release(&w->c, inner, fh);
	}
	if (see(AT_UNLINK, fuse_unlink(&w->c, tree, "file")) == 0) {
		want("LINK", fuse_link(&w->c, w->file, tree, "file", &e), 0);
		drop(w, e.nodeid);
	}
	drop(w, inner);
	drop(w, dir);
	drop(w, tree);
}

/* ESTALE: made, and exchanged before it was looked at. */
static void none_or(const char *what, int res, int other)
{
	if (res != 0 && res != -ENOENT && res != -ESTALE && res != other)
		fail_msg("%s: %s", what, strerror(-res));
}

/* Names that are taken away, moved and made while they change places: each of them is the name itself, never what it leads to. */
static void use_victim(struct world *w)
{
	struct fuse_entry_out e;
	uint64_t fh;

	none_or("RENAME", fuse_rename(&w->c, ROOT, "victim", ROOT, "victim-2"), 0);
	none_or("EXCHANGE", fuse_rename2(&w->c, ROOT, "victim-2", ROOT, "victim-link", RENAME_EXCHANGE), 0);
	none_or("UNLINK", fuse_unlink(&w->c, ROOT, "victim-2"), 0);
	none_or("UNLINK", fuse_unlink(&w->c, ROOT, "victim-link"), 0);
	int res = fuse_symlink(&w->c, ROOT, "victim-link", "../outside/file", &e);
	if (res == 0)
		drop(w, e.nodeid);
	none_or("SYMLINK", res, -EEXIST);
	res = fuse_create(&w->c, ROOT, "victim", O_WRONLY | O_EXCL, 0644, &e, &fh);
	if (res == 0) {
		fuse_release(&w->c, e.nodeid, fh);
		drop(w, e.nodeid);
	}
	none_or("CREATE", res, -EEXIST);
}

static void list_root(struct world *w)
{
	static char data[WORLD_SLOT_SIZE];
	struct fuse_direntplus e;
	uint64_t fh;

	want("OPENDIR", fuse_opendir(&w->c, ROOT, &fh), 0);
	ssize_t len = fuse_readdirplus(&w->c, ROOT, fh, 0, 32768);
	memcpy(data, fuse_data(&w->c, w->c.slot), len > 0 ? (size_t)len : 0);
	for (ssize_t at = 0; at < len; at += (ssize_t)((sizeof(e) + e.dirent.namelen + 7) & ~7u)) {
		memcpy(&e, data + at, sizeof(e));
		bool dir = e.dirent.namelen == 3 && memcmp(data + at + sizeof(e), "dir", 3) == 0;
		if (dir && e.entry_out.nodeid)
			counts[AT_LIST][S_ISLNK(e.entry_out.attr.mode) ? SEEN_LINK : SEEN_REAL]++;
		drop(w, e.entry_out.nodeid);
	}
	want("RELEASEDIR", fuse_releasedir(&w->c, ROOT, fh), 0);
}

/* Each place was seen in both states often enough. */
static bool seen_enough(void)
{
	for (unsigned i = 0; i < NPLACES; i++)
		if (counts[i][SEEN_REAL] < SEEN_MIN || counts[i][SEEN_LINK] < SEEN_MIN)
			return false;
	return true;
}

static void check_counts(unsigned rounds, uint64_t swapped)
{
	printf("%u rounds, %llu exchanges\n", rounds, (unsigned long long)swapped);
	for (unsigned i = 0; i < NPLACES; i++)
		printf("  %-22s as it was %u, a link %u, neither %u\n", place_names[i], counts[i][SEEN_REAL],
		       counts[i][SEEN_LINK], counts[i][SEEN_NOTHING]);
	assert_true(swapped > 1000);
	assert_true(seen_enough());
}

static void test_swap(void **state)
{
	const char *full = getenv("GRAFT_FULL");
	struct world *w = *state;
	unsigned rounds = 0;

	world_begin(w);
	prepare(w);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		swap_for_ever(w);
	int64_t end = clock_ms() + (full && *full == '1' ? SECONDS_FULL : SECONDS) * 1000;
	/* Sanitizers and busy machines take longer to see it all. */
	for (; clock_ms() < end || (!seen_enough() && clock_ms() < end + SECONDS_MORE * 1000); rounds++) {
		use_file(w);
		create_file(w);
		use_dir(w);
		use_tree(w);
		use_victim(w);
		if (rounds % 4 == 0)
			list_root(w);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	check_counts(rounds, atomic_load(swaps));
	world_end(w);
}

static int end_swap(void **state)
{
	world_drop(*state);
	return daemon_reported(&world.daemon) ? -1 : 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {{"swap", test_swap, NULL, end_swap, &world}};

	if (argc < 2) {
		fprintf(stderr, "usage: %s none|chroot|namespace [root|user]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	swaps = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (swaps == MAP_FAILED)
		return 1;
	const struct world_kind kind = {.mode = argv[1],
					.user = argc > 2 && strcmp(argv[2], "user") == 0 ? WORLD_USER : 0};
	int res = world_up(&world, &kind);
	if (res)
		return res;
	res = cmocka_run_group_tests_name("escape swap", tests, NULL, NULL);
	return world_down(&world) || res ? 1 : 0;
}
