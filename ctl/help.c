/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl help: the list of commands, or one in full; and the list itself. */
#include "ctl/command.h"

#include "lib/options.h"

#include <string.h>

const struct command *const commands[] = {
	&command_mount, &command_umount, &command_remount, &command_list, &command_show, &command_stats, &command_top,
	&command_retry, &command_plugins, &command_config, &command_log_level, &command_stop, &command_image,
	&command_xattrmap, &command_help, NULL,
};

#define COMMANDS_MAX (sizeof(commands) / sizeof(commands[0]))

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

int command_unknown(const char *name)
{
	const char *names[COMMANDS_MAX];
	size_t n = 0;
	for (; commands[n]; n++)
		names[n] = commands[n]->name;
	const char *near = options_nearest(name, names, n);
	if (near)
		return ctl_fail(CTL_USAGE, "unknown command '%s'; did you mean '%s'?", name, near);
	return ctl_fail(CTL_USAGE, "unknown command '%s'; see graftctl --help", name);
}

void command_print_help(const struct command *command)
{
	printf("graftctl %s - %s\n\nusage:", command->name, command->summary);
	for (const char *line = command->usage; line;) {
		size_t len = strcspn(line, "\n");
		printf("%sgraftctl %s%s%.*s\n", line == command->usage ? " " : "       ", command->name,
		       len > 0 ? " " : "", (int)len, line);
		line = line[len] ? line + len + 1 : NULL;
	}
	printf("\n%s", command->text);
	if (command->options) {
		puts("\nOptions:");
		args_help(command->options, stdout);
	}
	puts("\nOptions of all commands: --socket SOCKET, --json, --help; see graftctl --help.");
}

void command_print_overview(void)
{
	puts("graftctl - mounts, unmounts and looks into a file system server that runs, and into images\n"
	     "\n"
	     "usage: graftctl [-s SOCKET] [--json] COMMAND [ARGUMENT]...\n"
	     "\n"
	     "Commands, each with a --help of its own:");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	puts("\n"
	     "Options:\n"
	     "  -s, --socket SOCKET  the server's API socket; without it $GRAFTCTL_SOCKET, or else the only\n"
	     "                       /run/graftfs/*/api.sock there is\n"
	     "      --json           print the server's answer as JSON\n"
	     "  -h, --help           print this, or a command's help\n"
	     "  -V, --version        print the version\n"
	     "\n"
	     "Exit status: 0 done, 1 refused or failed, 2 usage, 3 no server reached,\n"
	     "4 nothing is mounted there, 5 in use.\n"
	     "\n"
	     "A directory of the host joins what is served, and leaves again:\n"
	     "\n"
	     "  graftctl mount /srv/web /web\n"
	     "  graftctl list\n"
	     "  graftctl umount /web");
}

static int run(struct ctl *ctl, const struct args *args)
{
	(void)ctl;
	const struct command *command = args->nwords > 0 ? command_find(args->words[0]) : NULL;
	if (args->nwords > 0 && !command)
		return command_unknown(args->words[0]);
	if (command)
		command_print_help(command);
	else
		command_print_overview();
	return CTL_DONE;
}

const struct command command_help = {
	.name = "help",
	.summary = "print the help of a command",
	.usage = "[COMMAND]",
	.text = "The same as --help behind the command.\n"
		"\n"
		"  graftctl help mount\n",
	.options = NULL,
	.min_words = 0,
	.max_words = 1,
	.run = run,
};
