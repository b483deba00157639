/* SPDX-License-Identifier: Apache-2.0 */
/* What a /dev/fuse transport needs of the host, asked for outside. */
#include "server/sandbox/outside.h"
#include "server/sandbox/outside_client.h"

#include "transport/fuse_dev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The transport ends in three seconds; what takes longer than these is left to go on, and the connection is aborted. */
#define SYNC_MS 2500
#define DETACH_MS 1000

/* A question about the transport, with at most one descriptor for an answer: that, or the result. */
static int ask_packet(void *host, struct outside_ask *ask, struct outside_packet *p)
{
	const struct outside_fuse *f = host;

	ask->arg = (int32_t)f->transport;
	int res = outside_ask(f->outside, ask, p);
	if (res < 0 || !p->nfds)
		return res;
	int fd = p->fds[0];
	p->fds[0] = -1;
	if (p->nfds == 1)
		return fd;
	close(fd);
	close(p->fds[1]);
	return -EPROTO;
}

static int ask(void *host, struct outside_ask how)
{
	struct outside_packet p = { .nfds = 0 };

	return ask_packet(host, &how, &p);
}

/* The same where an error comes with its text. */
static int ask_told(void *host, struct outside_ask how, struct outside_packet *p, struct graft_error *err)
{
	int res = ask_packet(host, &how, p);

	if (res >= 0)
		return res;
	if (res != p->head.arg || !p->head.length)
		return error_set(err, -res, "the parent process could not do it: %s", strerror(-res));
	return error_set(err, -res, "%s", p->text);
}

static int fuse_look(void *host, const struct fuse_dev_config *config, char dir[PATH_MAX], struct graft_error *err)
{
	struct outside_packet p = { .nfds = 0 };
	int res = ask_told(host, (struct outside_ask){ .kind = OUTSIDE_FUSE_LOOK }, &p, err);

	(void)config; /* the parent has its own */
	if (!res)
		snprintf(dir, PATH_MAX, "%.*s", PATH_MAX - 1, p.text);
	return res;
}

static int fuse_mount(void *host, struct graft_error *err)
{
	struct outside_packet p = { .nfds = 0 };

	return ask_told(host, (struct outside_ask){ .kind = OUTSIDE_FUSE_MOUNT }, &p, err);
}

static bool fuse_stands(void *host)
{
	return ask(host, (struct outside_ask){ .kind = OUTSIDE_FUSE_STANDS }) == 1;
}

static void fuse_sync(void *host)
{
	ask(host, (struct outside_ask){ .kind = OUTSIDE_FUSE_SYNC, .wait_ms = SYNC_MS });
}

static int fuse_detach(void *host, bool abort)
{
	return ask(host, (struct outside_ask){ .kind = OUTSIDE_FUSE_DETACH, .value = abort, .wait_ms = DETACH_MS });
}

static int fuse_abort(void *host)
{
	return ask(host, (struct outside_ask){ .kind = OUTSIDE_FUSE_ABORT, .wait_ms = DETACH_MS });
}

static int fuse_clone(void *host, int dev)
{
	return ask(host, (struct outside_ask){ .kind = OUTSIDE_FUSE_CLONE, .fds = { dev }, .nfds = 1 });
}

static int backing_able(void *host)
{
	return ask(host, (struct outside_ask){ .kind = OUTSIDE_BACKING_ABLE });
}

static int backing_open(void *host, int dev, int fd)
{
	return ask(host, (struct outside_ask){ .kind = OUTSIDE_BACKING_OPEN, .fds = { dev, fd }, .nfds = 2 });
}

static void backing_close(void *host, int dev, int id)
{
	const struct outside_fuse *f = host;
	struct outside_ask how = {
		.kind = OUTSIDE_BACKING_CLOSE,
		.arg = (int32_t)f->transport,
		.value = (uint32_t)id,
		.fds = { dev },
		.nfds = 1,
	};

	outside_ask(f->outside, &how, NULL);
}

const struct fuse_dev_host_ops outside_fuse_ops = {
	.waits = true,
	.look = fuse_look,
	.mount = fuse_mount,
	.stands = fuse_stands,
	.sync = fuse_sync,
	.detach = fuse_detach,
	.abort = fuse_abort,
	.clone = fuse_clone,
	.backing_able = backing_able,
	.backing_open = backing_open,
	.backing_close = backing_close,
};
