/* SPDX-License-Identifier: Apache-2.0 */
/* graft-soak: mixed load at full speed with hostile requests among it, for a given time, against a daemon it starts. */
#include "tests/vring/soak.h"

#include "tests/vring/clock.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_MS 5000
#define TICK_US 20000 /* between two actions of the main thread */
#define STOP_TIMEOUT_MS 60000
#define FILE_LIMIT (64ULL << 20) /* what a hostile request can make a file grow to */
#define HOSTILE_AREA ((1 << 16) + (1 << 20)) /* what rings point to, and what lies behind it by length */

static const uint64_t modes[] = {
	0,
	1ULL << VIRTIO_RING_F_INDIRECT_DESC,
	1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC,
	1ULL << VIRTIO_F_RING_PACKED,
	1ULL << VIRTIO_F_RING_PACKED | 1ULL << VIRTIO_RING_F_EVENT_IDX,
	1ULL << VIRTIO_F_RING_PACKED | 1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC,
};

static const struct ram_spec layout[] = {
	{.gpa = 0x100000, .size = 64 << 20},
	{.gpa = 4ULL << 30, .size = 64 << 20},
	{.gpa = 2ULL << 30, .size = 1 << 20, .manual = true}, /* comes and goes */
};
#define REGIONS (sizeof(layout) / sizeof(layout[0]))

void soak_fail(struct soak *s, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&s->control);
	if (!atomic_exchange(&s->failed, true)) {
		va_start(ap, fmt);
		vsnprintf(s->why, sizeof(s->why), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&s->control);
	atomic_store(&s->stop, true);
}

static long rss_kib(const struct daemon *d)
{
	char path[64];
	long pages = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)d->pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void progress(const struct soak *s, int64_t start, bool last)
{
	printf("%s%4lld s: %" PRIu64 " requests, %" PRIu64 " hostile, %" PRIu64 " rings broken, %" PRIu64 " restarted, "
	       "%" PRIu64 " memory tables, %" PRIu64 " rounds, %ld KiB, %u descriptors\n",
	       last ? "end " : "", (long long)(clock_ms() - start) / 1000, s->good, s->hostile, s->broken, s->restarts,
	       s->tables, s->rounds, rss_kib(&s->daemon), daemon_fds(&s->daemon));
	fflush(stdout);
}

static bool died(struct soak *s)
{
	if (daemon_alive(&s->daemon))
		return false;
	daemon_show_log(&s->daemon);
	fprintf(stderr, "graft-soak: the daemon died (wait status %#x)\n", (unsigned)s->daemon.status);
	return true;
}

/* What a front end may do at any time while requests are under way. */
static int disturb(struct soak *s)
{
	struct frontend *fe = s->fe;
	uint32_t base;
	int res;

	switch (rand_r(&s->seed) % 4) {
	case 0: /* a worker's ring stops and goes on */ {
		unsigned ring = 1 + (unsigned)rand_r(&s->seed) % s->workers;
		res = frontend_stop_ring(fe, ring, &base);
		if (res == 0)
			res = frontend_start_ring_at(fe, ring, base);
		soak_count(&s->restarts);
		return res;
	}
	case 1: /* memory comes and goes */
		soak_count(&s->tables);
		return frontend_send_regions(fe, REGIONS - (unsigned)rand_r(&s->seed) % 2);
	case 2: {
		uint64_t value;
		return frontend_ask_u64(fe, VU_GET_FEATURES, &value);
	}
	default: {
		unsigned ring = 1 + (unsigned)rand_r(&s->seed) % s->workers;
		return frontend_order_fd(fe, VU_SET_VRING_KICK, ring, fe->ring[ring].kick);
	}
	}
}

/* The round's load until its end; true if the daemon died. */
static bool watch(struct soak *s, int64_t until, int64_t start, int64_t *next)
{
	while (clock_ms() < until && !soak_stopped(s)) {
		usleep(TICK_US);
		if (!daemon_alive(&s->daemon))
			return true;
		pthread_mutex_lock(&s->control);
		int res = disturb(s);
		pthread_mutex_unlock(&s->control);
		if (res < 0)
			soak_fail(s, "a message was refused: %s", strerror(-res));
		if (clock_ms() >= *next) {
			progress(s, start, false);
			*next += PROGRESS_MS;
		}
	}
	return false;
}

static int connect_round(struct soak *s)
{
	struct frontend_config c = {
		.socket = s->daemon.socket,
		.features = modes[(unsigned)rand_r(&s->seed) % (sizeof(modes) / sizeof(modes[0]))],
		.protocol = VU_PROTOCOL_MQ | VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_RESET_DEVICE | VU_PROTOCOL_CONFIG,
		.queues = s->workers + 1,
		.ring_size = rand_r(&s->seed) & 1 ? 256 : 128,
		.layout = layout,
		.nlayout = REGIONS,
	};
	struct fuse_client first;
	int res = frontend_open(&s->fe, &c);

	if (res < 0)
		return res;
	s->hostile_gpa = ram_alloc(&s->fe->ram, HOSTILE_AREA, 4096);
	res = fuse_client_init(&first, s->fe, 1, 1, 4096);
	if (res == 0)
		res = fuse_init(&first, SOAK_INIT);
	fuse_client_fini(&first);
	return res;
}

