/* SPDX-License-Identifier: Apache-2.0 */
/* A table for people: cells are escaped, columns as wide as they need. */
#ifndef GRAFT_CTL_TABLE_H
#define GRAFT_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct table_column {
	const char *title;
	bool right; /* figures stand on the right */
};

struct table;

/* columns are borrowed. NULL when out of memory. */
struct table *table_new(const struct table_column *columns, size_t n);
void table_free(struct table *t);

/* The next cell, row by row. Running out of memory shows in table_print. */
void table_text(struct table *t, const char *text);
void table_number(struct table *t, uint64_t number);
/* text is ours: known to be harmless. */
void table_own(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A window: lines are cut at columns and rows, and each line ends with the text end. NULL for one without bounds. on
 * and off stand around the titles; either may be NULL.
 */
struct table_window {
	size_t columns, rows; /* rows: the title's and "N more" included */
	const char *end, *on, *off;
};
/* A line by itself: of an escaped text as much as fits. */
void table_line(const struct table_window *window, const char *escaped, FILE *to);
/* 0 or -ENOMEM, with nothing printed. Whether the writes succeeded is the caller's to ask. */
int table_print(const struct table *t, const struct table_window *window, FILE *to);

/* The end of a table: printed on stdout and freed. An exit status. */
int table_finish(struct table *t);

#endif
