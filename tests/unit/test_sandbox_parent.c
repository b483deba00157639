/* SPDX-License-Identifier: Apache-2.0 */
/* The line between the two processes of a sandbox, and what the parent makes of hostile notes on it. */
#include "server/sandbox/line.h"
#include "server/sandbox/parent.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the line ---- */

static void make_line(int ends[2])
{
	struct graft_error err = { 0 };

	if (line_pair(ends, &err) != 0)
		fail_msg("%s", err.text);
}

static void whole_notes_pass(void **state)
{
	struct note note = { .kind = NOTE_FAILED, .code = ENOSPC, .pid = 7, .text = "no room" }, got;
	int ends[2];

	(void)state;
	make_line(ends);
	assert_true(line_alive(ends[0]));
	assert_int_equal(line_send(ends[1], &note), 0);
	assert_true(line_alive(ends[0]));
	assert_int_equal(line_receive(ends[0], &got), 0);
	assert_memory_equal(&got, &note, sizeof(note));
	memset(note.text, 'x', sizeof(note.text));
	assert_int_equal(line_send(ends[1], &note), 0);
	assert_int_equal(line_receive(ends[0], &got), 0);
	assert_int_equal(strlen(got.text), sizeof(got.text) - 1);
	close(ends[1]);
	assert_false(line_alive(ends[0]));
	assert_int_equal(line_receive(ends[0], &got), -EPIPE);
	assert_int_equal(line_send(ends[0], &note), -EPIPE);
	close(ends[0]);
}

static void other_sizes_are_none(void **state)
{
	static const char bytes[sizeof(struct note) + 1];
	static const size_t sizes[] = { 1, sizeof(int), sizeof(struct note) - 1, sizeof(struct note) + 1 };
	struct note got;
	int ends[2];

	(void)state;
	make_line(ends);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(send(ends[1], bytes, sizes[i], 0), sizes[i]);
		assert_int_equal(line_receive(ends[0], &got), -EPROTO);
	}
	assert_int_equal(send(ends[1], bytes, 0, 0), 0);
	assert_int_equal(line_receive(ends[0], &got), -EPIPE);
	close(ends[0]);
	close(ends[1]);
}

/* ---- the parent ---- */

struct world {
	struct config config;
	struct parent parent;
	int line, requests; /* the daemon's ends */
	int manager;        /* what the service manager hears */
};

/* Forks act as the daemon; the caller gets what parent_run returns. */
static int run(struct world *w, void (*act)(const struct world *w))
{
	struct graft_error err = { 0 };
	int line[2], requests[2], manager[2];
	sigset_t none;

	memset(w, 0, sizeof(*w));
	make_line(line);
	assert_int_equal(outside_pair(requests, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, manager), 0);
	sigemptyset(&none);
	w->line = line[1];
	w->requests = requests[1];
	w->manager = manager[0];
	w->parent = (struct parent){ .config = &w->config,
				     .signals = signalfd(-1, &none, SFD_NONBLOCK),
				     .manager = manager[1],
				     .line = line[0],
				     .requests = requests[0],
				     .service = outside_service_new(&w->config, &err) };
	assert_non_null(w->parent.service);
	w->parent.child = fork();
	if (w->parent.child == 0) {
		close(line[0]);
		close(requests[0]);
		act(w);
		_exit(7);
	}
	close(line[1]);
	close(requests[1]);
	int status = parent_run(&w->parent);
	close(w->parent.signals);
	close(manager[1]);
	return status;
}

/* The next thing that the service manager heard. */
static void hears(const struct world *w, const char *expected)
{
	char text[ERROR_TEXT_MAX] = "";
	ssize_t n = recv(w->manager, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (!expected)
		assert_true(n <= 0);
	else
		assert_string_equal(text, expected);
}

static void say(const struct world *w, int kind, pid_t pid, const char *text)
{
	struct note note = { .kind = kind, .pid = pid };

	strncpy(note.text, text, sizeof(note.text) - 1);
	if (line_send(w->line, &note) != 0)
		_exit(8);
}

static void say_who(const struct world *w)
{
	struct note go;

	say(w, NOTE_DAEMON, getpid(), "");
	if (line_receive(w->line, &go) != 0 || go.kind != NOTE_GO)
		_exit(9);
}

static void act_hostile(const struct world *w)
{
	static const char bytes[2 * sizeof(struct note)];
	static const int kinds[] = { 0, -1, NOTE_MAPS, NOTE_GO, NOTE_FAILED, INT32_MAX };

	say_who(w);
	for (size_t i = 1; i <= sizeof(bytes); i += 97) {
		if (send(w->line, bytes, i, 0) < 0)
			_exit(10);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		say(w, kinds[i], -1, "READY=1");
	/* Another process is not the daemon now. */
	say(w, NOTE_DAEMON, 1, "");
	say(w, NOTE_DAEMON, -1, "");
	say(w, NOTE_STATE, 0, "MAINPID=1");
	say(w, NOTE_STATE, 0, "READY=1\nMAINPID=1");
	say(w, NOTE_STATE, 0, "READY=1");
	say(w, NOTE_STATE, 0, "");
	say(w, NOTE_STATE, 0, "STOPPING=1");
	/* The requests' pair ends at what is none. */
	for (size_t i = 1; i <= sizeof(bytes); i += 97)
		send(w->requests, bytes, i, MSG_NOSIGNAL | MSG_DONTWAIT);
	usleep(50000);
}

static void hostile_notes_do_nothing(void **state)
{
	struct world w;
	int status = run(&w, act_hostile);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	hears(&w, "READY=1");
	hears(&w, "STOPPING=1");
	hears(&w, NULL);
	close(w.manager);
}

static void act_silent(const struct world *w)
{
	send(w->line, "", 0, 0);
	close(w->requests);
}

static void act_killed(const struct world *w)
{
	say_who(w);
	close(w->line);
	kill(getpid(), SIGKILL);
}

static void ends_are_passed_on(void **state)
{
	struct world w;
	int status = run(&w, act_silent);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	close(w.manager);
	status = run(&w, act_killed);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	hears(&w, NULL);
	close(w.manager);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_notes_pass),
		cmocka_unit_test(other_sizes_are_none),
		cmocka_unit_test(hostile_notes_do_nothing),
		cmocka_unit_test(ends_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
