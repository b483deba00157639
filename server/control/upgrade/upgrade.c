/* SPDX-License-Identifier: Apache-2.0 */
/* The life of this daemon as nydusd's clients know it. */
#include "server/control/upgrade/upgrade.h"

#include "lib/cleanup.h"
#include "server/control/upgrade/handover.h"
#include "server/control/upgrade/supervisor.h"

#include <stdatomic.h>

enum state { STATE_INIT, STATE_READY, STATE_RUNNING, STATE_STOPPED };

struct upgrade {
	const struct control_host *host;
	struct manager *manager;
	pthread_mutex_t lock;     /* held for the whole of a wish */
	_Atomic enum state state; /* changed with lock held; relaxed */
};

struct upgrade *upgrade_new(const struct control_host *host, struct manager *manager, struct graft_error *err)
{
	struct upgrade *u = calloc(1, sizeof(*u));

	if (!u) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	u->host = host;
	u->manager = manager;
	pthread_mutex_init(&u->lock, NULL);
	atomic_init(&u->state, host->waits ? STATE_INIT : STATE_RUNNING);
	return u;
}

void upgrade_free(struct upgrade *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static enum state state_of(const struct upgrade *u)
{
	return atomic_load_explicit(&u->state, memory_order_relaxed);
}

static void set_state(struct upgrade *u, enum state state)
{
	atomic_store_explicit(&u->state, state, memory_order_relaxed);
}

const char *upgrade_state(const struct upgrade *u)
{
	static const char *const words[] = {
		[STATE_INIT] = "INIT",
		[STATE_READY] = "READY",
		[STATE_RUNNING] = "RUNNING",
		[STATE_STOPPED] = "STOPPED",
	};

	return words[state_of(u)];
}

/* Logged here, once; the client is told by who asked. */
static void failed(const struct upgrade *u, struct upgrade_result *res, const char *what)
{
	res->how = res->err.code == ENOTCONN     ? UPGRADE_NOT_READY
		   : res->err.code == EOPNOTSUPP ? UPGRADE_UNSUPPORTED
						 : UPGRADE_FAILED;
	u->host->log(GRAFT_LOG_ERROR, "upgrade", "%s: %s", what, res->err.text);
}

/* Which supervisor; NULL with the error. */
static const char *supervisor(const struct upgrade *u, struct upgrade_result *res)
{
	const char *path = u->host->config->server.supervisor;

	if (!path)
		error_set(&res->err, EINVAL, "no supervisor is configured");
	return path;
}

/* ---- start ---- */

void upgrade_start(struct upgrade *u, struct upgrade_result *res)
{
	*res = (struct upgrade_result){ .how = UPGRADE_DONE };
	LOCK_SCOPE(&u->lock);
	if (state_of(u) != STATE_READY) {
		res->how = UPGRADE_UNEXPECTED;
		return;
	}
	if (u->host->connection_begin(u->host->server, &res->err)) {
		failed(u, res, "start");
		return;
	}
	set_state(u, STATE_RUNNING);
}

/* ---- takeover ---- */

static int take(struct upgrade *u, const char *path, struct upgrade_result *res)
{
	auto_free unsigned char *bytes = NULL;
	struct nydus_state s;
	auto_close int fd = -1;
	size_t len;
	int code = supervisor_receive(path, &fd, &bytes, &len, &res->step, &res->err);

	if (code)
		return code;
	res->step = "Deserialize";
	code = nydus_state_decode(&s, bytes, len, &res->err);
	if (code)
		return code;
	res->step = NULL;
	code = handover_load(u->host, u->manager, &s, fd, &res->err);
	if (!code)
		steal_fd(&fd);
	nydus_state_fini(&s);
	return code;
}

void upgrade_take(struct upgrade *u, struct upgrade_result *res)
{
	*res = (struct upgrade_result){ .how = UPGRADE_DONE };
	LOCK_SCOPE(&u->lock);
	const char *path = supervisor(u, res);

	if (state_of(u) != STATE_INIT)
		res->how = UPGRADE_UNEXPECTED;
	else if (!path || take(u, path, res))
		failed(u, res, "takeover");
	else
		set_state(u, STATE_READY);
}

/* ---- sendfd ---- */

static int send_state(struct upgrade *u, const char *path, struct upgrade_result *res)
{
	struct control_connection connection;
	auto_free unsigned char *bytes = NULL;
	struct nydus_state s = { 0 };
	size_t len = 0;
	int code = handover_save(u->host, &s, &connection, &res->err);

	if (code) {
		nydus_state_fini(&s);
		return code;
	}
	res->step = "Serialize";
	code = nydus_state_encode(&s, &bytes, &len, &res->err);
	const char *unfit = code ? NULL : nydus_state_unfit(&s, len);
	if (unfit)
		u->host->log(GRAFT_LOG_WARN, "upgrade", "nydusd could not read this state: %s", unfit);
	if (!code)
		code = supervisor_send(path, connection.fd, bytes, len, &res->step, &res->err);
	cleanup_close(&connection.fd);
	nydus_state_fini(&s);
	return code;
}

void upgrade_send(struct upgrade *u, struct upgrade_result *res)
{
	*res = (struct upgrade_result){ .how = UPGRADE_DONE };
	LOCK_SCOPE(&u->lock);
	const char *path = supervisor(u, res);
	enum state state = state_of(u);

	if (state == STATE_INIT || state == STATE_STOPPED)
		res->how = UPGRADE_NOT_READY;
	else if (!path || send_state(u, path, res))
		failed(u, res, "sendfd");
}

/* ---- exit ---- */

void upgrade_leave(struct upgrade *u, struct upgrade_result *res)
{
	*res = (struct upgrade_result){ .how = UPGRADE_DONE };
	LOCK_SCOPE(&u->lock);
	enum state state = state_of(u);

	if (state == STATE_INIT || state == STATE_STOPPED) {
		res->how = UPGRADE_UNEXPECTED;
		return;
	}
	/* Where no other process could go on with the mount, the end takes it away. */
	if (state == STATE_RUNNING && u->host->connection_leave(u->host->server, &res->err) &&
	    res->err.code != EOPNOTSUPP)
		u->host->log(GRAFT_LOG_ERROR, "upgrade", "exit: %s", res->err.text);
	set_state(u, STATE_STOPPED);
}
