/* SPDX-License-Identifier: Apache-2.0 */
/* The table of mounts that list and show print. */
#ifndef GRAFT_CTL_MOUNTS_TABLE_H
#define GRAFT_CTL_MOUNTS_TABLE_H

#include <jansson.h>

/* mounts: the server's array. Returns enum ctl_exit. */
int mounts_table_print(const json_t *mounts);

#endif
