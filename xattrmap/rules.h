/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that map names of extended attributes between a client and the host: virtiofsd's --xattrmap, in memory. */
#ifndef GRAFT_XATTRMAP_RULES_H
#define GRAFT_XATTRMAP_RULES_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define XATTRMAP_NAME_MAX 255          /* bytes: XATTR_NAME_MAX of Linux; no key can match what is longer */
#define XATTRMAP_RULES_MAX 1024        /* written ones, includes resolved */
#define XATTRMAP_FILE_MAX (256 * 1024) /* bytes */

enum xattrmap_type { XATTRMAP_PREFIX, XATTRMAP_OK, XATTRMAP_BAD, XATTRMAP_UNSUPPORTED, XATTRMAP_MAP };
enum xattrmap_scope { XATTRMAP_CLIENT = 1, XATTRMAP_SERVER = 2, XATTRMAP_ALL = 3 };

/* Names of the types, in their order, and of the scopes by value; NULL ends each, the scopes begin with one for 0. */
extern const char *const xattrmap_types[], *const xattrmap_scopes[];

/* key and prepend end in NUL and hold none. */
struct xattrmap_rule {
	uint32_t type;   /* enum xattrmap_type */
	uint32_t scope;  /* enum xattrmap_scope: a set */
	uint32_t number; /* of the written rule, from 1; 0: the implicit last one */
	uint32_t line;   /* of the file it was written in; 0: of none */
	uint32_t key_len, prepend_len;
	const char *key, *prepend;
};

/* Constant once made; any thread. */
struct xattrmap {
	struct xattrmap_rule *rules;   /* what names are matched with: without MAP, the last one is bad for all */
	struct xattrmap_rule *written; /* as they were written */
	size_t nrules, nwritten;
	bool done; /* a map is there: no rule may follow */
};

/* Where a text is from, for messages. */
struct xattrmap_source {
	const char *name; /* "map" of a key, or a file's */
	bool file;        /* it has lines: "NAME:LINE: ..." */
};

/* Is it meant as a path, not as rules? "/..." that does not begin as a rule does: "/map/", "/prefix/" ... */
bool xattrmap_is_path(const char *text);

/*
 * What a key or a file holds: XML (where it begins as XML does), else rules in virtiofsd's syntax. NULL with err: one
 * line with the place, what is wrong and what would be right.
 */
struct xattrmap *xattrmap_parse(const char *text, size_t len, const struct xattrmap_source *from,
				struct graft_error *err);
/* The two forms by name. */
struct xattrmap *xattrmap_parse_rules(const char *text, size_t len, const struct xattrmap_source *from,
				      struct graft_error *err);
struct xattrmap *xattrmap_parse_xml(const char *text, size_t len, const struct xattrmap_source *from,
				    struct graft_error *err);
/* The text of a file, read from fd to its end, by xattrmap_parse. name: for messages. fd stays the caller's. */
struct xattrmap *xattrmap_read(int fd, const char *name, struct graft_error *err);
bool xattrmap_is_xml(const char *text, size_t len);
/* NULL is fine. */
void xattrmap_free(struct xattrmap *map);

/* For readers of a form. add copies key and prepend and numbers the rule; end adds the implicit last rule. err has no
 * place yet. */
struct xattrmap *xattrmap_new(void);
int xattrmap_add(struct xattrmap *map, const struct xattrmap_rule *rule, struct graft_error *err);
int xattrmap_end(struct xattrmap *map, struct graft_error *err);
/* A message that repeats words of a text stays one line that steers no terminal. NULL is fine. */
void xattrmap_one_line(struct graft_error *err);

/* The rule that decides over a name: the first of that scope (CLIENT or SERVER) that matches. Never NULL. */
const struct xattrmap_rule *xattrmap_find(const struct xattrmap *map, uint32_t scope, const char *name, size_t len);

/* Writes the rules, a line each. -EINVAL with err for one that has no byte left to be its delimiter. */
int xattrmap_write_rules(const struct xattrmap *map, FILE *to, struct graft_error *err);
void xattrmap_write_xml(const struct xattrmap *map, FILE *to);
/* One rule as a line without its end; to has XATTRMAP_LINE_MAX bytes. false: no delimiter is left. */
#define XATTRMAP_LINE_MAX (2 * XATTRMAP_NAME_MAX + 40)
bool xattrmap_rule_text(const struct xattrmap_rule *rule, char *to);

#endif
