/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl in a pseudo terminal: what it shows is collected, keys and window sizes are sent. */
#ifndef GRAFT_TESTS_CTL_PTY_RIG_H
#define GRAFT_TESTS_CTL_PTY_RIG_H

#include "rig.h"

#include <stdbool.h>
#include <termios.h>

#define PTY_SHOWN_MAX (1 << 20)

struct pty {
	int fd;
	pid_t child;
	struct termios before; /* settings before the program began */
	char *shown;           /* all of it, ends with NUL */
	size_t size;
};

/* Runs graftctl with these words (the last is NULL) in a window of this size. */
void pty_start(struct pty *p, const struct rig *r, const char *const *words, unsigned short columns,
	       unsigned short rows);
void pty_resize(struct pty *p, unsigned short columns, unsigned short rows);
void pty_type(struct pty *p, const char *keys);
/* Reads until text has been shown behind the byte from; asserts that it comes within RIG_PATIENCE_MS. Returns where it begins. */
size_t pty_wait(struct pty *p, size_t from, const char *text);
/* Without reading: until the program waits in a write, because the terminal holds no more. Asserts that it comes to that. */
void pty_wait_stuck(struct pty *p);
/* Reads to the end; returns the exit status and asserts that the terminal's settings are as before. */
int pty_end(struct pty *p);
void pty_free(struct pty *p);

#endif
