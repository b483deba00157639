/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics, OpenMetrics 1.0. A family's samples must stand together, so the mounts are walked once for each. */
#include "server/control/openmetrics.h"

#include "lib/cleanup.h"
#include "lib/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define NS_PER_S 1000000000

/* A label's value: \ " and newline escaped; what is not UTF-8 is made so. */
static void put_value(FILE *to, const char *text)
{
	json_t *utf8 = answer_string(text ? text : "");
	const char *c = json_string_value(utf8);

	for (; c && *c; c++) {
		if (*c == '\n')
			fputs("\\n", to);
		else if (*c == '"' || *c == '\\')
			fprintf(to, "\\%c", *c);
		else
			putc(*c, to);
	}
	json_decref(utf8);
}

void metrics_label(FILE *to, const char *before, const char *name, const char *value)
{
	fprintf(to, "%s%s=\"", before, name);
	put_value(to, value);
	putc('"', to);
}

void metrics_family(const struct metrics_text *m, const char *name, const char *type, const char *unit,
		    const char *help)
{
	fprintf(m->to, "# TYPE graftfs_%s %s\n", name, type);
	if (unit)
		fprintf(m->to, "# UNIT graftfs_%s %s\n", name, unit);
	fprintf(m->to, "# HELP graftfs_%s %s\n", name, help);
}

/* What the lines of one mount and opcode have in common. */
struct op_line {
	const char *scope;  /* "" or "server_" */
	const char *labels; /* "{mount=..,at=..,op=..": the bracket stays open */
	const struct op_sum *sum;
};

typedef void put_line(const struct metrics_text *m, const struct op_line *line);

static void put_requests(const struct metrics_text *m, const struct op_line *line)
{
	fprintf(m->to, "graftfs_%srequests_total%s} %" PRIu64 "\n", line->scope, line->labels, line->sum->count);
}

static void put_errors(const struct metrics_text *m, const struct op_line *line)
{
	fprintf(m->to, "graftfs_%serrors_total%s} %" PRIu64 "\n", line->scope, line->labels, line->sum->errors);
}

/* Opcodes that move file data only. */
static void put_bytes(const struct metrics_text *m, const struct op_line *line)
{
	if (line->sum->bytes)
		fprintf(m->to, "graftfs_data_bytes_total%s} %" PRIu64 "\n", line->labels, line->sum->bytes);
}

/* The count is the sum of the buckets: others may have been counted meanwhile, and the two must agree. */
static void put_durations(const struct metrics_text *m, const struct op_line *line)
{
	const struct op_sum *sum = line->sum;
	uint64_t below = 0;

	for (uint32_t i = 0; i < OP_STATS_BUCKETS; i++) {
		uint64_t bound = m->host->op_bound(i);
		char le[32] = "+Inf";

		below += sum->buckets[i];
		if (bound != UINT64_MAX)
			snprintf(le, sizeof(le), "%.6f", (double)bound / NS_PER_S);
		fprintf(m->to, "graftfs_request_duration_seconds_bucket%s,le=\"%s\"} %" PRIu64 "\n", line->labels, le,
			below);
	}
	fprintf(m->to, "graftfs_request_duration_seconds_count%s} %" PRIu64 "\n", line->labels, below);
	fprintf(m->to, "graftfs_request_duration_seconds_sum%s} %" PRIu64 ".%09" PRIu64 "\n", line->labels,
		sum->total_ns / NS_PER_S, sum->total_ns % NS_PER_S);
}

/* Labels of an opcode, which the caller frees; NULL when out of memory. mount NULL: the server's own. */
static char *op_labels(const struct metrics_text *m, const struct mount_info *mount, uint32_t op)
{
	const char *name = m->host->op_name(op);
	char number[32], *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	snprintf(number, sizeof(number), "%u", op);
	if (mount) {
		metrics_label(to, "{", "mount", mount->name);
		metrics_label(to, ",", "at", mount->at);
	}
	metrics_label(to, mount ? "," : "{", "op", name ? name : number);
	fclose(to);
	return text;
}

