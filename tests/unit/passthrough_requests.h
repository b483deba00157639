/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in short for the tests of files, directories, attributes and locks. Each returns the operation's result. */
#ifndef GRAFT_TESTS_PASSTHROUGH_REQUESTS_H
#define GRAFT_TESTS_PASSTHROUGH_REQUESTS_H

#include "passthrough_fixture.h"

struct rq_created {
	struct fuse_entry_out entry;
	struct fuse_open_out open;
};

/* Sets the fixture up and starts it; for cmocka. */
int rq_setup(void **state);
/* Ends the instance and starts another one, with what f->set and f->session say now. */
void rq_restart(struct fixture *f);

/* open_flags (FOPEN_*) may be NULL. */
int rq_open(struct fixture *f, uint64_t node, uint32_t flags, uint64_t *fh, uint32_t *open_flags);
int rq_open_kill(struct fixture *f, uint64_t node, uint32_t flags, uint64_t *fh);
int rq_opendir(struct fixture *f, uint64_t node, uint32_t flags, uint64_t *fh, uint32_t *open_flags);
int rq_create(struct fixture *f, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
	      struct rq_created *out);
/* RELEASE, RELEASEDIR, FLUSH, FSYNC, FSYNCDIR: all of (node, fh). */
int rq_handle(struct fixture *f, uint32_t opcode, uint64_t node, uint64_t fh);
/* Bytes or -errno. */
ssize_t rq_read(struct fixture *f, uint64_t node, uint64_t fh, uint64_t off, void *to, size_t len);
ssize_t rq_write(struct fixture *f, uint64_t node, uint64_t fh, uint64_t off, const void *from, size_t len);
ssize_t rq_write_flags(struct fixture *f, uint64_t node, uint64_t fh, uint64_t off, const void *from, size_t len,
		       uint32_t flags, uint32_t write_flags);

/* A second session on the fixture's instance. Requests go through it after rq_use(f, it), and back after rq_use(f,
 * f->s). */
struct pt_session *rq_session(struct fixture *f, struct graft_session *session);
void rq_use(struct fixture *f, struct pt_session *s);
void rq_session_end(struct fixture *f, struct pt_session *s);

/* Size, mode of something on the host, -1 where it is not there. */
long rq_size(struct fixture *f, const char *below);
int rq_mode(struct fixture *f, const char *below);
/* The share lies on a file system of that type (statfs f_type). */
bool rq_fs_is(struct fixture *f, long magic);

#endif
