/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of graftctl begin with. */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 64

static const char *extra_variable;

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
	extra_variable = NULL;
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

void rig_set_variable(const char *variable)
{
	extra_variable = variable;
}

void rig_environment(const struct rig *r, struct rig_environment *e)
{
	static const char *const kept[] = { "PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS=" };
	size_t n = 0;
	for (char **v = environ; *v; v++) {
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
			if (strncmp(*v, kept[i], strlen(kept[i])) == 0)
				e->variables[n++] = *v;
		}
	}
	e->variables[n++] = (char *)"TZ=UTC";
	/* A proxy must not be asked for a local socket. */
	e->variables[n++] = (char *)"http_proxy=http://127.0.0.1:9";
	snprintf(e->socket, sizeof(e->socket), "GRAFTCTL_SOCKET=%s", r->socket);
	if (!r->no_socket)
		e->variables[n++] = e->socket;
	if (extra_variable)
		e->variables[n++] = (char *)(uintptr_t)extra_variable;
	e->variables[n] = NULL;
}

/* Its name (the test's own where it has not come to execve) and what it waits in. */
static void show_process(pid_t pid)
{
	static const char *const files[] = { "comm", "wchan", "syscall" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[64], text[256] = "";
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
		FILE *f = fopen(path, "re");
		if (f && fgets(text, sizeof(text), f))
			text[strcspn(text, "\n")] = '\0';
		print_error("%s: %s\n", path, text);
		if (f)
			fclose(f);
	}
}

int rig_wait(pid_t child, const char *what)
{
	int status, res;
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN };
	assert_true(ended.fd >= 0);
	while ((res = poll(&ended, 1, RIG_PATIENCE_MS)) < 0 && errno == EINTR)
		;
	close(ended.fd);
	if (res != 1) {
		print_error("%s did not end within %d s\n", what, RIG_PATIENCE_MS / 1000);
		show_process(child);
		kill(child, SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
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

/* In the child. Never returns. */
static void become_graftctl(const char *const *argv, const struct rig_environment *e, int out, int err,
			    void (*prepare)(void))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(98);
	if (prepare)
		prepare();
	execve(argv[0], (char *const *)argv, e->variables);
	_exit(99);
}

void rig_run_words(struct rig *r, const char *const *words, void (*prepare)(void))
{
	const char *argv[WORDS_MAX + 2] = { rig_program() };
	struct rig_environment environment;
	for (size_t i = 0; words[i]; i++) {
		assert_true(i < WORDS_MAX);
		argv[i + 1] = words[i];
	}
	rig_environment(r, &environment);
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	assert_true(out >= 0 && err >= 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		become_graftctl(argv, &environment, out, err, prepare);
	r->status = rig_wait(child, words[0] ? words[0] : "graftctl");
	free(r->out);
	free(r->err);
	r->out = read_all(out);
	r->err = read_all(err);
	if (r->status < 0)
		fail_msg("graftctl ended by signal %d: %s", -r->status, r->err);
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
