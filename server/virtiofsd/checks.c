/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of virtiofsd's command line against the host, old spellings, and options at odds that are no usage errors. */
#include "server/virtiofsd/checks.h"

#include "lib/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int vfsd_check_shared(const struct vfsd_line *line, struct graft_error *err)
{
	if (vfsd_line_last(line, VFSD_SHARED_DIR))
		return 0;
	return error_set(err, EINVAL, "missing \"--shared-dir\" or \"-o source\" option");
}

static int check_source(const struct vfsd_line *line, struct graft_error *err)
{
	const char *path = vfsd_line_text(line, VFSD_SHARED_DIR);
	struct stat st;

	if (stat(path, &st) != 0)
		return error_set(err, errno, "the shared directory '%.500s' %s%s", path,
				 errno == ENOENT ? "does not exist" : "cannot be looked at: ",
				 errno == ENOENT ? "" : strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "the shared directory '%.500s' is not a directory", path);
	return 0;
}

/* Each warning once, however often the option stands there. */
static void warn(const struct vfsd_line *line)
{
	for (size_t i = 0; i < line->n; i++) {
		const struct vfsd_setting *s = &line->settings[i];
		bool again = false;
		for (size_t k = 0; k < i && !again; k++)
			again = line->settings[k].warning == s->warning && line->settings[k].where == s->where;
		if (s->warning && !again)
			log_warn(NULL, "%s: %s", s->where, s->warning);
	}
}

/* A source of a migration by handles needs no paths. */
static int check_migration(const struct vfsd_line *line, struct graft_error *err)
{
	const char *mode = vfsd_line_text(line, VFSD_MIGRATION_MODE);
	bool confirm = vfsd_line_on(line, VFSD_MIGRATION_CONFIRM);

	if (!mode || strcmp(mode, "file-handles") != 0 || (!confirm && !vfsd_line_on(line, VFSD_MIGRATION_VERIFY)))
		return 0;
	return error_set(err, EINVAL,
			 "Cannot use --migration-%s with --migration-mode=file-handles: handles need none of it",
			 confirm ? "confirm-paths" : "verify-handles");
}

static int check_acl(const struct vfsd_line *line, struct graft_error *err)
{
	const char *acl = vfsd_line_text(line, VFSD_POSIX_ACL);

	if (!acl || strcmp(acl, "never") == 0 ||
	    (!vfsd_line_last(line, VFSD_TRANSLATE_UID) && !vfsd_line_last(line, VFSD_TRANSLATE_GID)))
		return 0;
	return error_set(
		err, EINVAL,
		"Cannot use --translate-uid or --translate-gid with --posix-acl=%s, as in virtiofsd; the layer idmap "
		"of graftfsd --config translates access lists as well, see graftfs-idmap(7)",
		acl);
}

/* The folder that the socket goes into. */
static int check_socket(const struct vfsd_line *line, struct graft_error *err)
{
	const char *path = vfsd_line_text(line, VFSD_SOCKET_PATH);
	char folder[PATH_MAX];
	struct stat st;

	if (!path)
		path = vfsd_line_text(line, VFSD_OLD_SOCKET);
	if (!path)
		return 0;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, EINVAL, "Invalid socket file name: '%.200s'", path);
	int len = slash && slash > path ? (int)(slash - path) : 1;
	snprintf(folder, sizeof(folder), "%.*s", len, slash ? path : ".");
	if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return error_set(err, ENOENT, "%.500s, where the socket shall be, does not exist or is not a directory",
			 folder);
}

int vfsd_check_run(const struct vfsd_line *line, struct graft_error *err)
{
	int res = check_source(line, err);

	if (res)
		return res;
	warn(line);
	res = check_migration(line, err);
	if (!res)
		res = check_acl(line, err);
	return res ? res : check_socket(line, err);
}
