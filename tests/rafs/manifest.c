/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graft-manifest DIR: a line of JSON for each path below DIR, in the order of the paths' bytes: what a file system
 * shows of it. Two trees are the same where their lines are. Times are whole seconds; left out are the root, sizes and
 * link counts of directories, and inode numbers. null is for an xattr that is listed and that the
 * kernel does not give. What cannot be read is told and ends it with status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <search.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BUFFER (1u << 20) /* bytes */
#define LIST_MAX 65536    /* bytes of a list of xattr names, or of a value */

/* The first path of a file with several names. */
struct known {
	dev_t dev;
	ino_t ino;
	const char *path;
};

static struct {
	size_t root; /* bytes of the path of DIR and its slash */
	void *known; /* tree of struct known */
	bool failed;
	unsigned char buffer[BUFFER];
} m;

static void complain(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	m.failed = true;
}

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return p;
}

/* --- texts --- */

/* Bytes of the UTF-8 character at s, and the character; 0 where there is none. s ends with a NUL. */
static unsigned utf8(const unsigned char *s, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (!len)
		return 0;
	uint32_t c = s[0] & (0x7fu >> len);
	for (unsigned i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	*character = c;
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

static void put_unicode(uint32_t c)
{
	if (c < 0x10000)
		printf("\\u%04x", c);
	else
		printf("\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
}

static void put_ascii(unsigned char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *at = c ? strchr(plain, c) : NULL;

	if (at)
		printf("\\%c", letter[at - plain]);
	else if (c < 0x20 || c == 0x7f)
		put_unicode(c);
	else
		putchar(c);
}

/* A JSON string of ASCII alone. What is not UTF-8 is the text \xNN, or in names of xattrs the character U+DCNN. */
static void put_text(const char *text, bool name)
{
	const unsigned char *s = (const unsigned char *)text;

	putchar('"');
	while (*s) {
		uint32_t c;
		unsigned len = utf8(s, &c);

		if (len)
			put_unicode(c);
		else if (*s < 0x80)
			put_ascii(*s);
		else if (name)
			put_unicode(0xdc00u + *s);
		else
			printf("\\\\x%02x", *s);
		s += len ? len : 1;
	}
	putchar('"');
}

static void put_hex(const unsigned char *bytes, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	putchar('"');
}

/* --- parts of a line, in the order of their keys --- */

static int by_inode(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

static const char *first_path(const struct stat *st, const char *rel)
{
	struct known *k = must(malloc(sizeof(*k)));

	*k = (struct known){ .dev = st->st_dev, .ino = st->st_ino, .path = rel };
	struct known **found = must(tsearch(k, &m.known, by_inode));
	if (*found != k)
		free(k);
	return (*found)->path;
}

static void put_digest(const char *path)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = must(EVP_MD_CTX_new());
	unsigned len = 0;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	while (fd >= 0 && (n = read(fd, m.buffer, BUFFER)) > 0)
		EVP_DigestUpdate(ctx, m.buffer, (size_t)n);
	if (n < 0)
		complain(path);
	EVP_DigestFinal_ex(ctx, digest, &len);
	EVP_MD_CTX_free(ctx);
	if (fd >= 0)
		close(fd);
	printf(", \"sha256\": ");
	put_hex(digest, n < 0 ? 0 : len);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_xattr(const char *path, const char *name, bool first)
{
	ssize_t len = lgetxattr(path, name, m.buffer, LIST_MAX);
	bool refused = len < 0 && errno == ENOTSUP;

	if (len < 0 && !refused)
		complain(path);
	printf(first ? ", \"xattr\": {" : ", ");
	put_text(name, true);
	printf(": ");
	if (refused)
		printf("null");
	else
		put_hex(m.buffer, len < 0 ? 0 : (size_t)len);
}

static void put_xattrs(const char *path)
{
	static char list[LIST_MAX];
	static const char *names[LIST_MAX / 2];
	ssize_t len = llistxattr(path, list, sizeof(list));
	size_t n = 0;

	if (len < 0 && errno != ENOTSUP)
		complain(path);
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1)
		names[n++] = list + at;
	qsort(names, n, sizeof(names[0]), by_text);
	for (size_t i = 0; i < n; i++)
		put_xattr(path, names[i], i == 0);
	if (n)
		putchar('}');
}

static void put_target(const char *path)
{
	ssize_t len = readlink(path, (char *)m.buffer, BUFFER - 1);

	if (len < 0)
		complain(path);
	m.buffer[len < 0 ? 0 : len] = 0;
	printf(", \"target\": ");
	put_text((const char *)m.buffer, false);
}

static const char *type_name(mode_t mode)
{
	static const char *const names[16] = { [S_IFIFO >> 12] = "fifo",   [S_IFCHR >> 12] = "char",
					       [S_IFDIR >> 12] = "dir",    [S_IFBLK >> 12] = "block",
					       [S_IFREG >> 12] = "file",   [S_IFLNK >> 12] = "link",
					       [S_IFSOCK >> 12] = "socket" };
	const char *name = names[(mode & S_IFMT) >> 12];

	return name ? name : "unknown";
}

static void put_path(const char *path)
{
	const char *rel = path + m.root;
	struct stat st;

	if (lstat(path, &st)) {
		complain(path);
		return;
	}
	printf("{\"gid\": %u, \"mode\": \"0o%o\", \"mtime\": %" PRId64, st.st_gid, st.st_mode & 07777,
	       (int64_t)st.st_mtime);
	if (S_ISREG(st.st_mode))
		printf(", \"nlink\": %" PRIu64, (uint64_t)st.st_nlink);
	printf(", \"path\": ");
	put_text(rel, false);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf(", \"rdev\": [%u, %u]", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISREG(st.st_mode)) {
		if (st.st_nlink > 1) {
			printf(", \"same_as\": ");
			put_text(first_path(&st, rel), false);
		}
		put_digest(path);
		printf(", \"size\": %" PRId64, (int64_t)st.st_size);
	}
	if (S_ISLNK(st.st_mode))
		put_target(path);
	printf(", \"type\": \"%s\", \"uid\": %u", type_name(st.st_mode), st.st_uid);
	put_xattrs(path);
	puts("}");
}

/* --- the walk --- */

struct paths {
	char **path;
	size_t n, room;
};

static void add_path(struct paths *p, const char *path)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 1024;
		p->path = must(reallocarray(p->path, p->room, sizeof(char *)));
	}
	p->path[p->n++] = must(strdup(path));
}

static void collect(struct paths *p, char *root)
{
	FTS *fts = must(fts_open((char *[]){ root, NULL }, FTS_PHYSICAL | FTS_NOCHDIR, NULL));
	FTSENT *e;

	while (errno = 0, (e = fts_read(fts))) {
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_DC ||
		    (e->fts_info == FTS_NS && e->fts_level == 0)) {
			errno = e->fts_info == FTS_DC ? ELOOP : e->fts_errno;
			complain(e->fts_path);
		}
		if (e->fts_level > 0 && e->fts_info != FTS_DP && e->fts_info != FTS_DNR)
			add_path(p, e->fts_path);
	}
	if (errno)
		complain(root);
	fts_close(fts);
}

int main(int argc, char **argv)
{
	struct paths paths = { 0 };

	if (argc != 2 || !argv[1][0]) {
		fprintf(stderr, "Usage: graft-manifest DIR\n");
		return 2;
	}
	m.root = strlen(argv[1]) + 1;
	collect(&paths, argv[1]);
	qsort(paths.path, paths.n, sizeof(char *), by_text);
	for (size_t i = 0; i < paths.n; i++)
		put_path(paths.path[i]);
	for (size_t i = 0; i < paths.n; i++)
		free(paths.path[i]);
	free(paths.path);
	tdestroy(m.known, free);
	if (fflush(stdout) || ferror(stdout))
		complain("standard output");
	return m.failed;
}
