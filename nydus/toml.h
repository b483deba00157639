/* SPDX-License-Identifier: Apache-2.0 */
/* TOML as JSON values: tables become objects, arrays arrays. */
#ifndef GRAFT_NYDUS_TOML_H
#define GRAFT_NYDUS_TOML_H

#include "lib/error.h"

#include <jansson.h>
#include <stddef.h>

#define TOML_DEPTH_MAX 32    /* parts of a dotted key; arrays and inline tables in each other */
#define TOML_TABLES_MAX 1024 /* of a document */

/*
 * Reads a document of TOML 1.0. Dates and times become the number 0.0: nothing that reads configurations takes one, but
 * a field that nobody reads may have it. Keys and texts with U+0000 are refused. NULL with err: what is wrong, and the
 * line; -ENOMEM. Time and memory grow with len, and the stack does not.
 */
json_t *toml_read(const char *text, size_t len, struct graft_error *err);

#endif
