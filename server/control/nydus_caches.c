/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's /api/v1/metrics/backend and /blobcache: one for all images that share a backend or cache there. */
#include "server/control/api.h"
#include "server/control/nydus_config.h"
#include "server/control/nydus_figures.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Images of one group have one backend, or one cache, in nydusd. */
struct image {
	char *at;
	char *group; /* NULL: it is alone */
	bool wanted;
};

struct images {
	const char *id; /* NULL: whatever there is */
	bool caches;
	json_t *texts; /* nydus_texts, for caches */
	bool failed; /* out of memory */
	struct image *all;
	size_t n, room;
	json_t *config; /* of the first one that is wanted */
};

/* Keys in which mounts of one backend may differ. */
static bool tells_apart(const char *key)
{
	static const char *const others[] = { "at", "type", "source", "prefetch", "prefetch-files", "prefetch-list" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(key, others[i]))
			return false;
	return true;
}

/* Backends: one for each configuration. */
static char *backend_group(const struct mount_info *info)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	bool given = false;

	for (size_t i = 0; to && i < info->nkeys; i++) {
		given = given || !strncmp(info->keys[i].name, "config", strlen("config"));
		if (tells_apart(info->keys[i].name))
			fprintf(to, "%s=%s\n", info->keys[i].name, info->keys[i].value);
	}
	if (to && fclose(to) == 0 && given)
		return text;
	free(text);
	return NULL;
}

static void look_at_backend(struct images *list, struct image *image, const struct mount_info *info)
{
	image->wanted = !list->id || !strcmp(list->id, info->at);
	image->group = backend_group(info);
}

/* Caches go by the id in the configuration. */
static void look_at_cache(struct images *list, struct image *image, const struct mount_info *info)
{
	json_t *config = nydus_rafs_config(info, list->texts, false);
	const char *id = json_string_value(json_object_get(config, "id"));
	bool cached = json_is_object(json_object_get(json_object_get(config, "cache"), "filecache"));

	image->wanted = cached && id && (!list->id || !strcmp(id, list->id));
	image->group = image->wanted ? strdup(id) : NULL;
	if (image->wanted && !list->config)
		list->config = json_incref(config);
	json_decref(config);
}

static int look(const struct mount_info *info, void *arg)
{
	struct images *list = arg;

	if (!nydus_is_image(info))
		return 0;
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 8;
		struct image *all = realloc(list->all, room * sizeof(*all));

		list->failed = !all;
		if (!all)
			return 1;
		list->all = all;
		list->room = room;
	}
	struct image *image = &list->all[list->n++];
	*image = (struct image){ .at = strdup(info->at) };
	list->failed = !image->at;
	(list->caches ? look_at_cache : look_at_backend)(list, image, info);
	return list->failed;
}

static bool is_same(const struct image *a, const struct image *b)
{
	return a == b || (a->group && b->group && !strcmp(a->group, b->group));
}

/* The first that is wanted; NULL where there is none, or others of another group are. */
static const struct image *choose(const struct images *list)
{
	const struct image *first = NULL;

	for (size_t i = 0; i < list->n; i++) {
		if (!list->all[i].wanted)
			continue;
		if (!first)
			first = &list->all[i];
		else if (!is_same(first, &list->all[i]))
			return NULL;
	}
	return first;
}

static int add_group(const struct api *api, const struct images *list, struct nydus_figures *f)
{
	const struct image *chosen = list->failed ? NULL : choose(list);
	int res = list->failed ? -ENOMEM : -ENOENT;

	for (size_t i = 0; chosen && i < list->n; i++)
		if (is_same(chosen, &list->all[i]) && nydus_figures_add(api->host, list->all[i].at, f) == 0)
			res = 0;
	return res;
}

/* The figures of what the query's id names; *config of a cache, the caller's to drop. 0, -ENOENT or -ENOMEM. */
static int gather(const struct api *api, const struct request *req, bool caches, struct nydus_figures *f,
		  json_t **config)
{
	auto_free char *id = NULL;
	struct images list = { .caches = caches, .texts = caches ? nydus_texts(api->host) : NULL };

	if (uri_query(&req->uri, "id", &id)) {
		list.id = id ? id : "";
		/* A cache's id is no path. */
		if (id && !caches)
			uri_path_normal(id);
	}
	api->host->each_mount(api->host->server, look, &list);
	json_decref(list.texts);
	int res = add_group(api, &list, f);
	*config = list.config;
	for (size_t i = 0; i < list.n; i++) {
		free(list.all[i].at);
		free(list.all[i].group);
	}
	free(list.all);
	return res;
}

