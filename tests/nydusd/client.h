/* SPDX-License-Identifier: Apache-2.0 */
/* A client of nydusd in a test: the daemon as its child, raw HTTP over the API's socket, a folder with what is served. */
#ifndef GRAFT_TESTS_NYDUSD_CLIENT_H
#define GRAFT_TESTS_NYDUSD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CLIENT_IMAGE_FILE "many/file-00042" /* of the image, and what is in it */
#define CLIENT_IMAGE_TEXT "42"
#define CLIENT_ROOM 512

struct client {
	char dir[CLIENT_ROOM];                            /* with share/file, image/boot, image/blobs/, cache/, mnt/, logs/ missing */
	char cwd[2 * CLIENT_ROOM];                        /* of the daemon */
	char api[CLIENT_ROOM], socket[CLIENT_ROOM]; /* paths of the API's and the vhost-user socket; the caller's cwd may count */
	char config[4 * CLIENT_ROOM];                     /* of the image, version 1 */
	pid_t pid;                                        /* 0: not running */
	int out;                                          /* pipe of what it says */
	char said[65536];                                 /* set when it has ended */
};

struct answer {
	int status;
	char head[4096], body[65536];
};

/* text: of share/file. 0 or -1. */
int client_init(struct client *c, const char *text);
/* Ends the daemon, removes the folder. -1 where a sanitizer said something. */
int client_fini(struct client *c);
/* Another folder for the sockets, below dir, as the working directory of both: their names are bare. */
void client_move(struct client *c, const char *name);
void client_write(const struct client *c, const char *name, const char *text);
/* Starts it as nydusd. words ends with NULL. */
void client_start(struct client *c, const char *const *words);
/* Until the API's socket is there. */
void client_await(struct client *c);
/* Its end: the status, or -N for a signal; fails after ms. */
int client_wait(struct client *c, int ms);
int client_end(struct client *c, int signal, int ms);

/* A connection to the API. */
int client_connect(const struct client *c);
bool client_hung_up(int fd);
/* One request on a new connection, and its answer. */
void client_say(const struct client *c, struct answer *a, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Fails unless it is status; 204 has no body and no length, others have both. */
void client_expect(const struct answer *a, int status);

#endif
