/* SPDX-License-Identifier: Apache-2.0 */
/* What virtiofsd's command line prints instead of serving. */
#ifndef GRAFT_SERVER_VIRTIOFSD_HELP_H
#define GRAFT_SERVER_VIRTIOFSD_HELP_H

#include <stdbool.h>
#include <stdio.h>

/* Every option; full: with all that there is to say of it. */
void vfsd_print_help(FILE *to, bool full);
void vfsd_print_version(FILE *to);
/* JSON for management tools (vhost-user.json of QEMU). What this release cannot do is not in it. */
void vfsd_print_capabilities(FILE *to);

#endif
