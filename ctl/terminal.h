/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal while a live table is shown: its settings, its size, keys and signals; all as before at the end. */
#ifndef GRAFT_CTL_TERMINAL_H
#define GRAFT_CTL_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct terminal;

/* Not 0 once SIGINT, SIGTERM or SIGHUP came after terminal_open. */
extern volatile sig_atomic_t terminal_stopped;

/*
 * Catches the signals. Where a screen is wanted and stdout is a terminal (TERM=dumb is none): turns to its second
 * screen, and if stdin is a terminal too, reads keys without waiting for a line. One at a time; main thread. NULL when
 * out of memory.
 */
struct terminal *terminal_open(bool screen);
/* The first screen is back, settings and signals are as they were. */
void terminal_close(struct terminal *t);

/* There is a screen to draw on; and it may have colours (NO_COLOR is not set). */
bool terminal_is_live(const struct terminal *t);
bool terminal_has_colours(const struct terminal *t);
void terminal_size(const struct terminal *t, size_t *columns, size_t *rows);

enum terminal_event { TERMINAL_TIME, TERMINAL_QUIT, TERMINAL_RESIZED, TERMINAL_KEY };
/* Waits until CLOCK_MONOTONIC is at until (ns), a signal or a key comes (q is TERMINAL_QUIT), or the window changes. */
enum terminal_event terminal_wait(struct terminal *t, uint64_t until);

/* After TERMINAL_KEY: which. */
char terminal_key(const struct terminal *t);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t terminal_now(void);

#endif
