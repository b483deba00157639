/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's control API from the outside: HTTP/1.1 over its socket, one connection that stays open. */
#ifndef GRAFT_TESTS_MOUNTS_API_H
#define GRAFT_TESTS_MOUNTS_API_H

#include <stddef.h>

#define API_ANSWER_MAX (8 << 20) /* bytes of a body: a listing of 4096 mounts fits */

/* One thread at a time. */
struct api {
	int fd;
	char *body; /* of the last answer, with a NUL */
	size_t len;
};

/* 0 or -errno. */
int api_open(struct api *a, const char *socket);
void api_close(struct api *a);
/* body NULL: none. The status code, or -errno when there was no whole answer. */
int api_call(struct api *a, const char *method, const char *target, const char *body);

/* nydusd's calls, but for a remount, which it has for images only; the status code (204: done) or -errno. */
int api_mount(struct api *a, const char *at, const char *source);
int api_remount(struct api *a, const char *at, const char *source);
int api_umount(struct api *a, const char *at);

#endif
