/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's words and options, by table: every message says what was meant. */
#ifndef GRAFT_CTL_ARGS_H
#define GRAFT_CTL_ARGS_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum args_kind {
	ARGS_FLAG,
	ARGS_VALUE,
	ARGS_LIST,         /* a value; may be given several times */
	ARGS_MAYBE_NUMBER, /* the next word is its value only where that begins with a digit */
};

struct args_option {
	const char *name; /* without the dashes */
	char letter;      /* or 0 */
	enum args_kind kind;
	const char *value; /* its value's name in the help; NULL for a flag */
	const char *help;
};

struct args_given {
	const struct args_option *option;
	const char *value; /* NULL for a flag, or where a number was left out */
};

/* Zeroed before args_parse; args_free drops the arrays. All texts point into argv. */
struct args {
	const char **words;
	size_t nwords;
	struct args_given *given;
	size_t ngiven;
};

/*
 * Takes argv (ends with NULL) apart by the rows of two tables (each ends with a NULL name) and adds to a. Options may
 * stand anywhere;
 * "--" ends them. first_only: stops behind the first word. Returns how many of argv were used, or -EINVAL with err.
 */
int args_parse(const struct args_option *common, const struct args_option *own, char *const *argv, bool first_only,
	       struct args *a, struct graft_error *err);
void args_free(struct args *a);

bool args_has(const struct args *a, const char *name);
/* NULL where it was not given, or without a value. */
const char *args_value(const struct args *a, const char *name);

/* Prints a line for each row. */
void args_help(const struct args_option *table, FILE *to);

#endif
