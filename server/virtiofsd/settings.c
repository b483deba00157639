/* SPDX-License-Identifier: Apache-2.0 */
/* virtiofsd's settings as keys: [server], one [transport vhost-user], one [mount share] at the root. */
#include "server/virtiofsd/settings.h"

#include "lib/cleanup.h"
#include "server/door_keys.h"
#include "server/virtiofsd/values.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#define WORKERS_MAX 256           /* of the key workers */
#define RLIMIT_KEY_MAX 1073741816 /* of the key rlimit-nofile; above every nr_open */

static const char server[] = "server", transport[] = "transport vhost-user", mount[] = "mount share";

/* Where virtiofsd's default is not that of the key, and nobody said anything. */
static const char by_default[] = "virtiofsd's default";

/* What needs no more than a key of the same meaning. */
static const struct plain {
	enum vfsd_id id;
	const char *section, *key;
	const char *dflt; /* virtiofsd's, where the key has another; NULL: the key's own */
} plain[] = {
	{ VFSD_SANDBOX, server, "sandbox", NULL },
	{ VFSD_SECCOMP, server, "seccomp", NULL },
	{ VFSD_MODCAPS, server, "modcaps", NULL },
	{ VFSD_SYSLOG, server, "syslog", NULL },
	{ VFSD_FD, transport, "fd", NULL },
	{ VFSD_TAG, transport, "tag", NULL },
	{ VFSD_SOCKET_GROUP, transport, "socket-group", NULL },
	{ VFSD_CACHE, mount, "cache", NULL },
	{ VFSD_FILE_HANDLES, mount, "inode-file-handles", NULL },
	{ VFSD_POSIX_ACL, mount, "posix-acl", NULL },
	{ VFSD_SECURITY_LABEL, mount, "security-label", NULL },
	{ VFSD_READONLY, mount, "readonly", NULL },
	{ VFSD_WRITEBACK, mount, "writeback", NULL },
	{ VFSD_KILLPRIV, mount, "killpriv-v2", "false" },
	{ VFSD_DIRECT_IO, mount, "direct-io", NULL },
	{ VFSD_MMAP, mount, "allow-mmap", NULL },
	{ VFSD_READDIRPLUS, mount, "readdirplus", NULL },
	{ VFSD_SUBMOUNTS, mount, "announce-submounts", NULL },
	{ VFSD_NOATIME, mount, "preserve-noatime", NULL },
	{ VFSD_TIMEOUT, mount, "entry-timeout", NULL },
	{ VFSD_TIMEOUT, mount, "attr-timeout", NULL },
};

static void add_plain(struct door_keys *k, const struct vfsd_line *line)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		const struct vfsd_setting *s = vfsd_line_last(line, plain[i].id);
		if (s)
			door_key(k, plain[i].section, plain[i].key, s->text, s->where);
		else if (plain[i].dflt)
			door_key(k, plain[i].section, plain[i].key, plain[i].dflt, by_default);
	}
}

static void add_socket(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *s = vfsd_line_last(line, VFSD_SOCKET_PATH);

	if (!s)
		s = vfsd_line_last(line, VFSD_OLD_SOCKET);
	if (!s)
		return;
	door_key_path(k, transport, "socket", s->text, "", s->where);
	door_key_path(k, server, "pid-file", s->text, ".pid", s->where);
}

/* -d goes before all others. */
static void add_log_level(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *s = vfsd_line_last(line, VFSD_LOG_LEVEL);
	const struct vfsd_setting *debug = vfsd_line_last(line, VFSD_DEBUG);

	if (debug)
		door_key(k, server, "log-level", "debug", debug->where);
	else if (s)
		door_key(k, server, "log-level", s->text, s->where);
}

/* 0 of --thread-pool-size is auto. */
static void add_workers(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *s = vfsd_line_last(line, VFSD_POOL_SIZE);
	char text[24];
	uint64_t n = 0;

	if (!s || !vfsd_number(s->text, &n) || n == 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, n < WORKERS_MAX ? n : WORKERS_MAX);
	door_key(k, server, "workers", text, s->where);
}

/* 0 of --rlimit-nofile is what holds already; the key's 0 is what virtiofsd does without the option. */
static void add_rlimit(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *s = vfsd_line_last(line, VFSD_RLIMIT);
	struct rlimit now = { 0 };
	char text[24];
	uint64_t n = 0;

	if (!s || !vfsd_number(s->text, &n))
		return;
	if (n == 0 && getrlimit(RLIMIT_NOFILE, &now) == 0)
		n = now.rlim_cur;
	snprintf(text, sizeof(text), "%" PRIu64, n < RLIMIT_KEY_MAX ? n : RLIMIT_KEY_MAX);
	door_key(k, server, "rlimit-nofile", text, s->where);
}

