/* SPDX-License-Identifier: Apache-2.0 */
/* Hands the list to libseccomp, which makes a filter of it and loads it. */
#include "server/sandbox/seccomp.h"

#include "lib/cleanup.h"
#include "server/sandbox/caps.h"
#include "server/sandbox/seccomp_rules.h"
#include "server/sandbox/seccomp_trap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TREE 2 /* SCMP_FLTATR_CTL_OPTIMIZE: calls are found by halving */

static const uint32_t actions[] = {
	[CONFIG_SECCOMP_KILL] = SCMP_ACT_KILL_PROCESS,
	[CONFIG_SECCOMP_LOG] = SCMP_ACT_LOG,
	[CONFIG_SECCOMP_TRAP] = SCMP_ACT_TRAP,
};

static void release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/* A call of another architecture (32-bit code, x32) is treated like one that is not on the list. */
static int set_attributes(scmp_filter_ctx filter, uint32_t action)
{
	int res = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, action);

	if (!res)
		res = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, TREE);
	/*
	 * Kernels before 5.16 switch off speculation of stores for whoever loads a filter, which slows everything down.
	 * It protects programs that run foreign code in their own memory; the daemon runs none. Where the kernel has no
	 * such wish it is none.
	 */
	if (!res)
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	return res;
}

static int add_rules(scmp_filter_ctx filter, const struct seccomp_list *list)
{
	/* glibc then makes threads by clone, whose flags can be looked at: those of clone3 lie in memory. */
	int res = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < list->n && !res; i++) {
		const struct seccomp_rule *r = &list->rules[i];

		if (r->call >= 0)
			res = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call, r->nargs, r->args);
	}
	return res;
}

static int load(const struct seccomp_list *list, uint32_t action, struct graft_error *err)
{
	__attribute__((cleanup(release))) scmp_filter_ctx filter = seccomp_init(action);

	if (!filter)
		return error_set(err, ENOMEM, "seccomp: out of memory");
	int res = set_attributes(filter, action);
	if (!res)
		res = add_rules(filter, list);
	if (!res)
		res = seccomp_load(filter);
	return res ? error_set(err, -res,
			       "seccomp: the list of system calls cannot be loaded: %s; without it: seccomp = none",
			       strerror(-res))
		   : 0;
}

int seccomp_apply(const struct config *c, const struct plugin_registry *registry, bool outside, struct graft_error *err)
{
	if (c->server.seccomp == CONFIG_SECCOMP_NONE)
		return 0;
	if (caps_fusermount(c, outside))
		return error_set(
			err, EPERM,
			"seccomp = kill, log or trap: with sandbox = none an ordinary user's [transport fuse] needs "
			"fusermount3, which could not run then; write sandbox = namespace or seccomp = none");
	auto_free struct seccomp_list *list = malloc(sizeof(*list));
	if (!list)
		return error_set(err, ENOMEM, "seccomp: out of memory");
	int res = seccomp_list_make(list, c, registry, outside, err);
	if (!res && c->server.seccomp == CONFIG_SECCOMP_TRAP)
		res = seccomp_trap_install(err);
	return res ? res : load(list, actions[c->server.seccomp], err);
}