static void start_threads(struct soak *s, struct soak_thread *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bool hostile = i + 1 == n;
		t[i] = (struct soak_thread){.soak = s, .ring = 1 + i, .seed = (unsigned)rand_r(&s->seed)};
		snprintf(t[i].name, sizeof(t[i].name), "%s-%u", hostile ? "hostile" : "worker", i);
		t[i].started = pthread_create(&t[i].thread, NULL, hostile ? soak_hostile : soak_worker, &t[i]) == 0;
		if (!t[i].started)
			soak_fail(s, "no thread");
	}
}

/* Nothing may have appeared beside the share. */
static void check_escapes(struct soak *s)
{
	static const char *const known[] = {".", "..", "share", "socket", "ini", "log"};
	DIR *dir = opendir(s->daemon.base);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		bool good = false;
		for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			good = good || strcmp(e->d_name, known[i]) == 0;
		if (!good)
			soak_fail(s, "a request escaped from the share: %s", e->d_name);
	}
	if (dir)
		closedir(dir);
}

/* One connection from beginning to end; true if the daemon died. */
static bool run_round(struct soak *s, int64_t end, int64_t start, int64_t *next)
{
	struct soak_thread t[SOAK_MAX_WORKERS + 1];
	int64_t until = clock_ms() + 500 + rand_r(&s->seed) % 2500;
	int res = connect_round(s);

	if (res < 0) {
		soak_fail(s, "a new connection: %s", strerror(-res));
		frontend_close(s->fe);
		return died(s);
	}
	atomic_store(&s->stop, false);
	start_threads(s, t, s->workers + 1);
	if (watch(s, until < end ? until : end, start, next))
		return died(s);
	atomic_store(&s->stop, true);
	for (unsigned i = 0; i < s->workers + 1; i++)
		if (t[i].started)
			pthread_join(t[i].thread, NULL);
	if (!atomic_load(&s->failed))
		soak_wild(s);
	frontend_close(s->fe);
	s->fe = NULL;
	soak_count(&s->rounds);
	check_escapes(s);
	chmod(s->daemon.share, 0755);
	daemon_remove_tree(s->daemon.share, false);
	return died(s);
}

/* With nobody connected the daemon rests and has let everything go. */
static void check_rest(struct soak *s, unsigned fds)
{
	for (unsigned i = 0; i < 1000 && daemon_fds(&s->daemon) > fds; i++)
		usleep(10000);
	if (daemon_fds(&s->daemon) > fds)
		soak_fail(s, "%u descriptors at the end, %u at the start", daemon_fds(&s->daemon), fds);
	uint64_t before = daemon_cpu_ns(&s->daemon);
	usleep(500000);
	if (daemon_cpu_ns(&s->daemon) - before > 250000000)
		soak_fail(s, "the daemon spins with nobody connected");
}

static int run(struct soak *s, unsigned seconds)
{
	int64_t start = clock_ms(), end = start + (int64_t)seconds * 1000, next = start + PROGRESS_MS;
	unsigned fds = daemon_fds(&s->daemon);

	while (clock_ms() < end && !atomic_load(&s->failed))
		if (run_round(s, end, start, &next))
			return 1;
	if (!atomic_load(&s->failed))
		check_rest(s, fds);
	progress(s, start, true);
	int status = daemon_stop(&s->daemon, STOP_TIMEOUT_MS);
	if (status != 0)
		fprintf(stderr, "graft-soak: the daemon ended with status %d\n", status);
	if (daemon_reported(&s->daemon))
		fprintf(stderr, "graft-soak: a sanitizer has something to say\n");
	if (atomic_load(&s->failed))
		fprintf(stderr, "graft-soak: %s\n", s->why);
	return atomic_load(&s->failed) || status != 0 || daemon_reported(&s->daemon);
}

static int usage(void)
{
	fprintf(stderr, "usage: graft-soak --daemon PATH [--seconds N] [--queues N] [--seed N]\n"
			"Starts the daemon, loads it with --queues well-formed queues and one hostile one,\n"
			"and ends with status 0 if all went well.\n");
	return 2;
}

static bool number(const char *text, unsigned min, unsigned max, unsigned *value)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n < min || n > max)
		return false;
	*value = (unsigned)n;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"daemon", required_argument, NULL, 'd'},
						{"seconds", required_argument, NULL, 's'},
						{"queues", required_argument, NULL, 'q'},
						{"seed", required_argument, NULL, 'r'},
						{NULL, 0, NULL, 0}};
	struct daemon_config config = {
		.mount_keys = "locks = true\nxattr = true", .tag = "soak", .file_size_limit = FILE_LIMIT};
	static struct soak s = {.workers = 3, .control = PTHREAD_MUTEX_INITIALIZER};
	unsigned seconds = 60, seed = (unsigned)time(NULL);
	bool good = true;

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'd')
			config.program = optarg;
		else if (o == 's')
			good = good && number(optarg, 1, 86400, &seconds);
		else if (o == 'q')
			good = good && number(optarg, 1, SOAK_MAX_WORKERS, &s.workers);
		else if (o == 'r')
			good = good && number(optarg, 0, UINT32_MAX, &seed);
		else
			good = false;
	}
	if (!good || !config.program || optind < argc)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	s.seed = seed;
	config.queues = s.workers + 1;
	printf("seed %u\n", seed);
	if (daemon_init(&s.daemon, &config) < 0 || daemon_start(&s.daemon) < 0) {
		fprintf(stderr, "graft-soak: cannot start %s\n", config.program);
		daemon_fini(&s.daemon);
		return 1;
	}
	int res = run(&s, seconds);
	daemon_fini(&s.daemon);
	printf("%s\n", res ? "FAILED" : "passed");
	return res;
}
