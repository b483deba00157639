/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin did that it must not do: said in the log with plugin, mount and operation, and made harmless. */
#ifndef GRAFT_SERVER_BLAME_H
#define GRAFT_SERVER_BLAME_H

#include <stdbool.h>
#include <stdint.h>

struct request;
struct stack_call;

/* 0, -errno or GRAFT_ASYNC; on the way of every request. */
static inline bool blame_valid(int res)
{
	return (uint32_t)res + 4095u <= 4096u;
}

/*
 * The member that runs in call broke a rule; did tells which one ("returned 17, which is no result, to"). Rate limited
 * for each member. -EIO, which the client gets.
 */
int blame_member(const struct stack_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same where any member of the mount may have done it. */
int blame_stack(const struct stack_call *call, const char *did);

/* res where it is a result, else -EIO and a line in the log. */
int blame_result(const struct stack_call *call, int res);

/* complete() for a request that does not wait, or not any more. */
void blame_complete(const struct stack_call *call);

#endif
