/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's /api/v1/metrics: what images were asked for, file by file, from which backend and cache, and what is under
 * way. */
#include "server/control/api.h"
#include "server/control/ask.h"
#include "server/control/nydus_config.h"
#include "server/control/nydus_figures.h"
#include "server/control/spellings.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FOPS 15
#define FOP_OPEN 2
#define FOP_READ 4

/* nydusd's operations, in its order. plain: that there is nothing, which is nearly all that fails there, is an answer.
 */
static const struct {
	uint32_t opcode;
	bool plain;
} fops[FOPS] = {
	{ FUSE_GETATTR, false },     { FUSE_READLINK, false }, { FUSE_OPEN, false },    { FUSE_RELEASE, false },
	{ FUSE_READ, false },	     { FUSE_STATFS, false },   { FUSE_GETXATTR, true }, { FUSE_LISTXATTR, true },
	{ FUSE_OPENDIR, false },     { FUSE_LOOKUP, false },   { FUSE_READDIR, false }, { FUSE_READDIRPLUS, false },
	{ FUSE_ACCESS, false },	     { FUSE_FORGET, false },   { FUSE_BATCH_FORGET, false },
};

/* --- the whole of an image */

struct global {
	const struct control_host *host;
	struct spellings *spellings;
	const char *id; /* NULL: the only one */
	uint32_t found;
	json_t *texts, *body;
};

/* What the clients hold open; directories are no files, and a client that left gave nothing back. */
static uint64_t opens_of(const struct mount_info *info, const uint64_t *hits)
{
	uint64_t open = hits[FOP_OPEN] > hits[FOP_OPEN + 1] ? hits[FOP_OPEN] - hits[FOP_OPEN + 1] : 0;

	return open < info->handles ? open : info->handles;
}

static json_t *describe(const struct control_host *host, const struct mount_info *info, const json_t *texts)
{
	uint64_t hits[FOPS], errors[FOPS], took[FOPS] = { 0 };
	json_t *config = nydus_rafs_config(info, texts, false), *rafs = json_object_get(config, "rafs");
	struct op_sum sum, read = { 0 };
	struct op_reads reads;

	for (size_t i = 0; i < FOPS; i++) {
		host->op_read(info->stats, fops[i].opcode, &sum);
		errors[i] = fops[i].plain ? 0 : sum.errors;
		hits[i] = sum.count > errors[i] ? sum.count - errors[i] : 0;
		if (i == FOP_READ)
			read = sum;
	}
	took[FOP_READ] = read.total_ns / 1000;
	host->reads(info->stats, &reads);
	reads.sizes[0] += read.errors; /* which gave nothing */
	json_t *body = json_pack(
		"{s:b, s:b, s:b, s:b, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "files_account_enabled",
		json_is_true(json_object_get(rafs, "iostats_files")), "access_pattern_enabled",
		json_is_true(json_object_get(rafs, "access_pattern")), "record_latest_read_files_enabled",
		json_is_true(json_object_get(rafs, "latest_read_files")), "measure_latency", 1, "id",
		answer_string(info->at), "nr_opens", (json_int_t)opens_of(info, hits), "data_read",
		(json_int_t)read.bytes, "block_count_read", nydus_numbers(reads.sizes, IO_SIZES), "fop_hits",
		nydus_numbers(hits, FOPS), "fop_errors", nydus_numbers(errors, FOPS), "fop_cumulative_latency_total",
		nydus_numbers(took, FOPS), "read_latency_dist", nydus_numbers(reads.times, IO_TIMES));
	json_decref(config);
	return body;
}

/* As it was given. */
static void name_it(struct global *g, const char *at)
{
	auto_free char *given = spellings_of(g->spellings, at);

	if (given)
		json_object_set_new(g->body, "id", answer_string(given));
}

