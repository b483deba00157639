/* SPDX-License-Identifier: Apache-2.0 */
/* OPEN, CREATE, TMPFILE, RELEASE, FLUSH and FSYNC: from a node to an open file and back. */
#include "file.h"

#include "backing.h"
#include "dir.h"
#include "handle.h"
#include "lib/fuse_attr.h"
#include "locks.h"
#include "lookup.h"
#include "node.h"
#include "open.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define CREATE_TRIES 4              /* a name that comes and goes while CREATE looks at it */
#define TRUNCATE_INLINE_BLOCKS 2048 /* 512-byte units: cutting off 1 MiB does not keep a queue waiting */

/* What CREATE and TMPFILE answer: an entry and an open file, back to back. */
struct create_out {
	struct fuse_entry_out entry;
	struct fuse_open_out open;
};

int file_flags(const struct graft_req *req, uint32_t guest)
{
	const struct pt_settings *set = pt_session(req)->inst->set;
	int flags = (int)guest & ~(O_APPEND | O_NOFOLLOW | O_CREAT);

	if (!set->preserve_noatime)
		flags &= ~O_NOATIME;
	if (!set->direct_io)
		flags &= ~O_DIRECT;
	/* The guest's page cache reads what surrounds a partial write, so a file open for writing must be readable. */
	if (pt_flag(req, FUSE_WRITEBACK_CACHE) && (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags;
}

/* Whether a guest's OPEN flags may stand on a mount that is read-only. */
static int readonly_check(const struct pt_settings *set, uint32_t guest)
{
	if (!set->readonly || (guest & O_PATH))
		return 0;
	if ((guest & O_ACCMODE) != O_RDONLY || (guest & O_EXCL))
		return -EROFS;
	return guest & (O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)) ? -EINVAL : 0;
}

/* The flags of the guest's open(2): fuse_open_in and fuse_create_in begin with them. */
static uint32_t guest_flags(const struct graft_req *req)
{
	return *(const uint32_t *)req->in;
}

/* FOPEN_* of the reply, by cache mode (reference 4.2). */
static uint32_t reply_flags(const struct graft_req *req, int flags)
{
	static const uint32_t file[] = {[PT_CACHE_AUTO] = 0,
					[PT_CACHE_ALWAYS] = FOPEN_KEEP_CACHE,
					[PT_CACHE_METADATA] = FOPEN_DIRECT_IO,
					[PT_CACHE_NEVER] = FOPEN_DIRECT_IO};
	static const uint32_t dir[] = {[PT_CACHE_AUTO] = 0,
				       [PT_CACHE_ALWAYS] = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR,
				       [PT_CACHE_METADATA] = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR,
				       [PT_CACHE_NEVER] = 0};

	uint32_t cache = pt_session(req)->inst->set->cache;

	if (flags & O_DIRECTORY)
		return dir[cache];
	uint32_t reply = file[cache];
	/*
	 * Writes past the guest's page cache need no order among them in the guest: the host's file has its own,
	 * whether the guest's O_DIRECT is passed on or not.
	 */
	if ((reply & FOPEN_DIRECT_IO) || (guest_flags(req) & O_DIRECT))
		reply |= FOPEN_PARALLEL_DIRECT_WRITES;
	return reply;
}

/* An open descriptor that is to become a handle. */
struct opened {
	uint64_t node;
	const struct node_ref *near; /* the node, or the directory it is in */
	int fd, flags;
	bool list; /* a directory that is to be listed */
};

/*
 * The guest need not wait for a FLUSH at each close(2): it ends POSIX locks, where those are ours, and brings errors of
 * network file systems for what was written; nothing else listens.
 */
static uint32_t noflush(const struct graft_req *req, const struct opened *o)
{
	const struct pt_session *s = pt_session(req);
	bool quiet = (o->flags & O_ACCMODE) == O_RDONLY || (!s->inst->blocking && node_at_home(s, o->near));

	return quiet && !pt_flag(req, FUSE_POSIX_LOCKS) ? FOPEN_NOFLUSH : 0;
}

/* Makes a handle of it. It keeps fd and the place in the budget that is held for it only if it succeeds. */
static int adopt_fd(const struct graft_req *req, const struct opened *o, struct fuse_open_out *out)
{
	struct handle_parts parts = {.node = o->node, .fd = o->fd, .flags = o->flags};
	struct pt_session *s = pt_session(req);
	int res = 0;

	out->open_flags = reply_flags(req, o->flags);
	if (o->list) {
		parts.dir = dir_stream_new();
		res = parts.dir ? 0 : -ENOMEM;
	} else if (!(o->flags & (O_DIRECTORY | O_PATH))) {
		out->open_flags |= noflush(req, o);
		res = backing_join(req, o->node, o->fd, guest_flags(req) & O_DIRECT, out, &parts.backing);
	}
	if (res == 0)
		res = handle_new(s, &parts, &out->fh);
	if (res < 0) {
		dir_stream_free(parts.dir);
		backing_leave(s, parts.backing);
	}
	return res;
}

/* Ends what an opening began: the descriptor, if there is one, and the place in the budget. */
static void give_back(struct pt_session *s, int fd)
{
	if (fd >= 0)
		close(fd);
	pt_handle_fd_give(s);
}

/* open_name as the caller, between creds_enter and creds_leave. */
static int open_as(const struct graft_req *req, const struct creds *creds, int dir, const char *name, int flags,
		   mode_t mode)
{
	struct graft_inst *inst = pt_session(req)->inst;
	int fd = open_name(inst, dir, name, flags, mode);

	return fd == -EACCES && creds_insist(req, creds) ? open_name(inst, dir, name, flags, mode) : fd;
}

/* An unlinked file in a directory, as the caller. fd or -errno. */
static int open_tmpfile(const struct graft_req *req, const struct node_ref *dir, int flags, mode_t mode)
{
	struct creds creds;
	int res = creds_enter(req, &creds);

	if (res < 0)
		return res;
	res = open_as(req, &creds, dir->fd, ".", flags | O_TMPFILE, mode & 07777);
	creds_leave(&creds);
	return res;
}

static int open_node(const struct graft_req *req, const struct node_ref *ref, int flags, bool kill)
{
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_tmpfile(req, ref, flags, S_IRUSR | S_IWUSR);
	if (flags & (O_TMPFILE & ~O_DIRECTORY))
		return -EINVAL;
	bool dropped = kill && pt_flag(req, FUSE_HANDLE_KILLPRIV_V2) && creds_fsetid_drop();
	int fd = node_open(pt_session(req), ref, flags);
	creds_fsetid_restore(dropped);
	return fd;
}

int file_open(const struct graft_req *req, const struct node_ref *ref, int flags, bool kill, struct fuse_open_out *out)
{
	struct pt_session *s = pt_session(req);
	bool list = S_ISDIR(node_type(ref)) && !(flags & O_PATH) && (flags & O_TMPFILE) != O_TMPFILE;
	int res = pt_handle_fd_take(s, list ? PT_FD_DIR : PT_FD_FILE);

	if (res < 0)
		return res;
	struct opened o = {.node = req->node, .near = ref, .flags = flags, .list = list};
	o.fd = open_node(req, ref, flags, kill);
	res = o.fd < 0 ? o.fd : adopt_fd(req, &o, out);
	if (res < 0)
		give_back(s, o.fd);
	return res;
}

static int open_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_open_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct node_ref ref;
	(void)inst;

	int res = node_get(s, req->node, &ref);
	if (res < 0)
		return res;
	res = file_open(req, &ref, file_flags(req, in->flags), in->open_flags & FUSE_OPEN_KILL_SUIDGID, req->out);
	node_put(s, &ref);
	return res;
}

