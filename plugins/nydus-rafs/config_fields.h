/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the fields of a JSON object, and the reader that goes by them. */
#ifndef GRAFT_NYDUS_RAFS_CONFIG_FIELDS_H
#define GRAFT_NYDUS_RAFS_CONFIG_FIELDS_H

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define FIELD_PATH_MAX 96 /* bytes of "device.cache.config.work_dir" with its NUL */

/* What is stored at a field's offset, or what is made of it. null is as if the field were absent. */
enum field_kind {
	FIELD_TEXT,    /* const char * */
	FIELD_BOOL,    /* bool */
	FIELD_NUMBER,  /* uint64_t; must not be negative */
	FIELD_OBJECT,  /* read by the table sub into the same struct; bool at offset, if there is one: it was there */
	FIELD_VALUE,   /* json_t *, of any type */
	FIELD_NOTHING, /* accepted, of any type: without meaning here */
	FIELD_NO       /* refused with the sentence of why, unless it is false, "", {}, [] */
};

#define FIELD_NOWHERE SIZE_MAX

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	bool required;
	size_t offset; /* in the struct; FIELD_NOWHERE: not stored */
	const struct field *sub;
	const char *why;
};

/* One text being read. */
struct field_reader {
	struct graft_error *err;
	char unknown[256]; /* names of fields that no table has */
	size_t unknown_len;
	bool unknown_more; /* there were more than fit */
};

/* Reads object by table into the struct at `to`. path: the object's own name, "" for the root. 0 or -EINVAL with err.
 */
int fields_read(struct field_reader *r, const json_t *object, const struct field *table, const char *path, void *to);
/* "device.cache" and "type" make "device.cache.type". */
const char *field_path(char full[FIELD_PATH_MAX], const char *path, const char *name);

#endif
