/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the target of a request apart: path, query, and the mount paths in it. */
#ifndef GRAFT_SERVER_CONTROL_URI_H
#define GRAFT_SERVER_CONTROL_URI_H

#include <stdbool.h>

#define URI_AT_MAX 4096 /* bytes of a mount path */

struct uri {
	char *path;  /* as sent, without scheme and host; owned */
	char *query; /* behind the '?', not decoded; points into path's memory; "" where there is none */
};

/* Takes target ("/a?b=c" or "http://host/a?b=c") apart; a fragment is dropped. 0 or -ENOMEM. */
int uri_init(struct uri *u, const char *target);
void uri_fini(struct uri *u);

/*
 * The first value of a name in the query, percent-decoded, '+' a space; a '%' that no two hexadecimal digits follow
 * stays. 1 and *value (the caller frees it), 0 where the name is missing, -EINVAL for a value with a NUL in it,
 * -ENOMEM.
 */
int uri_query(const struct uri *u, const char *name, char **value);

/*
 * Makes an absolute path what it leads to, in place, as nydusd does: empty and "." parts go, ".." steps up, at the root
 * nowhere. Others are left as they are.
 */
void uri_path_normal(char *at);

/* Whether at is an absolute path of at most URI_AT_MAX bytes of UTF-8, without an empty, "." or ".." part; "/" is. */
bool uri_path_good(const char *at);
/*
 * A mount path as nydusd takes it: empty and "." parts are dropped, ".." steps up, but not above "/". NULL: not absolute, not good
 * otherwise, or out of memory. The caller frees it.
 */
char *uri_path_clean(const char *given);

#endif
