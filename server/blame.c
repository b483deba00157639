/* SPDX-License-Identifier: Apache-2.0 */
/* Lines about plugins that break a rule. */
#include "server/blame.h"

#include "lib/log.h"
#include "server/request.h"

#include <errno.h>
#include <stdio.h>

int blame_member(const struct stack_call *call, const char *fmt, ...)
{
	struct mount_member *m = &call->mount->members[call->cur];
	char did[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(did, sizeof(did), fmt, ap);
	va_end(ap);
	log_limited(&m->slot.limit, GRAFT_LOG_ERROR, m->slot.name, "plugin %s %s %s: a fault of the plugin",
		    m->desc->name, did, op_name(call->req->opcode));
	return -EIO;
}

int blame_stack(const struct stack_call *call, const char *did)
{
	struct mount *m = call->mount;
	char names[256] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < m->nmembers && len < sizeof(names); i++) {
		int part = snprintf(names + len, sizeof(names) - len, "%s%s", i ? " or " : "", m->members[i].desc->name);

		len += part > 0 ? (size_t)part : 0;
	}
	log_limited(&m->members[m->nmembers - 1].slot.limit, GRAFT_LOG_ERROR, m->name, "plugin %s %s %s: a fault of the plugin",
		    names, did, op_name(call->req->opcode));
	return -EIO;
}

int blame_result(const struct stack_call *call, int res)
{
	if (blame_valid(res))
		return res;
	return blame_member(call, "gave %d, which is neither 0 nor -errno nor GRAFT_ASYNC, to", res);
}

/* The mount may be gone: who completed it, or waited last, is all that is sure to be there. */
void blame_complete(const struct stack_call *call)
{
	static struct log_limit limit;
	const struct async_state *a = &call->root->async;
	const struct graft_plugin *who = NULL;

	if (a->pinned)
		who = atomic_load_explicit(&a->completer, memory_order_relaxed);
	if (a->pinned && !who)
		who = atomic_load_explicit(&a->who, memory_order_relaxed);
	log_limited(&limit, GRAFT_LOG_ERROR, NULL, "plugin %s completed a request that does not wait: a fault of the plugin",
		    who ? who->name : "(which one is not known)");
}
