/* SPDX-License-Identifier: Apache-2.0 */
/* The upper directory's files: opening by name and by descriptor, and overlayfs's marks on them. */
#ifndef GRAFT_OVERLAY_UPPER_H
#define GRAFT_OVERLAY_UPPER_H

#include "overlay.h"

#include <sys/types.h>

#define OV_NAME_BUF 16 /* bytes of a descriptor's name */

/* What an upper directory says of a name. */
enum ov_seen { OV_ABSENT, OV_WHITEOUT, OV_OBJECT };

/* Opens the directories of the settings; everything of the instance that is a descriptor. 0, or -errno with err; then
 * ov_dirs_close. */
int ov_dirs_open(struct graft_inst *inst, const struct ov_settings *set, struct graft_error *err);
/* Closes what is open, and takes the folder for unfinished things away. */
void ov_dirs_close(struct graft_inst *inst);
/* The deepest folder that holds both, and each path below it. parent: malloc'ed. 0, -EINVAL: one is in the other, or
 * has "..". */
int ov_common_parent(const struct ov_settings *set, char **parent, const char **upper, const char **work);

/* openat2 beneath dir_fd, through no link and into no other mount. path: one name, or several of directories. fd or
 * -errno. */
int ov_open_name(const struct graft_inst *inst, int dir_fd, const char *path, int flags, mode_t mode);
/* What fd has open, once more. fd or -errno. */
int ov_open_again(const struct graft_inst *inst, int fd, int flags);
/* Name of a descriptor below proc_fd. */
const char *ov_fd_name(char buf[OV_NAME_BUF], int fd);

/* fd: O_PATH or real; by name in dir_fd. 0 or -errno. */
int ov_stat(int fd, struct statx *stx);
int ov_stat_name(int dir_fd, const char *name, struct statx *stx);
bool ov_is_whiteout(const struct statx *stx);
/* enum ov_seen or -errno. */
int ov_see(int dir_fd, const char *name, struct statx *stx);

/* Extended attributes of what fd has open, O_PATH or real, links included. Bytes, or -errno. */
ssize_t ov_get_xattr(const struct graft_inst *inst, int fd, const char *name, void *value, size_t size);
ssize_t ov_list_xattr(const struct graft_inst *inst, int fd, char *names, size_t size);
/* 0 or -errno. */
int ov_set_xattr(const struct graft_inst *inst, int fd, const char *name, const void *value, size_t size, int flags);
int ov_remove_xattr(const struct graft_inst *inst, int fd, const char *name);
/* Names that are the overlay's own: clients neither see nor change them. */
bool ov_own_xattr(const char *name);

/* 1: nothing of what lies below shows in this directory; 0 or -errno. */
int ov_is_opaque(const struct graft_inst *inst, int fd);
int ov_set_opaque(const struct graft_inst *inst, int fd);

/* A name in temp_fd that nothing has yet. */
#define OV_TEMP_NAME 24
void ov_temp_name(struct graft_inst *inst, char name[OV_TEMP_NAME]);
/* A whiteout under a new name in temp_fd. 0 or -errno. */
int ov_temp_whiteout(struct graft_inst *inst, char name[OV_TEMP_NAME]);
/* Removes a name of dir_fd, a directory with all that is in it. Failures are not told: what stays is removed at the
 * next start. */
void ov_remove_tree(const struct graft_inst *inst, int dir_fd, const char *name);

#endif
