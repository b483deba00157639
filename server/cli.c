/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: options, help, and the two modes that only look at a configuration. */
#include "server/cli.h"

#include "server/nydusd/checks.h"
#include "server/nydusd/nydusd.h"
#include "server/virtiofsd/checks.h"
#include "server/virtiofsd/detach.h"
#include "server/virtiofsd/virtiofsd.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' }, { "check-config", no_argument, NULL, 'k' },
	{ "dump-config", no_argument, NULL, 'd' },  { "dump-plugin", required_argument, NULL, 'p' },
	  { "mountpoint", required_argument, NULL, 'm' },
	{ "version", no_argument, NULL, 'V' },	    { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_head[] =
	"graftfsd - serves file systems made of plugins: to virtual machines as virtio-fs, and to this host\n"
	"\n"
	"usage: graftfsd --config FILE [--mountpoint DIR]\n"
	"       graftfsd virtiofsd ...  or called virtiofsd: the command line of that, see graftfsd virtiofsd --help\n"
	"       graftfsd nydusd ...     or called nydusd: the command line of that, see graftfsd nydusd --help\n"
	"\n"
	"  -c, --config FILE     the configuration, an INI file\n"
	"      --mountpoint DIR  where its [transport fuse] mounts, which is added if it has none\n"
	"      --check-config    do not serve, only look whether the configuration is right, print FILE: ok\n"
	"      --dump-config     do not serve, only print the configuration in full, with every default, as an INI file\n"
	"      --dump-plugin NAME  do not serve, only print what a plugin is: its ABI, options, threads, operations; with\n"
	"                        a '/' in it NAME is the path of a file\n"
	"  -V, --version         print the version\n"
	"  -h, --help            print this\n"
	"\n"
	"The program stays in the foreground, prints 'graftfsd: ready' on standard error once it serves, and ends on\n"
	"SIGTERM or SIGINT. Exit status: 0 after an orderly end, 1 if it could not start or failed, 2 for an error in\n"
	"the command line or the configuration.\n"
	"\n"
	"A configuration that serves /srv/share, with /srv/photos in its folder media/photos, to a virtual machine\n"
	"under the tag 'myfs' and to this host at /mnt/share:\n"
	"\n"
	"  [server]\n"
	"  sandbox = none\n"
	"  seccomp = none\n"
	"  api-socket = /run/graftfs.api      ; for graftctl: mounts come and go while it serves\n"
	"\n"
	"  [transport vhost-user]\n"
	"  socket = /run/graftfs.sock\n"
	"  tag    = myfs\n"
	"\n"
	"  [transport fuse]\n"
	"  mountpoint = /mnt/share\n"
	"\n"
	"  [mount share]\n"
	"  at     = /\n"
	"  type   = passthrough\n"
	"  source = /srv/share\n"
	"\n"
	"  [mount photos]\n"
	"  at     = /media/photos\n"
	"  type   = passthrough\n"
	"  source = /srv/photos\n"
	"\n"
	"Connect a virtual machine with shared memory to the socket, then in the guest: mount -t virtiofs myfs /mnt\n"
	"Another mount:  graftctl -s /run/graftfs.api mount /srv/music /media/music\n";

static const char help_tail[] =
	"\nThe plugin that type names has keys of its own, see its page. Lines that begin with ; or # are comments.\n"
	"Pages: graftfsd(8), graftfs.ini(5), graftctl(1), graftfs-passthrough(7), graftfs-nydus-rafs(7).\n";

static void print_help(void)
{
	fputs(help_head, stdout);
	fputs("\nKeys of [server]:\n", stdout);
	options_help(config_server_options, "", stdout);
	fputs("\nKeys of [transport vhost-user]; of several, each has a name: [transport vhost-user NAME]:\n", stdout);
	options_help(config_transport_options, "", stdout);
	fputs("\nKeys of [transport fuse], or [transport fuse NAME]:\n", stdout);
	options_help(config_fuse_options, "", stdout);
	fputs("\nKeys of [mount NAME]:\n", stdout);
	options_help(config_mount_options, "", stdout);
	fputs(help_tail, stdout);
}

static int flush_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "graftfsd: cannot write to standard output: %s\n", strerror(errno));
	return 1;
}

