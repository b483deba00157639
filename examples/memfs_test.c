/* SPDX-License-Identifier: Apache-2.0 */
/* Example of a plugin's unit test: the server is a table of functions, so a test passes its own. Links memfs.c. */
#include <graftfs/plugin.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern const struct graft_plugin graft_plugin_v1;

#define CHECK(what) ((what) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what), exit(1)))

/* The services that memfs uses. */

struct graft_error {
	int code;
};

static unsigned char reply[65536];
static char listed[1024];

static int fake_fail(struct graft_error *err, int code, const char *fmt, ...)
{
	(void)fmt;
	err->code = code;
	return -code;
}

static int fake_put(struct graft_req *req, const void *bytes, size_t len)
{
	if (len > req->dst_len - req->done)
		return -ERANGE;
	memcpy(reply + req->done, bytes, len);
	req->done += len;
	return 0;
}

static int fake_dirent(struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	uint64_t size = graft_dirent_size(req->opcode, e->dirent.namelen);

	if (size > req->dst_len - req->done)
		return GRAFT_DIRENT_FULL;
	req->done += size;
	strcat(listed, name);
	strcat(listed, " ");
	return GRAFT_DIRENT_OK;
}

static int fake_metric(struct graft_slot *slot, const char *name, const char *unit, const uint64_t *counter)
{
	(void)slot;
	(void)name;
	(void)unit;
	(void)counter;
	return 0;
}

static const struct graft_host host = {
	.size = sizeof(struct graft_host),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.fail = fake_fail,
	.dirent = fake_dirent,
	.put = fake_put,
	.metric = fake_metric,
};

static struct graft_inst *inst;
static void *session;
static union {
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	unsigned char bytes[512];
} out;

/* One request; what it answers is in out and reply. */
static int call(uint32_t opcode, uint64_t node, const char *name, const void *in, const char *data)
{
	struct iovec src = { (void *)(uintptr_t)data, data ? strlen(data) : 0 };
	struct graft_req req = {
		.size = sizeof(req), .opcode = opcode, .node = node, .name = name, .in = in, .src = &src,
		.nsrc = 1, .dst_len = sizeof(reply), .state = session, .out = &out,
	};

	memset(&out, 0, sizeof(out));
	listed[0] = '\0';
	return graft_plugin_v1.ops[opcode](inst, &req);
}

static void test_files(void)
{
	struct fuse_create_in create = { .mode = S_IFREG | 0644 };
	struct fuse_write_in write = { .size = 5, .offset = 3 };
	struct fuse_read_in all = { .size = sizeof(reply) };
	struct fuse_forget_in forget = { .nlookup = 2 };

	CHECK(call(FUSE_LOOKUP, 1, "a", NULL, NULL) == -ENOENT);
	CHECK(call(FUSE_CREATE, 1, "a", &create, NULL) == 0);
	uint64_t node = out.entry.nodeid;
	CHECK(call(FUSE_CREATE, 1, "a", &create, NULL) == -EEXIST);
	CHECK(call(FUSE_WRITE, node, NULL, &write, "hello") == 0);
	CHECK(call(FUSE_READ, node, NULL, &all, NULL) == 0 && memcmp(reply, "\0\0\0hello", 8) == 0);
	CHECK(call(FUSE_READDIR, 1, NULL, &all, NULL) == 0 && strcmp(listed, ". .. a ") == 0);
	write.offset = 1 << 20;
	CHECK(call(FUSE_WRITE, node, NULL, &write, "hello") == -ENOSPC);

	/* CREATE and LOOKUP counted one each: a removed file lives until both are given back. */
	CHECK(call(FUSE_LOOKUP, 1, "a", NULL, NULL) == 0 && out.entry.nodeid == node);
	CHECK(call(FUSE_UNLINK, 1, "a", NULL, NULL) == 0);
	CHECK(call(FUSE_GETATTR, node, NULL, NULL, NULL) == 0 && out.attr.attr.nlink == 0);
	CHECK(call(FUSE_FORGET, node, NULL, &forget, NULL) == 0);
	CHECK(call(FUSE_GETATTR, node, NULL, NULL, NULL) == -ESTALE);
}

/* A node is known only to the session that it was given to. */
static void test_sessions(void)
{
	struct fuse_mkdir_in mkdir = { .mode = 0755 };
	void *first = session;

	CHECK(call(FUSE_MKDIR, 1, "dir", &mkdir, NULL) == 0);
	uint64_t node = out.entry.nodeid;
	CHECK(graft_plugin_v1.session_open(inst, NULL, &session) == 0);
	CHECK(call(FUSE_GETATTR, node, NULL, NULL, NULL) == -ESTALE);
	CHECK(call(FUSE_RMDIR, 1, "dir", NULL, NULL) == 0);
	graft_plugin_v1.session_close(inst, session);
	session = first;
	CHECK(call(FUSE_GETATTR, node, NULL, NULL, NULL) == 0);
	CHECK(call(FUSE_GETATTR, UINT64_MAX, NULL, NULL, NULL) == -ESTALE);
}

int main(void)
{
	const uint64_t settings[] = { 1 << 20 }; /* struct settings of memfs.c, as the server would fill it: size */
	struct graft_error err = { 0 };

	CHECK(graft_plugin_v1.create(&host, NULL, settings, &inst, &err) == 0);
	CHECK(graft_plugin_v1.session_open(inst, NULL, &session) == 0);
	test_files();
	test_sessions();
	graft_plugin_v1.session_close(inst, session);
	graft_plugin_v1.destroy(inst);
	puts("memfs: in order");
	return 0;
}
