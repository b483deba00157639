/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in short: fill in, call, take the reply, free. */
#include "passthrough_requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

int rq_setup(void **state)
{
	struct fixture *f;

	if (fixture_new(state) < 0)
		return -1;
	f = *state;
	f->set.xattr = true;
	if (fixture_start(f) == 0)
		return 0;
	fprintf(stderr, "%s\n", f->err.text);
	fixture_free(state);
	return -1;
}

void rq_restart(struct fixture *f)
{
	fixture_stop(f);
	if (fixture_start(f) == 0)
		return;
	fprintf(stderr, "%s\n", f->err.text);
	abort();
}

static int open_by(struct fixture *f, struct fake_req *fr, uint32_t flags, uint64_t *fh, uint32_t *open_flags)
{
	struct fuse_open_in *in = fake_in(fr, struct fuse_open_in);
	const struct fuse_open_out *out = fake_out(fr, struct fuse_open_out);
	(void)f;

	in->flags = flags;
	int res = fake_call(fr);
	if (fh)
		*fh = out->fh;
	if (open_flags)
		*open_flags = out->open_flags;
	fake_req_free(fr);
	return res;
}

int rq_open(struct fixture *f, uint64_t node, uint32_t flags, uint64_t *fh, uint32_t *open_flags)
{
	return open_by(f, fake_req_new(f->fake, FUSE_OPEN, node), flags, fh, open_flags);
}

int rq_open_kill(struct fixture *f, uint64_t node, uint32_t flags, uint64_t *fh)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_OPEN, node);

	fake_in(fr, struct fuse_open_in)->open_flags = FUSE_OPEN_KILL_SUIDGID;
	return open_by(f, fr, flags, fh, NULL);
}

int rq_opendir(struct fixture *f, uint64_t node, uint32_t flags, uint64_t *fh, uint32_t *open_flags)
{
	return open_by(f, fake_req_new(f->fake, FUSE_OPENDIR, node), flags, fh, open_flags);
}

int rq_create(struct fixture *f, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
	      struct rq_created *out)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_CREATE, parent);
	struct fuse_create_in *in = fake_in(fr, struct fuse_create_in);

	fake_req_name(fr, name);
	in->flags = flags;
	in->mode = mode;
	int res = fake_call(fr);
	if (out)
		memcpy(out, fr->out, sizeof(*out));
	fake_req_free(fr);
	return res;
}

int rq_handle(struct fixture *f, uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, node);

	memcpy(fr->in, &fh, sizeof(fh)); /* the first field of all their structs */
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

ssize_t rq_read(struct fixture *f, uint64_t node, uint64_t fh, uint64_t off, void *to, size_t len)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READ, node);
	struct fuse_read_in *in = fake_in(fr, struct fuse_read_in);

	in->fh = fh;
	in->offset = off;
	in->size = (uint32_t)len;
	fake_req_dst(fr, len);
	ssize_t res = fake_call(fr);
	if (res == 0) {
		res = (ssize_t)fr->req.done;
		memcpy(to, fr->buf, len);
	}
	fake_req_free(fr);
	return res;
}

ssize_t rq_write_flags(struct fixture *f, uint64_t node, uint64_t fh, uint64_t off, const void *from, size_t len,
		       uint32_t flags, uint32_t write_flags)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_WRITE, node);
	struct fuse_write_in *in = fake_in(fr, struct fuse_write_in);

	in->fh = fh;
	in->offset = off;
	in->size = (uint32_t)len;
	in->flags = flags;
	in->write_flags = write_flags;
	fake_req_src(fr, from, len);
	ssize_t res = fake_call(fr);
	if (res == 0)
		res = (ssize_t)fake_out(fr, struct fuse_write_out)->size;
	fake_req_free(fr);
	return res;
}

ssize_t rq_write(struct fixture *f, uint64_t node, uint64_t fh, uint64_t off, const void *from, size_t len)
{
	return rq_write_flags(f, node, fh, off, from, len, 0, 0);
}

struct pt_session *rq_session(struct fixture *f, struct graft_session *session)
{
	void *state = NULL;

	*session = f->session;
	session->id++;
	if (graft_plugin_v1.session_open(f->inst, session, &state) < 0)
		return NULL;
	return state;
}

void rq_use(struct fixture *f, struct pt_session *s)
{
	f->fake->state = s;
	f->fake->session = s->session;
}

void rq_session_end(struct fixture *f, struct pt_session *s)
{
	rq_use(f, f->s);
	graft_plugin_v1.session_close(f->inst, s);
}

long rq_size(struct fixture *f, const char *below)
{
	struct stat st;

	return lstat(fixture_path(f, below), &st) < 0 ? -1 : (long)st.st_size;
}

int rq_mode(struct fixture *f, const char *below)
{
	struct stat st;

	return lstat(fixture_path(f, below), &st) < 0 ? -1 : (int)(st.st_mode & 07777);
}

bool rq_fs_is(struct fixture *f, long magic)
{
	struct statfs st;

	return statfs(f->dir, &st) == 0 && (long)st.f_type == magic;
}
