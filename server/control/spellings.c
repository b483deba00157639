/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points as clients of nydusd's API wrote them. */
#include "server/control/spellings.h"

#include "lib/cleanup.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct spellings {
	pthread_mutex_t lock;
	json_t *by_path; /* protected by lock */
};

struct spellings *spellings_new(void)
{
	struct spellings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->by_path = json_object();
	if (s->by_path)
		return s;
	spellings_free(s);
	return NULL;
}

void spellings_free(struct spellings *s)
{
	if (!s)
		return;
	json_decref(s->by_path);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void spellings_set(struct spellings *s, const char *at, const char *given)
{
	LOCK_SCOPE(&s->lock);
	/* Where memory is short the path is shown. */
	if (!given || !strcmp(at, given) || json_object_set_new(s->by_path, at, json_string(given)) < 0)
		json_object_del(s->by_path, at);
}

char *spellings_of(struct spellings *s, const char *at)
{
	LOCK_SCOPE(&s->lock);
	const char *given = json_string_value(json_object_get(s->by_path, at));
	return strdup(given ? given : at);
}
