/* SPDX-License-Identifier: Apache-2.0 */
/* graft-bench: measures a running virtio-fs daemon over vhost-user. Runs what was asked for and prints the table. */
#include "bench/options.h"
#include "bench/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SHORT_RUN 0.2 /* seconds at most for what is measured beside */

/* A line: what was measured, and what was measured beside. */
struct line {
	const struct workload *workload;
	unsigned depth;
	struct bench_result result;
	double calls, bare_us; /* for an operation; -1: not known */
	uint64_t rss_kib;      /* 0: not known */
};

static double micro(double total_ns, uint64_t ops)
{
	return ops ? total_ns / 1e3 / (double)ops : 0;
}

static double percentile(const struct line *l, double share)
{
	return (double)histogram_percentile(&l->result.latency, share) / 1e3;
}

/* A number, or a line where it is not known. */
static void print_known(int width, double value, bool known)
{
	if (known)
		printf(" %*.3f", width, value);
	else
		printf(" %*s", width, "-");
}

static void csv_known(FILE *csv, double value, bool known)
{
	if (known)
		fprintf(csv, "%.3f", value);
	fputc(',', csv);
}

static void print_line(const struct options *o, const struct line *l)
{
	const struct bench_result *r = &l->result;

	printf("%-12s %5u %9.0f %8.1f %8.1f %8.1f", l->workload->name, l->depth, (double)r->ops / r->seconds,
	       percentile(l, 0.5), percentile(l, 0.99), percentile(l, 0.999));
	print_known(9, micro((double)r->daemon_ns, r->ops), o->daemon != 0);
	printf(" %9.3f %5.0f%%", micro((double)r->client_ns, r->ops),
	       (double)r->client_ns / 1e7 / r->seconds / o->config.queues);
	print_known(7, l->calls, l->calls >= 0);
	print_known(8, l->bare_us, l->bare_us >= 0);
	printf(" %8llu\n", (unsigned long long)l->rss_kib);
	fflush(stdout);
}

static void print_csv(const struct options *o, const struct line *l, FILE *csv)
{
	const struct bench_result *r = &l->result;

	fprintf(csv, "%s,%u,%u,%s,%s,%.3f,%llu,%.0f,%.2f,%.2f,%.2f,", l->workload->name, l->depth, o->config.queues,
		o->config.packed ? "packed" : "split", o->config.poll ? "poll" : "sleep", r->seconds,
		(unsigned long long)r->ops, (double)r->ops / r->seconds, percentile(l, 0.5), percentile(l, 0.99),
		percentile(l, 0.999));
	csv_known(csv, micro((double)r->daemon_ns, r->ops), o->daemon != 0);
	fprintf(csv, "%.3f,%.1f,", micro((double)r->client_ns, r->ops),
		(double)r->client_ns / 1e7 / r->seconds / o->config.queues);
	csv_known(csv, l->calls, l->calls >= 0);
	csv_known(csv, l->bare_us, l->bare_us >= 0);
	fprintf(csv, "%llu\n", (unsigned long long)l->rss_kib);
}

static int complain(const struct bench *b, const struct workload *w, unsigned depth, int res)
{
	fprintf(stderr, "graft-bench: %s at depth %u: ", w->name, depth);
	for (unsigned i = 0; i < b->nqueues; i++) {
		if (b->queue[i].error)
			fprintf(stderr, "queue %u, opcode %u: ", 1 + i, b->queue[i].failed_opcode);
	}
	fprintf(stderr, "%s\n", res == -EBADMSG ? "an answer is not what was asked for" : strerror(-res));
	return res;
}

