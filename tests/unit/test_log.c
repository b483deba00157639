/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/log: the line's form, levels, control characters, cutting, one write a line, and the limit. */
#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct capture {
	char last[4096], before[4096]; /* the last line and the one before it */
	_Atomic int lines, level;
};

static void keep(void *user, int level, const char *line)
{
	struct capture *c = user;
	memcpy(c->before, c->last, sizeof(c->before));
	snprintf(c->last, sizeof(c->last), "%s", line);
	c->lines++;
	c->level = level;
}

static void count(void *user, int level, const char *line)
{
	struct capture *c = user;
	(void)level;
	c->lines += line[0] == 'g';
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	log_set_level(GRAFT_LOG_INFO);
	log_set_form(LOG_FORM_PLAIN, "graftfsd");
	return 0;
}

static void test_form(void **state)
{
	(void)state;
	struct capture c = { 0 };
	log_set_sink(keep, &c);
	log_set_level(GRAFT_LOG_TRACE);
	log_info(NULL, "ready");
	assert_string_equal(c.last, "graftfsd: ready");
	log_info("web", "%d mounts", 2);
	assert_string_equal(c.last, "graftfsd: web: 2 mounts");
	log_warn("web", "text");
	assert_string_equal(c.last, "graftfsd: warn: web: text");
	log_err(NULL, "text");
	assert_string_equal(c.last, "graftfsd: error: text");
	log_dbg("a", "b");
	assert_string_equal(c.last, "graftfsd: debug: a: b");
	log_msg(GRAFT_LOG_TRACE, "a", "b");
	assert_string_equal(c.last, "graftfsd: trace: a: b");
	assert_int_equal(c.level, GRAFT_LOG_TRACE);
	log_msg(-5, "a", "b"); /* a plugin's level may be anything */
	assert_string_equal(c.last, "graftfsd: a: b");
}

static void test_level(void **state)
{
	(void)state;
	struct capture c = { 0 };
	log_set_sink(keep, &c);
	log_set_level(GRAFT_LOG_WARN);
	assert_int_equal(log_level(), GRAFT_LOG_WARN);
	log_info("x", "unseen");
	log_dbg("x", "unseen");
	assert_int_equal(c.lines, 0);
	log_warn("x", "seen");
	log_err("x", "seen");
	assert_int_equal(c.lines, 2);
}