/* getopt's own messages do not know what was meant. word begins with dashes. */
static int unknown_option(const char *word)
{
	const char *names[sizeof(long_options) / sizeof(long_options[0])];
	size_t n = 0;
	for (; long_options[n].name; n++)
		names[n] = long_options[n].name;
	char name[64];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = strncmp(name, "--", 2) == 0 ? options_nearest(name + 2, names, n) : NULL;
	if (near)
		fprintf(stderr, "graftfsd: unknown option '%s'; did you mean '--%s'?\n", name, near);
	else
		fprintf(stderr, "graftfsd: unknown option '%s'; see graftfsd --help\n", name);
	return CLI_EXIT_USAGE;
}

static int usage_error(const char *what, const char *word)
{
	fprintf(stderr, "graftfsd: %s '%.200s'; see graftfsd --help\n", what, word);
	return CLI_EXIT_USAGE;
}

/* optopt is 0 for a long option that is unknown, and a flag's letter for one that was given a value. */
static int bad_option(char *const *argv)
{
	char letter[] = { '-', (char)optopt, '\0' };
	const char *word = argv[optind - 1];
	if (optopt == 0)
		return unknown_option(word);
	if (strncmp(word, "--", 2) == 0 && strchr(word, '='))
		return usage_error("this option takes no value:", word);
	return unknown_option(letter);
}

static int set_mode(struct cli *cli, int mode)
{
	if (cli->mode != CLI_SERVE && (int)cli->mode != mode) {
		fputs("graftfsd: --check-config and --dump-config exclude each other\n", stderr);
		return CLI_EXIT_USAGE;
	}
	cli->mode = mode == CLI_CHECK ? CLI_CHECK : CLI_DUMP;
	return CLI_GO_ON;
}

/* Adds the parts of a path to to; empty and '.' parts are left out. Why it cannot, or NULL. */
static const char *add_parts(char *to, size_t room, const char *path)
{
	size_t len = strlen(to);
	while (*path) {
		size_t part = strcspn(path, "/");
		if (part == 2 && memcmp(path, "..", 2) == 0)
			return "write --mountpoint without '..' parts:";
		if (part > 0 && !(part == 1 && *path == '.')) {
			if (part + 2 > room - len)
				return "this --mountpoint is too long:";
			to[len++] = '/';
			memcpy(to + len, path, part);
			len += part;
			to[len] = '\0';
		}
		path += part + (path[part] == '/');
	}
	return NULL;
}

/* Not by realpath(3), which fails on a mount point whose server died; that is one to take over. */
static int take_mountpoint(struct cli *cli, const char *dir)
{
	char cwd[PATH_MAX] = "";
	if (*dir == '\0')
		return usage_error("no directory behind", "--mountpoint");
	if (cli->mountpoint[0])
		return usage_error("a second mount point", dir);
	if (*dir != '/' && !getcwd(cwd, sizeof(cwd))) {
		fprintf(stderr, "graftfsd: --mountpoint %.200s: no working directory: %s\n", dir, strerror(errno));
		return CLI_EXIT_USAGE;
	}
	const char *fault = add_parts(cli->mountpoint, sizeof(cli->mountpoint), cwd);
	if (!fault)
		fault = add_parts(cli->mountpoint, sizeof(cli->mountpoint), dir);
	if (fault)
		return usage_error(fault, dir);
	if (!cli->mountpoint[0])
		strcpy(cli->mountpoint, "/");
	return CLI_GO_ON;
}

/* One option that getopt found. */
static int take_option(struct cli *cli, int option, char *const *argv)
{
	switch (option) {
	case 'c':
		if (cli->config_path)
			return usage_error("a second configuration", optarg);
		cli->config_path = optarg;
		return CLI_GO_ON;
	case 'k':
		return set_mode(cli, CLI_CHECK);
	case 'd':
		return set_mode(cli, CLI_DUMP);
	case 'p':
		cli->plugin = optarg;
		return CLI_GO_ON;
	case 'm':
		return take_mountpoint(cli, optarg);
	case 'V':
		printf("graftfsd %s, plugin ABI %d.%d\n", GRAFT_VERSION, GRAFT_ABI_MAJOR, GRAFT_ABI_MINOR);
		return flush_stdout();
	case 'h':
		print_help();
		return flush_stdout();
	case ':':
		return usage_error("no value behind", argv[optind - 1]);
	default:
		return bad_option(argv);
	}
}

