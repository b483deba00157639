/* SPDX-License-Identifier: Apache-2.0 */
/* A tree outside of the share: making it, describing it, finding it again. */
#include "tests/escape/canary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TEXT_MAX 4096 /* bytes of a file, a target, a list or a value that are looked at */

static int write_file(const char *dir, const char *name, const char *text)
{
	char path[700];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	if (!f)
		return -errno;
	fputs(text, f);
	return fclose(f) ? -EIO : 0;
}

static int fill(struct canary *c)
{
	char dir[600], target[600], pipe[600], file[600];
	int res = write_file(c->root, "file", c->secret);

	snprintf(dir, sizeof(dir), "%s/dir", c->root);
	snprintf(target, sizeof(target), "%s/link", c->root);
	snprintf(pipe, sizeof(pipe), "%s/pipe", c->root);
	snprintf(file, sizeof(file), "%s/file", c->root);
	if (res == 0)
		res = write_file(c->root, c->secret, "named");
	if (res < 0)
		return res;
	if (mkdir(dir, 0755) < 0 || symlink(c->secret, target) < 0 || mkfifo(pipe, 0600) < 0)
		return -errno;
	/* A file system without extended attributes has none to lose. */
	setxattr(file, "user.canary", c->secret, strlen(c->secret), 0);
	return write_file(dir, "inner", c->secret);
}

static int give_to(const char *root, uid_t user)
{
	DIR *dir = opendir(root);
	const struct dirent *e;
	int res = 0;

	while (dir && (e = readdir(dir))) {
		if (strcmp(e->d_name, "..") && fchownat(dirfd(dir), e->d_name, user, user, AT_SYMLINK_NOFOLLOW) < 0)
			res = -errno;
	}
	if (!dir)
		return -errno;
	closedir(dir);
	return res;
}

int canary_make(struct canary *c, const char *root, uid_t user)
{
	uint64_t random = 0;
	char dir[600];

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(c->root, sizeof(c->root), "%s", root);
	snprintf(c->secret, sizeof(c->secret), "secret-%016" PRIx64, random);
	if (mkdir(c->root, 0755) < 0)
		return -errno;
	int res = fill(c);
	snprintf(dir, sizeof(dir), "%s/dir", c->root);
	if (res == 0 && user)
		res = give_to(c->root, user);
	if (res == 0 && user)
		res = give_to(dir, user);
	if (res < 0)
		return res;
	c->state = canary_state(c->root);
	return c->state ? 0 : -ENOMEM;
}

void canary_free(struct canary *c)
{
	free(c->state);
	c->state = NULL;
}

static void put_bytes(FILE *out, const char *what, const char *bytes, ssize_t len)
{
	fprintf(out, " %s=", what);
	for (ssize_t i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i] & 0xffu);
}

static void put_xattrs(FILE *out, const char *path)
{
	char names[TEXT_MAX], value[TEXT_MAX];
	ssize_t n = llistxattr(path, names, sizeof(names));

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		ssize_t len = lgetxattr(path, names + i, value, sizeof(value));
		put_bytes(out, names + i, value, len);
	}
}

static void put_content(FILE *out, const char *path, const struct stat *st)
{
	char text[TEXT_MAX];
	ssize_t n = -1;

	if (S_ISLNK(st->st_mode)) {
		n = readlink(path, text, sizeof(text));
	} else if (S_ISREG(st->st_mode)) {
		int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text));
		if (fd >= 0)
			close(fd);
	}
	put_bytes(out, "holds", text, n);
}

static void put_one(FILE *out, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		fprintf(out, "%s: %s\n", path, strerror(errno));
		return;
	}
	fprintf(out, "%s: ino=%ju mode=%o links=%ju owner=%u:%u rdev=%jx size=%jd mtime=%jd.%09ld ctime=%jd.%09ld", path,
		(uintmax_t)st.st_ino, st.st_mode, (uintmax_t)st.st_nlink, st.st_uid, st.st_gid, (uintmax_t)st.st_rdev,
		(intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec,
		st.st_ctim.tv_nsec);
	put_content(out, path, &st);
	put_xattrs(out, path);
	fputc('\n', out);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* depth: a tree is looked at for as many levels. */
static void put_tree(FILE *out, const char *root, unsigned depth)
{
	struct dirent **list = NULL;
	struct stat st;
	char path[1024];

	put_one(out, root);
	if (!depth || lstat(root, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	int n = scandir(root, &list, NULL, by_name);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			snprintf(path, sizeof(path), "%.600s/%.255s", root, name);
			put_tree(out, path, depth - 1);
		}
		free(list[i]);
	}
	free(list);
}

char *canary_state(const char *root)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_tree(out, root, 8);
	fclose(out);
	return text;
}

bool canary_same(const char *before, const char *after)
{
	if (before && after && strcmp(before, after) == 0)
		return true;
	fprintf(stderr, "--- was\n%s--- is\n%s---\n", before ? before : "", after ? after : "");
	return false;
}

bool canary_whole(const struct canary *c)
{
	char *now = canary_state(c->root);
	bool same = canary_same(c->state, now);

	free(now);
	return same;
}

bool canary_in(const struct canary *c, const void *bytes, size_t len)
{
	return memmem(bytes, len, c->secret, strlen(c->secret)) != NULL;
}
