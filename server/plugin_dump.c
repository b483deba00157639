/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's description as text. */
#include "server/plugin_dump.h"

#include "lib/cleanup.h"
#include "lib/options.h"
#include "server/config.h"
#include "server/fuse/opcodes.h"

#include <errno.h>
#include <string.h>

static const char *known_or(const char *text)
{
	return text && *text ? text : "-";
}

static const char *kind_word(uint32_t kind)
{
	return kind == GRAFT_LAYER ? "layer" : "backend";
}

static const char *threads_word(uint32_t threads)
{
	if (threads == GRAFT_SERIAL_PLUGIN)
		return "one call at a time in all instances";
	return threads == GRAFT_SERIAL_INSTANCE ? "one call at a time in each instance" : "parallel";
}

static void dump_state(const struct graft_plugin *d, FILE *to)
{
	if (d->state_version)
		fprintf(to, "state      = version %u\n", d->state_version);
	else
		fputs("state      = none\n", to);
}

static void dump_syscalls(const struct graft_plugin *d, FILE *to)
{
	fputs("syscalls   =", to);
	for (size_t i = 0; d->syscalls && d->syscalls[i]; i++)
		fprintf(to, " %s", d->syscalls[i]);
	fputs(d->syscalls && d->syscalls[0] ? "\n" : " none beyond the server's own\n", to);
}

static void dump_capabilities(const struct graft_plugin *d, FILE *to)
{
	fputs("capabilities =", to);
	for (size_t i = 0; d->capabilities && d->capabilities[i]; i++)
		fprintf(to, " %s", d->capabilities[i]);
	fputs(!d->capabilities ? " all that a plugin may have\n" : d->capabilities[0] ? "\n" : " none\n", to);
}

static void dump_operations(const struct graft_plugin *d, FILE *to)
{
	uint32_t newer = 0;

	fputs("operations =", to);
	for (uint32_t op = 0; op < d->nops; op++) {
		if (d->ops[op] && op_find(op))
			fprintf(to, " %s", op_name(op));
		newer += d->ops[op] && !op_find(op);
	}
	fputs(d->dirent ? " (and the entries of listings)\n" : "\n", to);
	if (newer)
		fprintf(to, "             and %u that this server does not know\n", newer);
}

void plugin_dump(const struct plugin *p, FILE *to)
{
	const struct graft_plugin *d = &p->desc;

	fprintf(to, "name       = %s\nversion    = %s\nsummary    = %s\nfile       = %s\n", d->name, known_or(d->version),
		known_or(d->summary), p->path);
	fprintf(to, "abi        = %u.%u (of the server: %d.%d)\n", d->abi_major, d->abi_minor, GRAFT_ABI_MAJOR,
		GRAFT_ABI_MINOR);
	fprintf(to, "kind       = %s\nthreads    = %s\n", kind_word(d->kind), threads_word(d->threads));
	if (d->kind == GRAFT_LAYER)
		fprintf(to, "unknown    = %s\n", d->flags & GRAFT_PASS_UNKNOWN ? "pass" : "end as absent");
	dump_state(d, to);
	dump_syscalls(d, to);
	dump_capabilities(d, to);
	dump_operations(d, to);
	fputs(d->opts[0].key ? "\nOptions:\n" : "\nNo options.\n", to);
	options_help(d->opts, "", to);
}

/* "/x/y.so" as folder and name: the loader takes names only. */
static struct plugin_registry *registry_of(const char *path, char *name, size_t room)
{
	const char *slash = strrchr(path, '/');
	size_t len = strlen(slash + 1);
	auto_free char *dir = strndup(path, slash > path ? (size_t)(slash - path) : 1);
	const char *const dirs[] = { dir, NULL };

	if (len > 3 && strcmp(slash + 1 + len - 3, ".so") == 0)
		len -= 3;
	snprintf(name, room, "%.*s", (int)(len < room ? len : room - 1), slash + 1);
	return dir ? plugin_registry_new(dirs) : NULL;
}

int plugin_dump_main(const char *name)
{
	struct graft_error err = { 0 };
	char base[128];
	bool path = strchr(name, '/') != NULL;
	struct plugin_registry *r = path ? registry_of(name, base, sizeof(base)) : config_default_registry();
	const struct plugin *p = r ? plugin_load(r, path ? base : name, &err) : NULL;
	int status = 0;

	if (!p) {
		fprintf(stderr, "graftfsd: %s\n", r ? err.text : "out of memory");
		status = 2;
	} else {
		plugin_dump(p, stdout);
		if (fflush(stdout) != 0 || ferror(stdout)) {
			fprintf(stderr, "graftfsd: cannot write to standard output: %s\n", strerror(errno));
			status = 1;
		}
	}
	plugin_registry_free(r);
	return status;
}