static void put_ops(struct metrics_text *m, const struct mount_info *mount, const struct op_stats *stats, put_line *put)
{
	struct op_sum sum;

	for (uint32_t op = 0; stats && op < GRAFT_OP_COUNT; op++) {
		m->host->op_read(stats, op, &sum);
		if (!sum.count)
			continue;
		auto_free char *labels = op_labels(m, mount, op);
		struct op_line line = { mount ? "" : "server_", labels, &sum };
		m->failed = m->failed || !labels;
		if (labels)
			put(m, &line);
	}
}

static int mount_requests(const struct mount_info *mount, void *m)
{
	put_ops(m, mount, mount->stats, put_requests);
	return 0;
}

static int mount_errors(const struct mount_info *mount, void *m)
{
	put_ops(m, mount, mount->stats, put_errors);
	return 0;
}

static int mount_bytes(const struct mount_info *mount, void *m)
{
	put_ops(m, mount, mount->stats, put_bytes);
	return 0;
}

static int mount_durations(const struct mount_info *mount, void *m)
{
	put_ops(m, mount, mount->stats, put_durations);
	return 0;
}

static void put_gauge(const struct metrics_text *m, const char *family, const struct mount_info *mount, uint64_t value)
{
	fprintf(m->to, "graftfs_%s", family);
	metrics_label(m->to, "{", "mount", mount->name);
	metrics_label(m->to, ",", "at", mount->at);
	fprintf(m->to, "} %" PRIu64 "\n", value);
}

/* The sum of the sizes counts itself, as above. */
static int mount_read_sizes(const struct mount_info *mount, void *arg)
{
	const struct metrics_text *m = arg;
	struct op_reads reads;
	struct op_sum sum;
	uint64_t below = 0;

	m->host->reads(mount->stats, &reads);
	m->host->op_read(mount->stats, FUSE_READ, &sum);
	for (uint32_t i = 0; i < IO_SIZES; i++) {
		char le[32] = "+Inf";

		below += reads.sizes[i];
		if (io_size_bound(i) != UINT64_MAX)
			snprintf(le, sizeof(le), "%" PRIu64, io_size_bound(i));
		fputs("graftfs_read_size_bytes_bucket", m->to);
		metrics_label(m->to, "{", "mount", mount->name);
		metrics_label(m->to, ",", "at", mount->at);
		fprintf(m->to, ",le=\"%s\"} %" PRIu64 "\n", le, below);
	}
	put_gauge(m, "read_size_bytes_count", mount, below);
	put_gauge(m, "read_size_bytes_sum", mount, sum.bytes);
	return 0;
}

static int mount_nodes(const struct mount_info *mount, void *arg)
{
	struct metrics_text *m = arg;

	put_gauge(m, "nodes", mount, mount->nodes);
	m->n++;
	return 0;
}

static int mount_handles(const struct mount_info *mount, void *m)
{
	put_gauge(m, "handles", mount, mount->handles);
	return 0;
}

static int count_failed(const struct manager_failed *failed, void *arg)
{
	struct metrics_text *m = arg;

	(void)failed;
	m->n++;
	return 0;
}

static int transport_clients(const struct control_transport *t, void *arg)
{
	struct metrics_text *m = arg;

	fputs("graftfs_clients", m->to);
	metrics_label(m->to, "{", "transport", t->name);
	metrics_label(m->to, ",", "kind", t->kind);
	fprintf(m->to, "} %u\n", t->clients);
	return 0;
}

struct flights {
	uint64_t n, oldest; /* oldest: ns since 1970 */
};

static int look_at_flight(const struct control_flight *flight, void *arg)
{
	struct flights *all = arg;

	if (!all->n++ || flight->since < all->oldest)
		all->oldest = flight->since;
	return 0;
}

static void put_flights(const struct metrics_text *m)
{
	struct flights all = { 0 };

	m->host->each_flight(m->host->server, look_at_flight, &all);
	uint64_t now = clock_ns(CLOCK_REALTIME), age = all.n && now > all.oldest ? now - all.oldest : 0;
	metrics_family(m, "inflight", "gauge", NULL, "Requests of /dev/fuse that are not answered yet.");
	fprintf(m->to, "graftfs_inflight %" PRIu64 "\n", all.n);
	metrics_family(m, "inflight_oldest_seconds", "gauge", "seconds",
		       "How long the oldest of them has been waiting.");
	fprintf(m->to, "graftfs_inflight_oldest_seconds %" PRIu64 ".%09" PRIu64 "\n", age / NS_PER_S, age % NS_PER_S);
}

