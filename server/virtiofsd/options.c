/* SPDX-License-Identifier: Apache-2.0 */
/* virtiofsd's options: spelling, value, what is right, and help. One table for parser, messages and help. */
#include "server/virtiofsd/options.h"

#include "server/virtiofsd/values.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct vfsd_word vfsd_cache_words[] = {
	{ "auto", "auto", NULL },
	{ "always", "always", NULL },
	{ "metadata", "metadata", NULL },
	{ "never", "never", NULL },
	{ "none", "never", "'none' is the old word for 'never'" },
	{ "", "auto", NULL },
	{ NULL, NULL, NULL },
};
static const struct vfsd_word modes[] = {
	{ "never", "never", NULL }, { "auto", "auto", NULL }, { "always", "always", NULL }, { NULL, NULL, NULL }
};
static const struct vfsd_word sandboxes[] = {
	{ "namespace", "namespace", NULL }, { "chroot", "chroot", NULL }, { "none", "none", NULL }, { NULL, NULL, NULL }
};
static const struct vfsd_word seccomps[] = {
	{ "none", "none", NULL }, { "kill", "kill", NULL }, { "log", "log", NULL },
	{ "trap", "trap", NULL }, { NULL, NULL, NULL },
};
static const struct vfsd_word handles[] = {
	{ "never", "never", NULL },
	{ "prefer", "prefer", NULL },
	{ "mandatory", "mandatory", NULL },
	{ "fallback", "prefer", "'fallback' is the old word for 'prefer'" },
	{ NULL, NULL, NULL },
};
static const struct vfsd_word levels[] = {
	{ "error", "error", NULL }, { "warn", "warn", NULL }, { "info", "info", NULL }, { "debug", "debug", NULL },
	{ "trace", "trace", NULL }, { "off", "off", NULL },   { NULL, NULL, NULL },
};
static const struct vfsd_word migration_modes[] = { { "find-paths", "find-paths", NULL },
						    { "file-handles", "file-handles", NULL },
						    { NULL, NULL, NULL } };
static const struct vfsd_word migration_faults[] = { { "abort", "abort", NULL },
						     { "guest-error", "guest-error", NULL },
						     { NULL, NULL, NULL } };

#define NO_MIGRATION "this release has no live migration, so it has no effect"
#define FLAG(s, i, h)                                                                                                  \
	{                                                                                                              \
		.spelling = s, .id = i, .help = h                                                                      \
	}
#define VALUE(s, i, n, h) .spelling = s, .arg = VFSD_VALUE, .id = i, .name = n, .help = h

