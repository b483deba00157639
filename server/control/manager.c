/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts made at run time: the server and the state folder change together, one path at a time. */
#include "server/control/manager.h"

#include "lib/cleanup.h"
#include "server/control/instance.h"
#include "server/control/ledger.h"
#include "server/control/state_json.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#define NAME_OF_PATH 40 /* bytes of a mount's name that come from its path */

struct manager {
	const struct control_host *host;
	struct ledger ledger;
	bool keeps; /* there is a state folder; what follows holds only then */
	struct instance instance;
	struct process_id process;
	struct store store;
	bool started;           /* main thread: state.json is there */
	_Atomic uint64_t names; /* counts those that the path alone did not give */
};

/* --- what stands in the server */

/* What each_mount is asked for: a copy of the mount at a path. */
struct seen {
	const char *at;
	bool found;
	struct record *copy;
	struct graft_error *err;
};

static int see_mount(const struct mount_info *info, void *arg)
{
	struct seen *seen = arg;

	if (strcmp(info->at, seen->at) != 0)
		return 0;
	seen->found = true;
	if (seen->err)
		seen->copy = record_new(info->name, info->keys, info->nkeys, false, seen->err);
	return 1;
}

static bool is_mounted(const struct manager *m, const char *at)
{
	struct seen seen = { .at = at };

	m->host->each_mount(m->host->server, see_mount, &seen);
	return seen.found;
}

/* NULL with err where there is no memory or nothing is mounted. */
static struct record *copy_mount(const struct manager *m, const char *at, struct graft_error *err)
{
	struct seen seen = { .at = at, .err = err };

	m->host->each_mount(m->host->server, see_mount, &seen);
	if (!seen.found)
		error_set(err, ENOENT, "nothing is mounted at %s", at);
	return seen.copy;
}

static struct mount_spec spec_of(const struct record *r, const char *where)
{
	return (struct mount_spec){ .name = r->name, .keys = r->keys, .nkeys = r->nkeys, .where = where };
}

/*
 * True where the configuration file mounts something at a path: at the next start that stands before records are
 * looked at.
 */
static bool in_config(const struct manager *m, const char *at)
{
	const struct config *c = m->host->config;

	for (uint32_t i = 0; i < c->nmounts; i++)
		if (strcmp(c->mounts[i].at, at) == 0)
			return true;
	return false;
}

static const char *spec_at(const struct mount_spec *spec, struct graft_error *err)
{
	const char *at = NULL;

	for (size_t i = 0; i < spec->nkeys; i++) {
		if (strcmp(spec->keys[i].name, "at") != 0)
			continue;
		if (at) {
			error_set(err, EINVAL, "key 'at' is given twice");
			return NULL;
		}
		at = spec->keys[i].value;
	}
	if (!at)
		error_set(err, EINVAL, "key 'at' is missing");
	return at;
}

/* A record of what shall be mounted, sealed: what cannot be kept is refused before anything is mounted. */
static struct record *record_of(const struct manager *m, const struct mount_spec *spec, const char *at,
				struct graft_error *err)
{
	struct record *r = record_new(spec->name, spec->keys, spec->nkeys, in_config(m, at), err);

	if (!r || record_seal(r, err) == 0)
		return r;
	record_free(r);
	return NULL;
}

/* --- names: of one mount each, so that counters can be told apart; kept, so that a restart gives the same */

struct name_user {
	const char *name, *at;
};

static int see_name(const struct mount_info *info, void *arg)
{
	const struct name_user *user = arg;

	return strcmp(info->name, user->name) == 0 && strcmp(info->at, user->at) != 0;
}

/* False: no mount of another path has the name, nor gets it while the call lasts. */
static bool name_taken(struct manager *m, struct ledger_call *call, const char *name)
{
	struct name_user user = { name, call->at };

	if (!ledger_reserve(&m->ledger, call, name))
		return true;
	if (!m->host->each_mount(m->host->server, see_name, &user))
		return false;
	ledger_reserve(&m->ledger, call, NULL);
	return true;
}

