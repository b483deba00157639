/* SPDX-License-Identifier: Apache-2.0 */
/* OPENDIR, READDIR, READDIRPLUS, RELEASEDIR and FSYNCDIR: listing a directory, read ahead in large pieces. */
#include "dir.h"

#include "file.h"
#include "handle.h"
#include "node_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIR_BUFFER 32768 /* bytes of one getdents64: about a thousand entries */

/*
 * A listing goes through the descriptor's position and the buffer behind it, so one request at a time may have the
 * stream. It is claimed by a flag, not by a lock: a lock would be held across getdents64 and the look-ups of
 * READDIRPLUS. The mutex guards the flag alone. Who finds the stream claimed goes to a worker and waits there; the one
 * who has it never waits for a worker, so that ends. Clients send one READDIR at a time for each open directory: a
 * claim that fails is rare.
 */
struct dir_stream {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	bool claimed; /* protected by lock */

	/* Owned by who has the claim. */
	char *buf;         /* entries read ahead, NULL: none */
	uint32_t len, pos; /* bytes in buf, bytes given out */
	uint64_t next;     /* cookie of the last entry given out */
	bool placed;       /* buf and the descriptor's position go on behind `next` */
	bool touched;      /* the position is no longer the beginning */
};

struct dir_stream *dir_stream_new(void)
{
	struct dir_stream *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->freed, NULL);
	return d;
}

void dir_stream_free(struct dir_stream *d)
{
	if (!d)
		return;
	pthread_cond_destroy(&d->freed);
	pthread_mutex_destroy(&d->lock);
	free(d->buf);
	free(d);
}

static bool claim(struct dir_stream *d, bool wait)
{
	pthread_mutex_lock(&d->lock);
	while (d->claimed && wait)
		pthread_cond_wait(&d->freed, &d->lock);
	bool got = !d->claimed;
	d->claimed = true;
	pthread_mutex_unlock(&d->lock);
	return got;
}

static void unclaim(struct dir_stream *d)
{
	pthread_mutex_lock(&d->lock);
	d->claimed = false;
	pthread_cond_broadcast(&d->freed); /* glibc before 2.41 may lose a signal among several waiters (bug 25847) */
	pthread_mutex_unlock(&d->lock);
}

/* Reads on. 1, 0 at the end, -errno. */
static int fill(struct dir_stream *d, int fd)
{
	if (!d->buf)
		d->buf = malloc(DIR_BUFFER);
	if (!d->buf)
		return -ENOMEM;
	d->touched = true;
	d->len = d->pos = 0;
	ssize_t n = getdents64(fd, d->buf, DIR_BUFFER);
	if (n > 0) {
		d->len = (uint32_t)n;
		return 1;
	}
	int res = n < 0 ? -errno : 0;
	/* A listing that has ended keeps no memory: guests leave directories open. */
	free(d->buf);
	d->buf = NULL;
	return res;
}

static const struct dirent64 *entry(const struct dir_stream *d)
{
	return (const struct dirent64 *)(const void *)(d->buf + d->pos);
}

/* Cookies of 64 bits that lseek does not take: from the beginning on, past the entry that has it. */
static int walk(struct dir_stream *d, int fd, uint64_t cookie)
{
	int res;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((res = fill(d, fd)) > 0) {
		while (d->pos < d->len) {
			uint64_t off = (uint64_t)entry(d)->d_off;
			d->pos += entry(d)->d_reclen;
			if (off == cookie)
				return 0;
		}
	}
	return res < 0 ? res : -EINVAL; /* ending the listing here would hide what comes behind */
}

/* Brings the stream to where the guest wants to go on. A listing from first to last needs no system call here. */
static int seek(struct dir_stream *d, int fd, uint64_t cookie)
{
	if (cookie ? d->placed && cookie == d->next : !d->touched)
		return 0;
	d->len = d->pos = 0;
	d->placed = false;
	int res = lseek(fd, (off_t)cookie, SEEK_SET) < 0 ? -errno : 0;
	if (res == -EINVAL && cookie > INT64_MAX)
		res = walk(d, fd, cookie);
	if (res < 0)
		return res;
	d->next = cookie;
	d->placed = true;
	d->touched = true;
	return 0;
}

static bool is_dotdot(const char *name)
{
	return name[0] == '.' && name[1] == '.' && !name[2];
}

static bool is_dot(const char *name)
{
	return (name[0] == '.' && !name[1]) || is_dotdot(name);
}

/* "." and "..", and what cannot be looked up (removed since, no descriptor left ...), are listed without a node. */
static void look_up(const struct graft_req *req, const struct node_ref *dir, const char *name,
		    struct fuse_direntplus *e)
{
	int res = !dir || is_dot(name) ? -ENOENT : pt_lookup(pt_session(req), dir, name, &e->entry_out);

