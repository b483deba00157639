/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of graftctl begin with. */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 64

int rig_set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	if (!r)
		return -1;
	strcpy(r->folder, "/tmp/graftctl-test-XXXXXX");
	if (!mkdtemp(r->folder))
		return -1;
	snprintf(r->socket, sizeof(r->socket), "%s/api.sock", r->folder);
	r->api = fake_start(r->socket);
	*state = r;
	return 0;
}

int rig_tear_down(void **state)
{
	struct rig *r = *state;
	fake_stop(r->api);
	free(r->out);
	free(r->err);
	int res = rmdir(r->folder);
	free(r);
	return res;
}

const char *rig_program(void)
{
	const char *program = getenv("GRAFTCTL");
	assert_non_null(program);
	return program;
}

void rig_set_environment(const char *socket)
{
	static const char *const kept[] = { "PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS" };
	char *values[sizeof(kept) / sizeof(kept[0])];
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		values[i] = getenv(kept[i]);
	clearenv();
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (values[i])
			setenv(kept[i], values[i], 1);
	}
	setenv("TZ", "UTC", 1);
	/* A proxy must not be asked for a local socket. */
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	if (socket)
		setenv("GRAFTCTL_SOCKET", socket, 1);
}

static char *read_all(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	assert_true(size >= 0);
	char *text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)size, 0), size);
	close(fd);
	return text;
}

void rig_run_words(struct rig *r, const char *const *words, void (*prepare)(struct rig *r))
{
	const char *argv[WORDS_MAX + 2] = { rig_program() };
	for (size_t i = 0; words[i]; i++) {
		assert_true(i < WORDS_MAX);
		argv[i + 1] = words[i];
	}
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), status;
	assert_true(out >= 0 && err >= 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		rig_set_environment(r->socket);
		if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
			_exit(98);
		if (prepare)
			prepare(r);
		execv(argv[0], (char *const *)argv);
		_exit(99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	free(r->out);
	free(r->err);
	r->out = read_all(out);
	r->err = read_all(err);
	if (!WIFEXITED(status))
		fail_msg("graftctl ended by signal %d: %s", WTERMSIG(status), r->err);
	r->status = WEXITSTATUS(status);
}

/* In place: the words of line, which is changed. */
static void split(char *line, const char **words)
{
	size_t n = 0;
	for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
		assert_true(n < WORDS_MAX);
		for (char *blank = strstr(word, "%20"); blank; blank = strstr(blank, "%20")) {
			*blank++ = ' ';
			memmove(blank, blank + 2, strlen(blank + 2) + 1);
		}
		words[n++] = word;
	}
	words[n] = NULL;
}

void rig_run(struct rig *r, const char *line)
{
	const char *words[WORDS_MAX + 1];
	char *copy = strdup(line);
	assert_non_null(copy);
	split(copy, words);
	rig_run_words(r, words, NULL);
	free(copy);
}

void rig_expect(struct rig *r, const char *line, int status, const char *out, const char *err)
{
	rig_run(r, line);
	assert_string_equal(r->err, err);
	assert_string_equal(r->out, out);
	assert_int_equal(r->status, status);
}
