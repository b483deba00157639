/* SPDX-License-Identifier: Apache-2.0 */
/* virtiofsd's front door: from the program's name to a configuration, or to an exit status. */
#include "server/virtiofsd/virtiofsd.h"

#include "server/virtiofsd/checks.h"
#include "server/virtiofsd/help.h"
#include "server/virtiofsd/settings.h"

#include <errno.h>
#include <string.h>

#define EXIT_USAGE 2

const struct door door_virtiofsd = {
	.name = "virtiofsd",
	.log_form = LOG_FORM_STAMPED,
	.ready = NULL,
	.signal_status = 1,
	.hangup_ends = true,
	.log_variable = "RUST_LOG",
};

int vfsd_named(int argc, char *const *argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	if (strcmp(name, door_virtiofsd.name) == 0)
		return 1;
	return argc > 1 && strcmp(argv[1], door_virtiofsd.name) == 0 ? 2 : 0;
}

static int usage_error(const struct graft_error *err)
{
	fprintf(stderr, "error: %s\n\nFor more information, try 'virtiofsd --help'.\n", err->text);
	return EXIT_USAGE;
}

static int failed(const struct graft_error *err)
{
	log_fatal("%s", err->text);
	return 1;
}

/* What --help and the like ask for. */
static int say(int result)
{
	if (result == VFSD_SAY_VERSION)
		vfsd_print_version(stdout);
	else
		vfsd_print_help(stdout, result == VFSD_FULL_HELP);
	return door_end_stdout();
}

int vfsd_parse(struct vfsd_line *line, int argc, char *const *argv)
{
	struct graft_error err = { 0 };

	log_set_form(door_virtiofsd.log_form, door_virtiofsd.name);
	if (argc == 0) {
		vfsd_print_help(stderr, false);
		return EXIT_USAGE;
	}
	int res = vfsd_line_parse(line, argc, argv, &err);
	if (res < 0)
		return usage_error(&err);
	if (res != VFSD_GO_ON)
		return say(res);
	if (vfsd_line_on(line, VFSD_PRINT_CAPABILITIES)) {
		vfsd_print_capabilities(stdout);
		return door_end_stdout();
	}
	return vfsd_check_shared(line, &err) == 0 ? VFSD_SERVE : failed(&err);
}

static int dump(const struct config *config)
{
	struct graft_error err = { 0 };

	return config_dump(config, stdout, &err) == 0 ? door_end_stdout() : failed(&err);
}

int vfsd_read(const struct vfsd_line *line, struct config **config, struct plugin_registry **registry)
{
	struct graft_error err = { 0 };

	*config = vfsd_config(line, registry, &err);
	if (!*config)
		return failed(&err);
	if (!vfsd_line_on(line, VFSD_DUMP_CONFIG))
		return VFSD_SERVE;
	int status = dump(*config);
	config_free(*config);
	plugin_registry_free(*registry);
	*config = NULL;
	*registry = NULL;
	return status;
}