/* True where O_TRUNC would free so much that it belongs on a worker. */
static bool truncates_much(struct pt_session *s, const struct graft_req *req)
{
	struct node_ref ref;
	struct stat st;

	if (node_get(s, req->node, &ref) < 0)
		return false;
	bool much = fstatat(ref.fd, "", &st, AT_EMPTY_PATH) == 0 && st.st_blocks > TRUNCATE_INLINE_BLOCKS;
	node_put(s, &ref);
	return much;
}

int pt_op_open(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_open_in *in = req->in;
	int res = readonly_check(inst->set, in->flags);

	if (res < 0)
		return res;
	if ((in->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if ((in->flags & O_TRUNC) && truncates_much(pt_session(req), req))
		return pt_defer(inst, req, open_now);
	return open_now(inst, req);
}

/* Removes what this CREATE made, unless the name stands for something else by now. */
static void undo_create(const struct node_ref *parent, const char *name, int fd)
{
	struct stat made, found;

	if (fstat(fd, &made) < 0 || fstatat(parent->fd, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (made.st_dev == found.st_dev && made.st_ino == found.st_ino)
		unlinkat(parent->fd, name, 0);
}

/*
 * Label, entry and handle for a file that was just made. The entry comes from the descriptor: a look-up by name could
 * find what somebody else put there meanwhile. On failure nothing is kept. name: NULL for a file that has none.
 */
static int adopt_new(const struct graft_req *req, const struct node_ref *parent, const char *name, int fd, int flags)
{
	struct pt_session *s = pt_session(req);
	struct create_out *out = req->out;
	int res = pt_set_secctx(s, req, fd);

	if (res == 0)
		res = lookup_made(s, parent, name, fd, &out->entry);
	if (res < 0)
		return res;
	struct opened o = {.node = out->entry.nodeid, .near = parent, .fd = fd, .flags = flags};
	res = adopt_fd(req, &o, &out->open);
	if (res < 0)
		pt_forget(s, out->entry.nodeid, 1);
	return res;
}

/* -EEXIST where the name is taken. */
static int create_new(const struct graft_req *req, const struct node_ref *parent, int flags)
{
	const struct fuse_create_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct creds creds;

	int res = pt_handle_fd_take(s, PT_FD_FILE);
	if (res < 0)
		return res;
	int fd = -1;
	res = creds_enter(req, &creds);
	if (res == 0) {
		fd = open_as(req, &creds, parent->fd, req->name, flags | O_CREAT | O_EXCL | O_NOFOLLOW,
			     in->mode & 07777);
		res = fd < 0 ? fd : 0;
		creds_leave(&creds);
	}
	if (res == 0) {
		res = adopt_new(req, parent, req->name, fd, flags);
		if (res < 0)
			undo_create(parent, req->name, fd);
	}
	if (res < 0)
		give_back(s, fd);
	return res;
}

/*
 * Opens an O_PATH descriptor again, as the caller: the guest checks no rights on a file it believes to have made. Where
 * the caller's groups are not known, ESTALE lets it look the name up anew and check them itself.
 */
static int reopen_as_caller(const struct graft_req *req, const struct node_ref *ref, int flags)
{
	const struct fuse_create_in *in = req->in;
	bool kill = (in->open_flags & FUSE_OPEN_KILL_SUIDGID) && pt_flag(req, FUSE_HANDLE_KILLPRIV_V2);
	struct creds creds;

	int res = creds_enter(req, &creds);
	if (res < 0)
		return res;
	bool dropped = kill && creds_fsetid_drop();
	res = open_again(pt_session(req)->inst, ref->fd, flags);
	if (res == -EACCES && creds_partial(req, &creds))
		res = -ESTALE;
	creds_fsetid_restore(dropped);
	creds_leave(&creds);
	return res;
}

/* The entry's attributes are from before the file was opened, perhaps with O_TRUNC: reads them again. */
static int refresh_attr(int fd, struct fuse_entry_out *entry)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return -errno;
	fuse_attr_fill(&stx, &entry->attr);
	return 0;
}

static int open_found(const struct graft_req *req, const struct node_ref *ref, int flags)
{
	struct pt_session *s = pt_session(req);
	struct create_out *out = req->out;

	if (S_ISDIR(node_type(ref)))
		return -EISDIR;
	/* The guest opens links, pipes and devices itself; with ESTALE it looks the name up anew and does. */
	if (!S_ISREG(node_type(ref)))
		return -ESTALE;
	int res = pt_handle_fd_take(s, PT_FD_FILE);
	if (res < 0)
		return res;
	int fd = reopen_as_caller(req, ref, flags);
	res = fd < 0 ? fd : 0;
	if (res == 0 && (flags & O_TRUNC))
		res = refresh_attr(fd, &out->entry);
	struct opened o = {.node = out->entry.nodeid, .near = ref, .fd = fd, .flags = flags};
	if (res == 0)
		res = adopt_fd(req, &o, &out->open);
	if (res < 0)
		give_back(s, fd);
	return res;
}

/* -ENOENT where the name stands for nothing. */
static int create_existing(const struct graft_req *req, const struct node_ref *parent, int flags)
{
	struct pt_session *s = pt_session(req);
	struct create_out *out = req->out;
	struct node_ref ref;

	int res = pt_lookup(s, parent, req->name, &out->entry);
	if (res < 0)
		return res;
	uint64_t node = out->entry.nodeid;
	if (!node)
		return -ENOENT; /* an absence that the guest may cache is no error of pt_lookup */
	res = node_get(s, node, &ref);
	if (res == 0) {
		res = open_found(req, &ref, flags & ~O_EXCL);
		node_put(s, &ref);
	}
	if (res < 0)
		pt_forget(s, node, 1);
	return res;
}

/* Opens what is there, or makes it where it has gone meanwhile, until one of the two works. May block (O_TRUNC). */
static int create_either(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_create_in *in = req->in;
	struct pt_session *s = pt_session(req);
	int flags = file_flags(req, in->flags);
	struct node_ref parent;

	int res = node_get(s, req->node, &parent);
	if (res < 0)
		return res;
	for (int i = 0; i < CREATE_TRIES; i++) {
		res = create_existing(req, &parent, flags);
		if (res == -ENOENT && inst->set->readonly)
			res = -EROFS;
		if (res != -ENOENT)
			break;
		res = create_new(req, &parent, flags & ~O_TRUNC);
		if (res != -EEXIST)
			break;
	}
	node_put(s, &parent);
	return res;
}

int pt_op_create(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_create_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct node_ref parent;

	if (in->flags & (O_PATH | O_TMPFILE))
		return -EINVAL; /* a directory, or no file at all */
	int res = readonly_check(inst->set, in->flags);
	if (res < 0)
		return res;
	if (inst->set->readonly)
		return create_either(inst, req);
	res = node_get(s, req->node, &parent);
	if (res < 0)
		return res;
	res = create_new(req, &parent, file_flags(req, in->flags) & ~O_TRUNC);
	node_put(s, &parent);
	if (res != -EEXIST || (in->flags & O_EXCL))
		return res;
	return in->flags & O_TRUNC ? pt_defer(inst, req, create_either) : create_either(inst, req);
}

int pt_op_tmpfile(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_create_in *in = req->in;
	struct pt_session *s = pt_session(req);
	int flags = file_flags(req, in->flags) & ~O_TMPFILE & ~O_TRUNC;
	struct node_ref parent;

	if (inst->set->readonly)
		return -EROFS;
	if (flags & O_PATH)
		return -EINVAL;
	int res = node_get(s, req->node, &parent);
	if (res < 0)
		return res;
	res = pt_handle_fd_take(s, PT_FD_FILE);
	if (res == 0) {
		int fd = open_tmpfile(req, &parent, flags, in->mode);
		res = fd < 0 ? fd : adopt_new(req, &parent, NULL, fd, flags);
		if (res < 0)
			give_back(s, fd);
	}
	node_put(s, &parent);
	return res;
}

int pt_op_release(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_release_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct handle *h;
	(void)inst;

	if (s->locks) {
		int res = handle_get(s, in->fh, req->node, &h);
		if (res < 0)
			return res;
		/* A request that still has the handle would keep its flock. */
		if (in->release_flags & FUSE_RELEASE_FLOCK_UNLOCK)
			flock(h->fd, LOCK_UN);
		if (in->release_flags & FUSE_RELEASE_FLUSH)
			locks_drop_owner(s, req->node, in->lock_owner);
		handle_put(s, h);
	}
	int res = handle_close(s, in->fh, req->node);
	locks_changed(s);
	return res;
}

static int flush(struct graft_req *req, struct handle *h)
{
	const struct fuse_flush_in *in = req->in;

	locks_drop_owner(pt_session(req), req->node, in->lock_owner);
	/* Whatever was written was written through another handle, whose own FLUSH tells of it. */
	if (h->readonly)
		return 0;
	/*
	 * close(2) of a copy is what tells the file system, and its errors are for the guest's close. Want of a
	 * descriptor is none of them: nothing is lost then, the file system hears of it with RELEASE.
	 */
	int copy = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
	return copy >= 0 && close(copy) < 0 ? -errno : 0;
}

int pt_op_flush(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_flush_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, flush);
}

static int sync_handle(struct graft_req *req, struct handle *h)
{
	const struct fuse_fsync_in *in = req->in;

	return (in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(h->fd) : fsync(h->fd)) < 0 ? -errno : 0;
}

static int fsync_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_fsync_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, sync_handle);
}

int pt_op_fsync(struct graft_inst *inst, struct graft_req *req)
{
	return pt_defer(inst, req, fsync_now);
}
