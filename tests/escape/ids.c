/* SPDX-License-Identifier: Apache-2.0 */
/* Forged node ids and file handles: made up, stale, of other mounts, of other sessions. */
#include "tests/escape/attempt.h"

#include "tests/vring/fuse_samples.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SLOT_SHIFT 48 /* node id: the mount's slot, then the plugin's own */
#define NODE_MASK ((1ULL << SLOT_SHIFT) - 1)

static int send_sample(struct world *w, const struct sample *s)
{
	struct fuse_op op = {.raw = s->bytes,
			     .raw_len = s->len,
			     .reply_len = s->room > 200 ? s->room : 200,
			     .data_out = s->data,
			     .no_reply = s->no_reply};

	return fuse_call(&w->c, &op);
}

/* What must never be served: the request is about something this guest has never been given. */
static bool refused(int res)
{
	return res == -EBADF || res == -ESTALE || res == -ENOSYS || res == -EOPNOTSUPP || res == -EINVAL ||
	       res == -EXDEV;
}

/* Every opcode that has a reply, on a node id and a handle. */
static void try_all(struct world *w, const char *what, uint64_t node, uint64_t fh)
{
	const struct sample_nodes n = {
		.dir = node, .file = node, .fh = fh, .dir_fh = fh, .flags = w->c.flags, .name = "file"};
	struct sample s;

	for (uint32_t opcode = 0; opcode < GRAFT_OP_COUNT; opcode++) {
		if (!fuse_sample(opcode, &n, &s) || s.no_reply || opcode == FUSE_INIT || opcode == FUSE_DESTROY)
			continue;
		int res = send_sample(w, &s);
		if (!refused(res))
			fail_msg("%s: opcode %u: %d", what, opcode, res);
	}
}

static void try_made_up(struct world *w, const void *arg)
{
	const uint64_t nodes[] = {0, 1ULL << 32, 1ULL << 47, 1ULL << 48, 1ULL << 63, UINT64_MAX, w->file + 1,
				  w->file + (1ULL << 32), w->file ^ (1ULL << 31), w->file | 1ULL << 63,
				  (w->file & NODE_MASK)};

	(void)arg;
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		if (nodes[i] != w->file && nodes[i] != w->dir && nodes[i] != w->sub)
			try_all(w, "a node id made up", nodes[i], 0);
	}
}

/* Numbers that are the daemon's descriptors, which no handle is. */
static void try_descriptors(struct world *w, const void *arg)
{
	static const uint32_t opcodes[] = {FUSE_READ,    FUSE_WRITE,       FUSE_FSYNC,     FUSE_FLUSH,
					   FUSE_LSEEK,   FUSE_FALLOCATE,   FUSE_READDIR,   FUSE_READDIRPLUS,
					   FUSE_RELEASE, FUSE_RELEASEDIR,  FUSE_FSYNCDIR,  FUSE_COPY_FILE_RANGE};
	struct sample s;

	(void)arg;
	for (uint64_t fd = 0; fd < 32; fd++) {
		const struct sample_nodes n = {
			.dir = w->dir, .file = w->file, .fh = fd, .dir_fh = fd, .flags = w->c.flags, .name = "file"};
		for (unsigned i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
			fuse_sample(opcodes[i], &n, &s);
			want("a descriptor's number as a handle", send_sample(w, &s), -EBADF);
		}
	}
}

static void try_forgotten(struct world *w, const void *arg)
{
	(void)arg;
	fuse_forget(&w->c, w->sub, 1);
	try_all(w, "forgotten", w->sub, 0);
	/* Its place is taken by another; the old id does not lead there. */
	look(w, ROOT, "other");
	try_all(w, "forgotten, and its place taken", w->sub, 0);
	/* More forgotten than was looked up. */
	fuse_forget(&w->c, w->file, UINT64_MAX);
	try_all(w, "forgotten too often", w->file, 0);
	fuse_forget(&w->c, ROOT, UINT64_MAX);
	assert_true(look(w, ROOT, "dir") != 0);
}

static void try_former(struct world *w, const void *arg)
{
	uint64_t fh, file = w->file;

	(void)arg;
	want("OPEN", fuse_open(&w->c, file, O_RDWR, &fh), 0);
	want("INIT", fuse_init(&w->c, FUSE_BIG_WRITES), 0);
	try_all(w, "of the session before", file, fh);
	want("DESTROY", fuse_destroy(&w->c), 0);
	try_all(w, "after DESTROY", ROOT, fh);
	want("INIT", fuse_init(&w->c, FUSE_BIG_WRITES), 0);
}

