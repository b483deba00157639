/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal while a live table is shown. */
#include "ctl/terminal.h"

#include "lib/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define SECOND_SCREEN "\x1b[?1049h\x1b[?25l"
#define FIRST_SCREEN "\x1b[?25h\x1b[?1049l"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
#define NCAUGHT (sizeof(caught) / sizeof(caught[0]))

struct terminal {
	bool live, keys;
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
	t->live = screen && isatty(STDOUT_FILENO);
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

/* A key that ends the table was read, or there will be no more keys. */
static bool read_keys(struct terminal *t, short events)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	for (ssize_t i = 0; i < n; i++) {
		if (keys[i] == 'q' || keys[i] == 'Q')
			return true;
	}
	/* The terminal hung up. */
	if (n <= 0 && (events & (POLLHUP | POLLERR))) {
		t->keys = false;
		return true;
	}
	return false;
}

enum terminal_event terminal_wait(struct terminal *t, uint64_t until)
{
	sigset_t stops, before, open;
	enum terminal_event event = TERMINAL_TIME;
	/* Blocked between the look at the flag and the wait, which lets them in: none is missed. */
	sigemptyset(&stops);
	for (size_t i = 0; i < NCAUGHT; i++)
		sigaddset(&stops, caught[i]);
	sigprocmask(SIG_BLOCK, &stops, &before);
	open = before;
	for (size_t i = 0; i < NCAUGHT; i++)
		sigdelset(&open, caught[i]);

	for (uint64_t now = terminal_now(); now < until && !terminal_stopped && !resized; now = terminal_now()) {
		uint64_t left = until - now;
		struct timespec time = { .tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000) };
		struct pollfd keys = { .fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN };
		if (ppoll(&keys, 1, &time, &open) > 0 && read_keys(t, keys.revents)) {
			event = TERMINAL_QUIT;
			break;
		}
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
