/* SPDX-License-Identifier: Apache-2.0 */
/* Rig of the control API's tests: a daemon and a manager made of arrays, and a client that speaks raw HTTP. */
#ifndef GRAFT_TESTS_UNIT_CONTROL_RIG_H
#define GRAFT_TESTS_UNIT_CONTROL_RIG_H

#include "server/control.h"

#include <jansson.h>

/* --- the daemon: what was asked of it, and what it does wrong when told to */

#define FAKE_MOUNTS 64

struct fake_mount {
	char name[64], at[4200], type[64];
	struct mount_key *keys;
	size_t nkeys;
	uint32_t slot;
	uint64_t nodes;
};

/*
 * A mount fails by its source: "/missing" with ENOENT, "/secret" with EACCES, "/full" with ENOSPC, "/gone" with ENOSYS.
 * "/slow" waits for fake_release. Keys but source, cache, config, prefetch-files, number, flag and LAYER.KEY are
 * unknown (EINVAL). Plugins are passthrough, nydus-rafs and memory (backends) and idmap (a layer).
 */
void fake_reset(void);
const struct control_host *fake_host(void);
struct config *fake_config(void);
/* Value i of a key of the mount at a path; NULL where there is none. */
const char *fake_key(const char *at, const char *key, int i);
size_t fake_nmounts(void);
/* Look-ups that clients hold of the mount at a path. */
void fake_hold(const char *at, uint64_t nodes);
/* A record that could not be restored; retried, it mounts if mountable. */
void fake_fail(const char *at, const char *why, bool mountable);
void fake_unload_rafs(void);
/* The last value that a mount was told since the last call, "AT NAME=VALUE". */
void fake_told(char told[256]);
/* Mounts at this path fail, until it is called with NULL. */
void fake_break(const char *at);
/* How many mounts wait for it, and lets them go on. */
unsigned fake_waiting(void);
void fake_release(void);
/* Whether the daemon has a transport of /dev/fuse, with a kernel that said INIT; and whether it waits for a connection. */
void fake_fuse(bool has, bool init, bool waits);
/* What became of the connection: given away, taken, served, left. How often. */
struct fake_connection {
	unsigned gives, takes, begins, leaves;
	uint64_t dev, offered, enabled, last_place;
	size_t nplaces;
};
struct fake_connection fake_connection(void);
/* How often the daemon was asked to stop. */
unsigned fake_stops(void);
/* From now on nothing is run on workers. */
/* Requests under way on /dev/fuse; transports that are not there: 1 vhost-user, 2 fuse. */
void fake_under_way(uint32_t flights, uint32_t hidden);
void fake_refuse_work(bool refuse);
void fake_no_config_dump(bool fail);

/* --- the module, started on a socket in a folder of its own */

struct rig {
	const struct control_module *module;
	struct control *control;
	char dir[64], path[100];
	bool serving;
};

extern const struct control_module graft_control_v1;

/* Without start: makes the folder and names the socket in the configuration. */
void rig_prepare(struct rig *r);
void rig_start(struct rig *r);
void rig_stop(struct rig *r);
/* cmocka's set-up and tear-down: *state is the rig. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* --- the client */

struct reply {
	int status;
	char head[2048]; /* status line and headers */
	char *body;      /* with a NUL; reply_free */
	size_t len;
	json_t *json; /* of the body, if it is JSON */
};

int rig_connect(const struct rig *r);
/* Sends all; false when the other side has closed. */
bool wire_send(int fd, const void *bytes, size_t len);
/* Reads one answer; false when the other side has closed before. */
bool wire_receive(int fd, struct reply *reply);
/* No bytes are there now. */
bool wire_silent(int fd);
/* One request on a connection that stays; body NULL: none. Fails the test where no answer comes. */
struct reply *call_on(int fd, const char *method, const char *target, const char *body);
/* The same on a connection of its own. */
struct reply *call(const struct rig *r, const char *method, const char *target, const char *body);
void reply_free(struct reply *reply);

/* Asserts status and body, then frees. body NULL: there must be none. */
void expect(struct reply *reply, int status, const char *body);
/* Asserts status and the code of an error of /api/graft/v1, and that its message has text in it, on one line. */
void expect_error(struct reply *reply, int status, const char *code, const char *text);

#endif
