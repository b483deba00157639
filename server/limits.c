/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the process: how many descriptors it may have, how many of them it needs itself. */
#include "server/limits.h"

#include "lib/log.h"
#include "server/workers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define NR_OPEN_DEFAULT 1048576 /* where /proc does not tell */

/* Descriptors. */
#define OWN_BASE   96 /* logs, the API and its clients, signals, io_uring, descriptors that live during one request */
#define OWN_QUEUE  8  /* of a vhost-user queue: kick, call, error, two of its thread, memory on its way */
#define OWN_READER 2  /* of a thread that reads /dev/fuse */
#define OWN_MOUNT  4  /* what an instance opens in create */
#define READERS_AUTO 17 /* threads = auto: at most */

static uint64_t nr_open(void)
{
	FILE *f = fopen("/proc/sys/fs/nr_open", "re");
	uint64_t n = 0;

	if (f) {
		if (fscanf(f, "%" SCNu64, &n) != 1)
			n = 0;
		fclose(f);
	}
	return n ? n : NR_OPEN_DEFAULT;
}

static int set_both(uint64_t n)
{
	const struct rlimit both = { .rlim_cur = n, .rlim_max = n };

	return setrlimit(RLIMIT_NOFILE, &both) ? -errno : 0;
}

/* Nobody said how many. */
static int raise_files(const struct rlimit *now, uint64_t *got, struct graft_error *err)
{
	uint64_t most = nr_open(), want = most < LIMITS_FILES_ENOUGH ? most : LIMITS_FILES_ENOUGH;

	*got = now->rlim_cur;
	if (now->rlim_cur >= LIMITS_FILES_ENOUGH)
		return 0;
	int res = set_both(want);
	if (!res) {
		*got = want;
		return 0;
	}
	log_warn(NULL, "the limit of open files cannot be set to %" PRIu64 " (%s): the hard limit, %" PRIu64 ", is used",
		 want, strerror(-res), (uint64_t)now->rlim_max);
	res = set_both(now->rlim_max);
	if (res)
		return error_set(err, -res, "setting RLIMIT_NOFILE to %" PRIu64 ": %s", (uint64_t)now->rlim_max,
				 strerror(-res));
	*got = now->rlim_max;
	return 0;
}

int limits_nofile(uint64_t wanted, uint64_t *got, struct graft_error *err)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now))
		return error_set(err, errno, "reading RLIMIT_NOFILE: %s", strerror(errno));
	if (!wanted)
		return raise_files(&now, got, err);
	uint64_t most = nr_open();
	if (wanted > most)
		return error_set(err, EINVAL,
				 "the limit of open files cannot be set to %" PRIu64 ": It cannot be increased above %" PRIu64,
				 wanted, most);
	int res = set_both(wanted);
	if (res)
		return error_set(err, -res, "setting RLIMIT_NOFILE to %" PRIu64 ": %s", wanted, strerror(-res));
	*got = wanted;
	return 0;
}

static uint32_t door_files(const struct transport_config *t)
{
	if (t->kind == GRAFT_VHOST_USER)
		return OWN_QUEUE * (t->queues + 1);
	return OWN_READER * ((t->threads ? t->threads : READERS_AUTO) + 1);
}

uint32_t limits_own_files(const struct config *c)
{
	uint64_t workers = c->server.workers ? c->server.workers : workers_auto();
	uint32_t n = OWN_BASE + (uint32_t)workers + OWN_MOUNT * c->nmounts;

	for (uint32_t i = 0; i < c->ntransports; i++)
		n += door_files(&c->transports[i]);
	return n;
}

int limits_files(const struct config *c, uint32_t *plugins, struct graft_error *err)
{
	uint64_t least = (uint64_t)limits_own_files(c) + LIMITS_FILES_LEAST, n = c->server.rlimit_nofile;
	int res = n && n < least ? 0 : limits_nofile(n, &n, err);

	if (res)
		return res;
	if (n < least)
		return error_set(err, EMFILE,
				 "Maximum number of file descriptors too small: Limit is %" PRIu64
				 ", must be at least %" PRIu64, n, least);
	uint64_t left = n - limits_own_files(c);
	*plugins = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
	if (left < LIMITS_FILES_FEW)
		log_warn(NULL, "of %" PRIu64 " descriptors, %" PRIu64 " are left for the clients' files: they will soon run out",
			 n, left);
	return 0;
}
