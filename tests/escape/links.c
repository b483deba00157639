/* SPDX-License-Identifier: Apache-2.0 */
/* Symbolic links: followed by nobody but the guest itself, wherever they stand and whoever made them. */
#include "tests/escape/attempt.h"

#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Names that stand in the canary, so that a link that was followed would give something. */
void try_as_parent(struct world *w, uint64_t node)
{
	static const char *const names[] = {"file", "dir", "link", "new"};
	struct fuse_client *c = &w->c;
	struct fuse_entry_out e;
	uint64_t fh;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *n = names[i];
		want("LOOKUP", fuse_lookup(c, node, n, &e), -ENOTDIR);
		want("CREATE", fuse_create(c, node, n, O_RDWR, 0666, &e, &fh), -ENOTDIR);
		want("CREATE, O_TRUNC", fuse_create(c, node, n, O_WRONLY | O_TRUNC, 0666, &e, &fh), -ENOTDIR);
		want("MKDIR", fuse_mkdir(c, node, n, 0777, &e), -ENOTDIR);
		want("MKNOD", fuse_mknod(c, node, n, S_IFREG | 0666, 0, &e), -ENOTDIR);
		want("MKNOD, a pipe", fuse_mknod(c, node, n, S_IFIFO | 0666, 0, &e), -ENOTDIR);
		want("SYMLINK", fuse_symlink(c, node, n, "target", &e), -ENOTDIR);
		want("LINK", fuse_link(c, w->file, node, n, &e), -ENOTDIR);
		want("UNLINK", fuse_unlink(c, node, n), -ENOTDIR);
		want("RMDIR", fuse_rmdir(c, node, n), -ENOTDIR);
		want("RENAME out of it", fuse_rename(c, node, n, w->dir, "taken"), -ENOTDIR);
		want("RENAME into it", fuse_rename(c, w->dir, "file", node, n), -ENOTDIR);
		want("RENAME2 out of it", fuse_rename2(c, node, n, w->dir, "taken", RENAME_NOREPLACE), -ENOTDIR);
		want("RENAME2 into it", fuse_rename2(c, w->dir, "file", node, n, RENAME_EXCHANGE), -ENOTDIR);
	}
	want("OPENDIR", fuse_opendir(c, node, &fh), -ENOTDIR);
	want("TMPFILE", fuse_tmpfile(c, node, O_RDWR, 0600, &e, &fh), -ENOTDIR);
}

static void try_open(struct world *w, uint64_t node)
{
	static const uint32_t flags[] = {O_RDONLY,          O_WRONLY | O_TRUNC,       O_RDWR,
					 O_RDWR | O_APPEND, O_RDONLY | O_NONBLOCK,    O_PATH,
					 O_PATH | O_DIRECTORY, O_DIRECTORY,           O_NOFOLLOW,
					 O_PATH | O_NOFOLLOW, O_WRONLY | O_DIRECT,    O_ACCMODE};
	uint64_t fh;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		want("OPEN", fuse_open(&w->c, node, flags[i], &fh), -EBADF);
	assert_true(fuse_open(&w->c, node, O_TMPFILE | O_RDWR, &fh) < 0);
	assert_true(fuse_open(&w->c, node, O_CREAT | O_EXCL | O_RDWR, &fh) < 0);
}

static void try_xattrs(struct world *w, uint64_t node)
{
	char value[256], names[4096];

	assert_true(fuse_getxattr(&w->c, node, "user.canary", value, sizeof(value)) < 0);
	assert_true(fuse_setxattr(&w->c, node, "user.canary", "x", 1, 0) < 0);
	assert_true(fuse_removexattr(&w->c, node, "user.canary") < 0);
	ssize_t n = fuse_listxattr(&w->c, node, names, sizeof(names));
	assert_true(n < 0 || !memmem(names, (size_t)n, "user.canary", 11));
}

void try_as_file(struct world *w, uint64_t node)
{
	struct fuse_setattr_in owner = {.valid = FATTR_UID | FATTR_GID, .uid = w->user, .gid = w->user};
	struct fuse_setattr_in times = {.valid = FATTR_ATIME | FATTR_MTIME, .atime = 1, .mtime = 1};
	struct fuse_setattr_in size = {.valid = FATTR_SIZE};
	struct fuse_attr_out attr;

	try_open(w, node);
	try_xattrs(w, node);
	want("SETATTR, the size", fuse_setattr(&w->c, node, &size, &attr), -EBADF);
	/* These are done to the object itself, which the guest may. */
	fuse_setattr(&w->c, node, &owner, &attr);
	fuse_setattr(&w->c, node, &times, &attr);
	fuse_access(&w->c, node, 7);
	fuse_syncfs(&w->c, node);
}

