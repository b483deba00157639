/* SPDX-License-Identifier: Apache-2.0 */
/* Composes the list of a configuration out of the parts' tables and the plugins' words. */
#include "server/sandbox/seccomp_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_ROOM 64

/* Calls of which a plugin may name the arguments it needs, by the number of the argument that says what is done. */
static const struct {
	int call;
	unsigned int arg;
} narrowed[] = {
	{ SCMP_SYS(ioctl), 1 },  { SCMP_SYS(fcntl), 1 },      { SCMP_SYS(prctl), 0 },
	{ SCMP_SYS(socket), 0 }, { SCMP_SYS(socketpair), 0 },
};

/* Which of them are as the server has them unless a plugin names more: plain prctl could let go of what was dropped. */
static const int guarded[] = {
	SCMP_SYS(mmap),  SCMP_SYS(mprotect),  SCMP_SYS(clone),  SCMP_SYS(clone3),     SCMP_SYS(unshare),
	SCMP_SYS(prctl), SCMP_SYS(prlimit64), SCMP_SYS(tgkill), SCMP_SYS(membarrier), SCMP_SYS(io_uring_register),
};

/* Arguments by name: their numbers are not the same on every architecture. */
#define VALUE(x)                                                                                                       \
	{                                                                                                              \
#x, (uint32_t)(x)                                                                                      \
	}
static const struct {
	const char *name;
	uint32_t value;
} values[] = {
	VALUE(FS_IOC_GETFLAGS), VALUE(FS_IOC_SETFLAGS), VALUE(FS_IOC_FSGETXATTR), VALUE(FS_IOC_FSSETXATTR),
	VALUE(BLKGETSIZE64),    VALUE(BLKSSZGET),       VALUE(FICLONE),           VALUE(FICLONERANGE),
	VALUE(F_GETFD),         VALUE(F_SETFD),         VALUE(F_GETFL),           VALUE(F_SETFL),
	VALUE(F_DUPFD),         VALUE(F_DUPFD_CLOEXEC), VALUE(F_GETLK),           VALUE(F_SETLK),
	VALUE(F_SETLKW),        VALUE(F_OFD_GETLK),     VALUE(F_OFD_SETLK),       VALUE(F_OFD_SETLKW),
	VALUE(F_ADD_SEALS),     VALUE(F_GET_SEALS),     VALUE(AF_UNIX),           VALUE(AF_INET),
	VALUE(AF_INET6),
};

static bool allows_all(const struct seccomp_rule *a, const struct seccomp_rule *b)
{
	return a->call == b->call &&
	       (!a->nargs || (a->nargs == b->nargs && memcmp(a->args, b->args, a->nargs * sizeof(a->args[0])) == 0));
}

int seccomp_list_add(struct seccomp_list *list, const char *of, const struct seccomp_rule *rule)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (allows_all(&list->rules[i], rule))
			return 0;
	/* Those that the new one makes idle go. */
	for (size_t i = 0; i < list->n; i++) {
		if (allows_all(rule, &list->rules[i]))
			continue;
		list->rules[kept] = list->rules[i];
		list->of[kept++] = list->of[i];
	}
	list->n = kept;
	if (list->n == SECCOMP_RULES_MAX)
		return -E2BIG;
	list->rules[list->n] = *rule;
	list->of[list->n++] = of;
	return 0;
}

static int find_value(const char *text, uint32_t *value)
{
	char *end;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(values[i].name, text) == 0) {
			*value = values[i].value;
			return 0;
		}
	}
	unsigned long number = strtoul(text, &end, 0);
	*value = (uint32_t)number;
	return *text >= '0' && *text <= '9' && !*end && number <= UINT32_MAX ? 0 : -EINVAL;
}

static int add_argument(struct seccomp_list *list, const char *plugin, int call, const char *argument)
{
	uint32_t value;

	for (size_t i = 0; i < sizeof(narrowed) / sizeof(narrowed[0]); i++) {
		if (narrowed[i].call != call || find_value(argument, &value))
			continue;
		struct seccomp_rule rule = { .call = call, .nargs = 1 };
		rule.args[0] = SCMP_CMP64(narrowed[i].arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, value);
		return seccomp_list_add(list, plugin, &rule);
	}
	return -EINVAL;
}

static int add_plain(struct seccomp_list *list, const char *plugin, int call)
{
	struct seccomp_rule rule = { .call = call };

	for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++)
		if (guarded[i] == call)
			return 0;
	return seccomp_list_add(list, plugin, &rule);
}

int seccomp_list_add_word(struct seccomp_list *list, const char *plugin, const char *word, struct graft_error *err)
{
	char name[NAME_ROOM] = "";
	size_t len = strcspn(word, ":");
	int res;

	if (len < sizeof(name))
		memcpy(name, word, len);
	int call = seccomp_syscall_resolve_name(name);
	if (call == __NR_SCMP_ERROR || call < 0)
		return error_set(err, EINVAL, "plugin %s declares the system call '%.64s', which there is none here",
				 plugin, word);
	res = word[len] ? add_argument(list, plugin, call, word + len + 1) : add_plain(list, plugin, call);
	if (res == -EINVAL)
		return error_set(err, EINVAL,
				 "plugin %s declares the system call '%.64s': what stands behind ':' is not known",
				 plugin, word);
	return res ? error_set(err, -res, "plugin %s: too many system calls", plugin) : 0;
}

struct adding {
	struct seccomp_list *list;
	struct graft_error *err;
};

static int add_plugin(const struct plugin *p, void *arg)
{
	struct adding *a = arg;

	for (const char *const *word = p->desc.syscalls; word && *word; word++) {
		int res = seccomp_list_add_word(a->list, p->desc.name, *word, a->err);
		if (res)
			return res;
	}
	return 0;
}

/* abort, and the end after a trap: to this process only. */
static int add_self(struct seccomp_list *list)
{
	struct seccomp_rule rule = { .call = SCMP_SYS(tgkill), .nargs = 1, .rare = "abort, and the end after a trap" };

	rule.args[0] = SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)getpid());
	return seccomp_list_add(list, "core", &rule);
}

int seccomp_list_make(struct seccomp_list *list, const struct config *c, const struct plugin_registry *registry,
		      bool outside, struct graft_error *err)
{
	struct adding adding = { .list = list, .err = err };
	int res = 0;

	list->n = 0;
	for (size_t i = 0; i < seccomp_nparts; i++) {
		const struct seccomp_part *part = &seccomp_parts[i];

		if (part->wanted && !part->wanted(c, outside))
			continue;
		for (size_t k = 0; k < part->n && !res; k++)
			res = seccomp_list_add(list, part->name, &part->rules[k]);
	}
	if (!res)
		res = add_self(list);
	if (res)
		return error_set(err, -res, "too many system calls");
	return plugin_registry_each(registry, add_plugin, &adding);
}
