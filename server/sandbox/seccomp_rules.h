/* SPDX-License-Identifier: Apache-2.0 */
/* Which system calls which part of the daemon makes: constant tables, and the list that a configuration takes of them.
 */
#ifndef GRAFT_SERVER_SANDBOX_SECCOMP_RULES_H
#define GRAFT_SERVER_SANDBOX_SECCOMP_RULES_H

#include "server/sandbox/seccomp.h"

#include <seccomp.h>
#include <stddef.h>

#define SECCOMP_RULES_MAX 512

/* A call that may be made: with any arguments, or those that fit all of args. Several rules of one call: any of them.
 */
struct seccomp_rule {
	int call; /* SCMP_SYS: negative where the architecture has no such call */
	uint32_t nargs;
	struct scmp_arg_cmp args[2];
	/* Why it stands here although the tests need not meet it; NULL: tests/seccomp meets it. */
	const char *rare;
};

/* What a part of the daemon needs beyond those before it. */
struct seccomp_part {
	const char *name;
	bool (*wanted)(const struct config *c, bool outside); /* NULL: always */
	const struct seccomp_rule *rules;
	size_t n;
};

extern const struct seccomp_part seccomp_parts[];
extern const size_t seccomp_nparts;

struct seccomp_list {
	struct seccomp_rule rules[SECCOMP_RULES_MAX];
	const char *of[SECCOMP_RULES_MAX]; /* the part's or plugin's name, borrowed; the first that wanted the rule */
	size_t n;
};

/*
 * The list for c and the plugins of registry: no rule twice, none beside one that allows the call altogether. 0 or
 * -errno with err: a plugin declares a call that is none, or too many.
 */
int seccomp_list_make(struct seccomp_list *list, const struct config *c, const struct plugin_registry *registry,
		      bool outside, struct graft_error *err);
/*
 * Adds what a plugin's word allows: a call's name, or NAME:ARGUMENT for ioctl, fcntl, prctl, socket and socketpair.
 * -EINVAL with err, which names the plugin.
 */
int seccomp_list_add_word(struct seccomp_list *list, const char *plugin, const char *word, struct graft_error *err);
/* -E2BIG when it is full. */
int seccomp_list_add(struct seccomp_list *list, const char *of, const struct seccomp_rule *rule);

#endif
