/* SPDX-License-Identifier: Apache-2.0 */
/* What graftfs puts behind nydusd's state. */
#include "server/control/upgrade/handover_records.h"

#include "lib/cleanup.h"
#include "server/control/upgrade/wire.h"

#include <string.h>

#define KEYS_MAX 65536

static int add(struct nydus_state *s, enum handover_tag tag, struct wire_out *w)
{
	int res = w->bad ? -ENOMEM : nydus_state_add_extra(s, tag, w->bytes, w->len);

	free(w->bytes);
	return res;
}

int handover_put_session(struct nydus_state *s, const struct control_connection *c, uint32_t next_slot)
{
	struct wire_out w = { .max = NYDUS_STATE_MAX };

	wire_put(&w, c->offered, 8);
	wire_put(&w, c->enabled, 8);
	wire_put(&w, c->minor, 4);
	wire_put(&w, c->max_write, 4);
	wire_put(&w, c->max_readahead, 4);
	wire_put(&w, next_slot, 4);
	wire_put(&w, c->life, 4);
	return add(s, HANDOVER_SESSION, &w);
}

int handover_put_mount(struct nydus_state *s, uint32_t slot, const char *name, const struct mount_key *keys,
		       size_t nkeys)
{
	struct wire_out w = { .max = NYDUS_STATE_MAX };

	wire_put(&w, slot, 4);
	wire_put_text(&w, name);
	wire_put(&w, nkeys, 4);
	for (size_t i = 0; i < nkeys; i++) {
		wire_put_text(&w, keys[i].name);
		wire_put_text(&w, keys[i].value);
	}
	return add(s, HANDOVER_MOUNT, &w);
}

bool handover_get_session(const struct nydus_state *s, struct control_connection *c, uint32_t *next_slot)
{
	for (uint32_t i = 0; i < s->nextras; i++) {
		struct wire_in w = { s->extras[i].bytes, s->extras[i].len, false };
		struct control_connection found = { .fd = c->fd, .dev = c->dev };

		if (s->extras[i].tag != HANDOVER_SESSION)
			continue;
		found.offered = wire_get(&w, 8);
		found.enabled = wire_get(&w, 8);
		found.minor = (uint32_t)wire_get(&w, 4);
		found.max_write = (uint32_t)wire_get(&w, 4);
		found.max_readahead = (uint32_t)wire_get(&w, 4);
		uint32_t next = (uint32_t)wire_get(&w, 4);
		found.life = (uint32_t)wire_get(&w, 4) + 1;
		if (w.bad)
			return false;
		*c = found;
		*next_slot = next;
		return true;
	}
	return false;
}

void handover_mount_fini(struct handover_mount *m)
{
	for (size_t i = 0; i < m->nkeys; i++) {
		free((char *)(uintptr_t)m->keys[i].name);
		free((char *)(uintptr_t)m->keys[i].value);
	}
	free(m->keys);
	free(m->name);
	*m = (struct handover_mount){ 0 };
}

int handover_get_mount(const struct nydus_state_extra *extra, struct handover_mount *m)
{
	struct wire_in w = { extra->bytes, extra->len, false };
	bool no_memory = false;

	*m = (struct handover_mount){ 0 };
	m->slot = (uint32_t)wire_get(&w, 4);
	m->name = wire_get_text(&w, &no_memory);
	size_t n = (size_t)wire_get(&w, 4);
	if (w.bad || n > KEYS_MAX || n > w.left / 16)
		w.bad = true;
	else if (n && !(m->keys = calloc(n, sizeof(*m->keys))))
		no_memory = w.bad = true;
	for (; m->nkeys < n && !w.bad; m->nkeys++) {
		m->keys[m->nkeys].name = wire_get_text(&w, &no_memory);
		m->keys[m->nkeys].value = wire_get_text(&w, &no_memory);
	}
	if (!w.bad)
		return 0;
	handover_mount_fini(m);
	return no_memory ? -ENOMEM : -EINVAL;
}
