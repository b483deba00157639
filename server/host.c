/* SPDX-License-Identifier: Apache-2.0 */
/* The services that plugins get: those with a module of their own, and the small ones. */
#include "server/host.h"

#include "server/fuse/backing.h"
#include "server/fuse/reply.h"
#include "server/request.h"
#include "server/sandbox/outside.h"
#include "server/server.h"
#include "server/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN "/proc/self/" /* this process's, wherever it is */
#define MOUNTINFO OWN "mountinfo"
#define OWN_FDS OWN "fd"

static void host_log(struct graft_slot *slot, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int host_fail(struct graft_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void host_log(struct graft_slot *slot, int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (level < GRAFT_LOG_INFO)
		log_vlimited(&slot->limit, level, slot->name, fmt, ap);
	else
		log_vmsg(level, slot->name, fmt, ap);
	va_end(ap);
}

static int host_fail(struct graft_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int res = error_vset(err, code, fmt, ap);
	va_end(ap);
	return res;
}

static void *host_alloc(struct graft_req *req, size_t bytes)
{
	return request_alloc(request_head(req)->call->root, bytes);
}

static int open_here(const char *path, int flags, struct graft_error *err)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	int code = errno;
	return error_set(err, code, "%s: %s", path, strerror(code));
}

/* Keeps what keeps the directory fd. Takes both; fd, or -errno with err. */
static int keep_tree(struct graft_slot *slot, int fd, int tree, struct graft_error *err)
{
	int *trees = tree < 0 ? NULL : realloc(slot->trees, (slot->ntrees + 1) * sizeof(*trees));

	if (tree < 0)
		return fd;
	if (!trees) {
		close(tree);
		close(fd);
		return error_set(err, ENOMEM, "out of memory");
	}
	trees[slot->ntrees++] = tree;
	slot->trees = trees;
	return fd;
}

/* What a directory of the host has mounted stands in the list of its own mount namespace. */
static int open_mountinfo(const struct graft_slot *slot, struct graft_error *err)
{
	int tree = slot->trees[slot->ntrees - 1];

	if (!outside_tree_hears(tree))
		log_info(slot->name, "on a private mount: what the host mounts below it later is not seen");
	int fd = fcntl(tree, F_DUPFD_CLOEXEC, 0);
	return fd >= 0 ? fd : error_set(err, errno, MOUNTINFO ": %s", strerror(errno));
}

/* What is this process's own. */
static int open_own(const struct graft_slot *slot, const char *path, int flags, struct graft_error *err)
{
	if (slot->server->own_fds < 0 || strcmp(path, OWN_FDS) != 0)
		return open_here(path, flags, err);
	int fd = openat(slot->server->own_fds, ".", flags | O_CLOEXEC);
	return fd >= 0 ? fd : error_set(err, errno, "%s: %s", path, strerror(errno));
}

static int host_open(struct graft_slot *slot, const char *path, int flags, struct graft_error *err)
{
	struct outside *outside = slot->server->outside;
	int tree;

	if (!slot->creating)
		return error_set(err, EPERM, "%s: files of the host are opened in create only", path);
	if (slot->ntrees > 0 && strcmp(path, MOUNTINFO) == 0)
		return open_mountinfo(slot, err);
	if (strncmp(path, OWN, strlen(OWN)) == 0)
		return open_own(slot, path, flags, err);
	if (!outside)
		return open_here(path, flags, err);
	int fd = outside_open(outside, path, flags, &tree, err);
	return fd < 0 ? fd : keep_tree(slot, fd, tree, err);
}

static uint32_t host_fd_limit(struct graft_slot *slot)
{
	uint32_t n = atomic_load_explicit(&slot->server->instances, memory_order_relaxed);

	return slot->server->fd_budget / (n ? n : 1);
}

static int host_invalidate(struct graft_slot *slot, uint64_t node, const char *name)
{
	if (!node || node > MOUNT_NODE_MASK)
		return -EINVAL;
	return mount_table_invalidate(&slot->server->mounts, slot->mount, node, name);
}

/* What a layer would do to the data of a READ must not be left out. */
static int host_store(struct graft_slot *slot, const struct graft_session *session, uint64_t node, uint64_t off,
		      const struct iovec *iov, uint32_t niov)
{
	struct mount *m = slot->mount;
	uint8_t first = m->routes[0][FUSE_READ].member;

	if (node <= GRAFT_ROOT_NODE || node > MOUNT_NODE_MASK)
		return -EINVAL;
	if (first == MOUNT_ABSENT || &m->members[first].slot != slot)
		return -ENOTSUP;
	return mount_table_store(&slot->server->mounts, m, session, node, off, iov, niov);
}

static int host_metric(struct graft_slot *slot, const char *name, const char *unit, const uint64_t *counter)
{
	return metrics_add(slot->server->metrics, slot, slot->name, name, unit, counter);
}

static int host_confined(struct graft_slot *slot)
{
	return slot->server->confined;
}

const struct graft_host host_services = {
	.size = sizeof(struct graft_host),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.log = host_log,
	.fail = host_fail,
	.alloc = host_alloc,
	.next = stack_next,
	.sub = stack_sub,
	.complete = stack_complete,
	.cancel = stack_cancel,
	.defer = stack_defer,
	.io = stack_io,
	.open = host_open,
	.fd_limit = host_fd_limit,
	.dirent = reply_dirent,
	.put = reply_put,
	.invalidate = host_invalidate,
	.metric = host_metric,
	.state_put = state_put,
	.state_get = state_get,
	.backing_open = backing_open,
	.backing_close = backing_close,
	.store = host_store,
	.claim = session_claim,
	.unclaim = session_unclaim,
	.confined = host_confined,
};