/* A link as such: it can be read, and shows as a link whatever is asked. */
static void try_link(struct world *w, uint64_t node)
{
	struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = 07777};
	struct fuse_statx_out stx;
	struct fuse_attr_out attr;
	uint64_t fh;

	try_as_parent(w, node);
	try_as_file(w, node);
	want("SETATTR, the mode", fuse_setattr(&w->c, node, &mode, &attr), -EOPNOTSUPP);
	want("GETATTR", fuse_getattr(&w->c, node, &attr), 0);
	assert_true(S_ISLNK(attr.attr.mode));
	want("STATX", fuse_statx(&w->c, node, UINT32_MAX, &stx), 0);
	assert_true(S_ISLNK(stx.stat.mode));
	want("OPENDIR", fuse_opendir(&w->c, node, &fh), -ENOTDIR);
}

/* A guest's own link, by any target; arg: the target, where %s is the canary. */
static void try_made(struct world *w, const void *arg)
{
	struct fuse_entry_out e, hard;
	char target[700], back[4096];
	const char *form = arg, *at = strstr(form, "%s");
	uint64_t fh;

	snprintf(target, sizeof(target), "%.*s%s%s", at ? (int)(at - form) : (int)strlen(form), form,
		 at ? w->canary.root : "", at ? at + 2 : "");
	want("SYMLINK", fuse_symlink(&w->c, ROOT, "made", target, &e), 0);
	try_link(w, e.nodeid);
	try_link(w, look(w, ROOT, "made"));
	want("READLINK", fuse_readlink(&w->c, e.nodeid, back, sizeof(back)), 0);
	assert_string_equal(back, target);
	/* A second name of the link, not of what it points to. */
	want("LINK", fuse_link(&w->c, e.nodeid, ROOT, "second", &hard), 0);
	assert_true(S_ISLNK(hard.attr.mode));
	want("CREATE over it", fuse_create(&w->c, ROOT, "made", O_RDWR | O_TRUNC, 0666, &e, &fh), -ESTALE);
	want("CREATE, O_EXCL", fuse_create(&w->c, ROOT, "made", O_RDWR | O_EXCL, 0666, &e, &fh), -EEXIST);
	want("MKDIR over it", fuse_mkdir(&w->c, ROOT, "made", 0777, &e), -EEXIST);
	want("RENAME over it", fuse_rename(&w->c, w->dir, "file", ROOT, "made"), 0);
}

/* One that the host's user put there; arg: its name. */
static void try_found(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	try_link(w, look(w, ROOT, arg));
	want("CREATE over it", fuse_create(&w->c, ROOT, arg, O_RDWR | O_TRUNC, 0666, &e, &fh), -ESTALE);
	want("RMDIR", fuse_rmdir(&w->c, ROOT, arg), -ENOTDIR);
	want("UNLINK", fuse_unlink(&w->c, ROOT, arg), 0);
}

/* A directory changes places with a link: whoever holds the directory goes on in it. */
static void try_exchange(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	want("RENAME2", fuse_rename2(&w->c, ROOT, "dir", ROOT, "to-dir", RENAME_EXCHANGE), 0);
	want("CREATE in it", fuse_create(&w->c, w->dir, "new", O_RDWR, 0666, &e, &fh), 0);
	assert_int_equal(access(world_path(w, "share/to-dir/new"), F_OK), 0);
	assert_int_equal(access(world_path(w, "outside/new"), F_OK), -1);
	try_link(w, look(w, ROOT, "dir"));
	want("SETATTR", fuse_truncate(&w->c, w->file, 1), 0);
}

/* The same by the host's user, between a look-up and what follows it. */
static void try_replaced(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	assert_int_equal(rename(world_path(w, "share/dir"), world_path(w, "share/gone")), 0);
	assert_int_equal(symlink(w->canary.root, world_path(w, "share/dir")), 0);
	want("CREATE", fuse_create(&w->c, w->dir, "new", O_RDWR, 0666, &e, &fh), 0);
	want("UNLINK", fuse_unlink(&w->c, w->dir, "file"), 0);
	want("MKDIR", fuse_mkdir(&w->c, w->dir, "made", 0777, &e), 0);
	want("RENAME", fuse_rename(&w->c, w->dir, "made", w->sub, "moved"), 0);
	assert_int_equal(access(world_path(w, "share/gone/new"), F_OK), 0);
	try_link(w, look(w, ROOT, "dir"));
}

