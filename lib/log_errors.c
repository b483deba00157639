/* SPDX-License-Identifier: Apache-2.0 */
/* The last errors that were logged. */
#include "lib/log_errors.h"

#include "lib/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
	pthread_mutex_t lock;
	/* protected by lock */
	char *lines[LOG_ERRORS_MAX]; /* a ring */
	size_t first, n, bytes;
} held = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Lock held; there is one. */
static void drop_first(void)
{
	char *line = held.lines[held.first];

	held.bytes -= strlen(line);
	free(line);
	held.first = (held.first + 1) % LOG_ERRORS_MAX;
	held.n--;
}

void log_errors_add(const char *object, const char *text)
{
	time_t now = time(NULL);
	char date[64], *line = NULL;
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	if (asprintf(&line, "%s - %s%s%s", date, object ? object : "", object ? ": " : "", text) < 0)
		return;
	size_t bytes = strlen(line);
	LOCK_SCOPE(&held.lock);
	while (held.n && (held.n == LOG_ERRORS_MAX || held.bytes + bytes > LOG_ERRORS_SIZE))
		drop_first();
	if (bytes > LOG_ERRORS_SIZE) {
		free(line);
		return;
	}
	held.lines[(held.first + held.n++) % LOG_ERRORS_MAX] = line;
	held.bytes += bytes;
}

void log_errors_each(void (*fn)(const char *line, void *arg), void *arg)
{
	LOCK_SCOPE(&held.lock);
	for (size_t i = 0; i < held.n; i++)
		fn(held.lines[(held.first + i) % LOG_ERRORS_MAX], arg);
}

void log_errors_clear(void)
{
	LOCK_SCOPE(&held.lock);
	while (held.n)
		drop_first();
}
