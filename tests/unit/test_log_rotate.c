/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/log_rotate: names, files put away and compressed, how many are kept, and no line lost. */
#include "lib/log.h"
#include "lib/log_rotate.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE_BYTES 1000 /* of the text of a line */
#define WRITERS 4
#define LINES_EACH 40

static char folder[] = "/tmp/graftfs-rotate.XXXXXX";

/* Of zlib.h. */
static struct {
	void *(*open)(const char *path, const char *mode);
	int (*read)(void *file, void *to, unsigned int len);
	int (*close)(void *file);
} zlib;

static const char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int set_up(void **state)
{
	void *lib = dlopen("libz.so.1", RTLD_NOW);

	(void)state;
	if (!lib || !mkdtemp(folder))
		return -1;
	*(void **)&zlib.open = dlsym(lib, "gzopen");
	*(void **)&zlib.read = dlsym(lib, "gzread");
	*(void **)&zlib.close = dlsym(lib, "gzclose");
	return 0;
}

/* Each name of the folder; all are removed. Returns how many there were. */
static int each_file(void (*fn)(const char *name, void *arg), void *arg)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (fn)
			fn(e->d_name, arg);
		unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
	return n;
}

static int tear_down(void **state)
{
	(void)state;
	log_rotate_stop();
	log_rotate_forget();
	each_file(NULL, NULL);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* Until something is so, or 5 seconds. */
static bool wait_for(bool (*so)(const void *arg), const void *arg)
{
	for (int i = 0; i < 500; i++) {
		if (so(arg))
			return true;
		usleep(10000);
	}
	return false;
}

struct counts {
	int live, plain, zipped, others;
};

static void count_one(const char *name, struct counts *c)
{
	size_t len = strlen(name);
	bool zipped = len > 3 && strcmp(name + len - 3, ".gz") == 0;

	if (strcmp(name, "d_rCURRENT.log") == 0)
		c->live++;
	else if (strncmp(name, "d_r20", 5) == 0)
		*(zipped ? &c->zipped : &c->plain) += 1;
	else
		c->others++;
}

static struct counts count(void)
{
	struct counts c = { 0 };
	DIR *dir = opendir(folder);
	struct dirent *e;

	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			count_one(e->d_name, &c);
	closedir(dir);
	return c;
}

static bool zipped(const void *n)
{
	struct counts c = count();

	return c.zipped == *(const int *)n && c.plain == 0;
}

/* A line of LINE_BYTES and more. */
static void say(int writer, int line)
{
	char text[LINE_BYTES];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info(NULL, "%d:%d:%s", writer, line, text);
}

static void test_names(void **state)
{
	static const struct {
		const char *path, *named;
	} rows[] = {
		{ "/a/x.log", "/a/x_rCURRENT.log" }, { "/a/x", "/a/x_rCURRENT" },
		{ "x.y.log", "x.y_rCURRENT.log" },   { "/a.b/x", "/a.b/x_rCURRENT" },
		{ "/a/.hidden", "/a/.hidden_rCURRENT" },
	};
	char to[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(log_rotate_name(rows[i].path, LOG_ROTATE_LIVE, to), rows[i].named);
}

static void test_refused(void **state)
{
	struct graft_error err = { 0 };
	char name[NAME_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[230] = '\0';
	assert_int_equal(log_open_rotating(in_folder(name), 1000, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "too long to put times into"));
	assert_int_equal(log_open_rotating("/nowhere/x.log", 1000, &err), -ENOENT);
	/* Nothing was set: there is no thread. */
	assert_int_equal(log_rotate_start(&err), 0);
}

/* One file is put away and compressed; its text is all there, and the next line is in the new one. */
static void test_put_away(void **state)
{
	struct graft_error err = { 0 };
	char text[4 * LINE_BYTES] = "";
	struct counts c = { 0 };
	const int one = 1;

	(void)state;
	assert_int_equal(log_open_rotating(in_folder("d.log"), 2 * LINE_BYTES, &err), 0);
	assert_int_equal(log_rotate_start(&err), 0);
	say(1, 1);
	assert_int_equal(count().live, 1);
	assert_int_equal(count().plain, 0);
	say(1, 2);
	assert_true(wait_for(zipped, &one));
	log_info(NULL, "after");
	FILE *live = fopen(in_folder("d_rCURRENT.log"), "re");
	assert_non_null(live);
	assert_non_null(fgets(text, sizeof(text), live));
	assert_non_null(strstr(text, "after\n"));
	fclose(live);
	c = count();
	assert_int_equal(c.live, 1);
	assert_int_equal(c.others, 0);
	DIR *dir = opendir(folder);
	for (struct dirent *e; (e = readdir(dir));) {
		if (!strstr(e->d_name, ".gz"))
			continue;
		int n, year;
		assert_int_equal(sscanf(e->d_name, "d_r%4d-%*2d-%*2d_%*2d-%*2d-%*2d.log.gz%n", &year, &n), 1);
		void *file = zlib.open(in_folder(e->d_name), "rb");
		n = zlib.read(file, text, sizeof(text));
		assert_in_range(n, 2 * LINE_BYTES, 3 * LINE_BYTES);
		text[n] = '\0';
		assert_non_null(strstr(text, "1:1:x"));
		assert_non_null(strstr(text, "1:2:x"));
		zlib.close(file);
	}
	closedir(dir);
}

static bool few_left(const void *arg)
{
	struct counts c = count();

	(void)arg;
	return c.zipped == LOG_ROTATE_KEPT && c.plain == 0;
}

/* Old files beyond ten go, the oldest first; what has another name stays. A file that was left too big is put away at the start. */
static void test_kept(void **state)
{
	static const char *const others[] = { "d.log", "d_rx.log", "e_r2020-01-01_00-00-00.log.gz", "d_r1.txt" };
	struct graft_error err = { 0 };
	char name[64];

	(void)state;
	for (int i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "d_r2020-01-%02d_00-00-00.log.gz", i + 1);
		close(open(in_folder(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		close(open(in_folder(others[i]), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(open(in_folder("d_rCURRENT.log"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(truncate(in_folder("d_rCURRENT.log"), 5000), 0);
	assert_int_equal(log_open_rotating(in_folder("d.log"), 4000, &err), 0);
	assert_int_equal(log_rotate_start(&err), 0);
	assert_true(wait_for(few_left, NULL));
	log_rotate_stop();
	assert_int_equal(access(in_folder("d_r2020-01-06_00-00-00.log.gz"), F_OK), -1);
	assert_int_equal(access(in_folder("d_r2020-01-07_00-00-00.log.gz"), F_OK), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(access(in_folder(others[i]), F_OK), 0);
}

static void *write_lines(void *arg)
{
	for (int i = 0; i < LINES_EACH; i++) {
		say(*(int *)arg, i);
		usleep(1000);
	}
	return NULL;
}

struct seen {
	bool line[WRITERS][LINES_EACH];
	int n;
};

static void see(const char *name, void *arg)
{
	static char text[WRITERS * LINES_EACH * 2 * LINE_BYTES];
	struct seen *s = arg;
	void *file = zlib.open(in_folder(name), "rb"); /* what is not compressed comes as it is */
	int n = zlib.read(file, text, sizeof(text) - 1), writer, line;

	zlib.close(file);
	assert_true(n >= 0);
	text[n] = '\0';
	for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) {
		const char *behind = strstr(at, "graftfsd: ");
		if (!behind || sscanf(behind, "graftfsd: %d:%d:x", &writer, &line) != 2)
			continue;
		assert_false(s->line[writer][line]);
		s->line[writer][line] = true;
		s->n++;
	}
}

/* Threads that write while files are put away lose nothing: what is written behind the name's back is in the old file. */
static void test_threads(void **state)
{
	static struct seen seen;
	struct graft_error err = { 0 };
	pthread_t threads[WRITERS];
	int numbers[WRITERS];

	(void)state;
	assert_int_equal(log_open_rotating(in_folder("d.log"), 30 * LINE_BYTES, &err), 0);
	assert_int_equal(log_rotate_start(&err), 0);
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	log_rotate_stop();
	assert_true(each_file(see, &seen) >= 2);
	assert_int_equal(seen.n, WRITERS * LINES_EACH);
}

/* Another process's lines follow the name. */
static void test_follow(void **state)
{
	struct graft_error err = { 0 };
	char text[4096], old[PATH_MAX];

	(void)state;
	assert_int_equal(log_open(in_folder("f.log"), &err), 0);
	snprintf(old, sizeof(old), "%s", in_folder("f.log"));
	pid_t pid = fork();
	if (pid == 0) {
		log_follow();
		log_info(NULL, "one");
		rename(old, in_folder("f.old"));
		log_reopen();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* This process still has the old file. */
	log_info(NULL, "two");
	log_follow();
	log_info(NULL, "three");
	FILE *f = fopen(in_folder("f.log"), "re");
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_null(strstr(text, "two"));
	assert_non_null(strstr(text, "three"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test_teardown(test_refused, tear_down),
		cmocka_unit_test_teardown(test_put_away, tear_down),
		cmocka_unit_test_teardown(test_kept, tear_down),
		cmocka_unit_test_teardown(test_threads, tear_down),
		cmocka_unit_test_teardown(test_follow, tear_down),
	};

	return cmocka_run_group_tests(tests, set_up, remove_folder);
}
