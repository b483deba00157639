/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files put into a client's cache before it asks: a client that reads what it lists, file after file, waits for a request
 * with each of them otherwise. Only where the server can tell a client (/dev/fuse).
 */
#ifndef GRAFT_NYDUS_RAFS_PUSH_H
#define GRAFT_NYDUS_RAFS_PUSH_H

#include "instance.h"

/* One session's; all functions but push_free from any thread, without waiting. NULL is fine everywhere: nothing is pushed. */
struct push;

/* NULL where it cannot be, or memory is out. inst and session outlive it. */
struct push *push_new(struct graft_inst *inst, const struct graft_session *session);
/* Waits for its thread, which may wait for the kernel; no request is inside. */
void push_free(struct push *p);
/* The client was given this regular file of that many bytes in a listing; files in the order of the listing. */
void push_listed(struct push *p, uint64_t node, uint64_t size);
/* A listing's reply is complete: what is sure to be wanted of it may go ahead of the client. */
void push_listing_done(struct push *p);
/* The client asks for the beginning of that file. */
void push_read(struct push *p, uint64_t node);

#endif