/* Whether text has the form, in which d stands for a digit. */
static bool of_form(const char *text, const char *want)
{
	size_t i = 0;
	for (; want[i]; i++)
		if (want[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != want[i])
			return false;
	return text[i] == '\0';
}

static void test_stamped_form(void **state)
{
	(void)state;
	struct capture c = { 0 };
	char text[5000];
	log_set_sink(keep, &c);
	log_set_form(LOG_FORM_STAMPED, "virtiofs");
	log_set_level(GRAFT_LOG_TRACE);
	log_info(NULL, "up");
	assert_true(of_form(c.last, "[dddd-dd-ddTdd:dd:ddZ INFO  virtiofs] up"));
	log_warn("web", "text");
	assert_true(of_form(c.last, "[dddd-dd-ddTdd:dd:ddZ WARN  virtiofs::web] text"));
	log_err("w\nb", "\n");
	assert_true(of_form(c.last, "[dddd-dd-ddTdd:dd:ddZ ERROR virtiofs::w?b] ?"));
	log_dbg(NULL, "5");
	assert_true(of_form(c.last, "[dddd-dd-ddTdd:dd:ddZ DEBUG virtiofs] 5"));
	log_msg(GRAFT_LOG_TRACE, NULL, "5");
	assert_true(of_form(c.last, "[dddd-dd-ddTdd:dd:ddZ TRACE virtiofs] 5"));
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info(text, "%s", text);
	assert_int_equal(strlen(c.last), 2046);
}

/* nydusd's: of the time one point is the fraction, and of INFO there is no name. */
static void test_dated_form(void **state)
{
	(void)state;
	struct capture c = { 0 };
	log_set_sink(keep, &c);
	log_set_form(LOG_FORM_DATED, "nydusd");
	log_set_level(GRAFT_LOG_TRACE);
	log_info(NULL, "up");
	assert_true(of_form(c.last, "[dddd-dd-dd dd:dd:dd.dddddd +dd:dd] INFO up") ||
		    of_form(c.last, "[dddd-dd-dd dd:dd:dd.dddddd -dd:dd] INFO up"));
	assert_int_equal(setenv("TZ", "UTC-5:30", 1), 0);
	tzset();
	log_info("web", "text");
	assert_true(of_form(c.last, "[dddd-dd-dd dd:dd:dd.dddddd +05:30] INFO web: text"));
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
	log_warn("web", "text");
	assert_non_null(strstr(c.last, "] WARN [nydusd::web] text"));
	log_err("w\nb", "\n\033[0m");
	assert_non_null(strstr(c.last, "] ERROR [nydusd::w?b] ??[0m"));
	log_dbg(NULL, "5");
	assert_non_null(strstr(c.last, "] DEBUG [nydusd] 5"));
	log_msg(GRAFT_LOG_TRACE, NULL, "5");
	assert_non_null(strstr(c.last, "] TRACE [nydusd] 5"));
	assert_null(strchr(c.last, '\033'));
}

static void test_off(void **state)
{
	(void)state;
	struct capture c = { 0 };
	struct log_limit limit = { 0 };
	log_set_sink(keep, &c);
	log_set_level(LOG_OFF);
	log_err("x", "unseen");
	log_msg(-5, "x", "unseen");
	log_limited(&limit, GRAFT_LOG_ERROR, "x", "unseen");
	assert_int_equal(c.lines, 0);
}

static void test_text(void **state)
{
	(void)state;
	struct capture c = { 0 };
	char text[5000];
	log_set_sink(keep, &c);
	log_info("a\033[2Jb", "c\nd\x7f \xc3\xa9");
	assert_string_equal(c.last, "graftfsd: a?[2Jb: c?d? \xc3\xa9");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info(NULL, "%s", text);
	assert_int_equal(strlen(c.last), 2046);
	log_info(text, "%s", text);
	assert_int_equal(strlen(c.last), 2046);
	errno = EXDEV;
	log_info(NULL, "%m");
	assert_string_equal(c.last, "graftfsd: Invalid cross-device link");
	assert_int_equal(errno, EXDEV);
}

/* Runs fn with stderr going to a pipe; returns what came out. */
static size_t through_pipe(void (*fn)(void), char *out, size_t size)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	int saved = dup(STDERR_FILENO);
	assert_true(saved >= 0);
	dup2(fds[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	ssize_t n = read(fds[0], out, size - 1);
	close(fds[0]);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void say_two(void)
{
	log_info(NULL, "ready");
	log_err("web", "gone");
}

static void say_long(void)
{
	log_info(NULL, "%4000d", 1);
}

static void test_stderr(void **state)
{
	(void)state;
	char out[4096];
	through_pipe(say_two, out, sizeof(out));
	assert_string_equal(out, "graftfsd: ready\ngraftfsd: error: web: gone\n");
	size_t n = through_pipe(say_long, out, sizeof(out));
	assert_int_equal(n, 2047);
	assert_int_equal(out[n - 1], '\n');
}

static void say_fatal(void)
{
	log_fatal("cannot serve: %s", "a\nb");
}

/* The end has a reason whatever the level. */
static void test_fatal(void **state)
{
	(void)state;
	char out[4096];
	log_set_level(LOG_OFF);
	through_pipe(say_fatal, out, sizeof(out));
	assert_string_equal(out, "graftfsd: cannot serve: a?b\n");
	log_set_form(LOG_FORM_STAMPED, "virtiofs");
	through_pipe(say_fatal, out, sizeof(out));
	assert_true(of_form(out, "[dddd-dd-ddTdd:dd:ddZ ERROR virtiofs] cannot serve: a?b\n"));
}

static void test_limit(void **state)
{
	(void)state;
	struct capture c = { 0 };
	struct log_limit limit = { 0 };
	log_set_sink(keep, &c);
	log_limited(&limit, GRAFT_LOG_DEBUG, "x", "does not count");
	assert_int_equal(limit.count, 0);
	for (int i = 0; i < 25; i++)
		log_limited(&limit, GRAFT_LOG_WARN, "x", "line %d", i);
	assert_int_equal(c.lines, 10);
	assert_string_equal(c.last, "graftfsd: warn: x: line 9");

	/* Ten seconds later: a line about the 15 that were lost, then the new one. */
	limit.window -= 10000000000ULL;
	errno = EXDEV;
	log_limited(&limit, GRAFT_LOG_WARN, "x", "%m");
	assert_int_equal(c.lines, 12);
	assert_string_equal(c.before, "graftfsd: warn: x: 15 more lines like this were left out");
	assert_string_equal(c.last, "graftfsd: warn: x: Invalid cross-device link");
	assert_int_equal(errno, EXDEV);
	limit.window -= 10000000000ULL;
	log_limited(&limit, GRAFT_LOG_WARN, "x", "nothing was lost");
	assert_int_equal(c.lines, 13);
}

struct flood {
	struct log_limit limit;
	struct capture capture;
};

static void *pour(void *arg)
{
	struct flood *f = arg;
	for (int i = 0; i < 1000; i++)
		log_limited(&f->limit, GRAFT_LOG_WARN, "x", "line %d", i);
	return NULL;
}

static void test_limit_threads(void **state)
{
	(void)state;
	struct flood f = { 0 };
	pthread_t t[4];
	log_set_sink(count, &f.capture);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, pour, &f), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	/* A thread may count in the window that another is just beginning; a second window is possible on a slow
	 * machine. */
	assert_in_range(f.capture.lines, 10, 40);
}

/* A folder for the tests of files below. They come last: there is no way back to stderr. */
static char folder[] = "/tmp/graftfs-test-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int open_log(const char *name)
{
	struct graft_error err = { 0 };
	return log_open(in_folder(name), &err);
}

static size_t content(const char *name, char *buf, size_t size)
{
	int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, buf, size - 1);
	close(fd);
	assert_true(n >= 0);
	buf[n] = '\0';
	return (size_t)n;
}

/* Whether line begins with a time as 2026-11-21T17:05:36.123Z and goes on with text. */
static bool stamped(const char *line, const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == 'd' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
			return false;
	return strcmp(line + sizeof(form) - 1, text) == 0;
}

static void refuse_file(const char *name, int code, const char *why)
{
	struct graft_error err = { 0 };
	char want[256];
	assert_int_equal(log_open(in_folder(name), &err), -code);
	snprintf(want, sizeof(want), "cannot open the log %s: %s", in_folder(name), why);
	assert_string_equal(err.text, want);
	assert_int_equal(err.code, code);
}

/* Nothing of it changes where the lines go. */
static void test_refused_files(void **state)
{
	(void)state;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct graft_error err = { 0 };
	char out[4096], longer[5000];
	assert_int_equal(log_reopen(), 0); /* there is no file */
	refuse_file("", EISDIR, "Is a directory");
	refuse_file("none/log", ENOENT, "No such file or directory");
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	refuse_file("fifo", ENXIO, "No such device or address");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.100s", in_folder("socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	refuse_file("socket", ENXIO, "No such device or address");
	close(fd);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(log_open(longer, &err), -ENAMETOOLONG);
	assert_string_equal(err.text, "cannot open the log: its path has more than 4095 bytes");
	through_pipe(say_two, out, sizeof(out));
	assert_string_equal(out, "graftfsd: ready\ngraftfsd: error: web: gone\n");
}

static void say_dated(void)
{
	log_set_form(LOG_FORM_DATED, "nydusd");
	log_info(NULL, "up");
	log_warn("web", "bad\033[1m");
	log_fatal("cannot serve: %s", "a\nb");
}

/* On standard error levels have their colours, and the reason of an end stands alone. */
static void test_dated_colours(void **state)
{
	(void)state;
	char out[4096];
	through_pipe(say_dated, out, sizeof(out));
	char *warn = strstr(out, "[\033[38;5;208m");
	assert_non_null(strstr(out, "] INFO up\n"));
	assert_ptr_equal(strchr(out, '\033'), warn + 1);
	assert_non_null(strstr(warn, "\033[0m] \033[38;5;208mWARN\033[0m [nydusd::web] \033[38;5;208mbad?[1m\033[0m\n"));
	assert_non_null(strstr(warn, "\nError: cannot serve: a?b\n"));
}

static void test_file(void **state)
{
	(void)state;
	char out[4096];
	struct stat st;
	mode_t mask = umask(0);
	assert_int_equal(open_log("a"), 0);
	umask(mask);
	assert_int_equal(stat(in_folder("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(through_pipe(say_two, out, sizeof(out)), 0);
	content("a", out, sizeof(out));
	char *second = strchr(out, '\n');
	assert_non_null(second);
	*second++ = '\0';
	assert_true(stamped(out, "graftfsd: ready"));
	assert_true(stamped(second, "graftfsd: error: web: gone\n"));
	errno = EXDEV;
	log_info(NULL, "%m");
	assert_int_equal(errno, EXDEV);
	content("a", out, sizeof(out));
	assert_non_null(strstr(out, "graftfsd: Invalid cross-device link\n"));
	through_pipe(say_fatal, out, sizeof(out));
	assert_string_equal(out, "graftfsd: cannot serve: a?b\n");
	content("a", out, sizeof(out));
	assert_non_null(strstr(out, "graftfsd: error: cannot serve: a?b\n"));

	/* A long line is cut at the same length, and ends in a line end. */
	assert_int_equal(truncate(in_folder("a"), 0), 0);
	say_long();
	assert_int_equal(content("a", out, sizeof(out)), 2047);
	assert_int_equal(out[2046], '\n');

	/* What was there stays. */
	assert_int_equal(truncate(in_folder("a"), 0), 0);
	log_info(NULL, "one");
	assert_int_equal(open_log("a"), 0);
	log_info(NULL, "two");
	content("a", out, sizeof(out));
	assert_non_null(strstr(out, "graftfsd: one\n"));
	assert_non_null(strstr(out, "graftfsd: two\n"));
}

static void test_reopen(void **state)
{
	(void)state;
	char out[4096], old[128];
	assert_int_equal(open_log("b"), 0);
	log_info(NULL, "one");
	snprintf(old, sizeof(old), "%s", in_folder("b"));
	assert_int_equal(rename(old, in_folder("b.1")), 0);
	log_info(NULL, "two");
	assert_int_equal(log_reopen(), 0);
	log_info(NULL, "three");
	assert_int_equal(content("b.1", out, sizeof(out)), 2 * strlen("2026-11-21T17:05:36.123Z graftfsd: one\n"));
	content("b", out, sizeof(out));
	assert_true(stamped(out, "graftfsd: three\n"));

	/* Where it cannot be opened the old one goes on, and says so. */
	assert_int_equal(rename(old, in_folder("b.2")), 0);
	assert_int_equal(mkdir(old, 0700), 0);
	assert_int_equal(log_reopen(), -EISDIR);
	log_info(NULL, "four");
	content("b.2", out, sizeof(out));
	assert_non_null(strstr(out, "graftfsd: error: cannot open the log "));
	assert_non_null(strstr(out, "/b: Is a directory; the old one goes on\n"));
	assert_non_null(strstr(out, "graftfsd: four\n"));
	assert_int_equal(rmdir(old), 0);
	assert_int_equal(log_reopen(), 0);
	log_info(NULL, "five");
	content("b", out, sizeof(out));
	assert_true(stamped(out, "graftfsd: five\n"));
}

static void test_fifo(void **state)
{
	(void)state;
	char out[256];
	int reader = open(in_folder("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(open_log("fifo"), 0);
	log_info(NULL, "through a pipe");
	ssize_t n = read(reader, out, sizeof(out) - 1);
	assert_true(n > 0);
	out[n] = '\0';
	assert_true(stamped(out, "graftfsd: through a pipe\n"));
	assert_int_equal(open_log("c"), 0);
	close(reader);
	struct graft_error err = { 0 };
	assert_int_equal(log_open("/dev/null", &err), 0);
	log_info(NULL, "away");
}

/* What the system's log was told, of a socket in the folder; NULL: nothing. */
static char *told(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? NULL : text;
}

static void refuse_syslog(const char *path, int code)
{
	struct graft_error err = { 0 };
	assert_int_equal(log_open_syslog(path, &err), -code);
	assert_non_null(strstr(err.text, path));
}

static void say_one(void)
{
	log_warn("web", "a\nb");
}

static void say_many(void)
{
	for (int i = 0; i < 2000; i++)
		log_info(NULL, "%d", i);
}

/* In a process of its own: there is no way back. */
static void try_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct graft_error err = { 0 };
	char out[4096], want[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	refuse_syslog(in_folder("log"), ENOENT);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.100s", in_folder("log"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(log_open_syslog(in_folder("log"), &err), 0);
	assert_int_equal(through_pipe(say_one, out, sizeof(out)), 0);
	/* <12>Nov 22 03:00:57 graftfsd[1]: web: a?b */
	const char *line = told(fd);
	assert_non_null(line);
	assert_int_equal(strncmp(line, "<12>", 4), 0);
	snprintf(want, sizeof(want), " graftfsd[%d]: web: a?b", (int)getpid());
	assert_string_equal(line + 4 + strlen("Nov 22 03:00:57"), want);
	log_err(NULL, "x");
	assert_int_equal(strncmp(told(fd), "<11>", 4), 0);
	log_info(NULL, "x");
	assert_int_equal(strncmp(told(fd), "<14>", 4), 0);
	/* Nobody waits for a log that is full; what it does not take is seen elsewhere. */
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), saved = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	say_many();
	dup2(saved, STDERR_FILENO);
	close(fd);
	through_pipe(say_one, out, sizeof(out));
	assert_non_null(strstr(out, want));
	assert_int_equal(out[strlen(out) - 1], '\n');
	through_pipe(say_fatal, out, sizeof(out));
	assert_int_equal(strncmp(out, "graftfsd: cannot serve: a?b\n", 28), 0);
}

static void test_syslog(void **state)
{
	int status;
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(20);
		try_syslog();
		_exit(0); /* a failed assertion does not come here */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define WRITERS 3
#define LINES_EACH 2000
#define TURNS 100

static void *write_lines(void *arg)
{
	int *writer = arg;
	for (int i = 0; i < LINES_EACH; i++)
		log_info("w", "%d %d.", *writer, i);
	return NULL;
}

/* Marks the lines of a file in seen; each must be whole. */
static int count_lines(const char *name, bool seen[WRITERS][LINES_EACH])
{
	char line[256];
	int lines = 0, writer, number;
	FILE *f = fopen(in_folder(name), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char end[2] = "";
		const char *text = strstr(line, "graftfsd: ");
		assert_non_null(text);
		assert_int_equal(sscanf(text, "graftfsd: w: %d %d%1[.]", &writer, &number, end), 3);
		assert_in_range(writer, 0, WRITERS - 1);
		assert_in_range(number, 0, LINES_EACH - 1);
		assert_false(seen[writer][number]);
		seen[writer][number] = true;
		lines++;
	}
	fclose(f);
	return lines;
}

/* The file is renamed and opened again while threads write: every line is whole and in one of the files. */
static void test_reopen_threads(void **state)
{
	(void)state;
	static bool seen[WRITERS][LINES_EACH];
	pthread_t threads[WRITERS];
	int numbers[WRITERS], lines = 0;
	char old[128], name[32];
	assert_int_equal(open_log("t"), 0);
	snprintf(old, sizeof(old), "%s", in_folder("t"));
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	}
	for (int i = 0; i < TURNS; i++) {
		snprintf(name, sizeof(name), "t.%d", i);
		assert_int_equal(rename(old, in_folder(name)), 0);
		assert_int_equal(log_reopen(), 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < TURNS; i++) {
		snprintf(name, sizeof(name), "t.%d", i);
		lines += count_lines(name, seen);
	}
	lines += count_lines("t", seen);
	assert_int_equal(lines, WRITERS * LINES_EACH);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	DIR *dir = opendir(folder);
	const struct dirent *e;
	while (dir && (e = readdir(dir)))
		unlinkat(dirfd(dir), e->d_name, 0); /* not the two dots */
	if (dir)
		closedir(dir);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_form, teardown),
		cmocka_unit_test_teardown(test_stamped_form, teardown),
		cmocka_unit_test_teardown(test_dated_form, teardown),
		cmocka_unit_test_teardown(test_dated_colours, teardown),
		cmocka_unit_test_teardown(test_level, teardown),
		cmocka_unit_test_teardown(test_off, teardown),
		cmocka_unit_test_teardown(test_text, teardown),
		cmocka_unit_test_teardown(test_stderr, teardown),
		cmocka_unit_test_teardown(test_fatal, teardown),
		cmocka_unit_test_teardown(test_limit, teardown),
		cmocka_unit_test_teardown(test_limit_threads, teardown),
		cmocka_unit_test(test_refused_files),
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_reopen_threads),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
