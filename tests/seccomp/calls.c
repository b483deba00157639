/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls UNUSED RARE FOLDER: holds what daemons called, FOLDER/NAME.calls, against the lists of their configurations,
 * FOLDER/NAME.ini. A line of calls is a name and, where a list looks at them, arguments in hexadecimal. Says each call
 * that no rule allows, and, with UNUSED = yes, each rule that none of the daemons needed and that gives no reason: in
 * its table, or for a plugin's in the file RARE ("PLUGIN WORD reason").
 */
#include "server/config.h"
#include "server/sandbox/seccomp_rules.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS 6
#define PATH_ROOM 4096
#define RULES_MAX 2048

/* Every rule of any list, once, and whether a daemon needed it. */
static struct {
	struct seccomp_rule rule;
	const char *of;
	bool used;
} seen[RULES_MAX];
static size_t nseen;
static int faults;

struct call {
	char name[64];
	uint64_t args[ARGS];
};

static bool same(const struct seccomp_rule *a, const struct seccomp_rule *b)
{
	return a->call == b->call && a->nargs == b->nargs &&
	       memcmp(a->args, b->args, a->nargs * sizeof(a->args[0])) == 0;
}

static size_t remember(const struct seccomp_rule *rule, const char *of)
{
	for (size_t i = 0; i < nseen; i++)
		if (same(&seen[i].rule, rule) && strcmp(seen[i].of, of) == 0)
			return i;
	if (nseen == RULES_MAX)
		exit(2);
	seen[nseen].rule = *rule;
	seen[nseen].of = strdup(of);
	return nseen++;
}

/* tgkill is compared with a number of another process. */
static bool fits(const struct seccomp_rule *rule, int number, const struct call *call)
{
	if (rule->call != number)
		return false;
	for (uint32_t i = 0; i < rule->nargs && number != SCMP_SYS(tgkill); i++) {
		const struct scmp_arg_cmp *c = &rule->args[i];
		uint64_t arg = call->args[c->arg];

		if (c->op == SCMP_CMP_EQ ? arg != c->datum_a : (arg & c->datum_a) != c->datum_b)
			return false;
	}
	return true;
}

static void meet(const struct seccomp_list *list, const struct call *call, const char *ini)
{
	int number = seccomp_syscall_resolve_name(call->name);
	bool allowed = number == SCMP_SYS(clone3); /* ENOSYS */

	for (size_t i = 0; i < list->n; i++) {
		if (!fits(&list->rules[i], number, call))
			continue;
		seen[remember(&list->rules[i], list->of[i])].used = true;
		allowed = true;
	}
	if (allowed)
		return;
	printf("not on the list of %s: %s %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", ini, call->name, call->args[0],
	       call->args[1], call->args[2]);
	faults++;
}

static void read_calls(const struct seccomp_list *list, const char *path, const char *ini)
{
	FILE *f = fopen(path, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		struct call call = { 0 };
		char *save = NULL, *word = strtok_r(line, " \n", &save);

		snprintf(call.name, sizeof(call.name), "%s", word ? word : "");
		for (int i = 0; i < ARGS && (word = strtok_r(NULL, " \n", &save)); i++)
			call.args[i] = strtoull(word, NULL, 16);
		meet(list, &call, ini);
	}
	if (f)
		fclose(f);
}

static void look_at(const char *folder, const char *name)
{
	static struct seccomp_list list;
	char ini[PATH_ROOM], calls[PATH_ROOM];
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };

	snprintf(ini, sizeof(ini), "%s/%s", folder, name);
	snprintf(calls, sizeof(calls), "%.*s.calls", (int)(strlen(ini) - strlen(".ini")), ini);
	struct config *config = config_read_ini(ini, NULL, &registry, &err);
	if (!config ||
	    seccomp_list_make(&list, config, registry, config->server.sandbox != CONFIG_SANDBOX_NONE, &err)) {
		printf("%s: %s\n", ini, err.text);
		faults++;
	} else {
		for (size_t i = 0; i < list.n; i++)
			remember(&list.rules[i], list.of[i]);
		read_calls(&list, calls, ini);
	}
	config_free(config);
	plugin_registry_free(registry);
}

/* A plugin's words have no place for a reason, so a file has them. */
static bool excused(const char *path, const char *of, const char *name, uint64_t value)
{
	FILE *f = fopen(path, "re");
	char line[512], plugin[64], word[64], full[128];
	bool found = false;

	snprintf(full, sizeof(full), "%s:0x%" PRIx64, name, value);
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%63s %63s", plugin, word) == 2 && strcmp(plugin, of) == 0 &&
			(strcmp(word, name) == 0 || strcmp(word, full) == 0);
	if (f)
		fclose(f);
	return found;
}

static void say_unused(const char *rare)
{
	for (size_t i = 0; i < nseen; i++) {
		const struct seccomp_rule *r = &seen[i].rule;
		uint64_t value = r->nargs ? r->args[0].datum_b : 0;
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, r->call);

		if (!seen[i].used && !r->rare && r->call >= 0 && !excused(rare, seen[i].of, name ? name : "", value)) {
			printf("nobody needed, of %s: %s %" PRIx64 "\n", seen[i].of, name ? name : "?", value);
			faults++;
		}
		free(name);
	}
}

int main(int argc, char **argv)
{
	size_t inis = 0;
	DIR *dir = argc == 4 ? opendir(argv[3]) : NULL;
	const struct dirent *e;

	if (!dir) {
		fputs("usage: calls yes|no RARE FOLDER\n", stderr);
		return 2;
	}
	while ((e = readdir(dir))) {
		size_t len = strlen(e->d_name);

		if (len <= 4 || strcmp(e->d_name + len - 4, ".ini") != 0)
			continue;
		look_at(argv[3], e->d_name);
		inis++;
	}
	closedir(dir);
	if (strcmp(argv[1], "yes") == 0)
		say_unused(argv[2]);
	printf("%zu daemons, %zu rules, %d faults\n", inis, nseen, faults);
	return faults || !inis;
}
