/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graft-open-files MOUNT SHARE [COUNT]: files that are open on a mount whose kernel moves their data by itself, compared with
 * the share behind it. Without COUNT one check after the other; with it, COUNT files open at the same time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096
#define NOBODY 65534

static const char *mount, *share;
static const char *check; /* that runs */

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "FAILED: %s: ", check);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, " (errno: %s)\n", strerror(code));
	va_end(ap);
	exit(1);
}

#define must(what)                                           \
	do {                                                 \
		if (!(what))                                 \
			die("line %d: %s", __LINE__, #what); \
	} while (0)

static const char *path(const char *root, const char *name)
{
	static char buffers[4][4096];
	static unsigned int next;
	char *buf = buffers[next++ % 4];

	snprintf(buf, sizeof(buffers[0]), "%s/%s", root, name);
	return buf;
}

static int opened(const char *root, const char *name, int flags)
{
	int fd = open(path(root, name), flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("open %s/%s", root, name);
	return fd;
}

static off_t size_of(int fd)
{
	struct stat st;

	must(fstat(fd, &st) == 0);
	return st.st_size;
}

static void reads(int fd, off_t at, const char *text)
{
	char buf[256] = { 0 };
	ssize_t n = pread(fd, buf, strlen(text), at);

	if (n != (ssize_t)strlen(text) || memcmp(buf, text, strlen(text)) != 0)
		die("read %zd bytes, '%.60s' in place of '%s'", n, buf, text);
}

static void writes(int fd, off_t at, const char *text)
{
	must(pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
}

/* What is written on one side is there on the other at once; sizes are right after each change. */
static void both_sides(void)
{
	int fd = opened(mount, "both", O_CREAT | O_EXCL | O_RDWR), host = opened(share, "both", O_RDWR);

	writes(fd, 0, "written by a client");
	reads(host, 0, "written by a client");
	must(size_of(fd) == 19 && size_of(host) == 19);
	writes(host, 0, "changed");
	reads(fd, 0, "changed by a client");
	must(ftruncate(fd, 7) == 0 && size_of(fd) == 7 && size_of(host) == 7);
	must(ftruncate(fd, 100000) == 0 && size_of(host) == 100000);
	must(fallocate(fd, 0, 0, 200000) == 0 && size_of(fd) == 200000);
	writes(fd, 300000, "end");
	must(size_of(fd) == 300003 && lseek(fd, 0, SEEK_END) == 300003);
	must(fsync(fd) == 0 && fdatasync(fd) == 0);
	must(close(fd) == 0);
	fd = opened(mount, "both", O_RDONLY);
	reads(fd, 300000, "end");
	must(close(fd) == 0 && close(host) == 0);
}

static void appending(void)
{
	int one = opened(mount, "log", O_CREAT | O_WRONLY | O_APPEND), two = opened(mount, "log", O_WRONLY | O_APPEND);
	int host = opened(share, "log", O_RDWR | O_APPEND);

	must(write(one, "a", 1) == 1 && write(two, "b", 1) == 1 && write(host, "c", 1) == 1 && write(one, "d", 1) == 1);
	reads(host, 0, "abcd");
	must(size_of(one) == 4);
	must(close(one) == 0 && close(two) == 0 && close(host) == 0);
}

static void mapped(void)
{
	int fd = opened(mount, "map", O_CREAT | O_RDWR), host = opened(share, "map", O_RDWR), text = opened(mount, "map", O_RDONLY);

	must(ftruncate(fd, 2 * BLOCK) == 0);
	char *mine = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *other = mmap(NULL, 2 * BLOCK, PROT_READ, MAP_PRIVATE, text, 0);
	char *theirs = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, host, 0);
	must(mine != MAP_FAILED && other != MAP_FAILED && theirs != MAP_FAILED);
	memcpy(mine + BLOCK, "by mapping", 10);
	reads(host, BLOCK, "by mapping");
	reads(text, BLOCK, "by mapping");
	must(memcmp(theirs + BLOCK, "by mapping", 10) == 0);
	memcpy(theirs, "theirs", 6);
	must(memcmp(mine, "theirs", 6) == 0 && memcmp(other, "theirs", 6) == 0);
	writes(fd, 100, "by write");
	must(memcmp(mine + 100, "by write", 8) == 0);
	must(close(fd) == 0 && close(text) == 0);
	/* The mapping outlives its file. */
	memcpy(mine + 200, "later", 5);
	reads(host, 200, "later");
	fd = opened(mount, "map", O_RDONLY);
	reads(fd, 200, "later");
	must(munmap(mine, 2 * BLOCK) == 0 && munmap(other, 2 * BLOCK) == 0 && munmap(theirs, 2 * BLOCK) == 0);
	must(close(fd) == 0 && close(host) == 0);
}

/* All at once: the kernel wants the same way for every one of them. */
static void many_modes(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_DIRECT, O_RDWR | O_DIRECT, O_WRONLY | O_APPEND,
				     O_RDWR | O_SYNC, O_WRONLY | O_TRUNC, O_RDONLY | O_NOATIME };
	enum { N = sizeof(modes) / sizeof(modes[0]) };
	int fds[N];

	must(close(opened(mount, "modes", O_CREAT | O_WRONLY)) == 0);
	for (int from = 0; from < N; from++) {
		for (int i = 0; i < N; i++)
			fds[i] = opened(mount, "modes", modes[(from + i) % N]);
		int rw = opened(mount, "modes", O_RDWR);
		writes(rw, 0, "many modes");
		for (int i = 0; i < N; i++) {
			int mode = modes[(from + i) % N];
			/* Not aligned: O_DIRECT is not for the host as the share is mounted, so it need not be. */
			if ((mode & O_ACCMODE) != O_WRONLY)
				reads(fds[i], 0, "many modes");
			if ((mode & O_ACCMODE) != O_RDONLY && !(mode & O_APPEND))
				writes(fds[i], 3, "y");
		}
		must(close(rw) == 0);
		for (int i = 0; i < N; i++)
			must(close(fds[i]) == 0);
	}
}

static void moved_away(void)
{
	int fd = opened(mount, "here", O_CREAT | O_RDWR), other = opened(mount, "taken", O_CREAT | O_RDWR);

	writes(fd, 0, "moved");
	writes(other, 0, "taken");
	must(rename(path(mount, "here"), path(mount, "taken")) == 0);
	writes(fd, 5, " away");
	reads(fd, 0, "moved away");
	reads(other, 0, "taken");
	int again = opened(mount, "taken", O_RDONLY);
	reads(again, 0, "moved away");
	must(unlink(path(mount, "taken")) == 0);
	writes(fd, 0, "gone.");
	reads(again, 0, "gone. away");
	must(size_of(fd) == 10 && access(path(share, "taken"), F_OK) < 0);
	must(close(fd) == 0 && close(other) == 0 && close(again) == 0);
	fd = opened(mount, ".", O_TMPFILE | O_RDWR);
	writes(fd, 0, "no name");
	reads(fd, 0, "no name");
	must(close(fd) == 0);
}

/* A write by somebody without the right to keep it clears set-user-id, though the kernel writes with the server's rights. */
static void set_user_id(void)
{
	int fd = opened(mount, "suid", O_CREAT | O_RDWR);
	struct stat st;

	must(fchmod(fd, 04777) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 04777);
	must(seteuid(NOBODY) == 0);
	writes(fd, 0, "x");
	must(seteuid(0) == 0);
	must(stat(path(share, "suid"), &st) == 0 && (st.st_mode & 07777) == 0777);
	must(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0777);
	must(close(fd) == 0);
}

static void many_files(int count)
{
	int *fds = calloc((size_t)count, sizeof(*fds));
	char name[32], text[32];

	must(fds);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "many.%d", i);
		fds[i] = opened(mount, name, O_CREAT | O_RDWR);
		writes(fds[i], 0, name);
	}
	for (int i = count; i-- > 0;) {
		snprintf(text, sizeof(text), "many.%d", i);
		reads(fds[i], 0, text);
		must(unlink(path(mount, text)) == 0);
	}
	for (int i = 0; i < count; i++)
		must(close(fds[i]) == 0);
	free(fds);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} checks[] = { { "both sides", both_sides }, { "append", appending },      { "mmap", mapped },
		       { "modes", many_modes },      { "moved away", moved_away }, { "set-user-id", set_user_id } };

	if (argc < 3)
		return 2;
	mount = argv[1];
	share = argv[2];
	check = "many files";
	if (argc > 3) {
		many_files(atoi(argv[3]));
		return 0;
	}
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		check = checks[i].name;
		checks[i].fn();
		printf("%s: as it should be\n", check);
	}
	return 0;
}
