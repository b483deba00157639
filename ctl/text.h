/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a terminal: escapes of what a server sent, widths in columns, times in a readable unit. */
#ifndef GRAFT_CTL_TEXT_H
#define GRAFT_CTL_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Makes the C library know UTF-8 whatever the locale is. Call once, before the others. */
void text_init(void);

/*
 * A copy in which nothing can steer a terminal: control characters, those that change the direction of text, invisible
 * ones, bytes that are no UTF-8, and the backslash are written as \n, \x1b, \u{202e} or \\. The caller frees it; NULL
 * when out of memory.
 */
char *text_escape(const char *text);
/* Writes text as text_escape makes it. */
void text_put(FILE *to, const char *text);

/* Columns that an escaped text takes. */
size_t text_width(const char *escaped);
/* Bytes of an escaped text that fit into so many columns. */
size_t text_fit(const char *escaped, size_t columns);

#define TEXT_TIME_MAX 32
/* Nanoseconds as "12.3us", three digits. Returns to. */
const char *text_time(char to[TEXT_TIME_MAX], uint64_t ns);
/* Bytes as "12.3MiB", three digits. Returns to. */
const char *text_bytes(char to[TEXT_TIME_MAX], double bytes);
/* Nanoseconds since 1970 as local time, "2026-11-21 17:05:34". Returns to. */
const char *text_date(char to[TEXT_TIME_MAX], uint64_t ns);

#endif
