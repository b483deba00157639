/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: parse, check, default, print. A table (struct graft_opt[]) is a section's or a plugin's. */
#ifndef GRAFT_LIB_OPTIONS_H
#define GRAFT_LIB_OPTIONS_H

#include "error.h"

#include <graftfs/plugin.h>
#include <stdbool.h>
#include <stdio.h>

#define OPTIONS_ROWS_MAX 256 /* rows of a table that options_check accepts */

/* One settings struct being filled from its table. Not thread-safe; constant once options_finish succeeded. */
struct options;

/*
 * table ends with a NULL key. size: bytes of the settings struct. NULL when out of memory. The options object owns the
 * settings struct and all strings and lists it points to; options_free drops them together.
 */
struct options *options_new(const struct graft_opt *table, size_t size);
void options_free(struct options *o);

/*
 * Sets a key from its text. where ("file:12" or "--cache") is remembered for messages. Errors: unknown key (with the
 * nearest known one), key given twice (unless LIST; the message names the first place), bad value (what would be
 * right). The error text does not hold the place of this call: the caller puts it before.
 */
int options_set(struct options *o, const char *key, const char *value, const char *where, struct graft_error *err);
/* Fills in defaults; a required key that is missing is an error. */
int options_finish(struct options *o, struct graft_error *err);
const void *options_settings(const struct options *o);
/* "file:12" of a key that was set, NULL otherwise. */
const char *options_where(const struct options *o, const char *key);
/*
 * Calls fn for each key that options_set took, not for defaults, in table order, a list's values one by one, with the
 * text as it was given, until fn returns other than 0; returns that.
 */
int options_each_set(const struct options *o, int (*fn)(const char *key, const char *text, void *arg), void *arg);

/*
 * Checks a table that somebody else wrote (a plugin's): keys, types, offsets within size, choices, defaults that parse.
 * 0, or -EINVAL with the first row that is wrong.
 */
int options_check(const struct graft_opt *table, size_t size, struct graft_error *err);

/*
 * Prints "key = value" lines for every key that has a value, defaults included, in table order; each key after prefix
 * ("" or "idmap."). Parsing the lines again gives the same settings. -EINVAL for a value that an INI file cannot carry.
 * Whether the writes succeeded is the caller's to ask (ferror).
 */
int options_dump(const struct options *o, const char *prefix, FILE *to, struct graft_error *err);
/* Prints key, value range, default and help for each row, for --help and --dump-plugin. */
void options_help(const struct graft_opt *table, const char *prefix, FILE *to);

/* The candidate nearest to word by edit distance, NULL if none is within 2 or a third of word's length. */
const char *options_nearest(const char *word, const char *const *candidates, size_t n);

#endif
