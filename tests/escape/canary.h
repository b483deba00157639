/* SPDX-License-Identifier: Apache-2.0 */
/* A tree outside of the share whose every byte is known: what is changed in it, or seen of it, has escaped. */
#ifndef GRAFT_TESTS_ESCAPE_CANARY_H
#define GRAFT_TESTS_ESCAPE_CANARY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The secret stands in contents, in a name, in a link's target and in an extended attribute of the tree. */
struct canary {
	char root[512];  /* the tree; in it: file, dir/inner, link, pipe, and an entry whose name is the secret */
	char secret[64];
	char *state; /* as canary_state described it */
};

/* Makes the tree, which belongs to user. 0 or -errno. */
int canary_make(struct canary *c, const char *root, uid_t user);
void canary_free(struct canary *c);
/*
 * All that can be said of a tree, for comparing: names, types, modes, owners, links, sizes, times but the access time, contents,
 * targets, extended attributes. To be freed; NULL: out of memory.
 */
char *canary_state(const char *root);
/* True if the tree is as it was made; else the difference goes to stderr. */
bool canary_whole(const struct canary *c);
/* True if the secret stands in these bytes. */
bool canary_in(const struct canary *c, const void *bytes, size_t len);
/* Compares two states; the first lines that differ go to stderr. */
bool canary_same(const char *before, const char *after);

#endif
