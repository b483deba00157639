/* SPDX-License-Identifier: Apache-2.0 */
/* Three layers and a backend that write down who is called in which order, and go ASYNC where a test tells them to. */
#ifndef GRAFT_TESTS_UNIT_SERVER_LAYERS_H
#define GRAFT_TESTS_UNIT_SERVER_LAYERS_H

#include <graftfs/plugin.h>
#include <stdbool.h>

#define LAYERS 4 /* a, b, c, and the backend, the last */
#define BACKEND 3

/* How a member answers. */
enum layer_mode {
	MODE_PLAIN,    /* at once */
	MODE_DEFER,    /* on a worker */
	MODE_THREAD,   /* complete() from a thread of the plugin's own */
	MODE_INSIDE,   /* complete() from inside the operation */
	MODE_IO,       /* after a transfer of the io service */
	MODE_UNPINNED, /* GRAFT_ASYNC without having said so: a fault */
	MODE_NO_NEXT   /* a layer that answers itself */
};

struct layer {
	const char *name;
	enum layer_mode down, up;
	int result;      /* of the backend, and of a layer with MODE_NO_NEXT */
	int add;         /* a layer adds this to the result on its way back, if that is not 0 */
	int hook_result; /* of its dirent hook for the entry named "hidden" */
	uint64_t size;   /* GETATTR */
	int io_fd;
	bool io_cancel; /* MODE_IO: with GRAFT_IO_CANCEL */
	const struct graft_host *host;
	struct graft_slot *slot;
	/* seen */
	uint32_t inside, most_inside; /* calls at the same time; atomic */
	uint32_t sessions;            /* atomic */
};

extern struct layer layers[LAYERS];

/* "a" and "b" have every operation, "c" only what c_ops says; the backend has what backend_ops says. */
extern struct graft_plugin plugin_a, plugin_b, plugin_c, plugin_backend;
extern graft_op *c_ops[GRAFT_OP_COUNT], *backend_ops[GRAFT_OP_COUNT];

/* Back to plain, with all operations in all. */
void layers_reset(void);
/* Generic operations for the tables. */
graft_op layer_op_c, layer_op_backend;

/* What was written down since the reset, words separated by blanks: ">a" going down, "<a" on the way back, "=a" a hook.
 */
const char *layers_trace(void);
void layers_clear_trace(void);

#endif
