/* SPDX-License-Identifier: Apache-2.0 */
/* The attempts: a row for each in the tables of names.c, links.c, ids.c, opens.c, places.c, calls.c and handles.c. */
#ifndef GRAFT_TESTS_ESCAPE_ATTEMPT_H
#define GRAFT_TESTS_ESCAPE_ATTEMPT_H

#include "tests/escape/world.h"

/* What a row may need. */
enum attempt_need {
	ATTEMPT_ROOT = 1 << 0,  /* a daemon that runs as root */
	ATTEMPT_MOUNT = 1 << 1, /* mounts below the share */
};

/* `try` asserts the answers; that nothing got out is asserted after each. */
struct attempt {
	const char *class, *what;
	void (*try)(struct world *w, const void *arg);
	const void *arg;
	unsigned needs; /* enum attempt_need */
};

struct attempt_table {
	const struct attempt *rows;
	size_t n;
};

#define ATTEMPT_TABLE(rows) {rows, sizeof(rows) / sizeof((rows)[0])}

extern const struct attempt_table names_table, links_table, ids_table, opens_table, places_table, calls_table;
/* For a daemon with few descriptors. */
extern const struct attempt_table handles_table;

/* All that may be tried with a node in the place of a directory, which it is not: ENOTDIR each time (links.c). */
void try_as_parent(struct world *w, uint64_t node);
/* All that may be tried with a node that must not be opened (links.c). */
void try_as_file(struct world *w, uint64_t node);

#endif
