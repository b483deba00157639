/* SPDX-License-Identifier: Apache-2.0 */
/* A path whose folder is held open, so that the file is found, and removed, from where its path leads nowhere (a
 * sandbox). */
#ifndef GRAFT_LIB_HELD_PATH_H
#define GRAFT_LIB_HELD_PATH_H

#include "lib/error.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct held_path {
	int dir; /* O_PATH, of the folder; -1: none */
	char name[NAME_MAX + 1];
	dev_t dev;
	ino_t ino; /* of the marked file; 0: none is marked */
};

/* One that holds nothing. */
#define HELD_PATH_NONE                                                                                                 \
	{                                                                                                              \
		.dir = -1                                                                                              \
	}

/* The last part is not looked at, but must be a name: what says of what, for the message. 0, or -errno with err; h is
 * none then. */
int held_path_open(struct held_path *h, const char *path, const char *what, struct graft_error *err);
/* From now on the file with this identity is the one that is meant. */
void held_path_mark(struct held_path *h, const struct stat *st);
/* Whether the marked file is the one under the name; false where nothing is marked. */
bool held_path_is_marked(const struct held_path *h);
/* Removes the marked file, if it is still the one under the name. */
void held_path_remove(const struct held_path *h);
/* Lets go of the folder; the file stays. h is none then. May be called again. */
void held_path_leave(struct held_path *h);

#endif