/* graftfsd's own. */
static int parse_graftfsd(int argc, char **argv, struct cli *cli)
{
	int option, status = CLI_GO_ON;
	*cli = (struct cli){ .mode = CLI_SERVE, .door = &door_graftfsd };
	opterr = 0;
	optind = 0; /* glibc: begin anew, whatever was parsed before */
	while (status == CLI_GO_ON && (option = getopt_long(argc, argv, "+:c:Vh", long_options, NULL)) != -1)
		status = take_option(cli, option, argv);
	if (status != CLI_GO_ON)
		return status;
	if (optind < argc)
		return usage_error("needless argument", argv[optind]);
	if (cli->plugin) {
		if (cli->mode != CLI_SERVE || cli->config_path || cli->mountpoint[0] || *cli->plugin == '\0')
			return usage_error("--dump-plugin stands alone, with a name:", cli->plugin);
		cli->mode = CLI_DUMP_PLUGIN;
		return CLI_GO_ON;
	}
	if (!cli->config_path || *cli->config_path == '\0') {
		fputs("graftfsd: no configuration; give --config FILE (see graftfsd --help)\n", stderr);
		return CLI_EXIT_USAGE;
	}
	return CLI_GO_ON;
}

int cli_parse(int argc, char **argv, struct cli *cli)
{
	int before = vfsd_named(argc, argv), nydusd = nyd_named(argc, argv);

	if (nydusd) {
		*cli = (struct cli){ .mode = CLI_SERVE, .door = &door_nydusd };
		return nyd_parse(&cli->nydusd, argc - nydusd, argv + nydusd);
	}
	if (!before)
		return parse_graftfsd(argc, argv, cli);
	*cli = (struct cli){ .mode = CLI_SERVE, .door = &door_virtiofsd };
	return vfsd_parse(&cli->virtiofsd, argc - before, argv + before);
}

int cli_detach(const struct cli *cli)
{
	struct graft_error err = { 0 };

	if (!vfsd_line_on(&cli->virtiofsd, VFSD_DAEMONIZE))
		return CLI_GO_ON;
	int status = vfsd_detach(&err);
	if (err.code)
		log_fatal("%s", err.text);
	return status == VFSD_DETACHED ? CLI_GO_ON : status;
}

int cli_check(const struct cli *cli, struct graft_error *err)
{
	if (cli->door == &door_nydusd)
		nyd_check_run(&cli->nydusd);
	return cli->door == &door_virtiofsd ? vfsd_check_run(&cli->virtiofsd, err) : 0;
}

void cli_fini(struct cli *cli)
{
	vfsd_line_fini(&cli->virtiofsd);
}

/* The file of graftfsd's own command line, and its modes. */
static int read_graftfsd(const struct cli *cli, struct config **config, struct plugin_registry **registry)
{
	struct graft_error err = { 0 };
	int status = 0;

	*config = config_read_ini(cli->config_path, cli->mountpoint[0] ? cli->mountpoint : NULL, registry, &err);
	if (!*config) {
		fprintf(stderr, "graftfsd: %s\n", err.text);
		return CLI_EXIT_USAGE;
	}
	if (cli->mode == CLI_SERVE)
		return CLI_GO_ON;
	if (cli->mode == CLI_CHECK) {
		printf("%s: ok\n", cli->config_path);
		status = flush_stdout();
	} else {
		int res = config_dump(*config, stdout, &err);
		if (res != 0)
			fprintf(stderr, "graftfsd: %s\n", err.text);
		status = res == 0 ? 0 : res == -EIO ? 1 : CLI_EXIT_USAGE;
	}
	config_free(*config);
	plugin_registry_free(*registry);
	*config = NULL;
	*registry = NULL;
	return status;
}

int cli_config(const struct cli *cli, struct config **config, struct plugin_registry **registry)
{
	if (cli->door == &door_virtiofsd)
		return vfsd_read(&cli->virtiofsd, config, registry);
	if (cli->door == &door_nydusd)
		return nyd_read(&cli->nydusd, config, registry);
	return read_graftfsd(cli, config, registry);
}
