/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: lines as rules of an id map, and all of the text as a file of ranges, closed. A refusal has one line of
 * text; the ranges of what is taken are in order and lie nowhere twice, and no id below the last leads beyond it.
 */
#include "plugins/idmap/rules.h"

#include "lib/error.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct graft_error *err)
{
	if (err->code <= 0 || err->text[0] == '\0' || strchr(err->text, '\n'))
		abort();
}

/* open: no range leads to IDMAP_NONE. */
static void check_dir(const struct idmap_dir *d, bool open)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct idmap_range *r = &d->ranges[i];
		if (r->first > r->last || r->last == IDMAP_NONE || (i && r[-1].last >= r->first))
			abort();
		const uint32_t ids[] = { r->first, r->last, r->first + (r->last - r->first) / 2 };
		for (size_t k = 0; k < 3; k++) {
			uint32_t id = ids[k];
			if (idmap_find(d, &id) != (r->kind != IDMAP_FORBID))
				abort();
			if (open && r->kind != IDMAP_FORBID && id == IDMAP_NONE)
				abort();
		}
	}
	uint32_t none = IDMAP_NONE;
	if (!idmap_find(d, &none) || none != IDMAP_NONE)
		abort();
}

static void check_closed(const struct idmap *m)
{
	for (uint32_t i = 0, id = 0; i < 64; i++, id = id * 2654435761u + 97) {
		uint32_t host = id, guest = id;
		if (id == IDMAP_NONE)
			continue;
		if (idmap_find(&m->to_host, &host) && host == IDMAP_NONE)
			abort();
		if (!idmap_find(&m->to_guest, &guest))
			abort();
	}
	check_dir(&m->to_host, true);
	check_dir(&m->to_guest, false);
}

static void read_rules(const char *text, size_t len)
{
	struct idmap m = { 0 };

	for (size_t at = 0, end; at < len; at = end + 1) {
		struct graft_error err = { 0 };
		const char *lf = memchr(text + at, '\n', len - at);
		end = lf ? (size_t)(lf - text) : len;
		char *rule = strndup(text + at, end - at);
		if (!rule)
			break;
		uint32_t uid, gid;
		if (idmap_add_rule(&m, rule, &err) < 0)
			check_refusal(&err);
		if (idmap_parse_pair(rule, &uid, &gid, NULL) == 0 && (uid == IDMAP_NONE || gid == IDMAP_NONE))
			abort();
		free(rule);
	}
	check_dir(&m.to_host, true);
	check_dir(&m.to_guest, true);
	idmap_fini(&m);
}

static void read_file(const char *user, const char *text, size_t len)
{
	struct graft_error err = { 0 };
	struct idmap m = { 0 };
	struct idmap_user u;

	if (idmap_user_init(&u, user, text, len, &err) < 0 || idmap_add_subids(&m, &u, "f", text, len, &err) < 0)
		check_refusal(&err);
	else if (idmap_close(&m, &err) == 0)
		check_closed(&m);
	idmap_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Its own size, so that reading beyond it shows. */
	char *text = malloc(size ? size : 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	read_rules(text, size);
	read_file("u", text, size);
	read_file("1000", text, size);
	free(text);
	return 0;
}
