/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's --help and --version. */
#ifndef GRAFT_SERVER_NYDUSD_HELP_H
#define GRAFT_SERVER_NYDUSD_HELP_H

#include "server/nydusd/line.h"

#include <stdio.h>

/* The options of the line's form; all forms where it names none. */
void nyd_print_help(FILE *to, const struct nyd_line *line);
/* In the form that clients take apart; says what GET /api/v1/daemon says. */
void nyd_print_version(FILE *to);
/* The same in a line of the log. */
void nyd_log_version(void);

#endif
