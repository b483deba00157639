/* SPDX-License-Identifier: Apache-2.0 */
/* virtiofsd's command line, taken apart: which settings it makes, in their order, and what was given them. */
#ifndef GRAFT_SERVER_VIRTIOFSD_LINE_H
#define GRAFT_SERVER_VIRTIOFSD_LINE_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What can be set. Several options may set one: --killpriv-v2 and --no-killpriv-v2, -o cache= and --cache. */
enum vfsd_id {
	VFSD_NOTHING, /* accepted, without effect */
	VFSD_SHARED_DIR,
	VFSD_SOCKET_PATH,
	VFSD_OLD_SOCKET,
	VFSD_FD,
	VFSD_SOCKET_GROUP,
	VFSD_TAG,
	VFSD_POOL_SIZE,
	VFSD_XATTR,
	VFSD_POSIX_ACL,
	VFSD_SECURITY_LABEL,
	VFSD_XATTRMAP,
	VFSD_SANDBOX,
	VFSD_SECCOMP,
	VFSD_READONLY,
	VFSD_SUBMOUNTS,
	VFSD_FILE_HANDLES,
	VFSD_CACHE,
	VFSD_MMAP,
	VFSD_READDIRPLUS,
	VFSD_WRITEBACK,
	VFSD_DIRECT_IO,
	VFSD_MODCAPS,
	VFSD_LOG_LEVEL,
	VFSD_SYSLOG,
	VFSD_RLIMIT,
	VFSD_KILLPRIV,
	VFSD_UID_MAP,
	VFSD_GID_MAP,
	VFSD_TRANSLATE_UID,
	VFSD_TRANSLATE_GID,
	VFSD_NOATIME,
	VFSD_MIGRATION_MODE,
	VFSD_MIGRATION_ON_ERROR,
	VFSD_MIGRATION_VERIFY,
	VFSD_MIGRATION_CONFIRM,
	VFSD_TIMEOUT,
	VFSD_FLOCK,
	VFSD_POSIX_LOCK,
	VFSD_LIST, /* -o */
	VFSD_DEBUG,
	VFSD_DAEMONIZE,
	VFSD_SERVE_AGAIN,
	VFSD_PRINT_CAPABILITIES,
	VFSD_DUMP_CONFIG,
	VFSD_HELP,
	VFSD_VERSION,
	VFSD_COUNT
};

struct vfsd_setting {
	enum vfsd_id id;
	const char *text;    /* the value; "true" and "false" of a switch */
	const char *where;   /* the option as it is written: "--cache", "-o cache". Constant */
	const char *warning; /* why it had better not be written so, or NULL. Constant */
};

/* In the order in which they take effect: the arguments, then what stood in the -o lists. */
struct vfsd_line {
	struct vfsd_setting *settings;
	size_t n, room;
	char **lists; /* what the settings of -o lists point into */
	size_t nlists;
};

enum vfsd_result { VFSD_GO_ON, VFSD_SHORT_HELP, VFSD_FULL_HELP, VFSD_SAY_VERSION };

/*
 * Takes the arguments behind the program's name apart, each value checked by itself, then the -o lists, then what
 * excludes or needs what. An enum vfsd_result, or -EINVAL with err for a usage error, or -ENOMEM. The texts of argv are
 * borrowed. line is empty before; vfsd_line_fini in any case.
 */
int vfsd_line_parse(struct vfsd_line *line, int argc, char *const *argv, struct graft_error *err);
void vfsd_line_fini(struct vfsd_line *line);
/* The last setting of an id, which is the one that counts; NULL if there is none. */
const struct vfsd_setting *vfsd_line_last(const struct vfsd_line *line, enum vfsd_id id);
/* Its text; NULL if there is none. */
const char *vfsd_line_text(const struct vfsd_line *line, enum vfsd_id id);
/* Whether a switch is on. */
bool vfsd_line_on(const struct vfsd_line *line, enum vfsd_id id);

/* For the readers of its parts: adds a setting. text and where are borrowed. */
int vfsd_line_add(struct vfsd_line *line, const struct vfsd_setting *setting, struct graft_error *err);
/* Takes every -o list apart. 0, -EINVAL or -ENOMEM with err. */
int vfsd_lists_parse(struct vfsd_line *line, struct graft_error *err);

#endif