/* "/images/app" is images-app. */
static void name_of_path(const char *at, char name[LEDGER_NAME_ROOM])
{
	size_t n = 0;

	for (at += *at == '/'; *at && n < NAME_OF_PATH; at++) {
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');

		if (letter || (n && strchr("_.-", *at)))
			name[n++] = *at;
		else if (n)
			name[n++] = '-';
	}
	name[n] = '\0';
	if (n == 0)
		strcpy(name, "mount");
}

/* Gives *spec a name where it has none. call holds it then, or the one it came with, which must be free. */
static int take_name(struct manager *m, struct ledger_call *call, struct mount_spec *spec, struct graft_error *err)
{
	char base[LEDGER_NAME_ROOM], made[LEDGER_NAME_ROOM];

	if (spec->name && name_taken(m, call, spec->name))
		return error_set(err, EEXIST, "another mount has the name '%.100s'", spec->name);
	if (spec->name)
		return 0;
	name_of_path(call->at, base);
	strcpy(made, base);
	while (name_taken(m, call, made)) {
		/* Relaxed: only that no number comes twice. */
		uint64_t n = atomic_fetch_add_explicit(&m->names, 1, memory_order_relaxed);
		snprintf(made, sizeof(made), "%.*s-%" PRIu64, NAME_OF_PATH, base, n + 2);
	}
	spec->name = call->name;
	return 0;
}

/* --- the calls */

static int mount_there(struct manager *m, struct ledger_call *call, struct mount_spec spec, struct graft_error *err)
{
	struct graft_error why;
	struct record *r = take_name(m, call, &spec, err) ? NULL : record_of(m, &spec, call->at, err);

	if (!r)
		return -err->code;
	int res = m->host->mount(m->host->server, &spec, err);
	if (!res) {
		res = ledger_add(&m->ledger, r, err);
		if (!res)
			return 0;
		if (m->host->umount(m->host->server, call->at, false, &why))
			m->host->log(GRAFT_LOG_ERROR, NULL, "%s stays mounted, although it was not saved: %s", call->at,
				     why.text);
	}
	record_free(r);
	return res;
}

int manager_mount(struct manager *m, const struct mount_spec *spec, struct graft_error *err)
{
	const char *at = spec_at(spec, err);
	struct ledger_call call;

	if (!at)
		return -err->code;
	ledger_enter(&m->ledger, &call, at);
	int res = mount_there(m, &call, *spec, err);
	ledger_leave(&m->ledger, &call);
	return res;
}

/* Gives a path back what it had. */
static void remount_back(struct manager *m, const struct record *before)
{
	struct mount_spec spec = spec_of(before, "the mount as it was");
	struct graft_error why;

	if (m->host->remount(m->host->server, &spec, &why))
		m->host->log(GRAFT_LOG_ERROR, NULL, "%s stays remounted, although it was not saved: %s",
			     record_at(before), why.text);
}

static int remount_over(struct manager *m, struct ledger_call *call, struct mount_spec spec,
			const struct record *before, struct graft_error *err)
{
	if (!spec.name)
		spec.name = before->name; /* only what is there changes */
	struct record *r = take_name(m, call, &spec, err) ? NULL : record_of(m, &spec, call->at, err);
	int res = r ? m->host->remount(m->host->server, &spec, err) : -err->code;
	if (!res) {
		res = ledger_change(&m->ledger, r, err);
		if (!res)
			return 0;
		remount_back(m, before);
	}
	record_free(r);
	return res;
}

int manager_remount(struct manager *m, const struct mount_spec *spec, struct graft_error *err)
{
	const char *at = spec_at(spec, err);
	struct ledger_call call;

	if (!at)
		return -err->code;
	ledger_enter(&m->ledger, &call, at);
	struct record *before = copy_mount(m, at, err);
	int res = before ? remount_over(m, &call, *spec, before, err) : -err->code;
	record_free(before);
	ledger_leave(&m->ledger, &call);
	return res;
}