/* In the order of the help. */
const struct vfsd_option vfsd_options[] = {
	{ VALUE("--shared-dir", VFSD_SHARED_DIR, "SHARED_DIR", "directory to share with the guest") },
	{ VALUE("--tag", VFSD_TAG, "TAG", "name that the guest mounts by, for front ends that ask the device for it"),
	  .check = vfsd_check_tag,
	  .more = "1 to 36 bytes of UTF-8. QEMU has a tag of its own, and its releases 7.1 to 8.0 crash if there is "
		  "one." },
	{ VALUE("--socket-path", VFSD_SOCKET_PATH, "SOCKET_PATH", "socket to listen on for the front end"),
	  .more = "SOCKET_PATH.pid beside it holds the process id and is locked while the program runs." },
	{ VALUE("--socket", VFSD_OLD_SOCKET, "SOCKET", "the same [deprecated]"),
	  .warning = "deprecated: write '--socket-path'" },
	{ VALUE("--socket-group", VFSD_SOCKET_GROUP, "SOCKET_GROUP", "group that may connect to the socket as well") },
	{ VALUE("--fd", VFSD_FD, "FD", "listening socket that was inherited, instead of --socket-path"),
	  .check = vfsd_check_fd },
	{ VALUE("--thread-pool-size", VFSD_POOL_SIZE, "THREAD_POOL_SIZE",
		"threads for requests that may block; 0: as many as useful"),
	  .check = vfsd_check_number, .shown = "0",
	  .more = "What does not block is answered by the queue's own thread whatever the number." },
	FLAG("--xattr", VFSD_XATTR, "extended attributes"),
	{ .spelling = "--posix-acl",
	  .arg = VFSD_OPTIONAL,
	  .id = VFSD_POSIX_ACL,
	  .name = "never|auto|always",
	  .words = modes,
	  .shown = "never",
	  .help = "POSIX access control lists; implies --xattr",
	  .more = "auto: where the guest can. always: guests that cannot are refused." },
	{ .spelling = "--security-label",
	  .arg = VFSD_OPTIONAL,
	  .id = VFSD_SECURITY_LABEL,
	  .name = "never|auto|always",
	  .words = modes,
	  .shown = "never",
	  .help = "new files get the guest's security label; implies --xattr" },
	{ VALUE("--xattrmap", VFSD_XATTRMAP, "XATTRMAP",
		"rules that map names of extended attributes; implies --xattr"),
	  .check = vfsd_check_xattrmap,
	  .more = "Such as :map::user.virtiofs.: or the path of a file of rules, see graftfs-xattrmap(7)." },
	{ VALUE("--sandbox", VFSD_SANDBOX, "SANDBOX", "what the program locks itself into (namespace, chroot, none)"),
	  .words = sandboxes, .fold = true, .shown = "namespace" },
	{ VALUE("--seccomp", VFSD_SECCOMP, "SECCOMP", "what a forbidden system call does (none, kill, log, trap)"),
	  .words = seccomps, .shown = "kill" },
	FLAG("--readonly", VFSD_READONLY, "refuse all that would change the share"),
	FLAG("--announce-submounts", VFSD_SUBMOUNTS, "show mounts inside the share as mounts [default]"),
	{ .spelling = "--no-announce-submounts",
	  .id = VFSD_SUBMOUNTS,
	  .fixed = "false",
	  .help = "show them as plain directories" },
	{ .spelling = "--inode-file-handles",
	  .arg = VFSD_EQUALS,
	  .id = VFSD_FILE_HANDLES,
	  .name = "INODE_FILE_HANDLES",
	  .words = handles,
	  .shown = "prefer",
	  .help = "keep files as handles instead of descriptors (never, prefer, mandatory)" },
	{ VALUE("--cache", VFSD_CACHE, "CACHE", "what the guest may cache (auto, always, metadata, never)"),
	  .words = vfsd_cache_words, .fold = true, .shown = "auto" },
	FLAG("--allow-mmap", VFSD_MMAP, "shared mappings of files that bypass the guest's cache"),
	{ .spelling = "--no-readdirplus",
	  .id = VFSD_READDIRPLUS,
	  .fixed = "false",
	  .help = "list directories without attributes" },
	FLAG("--writeback", VFSD_WRITEBACK, "let the guest gather writes in its cache"),
	FLAG("--allow-direct-io", VFSD_DIRECT_IO, "pass the guest's O_DIRECT on to the host"),
	FLAG("--print-capabilities", VFSD_PRINT_CAPABILITIES, "print what management tools ask for, as JSON, and end"),
	{ VALUE("--modcaps", VFSD_MODCAPS, "MODCAPS", "change the capabilities kept, such as +sys_admin:-chown") },
	{ VALUE("--log-level", VFSD_LOG_LEVEL, "LOG_LEVEL",
		"least important messages (error, warn, info, debug, trace, off)"),
	  .words = levels, .fold = true, .shown = "info", .more = "RUST_LOG in the environment goes before it." },
	FLAG("--syslog", VFSD_SYSLOG, "messages to the system's log instead of standard error"),
	{ VALUE("--rlimit-nofile", VFSD_RLIMIT, "RLIMIT_NOFILE", "limit of open files; 0 leaves it as it is"),
	  .check = vfsd_check_number, .shown = "1000000, or the highest allowed" },
	{ .spelling = "-o",
	  .letter = 'o',
	  .arg = VFSD_VALUE,
	  .id = VFSD_LIST,
	  .name = "OPTION,...",
	  .help = "options as older daemons have them [deprecated]",
	  .warning = "deprecated: write the options one by one, such as '--cache auto' for '-o cache=auto'",
	  .more = "Those of QEMU's C daemon too: log_level=, debug, timeout=SECONDS, flock, posix_lock." },
	{ .spelling = "-d",
	  .letter = 'd',
	  .id = VFSD_DEBUG,
	  .help = "--log-level debug [deprecated]",
	  .warning = "deprecated: write '--log-level debug'" },
	FLAG("--killpriv-v2", VFSD_KILLPRIV, "clear setuid and setgid bits here when a file is written"),
	{ .spelling = "--no-killpriv-v2",
	  .id = VFSD_KILLPRIV,
	  .fixed = "false",
	  .help = "leave it to the guest [default]" },
	{ .spelling = "-f",
	  .letter = 'f',
	  .id = VFSD_NOTHING,
	  .help = "no effect [deprecated]",
	  .warning = "deprecated: it has no effect, leave it out" },
	{ .spelling = "--daemonize",
	  .id = VFSD_DAEMONIZE,
	  .help = "go into the background once the socket listens",
	  .more = "As QEMU's C daemon did. Messages go to the system's log." },
	{ VALUE("--uid-map", VFSD_UID_MAP, "UID_MAP", "users of the sandbox's user namespace, :INSIDE:OUTSIDE:COUNT:"),
	  .check = vfsd_check_id_map, .more = "May be repeated. Only for --sandbox namespace, and not for root." },
	{ VALUE("--gid-map", VFSD_GID_MAP, "GID_MAP", "groups of the sandbox's user namespace, :INSIDE:OUTSIDE:COUNT:"),
	  .check = vfsd_check_id_map, .more = "May be repeated. Only for --sandbox namespace, and not for root." },
	{ VALUE("--translate-uid", VFSD_TRANSLATE_UID, "TRANSLATE_UID",
		"users of the guest as others here, TYPE:FROM:TO:COUNT"),
	  .check = vfsd_check_translate,
	  .more = "May be repeated. TYPE is guest, host, squash-guest, squash-host, map, or forbid-guest, which has no "
		  "TO; "
		  "see graftfs-idmap(7)." },
	{ VALUE("--translate-gid", VFSD_TRANSLATE_GID, "TRANSLATE_GID", "the same for groups"),
	  .check = vfsd_check_translate },
	FLAG("--preserve-noatime", VFSD_NOATIME, "pass the guest's O_NOATIME on to the host"),
	{ VALUE("--migration-mode", VFSD_MIGRATION_MODE, "MIGRATION_MODE", "checked, but of no effect in this release"),
	  .words = migration_modes, .shown = "find-paths", .warning = NO_MIGRATION },
	{ VALUE("--migration-on-error", VFSD_MIGRATION_ON_ERROR, "MIGRATION_ON_ERROR",
		"checked, but of no effect in this release"),
	  .words = migration_faults, .shown = "abort", .warning = NO_MIGRATION },
	{ .spelling = "--migration-verify-handles",
	  .id = VFSD_MIGRATION_VERIFY,
	  .warning = NO_MIGRATION,
	  .help = "checked, but of no effect in this release" },
	{ .spelling = "--migration-confirm-paths",
	  .id = VFSD_MIGRATION_CONFIRM,
	  .warning = NO_MIGRATION,
	  .help = "checked, but of no effect in this release" },
	FLAG("--serve-again", VFSD_SERVE_AGAIN,
	     "graftfs: serve the next front end when one has left, instead of ending"),
	FLAG("--dump-config", VFSD_DUMP_CONFIG,
	     "graftfs: print the same as a configuration for graftfsd --config, and end"),
	{ .spelling = "--help", .letter = 'h', .id = VFSD_HELP, .help = "print this; -h prints less of it" },
	{ .spelling = "--version", .letter = 'V', .id = VFSD_VERSION, .help = "print the version" },
	{ .spelling = NULL },
};

