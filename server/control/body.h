/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the JSON of a request: bounded depth, no key twice, no NUL, UTF-8 only. */
#ifndef GRAFT_SERVER_CONTROL_BODY_H
#define GRAFT_SERVER_CONTROL_BODY_H

#include "server/control/json_check.h"

#include <jansson.h>

#define BODY_MAX (2u << 20) /* bytes of a request's body */
#define BODY_DEPTH_MAX JSON_DEPTH_MAX

/* What is wrong with a text, in the words of nydusd's reader, and where; lines count from 1. */
struct body_error {
	int line, column;
	char text[256];
};

/* The value, which the caller drops, or NULL with e. text need not end with a NUL. */
json_t *body_parse(const char *text, size_t len, struct body_error *e);
/* Line and column of what stands behind so many bytes. */
void body_place(const char *text, size_t at, int *line, int *column);

#endif
