/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl in a pseudo terminal. */
#include "pty_rig.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

void pty_start(struct pty *p, const struct rig *r, const char *const *words, unsigned short columns,
	       unsigned short rows)
{
	const char *argv[16] = { rig_program() };
	struct winsize size = { .ws_col = columns, .ws_row = rows };
	struct rig_environment environment;
	int hold;
	rig_environment(r, &environment);
	for (size_t i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	*p = (struct pty){ .shown = calloc(1, PTY_SHOWN_MAX + 1) };
	assert_non_null(p->shown);
	/* The other end is held open here, so that its settings can be read after the program has ended. */
	assert_int_equal(openpty(&p->fd, &hold, NULL, NULL, &size), 0);
	assert_int_equal(tcgetattr(p->fd, &p->before), 0);
	p->child = fork();
	assert_true(p->child >= 0);
	if (p->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p->fd);
		if (login_tty(hold) != 0)
			_exit(98);
		execve(argv[0], (char *const *)argv, environment.variables);
		_exit(99);
	}
	close(hold);
}

void pty_resize(struct pty *p, unsigned short columns, unsigned short rows)
{
	struct winsize size = { .ws_col = columns, .ws_row = rows };
	assert_int_equal(ioctl(p->fd, TIOCSWINSZ, &size), 0);
}

void pty_type(struct pty *p, const char *keys)
{
	assert_int_equal(write(p->fd, keys, strlen(keys)), strlen(keys));
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* false at the end. */
static bool read_more(struct pty *p, int64_t until, const char *what)
{
	struct pollfd ready = { .fd = p->fd, .events = POLLIN };
	int64_t left = until - now_ms();
	if (poll(&ready, 1, left > 0 ? (int)left : 0) != 1)
		fail_msg("waited %d s for '%s'; shown: %s", RIG_PATIENCE_MS / 1000, what, p->shown);
	ssize_t n = read(p->fd, p->shown + p->size, PTY_SHOWN_MAX - p->size);
	if (n <= 0)
		return false;
	p->size += (size_t)n;
	p->shown[p->size] = '\0';
	return true;
}

size_t pty_wait(struct pty *p, size_t from, const char *text)
{
	int64_t until = now_ms() + RIG_PATIENCE_MS;
	const char *found;
	while (!(found = strstr(p->shown + from, text))) {
		if (!read_more(p, until, text))
			fail_msg("ended without showing '%s'; so far: %s", text, p->shown);
	}
	return (size_t)(found - p->shown);
}

/* Does it sleep in write(1, ...)? */
static bool writes(pid_t pid)
{
	char path[64], call[64] = "", wanted[32];
	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	snprintf(wanted, sizeof(wanted), "%d 0x1 ", SYS_write);
	bool found = fgets(call, sizeof(call), f) && strncmp(call, wanted, strlen(wanted)) == 0;
	fclose(f);
	return found;
}

void pty_wait_stuck(struct pty *p)
{
	int64_t until = now_ms() + RIG_PATIENCE_MS;
	for (int times = 0; times < 3; times = writes(p->child) ? times + 1 : 0) {
		if (now_ms() > until)
			fail_msg("waited %d s for a write that waits", RIG_PATIENCE_MS / 1000);
		usleep(50000);
	}
}

int pty_end(struct pty *p)
{
	struct termios after;
	int64_t until = now_ms() + RIG_PATIENCE_MS;
	while (read_more(p, until, "the end"))
		;
	int status = rig_wait(p->child, "graftctl in a terminal");
	assert_int_equal(tcgetattr(p->fd, &after), 0);
	assert_int_equal(after.c_iflag, p->before.c_iflag);
	assert_int_equal(after.c_oflag, p->before.c_oflag);
	assert_int_equal(after.c_cflag, p->before.c_cflag);
	assert_int_equal(after.c_lflag, p->before.c_lflag);
	assert_memory_equal(after.c_cc, p->before.c_cc, sizeof(after.c_cc));
	assert_true(status >= 0);
	return status;
}

void pty_free(struct pty *p)
{
	close(p->fd);
	free(p->shown);
}
