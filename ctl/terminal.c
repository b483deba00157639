/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal while a live table is shown. */
#include "ctl/terminal.h"

#include "lib/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define SECOND_SCREEN "\x1b[?1049h\x1b[?25l"
#define FIRST_SCREEN "\x1b[?25h\x1b[?1049l"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
#define NCAUGHT (sizeof(caught) / sizeof(caught[0]))

struct terminal {
	bool live, keys, colours;
	char typed[64]; /* keys that were read and not yet given out */
	size_t ntyped, next;
	struct termios settings; /* as they were, where keys */
	struct sigaction actions[NCAUGHT];
	sigset_t mask; /* as it was; the signals are let in only while we wait */
};

volatile sig_atomic_t terminal_stopped;
static volatile sig_atomic_t resized;

static void on_signal(int signal)
{
	if (signal == SIGWINCH)
		resized = 1;
	else
		terminal_stopped = 1;
}

static void catch_signals(struct terminal *t)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t window;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < NCAUGHT; i++)
		sigaction(caught[i], &action, &t->actions[i]);
	/* The others stay open while a request runs, so that it can be broken off. */
	sigemptyset(&window);
	sigaddset(&window, SIGWINCH);
	sigprocmask(SIG_BLOCK, &window, &t->mask);
}

static void set_keys(struct terminal *t)
{
	t->keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &t->settings) == 0;
	if (!t->keys)
		return;
	struct termios keys = t->settings;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 0;
	keys.c_cc[VTIME] = 0;
	/* Ctrl-Z would leave the shell on the second screen. */
	keys.c_cc[VSUSP] = _POSIX_VDISABLE;
	t->keys = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
}

struct terminal *terminal_open(bool screen)
{
	struct terminal *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	terminal_stopped = 0;
	resized = 0;
	catch_signals(t);
	const char *kind = getenv("TERM"), *plain = getenv("NO_COLOR");
	t->live = screen && isatty(STDOUT_FILENO) && !(kind && strcmp(kind, "dumb") == 0);
	t->colours = t->live && !(plain && *plain);
	if (t->live) {
		set_keys(t);
		fputs(SECOND_SCREEN, stdout);
		fflush(stdout);
	}
	return t;
}

void terminal_close(struct terminal *t)
{
	if (t->live) {
		fputs(FIRST_SCREEN, stdout);
		fflush(stdout);
	}
	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->settings);
	for (size_t i = 0; i < NCAUGHT; i++)
		sigaction(caught[i], &t->actions[i], NULL);
	sigprocmask(SIG_SETMASK, &t->mask, NULL);
	free(t);
}

bool terminal_is_live(const struct terminal *t)
{
	return t->live;
}

bool terminal_has_colours(const struct terminal *t)
{
	return t->colours;
}

char terminal_key(const struct terminal *t)
{
	return t->next > 0 ? t->typed[t->next - 1] : 0;
}

void terminal_size(const struct terminal *t, size_t *columns, size_t *rows)
{
	struct winsize size = { 0 };
	if (!t->live || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	*columns = size.ws_col;
	*rows = size.ws_row;
}

uint64_t terminal_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* The next of the keys that were read; TERMINAL_TIME where there is none. */
static enum terminal_event next_key(struct terminal *t)
{
	if (t->next == t->ntyped)
		return TERMINAL_TIME;
	char key = t->typed[t->next++];
	return key == 'q' || key == 'Q' ? TERMINAL_QUIT : TERMINAL_KEY;
}

static enum terminal_event read_keys(struct terminal *t, short events)
{
	ssize_t n = read(STDIN_FILENO, t->typed, sizeof(t->typed));
	t->next = 0;
	t->ntyped = n > 0 ? (size_t)n : 0;
	/* The terminal hung up: there will be no more keys. */
	if (n <= 0 && (events & (POLLHUP | POLLERR))) {
		t->keys = false;
		return TERMINAL_QUIT;
	}
	return next_key(t);
}

enum terminal_event terminal_wait(struct terminal *t, uint64_t until)
{
	sigset_t stops, before, open;
	enum terminal_event event = next_key(t);
	/* Blocked between the look at the flag and the wait, which lets them in: none is missed. */
	sigemptyset(&stops);
	for (size_t i = 0; i < NCAUGHT; i++)
		sigaddset(&stops, caught[i]);
	sigprocmask(SIG_BLOCK, &stops, &before);
	open = before;
	for (size_t i = 0; i < NCAUGHT; i++)
		sigdelset(&open, caught[i]);

	for (uint64_t now = terminal_now(); event == TERMINAL_TIME && now < until && !terminal_stopped && !resized;
	     now = terminal_now()) {
		uint64_t left = until - now;
		struct timespec time = { .tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000) };
		struct pollfd keys = { .fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN };
		if (ppoll(&keys, 1, &time, &open) > 0)
			event = read_keys(t, keys.revents);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (terminal_stopped)
		return TERMINAL_QUIT;
	if (event == TERMINAL_TIME && resized) {
		resized = 0;
		return TERMINAL_RESIZED;
	}
	return event;
}