/* A run of its own: the tracepoint makes every system call slower. */
static int count_calls(struct bench *b, const struct options *o, struct line *l)
{
	static struct bench_result result;
	struct bench_span span = {.seconds = o->seconds < SHORT_RUN ? o->seconds : SHORT_RUN,
				  .daemon = o->daemon,
				  .count_calls = true};
	int res = bench_run(b, l->workload, l->depth, &span, &result);

	if (res == 0 && result.calls < 0)
		fprintf(stderr, "graft-bench: system calls cannot be counted here: no tracefs, or no right to\n");
	if (res == 0 && result.calls >= 0 && result.ops)
		l->calls = (double)result.calls / (double)result.ops;
	return res;
}

static int run_line(struct bench *b, const struct options *o, struct bare *bare, struct line *l)
{
	const struct bench_span span = {.seconds = o->seconds, .daemon = o->daemon};
	int res = bench_run(b, l->workload, l->depth, &span, &l->result);

	l->calls = l->bare_us = -1;
	l->rss_kib = process_rss_kib(o->daemon);
	if (res == 0 && o->count_calls)
		res = count_calls(b, o, l);
	if (res == 0 && bare)
		res = bare_measure(bare, l->workload, o->seconds < SHORT_RUN ? o->seconds : SHORT_RUN, &l->bare_us);
	return res;
}

static int run_all(struct bench *b, const struct options *o, struct bare *bare, FILE *csv)
{
	static struct line line;

	for (unsigned i = 0; i < o->nworkloads; i++) {
		line.workload = &o->workload[i];
		int res = line.workload->prepare(b);
		if (res < 0)
			return complain(b, line.workload, 0, res);
		for (unsigned k = 0; k < o->ndepths; k++) {
			line.depth = o->depth[k];
			res = run_line(b, o, bare, &line);
			if (res < 0)
				return complain(b, line.workload, line.depth, res);
			print_line(o, &line);
			if (csv)
				print_csv(o, &line, csv);
		}
	}
	return 0;
}

static int with_bare(struct bench *b, const struct options *o, FILE *csv)
{
	struct bare bare;

	if (!o->share)
		return run_all(b, o, NULL, csv);
	int res = bare_open(&bare, b, o->share);
	if (res < 0)
		fprintf(stderr, "graft-bench: %s is not in %s: %s\n", b->dir_name, o->share, strerror(-res));
	else
		res = run_all(b, o, &bare, csv);
	bare_close(&bare);
	return res;
}

static int measure_all(const struct options *o, FILE *csv)
{
	struct bench b;
	int res = bench_open(&b, &o->config);

	if (res < 0) {
		fprintf(stderr, "graft-bench: %s: %s\n", o->config.socket, strerror(-res));
	} else {
		printf("%-12s %5s %9s %8s %8s %8s %9s %9s %6s %7s %8s %8s\n", "workload", "depth", "ops/s", "p50 us",
		       "p99 us", "p99.9 us", "daemon us", "client us", "busy", "calls", "bare us", "RSS KiB");
		res = with_bare(&b, o, csv);
	}
	int closed = bench_close(&b);
	if (closed < 0)
		fprintf(stderr, "graft-bench: %s cannot be removed: %s\n", b.dir_name, strerror(-closed));
	return res < 0 ? res : closed;
}

int main(int argc, char **argv)
{
	static struct options o;
	int status = options_parse(&o, argc, argv);
	FILE *csv = NULL;

	if (status >= 0)
		return status;
	if (o.csv) {
		csv = fopen(o.csv, "we");
		if (!csv) {
			fprintf(stderr, "graft-bench: %s: %s\n", o.csv, strerror(errno));
			return 1;
		}
		fprintf(csv, "workload,depth,queues,ring,wait,seconds,ops,ops_per_s,p50_us,p99_us,p999_us,daemon_us,client_us,"
			     "client_busy,calls,bare_us,rss_kib\n");
	}
	int res = measure_all(&o, csv);
	if (csv && fclose(csv) != 0 && res == 0) {
		fprintf(stderr, "graft-bench: %s: %s\n", o.csv, strerror(errno));
		res = -EIO;
	}
	return res < 0 ? 1 : 0;
}