static int look_global(const struct mount_info *info, void *arg)
{
	struct global *g = arg;

	if (!nydus_is_image(info) || (g->id && strcmp(g->id, info->at) != 0))
		return 0;
	if (!g->found++)
		g->body = describe(g->host, info, g->texts);
	if (g->found == 1)
		name_it(g, info->at);
	return g->id || g->found > 1;
}

void nydus_metrics_global(const struct api *api, struct request *req)
{
	auto_free char *id = NULL;
	struct global g = { .host = api->host, .spellings = api->spellings, .texts = nydus_texts(api->host) };

	if (uri_query(&req->uri, "id", &id)) {
		g.id = id ? id : "";
		if (id)
			uri_path_normal(id);
	}
	api->host->each_mount(api->host->server, look_global, &g);
	json_decref(g.texts);
	if (g.found == 1) {
		answer_json(&req->answer, 200, g.body);
		return;
	}
	json_decref(g.body);
	nydus_no_figures(req, "GlobalMetrics", -ENOENT);
}

/* --- file by file: the plugin has the answers */

struct file_search {
	const char *id; /* NULL: the only one */
	uint32_t found;
	char *at;
};

static int look_file_search(const struct mount_info *info, void *arg)
{
	struct file_search *p = arg;

	if (!nydus_is_image(info) || (p->id && strcmp(p->id, info->at) != 0))
		return 0;
	if (!p->found++)
		p->at = strdup(info->at);
	return p->id || p->found > 1;
}

static void relay(const struct api *api, struct request *req, const char *what, const char *name)
{
	auto_free char *id = NULL, *text = NULL;
	struct file_search p = { 0 };
	size_t len = 0;
	int res = -ENOENT;

	if (uri_query(&req->uri, "id", &id)) {
		p.id = id ? id : "";
		if (id)
			uri_path_normal(id);
	}
	api->host->each_mount(api->host->server, look_file_search, &p);
	if (p.found == 1)
		res = p.at ? control_ask(api->host, p.at, what, &text, &len) : -ENOMEM;
	free(p.at);
	if (res)
		nydus_no_figures(req, name, res);
	else
		answer_text(&req->answer, 200, "application/json", steal_ptr(text), len);
}

void nydus_metrics_files(const struct api *api, struct request *req)
{
	auto_free char *latest = NULL;
	bool wanted = uri_query(&req->uri, "latest", &latest) == 1 && !strcmp(latest, "true");

	relay(api, req, wanted ? "latest" : "files", "FsFilesMetrics");
}

void nydus_metrics_pattern(const struct api *api, struct request *req)
{
	relay(api, req, "pattern", "Pattern");
}

/* --- what is under way */

static int add_flight(const struct control_flight *flight, void *list)
{
	json_array_append_new(list, json_pack("{s:I, s:i, s:I, s:I}", "inode", (json_int_t)flight->node, "opcode",
					      (int)flight->opcode, "unique", (json_int_t)flight->unique,
					      "timestamp_secs", (json_int_t)(flight->since / 1000000000)));
	return 0;
}

static int look_kind(const struct control_transport *t, void *arg)
{
	uint32_t *kinds = arg;

	*kinds |= !strcmp(t->kind, "fuse") ? 1 : 2;
	return 0;
}

/* nydusd knows what its FUSE threads do, but not in virtiofs mode; its singleton has no file system at all. */
void nydus_metrics_inflight(const struct api *api, struct request *req)
{
	uint32_t kinds = 0;

	api->host->each_transport(api->host->server, look_kind, &kinds);
	if (!(kinds & 1)) {
		answer_nydus(&req->answer, kinds ? 500 : 501,
			     kinds ? "InflightMetrics(Metrics(Daemon(Unsupported)))"
				   : "InflightMetrics(DaemonAbnormal(Unsupported))",
			     NULL, NULL);
		return;
	}
	json_t *list = json_array();
	api->host->each_flight(api->host->server, add_flight, list);
	if (json_array_size(list)) {
		answer_json(&req->answer, 200, list);
		return;
	}
	json_decref(list);
	answer_empty(&req->answer, 204);
}
