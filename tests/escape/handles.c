/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that live on a file handle for want of descriptors: what the kernel finds by it is what the guest was given, or nothing. */
#include "tests/escape/attempt.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define FILES 400 /* more than twice the descriptors that the daemon has */

static uint64_t nodes[FILES];

static const char *file_name(const char *dir, unsigned i)
{
	static char name[2][64];
	static unsigned turn;
	char *p = name[turn++ % 2];

	snprintf(p, sizeof(name[0]), "%s/f-%u", dir, i);
	return p;
}

/* More nodes than there are descriptors: most of them have none. */
static void look_up_many(struct world *w, const char *dir, uint64_t parent)
{
	for (unsigned i = 0; i < FILES; i++) {
		host_file(w, file_name(dir, i), INSIDE);
		nodes[i] = look(w, parent, strrchr(file_name(dir, i), '/') + 1);
	}
	assert_in_range(daemon_fds(&w->daemon), 1, WORLD_FEW_FILES);
}

/* Every old node gives what it was, or nothing. The number that gave something. */
static unsigned read_many(struct world *w)
{
	unsigned found = 0;
	char data[100];
	uint64_t fh;

	for (unsigned i = 0; i < FILES; i++) {
		int res = fuse_open(&w->c, nodes[i], O_RDWR, &fh);
		if (res < 0) {
			want("OPEN", res, -ESTALE);
			continue;
		}
		want("READ", fuse_read(&w->c, nodes[i], fh, data, sizeof(data), 0), (int64_t)strlen(INSIDE));
		assert_memory_equal(data, INSIDE, strlen(INSIDE));
		want("WRITE", fuse_write(&w->c, nodes[i], fh, INSIDE, 1, 0), 1);
		want("RELEASE", fuse_release(&w->c, nodes[i], fh), 0);
		found++;
	}
	return found;
}

static ino_t number_of(const struct world *w, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(world_path(w, name), &st), 0);
	return st.st_ino;
}

/*
 * The host deletes what the guest holds and makes files of its own, which get the inode numbers that have become free: a handle also has
 * the inode's generation.
 */
static void try_reused(struct world *w, const void *arg)
{
	static bool had[1 << 24];
	unsigned again = 0;

	(void)arg;
	look_up_many(w, "share/dir", w->dir);
	memset(had, 0, sizeof(had));
	for (unsigned i = 0; i < FILES; i++) {
		had[number_of(w, file_name("share/dir", i)) % sizeof(had)] = true;
		assert_int_equal(unlink(world_path(w, file_name("share/dir", i))), 0);
	}
	for (unsigned i = 0; i < FILES; i++) {
		host_file(w, file_name("away", i), w->canary.secret);
		again += had[number_of(w, file_name("away", i)) % sizeof(had)];
	}
	print_message("%u of %u inode numbers came again\n", again, FILES); /* tmpfs uses none twice */
	unsigned kept = read_many(w); /* those that have a descriptor still */
	assert_true(kept < FILES);
	for (unsigned i = 0; i < FILES; i++) {
		char text[100] = "";
		int fd = open(world_path(w, file_name("away", i)), O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(w->canary.secret));
		close(fd);
		assert_string_equal(text, w->canary.secret);
		unlink(world_path(w, file_name("away", i)));
	}
}

/* Links and pipes under the names of old: a handle knows no name. */
static void try_renamed(struct world *w, const void *arg)
{
	(void)arg;
	look_up_many(w, "share/dir", w->dir);
	for (unsigned i = 0; i < FILES; i++) {
		const char *at = world_path(w, file_name("share/dir", i));
		assert_int_equal(rename(at, world_path(w, file_name("share", i))), 0);
		if (i % 2)
			assert_int_equal(symlink(world_path(w, "outside/file"), at), 0);
		else
			assert_int_equal(mkfifo(at, 0666), 0);
	}
	assert_int_equal(read_many(w), FILES);
}

/* A file system that went, and another in its place, with handles that may look the same. */
static void try_other_fs(struct world *w, const void *arg)
{
	(void)arg;
	host_mount(w, "tmpfs", "share/dir/sub", "tmpfs");
	look_up_many(w, "share/dir/sub", look(w, w->dir, "sub"));
	assert_int_equal(umount2(w->mounted[--w->nmounted], MNT_DETACH), 0);
	host_mount(w, "tmpfs", "share/dir/sub", "tmpfs");
	for (unsigned i = 0; i < FILES; i++)
		host_file(w, file_name("share/dir/sub", i), w->canary.secret);
	read_many(w);
}

static const struct attempt rows[] = {
	{"file handle", "inode numbers that files of the outside got", try_reused, NULL, ATTEMPT_ROOT},
	{"file handle", "links and pipes under the names of old", try_renamed, NULL, ATTEMPT_ROOT},
	{"file handle", "of a file system that went, another in its place", try_other_fs, NULL, ATTEMPT_ROOT | ATTEMPT_MOUNT},
};

const struct attempt_table handles_table = ATTEMPT_TABLE(rows);
