/* SPDX-License-Identifier: Apache-2.0 */
/* A request of a client: its memory and its pinning. */
#include "server/request.h"

#include "server/fuse/conn.h"

#include <string.h>

void *request_alloc(struct request *r, size_t bytes)
{
	struct request_head *head;

	if (bytes > r->alloc_left)
		return NULL;
	head = arena_alloc(&r->arena, sizeof(*head) + bytes);
	if (!head)
		return NULL;
	r->alloc_left -= bytes;
	memset(head, 0, sizeof(*head) + bytes);
	head->bytes = bytes;
	return head + 1;
}

void request_pin(struct request *r)
{
	if (r->async.pinned)
		return;
	if (r->transport)
		transport_request_pin(r->transport);
	async_pin(&r->async);
	r->shard = SHARD_SHARED;
	if (r->sm && !r->keep_view && r->transport) {
		session_mount_enter(r->sm);
		r->entered = true;
		conn_leave(r->conn, r);
	}
}
