/* SPDX-License-Identifier: Apache-2.0 */
/* The last errors that were logged. Nothing is allocated: some are logged where a signal is handled. */
#include "lib/log_errors.h"

#include "lib/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
	pthread_mutex_t lock;
	/* protected by lock */
	char text[LOG_ERRORS_SIZE + LOG_ERRORS_MAX]; /* lines, oldest first, each with its NUL */
	size_t n, used;                              /* used: bytes of text */
} held = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Lock held; there is one. */
static void drop_first(void)
{
	size_t len = strlen(held.text) + 1;

	held.used -= len;
	held.n--;
	memmove(held.text, held.text + len, held.used);
}

void log_errors_add(const char *object, const char *text)
{
	const char *name = object ? object : "", *colon = object ? ": " : "";
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	size_t bytes = strlen(date) + strlen(" - ") + strlen(name) + strlen(colon) + strlen(text);
	if (bytes > LOG_ERRORS_SIZE)
		return;
	LOCK_SCOPE(&held.lock);
	while (held.n == LOG_ERRORS_MAX || held.used - held.n + bytes > LOG_ERRORS_SIZE)
		drop_first();
	snprintf(held.text + held.used, bytes + 1, "%s - %s%s%s", date, name, colon, text);
	held.used += bytes + 1;
	held.n++;
}

void log_errors_each(void (*fn)(const char *line, void *arg), void *arg)
{
	LOCK_SCOPE(&held.lock);
	for (size_t at = 0; at < held.used; at += strlen(held.text + at) + 1)
		fn(held.text + at, arg);
}

void log_errors_clear(void)
{
	LOCK_SCOPE(&held.lock);
	held.n = held.used = 0;
}
