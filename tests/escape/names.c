/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are no names, in every operation that carries one. */
#include "tests/escape/attempt.h"

#include "tests/vring/fuse_samples.h"

#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An operation with a bad name; every other argument is in order. */
typedef int try_name(struct world *w, const char *name);

static int lookup(struct world *w, const char *name)
{
	return fuse_lookup(&w->c, w->dir, name, &(struct fuse_entry_out){.nodeid = 0});
}

static int lookup_root(struct world *w, const char *name)
{
	return fuse_lookup(&w->c, ROOT, name, &(struct fuse_entry_out){.nodeid = 0});
}

static int make_dir(struct world *w, const char *name)
{
	return fuse_mkdir(&w->c, w->dir, name, 0777, &(struct fuse_entry_out){.nodeid = 0});
}

static int make_node(struct world *w, const char *name)
{
	return fuse_mknod(&w->c, w->dir, name, S_IFREG | 0666, 0, &(struct fuse_entry_out){.nodeid = 0});
}

static int make_link(struct world *w, const char *name)
{
	return fuse_symlink(&w->c, w->dir, name, "target", &(struct fuse_entry_out){.nodeid = 0});
}

static int create(struct world *w, const char *name)
{
	uint64_t fh;

	return fuse_create(&w->c, w->dir, name, O_RDWR, 0666, &(struct fuse_entry_out){.nodeid = 0}, &fh);
}

static int create_over(struct world *w, const char *name)
{
	uint64_t fh;

	return fuse_create(&w->c, w->dir, name, O_RDWR | O_CREAT | O_TRUNC, 0666,
			   &(struct fuse_entry_out){.nodeid = 0}, &fh);
}

static int hard_link(struct world *w, const char *name)
{
	return fuse_link(&w->c, w->file, w->dir, name, &(struct fuse_entry_out){.nodeid = 0});
}

static int unlink_name(struct world *w, const char *name)
{
	return fuse_unlink(&w->c, w->dir, name);
}

static int remove_dir(struct world *w, const char *name)
{
	return fuse_rmdir(&w->c, w->dir, name);
}

static int rename_from(struct world *w, const char *name)
{
	return fuse_rename(&w->c, w->dir, name, w->dir, "taken");
}

static int rename_to(struct world *w, const char *name)
{
	return fuse_rename(&w->c, w->dir, "file", w->dir, name);
}

static int rename2_from(struct world *w, const char *name)
{
	return fuse_rename2(&w->c, w->dir, name, w->dir, "taken", RENAME_NOREPLACE);
}

static int rename2_to(struct world *w, const char *name)
{
	return fuse_rename2(&w->c, w->dir, "file", w->dir, name, 0);
}

static int exchange_from(struct world *w, const char *name)
{
	return fuse_rename2(&w->c, w->dir, name, w->dir, "file", RENAME_EXCHANGE);
}

static int exchange_to(struct world *w, const char *name)
{
	return fuse_rename2(&w->c, w->dir, "file", w->dir, name, RENAME_EXCHANGE);
}

struct name_call {
	try_name *call;
};

/* Whatever the name, the answer says what is wrong with it, and nothing was looked at. */
static void try_names(struct world *w, const void *arg)
{
	const struct name_call *n = arg;
	char absolute[600], file[600], deep[600], long_name[257], longer[5000], what[400];
	const char *const names[] = {
		"",           ".",           "..",         "/",         "//",        "../outside/file", "../../outside/file",
		"../..",      "../share",    "sub/..",     "sub/../..", "./file",    "file/",           "file/.",
		"/etc/passwd", "to-dir/file", "../to-dir/file", "/proc/self/root", absolute,    file,              deep,
	};

	snprintf(absolute, sizeof(absolute), "%s", w->canary.root);
	snprintf(file, sizeof(file), "%s/file", w->canary.root);
	snprintf(deep, sizeof(deep), "../../../../../../../../../../..%s/file", w->canary.root);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(what, sizeof(what), "name '%.300s'", names[i]);
		want(what, n->call(w, names[i]), -EINVAL);
	}
	memset(long_name, 'l', 256);
	long_name[256] = 0;
	want("256 bytes", n->call(w, long_name), -ENAMETOOLONG);
	/* A path as long as paths may be, to the outside all the same. */
	memset(longer, '/', sizeof(longer));
	snprintf(longer + 4000, 900, "%s/file", w->canary.root);
	want("4,000 slashes and a path", n->call(w, longer), -ENAMETOOLONG);
	assert_int_equal(access(world_path(w, "share/dir/file"), F_OK), 0);
	assert_int_equal(access(world_path(w, "share/dir/taken"), F_OK), -1);
}

/* A sample of a request with more bytes behind its names. */
static int send_with(struct world *w, struct sample *s, const char *more, size_t len)
{
	memcpy(s->bytes + s->len, more, len);
	uint32_t whole = s->len + (uint32_t)len;
	memcpy(s->bytes, &whole, sizeof(whole));
	struct fuse_op op = {.raw = s->bytes, .raw_len = whole, .reply_len = 200, .no_reply = s->no_reply};
	return fuse_call(&w->c, &op);
}

