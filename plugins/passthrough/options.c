/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a mount of type passthrough. */
#include "passthrough.h"

#include <stddef.h>

#define AT(field) .offset = offsetof(struct pt_settings, field)
#define DAY_NS    (UINT64_C(86400) * 1000000000)
#define BOOL(name, value, text, field) {.key = name, .dflt = value, .help = text, .type = GRAFT_OPT_BOOL, AT(field)}

/* In the order of the enums in passthrough.h. */
static const char *const caches[] = {"auto", "always", "metadata", "never", NULL};
static const char *const handles[] = {"never", "prefer", "mandatory", NULL};
static const char *const modes[] = {"never", "auto", "always", NULL};
static const char *const killpriv[] = {"false", "true", "auto", NULL}; /* enum pt_killpriv */

const struct graft_opt pt_options[] = {
	{.key = "source", .help = "directory of this host to serve", .type = GRAFT_OPT_PATH, AT(source)},
	{.key = "cache",
	 .dflt = "auto",
	 .help = "what the guest may cache, and for how long",
	 .type = GRAFT_OPT_ENUM,
	 AT(cache),
	 .choices = caches},
	{.key = "inode-file-handles",
	 .dflt = "prefer",
	 .help = "whether nodes may live on a file handle instead of a descriptor",
	 .type = GRAFT_OPT_ENUM,
	 AT(file_handles),
	 .choices = handles},
	{.key = "posix-acl",
	 .dflt = "never",
	 .help = "POSIX access control lists",
	 .type = GRAFT_OPT_ENUM,
	 AT(posix_acl),
	 .choices = modes},
	{.key = "security-label",
	 .dflt = "never",
	 .help = "security contexts of new files, as SELinux uses them",
	 .type = GRAFT_OPT_ENUM,
	 AT(security_label),
	 .choices = modes},
	{.key = "entry-timeout",
	 .help = "how long the guest may use a name it looked up; by cache mode if absent",
	 .type = GRAFT_OPT_SECONDS,
	 AT(entry_timeout),
	 .max = 365 * DAY_NS,
	 .optional = 1},
	{.key = "attr-timeout",
	 .help = "how long the guest may use attributes; by cache mode if absent",
	 .type = GRAFT_OPT_SECONDS,
	 AT(attr_timeout),
	 .max = 365 * DAY_NS,
	 .optional = 1},
	{.key = "negative-timeout",
	 .dflt = "0",
	 .help = "how long the guest may remember that a name does not exist",
	 .type = GRAFT_OPT_SECONDS,
	 AT(negative_timeout),
	 .max = 365 * DAY_NS},
	{.key = "max-nodes",
	 .dflt = "16777216",
	 .help = "files and directories one session may hold at the same time",
	 .type = GRAFT_OPT_U64,
	 AT(max_nodes),
	 .min = 16,
	 .max = 1 << 28},
	BOOL("readonly", "false", "refuse everything that changes the share", readonly),
	BOOL("xattr", "false", "extended attributes; also on with posix-acl or security-label", xattr),
	BOOL("writeback", "false", "let the guest gather writes in its cache", writeback),
	{.key = "killpriv-v2",
	 .dflt = "auto",
	 .help = "clear setuid and setgid bits here when a file is written; auto: not on network file systems",
	 .type = GRAFT_OPT_ENUM,
	 AT(killpriv_v2),
	 .choices = killpriv},
	BOOL("direct-io", "false", "pass O_DIRECT on to the host", direct_io),
	BOOL("allow-mmap", "false", "shared mappings of files that bypass the guest's cache", allow_mmap),
	BOOL("readdirplus", "true", "list directories with attributes", readdirplus),
	BOOL("announce-submounts", "true", "show mounts below the share as mounts in the guest", submounts),
	BOOL("locks", "false", "POSIX and flock locks shared with the host and other guests", locks),
	BOOL("preserve-noatime", "false", "pass O_NOATIME on to the host", preserve_noatime),
	{.key = NULL},
};