/* The second mount: its root was looked up, nothing in it. */
static uint64_t second_root(struct world *w)
{
	uint64_t root = look(w, look(w, ROOT, "pseudo"), "second");

	assert_true(root >> SLOT_SHIFT);
	return root;
}

static void try_other_mount(struct world *w, const void *arg)
{
	uint64_t slot = second_root(w) & ~NODE_MASK;

	(void)arg;
	/* This mount's ids with the other's slot, and slots of none. */
	try_all(w, "another mount's slot", slot | (w->file & NODE_MASK), 0);
	for (uint64_t i = 3; i < 0x10000; i = i * 2 + 1)
		try_all(w, "the slot of no mount", i << SLOT_SHIFT | 1, 0);
}

static void try_across(struct world *w, const void *arg)
{
	uint64_t second = second_root(w), fh, fh2, file2 = look(w, second, "file");
	struct fuse_entry_out e;

	(void)arg;
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &fh), 0);
	want("OPEN", fuse_open(&w->c, file2, O_RDWR, &fh2), 0);
	want("RENAME", fuse_rename(&w->c, w->dir, "file", second, "stolen"), -EXDEV);
	want("RENAME back", fuse_rename(&w->c, second, "file", w->dir, "stolen"), -EXDEV);
	want("LINK", fuse_link(&w->c, w->file, second, "stolen", &e), -EXDEV);
	const struct fuse_copy_file_range_in in = {.fh_in = fh, .nodeid_out = file2, .fh_out = fh2, .len = 6};
	want("COPY_FILE_RANGE", fuse_copy_file_range(&w->c, FUSE_COPY_FILE_RANGE, &in, w->file), -EXDEV);
	want("READ by the other's handle", fuse_read(&w->c, w->file, fh2, NULL, 6, 0), fh == fh2 ? 6 : -EBADF);
	want("WRITE by it", fuse_write(&w->c, w->file, fh2 + 1, "X", 1, 0), -EBADF);
}

/* What another guest holds: the attacker has nothing of it open and has not looked it up. */
static void try_other_session(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	world_other(w);
	/* More than the attacker has, so that no number of theirs is one of his. */
	for (unsigned i = 0; i < 8; i++) {
		char name[32];
		snprintf(name, sizeof(name), "private-%u", i);
		want("CREATE", fuse_create(&w->other, ROOT, name, O_RDWR, 0600, &e, &fh), 0);
		if (e.nodeid == w->dir || e.nodeid == w->file || e.nodeid == w->sub)
			continue;
		want("WRITE", fuse_write(&w->other, e.nodeid, fh, w->canary.secret, 20, 0), 20);
		try_all(w, "another guest's node and handle", e.nodeid, fh);
		want("READ of its owner", fuse_read(&w->other, e.nodeid, fh, NULL, 4, 0), 4);
	}
}

/* Its handle on a node of the attacker's own; COPY_FILE_RANGE, LSEEK, IOCTL and SETATTR name handles too. */
static void try_other_handle(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	struct fuse_attr_out attr;
	uint64_t fh, mine, at;
	int flags = 0;

	(void)arg;
	world_other(w);
	want("CREATE", fuse_create(&w->other, ROOT, "private", O_RDWR, 0600, &e, &fh), 0);
	want("WRITE", fuse_write(&w->other, e.nodeid, fh, "theirs", 6, 0), 6);
	want("READ", fuse_read(&w->c, w->file, fh, NULL, 6, 0), -EBADF);
	want("WRITE", fuse_write(&w->c, w->file, fh, "X", 1, 0), -EBADF);
	want("LSEEK", fuse_lseek(&w->c, w->file, fh, 0, SEEK_DATA, &at), -EBADF);
	want("FALLOCATE", fuse_fallocate(&w->c, w->file, fh, 0, 0, 4096), -EBADF);
	want("IOCTL", fuse_ioctl(&w->c, w->file, fh, 0x80086601, &flags, 0, 4, &(struct fuse_ioctl_out){0}), -EBADF);
	struct fuse_setattr_in in = {.valid = FATTR_SIZE | FATTR_FH, .fh = fh};
	want("SETATTR", fuse_setattr(&w->c, w->file, &in, &attr), -EBADF);
	want("RELEASE", fuse_release(&w->c, w->file, fh), -EBADF);
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &mine), 0);
	struct fuse_copy_file_range_in copy = {.fh_in = mine + 1, .nodeid_out = w->file, .fh_out = mine, .len = 6};
	want("COPY_FILE_RANGE out", fuse_copy_file_range(&w->c, FUSE_COPY_FILE_RANGE, &copy, w->file), -EBADF);
	copy = (struct fuse_copy_file_range_in){.fh_in = mine, .nodeid_out = w->file, .fh_out = mine + 1, .len = 6};
	want("COPY_FILE_RANGE in", fuse_copy_file_range(&w->c, GRAFT_OP_COPY_FILE_RANGE_64, &copy, w->file), -EBADF);
	want("its owner's READ", fuse_read(&w->other, e.nodeid, fh, NULL, 100, 0), 6);
}

