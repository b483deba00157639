/* SPDX-License-Identifier: Apache-2.0 */
/* Between mount_table.c and mount_change.c. Thread of changes. */
#ifndef GRAFT_SERVER_MOUNT_TABLE_INTERNAL_H
#define GRAFT_SERVER_MOUNT_TABLE_INTERNAL_H

#include "server/mount_table.h"

/* The list in the order the mounts were made; takes and gives no reference. */
void mount_table_append(struct mount_table *t, struct mount *m);
void mount_table_drop(struct mount_table *t, struct mount *m);
/* The place for a new mount, or of one to be replaced, and a free slot for m. *made: the topmost place that is new, or NULL. */
int mount_table_find_room(struct mount_table *t, struct mount *m, bool replace, struct place **place,
			  struct place **made, struct graft_error *err);
void mount_table_take_slot(struct mount_table *t, uint32_t slot, uint32_t holders);
/* mount_table.sweep */
void mount_change_sweep(struct work *w);

#endif
