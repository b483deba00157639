/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies at nydusd's addresses: what their members must be, and nydusd's words where they are not. */
#ifndef GRAFT_SERVER_CONTROL_NYDUS_BODY_H
#define GRAFT_SERVER_CONTROL_NYDUS_BODY_H

#include "server/control/api.h"

enum nydus_kind {
	NYDUS_TEXT,
	NYDUS_TEXTS,          /* a list of texts, or null */
	NYDUS_TEXT_OR_OBJECT, /* the object is graftfs's own */
	NYDUS_OBJECT          /* or null */
};

/* A member; others of a body are passed over. */
struct nydus_member {
	const char *name;
	enum nydus_kind kind;
	bool required;
};

struct nydus_shape {
	const char *name; /* as nydusd's reader calls it */
	const struct nydus_member *members; /* in the order in which missing ones are told; NULL: any, all texts */
	size_t n;
};

/* Reads the request's body, which must be such an object; NULL with the answer. The caller drops it. */
json_t *nydus_body(struct request *req, const struct nydus_shape *form);

#endif
