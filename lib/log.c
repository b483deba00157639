/* SPDX-License-Identifier: Apache-2.0 */
/* The log: a line is put together on the stack and leaves with one write, so lines of several threads never mix. */
#include "lib/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* newline included; more is cut */
#define LIMIT_LINES 10
#define LIMIT_WINDOW 10000000000ULL /* ns */

/* Relaxed: nothing else is published through the level. */
static _Atomic int level_now = GRAFT_LOG_INFO;
static void (*sink_fn)(void *user, int level, const char *line);
static void *sink_user;

void log_set_level(int level)
{
	atomic_store_explicit(&level_now, level, memory_order_relaxed);
}

int log_level(void)
{
	return atomic_load_explicit(&level_now, memory_order_relaxed);
}

void log_set_sink(void (*sink)(void *user, int level, const char *line), void *user)
{
	sink_fn = sink;
	sink_user = user;
}

/* What stands before the text. INFO has no word: "graftfsd: ready" is the line that scripts wait for. */
static const char *level_word(int level)
{
	static const char *const words[] = {
		[GRAFT_LOG_ERROR] = "error: ", [GRAFT_LOG_WARN] = "warn: ", [GRAFT_LOG_INFO] = "",
		[GRAFT_LOG_DEBUG] = "debug: ", [GRAFT_LOG_TRACE] = "trace: ",
	};
	return level >= GRAFT_LOG_ERROR && level <= GRAFT_LOG_TRACE ? words[level] : "";
}

/* A guest's file name may be in the text: it must not forge lines or reach the terminal. */
static void blank_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void emit(int level, char *line, size_t len)
{
	if (sink_fn) {
		sink_fn(sink_user, level, line);
		return;
	}
	line[len] = '\n';
	/* Nobody is left to tell that the log cannot be written. */
	ssize_t written = write(STDERR_FILENO, line, len + 1);
	(void)written;
}

void log_vmsg(int level, const char *object, const char *fmt, va_list ap)
{
	if (level > log_level())
		return;
	int saved = errno;
	char line[LINE_MAX_BYTES];
	const size_t room = sizeof(line) - 1; /* for the newline */
	int head =
		snprintf(line, room, "graftfsd: %s%s%s", level_word(level), object ? object : "", object ? ": " : "");
	size_t len = head > 0 ? strnlen(line, room) : 0;
	errno = saved; /* for %m */
	if (vsnprintf(line + len, room - len, fmt, ap) < 0)
		line[len] = '\0';
	blank_controls(line);
	emit(level, line, strnlen(line, room));
	errno = saved;
}

void log_msg(int level, const char *object, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_vmsg(level, object, fmt, ap);
	va_end(ap);
}

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Begins a new window if the present one is over; one thread wins. Returns the lines the old one left out. */
static uint32_t turn_window(struct log_limit *limit)
{
	uint64_t now = now_ns();
	uint64_t start = atomic_load_explicit(&limit->window, memory_order_relaxed);
	if (start != 0 && now < start + LIMIT_WINDOW)
		return 0;
	/* Relaxed: a line that counts in the wrong window is harmless. */
	if (!atomic_compare_exchange_strong_explicit(&limit->window, &start, now, memory_order_relaxed,
						     memory_order_relaxed))
		return 0;
	uint32_t lines = atomic_exchange_explicit(&limit->count, 0, memory_order_relaxed);
	return lines > LIMIT_LINES ? lines - LIMIT_LINES : 0;
}

void log_vlimited(struct log_limit *limit, int level, const char *object, const char *fmt, va_list ap)
{
	if (level > log_level())
		return;
	int saved = errno;
	uint32_t lost = turn_window(limit);
	if (lost > 0)
		log_msg(level, object, "%u more lines like this were left out", lost);
	uint32_t lines = atomic_fetch_add_explicit(&limit->count, 1, memory_order_relaxed);
	errno = saved;
	if (lines < LIMIT_LINES)
		log_vmsg(level, object, fmt, ap);
	errno = saved;
}

void log_limited(struct log_limit *limit, int level, const char *object, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_vlimited(limit, level, object, fmt, ap);
	va_end(ap);
}
