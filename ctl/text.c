/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a terminal: escapes, widths, times. */
#include "ctl/text.h"

#include "lib/cleanup.h"

#include <inttypes.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#define ESCAPE_MAX 12 /* bytes of the longest escape, \u{10ffff}, and a NUL */

void text_init(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
}

/* Reads one character. Returns its bytes, or 0 with *c the byte where there is no whole one. */
static size_t next_char(const char *text, wchar_t *c)
{
	mbstate_t state = { 0 };
	size_t n = mbrtowc(c, text, strnlen(text, MB_CUR_MAX), &state);
	if (n > 0 && n <= MB_CUR_MAX)
		return n;
	*c = (unsigned char)*text;
	return 0;
}

/* Characters that print nothing, or change how their neighbours are shown. */
static bool steers(wchar_t c)
{
	static const struct {
		wchar_t from, to;
	} ranges[] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0xad, 0xad },       { 0x61c, 0x61c },
		{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f },
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff },
	};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	}
	return wcwidth(c) < 0;
}

/* The escape of a character; of a single byte that is no character where width is 0. */
static void escape_char(char to[ESCAPE_MAX], wchar_t c, size_t width)
{
	if (c == L'\\')
		snprintf(to, ESCAPE_MAX, "\\\\");
	else if (c == L'\n')
		snprintf(to, ESCAPE_MAX, "\\n");
	else if (c == L'\t')
		snprintf(to, ESCAPE_MAX, "\\t");
	else if (width == 0 || c < 0x80)
		snprintf(to, ESCAPE_MAX, "\\x%02x", (unsigned)c);
	else
		snprintf(to, ESCAPE_MAX, "\\u{%x}", (unsigned)c & 0x1fffff);
}

void text_put(FILE *to, const char *text)
{
	while (*text) {
		wchar_t c;
		size_t n = next_char(text, &c);
		if (n > 0 && c != L'\\' && !steers(c)) {
			fwrite(text, 1, n, to);
		} else {
			char escape[ESCAPE_MAX];
			escape_char(escape, c, n);
			fputs(escape, to);
		}
		text += n > 0 ? n : 1;
	}
}

char *text_escape(const char *text)
{
	char *made = NULL;
	size_t size;
	FILE *to = open_memstream(&made, &size);
	if (!to)
		return NULL;
	text_put(to, text);
	bool bad = ferror(to);
	if (fclose(to) != 0 || bad) {
		free(made);
		return NULL;
	}
	return made;
}

size_t text_fit(const char *escaped, size_t columns)
{
	size_t used = 0, bytes = 0;
	while (escaped[bytes]) {
		wchar_t c;
		size_t n = next_char(escaped + bytes, &c);
		int width = n > 0 ? wcwidth(c) : 1;
		used += width > 0 ? (size_t)width : 0;
		if (used > columns)
			break;
		bytes += n > 0 ? n : 1;
	}
	return bytes;
}

size_t text_width(const char *escaped)
{
	size_t used = 0;
	while (*escaped) {
		wchar_t c;
		size_t n = next_char(escaped, &c);
		int width = n > 0 ? wcwidth(c) : 1;
		used += width > 0 ? (size_t)width : 0;
		escaped += n > 0 ? n : 1;
	}
	return used;
}

struct unit {
	const char *name;
	double size;
};

/* In the largest of n units that is not larger, three digits. */
static const char *scale(char to[TEXT_TIME_MAX], double value, const struct unit *units, size_t n)
{
	size_t i = 0;
	while (i + 1 < n && value >= units[i + 1].size)
		i++;
	value /= units[i].size;
	int digits = i == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
	snprintf(to, TEXT_TIME_MAX, "%.*f%s", digits, value, units[i].name);
	return to;
}

const char *text_time(char to[TEXT_TIME_MAX], uint64_t ns)
{
	static const struct unit units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	return scale(to, (double)ns, units, sizeof(units) / sizeof(units[0]));
}

const char *text_bytes(char to[TEXT_TIME_MAX], double bytes)
{
	static const struct unit units[] = { { "B", 1 },        { "KiB", 0x1p10 }, { "MiB", 0x1p20 },
					     { "GiB", 0x1p30 }, { "TiB", 0x1p40 }, { "PiB", 0x1p50 } };
	return scale(to, bytes, units, sizeof(units) / sizeof(units[0]));
}

const char *text_date(char to[TEXT_TIME_MAX], uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	if (!localtime_r(&seconds, &tm) || strftime(to, TEXT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(to, TEXT_TIME_MAX, "%" PRIu64, ns);
	return to;
}
