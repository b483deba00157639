/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's options: spelling, value, where they may stand, and help. One table for parser, messages and help. */
#include "server/nydusd/options.h"

#include "server/virtiofsd/values.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define THREADS_MAX 1024

static const char *const levels[] = { "trace", "debug", "info", "warn", "error", NULL };
static const char *const policies[] = { "none", "resend", "flush", NULL };

bool nyd_threads(const char *text, uint64_t *n)
{
	return vfsd_number(text, n) && *n >= 1 && *n <= THREADS_MAX;
}

static int check_threads(const char *value, struct graft_error *err)
{
	uint64_t n;

	return nyd_threads(value, &n) ? 0 : error_set(err, EINVAL, "must be a number of threads, 1 to %d", THREADS_MAX);
}

#define OPTION(s, i, f, h) .spelling = s, .id = i, .forms = f, .help = h
#define VALUE(s, i, f, h) OPTION(s, i, f, h), .value = true

/* In the order of the help. */
const struct nyd_option nyd_options[] = {
	{ VALUE("--apisock", NYD_APISOCK, NYD_ALL, "socket of the API"), .letter = 'A' },
	{ VALUE("--config", NYD_CONFIG, NYD_ALL, "configuration of the image: JSON or TOML"), .letter = 'C' },
	{ VALUE("--id", NYD_ID, NYD_ALL, "name of this daemon, for its supervisor"), .needs = NYD_SUPERVISOR },
	{ VALUE("--supervisor", NYD_SUPERVISOR, NYD_ALL, "socket of the process that keeps state and /dev/fuse"),
	  .needs = NYD_ID },
	{ VALUE("--log-level", NYD_LOG_LEVEL, NYD_ALL, "least important messages"), .letter = 'l', .words = levels,
	  .shown = "info" },
	{ VALUE("--log-file", NYD_LOG_FILE, NYD_ALL, "file for messages; without an extension it gets .log"),
	  .letter = 'L' },
	{ VALUE("--log-rotation-size", NYD_LOG_ROTATION, NYD_ALL,
		"MiB after which a new log file is begun; 0: never"), .shown = "0" },
	{ VALUE("--rlimit-nofile", NYD_RLIMIT, NYD_ALL, "limit of open files; 0 leaves it as it is"),
	  .shown = "1000000, or the highest allowed" },
	{ OPTION("--upgrade", NYD_UPGRADE, NYD_ALL, "wait for a takeover, and mount nothing") },
	{ VALUE("--mountpoint", NYD_MOUNTPOINT, NYD_FUSE, "directory of this host to mount on"), .letter = 'M',
	  .required = NYD_FUSE },
	{ VALUE("--failover-policy", NYD_FAILOVER, NYD_FUSE, "what becomes of requests that a takeover finds"),
	  .words = policies, .shown = "resend" },
	{ VALUE("--fuse-threads", NYD_THREADS, NYD_FUSE, "threads that read requests, 1 to 1024"),
	  .alias = "--thread-num", .check = check_threads, .shown = "by the number of processors" },
	{ OPTION("--writable", NYD_WRITABLE, NYD_FUSE, "mount it for writing") },
	{ VALUE("--sock", NYD_SOCK, NYD_VIRTIOFS, "vhost-user socket to listen on"), .required = NYD_VIRTIOFS },
	{ OPTION("--hybrid-mode", NYD_HYBRID, NYD_VIRTIOFS, "accepted, without effect"),
	  .warning = "it has no effect: images and directories are always served side by side" },
	{ VALUE("--bootstrap", NYD_BOOTSTRAP, NYD_FS, "image to serve, by its metadata"), .letter = 'B',
	  .excludes = NYD_SHARED_DIR },
	{ VALUE("--localfs-dir", NYD_LOCALFS, NYD_FS, "directory with the image's blobs, and for its cache"),
	  .letter = 'D', .excludes = NYD_CONFIG },
	{ VALUE("--shared-dir", NYD_SHARED_DIR, NYD_FS, "directory to serve"), .letter = 's' },
	{ VALUE("--prefetch-files", NYD_PREFETCH, NYD_FS, "file with a path of the image to fetch on each line"),
	  .needs = NYD_BOOTSTRAP },
	{ VALUE("--virtual-mountpoint", NYD_VIRTUAL, NYD_FS, "where --bootstrap or --shared-dir is seen"),
	  .letter = 'm', .shown = "/" },
	{ VALUE("--dedup-db", NYD_DEDUP, NYD_FS, "database of chunks that several images share") },
	{ VALUE("--fscache", NYD_FSCACHE, NYD_SINGLETON, "refused: EROFS over fscache is not built in"), .letter = 'F' },
	{ VALUE("--fscache-tag", NYD_FSCACHE_TAG, NYD_SINGLETON, "the same"), .needs = NYD_FSCACHE },
	{ VALUE("--fscache-threads", NYD_FSCACHE_THREADS, NYD_SINGLETON, "checked, but of no effect"),
	  .check = check_threads, .shown = "4" },
	{ VALUE("--backend-source", NYD_BACKEND_SOURCE, NYD_ALL, "accepted, without effect"),
	  .warning = "it has no effect: backends come from the configuration alone" },
	{ OPTION("--dump-config", NYD_DUMP_CONFIG, NYD_ALL,
		 "graftfs: print the same as a configuration for graftfsd --config, and end") },
	{ OPTION("--help", NYD_HELP, NYD_ALL, "print this"), .letter = 'h' },
	{ OPTION("--version", NYD_VERSION, NYD_ALL, "print the version"), .letter = 'V' },
	{ .spelling = NULL },
};

const struct nyd_option *nyd_option_of(enum nyd_id id)
{
	const struct nyd_option *o = nyd_options;

	while (o->spelling && o->id != id)
		o++;
	return o;
}

const char *nyd_label(const struct nyd_option *o, char to[NYD_LABEL_MAX])
{
	const char *name = o->spelling + strlen("--");

	snprintf(to, NYD_LABEL_MAX, "%s%s%s%s", o->spelling, o->value ? " <" : "", o->value ? name : "",
		 o->value ? ">" : "");
	return to;
}