/* A handle with the node of another file, and with that of the root. */
static void try_other_node(struct world *w, const void *arg)
{
	uint64_t fh, dir_fh, other = look(w, ROOT, "other");
	const uint64_t nodes[] = {other, w->dir, ROOT};

	(void)arg;
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &fh), 0);
	want("OPENDIR", fuse_opendir(&w->c, w->dir, &dir_fh), 0);
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		want("READ", fuse_read(&w->c, nodes[i], fh, NULL, 6, 0), -EBADF);
		want("WRITE", fuse_write(&w->c, nodes[i], fh, "X", 1, 0), -EBADF);
		want("RELEASE", fuse_release(&w->c, nodes[i], fh), -EBADF);
	}
	want("READDIR of another", fuse_readdir(&w->c, w->sub, dir_fh, 0, 4096), -EBADF);
	want("READDIRPLUS of the root", fuse_readdirplus(&w->c, ROOT, dir_fh, 0, 4096), -EBADF);
	want("READDIR of a file", fuse_readdir(&w->c, w->file, fh, 0, 4096), -ENOTDIR);
}

static struct fuse_lk_in write_lock(uint64_t fh, uint32_t type, uint32_t flags)
{
	return (struct fuse_lk_in){
		.fh = fh, .owner = 7, .lk = {.end = INT64_MAX, .type = type, .pid = 7}, .lk_flags = flags};
}

/* Another guest's lock is not the attacker's to free, though he names the same owner. */
static void try_unlock(struct world *w, const void *arg)
{
	uint32_t flags = arg ? FUSE_LK_FLOCK : 0;
	struct fuse_entry_out e;
	uint64_t theirs, mine;

	world_other(w);
	want("CREATE", fuse_create(&w->other, ROOT, "locked", O_RDWR, 0666, &e, &theirs), 0);
	struct fuse_lk_in in = write_lock(theirs, F_WRLCK, flags);
	want("SETLK", fuse_lock(&w->other, FUSE_SETLK, e.nodeid, &in, NULL), 0);
	uint64_t node = look(w, ROOT, "locked");
	want("OPEN", fuse_open(&w->c, node, O_RDWR, &mine), 0);
	in = write_lock(mine, F_UNLCK, flags);
	want("unlock", fuse_lock(&w->c, FUSE_SETLK, node, &in, NULL), 0);
	in = write_lock(mine, F_WRLCK, flags);
	want("SETLK", fuse_lock(&w->c, FUSE_SETLK, node, &in, NULL), -EAGAIN);
	in = write_lock(mine + 1, F_UNLCK, flags);
	want("unlock by a handle made up", fuse_lock(&w->c, FUSE_SETLK, node, &in, NULL), -EBADF);
	want("RELEASE", fuse_release(&w->c, node, mine), 0);
	want("OPEN", fuse_open(&w->c, node, O_RDWR, &mine), 0);
	in = write_lock(mine, F_WRLCK, flags);
	want("SETLK", fuse_lock(&w->c, FUSE_SETLK, node, &in, NULL), -EAGAIN);
}

static const struct attempt rows[] = {
	{"node id", "made up", try_made_up, NULL, 0},
	{"node id", "forgotten, and forgotten too often", try_forgotten, NULL, 0},
	{"node id", "of the session before INIT and DESTROY", try_former, NULL, 0},
	{"node id", "with the slot of another mount", try_other_mount, NULL, 0},
	{"node id", "RENAME, LINK and COPY_FILE_RANGE from mount to mount", try_across, NULL, 0},
	{"node id", "of another guest, in every opcode", try_other_session, NULL, 0},
	{"handle", "the number of a descriptor of the daemon", try_descriptors, NULL, 0},
	{"handle", "of another guest, on one's own file", try_other_handle, NULL, 0},
	{"handle", "with the node of another file", try_other_node, NULL, 0},
	{"lock", "of another guest freed: POSIX", try_unlock, NULL, 0},
	{"lock", "of another guest freed: flock", try_unlock, "flock", 0},
};

const struct attempt_table ids_table = ATTEMPT_TABLE(rows);
