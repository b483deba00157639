/* SPDX-License-Identifier: Apache-2.0 */
/* /api/graft/v1/stats: counts, errors and latencies of each mount and opcode. */
#include "server/control/api.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static json_t *describe_op(const struct control_host *host, uint32_t op, const struct op_sum *sum)
{
	const char *name = host->op_name(op);
	json_t *buckets = json_array();
	char number[32];

	snprintf(number, sizeof(number), "%u", op);
	for (uint32_t i = 0; i < OP_STATS_BUCKETS; i++)
		json_array_append_new(buckets, json_integer((json_int_t)sum->buckets[i]));
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "op", name ? name : number, "opcode", (json_int_t)op,
			 "count", (json_int_t)sum->count, "errors", (json_int_t)sum->errors, "total_ns",
			 (json_int_t)sum->total_ns, "bytes", (json_int_t)sum->bytes, "buckets", buckets);
}

static json_t *describe_ops(const struct control_host *host, const struct op_stats *stats)
{
	json_t *ops = json_array();
	struct op_sum sum;

	for (uint32_t op = 0; stats && op < GRAFT_OP_COUNT; op++) {
		host->op_read(stats, op, &sum);
		if (sum.count)
			json_array_append_new(ops, describe_op(host, op, &sum));
	}
	return ops;
}

struct stats_listing {
	const struct control_host *host;
	const char *at; /* this one only, or NULL */
	json_t *mounts;
};

static int add_mount(const struct mount_info *info, void *arg)
{
	struct stats_listing *list = arg;

	if (list->at && strcmp(list->at, info->at) != 0)
		return 0;
	json_array_append_new(list->mounts, json_pack("{s:o, s:o, s:I, s:o}", "name", answer_string(info->name), "at",
						      answer_string(info->at), "slot", (json_int_t)info->slot, "ops",
						      describe_ops(list->host, info->stats)));
	return list->at ? 1 : 0;
}

static json_t *bounds(const struct control_host *host)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < OP_STATS_BUCKETS; i++) {
		uint64_t ns = host->op_bound(i);

		json_array_append_new(list, ns == UINT64_MAX ? json_null() : json_integer((json_int_t)ns));
	}
	return list;
}

void graft_stats(const struct api *api, struct request *req)
{
	const struct control_host *host = api->host;
	auto_free char *at = NULL;

	if (graft_query_at(req, &at) < 0)
		return;
	struct stats_listing list = { host, at, json_array() };
	if (list.mounts)
		host->each_mount(host->server, add_mount, &list);
	if (at && list.mounts && !json_array_size(list.mounts)) {
		json_decref(list.mounts);
		answer_error(&req->answer, 404, ENOENT, "nothing is mounted at %s", at);
		return;
	}
	json_t *all = json_pack("{s:o}", "bounds_ns", bounds(host));
	if (!at)
		json_object_set_new(all, "server", describe_ops(host, host->stats(host->server)));
	json_object_set_new(all, "mounts", list.mounts);
	answer_json(&req->answer, 200, all);
}