static json_t *describe_backend(const struct nydus_figures *f)
{
	uint64_t sizes[IO_SIZES] = { 0 }, millis[IO_SIZES], reads = 0, ns = 0;
	json_t *both = json_array();

	for (size_t size = 0; size < IO_SIZES; size++) {
		for (size_t time = 0; time < IO_TIMES; time++)
			sizes[size] += f->reads[size][time];
		reads += sizes[size];
		ns += f->read_ns[size];
		millis[size] = f->read_ns[size] / 1000000;
		json_array_append_new(both, nydus_numbers(f->reads[size], IO_TIMES));
	}
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "backend_type", answer_string(f->backend),
			 "read_count", (json_int_t)reads, "read_errors", (json_int_t)f->read_errors,
			 "read_amount_total", (json_int_t)f->read_bytes, "read_cumulative_latency_millis_total",
			 (json_int_t)(ns / 1000000), "read_cumulative_latency_millis_dist",
			 nydus_numbers(millis, IO_SIZES), "read_count_block_size_dist", nydus_numbers(sizes, IO_SIZES),
			 "read_latency_sizes_dist", both);
}

void nydus_metrics_backend(const struct api *api, struct request *req)
{
	struct nydus_figures f = { 0 };
	json_t *config;
	int res = gather(api, req, false, &f, &config);

	json_decref(config);
	if (res)
		nydus_no_figures(req, "BackendMetrics", res);
	else
		answer_json(&req->answer, 200, describe_backend(&f));
	nydus_figures_fini(&f);
}

static json_t *file_names(const struct nydus_figures *f)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach(f->files, name, value) json_array_append_new(list, json_string(name));
	return list;
}

/* Threads that prefetch has, as configured: ours serve all images. */
static json_int_t workers_of(const json_t *config)
{
	const json_t *prefetch = json_object_get(json_object_get(config, "cache"), "prefetch");

	return json_is_true(json_object_get(prefetch, "enable"))
		       ? json_integer_value(json_object_get(prefetch, "threads"))
		       : 0;
}

static json_t *describe_cache(const struct nydus_figures *f, const json_t *config)
{
	const json_t *cache = json_object_get(json_object_get(config, "cache"), "filecache");
	const char *folder = json_string_value(json_object_get(cache, "work_dir"));
	uint64_t begin = f->prefetch_begin / 1000000, end = f->prefetch_end / 1000000;

	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:b}",
			 "underlying_files", file_names(f), "store_path", answer_string(folder ? folder : ""),
			 "partial_hits", (json_int_t)f->hits, "whole_hits", (json_int_t)f->checked, "total",
			 (json_int_t)(f->hits + f->misses), "entries_count", (json_int_t)f->cached,
			 "prefetch_data_amount", (json_int_t)f->prefetch_bytes, "prefetch_requests_count",
			 (json_int_t)f->prefetch_requests, "prefetch_workers", workers_of(config),
			 "prefetch_unmerged_chunks", (json_int_t)f->prefetch_chunks, "prefetch_cumulative_time_millis",
			 (json_int_t)(f->prefetch_ns / 1000000), "prefetch_begin_time_secs", (json_int_t)(begin / 1000),
			 "prefetch_begin_time_millis", (json_int_t)(begin % 1000), "prefetch_end_time_secs",
			 (json_int_t)(end / 1000), "prefetch_end_time_millis", (json_int_t)(end % 1000),
			 "buffered_backend_size", 0, "data_all_ready", 0);
}

void nydus_metrics_blobcache(const struct api *api, struct request *req)
{
	struct nydus_figures f = { 0 };
	json_t *config;
	int res = gather(api, req, true, &f, &config);

	if (res)
		nydus_no_figures(req, "BlobcacheMetrics", res);
	else
		answer_json(&req->answer, 200, describe_cache(&f, config));
	json_decref(config);
	nydus_figures_fini(&f);
}
