/* SPDX-License-Identifier: Apache-2.0 */
/* mount.fuse.graftfs: what mount(8) runs for `mount -t fuse.graftfs CONF DIR`. Statuses are those of mount(8). */
#include "lib/cleanup.h"
#include "mount/daemon.h"
#include "mount/options.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define EXIT_USAGE 1
#define EXIT_MOUNT 32

struct call {
	const char *conf, *dir;
	struct mount_options options;
	bool fake, sloppy, verbose;
};

static int usage(const char *what)
{
	fprintf(stderr,
		"mount.fuse.graftfs: %s\n"
		"usage: mount.fuse.graftfs CONF DIR [-fnsv] [-t TYPE] [-o OPTIONS]; see its manual page\n",
		what);
	return EXIT_USAGE;
}

static int complain(const struct graft_error *err, int status)
{
	fprintf(stderr, "mount.fuse.graftfs: %s\n", err->text);
	return status;
}

/* mount(8) puts the operands first, a user may not. 0 or an exit status. */
static int parse(int argc, char **argv, struct call *call)
{
	const char *lists[16];
	size_t n = 0;
	int c;

	while ((c = getopt(argc, argv, "fnsvt:o:")) != -1) {
		if (c == 'f')
			call->fake = true;
		else if (c == 's')
			call->sloppy = true;
		else if (c == 'v')
			call->verbose = true;
		else if (c == '?')
			return usage("that option is not known");
		if (c != 'o')
			continue;
		if (n == sizeof(lists) / sizeof(lists[0]))
			return usage("too many -o");
		lists[n++] = optarg;
	}
	if (argc - optind != 2)
		return usage("a configuration file and a directory are needed");
	call->conf = argv[optind];
	call->dir = argv[optind + 1];
	for (size_t i = 0; i < n; i++) {
		struct graft_error err = { 0 };

		if (mount_options_parse(&call->options, lists[i], call->sloppy, &err))
			return complain(&err, EXIT_USAGE);
	}
	return 0;
}

/* In a build tree the daemon lies beside this program. */
static void find_daemon(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof("graftfsd"));
	char *slash;

	path[n > 0 ? n : 0] = 0;
	slash = strrchr(path, '/');
	if (slash) {
		strcpy(slash + 1, "graftfsd");
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "%s", GRAFTFSD);
}

/* A flag of the mount alone, as FUSE has none of its own. */
static int set_flags(const struct call *call, const char *dir, struct graft_error *err)
{
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | call->options.flags;

	if (!call->options.flags || mount(NULL, dir, NULL, flags, NULL) == 0)
		return 0;
	return error_set(err, errno, "%s: cannot set the options given by -o: %s", dir, strerror(errno));
}

static int do_mount(const struct call *call)
{
	char conf[PATH_MAX], dir[PATH_MAX], daemon[PATH_MAX];
	char *argv[] = { daemon, (char *)"--config", conf, (char *)"--mountpoint", dir, NULL };
	struct graft_error err = { 0 };

	if (!realpath(call->conf, conf)) {
		error_set(&err, errno, "%s: %s", call->conf, strerror(errno));
		return complain(&err, EXIT_MOUNT);
	}
	if (!realpath(call->dir, dir)) {
		error_set(&err, errno, "mount point %s: %s", call->dir, strerror(errno));
		return complain(&err, EXIT_MOUNT);
	}
	find_daemon(daemon);
	if (call->verbose)
		printf("%s --config %s --mountpoint %s\n", daemon, conf, dir);
	if (call->fake)
		return 0;
	pid_t pid = mount_daemon_start(argv, &err);
	if (pid < 0)
		return complain(&err, EXIT_MOUNT);
	if (set_flags(call, dir, &err)) {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
		return complain(&err, EXIT_MOUNT);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct call call = { 0 };
	int status = parse(argc, argv, &call);

	return status ? status : do_mount(&call);
}
