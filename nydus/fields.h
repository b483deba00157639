/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the fields of a JSON object: the reader and the writer that go by them. */
#ifndef GRAFT_NYDUS_FIELDS_H
#define GRAFT_NYDUS_FIELDS_H

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELD_PATH_MAX 128   /* bytes of "device.cache.config.work_dir" with its NUL */
#define FIELD_UNUSED_MAX 512 /* bytes of the names of unused fields, with the NUL */

/* What stands at a field's offset. */
enum field_kind {
	FIELD_TEXT,   /* const char * */
	FIELD_BOOL,   /* bool */
	FIELD_NUMBER, /* uint64_t, from 0 to dflt.max */
	FIELD_TEXTS,  /* const json_t *, an array of texts; NULL if empty */
	FIELD_OBJECT, /* a struct, whose first member is `bool given`, read by the table sub */
	FIELD_VALUE   /* const json_t * of any type; NULL if it is null or absent */
};

enum field_flags {
	FIELD_REQUIRED = 1,
	FIELD_NULLABLE =
		2, /* null is as good as absent, and stands for what is absent: a text's NULL, an object not given */
	FIELD_ALWAYS = 4, /* an object whose members have their defaults where it is absent */
	FIELD_SECRET = 8,
	FIELD_URL = 16,    /* user and password in it are secret */
	FIELD_UNSHOWN = 32 /* ours: read, never written */
};

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	unsigned flags;
	size_t offset;    /* in the struct that the table is of */
	uint64_t max;     /* of a number */
	uint64_t number;  /* default of a number or boolean */
	const char *text; /* default of a text; NULL: "", or NULL of one that is FIELD_NULLABLE */
	const struct field *sub;
};

/* One text being read. */
struct field_reader {
	struct graft_error *err;
	char unused[FIELD_UNUSED_MAX];
	size_t unused_len;
	bool unused_more; /* there were more than fit */
};

/*
 * Reads object by table into the struct at `to`, which is all zero; what is absent gets its default. path: the object's
 * own name, "" for the root. 0 or -EINVAL with err.
 */
int fields_read(struct field_reader *r, const json_t *object, const struct field *table, const char *path, void *to);
/* What fields_read makes of an object without fields that requires none. */
void fields_default(const struct field *table, void *to);
/* Remembers the name of a field that is not used. */
void fields_unused(struct field_reader *r, const char *path, const char *name);
/* "a, b and more": r->unused as it is to be shown. */
const char *fields_unused_text(struct field_reader *r);

/* Every field of the struct at `from`, in the table's order. NULL when out of memory. */
json_t *fields_write(const struct field *table, const void *from, bool secrets);

#endif
