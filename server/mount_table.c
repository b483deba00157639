/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts by slot. */
#include "server/mount_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int mount_table_init(struct mount_table *t)
{
	*t = (struct mount_table){ .can = UINT64_MAX };
	t->slots = calloc(MOUNT_TABLE_SLOTS, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

void mount_table_fini(struct mount_table *t)
{
	for (uint32_t i = t->nslots; i-- > 0;)
		mount_free(t->slots[i]);
	free(t->slots);
	*t = (struct mount_table){ 0 };
}

int mount_table_add(struct mount_table *t, struct mount *m, struct graft_error *err)
{
	uint32_t slot = strcmp(m->at, "/") ? 1 : 0;

	for (uint32_t i = 0; i < t->nslots; i++) {
		if (t->slots[i] && !strcmp(t->slots[i]->at, m->at))
			return error_set(err, EEXIST, "[mount %s]: %s is taken by mount %s", m->name, m->at,
					 t->slots[i]->name);
	}
	while (slot && slot < MOUNT_TABLE_SLOTS && t->slots[slot])
		slot++;
	if (slot == MOUNT_TABLE_SLOTS)
		return error_set(err, ENOSPC, "[mount %s]: all %u slots are taken", m->name, MOUNT_TABLE_SLOTS - 1);
	t->slots[slot] = m;
	m->slot = slot;
	if (slot >= t->nslots)
		t->nslots = slot + 1;
	t->can &= m->can;
	t->want |= m->want;
	t->need |= m->need;
	return 0;
}

int mount_table_start(struct mount_table *t, struct graft_error *err)
{
	for (uint32_t i = 0; i < t->nslots; i++) {
		int res = t->slots[i] ? mount_start(t->slots[i], err) : 0;

		if (res)
			return res;
	}
	return 0;
}

void mount_table_quiesce(struct mount_table *t)
{
	for (uint32_t i = t->nslots; i-- > 0;) {
		if (t->slots[i])
			mount_quiesce(t->slots[i]);
	}
}
