/* SPDX-License-Identifier: Apache-2.0 */
/* Names on their way down, lists of names on their way up. */
#include "xattrmap.h"

#include <errno.h>
#include <string.h>

#define LIST_FIRST 4096 /* bytes: holds nearly every list */
#define LIST_MAX 65536  /* XATTR_LIST_MAX of the kernel */

/* POSIX ACLs mean nothing to a client that does not enforce them. */
static bool is_hidden_acl(const struct graft_req *req, const char *name)
{
	if (req->session->flags & FUSE_POSIX_ACL)
		return false;
	return strcmp(name, "system.posix_acl_access") == 0 || strcmp(name, "system.posix_acl_default") == 0;
}

/*
 * The host's name for a client's: *mapped is the same pointer, or memory of the request. 0, -EPERM or -EOPNOTSUPP where
 * the rules say so, -ERANGE for one that grows too long.
 */
static int map_name(struct graft_inst *inst, struct graft_req *req, const char *name, const char **mapped)
{
	size_t len = strlen(name);
	const struct xattrmap_rule *rule;
	char *copy;

	if (is_hidden_acl(req, name))
		return -EOPNOTSUPP;
	*mapped = name;
	rule = xattrmap_find(inst->map, XATTRMAP_CLIENT, name, len);
	switch (rule->type) {
	case XATTRMAP_OK:
		return 0;
	case XATTRMAP_PREFIX:
		break;
	case XATTRMAP_UNSUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EPERM;
	}
	if (!rule->prepend_len)
		return 0;
	if (rule->prepend_len + len > XATTRMAP_NAME_MAX)
		return -ERANGE;
	copy = inst->host->alloc(req, rule->prepend_len + len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, rule->prepend, rule->prepend_len);
	memcpy(copy + rule->prepend_len, name, len + 1);
	*mapped = copy;
	return 0;
}

static int up_name(struct graft_inst *inst, struct graft_req *req, int res, void *old)
{
	(void)inst;
	req->name = old;
	return res;
}

/* GET, REMOVE and SET where nothing else is to be done. */
static int pass_name(struct graft_inst *inst, struct graft_req *req, const char *mapped)
{
	const char *old = req->name;

	if (mapped == old)
		return inst->host->next(req, NULL, NULL);
	req->name = mapped;
	return inst->host->next(req, up_name, (void *)old);
}

int xm_op_getxattr(struct graft_inst *inst, struct graft_req *req)
{
	const char *mapped;
	int res = map_name(inst, req, req->name, &mapped);

	/* It is not there, as far as a reader can tell. */
	if (res == -EPERM)
		return -ENODATA;
	return res < 0 ? res : pass_name(inst, req, mapped);
}

int xm_op_removexattr(struct graft_inst *inst, struct graft_req *req)
{
	const char *mapped;
	int res = map_name(inst, req, req->name, &mapped);

	return res < 0 ? res : pass_name(inst, req, mapped);
}

static int up_capability_set(struct graft_inst *inst, struct graft_req *req, int res, void *old)
{
	req->name = old;
	/* Behind the setting: marks made with a count read before are void. Pairs with the load in capability.c. */
	atomic_fetch_add_explicit(&inst->capability_sets, 1, memory_order_release);
	return res;
}

static int set_other(struct graft_inst *inst, struct graft_req *req)
{
	const char *mapped;
	int res = map_name(inst, req, req->name, &mapped);

	return res < 0 ? res : pass_name(inst, req, mapped);
}

int xm_op_setxattr(struct graft_inst *inst, struct graft_req *req)
{
	const char *old = req->name, *mapped;
	int res = map_name(inst, req, old, &mapped);

	if (res < 0)
		return res;
	if (!inst->capability)
		return pass_name(inst, req, mapped);
	if (strcmp(mapped, inst->capability) != 0)
		return xm_clear_regular(inst, req, set_other);
	req->name = mapped;
	return inst->host->next(req, up_capability_set, (void *)old);
}