static void put_back(struct manager *m, struct record *r)
{
	struct graft_error why;

	if (ledger_put_back(&m->ledger, r, &why))
		m->host->log(GRAFT_LOG_ERROR, NULL, "%s is mounted, but a restart would not bring it back: %s",
			     record_at(r), why.text);
}

static int umount_there(struct manager *m, const char *at, bool strict, struct graft_error *err)
{
	struct record *r = ledger_find(&m->ledger, at);

	if (!r)
		return m->host->umount(m->host->server, at, strict, err);
	/* The file first: an umount cannot be taken back, what clients had open would be gone. */
	int res = ledger_take_out(&m->ledger, r, err);
	if (res)
		return res;
	if (!r->failed)
		res = m->host->umount(m->host->server, at, strict, err);
	if (res && res != -ENOENT)
		put_back(m, r);
	else
		ledger_drop(&m->ledger, r);
	return res;
}

int manager_umount(struct manager *m, const char *at, bool strict, struct graft_error *err)
{
	struct ledger_call call;

	ledger_enter(&m->ledger, &call, at);
	int res = umount_there(m, at, strict, err);
	ledger_leave(&m->ledger, &call);
	return res;
}

/* Mounts what a record says; one that stands in for a mount of the configuration file takes its place, where it is. */
static int restore_one(struct manager *m, struct record *r, const char *where, struct graft_error *err)
{
	struct mount_spec spec = spec_of(r, where);
	bool over = r->replaces && is_mounted(m, record_at(r));
	int res = over ? m->host->remount(m->host->server, &spec, err) : m->host->mount(m->host->server, &spec, err);

	if (res)
		m->host->log(GRAFT_LOG_ERROR, NULL, "%s is not mounted, but kept in mounts.json: %s", record_at(r),
			     err->text);
	ledger_set_why(&m->ledger, r, res ? err->text : NULL);
	return res;
}

static int retry_one(struct manager *m, const char *at, struct graft_error *err)
{
	struct ledger_call call;

	ledger_enter(&m->ledger, &call, at);
	struct record *r = ledger_find(&m->ledger, at);
	int res;
	if (r && r->failed)
		res = restore_one(m, r, "retry", err);
	else
		res = error_set(err, ENOENT, "no mount failed at %s", at);
	ledger_leave(&m->ledger, &call);
	return res;
}

/* Copies of the paths that failed. */
struct paths {
	char **at;
	size_t n, room;
};

static int copy_path(const struct record *r, void *arg)
{
	struct paths *p = arg;

	if (!r->failed)
		return 0;
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 16;
		char **more = reallocarray(p->at, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		p->at = more;
		p->room = room;
	}
	p->at[p->n] = strdup(record_at(r));
	return p->at[p->n] ? (p->n++, 0) : -ENOMEM;
}

/* One that another call has dealt with meanwhile is no failure. */
static int retry_path(struct manager *m, const char *at, struct graft_error *err)
{
	struct ledger_call call;

	ledger_enter(&m->ledger, &call, at);
	struct record *r = ledger_find(&m->ledger, at);
	int res = r && r->failed ? restore_one(m, r, "retry", err) : 0;
	ledger_leave(&m->ledger, &call);
	return res;
}

/* All; the first failure is the result. */
static int retry_all(struct manager *m, struct graft_error *err)
{
	struct paths paths = { 0 };
	struct graft_error one;
	int res = ledger_each(&m->ledger, copy_path, &paths);

	if (res)
		error_set(err, ENOMEM, "out of memory");
	else if (paths.n == 0)
		res = error_set(err, ENOENT, "no mount failed");
	for (size_t i = 0; i < paths.n; i++) {
		if (retry_path(m, paths.at[i], &one) && !res)
			res = error_set(err, one.code, "%s: %s", paths.at[i], one.text);
		free(paths.at[i]);
	}
	free(paths.at);
	return res;
}

