/* SPDX-License-Identifier: Apache-2.0 */
/* graft-bench: measures a running virtio-fs daemon over vhost-user. Options, and the table. */
#include "bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTHS 8

struct options {
	const char *socket, *workloads, *csv;
	unsigned depth[MAX_DEPTHS], ndepths, max_depth, queues;
	double seconds;
	pid_t daemon;
	bool packed;
};

static void help(void)
{
	printf("Usage: graft-bench --socket PATH [OPTION]...\n"
	       "Measures a virtio-fs daemon (graftfsd, virtiofsd) that listens on a vhost-user socket. No virtual\n"
	       "machine is needed: this program is the front end and the guest's driver. It works in a folder\n"
	       "graft-bench-NUMBER of the shared directory, which it removes.\n\n"
	       "  --socket PATH        the daemon's socket, waited for 30 s; it must serve nobody else meanwhile\n"
	       "  --workload LIST      separated by commas, or all (the default); see below\n"
	       "  --depth LIST         requests in flight on each queue, 1 to %u (default 1,16)\n"
	       "  --seconds S          measured for each line (default 2), after a warm-up of S/4, at most 0.2\n"
	       "  --queues N           request queues, each with a thread, 1 to %u (default 1)\n"
	       "  --ring split|packed  ring format; packed must be offered (default split)\n"
	       "  --daemon-pid PID     also says the daemon's processor time for an operation, all threads together\n"
	       "  --csv FILE           also writes the lines there\n"
	       "  --help\n\nWorkloads:\n",
	       BENCH_MAX_DEPTH, BENCH_MAX_QUEUES);
	for (unsigned i = 0; i < bench_nworkloads; i++)
		printf("  %-12s %s\n", bench_workloads[i].name, bench_workloads[i].what);
	printf("\nColumns: operations a second; the time of one at the median and the 99th percentile, from sending\n"
	       "it to seeing its answer; processor time of the daemon and of this program for one. Every answer is\n"
	       "checked. Figures compare only with those from the same machine and time: see bench/compare.\n\n"
	       "Example: graftfsd --config quickstart.ini &\n"
	       "         graft-bench --socket /run/graftfs-quickstart.sock --daemon-pid $! --workload getattr,read4k\n"
	       "Status: 0, 1 when the daemon failed or answered wrong, 2 for a usage error.\n");
}

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "graft-bench: %s '%s'; --help says more\n", what, value);
	return 2;
}

static bool parse_count(const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *value >= 1 && *value <= max;
}

static bool parse_depths(const char *text, struct options *o)
{
	char copy[128];

	o->ndepths = o->max_depth = 0;
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	char *save, *word = strtok_r(copy, ",", &save);
	for (; word; word = strtok_r(NULL, ",", &save)) {
		unsigned long value;
		if (o->ndepths == MAX_DEPTHS || !parse_count(word, BENCH_MAX_DEPTH, &value))
			return false;
		o->depth[o->ndepths++] = (unsigned)value;
		o->max_depth = value > o->max_depth ? (unsigned)value : o->max_depth;
	}
	return o->ndepths > 0;
}

static bool parse_seconds(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && !*end && *value >= 0.01 && *value <= 3600;
}

/* True if list is "all" or names w. */
static bool wanted(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (!strcmp(list, "all"))
		return true;
	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, len) && (at[len] == ',' || !at[len]))
			return true;
	}
	return false;
}

/* Every word of the list is a workload. */
static bool known_workloads(const char *list)
{
	unsigned words = 1, found = 0;

	if (!strcmp(list, "all"))
		return true;
	for (const char *at = list; *at; at++)
		words += *at == ',';
	for (unsigned i = 0; i < bench_nworkloads; i++)
		found += wanted(list, bench_workloads[i].name);
	return words == found;
}

