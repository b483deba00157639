/* SPDX-License-Identifier: Apache-2.0 */
/* Names of Unix sockets: what of a path goes into a socket's address. */
#ifndef GRAFT_LIB_UNIX_NAME_H
#define GRAFT_LIB_UNIX_NAME_H

#include <sys/un.h>

#define UNIX_NAME_MAX ((int)sizeof(((struct sockaddr_un *)0)->sun_path)) /* bytes with the NUL */

/*
 * path, or what of an absolute one is left behind the working directory where only that is short enough: who started a
 * program by a relative name has the same one. Points into path; NULL: both are too long.
 */
const char *unix_name(const char *path);

#endif