int manager_retry(struct manager *m, const char *at, struct graft_error *err)
{
	return at ? retry_one(m, at, err) : retry_all(m, err);
}

struct each_failed {
	int (*fn)(const struct manager_failed *, void *);
	void *arg;
};

static int show_failed(const struct record *r, void *arg)
{
	const struct each_failed *each = arg;
	const char *type = record_get(r, "type");
	const struct manager_failed failed = {
		.name = r->name ? r->name : "",
		.at = record_at(r),
		.type = type ? type : "",
		.why = r->why ? r->why : "out of memory",
		.keys = r->keys,
		.nkeys = r->nkeys,
	};

	return r->failed ? each->fn(&failed, each->arg) : 0;
}

int manager_each_failed(struct manager *m, int (*fn)(const struct manager_failed *, void *), void *arg)
{
	struct each_failed each = { fn, arg };

	return ledger_each(&m->ledger, show_failed, &each);
}

/* --- life */

int manager_restore(struct manager *m, struct graft_error *err)
{
	(void)err;
	/* Nobody else calls yet. */
	for (size_t i = 0; i < m->ledger.n; i++) {
		struct graft_error why;
		char where[64];

		snprintf(where, sizeof(where), STORE_MOUNTS ": mount %zu", i + 1);
		restore_one(m, m->ledger.records[i], where, &why);
	}
	return 0;
}

static int write_config(struct manager *m, struct graft_error *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return error_set(err, ENOMEM, "out of memory");
	int res = m->host->dump_config(m->host->server, to, err);
	if (fclose(to) && !res)
		res = error_set(err, ENOMEM, "out of memory");
	if (!res)
		res = store_put(&m->store, STORE_CONFIG, text, len, err);
	free(text);
	return res;
}

int manager_started(struct manager *m, struct graft_error *err)
{
	if (!m->keeps)
		return 0;
	int res = write_config(m, err);
	if (!res)
		res = state_json_write(&m->store, m->host->config, &m->process, err);
	m->started = !res;
	return res;
}

/* The folder, its lock, and what an earlier life left. */
static int open_state(struct manager *m, struct graft_error *err)
{
	const struct server_config *c = &m->host->config->server;
	int pid = 0, res = instance_open(&m->instance, c->state_dir, c->instance, err);

	if (res)
		return res;
	m->keeps = true;
	if (process_id_read(&m->process))
		return error_set(err, ENOENT, "instance '%s': cannot read /proc", c->instance);
	store_open(&m->store, m->instance.dir, m->instance.path);
	res = state_json_read(&m->store, &pid, err);
	if (!res)
		res = ledger_open(&m->ledger, &m->store, err);
	if (!res && pid)
		m->host->log(GRAFT_LOG_WARN, NULL, "instance '%s' did not end in order the last time (pid %d)",
			     c->instance, pid);
	return res;
}

struct manager *manager_new(const struct control_host *host, struct graft_error *err)
{
	struct manager *m = calloc(1, sizeof(*m));

	if (!m) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	m->host = host;
	ledger_init(&m->ledger);
	if (!host->config->server.state_dir || open_state(m, err) == 0)
		return m;
	manager_free(m);
	return NULL;
}

static void close_state(struct manager *m)
{
	struct graft_error why;

	if (ledger_close(&m->ledger, &why))
		m->host->log(GRAFT_LOG_ERROR, NULL, "%s", why.text);
	if (m->started && store_remove(&m->store, STORE_STATE, &why))
		m->host->log(GRAFT_LOG_WARN, NULL, "%s", why.text);
	instance_close(&m->instance);
}

void manager_free(struct manager *m)
{
	if (!m)
		return;
	if (m->keeps)
		close_state(m);
	ledger_fini(&m->ledger);
	free(m);
}
