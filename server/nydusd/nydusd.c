/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's front door: from the program's name to a configuration, or to an exit status. */
#include "server/nydusd/nydusd.h"

#include "lib/cleanup.h"
#include "server/nydusd/files.h"
#include "server/nydusd/help.h"
#include "server/nydusd/settings.h"

#include <errno.h>
#include <string.h>

#define EXIT_USAGE 2

const struct door door_nydusd = {
	.name = "nydusd",
	.log_form = LOG_FORM_DATED,
	.ready = NULL,
	.signal_status = 0,
	.hangup_ends = false,
	.log_variable = "RUST_LOG",
	.log_lowers = true,
};

int nyd_named(int argc, char *const *argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	if (strcmp(name, door_nydusd.name) == 0)
		return 1;
	return argc > 1 && strcmp(argv[1], door_nydusd.name) == 0 ? 2 : 0;
}

static int usage_error(const struct nyd_line *line, const struct graft_error *err)
{
	fprintf(stderr, "error: %s\n\nFor more information, try 'nydusd %s%s--help'.\n", err->text,
		line->named ? nyd_form_name(line->form) : "", line->named ? " " : "");
	return EXIT_USAGE;
}

static int failed(const struct graft_error *err)
{
	log_fatal("%s", err->text);
	return 1;
}

int nyd_parse(struct nyd_line *line, int argc, char *const *argv)
{
	struct graft_error err = { 0 };

	log_set_form(door_nydusd.log_form, door_nydusd.name);
	int res = nyd_line_parse(line, argc, argv, &err);
	if (res < 0)
		return usage_error(line, &err);
	if (res == NYD_GO_ON)
		return NYD_SERVE;
	if (res == NYD_SAY_VERSION)
		nyd_print_version(stdout);
	else
		nyd_print_help(stdout, line);
	return door_end_stdout();
}

static int dump(const struct config *config)
{
	struct graft_error err = { 0 };

	return config_dump(config, stdout, &err) == 0 ? door_end_stdout() : failed(&err);
}

/* The log's folders come with the log. */
static int prepare(const struct config *config)
{
	struct graft_error err = { 0 };

	if (!config->server.log_file || nyd_make_folders(config->server.log_file, &err) == 0)
		return NYD_SERVE;
	return failed(&err);
}

/* What is understood but cannot be had, or does nothing for ever. */
static int check_built(const struct nyd_line *line, struct graft_error *err)
{
	if (line->value[NYD_FSCACHE])
		return error_set(err, EOPNOTSUPP, "--fscache: EROFS over fscache is not built in");
	if (line->form == NYD_SINGLETON && line->value[NYD_CONFIG]) {
		auto_free char *text = NULL;
		if (nyd_read_text(line->value[NYD_CONFIG], &text, err) != 0)
			return error_wrap(err, "--config");
	}
	if (line->value[NYD_APISOCK] || line->value[NYD_BOOTSTRAP] || line->value[NYD_SHARED_DIR])
		return 0;
	return error_set(err, EINVAL, "there is nothing to serve: give %s--apisock",
			 line->form == NYD_SINGLETON ? "" : "--bootstrap, --shared-dir or ");
}

int nyd_read(const struct nyd_line *line, struct config **config, struct plugin_registry **registry)
{
	struct graft_error err = { 0 };

	*config = check_built(line, &err) == 0 ? nyd_config(line, registry, &err) : NULL;
	if (!*config)
		return failed(&err);
	int status = line->value[NYD_DUMP_CONFIG] ? dump(*config) : prepare(*config);
	if (status == NYD_SERVE)
		return status;
	config_free(*config);
	plugin_registry_free(*registry);
	*config = NULL;
	*registry = NULL;
	return status;
}
