/* SPDX-License-Identifier: Apache-2.0 */
/* Instances and short requests for the nydus-rafs plugin's tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus-rafs_fixture.h"

#include "lib/options.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void nrf_reset(struct nrf *f)
{
	options_free(f->options);
	f->options = options_new(nr_options, sizeof(struct nr_settings));
	assert_non_null(f->options);
}

int nrf_new(void **state)
{
	struct nrf *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	if (!fake_folder_make(f->dir)) {
		free(f);
		return -1;
	}
	f->fake = fake_host_new();
	nrf_reset(f);
	f->session = (struct graft_session){
		.size = sizeof(f->session), .minor = 38, .id = 1, .max_write = 1 << 20, .transport = GRAFT_VHOST_USER
	};
	*state = f;
	return 0;
}

int nrf_free(void **state)
{
	struct nrf *f = *state;

	nrf_stop(f);
	fake_folder_remove(f->dir);
	options_free(f->options);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

void nrf_set(struct nrf *f, const char *key, const char *value)
{
	struct graft_error err = { 0 };

	if (options_set(f->options, key, value, "test", &err) < 0)
		fail_msg("%s", err.text);
}

static const char *buffer(const char *a, const char *b, const char *c)
{
	static char paths[8][1024];
	static unsigned int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s%s%s", a, b, c[0] ? "/" : "", c);
	return path;
}

const char *nrf_image(const char *image, const char *below)
{
	return buffer(IMAGES, image, below);
}

const char *nrf_path(const struct nrf *f, const char *below)
{
	return buffer(f->dir, below, "");
}

const char *nrf_blob(const char *image)
{
	DIR *dir = opendir(nrf_image(image, "blobs"));
	const char *path = NULL;
	char below[512];

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "blobs/%s", e->d_name);
		path = buffer(IMAGES, image, below);
	}
	closedir(dir);
	assert_non_null(path);
	return path;
}

void nrf_set_image(struct nrf *f, const char *image)
{
	nrf_set(f, "source", nrf_image(image, "boot"));
	nrf_set(f, "blob-dir", nrf_image(image, "blobs"));
}

int nrf_start(struct nrf *f)
{
	int res = options_finish(f->options, &f->err);

	if (res < 0)
		return res;
	f->err.code = 0;
	f->fake->nmetrics = 0;
	res = fake_plugin_start(f->fake, &graft_plugin_v1, options_settings(f->options), &f->session, &f->err);
	if (res < 0)
		assert_int_equal(f->err.code, -res);
	f->inst = f->fake->inst;
	return res;
}

void nrf_stop(struct nrf *f)
{
	fake_plugin_stop(f->fake);
	f->inst = NULL;
}

int nrf_lookup(struct nrf *f, uint64_t parent, const char *name, struct fuse_entry_out *out)
{
	return fake_lookup(f->fake, parent, name, out);
}

uint64_t nrf_node(struct nrf *f, const char *path)
{
	uint64_t node = GRAFT_ROOT_NODE;
	char copy[4096], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		struct fuse_entry_out entry;
		int res = nrf_lookup(f, node, part, &entry);

		if (res < 0 || !entry.nodeid)
			fail_msg("%s: %s: %s", path, part, res < 0 ? strerror(-res) : "not there");
		node = entry.nodeid;
	}
	return node;
}

int nrf_getattr(struct nrf *f, uint64_t node, struct fuse_attr *attr)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_GETATTR, node);
	int res = fake_call(fr);

	if (attr)
		*attr = fake_out(fr, struct fuse_attr_out)->attr;
	fake_req_free(fr);
	return res;
}

int nrf_open(struct nrf *f, uint32_t opcode, uint64_t node, uint32_t flags, struct fuse_open_out *out)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, node);
	int res;

	fake_in(fr, struct fuse_open_in)->flags = flags;
	res = fake_call(fr);
	if (out)
		*out = *fake_out(fr, struct fuse_open_out);
	fake_req_free(fr);
	return res;
}

/* Runs a request that has room for len bytes. */
static int64_t bytes_of(struct fake_req *fr, void *to, size_t len)
{
	int64_t res;

	fake_req_dst(fr, len);
	res = fake_call(fr);
	if (res == 0) {
		assert_true(fr->req.done <= len);
		memcpy(to, fr->buf, fr->req.done);
		res = (int64_t)fr->req.done;
	}
	fake_req_free(fr);
	return res;
}

int64_t nrf_read(struct nrf *f, uint64_t node, uint64_t off, void *to, size_t len)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READ, node);

	fake_in(fr, struct fuse_read_in)->offset = off;
	fake_in(fr, struct fuse_read_in)->size = (uint32_t)len;
	return bytes_of(fr, to, len);
}

int64_t nrf_readlink(struct nrf *f, uint64_t node, char *to, size_t len)
{
	return bytes_of(fake_req_new(f->fake, FUSE_READLINK, node), to, len);
}

int64_t nrf_xattr(struct nrf *f, uint64_t node, const char *name, void *to, size_t size)
{
	struct fake_req *fr = fake_req_new(f->fake, name ? FUSE_GETXATTR : FUSE_LISTXATTR, node);
	int64_t res;

	fake_req_name(fr, name);
	fake_in(fr, struct fuse_getxattr_in)->size = (uint32_t)size;
	if (size)
		return bytes_of(fr, to, size);
	res = fake_call(fr);
	if (res == 0)
		res = fake_out(fr, struct fuse_getxattr_out)->size;
	fake_req_free(fr);
	return res;
}
