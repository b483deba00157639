/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and measuring the daemon. */
#include "tests/mounts/world.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 60000
#define SETTLE_MS 15000
#define REST_MS 500
#define INIT_FLAGS                                                                                                \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_DO_READDIRPLUS |         \
	 FUSE_PARALLEL_DIROPS | FUSE_SUBMOUNTS)

static const char *cannot_run(void)
{
	if (geteuid())
		return "needs root";
	return access("/dev/fuse", R_OK | W_OK) ? "needs /dev/fuse" : NULL;
}

static int start_guest(struct world *w)
{
	struct frontend_config config = {.socket = w->daemon.socket,
					 .features = 0,
					 .protocol = VU_PROTOCOL_MQ | VU_PROTOCOL_REPLY_ACK,
					 .queues = WORLD_CLIENTS};
	int res = frontend_open(&w->fe, &config);

	for (unsigned i = 0; i < WORLD_CLIENTS && !res; i++)
		res = fuse_client_init(&w->client[i], w->fe, 1 + i, 1, 65536);
	return res ? res : fuse_init(&w->client[0], INIT_FLAGS);
}

int world_init(struct world *w, const char **why)
{
	struct daemon_config config = {.tag = "mounts", .queues = WORLD_CLIENTS};
	int res;

	memset(w, 0, sizeof(*w));
	w->api.fd = -1;
	*why = cannot_run();
	if (*why)
		return 77;
	*why = "the daemon's folder";
	res = daemon_init(&w->daemon, &config);
	if (res)
		return res;
	snprintf(w->mountpoint, sizeof(w->mountpoint), "%s/mnt", w->daemon.base);
	snprintf(w->api_socket, sizeof(w->api_socket), "%s/api", w->daemon.base);
	snprintf(w->images, sizeof(w->images), "%s/images", w->daemon.base);
	snprintf(w->server_keys, sizeof(w->server_keys), "api-socket = %s\nlog-level = warn", w->api_socket);
	snprintf(w->transport_keys, sizeof(w->transport_keys), "[transport fuse]\nmountpoint = %s", w->mountpoint);
	w->daemon.config.server_keys = w->server_keys;
	w->daemon.config.transport_keys = w->transport_keys;
	if (mkdir(w->mountpoint, 0755))
		return -errno;
	return 0;
}

int world_start(struct world *w, const char **why)
{
	*why = "starting the daemon";
	int res = daemon_start(&w->daemon);
	if (res)
		return res;
	*why = "the guest's connection";
	res = start_guest(w);
	if (res)
		return res;
	*why = "the API's socket";
	return api_open(&w->api, w->api_socket);
}

int world_stop(struct world *w)
{
	bool started = w->daemon.pid != 0;

	api_close(&w->api);
	for (unsigned i = 0; i < WORLD_CLIENTS; i++)
		fuse_client_fini(&w->client[i]);
	frontend_close(w->fe);
	int status = started ? daemon_stop(&w->daemon, STOP_TIMEOUT_MS) : 1;
	bool reported = w->daemon.base[0] && daemon_reported(&w->daemon);
	if (started && (status || reported)) {
		fprintf(stderr, "the daemon ended with status %d\n", status);
		daemon_show_log(&w->daemon);
	}
	if (umount2(w->mountpoint, MNT_DETACH) == 0) {
		fprintf(stderr, "the daemon left its mount behind\n");
		status = 1;
	}
	daemon_fini(&w->daemon);
	return status || reported ? -1 : 0;
}

struct viewer world_host(struct world *w)
{
	return (struct viewer){.host = w->mountpoint};
}

struct viewer world_guest(struct world *w, unsigned client)
{
	return (struct viewer){.client = &w->client[client]};
}

static struct held_by_daemon look(const struct world *w)
{
	struct held_by_daemon h = {.descriptors = (long)daemon_fds(&w->daemon)};
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)w->daemon.pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "Threads: %ld", &h.threads);
		sscanf(line, "RssAnon: %ld", &h.memory_kib);
	}
	if (f)
		fclose(f);
	return h;
}

static bool rests(const struct held_by_daemon *now, const struct held_by_daemon *limit)
{
	return limit && now->descriptors <= limit->descriptors && now->threads <= limit->threads &&
	       now->memory_kib <= limit->memory_kib;
}

/* A remount makes the kernel drop this mount's unused names, and so FORGET their nodes. */
void world_drop_caches(struct world *w)
{
	mount(NULL, w->mountpoint, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL);
}

struct held_by_daemon world_measure(struct world *w, const struct held_by_daemon *limit)
{
	int64_t begun = clock_ms(), since = begun;

	world_drop_caches(w);
	struct held_by_daemon last = look(w);
	while (clock_ms() - begun < SETTLE_MS && !rests(&last, limit)) {
		usleep(20000);
		struct held_by_daemon now = look(w);
		if (now.descriptors != last.descriptors || now.threads != last.threads)
			since = clock_ms();
		last = now;
		if (!limit && clock_ms() - since > REST_MS)
			break;
	}
	return last;
}
