/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics, the part of mounts of nydus images: what their plugins counted by themselves. */
#include "server/control/nydus_figures.h"
#include "server/control/openmetrics.h"

#include "lib/cleanup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000

struct image {
	char *at, *name;
	char *labels; /* "mount=..,at=..": without brackets */
	struct nydus_figures f;
};

struct images {
	struct image *all;
	size_t n, room;
	bool failed;
};

static int collect(const struct mount_info *info, void *arg)
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
	*image = (struct image){ .at = strdup(info->at), .name = strdup(info->name) };
	list->failed = !image->at || !image->name;
	return list->failed;
}

static char *labels_of(const struct image *image)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	metrics_label(to, "", "mount", image->name);
	metrics_label(to, ",", "at", image->at);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

/* One that was umounted meanwhile has no labels. */
static void ask(const struct metrics_text *m, struct images *list)
{
	for (size_t i = 0; i < list->n && !list->failed; i++) {
		struct image *image = &list->all[i];

		if (nydus_figures_add(m->host, image->at, &image->f) < 0)
			continue;
		image->labels = labels_of(image);
		list->failed = !image->labels;
	}
}

typedef void put_image(const struct metrics_text *m, const char *name, const struct image *image);

static void put_buckets(const struct metrics_text *m, const char *name, const struct image *image, const char *le,
			uint64_t below)
{
	fprintf(m->to, "graftfs_%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", name, image->labels, le, below);
}

static void put_backend_times(const struct metrics_text *m, const char *name, const struct image *image)
{
	static const uint64_t bounds[] = IO_BACKEND_TIMES;
	uint64_t below = 0, ns = 0;

	for (uint32_t time = 0; time < IO_TIMES; time++) {
		char le[32] = "+Inf";

		for (uint32_t size = 0; size < IO_SIZES; size++)
			below += image->f.reads[size][time];
		if (bounds[time] != UINT64_MAX)
			snprintf(le, sizeof(le), "%.9f", (double)bounds[time] / NS_PER_S);
		put_buckets(m, name, image, le, below);
	}
	for (uint32_t size = 0; size < IO_SIZES; size++)
		ns += image->f.read_ns[size];
	fprintf(m->to, "graftfs_%s_count{%s} %" PRIu64 "\n", name, image->labels, below);
	fprintf(m->to, "graftfs_%s_sum{%s} %" PRIu64 ".%09" PRIu64 "\n", name, image->labels, ns / NS_PER_S,
		ns % NS_PER_S);
}

static void put_backend_sizes(const struct metrics_text *m, const char *name, const struct image *image)
{
	uint64_t below = 0;

	for (uint32_t size = 0; size < IO_SIZES; size++) {
		char le[32] = "+Inf";

		for (uint32_t time = 0; time < IO_TIMES; time++)
			below += image->f.reads[size][time];
		if (io_size_bound(size) != UINT64_MAX)
			snprintf(le, sizeof(le), "%" PRIu64, io_size_bound(size));
		put_buckets(m, name, image, le, below);
	}
	fprintf(m->to, "graftfs_%s_count{%s} %" PRIu64 "\n", name, image->labels, below);
	fprintf(m->to, "graftfs_%s_sum{%s} %" PRIu64 "\n", name, image->labels, image->f.read_bytes);
}

static void put_backend(const struct metrics_text *m, const char *name, const struct image *image)
{
	fprintf(m->to, "graftfs_%s_info{%s", name, image->labels);
	metrics_label(m->to, ",", "type", image->f.backend);
	fputs("} 1\n", m->to);
}

static void put_cache_reads(const struct metrics_text *m, const char *name, const struct image *image)
{
	fprintf(m->to, "graftfs_%s_total{%s,result=\"hit\"} %" PRIu64 "\n", name, image->labels, image->f.hits);
	fprintf(m->to, "graftfs_%s_total{%s,result=\"miss\"} %" PRIu64 "\n", name, image->labels, image->f.misses);
}

