/* SPDX-License-Identifier: Apache-2.0 */
/* Budget of descriptors of one instance: how many nodes and open files may hold, and which node gives one up. */
#ifndef GRAFT_PASSTHROUGH_FD_BUDGET_H
#define GRAFT_PASSTHROUGH_FD_BUDGET_H

#include "passthrough.h"

struct fd_budget;
struct node_table;

/* NULL when out of memory. */
struct fd_budget *fd_budget_new(void);
void fd_budget_free(struct fd_budget *b);

/* Lets every session of the instance evict from t, and ends that: afterwards nobody is in it. 0 or -ENFILE. */
int fd_budget_join(struct fd_budget *b, struct node_table *t);
void fd_budget_leave(struct fd_budget *b, struct node_table *t);

/*
 * Room for a node to keep fd; with evict other nodes give theirs up for it if need be, a bounded number being asked.
 * Some room is left for open files and for descriptors that live during one request. True: own or give must follow.
 */
bool fd_budget_node_take(struct graft_inst *inst, int fd, bool evict);
void fd_budget_node_give(struct graft_inst *inst);
/* Records the holder, before the node has the descriptor; disown takes that and the room back. */
void fd_budget_node_own(struct graft_inst *inst, int fd, const struct node_table *t, uint64_t id);
void fd_budget_node_disown(struct graft_inst *inst, int fd);
/* Closes a node's descriptor. */
void fd_budget_node_close(struct graft_inst *inst, int fd);
/* Says once for the life of the instance that descriptors are exhausted. */
void fd_budget_warn(struct graft_inst *inst);

#endif