/* A list that is asked for with room of our own, and what the client asked with. */
struct list_call {
	struct fuse_getxattr_in in;
	struct iovec iov;
	const void *old_in;
	const struct iovec *old_dst;
	uint64_t old_dst_len;
	uint32_t old_ndst;
	char names[];
};

/* Maps names in place. Bytes left; they never grow. */
static size_t map_list(const struct graft_inst *inst, const struct graft_req *req, char *names, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0, next; i < len; i = next) {
		size_t n = strnlen(names + i, len - i);
		const char *name = names + i;
		const struct xattrmap_rule *rule = xattrmap_find(inst->map, XATTRMAP_SERVER, name, n);
		size_t strip = rule->type == XATTRMAP_PREFIX ? rule->prepend_len : 0;

		next = i + n + 1;
		/* An end that was cut off is no name; one that is all prefix has none for the client. */
		if (next > len || n == strip || (rule->type != XATTRMAP_PREFIX && rule->type != XATTRMAP_OK) ||
		    is_hidden_acl(req, name + strip))
			continue;
		memmove(names + kept, name + strip, n - strip + 1);
		kept += n - strip + 1;
	}
	return kept;
}

static int list_below(struct graft_inst *inst, struct graft_req *req, uint32_t room);

static int up_list(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct list_call *c = cookie;
	uint64_t len = req->done;
	uint32_t want = ((const struct fuse_getxattr_in *)c->old_in)->size;

	req->in = c->old_in;
	req->dst = c->old_dst;
	req->ndst = c->old_ndst;
	req->dst_len = c->old_dst_len;
	req->done = 0;
	if (res == -ERANGE && c->in.size < LIST_MAX)
		return list_below(inst, req, LIST_MAX);
	if (res < 0)
		return res;
	len = map_list(inst, req, c->names, len < c->in.size ? len : c->in.size);
	if (!want) {
		((struct fuse_getxattr_out *)req->out)->size = (uint32_t)len;
		return 0;
	}
	return len > want ? -ERANGE : inst->host->put(req, c->names, len);
}

/* Always the whole list, so that the length told is the length of what will be given. */
static int list_below(struct graft_inst *inst, struct graft_req *req, uint32_t room)
{
	struct list_call *c = inst->host->alloc(req, sizeof(*c) + room);

	if (!c)
		return -ENOMEM;
	c->in.size = room;
	c->iov = (struct iovec){ c->names, room };
	c->old_in = req->in;
	c->old_dst = req->dst;
	c->old_ndst = req->ndst;
	c->old_dst_len = req->dst_len;
	req->in = &c->in;
	req->dst = &c->iov;
	req->ndst = 1;
	req->dst_len = room;
	return inst->host->next(req, up_list, c);
}

/* Room as wide as the client's at once: layers above each other that all began small would ask twice as often each. */
int xm_op_listxattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;

	return list_below(inst, req, in->size > LIST_FIRST ? LIST_MAX : LIST_FIRST);
}

static int up_create(struct graft_inst *inst, struct graft_req *req, int res, void *old)
{
	const struct fuse_entry_out *entry = req->out;
	const struct fuse_open_out *open = (const void *)(entry + 1);

	req->secctx_name = old;
	if (res == 0 && inst->capability && (req->opcode == FUSE_CREATE || req->opcode == FUSE_TMPFILE))
		xm_forget_handle(req, entry->nodeid, open->fh);
	return res;
}

/* All that makes objects: the name of the security context is an attribute's. */
int xm_op_create(struct graft_inst *inst, struct graft_req *req)
{
	const char *old = req->secctx_name, *mapped = old;
	int res = old ? map_name(inst, req, old, &mapped) : 0;

	if (res < 0)
		return res;
	if (mapped == old && !inst->capability)
		return inst->host->next(req, NULL, NULL);
	req->secctx_name = mapped;
	return inst->host->next(req, up_create, (void *)old);
}
