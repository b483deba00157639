/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that has every operation and notes what it was called with. One at a time; tests of one thread. */
#ifndef GRAFT_TESTS_UNIT_SERVER_PROBE_H
#define GRAFT_TESTS_UNIT_SERVER_PROBE_H

#include <graftfs/plugin.h>

struct probe {
	/* what the operation does */
	int result;
	const void *out; /* copied into the out struct */
	size_t out_len;
	const char *put; /* put into dst */
	/* what was seen; strings and data are copies */
	uint32_t calls;
	struct graft_req req;
	char name[512], name2[5000], secctx_name[512];
	unsigned char in[128], data[8192], secctx[512], src[8192];
	uint32_t groups[64];
	uint64_t session_flags;
	int put_result;
};

extern struct probe probe;
extern _Atomic uint32_t probe_sessions; /* open now */
extern const struct graft_plugin probe_plugin;
/* The same without any operation. */
extern const struct graft_plugin empty_plugin;
/* INIT flags of both. */
extern struct graft_features probe_features;

void probe_reset(void);

#endif
