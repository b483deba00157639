/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl: the command line over the control API. Assembly: common options, the command, its exit status. */
#include "ctl/command.h"

#include "ctl/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct args_option common_options[] = {
	{ "socket", 's', ARGS_VALUE, "SOCKET", "" }, { "json", 0, ARGS_FLAG, NULL, "" },
	{ "help", 'h', ARGS_FLAG, NULL, "" },        { "version", 'V', ARGS_FLAG, NULL, "" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};

static const struct args_option no_options[] = { { NULL, 0, ARGS_FLAG, NULL, NULL } };

static int without_command(const struct args *args)
{
	if (args_has(args, "help"))
		command_print_overview();
	else if (args_has(args, "version"))
		printf("graftctl %s\n", GRAFT_VERSION);
	else
		return ctl_fail(CTL_USAGE, "no command; see graftctl --help");
	return CTL_DONE;
}

static int check_words(const struct command *command, const struct args *args)
{
	if (args->nwords > command->max_words)
		return ctl_usage(command, "needless argument '%s'", args->words[command->max_words]);
	if (args->nwords < command->min_words)
		return ctl_usage(command, "argument missing: %.*s", (int)strcspn(command->usage, "\n"), command->usage);
	return CTL_DONE;
}

static int run_command(struct ctl *ctl, const struct command *command, const struct args *args)
{
	if (args_has(args, "help")) {
		command_print_help(command);
		return CTL_DONE;
	}
	if (args_has(args, "version"))
		return without_command(args);
	int status = check_words(command, args);
	if (status != CTL_DONE)
		return status;
	ctl->socket_option = args_value(args, "socket");
	ctl->json = args_has(args, "json");
	status = command->run(ctl, args);
	if (status != CTL_DONE && ctl->error.text[0])
		ctl_fail(status, "%s", ctl->error.text);
	return status;
}

/* What stands before the command and holds for all of them has been read into args; argv is what stands behind it. */
static int find_and_run(struct ctl *ctl, const char *name, char *const *argv, struct args *args)
{
	struct graft_error err = { 0 };
	const struct command *command = command_find(name);
	if (!command)
		return command_unknown(name);
	args->nwords = 0;
	if (args_parse(common_options, command->options ? command->options : no_options, argv, false, args, &err) < 0)
		return ctl_usage(command, "%s", err.text);
	return run_command(ctl, command, args);
}

int main(int argc, char **argv)
{
	struct graft_error err = { 0 };
	struct ctl ctl = { 0 };
	struct args args = { 0 };
	int status;

	text_init();
	int used = argc > 0 ? args_parse(common_options, no_options, argv + 1, true, &args, &err) : 0;
	if (used < 0)
		status = ctl_fail(CTL_USAGE, "%s; see graftctl --help", err.text);
	else if (args.nwords == 0)
		status = without_command(&args);
	else
		status = find_and_run(&ctl, args.words[0], argv + 1 + used, &args);

	args_free(&args);
	client_free(ctl.client);
	free(ctl.socket);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_DONE)
		status = ctl_fail(CTL_FAILED, "cannot write to standard output: %s", strerror(errno));
	return status;
}
