/* SPDX-License-Identifier: Apache-2.0 */
/* graft-bench's command line. */
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words of --workload that stand for several. */
static const struct group {
	const char *name, *list;
} groups[] = {
	{"basic", "getattr,lookup,open,read4k,read128k,read512k,write4k,write128k,readdirplus,create"},
	{"profiles", "container,git-status,compile,untar,rm,database"},
	{"all", "basic,profiles"},
};

static void help(void)
{
	const char *name, *what;

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
	       "  --poll               look for answers without sleeping, and want no interrupts, as a guest that polls\n"
	       "  --files N            files of the set, 1 to %u (default 1000)\n"
	       "  --tree N             files of the tree, 1 to %u (default 3000)\n"
	       "  --daemon-pid PID     also says the daemon's processor time for an operation, all threads together,\n"
	       "                       and its memory: resident, without the guest's\n"
	       "  --calls              also its system calls for an operation, counted by a tracepoint of perf in a short\n"
	       "                       run of their own after the measured one (needs --daemon-pid, tracefs and the right)\n"
	       "  --share DIR          the directory that is shared, as seen here: also measures the bare system calls\n"
	       "                       that do the same on the same files, by processor time, one at a time\n"
	       "  --csv FILE           also writes the lines there\n"
	       "  --help\n\nWorkloads:\n",
	       BENCH_MAX_DEPTH, BENCH_MAX_QUEUES, BENCH_MAX_FILES, BENCH_MAX_FILES);
	for (unsigned i = 0; (name = bench_workload_name(i, &what)); i++)
		printf("  %-12s %s\n", name, what);
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		printf("  %-12s %s\n", groups[i].name, groups[i].list);
	printf("read, write, randread and randwrite have a size behind them, in whole pages up to 1m: randread16k.\n"
	       "Those that use the tree have an end: they are run again and again, and what they need is made before\n"
	       "each pass, unmeasured; an operation is a file (git-status: or a directory), not a request.\n"
	       "\nColumns: operations a second; the time of one at the median, the 99th and the 99.9th percentile, from\n"
	       "sending it to seeing its answer; processor time of the daemon and of this program for one; how busy\n"
	       "this program's threads are (near 100%%: they are the limit; always with --poll); see --calls, --share,\n"
	       "--daemon-pid. Every answer is checked. Figures compare only with those from the same machine and\n"
	       "time: see bench/compare.\n\n"
	       "Example: graftfsd --config quickstart.ini &\n"
	       "         graft-bench --socket /run/graftfs-quickstart.sock --daemon-pid $! --workload getattr,read4k\n"
	       "Status: 0, 1 when the daemon failed or answered wrong, 2 for a usage error.\n");
}

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "graft-bench: %s '%s'; --help says more\n", what, value);
	return 2;
}

static bool parse_count(const char *text, unsigned long max, unsigned *value)
{
	char *end;

	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	*value = (unsigned)number;
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && number >= 1 && number <= max;
}

static bool parse_depths(const char *text, struct options *o)
{
	char copy[128];

	o->ndepths = o->config.max_depth = 0;
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	char *save, *word = strtok_r(copy, ",", &save);
	for (; word; word = strtok_r(NULL, ",", &save)) {
		unsigned value;
		if (o->ndepths == MAX_DEPTHS || !parse_count(word, BENCH_MAX_DEPTH, &value))
			return false;
		o->depth[o->ndepths++] = value;
		o->config.max_depth = value > o->config.max_depth ? value : o->config.max_depth;
	}
	return o->ndepths > 0;
}

static bool parse_seconds(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && !*end && *value >= 0.01 && *value <= 3600;
}

static bool add_workload(struct options *o, const char *name)
{
	if (o->nworkloads == MAX_WORKLOADS || !bench_workload(name, &o->workload[o->nworkloads]))
		return false;
	o->nworkloads++;
	return true;
}

/* Adds the workloads of a list; groups hold no group that holds them. */
static bool add_workloads(struct options *o, const char *list)
{
	char copy[1024];

	if (strlen(list) >= sizeof(copy))
		return false;
	strcpy(copy, list);
	char *save, *word = strtok_r(copy, ",", &save);
	bool good = word != NULL;
	for (; word && good; word = strtok_r(NULL, ",", &save)) {
		const char *members = NULL;
		for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
			members = strcmp(word, groups[i].name) ? members : groups[i].list;
		good = members ? add_workloads(o, members) : add_workload(o, word);
	}
	return good;
}

enum option_code {
	OPT_SOCKET = 1,
	OPT_WORKLOAD,
	OPT_DEPTH,
	OPT_SECONDS,
	OPT_QUEUES,
	OPT_RING,
	OPT_POLL,
	OPT_FILES,
	OPT_TREE,
	OPT_DAEMON_PID,
	OPT_CALLS,
	OPT_SHARE,
	OPT_CSV,
	OPT_HELP
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, OPT_SOCKET},   {"workload", required_argument, NULL, OPT_WORKLOAD},
	{"depth", required_argument, NULL, OPT_DEPTH},     {"seconds", required_argument, NULL, OPT_SECONDS},
	{"queues", required_argument, NULL, OPT_QUEUES},   {"ring", required_argument, NULL, OPT_RING},
	{"poll", no_argument, NULL, OPT_POLL},             {"files", required_argument, NULL, OPT_FILES},
	{"tree", required_argument, NULL, OPT_TREE},       {"daemon-pid", required_argument, NULL, OPT_DAEMON_PID},
	{"calls", no_argument, NULL, OPT_CALLS},           {"share", required_argument, NULL, OPT_SHARE},
	{"csv", required_argument, NULL, OPT_CSV},         {"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static bool take_flag(struct options *o, int code, const char *value)
{
	if (code == OPT_POLL)
		o->config.poll = true;
	else if (code == OPT_CALLS)
		o->count_calls = true;
	else if (code == OPT_SOCKET)
		o->config.socket = value;
	else if (code == OPT_SHARE)
		o->share = value;
	else
		o->csv = value;
	return true;
}

/* One option: true if its value is good. */
static bool take_option(struct options *o, int code, const char *value)
{
	unsigned number = 0;
	bool good;

	switch (code) {
	case OPT_WORKLOAD:
		o->nworkloads = 0;
		return add_workloads(o, value);
	case OPT_DEPTH:
		return parse_depths(value, o);
	case OPT_SECONDS:
		return parse_seconds(value, &o->seconds);
	case OPT_QUEUES:
		return parse_count(value, BENCH_MAX_QUEUES, &o->config.queues);
	case OPT_FILES:
		return parse_count(value, BENCH_MAX_FILES, &o->config.files);
	case OPT_TREE:
		return parse_count(value, BENCH_MAX_FILES, &o->config.tree_files);
	case OPT_RING:
		o->config.packed = !strcmp(value, "packed");
		return o->config.packed || !strcmp(value, "split");
	case OPT_DAEMON_PID:
		good = parse_count(value, 1 << 22, &number);
		o->daemon = (pid_t)number;
		return good;
	default:
		return take_flag(o, code, value);
	}
}

int options_parse(struct options *o, int argc, char **argv)
{
	int code, index = 0;

	*o = (struct options){.config = {.queues = 1, .files = 1000, .tree_files = 3000}, .seconds = 2};
	parse_depths("1,16", o);
	add_workloads(o, "all");
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
	if (o->count_calls && !o->daemon)
		return usage("--calls needs", "--daemon-pid");
	return o->config.socket ? -1 : usage("missing option", "--socket");
}
