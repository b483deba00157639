/* SPDX-License-Identifier: Apache-2.0 */
/* A server in this process, and its one client: requests laid out as the Linux driver does it, handed over in three
 * ways. */
#ifndef GRAFT_BENCH_INSTRUCTIONS_CLIENT_H
#define GRAFT_BENCH_INSTRUCTIONS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_PAGE 4096u
#define CLIENT_DATA_MAX (64u << 10) /* bytes of a request's pages, and of those of a reply */

/* How a request comes to the server: as lists of its parts, or through a ring, where it is taken and given back as
 * well. */
enum client_way { CLIENT_DIRECT, CLIENT_SPLIT, CLIENT_PACKED, CLIENT_WAYS };

struct client;

/* A request: its argument is in, then tail. */
struct client_call {
	uint32_t opcode;
	uint64_t node;
	const void *in, *tail;
	uint32_t in_len, tail_len; /* together a page at most */
	uint32_t data_in;          /* bytes of the request's pages, a multiple of 8; what they hold does not matter */
	uint32_t reply_len;        /* of the reply's struct */
	uint32_t data_out;         /* bytes of the reply's pages */
	bool no_reply;
};

/*
 * Starts the server that the INI file describes, without its transports, and sends INIT. What cannot be done here and
 * below ends the program with status 1.
 */
struct client *client_open(const char *ini);
void client_close(struct client *c);
/* How the following requests are handed over. */
void client_use(struct client *c, enum client_way way);
/* Has the request served. What the server does for it is between the begin and the end of client_counted, if counted.
 * The error. */
int client_call(struct client *c, const struct client_call *call, bool counted);
/* The same where an error ends the program. */
void client_must(struct client *c, const struct client_call *call, bool counted);
/* The last reply behind its header, valid until the next call: the struct, and the bytes of struct and pages. */
const void *client_reply(const struct client *c);
uint32_t client_reply_bytes(const struct client *c);
/* Copies what its pages hold; room for data_out bytes. */
void client_data(const struct client *c, void *to);

#endif
