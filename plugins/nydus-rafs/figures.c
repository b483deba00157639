/* SPDX-License-Identifier: Apache-2.0 */
/* What an image's backend, cache and prefetch counted, as JSON. */
#include "figures.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *number(const uint64_t *counter)
{
	return json_integer((json_int_t)__atomic_load_n(counter, __ATOMIC_RELAXED));
}

static json_t *numbers(const uint64_t *counters, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, number(&counters[i]));
	return list;
}

/* Names as nydusd gives them: of the plain form, whichever the cache has. */
static json_t *cache_files(const struct graft_inst *inst)
{
	json_t *list = json_array();

	for (uint32_t i = 0; inst->cache && i < inst->super->blobs; i++) {
		char name[RAFS_BLOB_ID_MAX + 16];

		snprintf(name, sizeof(name), "%s.blob.data", rafs_image_blob(inst->image, i)->id);
		json_array_append_new(list, json_string(name));
	}
	return list;
}

static void add_backend(json_t *to, const struct backend *backend)
{
	const struct backend_meter *m = &backend->meter;
	json_t *reads = json_array();

	for (size_t i = 0; i < IO_SIZES; i++)
		json_array_append_new(reads, numbers(m->reads[i], IO_TIMES));
	json_object_set_new(to, "backend", json_string(backend->ops->name));
	json_object_set_new(to, "reads", reads);
	json_object_set_new(to, "read_ns", numbers(m->ns, IO_SIZES));
	json_object_set_new(to, "read_bytes", number(&m->bytes));
	json_object_set_new(to, "read_errors", number(&m->errors));
}

static void add_reader(json_t *to, const struct reader_counters *c)
{
	const struct {
		const char *name;
		const uint64_t *counter;
	} rows[] = {
		{ "hits", &c->hits },
		{ "misses", &c->misses },
		{ "checked", &c->checked_chunks },
		{ "cached", &c->cached_chunks },
		{ "prefetch_requests", &c->prefetch_requests },
		{ "prefetch_bytes", &c->prefetch_bytes },
		{ "prefetch_chunks", &c->prefetch_chunks },
		{ "prefetch_ns", &c->prefetch_ns },
		{ "prefetch_begin", &c->prefetch_begin },
		{ "prefetch_end", &c->prefetch_end },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_set_new(to, rows[i].name, number(rows[i].counter));
}

int figures_tell(const struct graft_inst *inst, graft_ask_put *put, void *arg)
{
	json_t *figures = json_object();

	add_backend(figures, inst->backend);
	add_reader(figures, reader_counters(inst->reader));
	json_object_set_new(figures, "files", cache_files(inst));
	char *text = json_dumps(figures, JSON_COMPACT);
	json_decref(figures);
	if (!text)
		return -ENOMEM;
	put(arg, text, strlen(text));
	free(text);
	return 0;
}