enum option_code {
	OPT_SOCKET = 1,
	OPT_WORKLOAD,
	OPT_DEPTH,
	OPT_SECONDS,
	OPT_QUEUES,
	OPT_RING,
	OPT_DAEMON_PID,
	OPT_CSV,
	OPT_HELP
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, OPT_SOCKET},   {"workload", required_argument, NULL, OPT_WORKLOAD},
	{"depth", required_argument, NULL, OPT_DEPTH},     {"seconds", required_argument, NULL, OPT_SECONDS},
	{"queues", required_argument, NULL, OPT_QUEUES},   {"ring", required_argument, NULL, OPT_RING},
	{"daemon-pid", required_argument, NULL, OPT_DAEMON_PID},
	{"csv", required_argument, NULL, OPT_CSV},         {"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

/* One option: true if its value is good. */
static bool take_option(struct options *o, int code, const char *value)
{
	unsigned long number = 0;
	bool good = true;

	switch (code) {
	case OPT_SOCKET:
		o->socket = value;
		break;
	case OPT_WORKLOAD:
		o->workloads = value;
		good = known_workloads(value);
		break;
	case OPT_DEPTH:
		good = parse_depths(value, o);
		break;
	case OPT_SECONDS:
		good = parse_seconds(value, &o->seconds);
		break;
	case OPT_QUEUES:
		good = parse_count(value, BENCH_MAX_QUEUES, &number);
		o->queues = (unsigned)number;
		break;
	case OPT_RING:
		o->packed = !strcmp(value, "packed");
		good = o->packed || !strcmp(value, "split");
		break;
	case OPT_DAEMON_PID:
		good = parse_count(value, 1 << 22, &number);
		o->daemon = (pid_t)number;
		break;
	default:
		o->csv = value;
		break;
	}
	return good;
}

/* -1 to go on, else the exit status. */
static int parse_options(struct options *o, int argc, char **argv)
{
	int code, index = 0;

	*o = (struct options){.workloads = "all", .queues = 1, .seconds = 2};
	parse_depths("1,16", o);
	opterr = 0;
	while ((code = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (code == OPT_HELP) {
			help();
			return 0;
		}
		if (code == '?')
			return usage("unknown option, or one without its value,", argv[optind - 1]);
		if (!take_option(o, code, optarg)) {
			fprintf(stderr, "graft-bench: --%s: ", long_options[index].name);
			return usage("bad value", optarg);
		}
	}
	if (optind < argc)
		return usage("unexpected word", argv[optind]);
	return o->socket ? -1 : usage("missing option", "--socket");
}

static double micro(double total_ns, uint64_t ops)
{
	return ops ? total_ns / 1e3 / (double)ops : 0;
}

static void print_result(const struct options *o, const struct workload *w, unsigned depth,
			 const struct bench_result *r, FILE *csv)
{
	double rate = (double)r->ops / r->seconds;
	double p50 = (double)histogram_percentile(&r->latency, 0.5) / 1e3;
	double p99 = (double)histogram_percentile(&r->latency, 0.99) / 1e3;
	double client = micro((double)r->client_ns, r->ops), daemon = micro((double)r->daemon_ns, r->ops);
	char text[32] = "-";

	if (o->daemon)
		snprintf(text, sizeof(text), "%.2f", daemon);
	printf("%-12s %5u %10.0f %9.1f %9.1f %10s %10.2f\n", w->name, depth, rate, p50, p99, text, client);
	fflush(stdout);
	if (csv)
		fprintf(csv, "%s,%u,%u,%s,%.3f,%llu,%.0f,%.2f,%.2f,%s,%.3f\n", w->name, depth, o->queues,
			o->packed ? "packed" : "split", r->seconds, (unsigned long long)r->ops, rate, p50, p99,
			o->daemon ? text : "", client);
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

static int run_all(struct bench *b, const struct options *o, FILE *csv)
{
	static struct bench_result result;

	for (unsigned i = 0; i < bench_nworkloads; i++) {
		const struct workload *w = &bench_workloads[i];
		int res = wanted(o->workloads, w->name) ? w->prepare(b) : 0;
		for (unsigned k = 0; k < o->ndepths && res == 0 && wanted(o->workloads, w->name); k++) {
			res = bench_run(b, w, o->depth[k], o->seconds, o->daemon, &result);
			if (res < 0)
				return complain(b, w, o->depth[k], res);
			print_result(o, w, o->depth[k], &result, csv);
		}
		if (res < 0)
			return complain(b, w, 0, res);
	}
	return 0;
}

static int measure_all(const struct options *o, FILE *csv)
{
	struct bench b;
	int res = bench_open(&b, o->socket, o->queues, o->max_depth, o->packed);

	if (res < 0) {
		fprintf(stderr, "graft-bench: %s: %s\n", o->socket, strerror(-res));
	} else {
		printf("%-12s %5s %10s %9s %9s %10s %10s\n", "workload", "depth", "ops/s", "p50 us", "p99 us",
		       "daemon us", "client us");
		res = run_all(&b, o, csv);
	}
	int closed = bench_close(&b);
	if (closed < 0)
		fprintf(stderr, "graft-bench: %s cannot be removed: %s\n", b.dir_name, strerror(-closed));
	return res < 0 ? res : closed;
}

int main(int argc, char **argv)
{
	struct options o;
	int status = parse_options(&o, argc, argv);
	FILE *csv = NULL;

	if (status >= 0)
		return status;
	if (o.csv) {
		csv = fopen(o.csv, "we");
		if (!csv) {
			fprintf(stderr, "graft-bench: %s: %s\n", o.csv, strerror(errno));
			return 1;
		}
		fprintf(csv, "workload,depth,queues,ring,seconds,ops,ops_per_s,p50_us,p99_us,daemon_us,client_us\n");
	}
	int res = measure_all(&o, csv);
	if (csv && fclose(csv) != 0 && res == 0) {
		fprintf(stderr, "graft-bench: %s: %s\n", o.csv, strerror(errno));
		res = -EIO;
	}
	return res < 0 ? 1 : 0;
}
