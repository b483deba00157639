/* SPDX-License-Identifier: Apache-2.0 */
/* Extensions of requests that make objects: the security context and the caller's supplementary groups. */
#include "server/fuse/decode.h"

#include <errno.h>
#include <string.h>

#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */
#define SECCTX_NAME_MAX 255

static size_t round8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* bytes: behind the extension's header. Exactly one name and value and less than 8 bytes of padding. */
static int take_secctx(struct request *r, const unsigned char *bytes, size_t len)
{
	struct fuse_secctx ctx;

	if (len < sizeof(ctx))
		return -EINVAL;
	memcpy(&ctx, bytes, sizeof(ctx));
	const char *name = (const char *)bytes + sizeof(ctx);
	const char *nul = memchr(name, 0, len - sizeof(ctx));
	if (!nul || nul == name || nul - name > SECCTX_NAME_MAX)
		return -EINVAL;
	size_t used = sizeof(ctx) + (size_t)(nul - name) + 1;
	if (ctx.size > DECODE_XATTR_MAX || round8(used + ctx.size) != len)
		return -EINVAL;
	r->req.secctx_name = name;
	r->req.secctx = nul + 1;
	r->req.secctx_len = ctx.size;
	return 0;
}

static int take_groups(struct request *r, const unsigned char *bytes, size_t len)
{
	uint32_t n;

	if (len < sizeof(n))
		return -EINVAL;
	memcpy(&n, bytes, sizeof(n));
	if (n > GROUPS_MAX || round8(sizeof(n) + (size_t)n * sizeof(n)) != len)
		return -EINVAL;
	/* The wire aligns to nothing: names of any length stand before. */
	uint32_t *groups = arena_alloc(&r->arena, (size_t)n * sizeof(n));
	if (!groups)
		return -ENOMEM;
	memcpy(groups, bytes + sizeof(n), (size_t)n * sizeof(n));
	r->req.groups = groups;
	r->req.ngroups = n;
	r->req.has_groups = 1;
	return 0;
}

static int take_one(struct request *r, const struct fuse_ext_header *h, const unsigned char *bytes, uint64_t flags,
		    bool *seen_secctx)
{
	size_t len = h->size - sizeof(*h);

	if (h->type == FUSE_EXT_GROUPS)
		return flags & FUSE_CREATE_SUPP_GROUP && !r->req.has_groups ? take_groups(r, bytes, len) : -EINVAL;
	/* Types up to 31 are the number of contexts; Linux sends none or one. */
	if (h->type > 1 || !(flags & FUSE_SECURITY_CTX) || *seen_secctx)
		return -EINVAL;
	*seen_secctx = true;
	if (h->type == 1)
		return take_secctx(r, bytes, len);
	return len ? -EINVAL : 0;
}

int decode_extensions(struct request *r, const unsigned char *bytes, size_t len, uint64_t flags)
{
	bool secctx = false;

	while (len) {
		struct fuse_ext_header h;

		if (len < sizeof(h))
			return -EINVAL;
		memcpy(&h, bytes, sizeof(h));
		if (h.size < sizeof(h) || h.size > len || h.size % 8)
			return -EINVAL;
		int res = take_one(r, &h, bytes + sizeof(h), flags, &secctx);
		if (res)
			return res;
		bytes += h.size;
		len -= h.size;
	}
	/* A client that negotiated labels sends one extension always, empty where it has no label. */
	return flags & FUSE_SECURITY_CTX && !secctx ? -EINVAL : 0;
}