/* As many keys as settings of the id. */
static void add_each(struct door_keys *k, const struct vfsd_line *line, enum vfsd_id id, const char *section,
		     const char *key)
{
	for (size_t i = 0; i < line->n; i++)
		if (line->settings[i].id == id)
			door_key(k, section, key, line->settings[i].text, line->settings[i].where);
}

/* :INSIDE:OUTSIDE:COUNT: as INSIDE:OUTSIDE:COUNT. */
static void add_id_maps(struct door_keys *k, const struct vfsd_line *line, enum vfsd_id id, const char *key)
{
	for (size_t i = 0; i < line->n; i++) {
		char text[3 * 11];
		uint32_t n[3];
		if (line->settings[i].id != id)
			continue;
		vfsd_id_map(line->settings[i].text, n);
		snprintf(text, sizeof(text), "%u:%u:%u", n[0], n[1], n[2]);
		door_key(k, server, key, text, line->settings[i].where);
	}
}

/* Cuts the blanks at both ends off. */
static char *trim(char *text)
{
	static const char blanks[] = " \t\f\v";

	text += strspn(text, blanks);
	for (size_t len = strlen(text); len > 0 && strchr(blanks, text[len - 1]); len--)
		text[len - 1] = '\0';
	return text;
}

/* Rules may stand on several lines, each of which is a key: no value holds a line's end, or blanks at its own. */
static void add_xattrmap(struct door_keys *k, const struct vfsd_setting *s)
{
	auto_free char *copy = strdup(s->text);
	char *rest = copy, *line;

	if (!copy && !k->res)
		k->res = config_no_memory(k->err);
	while ((line = strsep(&rest, "\n\r"))) {
		const char *text = trim(line);
		if (*text != '\0')
			door_key(k, mount, "xattrmap.map", text, s->where);
	}
}

static void add_layers(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *map = vfsd_line_last(line, VFSD_XATTRMAP);
	const struct vfsd_setting *id = vfsd_line_last(line, VFSD_TRANSLATE_UID);

	if (!id)
		id = vfsd_line_last(line, VFSD_TRANSLATE_GID);
	if (id || map)
		door_key(k, mount, "layers",
		    id && map ? "idmap xattrmap"
		    : id      ? "idmap"
			      : "xattrmap",
		    id ? id->where : map->where);
	add_each(k, line, VFSD_TRANSLATE_UID, mount, "idmap.uid");
	add_each(k, line, VFSD_TRANSLATE_GID, mount, "idmap.gid");
	if (map)
		add_xattrmap(k, map);
}

/* Rules need attributes; ACLs and labels switch them on by themselves. */
static void add_xattr(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *s = vfsd_line_last(line, VFSD_XATTR);
	const struct vfsd_setting *map = vfsd_line_last(line, VFSD_XATTRMAP);

	if (map)
		door_key(k, mount, "xattr", "true", map->where);
	else if (s)
		door_key(k, mount, "xattr", s->text, s->where);
}

/* One key serves both kinds of locks. */
static void add_locks(struct door_keys *k, const struct vfsd_line *line)
{
	enum vfsd_id id = vfsd_line_on(line, VFSD_FLOCK) ? VFSD_FLOCK : VFSD_POSIX_LOCK;

	if (vfsd_line_on(line, id))
		door_key(k, mount, "locks", "true", vfsd_line_last(line, id)->where);
}

/* As QEMU's C daemon: who goes into the background has no standard error. */
static void add_daemonize(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *s = vfsd_line_last(line, VFSD_DAEMONIZE);

	if (s && !vfsd_line_last(line, VFSD_SYSLOG))
		door_key(k, server, "syslog", "true", s->where);
}

static void add_all(struct door_keys *k, const struct vfsd_line *line)
{
	const struct vfsd_setting *source = vfsd_line_last(line, VFSD_SHARED_DIR);
	const struct vfsd_setting *again = vfsd_line_last(line, VFSD_SERVE_AGAIN);

	add_log_level(k, line);
	add_workers(k, line);
	add_rlimit(k, line);
	add_daemonize(k, line);
	add_socket(k, line);
	add_id_maps(k, line, VFSD_UID_MAP, "uid-map");
	add_id_maps(k, line, VFSD_GID_MAP, "gid-map");
	door_key(k, transport, "once", again ? "false" : "true", again ? again->where : by_default);
	door_key(k, mount, "at", "/", by_default);
	door_key(k, mount, "type", "passthrough", by_default);
	door_key_path(k, mount, "source", source->text, "", source->where);
	add_plain(k, line);
	add_xattr(k, line);
	add_locks(k, line);
	add_layers(k, line);
}

struct config *vfsd_config(const struct vfsd_line *line, struct plugin_registry **registry, struct graft_error *err)
{
	struct door_keys k = { .file.name = "virtiofsd", .err = err };

	add_all(&k, line);
	return door_keys_config(&k, registry);
}
