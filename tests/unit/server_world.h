/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the mount table begin with: a server without mounts, one client of it, and some trees to mount. */
#ifndef GRAFT_TESTS_UNIT_SERVER_WORLD_H
#define GRAFT_TESTS_UNIT_SERVER_WORLD_H

#include "server_calls.h"
#include "server_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WORLD_TREES 8
#define LIST_SIZE 4096 /* bytes of a READDIR where the size does not matter */

/* One for each test. */
struct world {
	struct rig *rig;
	struct calls *c;
	struct tree t[WORLD_TREES];
	struct listing list;
};

/* Trees are empty until world_tree; no INIT was sent. */
struct world *world_new(void);
/* Gives back, leaves, stops the server; every tree must be empty then. */
void world_free(struct world *w);
/* cmocka set-up and tear-down of a test whose state is a world. */
int world_up(void **state);
int world_down(void **state);

/* Writes tree i down (tree_init) and gives it inode numbers of its own. */
struct tree *world_tree(struct world *w, uint32_t i, const char *words);
/* world_tree and a mount that must succeed. */
struct tree *world_mount(struct world *w, const char *at, uint32_t i, const char *words);
void world_umount(struct world *w, const char *at);
/* INIT that must succeed. */
void world_init(struct world *w, uint64_t flags);

/* The file at path holds text, or gives that error. */
void check_file(struct calls *c, const char *path, const char *text);
void check_error(struct calls *c, const char *path, int error);
/* The names in the directory at path, sorted, in READDIR and in READDIRPLUS. */
void check_names(struct world *w, const char *path, const char *names);
/* Waits until *counter is value; fails the test when that never comes. */
void wait_for_count(const _Atomic uint32_t *counter, uint32_t value);

#endif
