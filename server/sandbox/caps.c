/* SPDX-License-Identifier: Apache-2.0 */
/* Which capabilities a configuration needs, by its plugins, options and transports; libcap-ng drops the rest. */
#include "server/sandbox/caps.h"

#include "lib/log.h"
#include "server/sandbox/modcaps.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* All that a plugin may have without modcaps: what serving a tree of files in the clients' names takes. */
#define BASE                                                                                                           \
	(CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_DAC_READ_SEARCH) | CAPS_BIT(CAP_FOWNER) |     \
	 CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_MKNOD) |                    \
	 CAPS_BIT(CAP_SETFCAP))

/* The option by which a plugin says that it opens files by handle, which takes CAP_DAC_READ_SEARCH. */
#define HANDLES_KEY "inode-file-handles"
#define HANDLES_NEVER "never"

/* ---- what is needed ---- */

struct need {
	uint64_t add; /* of modcaps */
	uint64_t caps;
	struct graft_error *err;
};

static int need_named(const struct plugin *p, const char *name, struct need *need)
{
	int cap = caps_number(name);

	if (cap < 0)
		return error_set(need->err, EINVAL, "plugin %s declares '%.64s', which is no capability", p->desc.name,
				 name);
	if (!((BASE | need->add) & CAPS_BIT(cap)))
		return error_set(
			need->err, EPERM,
			"plugin %s needs the capability '%s', which no plugin gets by itself: write modcaps = +%s",
			p->desc.name, name, name);
	need->caps |= CAPS_BIT(cap);
	return 0;
}

static int need_of_plugin(const struct plugin *p, void *arg)
{
	struct need *need = arg;
	const char *const *names = p->desc.capabilities;

	if (!names)
		need->caps |= BASE;
	for (; names && *names; names++) {
		int res = need_named(p, *names, need);
		if (res)
			return res;
	}
	return 0;
}

static int take_handles(const char *key, const char *text, void *arg)
{
	const char **value = arg;

	if (strcmp(key, HANDLES_KEY) == 0)
		*value = text;
	return 0;
}

/* What the member's option says; NULL: it has none, or it says never. */
static const char *handles_of(const struct member_config *m)
{
	const struct graft_opt *row = m->plugin->desc.opts;
	const char *value = NULL;

	while (row && row->key && strcmp(row->key, HANDLES_KEY) != 0)
		row++;
	if (!row || !row->key)
		return NULL;
	value = row->dflt;
	options_each_set(m->options, take_handles, &value);
	return value && strcmp(value, HANDLES_NEVER) != 0 ? value : NULL;
}

/* The first mount's that opens files by handle; NULL: none does. */
static const char *handles_wanted(const struct config *c)
{
	for (uint32_t i = 0; i < c->nmounts; i++) {
		const struct mount_config *m = &c->mounts[i];

		for (uint32_t k = 0; k < m->nmembers; k++) {
			const char *value = handles_of(&m->members[k]);
			if (value)
				return value;
		}
	}
	return NULL;
}

static bool mounts_come(const struct config *c)
{
	return c->server.api_socket || c->server.state_dir;
}

/* The daemon mounts by itself. */
static bool mounts_itself(const struct config *c, bool outside)
{
	for (uint32_t i = 0; i < c->ntransports && !outside; i++)
		if (c->transports[i].kind == GRAFT_DEV_FUSE)
			return true;
	return false;
}

bool caps_fusermount(const struct config *c, bool outside)
{
	return geteuid() != 0 && mounts_itself(c, outside);
}

/* The server's own: its files may lie in folders of other users, and a connection of /dev/fuse is mounted. */
static uint64_t need_of_server(const struct config *c, bool outside)
{
	uint64_t caps = c->server.log_file || mounts_come(c) ? CAPS_BIT(CAP_DAC_OVERRIDE) : 0;

	if (mounts_itself(c, outside))
		caps |= CAPS_BIT(CAP_SYS_ADMIN);
	return caps;
}

int caps_kept(const struct config *c, const struct plugin_registry *registry, bool outside, uint64_t *kept,
	      struct graft_error *err)
{
	struct need need = { .err = err };
	struct caps_change change;
	const char *handles = handles_wanted(c);
	int res = caps_parse(c->server.modcaps, &change, err);

	need.add = change.add;
	if (!res)
		res = plugin_registry_each(registry, need_of_plugin, &need);
	if (res)
		return res;
	if (handles && change.drop & CAPS_BIT(CAP_DAC_READ_SEARCH))
		return error_set(err, EINVAL, "can't disable DAC_READ_SEARCH when using " HANDLES_KEY "=%s", handles);
	/* A mount that comes later may open files by handle. */
	if (!handles && !mounts_come(c))
		need.caps &= ~CAPS_BIT(CAP_DAC_READ_SEARCH);
	*kept = (need.caps | need_of_server(c, outside) | change.add) & ~change.drop;
	return 0;
}

/* ---- dropping ---- */

/* What was asked for by name must be there; an ordinary user, whom virtiofsd lets ask for anything, is only told. */
static int check_asked(const struct config *c, uint64_t missing, struct graft_error *err)
{
	struct caps_change change;
	int res = caps_parse(c->server.modcaps, &change, err);

	for (unsigned int cap = 0; cap < 64 && !res; cap++) {
		if (!(change.add & missing & CAPS_BIT(cap)))
			continue;
		if (geteuid() == 0)
			return error_set(err, EPERM, "modcaps: +%s: this process does not have it",
					 capng_capability_to_name(cap));
		log_warn(NULL, "modcaps: +%s: this process does not have it", capng_capability_to_name(cap));
	}
	return res;
}

/* Of the set, what the process has goes into libcap-ng's new state, all else is out of it. */
static uint64_t choose(uint64_t kept)
{
	uint64_t have = 0;

	for (unsigned int cap = 0; cap < 64; cap++)
		if (kept & CAPS_BIT(cap) && capng_have_capability(CAPNG_PERMITTED, cap))
			have |= CAPS_BIT(cap);
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned int cap = 0; cap < 64; cap++)
		if (have & CAPS_BIT(cap))
			capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_PERMITTED | CAPNG_EFFECTIVE), cap, -1);
	return have;
}

static int drop_others(const struct config *c, uint64_t kept, struct graft_error *err)
{
	if (capng_get_caps_process())
		return error_set(err, EIO, "cannot read the capabilities of this process");
	bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	uint64_t have = choose(kept);
	int res = check_asked(c, kept & ~have, err);

	if (res)
		return res;
	if (bounds && capng_apply(CAPNG_SELECT_BOUNDS))
		return error_set(err, EPERM, "cannot empty the bounding set of capabilities");
	if (capng_apply(CAPNG_SELECT_CAPS) || capng_apply(CAPNG_SELECT_AMBIENT))
		return error_set(err, EPERM, "cannot drop capabilities");
	return 0;
}

int caps_apply(const struct config *c, const struct plugin_registry *registry, bool outside, struct graft_error *err)
{
	uint64_t kept;
	int res = caps_kept(c, registry, outside, &kept, err);

	if (!res)
		res = drop_others(c, kept, err);
	if (res)
		return res;
	if (!caps_fusermount(c, outside) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "cannot set NoNewPrivs: %s", strerror(errno));
	return 0;
}
