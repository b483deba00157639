/* SPDX-License-Identifier: Apache-2.0 */
/* A session: opening and closing the members' states. */
#include "server/session.h"

#include <errno.h>
#include <stdlib.h>

/* Closes the members from first on. */
static void close_members(struct session *s, const struct mount *m, uint32_t first)
{
	void **states = s->states[m->slot];

	for (uint32_t i = first; i < m->nmembers; i++) {
		if (m->members[i].desc->session_close)
			m->members[i].desc->session_close(m->members[i].inst, states[i]);
	}
}

/* The backend first: a layer may ask what is below it. */
static int open_mount(struct session *s, const struct mount *m)
{
	void **states = calloc(m->nmembers, sizeof(*states));

	if (!states)
		return -ENOMEM;
	s->states[m->slot] = states;
	for (uint32_t i = m->nmembers; i-- > 0;) {
		const struct mount_member *member = &m->members[i];
		int res =
			member->desc->session_open ? member->desc->session_open(member->inst, &s->pub, &states[i]) : 0;

		if (res) {
			close_members(s, m, i + 1);
			free(states);
			s->states[m->slot] = NULL;
			return res;
		}
	}
	return 0;
}

int session_open(const struct mount_table *table, const struct graft_session *pub, struct session **out)
{
	struct session *s = calloc(1, sizeof(*s) + table->nslots * sizeof(s->states[0]));
	int res = 0;

	if (!s)
		return -ENOMEM;
	s->pub = *pub;
	s->table = table;
	s->nslots = table->nslots;
	for (uint32_t i = 0; i < s->nslots && !res; i++)
		res = table->slots[i] ? open_mount(s, table->slots[i]) : 0;
	if (res) {
		session_close(s);
		return res;
	}
	*out = s;
	return 0;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	for (uint32_t i = s->nslots; i-- > 0;) {
		if (!s->states[i])
			continue;
		close_members(s, s->table->slots[i], 0);
		free(s->states[i]);
	}
	free(s);
}
