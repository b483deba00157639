/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugin of a mount answers, as a text. */
#ifndef GRAFT_SERVER_CONTROL_ASK_H
#define GRAFT_SERVER_CONTROL_ASK_H

#include "server/control.h"

/* graft_plugin.ask of the mount at that path: 0 with *text of *len bytes and a NUL, which the caller frees; or -errno and NULL. */
int control_ask(const struct control_host *host, const char *at, const char *what, char **text, size_t *len);

#endif
