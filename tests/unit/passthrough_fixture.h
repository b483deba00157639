/* SPDX-License-Identifier: Apache-2.0 */
/* What each test of the passthrough plugin starts from: an instance on a directory of its own, with one session. */
#ifndef GRAFT_TESTS_PASSTHROUGH_FIXTURE_H
#define GRAFT_TESTS_PASSTHROUGH_FIXTURE_H

#include "fake_host.h"
#include "plugins/passthrough/passthrough.h"

extern const struct graft_plugin graft_plugin_v1;

struct fixture {
	char dir[256]; /* made under $TMPDIR or /tmp; the share */
	struct fake_host *fake;
	struct graft_error err; /* of fixture_start */
	/* May be changed between fixture_new and fixture_start. */
	struct pt_settings set;
	struct graft_session session; /* flags: nothing negotiated but SUBMOUNTS */
	/* Valid after fixture_start. */
	struct graft_inst *inst;
	struct pt_session *s;
};

/* cmocka set-up and tear-down functions: *state is a struct fixture, not yet started. */
int fixture_new(void **state);
int fixture_free(void **state);

/* create, start, session_open. 0, or -errno with f->err. */
int fixture_start(struct fixture *f);
/* session_close, quiesce, destroy; done by fixture_free if it was not before. */
void fixture_stop(struct fixture *f);

/* Path of the host of something below the share. The result lives in one of 8 static buffers. */
const char *fixture_path(const struct fixture *f, const char *below);
/* Makes a file with that content. */
void fixture_file(const struct fixture *f, const char *below, const char *content);

/* Requests in short. Each returns the operation's result. */
int fixture_lookup(struct fixture *f, uint64_t parent, const char *name, struct fuse_entry_out *entry);
/* The node of a path below the share, each part looked up once; 0 when a part is not there. */
uint64_t fixture_node(struct fixture *f, const char *below);
void fixture_forget(struct fixture *f, uint64_t node, uint64_t n);
int fixture_getattr(struct fixture *f, uint64_t node, struct fuse_attr *attr);
/* Descriptors this process has open. */
int fixture_open_fds(void);

#endif
