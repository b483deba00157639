/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that nydusd's command line names or means. */
#ifndef GRAFT_SERVER_NYDUSD_FILES_H
#define GRAFT_SERVER_NYDUSD_FILES_H

#include "lib/error.h"

#define NYD_TEXT_MAX (1u << 20) /* bytes of a file; nydusd's own bound of a configuration */

/* A file of text, of NYD_TEXT_MAX bytes at most and without NULs, the caller's to free. 0 or -errno with err. */
int nyd_read_text(const char *path, char **text, struct graft_error *err);
/* Cuts blanks and line ends off both ends; returns where text begins now. */
char *nyd_trim(char *text);
/* An absolute path without empty and "." parts, ".." stepping up but not above "/". NULL when out of memory. */
char *nyd_normal_path(const char *path);
/* The configuration, JSON of version 1, that --localfs-dir stands for; NULL when out of memory. */
char *nyd_localfs_config(const char *folder);
/* Makes the folders that a file's path names and that are missing. 0 or -errno with err. */
int nyd_make_folders(const char *path, struct graft_error *err);

#endif
