/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and opens the control module, control.so. */
#ifndef GRAFT_SERVER_CONTROL_LOADER_H
#define GRAFT_SERVER_CONTROL_LOADER_H

#include "server/control.h"

struct control_library {
	void *handle; /* of dlopen; NULL: not loaded */
	const struct control_module *module;
};

/*
 * The build tree's own where this program runs from there, else the installed one. 0, or -errno with err: the places
 * that were looked at, or what is wrong with the file. l is set in any case. Main thread only.
 */
int control_library_open(struct control_library *l, struct graft_error *err);
/* What the module made must be closed before. */
void control_library_close(struct control_library *l);

#endif