/* A NUL ends a name; a second path behind it must not be taken for anything. */
static void try_nul(struct world *w, const void *arg)
{
	static const char more[] = "../outside/file";
	const struct sample_nodes n = {.dir = w->dir, .file = w->file, .flags = w->c.flags, .name = "file"};
	unsigned tried = 0;
	struct sample s;

	(void)arg;
	for (uint32_t opcode = 0; opcode < GRAFT_OP_COUNT; opcode++) {
		if (!fuse_sample(opcode, &n, &s) || !s.names || opcode == FUSE_SETXATTR)
			continue;
		want("a path behind a NUL", send_with(w, &s, more, sizeof(more)), -EINVAL);
		tried++;
	}
	assert_true(tried >= 12);
}

/* The protocol gives TMPFILE a name, which means nothing. */
static void try_tmpfile(struct world *w, const void *arg)
{
	const struct fuse_create_in in = {.flags = O_RDWR, .mode = 0600};
	const char *const names[] = {"/", "..", "../outside/made", world_path(w, "outside/made"), "/proc/self/root"};

	(void)arg;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct fuse_op op = {.opcode = FUSE_TMPFILE,
				     .node = w->dir,
				     .arg = {{&in, sizeof(in)}, {names[i], (uint32_t)strlen(names[i]) + 1}},
				     .nargs = 2,
				     .reply_len = sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out)};
		int res = fuse_call(&w->c, &op);
		assert_true(res == 0 || res == -EOPNOTSUPP);
	}
}

/* A link's target is text, also one that could be taken for a name. */
static void try_target(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	char longest[4097], back[8192];

	(void)arg;
	memset(longest, '/', 4096);
	longest[4096] = 0;
	want("4096 bytes", fuse_symlink(&w->c, w->dir, "l", longest, &e), -ENAMETOOLONG);
	want("no target", fuse_symlink(&w->c, w->dir, "l", "", &e), -EINVAL);
	longest[4095] = 0;
	want("4095 bytes", fuse_symlink(&w->c, w->dir, "l", longest, &e), 0);
	assert_int_equal(fuse_readlink(&w->c, e.nodeid, back, sizeof(back)), 0);
	assert_string_equal(back, longest);
	/* The name and the target the other way round: an absolute name. */
	want("absolute name", fuse_symlink(&w->c, w->dir, w->canary.root, "l", &e), -EINVAL);
}

/* Names of extended attributes are no paths, but the kernel should not have to say so. */
static void try_xattr_names(struct world *w, const void *arg)
{
	const char *const names[] = {"../outside/file", "/", ".", "..", world_path(w, "outside/file"), "user", "user."};
	char value[100], long_name[257];

	(void)arg;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(fuse_getxattr(&w->c, w->file, names[i], value, sizeof(value)) < 0);
		assert_true(fuse_setxattr(&w->c, w->file, names[i], "x", 1, 0) < 0);
		assert_true(fuse_removexattr(&w->c, w->file, names[i]) < 0);
	}
	memset(long_name, 'x', 256);
	memcpy(long_name, "user.", 5);
	long_name[256] = 0;
	want("no name", fuse_getxattr(&w->c, w->file, "", value, sizeof(value)), -ERANGE);
	want("256 bytes", fuse_getxattr(&w->c, w->file, long_name, value, sizeof(value)), -ERANGE);
	want("256 bytes, set", fuse_setxattr(&w->c, w->file, long_name, "x", 1, 0), -ERANGE);
	want("256 bytes, removed", fuse_removexattr(&w->c, w->file, long_name), -ERANGE);
}

#define NAMES(text, fn) {"name", text, try_names, &(const struct name_call){fn}, 0}

static const struct attempt rows[] = {
	NAMES("LOOKUP", lookup),
	NAMES("LOOKUP in the root", lookup_root),
	NAMES("MKDIR", make_dir),
	NAMES("MKNOD", make_node),
	NAMES("SYMLINK", make_link),
	NAMES("CREATE", create),
	NAMES("CREATE, O_TRUNC", create_over),
	NAMES("LINK", hard_link),
	NAMES("UNLINK", unlink_name),
	NAMES("RMDIR", remove_dir),
	NAMES("RENAME, the old name", rename_from),
	NAMES("RENAME, the new name", rename_to),
	NAMES("RENAME2, the old name", rename2_from),
	NAMES("RENAME2, the new name", rename2_to),
	NAMES("RENAME2 EXCHANGE, the old name", exchange_from),
	NAMES("RENAME2 EXCHANGE, the new name", exchange_to),
	{"name", "all opcodes: a path behind the name's NUL", try_nul, NULL, 0},
	{"name", "TMPFILE: the name that is ignored", try_tmpfile, NULL, 0},
	{"name", "SYMLINK: targets, and an absolute name", try_target, NULL, 0},
	{"name", "extended attributes", try_xattr_names, NULL, 0},
};

const struct attempt_table names_table = ATTEMPT_TABLE(rows);