/* A file that became a link under the same name. */
static void try_replaced_file(struct world *w, const void *arg)
{
	char data[64];
	uint64_t fh;

	(void)arg;
	want("OPEN", fuse_open(&w->c, w->file, O_RDWR, &fh), 0);
	assert_int_equal(rename(world_path(w, "share/dir/file"), world_path(w, "share/gone")), 0);
	assert_int_equal(symlink(world_path(w, "outside/file"), world_path(w, "share/dir/file")), 0);
	want("WRITE", fuse_write(&w->c, w->file, fh, "X", 1, 0), 1);
	want("READ", fuse_read(&w->c, w->file, fh, data, sizeof(data), 0), (int64_t)strlen(INSIDE));
	want("truncate", fuse_truncate(&w->c, w->file, 0), 0);
	want("OPEN again", fuse_open(&w->c, w->file, O_RDWR | O_TRUNC, &fh), 0);
	try_link(w, look(w, w->dir, "file"));
}

/* Links that the kernel makes up, which lead to a file without a path: /proc of this host, mounted below the share. */
static void try_magic(struct world *w, const void *arg)
{
	char name[32];
	uint64_t proc, process;

	snprintf(name, sizeof(name), "%d", (int)getpid());
	host_mount(w, "proc", "share/dir/sub", "proc");
	proc = look(w, w->dir, "sub");
	try_as_parent(w, look(w, proc, "self"));
	process = look(w, proc, name);
	try_as_parent(w, look(w, process, arg));
	try_as_file(w, look(w, process, arg));
}

/* The process that serves: in the mode namespace a child of the one that was started. */
static pid_t serving(pid_t started)
{
	char path[64];
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)started, (int)started);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%d", &child) != 1)
		child = 0;
	if (f)
		fclose(f);
	return child ? child : started;
}

/* The daemon's own descriptors, by the same way. */
static void try_descriptors(struct world *w, const void *arg)
{
	char name[32];

	(void)arg;
	host_mount(w, "proc", "share/dir/sub", "proc");
	snprintf(name, sizeof(name), "%d", (int)serving(w->daemon.pid));
	uint64_t fds = look(w, look(w, look(w, w->dir, "sub"), name), "fd");
	for (unsigned i = 0; i < 12; i++) {
		struct fuse_entry_out e;
		snprintf(name, sizeof(name), "%u", i);
		if (fuse_lookup(&w->c, fds, name, &e) < 0)
			continue;
		assert_true(S_ISLNK(e.attr.mode));
		try_as_parent(w, e.nodeid);
		try_as_file(w, e.nodeid);
	}
}

#define MADE(target) {"link", "made by the guest: " target, try_made, target, 0}

static const struct attempt rows[] = {
	MADE("%s"),
	MADE("%s/file"),
	MADE("%s/dir/inner"),
	MADE("../outside"),
	MADE("../outside/file"),
	MADE("/"),
	MADE(".."),
	MADE("."),
	MADE("to-dir"),
	MADE("made"),
	MADE("/proc/self/root%s"),
	MADE("/proc/self/root"),
	MADE("/proc/self/cwd"),
	MADE("/proc/self/fd/0"),
	MADE("/proc/self/fd/7"),
	MADE("/proc/self/fd"),
	MADE("/proc/1/root"),
	MADE("/proc/1/cwd"),
	MADE("/dev/fd/5"),
	{"link", "of the host's user, to a directory", try_found, "to-dir", 0},
	{"link", "of the host's user, to a file", try_found, "to-file", 0},
	{"link", "RENAME_EXCHANGE of a directory with a link", try_exchange, NULL, 0},
	{"link", "the host puts a link in a directory's place", try_replaced, NULL, 0},
	{"link", "the host puts a link in an open file's place", try_replaced_file, NULL, 0},
	{"magic link", "/proc/PID/root below the share", try_magic, "root", ATTEMPT_MOUNT},
	{"magic link", "/proc/PID/cwd below the share", try_magic, "cwd", ATTEMPT_MOUNT},
	{"magic link", "/proc/PID/exe below the share", try_magic, "exe", ATTEMPT_MOUNT},
	{"magic link", "the daemon's own /proc/PID/fd/N", try_descriptors, NULL, ATTEMPT_MOUNT | ATTEMPT_ROOT},
};

const struct attempt_table links_table = ATTEMPT_TABLE(rows);
