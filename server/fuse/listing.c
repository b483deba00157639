/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings. A backend's offsets are its own business, so ours must be none of them: they lie right below the end mark that Linux
 * file systems use at most (LLONG_MAX), where ext4's hashes, the widest there are, never come.
 */
#include "server/fuse/listing.h"

#include "server/fuse/conn.h"
#include "server/fuse/pseudo.h"
#include "server/fuse/reply.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define OFFSET_BASE 0x7fffffff00000000ull /* + place id: behind the child of that id */
#define OFFSET_END 0x7fffffffffffffffull
#define OFFSET_DOT 1
#define OFFSET_DOTDOT 2

static bool is_ours(uint64_t offset)
{
	return offset >= OFFSET_BASE && offset < OFFSET_END;
}

static int add(struct graft_req *req, uint64_t place, const char *name, uint64_t offset)
{
	struct fuse_direntplus e = { .dirent = { .ino = pseudo_ino(request_head(req)->call->root, place),
						 .off = offset,
						 .type = DT_DIR,
						 .namelen = (uint32_t)strlen(name) } };

	return reply_entry(req, &e, name);
}

/* What lies below the directory, from the child behind `after` on. */
static void add_children(struct graft_req *req, const struct listing *l, uint64_t after)
{
	const struct place_list *list = l->dir->list;

	for (uint32_t i = place_list_after(list, after); i < list->n; i++) {
		const struct place_child *c = &list->children[i];

		if (router_owns(l->v, c) && add(req, c->id, c->name, OFFSET_BASE + c->id) != GRAFT_DIRENT_OK)
			return;
	}
}

/*
 * With nydusd's ids a listing may have been begun by nydusd, whose pseudo directories have neither "." nor "..", and count: behind the
 * first child is 1.
 */
static int serve_counted(struct graft_req *req, const struct listing *l, uint64_t offset)
{
	const struct place_list *list = l->dir->list;
	uint64_t after = offset - OFFSET_BASE;

	if (!is_ours(offset) && offset > list->n)
		return 0;
	if (!is_ours(offset))
		after = offset ? list->children[offset - 1].id : 0;
	add_children(req, l, after);
	return 0;
}

static int serve_pseudo(struct graft_req *req, const struct listing *l, uint64_t offset)
{
	if (server_nydusd_ids(request_head(req)->call->root->conn->server))
		return serve_counted(req, l, offset);
	if (offset < OFFSET_DOT && add(req, l->dir->place, ".", OFFSET_DOT) != GRAFT_DIRENT_OK)
		return -EINVAL;
	if (offset < OFFSET_DOTDOT && add(req, l->dir->parent, "..", OFFSET_DOTDOT) != GRAFT_DIRENT_OK)
		return 0;
	/* No listing of ours gave any other offset: there is nothing behind it. */
	if (offset <= OFFSET_DOTDOT)
		offset = OFFSET_BASE;
	add_children(req, l, is_ours(offset) ? offset - OFFSET_BASE : UINT64_MAX);
	return 0;
}

bool listing_hides(const struct listing *l, const char *name)
{
	const struct place_child *c = place_list_find(l->dir->list, name);

	return c && router_owns(l->v, c);
}

/* The backend has come to its end when it adds nothing. */
static int up_listing(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	if (!res && !req->done)
		add_children(req, cookie, 0);
	return res;
}

int listing_serve(struct request *r, const struct view *v, const struct router_spot *spot)
{
	uint64_t offset = ((const struct fuse_read_in *)(const void *)r->in)->offset;
	struct listing *l = arena_alloc(&r->arena, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct listing){ v, spot->dir };
	if (!spot->sm)
		return serve_pseudo(&r->req, l, offset);
	if (is_ours(offset)) {
		add_children(&r->req, l, offset - OFFSET_BASE);
		return 0;
	}
	r->keep_view = true;
	r->call.covered = l;
	int res = router_call(r, spot->sm, spot->node, up_listing, l);
	return res == GRAFT_ASYNC ? res : up_listing(NULL, &r->req, res, l);
}
