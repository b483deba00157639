/* SPDX-License-Identifier: Apache-2.0 */
/* What the three files of the option tables share: one value's parsing, printing and size. Inside lib/ only. */
#ifndef GRAFT_LIB_OPTIONS_INTERNAL_H
#define GRAFT_LIB_OPTIONS_INTERNAL_H

#include "lib/options.h"

#define OPTION_KEY_MAX 48         /* bytes */
#define OPTION_LIST_MAX 4096      /* items of one LIST key */
#define OPTION_PATH_MAX 4095      /* bytes (PATH_MAX without the NUL) */
#define OPTION_SHOWN "%.100s"     /* a value in a message: the reason behind it must not be cut off */

/* A value of a type that is not text. */
union option_value {
	bool b;
	uint64_t u64; /* U64; SECONDS: ns */
	uint32_t index; /* ENUM */
};

/* One key and what was said of it. Text lies in items: of STRING and PATH one, of LIST any number, of others if set. */
struct option_row {
	char *where; /* place of the first options_set, NULL: not set */
	char **items;
	size_t count, room; /* items used and allocated */
	bool has_value;     /* set or defaulted */
};

struct options {
	const struct graft_opt *table;
	size_t n;    /* rows */
	char *settings; /* the struct that the offsets point into */
	struct option_row *rows;
};

bool option_is_text(const struct graft_opt *opt);
/* Bytes a value takes in the settings struct; 0 for an unknown type. */
size_t option_width(uint32_t type);
/* Checks text against the row's type and range; *v is set for types that are not text. 0 or -EINVAL. */
int option_parse(const struct graft_opt *opt, const char *text, union option_value *v, struct graft_error *err);
/* Seconds as they are written in a file, exact to the nanosecond; buf of 32 bytes. Returns buf. */
const char *option_seconds(uint64_t ns, char *buf);

#endif
