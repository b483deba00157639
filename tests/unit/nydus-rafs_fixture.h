/* SPDX-License-Identifier: Apache-2.0 */
/* What each test of the nydus-rafs plugin starts from: an instance made from keys, as the server would, with one
 * session. */
#ifndef GRAFT_TESTS_NYDUS_RAFS_FIXTURE_H
#define GRAFT_TESTS_NYDUS_RAFS_FIXTURE_H

#include "fake_host.h"
#include "plugins/nydus-rafs/operations.h"

extern const struct graft_plugin graft_plugin_v1;

struct nrf {
	char dir[256]; /* made under $TMPDIR or /tmp, for what the test likes */
	struct fake_host *fake;
	struct options *options;
	struct graft_session session;
	struct graft_error err;  /* of nrf_start */
	struct graft_inst *inst; /* after nrf_start */
};

/* cmocka set-up and tear-down functions: *state is a struct nrf, not yet started. */
int nrf_new(void **state);
int nrf_free(void **state);

/* Sets a key; a value that the table refuses fails the test. */
void nrf_set(struct nrf *f, const char *key, const char *value);
/* Takes all keys away. */
void nrf_reset(struct nrf *f);
/* source and blob-dir of an image of tests/images that has a file `boot`. */
void nrf_set_image(struct nrf *f, const char *image);
/* create, start, session_open. 0, or -errno with f->err. */
int nrf_start(struct nrf *f);
void nrf_stop(struct nrf *f);

/* "IMAGES/image/below" and "dir/below"; the results live in 8 static buffers. */
const char *nrf_image(const char *image, const char *below);
const char *nrf_path(const struct nrf *f, const char *below);
/* The one file in an image's blobs. */
const char *nrf_blob(const char *image);

/* Requests in short. Each returns the operation's result. */
int nrf_lookup(struct nrf *f, uint64_t parent, const char *name, struct fuse_entry_out *out);
/* The node of a path from the root on, each part looked up; fails the test where a part is not there. */
uint64_t nrf_node(struct nrf *f, const char *path);
int nrf_getattr(struct nrf *f, uint64_t node, struct fuse_attr *attr);
int nrf_open(struct nrf *f, uint32_t opcode, uint64_t node, uint32_t flags, struct fuse_open_out *out);
/* Up to len bytes into to: how many, or -errno. */
int64_t nrf_read(struct nrf *f, uint64_t node, uint64_t off, void *to, size_t len);
/* The same for READLINK, and for GETXATTR (name) and LISTXATTR (name NULL) with that `size`; size 0: the length told.
 */
int64_t nrf_readlink(struct nrf *f, uint64_t node, char *to, size_t len);
int64_t nrf_xattr(struct nrf *f, uint64_t node, const char *name, void *to, size_t size);

#endif