static int plugin_counter(const struct control_metric *metric, void *arg)
{
	struct metrics_text *m = arg;

	fputs("graftfs_plugin_counter", m->to);
	metrics_label(m->to, "{", "object", metric->object);
	metrics_label(m->to, ",", "name", metric->name);
	metrics_label(m->to, ",", "unit", metric->unit);
	fprintf(m->to, "} %" PRIu64 "\n", metric->value);
	return 0;
}

static void put_mounts(const struct api *api, struct metrics_text *m)
{
	const struct control_host *host = api->host;

	metrics_family(m, "requests", "counter", NULL, "Requests that a mount answered.");
	host->each_mount(host->server, mount_requests, m);
	metrics_family(m, "errors", "counter", NULL, "Requests that a mount answered with an error.");
	host->each_mount(host->server, mount_errors, m);
	metrics_family(m, "data_bytes", "counter", "bytes", "File data that was read or written.");
	host->each_mount(host->server, mount_bytes, m);
	metrics_family(m, "request_duration_seconds", "histogram", "seconds", "Time from a request to its answer.");
	host->each_mount(host->server, mount_durations, m);
	metrics_family(m, "read_size_bytes", "histogram", "bytes", "Bytes that a READ gave.");
	host->each_mount(host->server, mount_read_sizes, m);
	metrics_family(m, "handles", "gauge", NULL, "Open files and directories.");
	host->each_mount(host->server, mount_handles, m);
	metrics_family(m, "nodes", "gauge", NULL, "Look-ups that clients hold.");
	m->n = 0;
	host->each_mount(host->server, mount_nodes, m);
	metrics_family(m, "mounts", "gauge", NULL, "Mounts, and those that could not be restored.");
	fprintf(m->to, "graftfs_mounts{state=\"mounted\"} %" PRIu64 "\n", m->n);
	m->n = 0;
	manager_each_failed(api->manager, count_failed, m);
	fprintf(m->to, "graftfs_mounts{state=\"failed\"} %" PRIu64 "\n", m->n);
}

static void put_server(const struct api *api, struct metrics_text *m)
{
	const struct control_host *host = api->host;
	const struct op_stats *stats = host->stats(host->server);

	metrics_family(m, "server_requests", "counter", NULL, "Requests of no mount, and of mounts that are gone.");
	put_ops(m, NULL, stats, put_requests);
	metrics_family(m, "server_errors", "counter", NULL, "Those of them that ended with an error.");
	put_ops(m, NULL, stats, put_errors);
	metrics_family(m, "clients", "gauge", NULL, "Front ends or kernels that are connected.");
	host->each_transport(host->server, transport_clients, m);
	put_flights(m);
	metrics_family(m, "plugin_counter", "unknown", NULL, "Counters of the plugins' own.");
	host->each_metric(host->server, plugin_counter, m);
	metrics_family(m, "uptime_seconds", "gauge", "seconds", "Time since the daemon came up.");
	fprintf(m->to, "graftfs_uptime_seconds %" PRIu64 "\n", api_uptime(api));
	metrics_family(m, "build", "info", NULL, "What is running.");
	fputs("graftfs_build_info{version=\"" GRAFT_VERSION "\"} 1\n# EOF\n", m->to);
}

void openmetrics(const struct api *api, struct request *req)
{
	char *text = NULL;
	size_t len = 0;
	struct metrics_text m = { .host = api->host, .to = open_memstream(&text, &len) };

	if (!m.to) {
		answer_error(&req->answer, 500, ENOMEM, "out of memory");
		return;
	}
	put_mounts(api, &m);
	metrics_images(&m);
	put_server(api, &m);
	if (fclose(m.to) == 0 && !m.failed) {
		answer_text(&req->answer, 200, CONTENT_TYPE, text, len);
		return;
	}
	free(text);
	answer_error(&req->answer, 500, ENOMEM, "out of memory");
}