const char *vfsd_label(const struct vfsd_option *o, char to[VFSD_LABEL_MAX])
{
	static const char *const before[] = { "", " <", "=<", "[=<" }, *const after[] = { "", ">", ">", ">]" };

	snprintf(to, VFSD_LABEL_MAX, "%s%s%s%s", o->spelling, before[o->arg], o->name ? o->name : "", after[o->arg]);
	return to;
}

/* "must be auto, always, metadata or never"; old words are not named. */
static int no_such_word(const struct vfsd_word *words, struct graft_error *err)
{
	char all[256] = "";
	size_t len = 0;

	for (const struct vfsd_word *w = words; w->word; w++) {
		if (w->warning || *w->word == '\0')
			continue;
		int part = snprintf(all + len, sizeof(all) - len, "%s%s", len > 0 ? ", " : "", w->word);
		if (part > 0 && (size_t)part < sizeof(all) - len)
			len += (size_t)part;
	}
	return error_set(err, EINVAL, "must be one of %s", all);
}

int vfsd_value(const struct vfsd_word *words, bool fold, int (*check)(const char *, struct graft_error *),
	       const char *value, struct vfsd_setting *setting, struct graft_error *err)
{
	setting->text = value;
	for (const struct vfsd_word *w = words; w && w->word; w++) {
		if ((fold ? strcasecmp(w->word, value) : strcmp(w->word, value)) != 0)
			continue;
		setting->text = w->means;
		setting->warning = w->warning ? w->warning : setting->warning;
		return 0;
	}
	if (words)
		return no_such_word(words, err);
	return check ? check(value, err) : 0;
}
