/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one line a message to stderr, "graftfsd: [level] [object: ]text". The one mutable global of the house. */
#ifndef GRAFT_LIB_LOG_H
#define GRAFT_LIB_LOG_H

#include <graftfs/plugin.h>
#include <stdarg.h>
#include <stdbool.h>

/* Levels are enum graft_log_level. Thread-safe; each line is one write(2). All calls keep errno. */
void log_set_level(int level);
int log_level(void);
/* For tests and later sinks: where lines go; NULL: stderr. line has no newline. Set before threads start. */
void log_set_sink(void (*sink)(void *user, int level, const char *line), void *user);

/* object may be NULL. */
void log_msg(int level, const char *object, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void log_vmsg(int level, const char *object, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

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
