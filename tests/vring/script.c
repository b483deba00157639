/* SPDX-License-Identifier: Apache-2.0 */
/* Steps asked of a daemon through a client, each with the answer that it and the peer must give. */
#include "tests/vring/script.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *script_number(char *to, int64_t n)
{
	const char *name = n < 0 ? strerrorname_np((int)-n) : NULL;

	if (name)
		snprintf(to, SCRIPT_ANSWER_MAX, "-%s", name);
	else
		snprintf(to, SCRIPT_ANSWER_MAX, "%lld", (long long)n);
	return to;
}

static const char *called(const struct fixture *f)
{
	return f->config.program ? f->config.program : "graftfsd";
}

void script_begin(struct fixture *f, const struct daemon_config *config, const char *about)
{
	memset(f, 0, sizeof(*f));
	f->config = *config;
	assert_int_equal(daemon_init(&f->daemon, &f->config), 0);
	if (daemon_start(&f->daemon) < 0) {
		daemon_show_log(&f->daemon);
		fail_msg("%s does not start with %s", called(f), about);
	}
}

void script_steps(struct fixture *f, const struct script_step *steps, script_run *run, const char *about)
{
	char got[SCRIPT_ANSWER_MAX];

	for (const struct script_step *s = steps; s->ask; s++) {
		const char *want = f->config.program && s->peer ? s->peer : s->answer;

		if (strcmp(run(f, s->ask, got), want) != 0)
			fail_msg("%s: %s: \"%s\" gives \"%s\", not \"%s\"", called(f), about, s->ask, got, want);
	}
}

void script_end(struct fixture *f)
{
	fixture_disconnect(f);
	assert_false(daemon_reported(&f->daemon));
	daemon_fini(&f->daemon);
}

bool script_output(const char *const *argv, const char *until, char *out)
{
	size_t len = 0;
	ssize_t got;
	bool said = false;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(p[1], STDOUT_FILENO);
		dup2(p[1], STDERR_FILENO);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(p[1]);
	out[0] = '\0';
	while (!said && len < SCRIPT_OUTPUT_MAX - 1 && (got = read(p[0], out + len, SCRIPT_OUTPUT_MAX - 1 - len)) > 0) {
		len += (size_t)got;
		out[len] = '\0';
		said = until && strstr(out, until);
	}
	close(p[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return said;
}
