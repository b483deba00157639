/* SPDX-License-Identifier: Apache-2.0 */
/* What mounts of type nydus-rafs count by themselves: asked for, and added up. */
#include "server/control/nydus_figures.h"

#include "lib/cleanup.h"
#include "server/control/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t number(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void add_backend(struct nydus_figures *f, const json_t *from)
{
	const json_t *reads = json_object_get(from, "reads"), *ns = json_object_get(from, "read_ns");
	const char *kind = json_string_value(json_object_get(from, "backend"));

	snprintf(f->backend, sizeof(f->backend), "%s", kind ? kind : "");
	for (size_t size = 0; size < IO_SIZES; size++) {
		f->read_ns[size] += (uint64_t)json_integer_value(json_array_get(ns, size));
		for (size_t time = 0; time < IO_TIMES; time++)
			f->reads[size][time] +=
				(uint64_t)json_integer_value(json_array_get(json_array_get(reads, size), time));
	}
	f->read_bytes += number(from, "read_bytes");
	f->read_errors += number(from, "read_errors");
}

static int add_files(struct nydus_figures *f, const json_t *files)
{
	size_t i;
	json_t *name;

	if (!f->files)
		f->files = json_object();
	json_array_foreach(files, i, name) if (json_is_string(name) &&
					       json_object_set_new(f->files, json_string_value(name), json_null()) <
						       0) return -ENOMEM;
	return f->files ? 0 : -ENOMEM;
}

static void add_prefetch(struct nydus_figures *f, const json_t *from)
{
	uint64_t begin = number(from, "prefetch_begin"), end = number(from, "prefetch_end");

	f->prefetch_requests += number(from, "prefetch_requests");
	f->prefetch_bytes += number(from, "prefetch_bytes");
	f->prefetch_chunks += number(from, "prefetch_chunks");
	f->prefetch_ns += number(from, "prefetch_ns");
	if (begin && (!f->prefetch_begin || begin < f->prefetch_begin))
		f->prefetch_begin = begin;
	if (end > f->prefetch_end)
		f->prefetch_end = end;
}

int nydus_figures_add(const struct control_host *host, const char *at, struct nydus_figures *f)
{
	auto_free char *text = NULL;
	size_t len = 0;
	int res = control_ask(host, at, "figures", &text, &len);

	if (res < 0)
		return res;
	json_t *from = json_loadb(text, len, 0, NULL);
	if (!json_is_object(from)) {
		json_decref(from);
		return -EIO;
	}
	res = add_files(f, json_object_get(from, "files"));
	add_backend(f, from);
	f->hits += number(from, "hits");
	f->misses += number(from, "misses");
	f->checked += number(from, "checked");
	f->cached += number(from, "cached");
	add_prefetch(f, from);
	f->images++;
	json_decref(from);
	return res;
}

void nydus_figures_fini(struct nydus_figures *f)
{
	json_decref(f->files);
	f->files = NULL;
}

bool nydus_is_image(const struct mount_info *info)
{
	return !strcmp(info->type, "nydus-rafs");
}

json_t *nydus_numbers(const uint64_t *from, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer((json_int_t)from[i]));
	return list;
}

void nydus_no_figures(struct request *req, const char *what, int res)
{
	char text[96];

	bool none = res == -ENOENT || res == -EOPNOTSUPP;

	snprintf(text, sizeof(text), "%s(Metrics(Stats(%s)))", what, none ? "NoCounter" : "Serialize");
	answer_nydus(&req->answer, none ? 404 : 500, text, NULL, NULL);
}
