/* SPDX-License-Identifier: Apache-2.0 */
/* A server for tests of graftctl: a thread that gives canned answers in order and keeps what it was asked. */
#ifndef GRAFT_TESTS_CTL_FAKE_API_H
#define GRAFT_TESTS_CTL_FAKE_API_H

#include <stddef.h>

struct fake_api;

enum fake_end {
	FAKE_KEEP,   /* the next request comes on this connection */
	FAKE_HANGUP, /* close it */
	FAKE_STALL,  /* say no more until the client leaves */
	FAKE_FLOOD,  /* send bytes until the client leaves */
};

/* Listens on path when it returns. Aborts the test where it cannot. */
struct fake_api *fake_start(const char *path);
/* Ends the connection there may be, removes the socket. */
void fake_stop(struct fake_api *f);

/* The next answer. A request that finds none left gets the last one again. */
void fake_json(struct fake_api *f, int status, const char *json); /* json NULL: no body */
void fake_raw(struct fake_api *f, const void *bytes, size_t size, enum fake_end end);

/* "METHOD TARGET" and, behind a blank, the body if there was one. NULL where it does not come within 10 s. */
const char *fake_request(struct fake_api *f, size_t i);
size_t fake_requests(struct fake_api *f);

#endif
