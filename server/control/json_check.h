/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a text is JSON, and if not, the words and the place that nydusd's reader (serde_json) has for it. */
#ifndef GRAFT_SERVER_CONTROL_JSON_CHECK_H
#define GRAFT_SERVER_CONTROL_JSON_CHECK_H

#include <stddef.h>

#define JSON_DEPTH_MAX 32 /* brackets inside each other */

/* NULL: it is JSON, of bounded depth; what strings hold beyond their escapes is not looked at. Else a static text, and *at: how many
 * bytes stand up to the place, its own included. */
const char *json_check(const char *text, size_t len, size_t *at);

/*
 * Where a value stands in a text that json_check took: of the member of that name of the object that the text is, or (name NULL)
 * element `index` of the array at `from`. *start, *end: bytes. 1, or 0 where there is none.
 */
int json_find_member(const char *text, size_t len, const char *name, size_t *start, size_t *end);
int json_find_element(const char *text, size_t len, size_t from, size_t index, size_t *start, size_t *end);

#endif