static void put_cache_chunks(const struct metrics_text *m, const char *name, const struct image *image)
{
	fprintf(m->to, "graftfs_%s_total{%s,what=\"checked\"} %" PRIu64 "\n", name, image->labels, image->f.checked);
	fprintf(m->to, "graftfs_%s_total{%s,what=\"kept\"} %" PRIu64 "\n", name, image->labels, image->f.cached);
}

#define COUNTER(name, type, unit, help, member)                                                                        \
	{                                                                                                              \
		name, type, unit, help, NULL, offsetof(struct nydus_figures, member)                                   \
	}

/* put NULL: the one counter at offset; of seconds it holds nanoseconds. */
static const struct {
	const char *name, *type, *unit, *help;
	put_image *put;
	size_t offset;
} families[] = {
	{ "image_backend", "info", NULL, "Where an image's blobs are.", put_backend, 0 },
	{ "backend_read_duration_seconds", "histogram", "seconds", "Time of a read of an image's backend.",
	  put_backend_times, 0 },
	{ "backend_read_size_bytes", "histogram", "bytes", "Bytes of a read of an image's backend.", put_backend_sizes,
	  0 },
	COUNTER("backend_read_errors", "counter", NULL, "Those that failed.", read_errors),
	{ "image_reads", "counter", NULL, "Reads of clients: at hand, or not.", put_cache_reads, 0 },
	{ "cache_chunks", "counter", NULL, "Chunks brought into the cache, and those taken from it after a check.",
	  put_cache_chunks, 0 },
	COUNTER("prefetch_requests", "counter", NULL, "Pieces of blobs that prefetch asked for.", prefetch_requests),
	COUNTER("prefetch_chunks", "counter", NULL, "Chunks in them.", prefetch_chunks),
	COUNTER("prefetch_bytes", "counter", "bytes", "Bytes of them in the blobs.", prefetch_bytes),
	COUNTER("prefetch_seconds", "counter", "seconds", "Time that they took, each for itself.", prefetch_ns),
	COUNTER("prefetch_begin_seconds", "gauge", "seconds", "When prefetch began, since 1970; 0: not.",
		prefetch_begin),
	COUNTER("prefetch_end_seconds", "gauge", "seconds", "When its last piece so far had come.", prefetch_end),
};

static void put_counter(const struct metrics_text *m, size_t family, const struct image *image)
{
	const char *end = !strcmp(families[family].type, "counter") ? "_total" : "", *unit = families[family].unit;
	uint64_t value;

	memcpy(&value, (const char *)&image->f + families[family].offset, sizeof(value));
	fprintf(m->to, "graftfs_%s%s{%s} ", families[family].name, end, image->labels);
	if (unit && !strcmp(unit, "seconds"))
		fprintf(m->to, "%" PRIu64 ".%09" PRIu64 "\n", value / NS_PER_S, value % NS_PER_S);
	else
		fprintf(m->to, "%" PRIu64 "\n", value);
}

static void put_family(const struct metrics_text *m, size_t family, const struct images *list)
{
	metrics_family(m, families[family].name, families[family].type, families[family].unit, families[family].help);
	for (size_t i = 0; i < list->n; i++) {
		const struct image *image = &list->all[i];

		if (image->labels && families[family].put)
			families[family].put(m, families[family].name, image);
		else if (image->labels)
			put_counter(m, family, image);
	}
}

void metrics_images(struct metrics_text *m)
{
	struct images list = { .all = NULL };

	m->host->each_mount(m->host->server, collect, &list);
	ask(m, &list);
	m->failed = m->failed || list.failed;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		put_family(m, i, &list);
	for (size_t i = 0; i < list.n; i++) {
		free(list.all[i].at);
		free(list.all[i].name);
		free(list.all[i].labels);
		nydus_figures_fini(&list.all[i].f);
	}
	free(list.all);
}
