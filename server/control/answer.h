/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a request: status, content type, body. Filled by one handler, sent by http.c. */
#ifndef GRAFT_SERVER_CONTROL_ANSWER_H
#define GRAFT_SERVER_CONTROL_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct answer {
	unsigned status;   /* of HTTP; 0: not yet answered */
	const char *type;  /* Content-Type, static; NULL where there is no body */
	const char *allow; /* Allow, static; NULL: none */
	char *body;        /* owned, of malloc */
	size_t len;
	bool unread; /* of nydusd's HTTP library, which could not read the request */
	bool stop;   /* once it is sent the daemon shall end */
};

void answer_fini(struct answer *a);

void answer_empty(struct answer *a, unsigned status);
/* Takes body, which may be NULL: out of memory, then the answer is an empty 500. */
void answer_json(struct answer *a, unsigned status, json_t *body);
/* Takes text of malloc; type is static. */
void answer_text(struct answer *a, unsigned status, const char *type, char *text, size_t len);

/* The error form of /api/graft/v1; code is a positive errno value. */
void answer_error(struct answer *a, unsigned status, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * The error form of nydusd: {"code":"UNDEFINED","message":...}. what is a debug text of Rust, complete or up to where a
 * text stands in quotation marks; text (or NULL) is quoted as Rust does, tail follows.
 */
void answer_nydus(struct answer *a, unsigned status, const char *what, const char *text, const char *tail);

/* The error form of nydusd's HTTP library: no JSON text, as its line break is a real one. Status 400. */
void answer_unread(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes a text in quotation marks as Rust's Debug of a str does, but for what needs tables of Unicode. */
void answer_quote(FILE *to, const char *text);

/* A JSON string; bytes that are not UTF-8 become '?'. NULL when out of memory. */
json_t *answer_string(const char *text);

#endif
