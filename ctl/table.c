/* SPDX-License-Identifier: Apache-2.0 */
/* A table for people: cells are escaped, columns as wide as they need. */
#include "ctl/table.h"

#include "ctl/command.h"
#include "ctl/text.h"
#include "lib/cleanup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2 /* blanks between two columns */

struct table {
	const struct table_column *columns;
	size_t ncolumns;
	char **cells; /* escaped */
	size_t n, room;
	bool failed; /* out of memory */
};

struct table *table_new(const struct table_column *columns, size_t n)
{
	struct table *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->columns = columns;
	t->ncolumns = n;
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

/* Takes text, which may be NULL for out of memory. */
static void add(struct table *t, char *text)
{
	if (t->n == t->room) {
		size_t room = t->room > 0 ? t->room * 2 : 64;
		char **cells = realloc(t->cells, room * sizeof(*cells));
		if (!cells) {
			t->failed = true;
			free(text);
			return;
		}
		t->cells = cells;
		t->room = room;
	}
	t->failed |= !text;
	if (text)
		t->cells[t->n++] = text;
}

void table_text(struct table *t, const char *text)
{
	add(t, text_escape(text));
}

void table_number(struct table *t, uint64_t number)
{
	table_own(t, "%" PRIu64, number);
}

void table_own(struct table *t, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add(t, text);
}

static void measure(const struct table *t, size_t *widths)
{
	for (size_t c = 0; c < t->ncolumns; c++)
		widths[c] = text_width(t->columns[c].title);
	for (size_t i = 0; i < t->n; i++) {
		size_t width = text_width(t->cells[i]);
		if (width > widths[i % t->ncolumns])
			widths[i % t->ncolumns] = width;
	}
}

struct line {
	const struct table_window *window; /* or NULL */
	size_t used;                       /* columns */
	FILE *to;
};

/* Writes text, or as much of it as the line still has room for. */
static void put(struct line *l, const char *text, size_t width)
{
	size_t room = l->window ? l->window->columns - l->used : SIZE_MAX;
	size_t fits = width <= room ? width : room;
	fwrite(text, 1, width <= room ? strlen(text) : text_fit(text, room), l->to);
	l->used += fits;
}

static void pad(struct line *l, size_t n)
{
	while (n-- > 0)
		put(l, " ", 1);
}

static void end_line(struct line *l)
{
	fputs(l->window ? l->window->end : "\n", l->to);
	l->used = 0;
}

/* row: its first cell, or NULL for the titles. Nothing is padded behind the last column; the caller ends the line. */
static void put_row(const struct table *t, char *const *row, const size_t *widths, struct line *l)
{
	for (size_t c = 0; c < t->ncolumns; c++) {
		const char *text = row ? row[c] : t->columns[c].title;
		size_t width = text_width(text);
		if (t->columns[c].right)
			pad(l, widths[c] - width);
		put(l, text, width);
		if (c + 1 == t->ncolumns)
			break;
		pad(l, (t->columns[c].right ? 0 : widths[c] - width) + GAP);
	}
}

void table_line(const struct table_window *window, const char *escaped, FILE *to)
{
	struct line l = { window, 0, to };
	put(&l, escaped, text_width(escaped));
	end_line(&l);
}

static void put_mark(const char *mark, FILE *to)
{
	if (mark)
		fputs(mark, to);
}

int table_print(const struct table *t, const struct table_window *window, FILE *to)
{
	auto_free size_t *widths = calloc(t->ncolumns, sizeof(*widths));
	if (t->failed || !widths)
		return -ENOMEM;
	measure(t, widths);

	size_t rows = t->n / t->ncolumns, shown = rows;
	size_t room = window ? window->rows : SIZE_MAX;
	if (room == 0)
		return 0;
	if (rows > room - 1)
		shown = room > 2 ? room - 2 : 0;
	struct line l = { window, 0, to };
	put_mark(window ? window->on : NULL, to);
	put_row(t, NULL, widths, &l);
	put_mark(window ? window->off : NULL, to);
	end_line(&l);
	for (size_t i = 0; i < shown; i++) {
		put_row(t, t->cells + i * t->ncolumns, widths, &l);
		end_line(&l);
	}
	if (shown < rows && room > 1) {
		char more[64];
		snprintf(more, sizeof(more), "... %zu more", rows - shown);
		put(&l, more, strlen(more));
		end_line(&l);
	}
	return 0;
}

int table_finish(struct table *t)
{
	int res = table_print(t, NULL, stdout);
	table_free(t);
	return res == 0 ? CTL_DONE : ctl_fail(CTL_FAILED, "out of memory");
}