	if (res == 0 && e->entry_out.nodeid)
		return;
	memset(&e->entry_out, 0, sizeof(e->entry_out));
	e->entry_out.attr.ino = e->dirent.ino;
	e->entry_out.attr.mode = e->dirent.type << 12;
}

/* Gives one entry out. enum graft_dirent_result. dir: for READDIRPLUS, NULL: without look-ups. */
static int give(const struct graft_inst *inst, struct graft_req *req, const struct node_ref *dir,
		const struct dirent64 *d)
{
	struct fuse_direntplus e = {.dirent = {.ino = d->d_ino, .off = (uint64_t)d->d_off, .type = d->d_type}};

	e.dirent.namelen = (uint32_t)strlen(d->d_name);
	/* Nothing of what is above the share is told. */
	if (req->node == GRAFT_ROOT_NODE && is_dotdot(d->d_name))
		e.dirent.ino = pt_session(req)->nodes->root->ino;
	if (graft_dirent_size(req->opcode, e.dirent.namelen) > req->dst_len - req->done)
		return GRAFT_DIRENT_FULL;
	if (req->opcode == FUSE_READDIRPLUS)
		look_up(req, dir, d->d_name, &e);
	uint64_t node = e.entry_out.nodeid;
	int res = inst->host->dirent(req, &e, d->d_name);
	if (res != GRAFT_DIRENT_OK && node)
		pt_forget(pt_session(req), node, 1);
	return res;
}

/* Gives entries out until the reply is full or the directory ends. What does not fit stays for the next call. */
static int list(const struct graft_inst *inst, struct graft_req *req, const struct handle *h,
		const struct node_ref *dir)
{
	struct dir_stream *d = h->dir;

	for (;;) {
		int res = d->pos < d->len ? 1 : fill(d, h->fd);
		if (res <= 0)
			return req->done ? 0 : res; /* an error is seen again when this reply was used up */
		res = give(inst, req, dir, entry(d));
		if (res == GRAFT_DIRENT_FULL)
			return req->done ? 0 : -EINVAL; /* an empty reply would mean the end */
		if (res == GRAFT_DIRENT_OK) {
			d->next = (uint64_t)entry(d)->d_off;
			d->placed = true;
		}
		d->pos += entry(d)->d_reclen;
	}
}

static int readdir_claimed(const struct graft_inst *inst, struct graft_req *req, const struct handle *h)
{
	const struct fuse_read_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct node_ref ref;

	if (!req->dst_len)
		return 0;
	int res = seek(h->dir, h->fd, in->offset);
	if (res < 0)
		return res;
	if (req->opcode != FUSE_READDIRPLUS || node_get(s, req->node, &ref) < 0)
		return list(inst, req, h, NULL);
	res = list(inst, req, h, &ref);
	node_put(s, &ref);
	return res;
}

static int readdir_by(struct graft_inst *inst, struct graft_req *req, bool wait)
{
	const struct fuse_read_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct handle *h;

	int res = handle_get(s, in->fh, req->node, &h);
	if (res < 0)
		return res;
	if (!h->dir) {
		res = -ENOTDIR;
	} else if (!claim(h->dir, wait)) {
		res = -EAGAIN;
	} else {
		res = readdir_claimed(inst, req, h);
		unclaim(h->dir);
	}
	handle_put(s, h);
	return res;
}

static int readdir_waiting(struct graft_inst *inst, struct graft_req *req)
{
	return readdir_by(inst, req, true);
}

int pt_op_readdir(struct graft_inst *inst, struct graft_req *req)
{
	int res = readdir_by(inst, req, false);

	return res == -EAGAIN ? pt_defer(inst, req, readdir_waiting) : res;
}

int pt_op_opendir(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_open_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct node_ref ref;

	if (in->flags & (O_TMPFILE & ~O_DIRECTORY))
		return -EINVAL;
	if (inst->set->readonly && (in->flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	int res = node_get(s, req->node, &ref);
	if (res < 0)
		return res;
	if (S_ISDIR(node_type(&ref)))
		res = file_open(req, &ref, file_flags(req, in->flags) | O_DIRECTORY, false, req->out);
	else
		res = -ENOTDIR;
	node_put(s, &ref);
	return res;
}

int pt_op_releasedir(struct graft_inst *inst, struct graft_req *req)
{
	return pt_op_release(inst, req);
}

int pt_op_fsyncdir(struct graft_inst *inst, struct graft_req *req)
{
	return pt_op_fsync(inst, req);
}
