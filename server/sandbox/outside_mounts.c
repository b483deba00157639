/* SPDX-License-Identifier: Apache-2.0 */
/* The service's part for transports of /dev/fuse: the configuration's mounts, and nothing beside them. */
#include "server/sandbox/outside_service.h"

#include "transport/fuse_dev.h"
#include "transport/fuse_dev_backing.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* /dev/fuse (Linux's Documentation/admin-guide/devices.txt). */
#define FUSE_MAJOR 10
#define FUSE_MINOR 229

static size_t mounts_size(const struct outside_service *s)
{
	return s->config->ntransports * sizeof(*s->mounts);
}

int outside_mounts_init(struct outside_service *s, struct graft_error *err)
{
	bool wanted = false;

	for (uint32_t i = 0; i < s->config->ntransports; i++)
		wanted = wanted || s->config->transports[i].kind == GRAFT_DEV_FUSE;
	if (!wanted)
		return 0;
	/* Children mount, and this process has to know of it. */
	void *mem = mmap(NULL, mounts_size(s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return error_set(err, ENOMEM, "no memory for the mounts of /dev/fuse");
	s->mounts = mem;
	return 0;
}

void outside_mounts_fini(struct outside_service *s)
{
	if (s->mounts)
		munmap(s->mounts, mounts_size(s));
}

void outside_mounts_end(struct outside_service *s)
{
	for (uint32_t i = 0; i < s->config->ntransports; i++) {
		if (s->mounts[i].host.id)
			fuse_dev_host_ops.detach(&s->mounts[i].host, true);
	}
}

static struct outside_mount *mount_of(const struct outside_service *s, const struct outside_packet *q)
{
	uint32_t i = (uint32_t)q->head.arg;

	if (!s->mounts || i >= s->config->ntransports || s->config->transports[i].kind != GRAFT_DEV_FUSE)
		return NULL;
	return &s->mounts[i];
}

/* The only ones that the daemon can have are those of its mounts. */
static bool is_dev_fuse(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(FUSE_MAJOR, FUSE_MINOR);
}

int outside_mounts_check(const struct outside_service *s, const struct outside_packet *q)
{
	const struct outside_mount *m = mount_of(s, q);

	if (!m || (q->nfds > 0 && !is_dev_fuse(q->fds[0])))
		return -EINVAL;
	if (q->head.kind == OUTSIDE_FUSE_MOUNT && !m->host.dir[0])
		return -EINVAL;
	if (q->head.kind == OUTSIDE_FUSE_LOOK || q->head.kind == OUTSIDE_FUSE_MOUNT)
		return fuse_dev_mount_stands(&m->host) ? -EEXIST : 0;
	if (q->head.kind == OUTSIDE_FUSE_ABORT)
		return m->host.id && !m->aborted ? 0 : -ENOTCONN;
	return 0;
}

static void look(struct outside_service *s, const struct outside_packet *q, struct outside_result *r)
{
	const struct transport_config *t = &s->config->transports[q->head.arg];
	struct outside_mount *m = mount_of(s, q);
	struct fuse_dev_config config = {
		.name = t->name,
		.mountpoint = t->mountpoint,
		.type = t->mount_type,
		.source = t->mount_source ? t->mount_source : s->config->server.instance,
		.read_only = t->read_only,
	};
	struct graft_error err = { 0 };

	r->res = fuse_dev_host_ops.look(&m->host, &config, r->text, &err);
	if (!r->res)
		return;
	memcpy(r->text, err.text, sizeof(err.text));
	m->host.dir[0] = '\0';
}

static void mount_it(struct outside_service *s, const struct outside_packet *q, struct outside_result *r)
{
	struct outside_mount *m = mount_of(s, q);
	struct graft_error err = { 0 };

	m->aborted = false;
	int fd = fuse_dev_host_ops.mount(&m->host, &err);
	if (fd < 0) {
		r->res = fd;
		memcpy(r->text, err.text, sizeof(err.text));
		return;
	}
	r->fds[r->nfds++] = fd;
}

static void clone_dev(const struct outside_packet *q, struct outside_result *r)
{
	int fd = fuse_dev_host_ops.clone(NULL, q->fds[0]);

	if (fd < 0)
		r->res = fd;
	else
		r->fds[r->nfds++] = fd;
}

_Static_assert(sizeof(((struct outside_result *)0)->text) > sizeof(((struct graft_error *)0)->text), "an error fits");
_Static_assert(sizeof(((struct outside_result *)0)->text) > PATH_MAX, "a directory fits");

void outside_mounts_serve(struct outside_service *s, const struct outside_packet *q, struct outside_result *r)
{
	struct outside_mount *m = mount_of(s, q);

	switch ((enum outside_kind)q->head.kind) {
	case OUTSIDE_FUSE_LOOK:
		look(s, q, r);
		break;
	case OUTSIDE_FUSE_MOUNT:
		mount_it(s, q, r);
		break;
	case OUTSIDE_FUSE_STANDS:
		r->res = fuse_dev_host_ops.stands(&m->host);
		break;
	case OUTSIDE_FUSE_SYNC:
		fuse_dev_host_ops.sync(&m->host);
		break;
	case OUTSIDE_FUSE_DETACH:
		r->res = fuse_dev_host_ops.detach(&m->host, q->head.value != 0);
		break;
	case OUTSIDE_FUSE_ABORT:
		m->aborted = true;
		r->res = fuse_dev_host_ops.abort(&m->host);
		break;
	case OUTSIDE_FUSE_CLONE:
		clone_dev(q, r);
		break;
	case OUTSIDE_BACKING_ABLE:
		r->res = fuse_dev_backing_able();
		break;
	case OUTSIDE_BACKING_OPEN:
		r->res = fuse_dev_backing_open_bare(q->fds[0], q->fds[1]);
		break;
	case OUTSIDE_BACKING_CLOSE:
		fuse_dev_backing_close(q->fds[0], (int)q->head.value);
		break;
	case OUTSIDE_SEAL:
	case OUTSIDE_OPEN:
	case OUTSIDE_KINDS:
		break;
	}
}
