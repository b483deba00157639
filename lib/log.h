/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one line a message to stderr, a file or the system's log. The one mutable global. */
#ifndef GRAFT_LIB_LOG_H
#define GRAFT_LIB_LOG_H

#include "lib/error.h"

#include <graftfs/plugin.h>
#include <stdarg.h>
#include <stdbool.h>

#define LOG_OFF (-1) /* a level at which nothing is written */

enum log_form {
	LOG_FORM_PLAIN, /* "PROGRAM: [LEVEL: ][OBJECT: ]TEXT", in a file behind the time to the millisecond */
	LOG_FORM_STAMPED, /* "[2026-01-01T00:00:00Z LEVEL PROGRAM[::OBJECT]] TEXT", of Rust's env_logger */
	/* "[2026-01-01 00:00:00.000000 +00:00] LEVEL [PROGRAM[::OBJECT]] TEXT", at INFO without the second bracket: nydusd's */
	LOG_FORM_DATED, /* in local time; with colours on stderr. The reason of an end is "Error: TEXT" there */
};

/* Levels are enum graft_log_level or LOG_OFF. Thread-safe; each line is one write(2). All calls keep errno. */
void log_set_level(int level);
int log_level(void);
/*
 * How lines look from now on, and who says them; at first LOG_FORM_PLAIN and "graftfsd". program is kept. Before other
 * threads start.
 */
void log_set_form(enum log_form form, const char *program);
/* For tests and later sinks: where lines go; NULL: stderr. line has no newline. Set before threads start. */
void log_set_sink(void (*sink)(void *user, int level, const char *line), void *user);

/*
 * From now on lines go to this file, in each form with the time (UTC, but local time in LOG_FORM_DATED). It is made, mode 0640, where it is missing, and
 * appended to; a FIFO that somebody reads and a terminal are fine, other kinds are refused. Lines of other threads
 * meanwhile go to the old or the new place. 0 or -errno with err. Main thread.
 */
int log_open(const char *path, struct graft_error *err);
/*
 * The same, but a file that has grown to bytes is put away, and a new one begun (log_rotate.h). What is written to is the file
 * "STEM_rCURRENT.EXT" of path "STEM.EXT".
 */
int log_open_rotating(const char *path, uint64_t bytes, struct graft_error *err);
/*
 * Opens the file of log_open again, by its name in the folder of then, for somebody may have renamed it. The new one
 * takes the old one's descriptor at once, so no line is lost. 0, also where there is no log file; -errno, after a line
 * about it in the old file, which stays. Any thread.
 */
int log_reopen(void);
/*
 * From now on each line looks first whether another process has put the log's file away, and opens the new one then. For
 * a process with one thread that seldom has something to say.
 */
void log_follow(void);
/*
 * From now on lines go to the system's log, whose datagram socket is at path: facility USER, the program's name and its
 * present pid, the object before the text. A line that is not taken at once goes to stderr. 0; -errno with err, then
 * nothing has changed. Main thread, before others start.
 */
int log_open_syslog(const char *path, struct graft_error *err);

/* object may be NULL. */
void log_msg(int level, const char *object, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void log_vmsg(int level, const char *object, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/*
 * Why the program ends: to stderr, whatever the level and in LOG_FORM_PLAIN without a word for it; and to the log where
 * that is elsewhere.
 */
void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * For what a guest or a front end can provoke: at most 10 lines in 10 seconds for each `struct log_limit`, then one
 * that says how many were left out. Thread-safe.
 */
struct log_limit {
	_Atomic uint64_t window; /* ns, start of the present window */
	_Atomic uint32_t count;  /* lines in it */
};
void log_limited(struct log_limit *limit, int level, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void log_vlimited(struct log_limit *limit, int level, const char *object, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

#define log_err(object, ...) log_msg(GRAFT_LOG_ERROR, object, __VA_ARGS__)
#define log_warn(object, ...) log_msg(GRAFT_LOG_WARN, object, __VA_ARGS__)
#define log_info(object, ...) log_msg(GRAFT_LOG_INFO, object, __VA_ARGS__)
#define log_dbg(object, ...) log_msg(GRAFT_LOG_DEBUG, object, __VA_ARGS__)

#endif
