/* SPDX-License-Identifier: Apache-2.0 */
/* graftfsd --dump-plugin: what a plugin says of itself, without running any of it. */
#ifndef GRAFT_SERVER_PLUGIN_DUMP_H
#define GRAFT_SERVER_PLUGIN_DUMP_H

#include "server/plugin_loader.h"

#include <stdio.h>

/* "key = value" lines, then the options with their help. Whether the writes succeeded is the caller's to ask (ferror). */
void plugin_dump(const struct plugin *p, FILE *to);

/*
 * Loads name, from the folders that the server itself looks in, or, where it has a '/', that very file; and dumps it on
 * stdout. Exit status of the program: 0, 1 if stdout could not be written, 2 after a line on stderr.
 */
int plugin_dump_main(const char *name);

#endif
