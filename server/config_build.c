/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: the sections of a file become structs; [server] first, since it says where the plugins are. */
#include "server/config_internal.h"

#include "lib/cleanup.h"
#include "server/build_tree.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define WORKERS_MAX 256
#define FUSE_THREADS_MAX 64

/* Gives every key of a section to one table. */
static int set_keys(struct options *o, const struct ini_file *file, const struct ini_section *s,
		    struct graft_error *err)
{
	char where[CONFIG_WHERE_MAX];
	for (size_t i = 0; i < s->nkeys; i++) {
		ini_where(file, s->keys[i].line, where);
		if (options_set(o, s->keys[i].name, s->keys[i].value, where, err) != 0)
			return error_wrap(err, "%s", where);
	}
	if (options_finish(o, err) != 0)
		return error_wrap(err, "%s: [%.100s]", ini_where(file, s->line, where), s->text);
	return 0;
}

const char *config_behind(const char *text, const char *words)
{
	size_t len = strlen(words);
	if (strncmp(text, words, len) != 0 || (text[len] != '\0' && text[len] != ' '))
		return NULL;
	return text[len] == ' ' ? text + len + 1 : text + len;
}

/* auto, which is 0, or a number. strtoul would take signs and blanks. */
static int read_threads(const struct options *o, const char *key, const char *text, uint32_t max, uint64_t *n,
			struct graft_error *err)
{
	size_t len = strspn(text, "0123456789");
	*n = len > 0 && len <= 3 && text[len] == '\0' ? strtoul(text, NULL, 10) : 0;
	if (strcmp(text, "auto") == 0 || (*n >= 1 && *n <= max))
		return 0;
	error_set(err, EINVAL, "%s = %.100s: must be auto or a whole number from 1 to %u", key, text, max);
	return error_wrap(err, "%s", options_where(o, key));
}

static int read_instance(const struct server_config *server, struct graft_error *err)
{
	if (config_name_good(server->instance))
		return 0;
	error_set(err, EINVAL, "instance = %.100s: must be [A-Za-z0-9][A-Za-z0-9_.-]*, at most %d bytes",
		  server->instance, CONFIG_NAME_MAX);
	return error_wrap(err, "%s", options_where(server->options, "instance"));
}

/* The words of all plugins lines, one list. */
static int read_plugins(struct server_config *server, const struct graft_list *lines, struct graft_error *err)
{
	size_t bytes = 1;
	for (size_t i = 0; i < lines->count; i++)
		bytes += strlen(lines->items[i]) + 1;
	auto_free char *all = calloc(1, bytes);
	if (!all)
		return config_no_memory(err);
	char *end = all;
	for (size_t i = 0; i < lines->count; i++) {
		end = stpcpy(end, lines->items[i]);
		*end++ = ' ';
	}
	char **words = NULL;
	size_t n = 0;
	int res = config_words(all, &words, &n, err);
	if (res == 0)
		server->plugins = (struct graft_list){ .items = (const char *const *)words, .count = n };
	return res;
}

static int build_server(struct server_config *server, const struct ini_file *file, const struct ini_section *s,
			struct graft_error *err)
{
	char where[CONFIG_WHERE_MAX];
	server->where = strdup(ini_where(file, s->line, where));
	server->options = options_new(config_server_options, sizeof(struct server_settings));
	if (!server->options || !server->where)
		return config_no_memory(err);
	int res = set_keys(server->options, file, s, err);
	if (res != 0)
		return res;
	const struct server_settings *set = options_settings(server->options);
	server->instance = set->instance;
	/* off stands behind the levels. */
	server->log_level = set->log_level > GRAFT_LOG_TRACE ? LOG_OFF : (int32_t)set->log_level;
	server->sandbox = set->sandbox;
	server->seccomp = set->seccomp;
	server->landlock = set->landlock;
	server->node_ids = set->node_ids;
	server->plugin_dir = set->plugin_dir;
	server->rlimit_nofile = set->rlimit_nofile;
	server->state_dir = set->state_dir;
	server->api_socket = set->api_socket;
	server->api_peers = set->api_peers;
	server->api_only = set->api_only;
	server->log_file = set->log_file;
	server->log_rotation = set->log_rotation;
	server->modcaps = set->modcaps;
	server->supervisor = set->supervisor;
	server->dedup_db = set->dedup_db;
	server->syslog = set->syslog;
	server->pid_file = set->pid_file;
	res = read_threads(server->options, "workers", set->workers, WORKERS_MAX, &server->workers, err);
	if (res == 0)
		res = read_instance(server, err);
	if (res == 0)
		res = config_read_id_map(&server->uid_map, server->options, "uid-map", &set->uid_map, err);
	if (res == 0)
		res = config_read_id_map(&server->gid_map, server->options, "gid-map", &set->gid_map, err);
	return res == 0 ? read_plugins(server, &set->plugins, err) : res;
}

static const struct transport_kind {
	const char *word;
	uint32_t kind;
	const struct graft_opt *options;
	size_t settings_size;
} transport_kinds[] = {
	{ "vhost-user", GRAFT_VHOST_USER, config_transport_options, sizeof(struct transport_settings) },
	{ "fuse", GRAFT_DEV_FUSE, config_fuse_options, sizeof(struct fuse_settings) },
};

/* The kind of a transport's section, whose text behind "transport" is name; NULL with err. */
static const struct transport_kind *find_kind(const char *name, const char *where, const char *section,
					      struct graft_error *err)
{
	const char *words[] = { transport_kinds[0].word, transport_kinds[1].word };
	char word[CONFIG_NAME_MAX];

	for (size_t i = 0; i < 2; i++) {
		const char *extra = config_behind(name, words[i]);
		if (extra && (*extra == '\0' || config_name_good(extra)))
			return &transport_kinds[i];
		if (!extra)
			continue;
		error_set(err, EINVAL,
			  "%s: [%.100s]: the name behind %s must be [A-Za-z0-9][A-Za-z0-9_.-]*, at most %d bytes",
			  where, section, words[i], CONFIG_NAME_MAX);
		return NULL;
	}
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, " "), name);
	const char *near = options_nearest(word, words, 2);
	error_set(err, EINVAL, "%s: [%.100s]: unknown kind of transport; %s%s%s", where, section,
		  near ? "did you mean '" : "write [transport vhost-user] or [transport fuse]", near ? near : "",
		  near ? "'?" : "");
	return NULL;
}

/* auto, or a number of microseconds. */
static int read_poll(const struct options *o, const char *text, uint32_t *us, struct graft_error *err)
{
	size_t len = strspn(text, "0123456789");

	*us = CONFIG_POLL_AUTO;
	if (strcmp(text, "auto") == 0)
		return 0;
	if (len > 0 && len <= 4 && text[len] == '\0') {
		*us = (uint32_t)strtoul(text, NULL, 10);
		if (*us <= CONFIG_POLL_MAX)
			return 0;
	}
	error_set(err, EINVAL, "poll-us = %.100s: must be auto or a whole number from 0 to %d", text, CONFIG_POLL_MAX);
	return error_wrap(err, "%s", options_where(o, "poll-us"));
}

static int read_cpus(const struct options *o, const char *text, struct cpu_list *cpus, struct graft_error *err)
{
	if (!text || cpu_list_parse(cpus, text, err) == 0)
		return 0;
	return error_wrap(err, "%s: queue-cpus = %.100s", options_where(o, "queue-cpus"), text);
}

static int take_vhost_user(struct transport_config *t, struct graft_error *err)
{
	const struct transport_settings *set = options_settings(t->options);
	int res = read_poll(t->options, set->poll_us, &t->poll_us, err);
	t->socket = set->socket;
	t->socket_group = set->socket_group;
	t->fd = set->fd == UINT64_MAX ? -1 : (int32_t)set->fd;
	t->tag = set->tag;
	t->queues = (uint32_t)set->queues;
	t->once = set->once;
	t->limits = set->limits;
	memcpy(t->flag, set->flag, sizeof(t->flag));
	return res == 0 ? read_cpus(t->options, set->queue_cpus, &t->cpus, err) : res;
}

static int take_fuse(struct transport_config *t, struct graft_error *err)
{
	const struct fuse_settings *set = options_settings(t->options);
	uint64_t threads;
	int res = read_threads(t->options, "threads", set->threads, FUSE_THREADS_MAX, &threads, err);
	t->mountpoint = set->mountpoint;
	t->mount_type = set->mount_type;
	t->mount_source = set->mount_source;
	t->threads = (uint32_t)threads;
	t->read_only = set->read_only;
	t->takeover = set->takeover;
	t->failover = set->failover;
	t->limits = set->limits;
	t->fd = -1;
	memcpy(t->flag, set->flag, sizeof(t->flag));
	t->flag[CONFIG_KEY_SUBMOUNTS] = CONFIG_FLAG_NEVER;
	return res;
}

static int build_transport(struct transport_config *t, const struct ini_file *file, const struct ini_section *s,
			   const char *name, struct graft_error *err)
{
	char where[CONFIG_WHERE_MAX];
	const struct transport_kind *kind = find_kind(name, ini_where(file, s->line, where), s->text, err);
	if (!kind)
		return -EINVAL;
	t->kind = kind->kind;
	t->name = strdup(name);
	t->where = strdup(where);
	t->options = options_new(kind->options, kind->settings_size);
	if (!t->name || !t->where || !t->options)
		return config_no_memory(err);
	int res = set_keys(t->options, file, s, err);
	if (res != 0)
		return res;
	return t->kind == GRAFT_DEV_FUSE ? take_fuse(t, err) : take_vhost_user(t, err);
}

/* One section that is not [server]. */
static int build_section(struct config *c, const struct ini_file *file, const struct ini_section *s,
			 struct plugin_registry *registry, struct graft_error *err)
{
	char where[CONFIG_WHERE_MAX];
	const char *name = config_behind(s->text, "transport");
	if (name)
		return build_transport(&c->transports[c->ntransports++], file, s, name, err);
	struct mount_config *m = &c->mounts[c->nmounts++];
	name = config_behind(s->text, "mount");
	m->name = strdup(name);
	m->where = strdup(ini_where(file, s->line, where));
	if (!m->name || !m->where)
		return config_no_memory(err);
	if (!config_name_good(name))
		return error_set(err, EINVAL,
				 "%s: [%.100s]: a mount needs a name, [A-Za-z0-9][A-Za-z0-9_.-]*, at most %d bytes",
				 where, s->text, CONFIG_NAME_MAX);
	return config_build_mount(m, file, s, registry, err);
}

/* Refuses sections of no known kind. */
static int check_sections(const struct ini_file *file, struct graft_error *err)
{
	static const char *const kinds[] = { "server", "transport", "mount" };
	char where[CONFIG_WHERE_MAX], kind[CONFIG_NAME_MAX];

	for (size_t i = 0; i < file->n; i++) {
		const char *text = file->sections[i].text;
		ini_where(file, file->sections[i].line, where);
		if (strcmp(text, "server") == 0 || config_behind(text, "transport") || config_behind(text, "mount"))
			continue;
		if (config_behind(text, "server"))
			return error_set(err, EINVAL, "%s: [%.100s]: [server] takes no name", where, text);
		snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(text, " "), text);
		const char *near = options_nearest(kind, kinds, 3);
		return error_set(err, EINVAL, "%s: unknown section [%.100s]%s%s%s", where, text,
				 near ? "; did you mean '" : "; known are server, transport and mount",
				 near ? near : "", near ? "'?" : "");
	}
	return 0;
}

/* Folder of the plugins of the build tree that this program lies in; NULL if it was installed elsewhere. */
static char *build_tree_plugins(void)
{
	char path[BUILD_TREE_PATH_MAX];
	return build_tree_path("plugins", path) ? realpath(path, NULL) : NULL;
}

static struct plugin_registry *registry_with(const char *plugin_dir)
{
	auto_free char *own = build_tree_plugins();
	const char *dirs[3] = { NULL };
	size_t n = 0;
	if (own)
		dirs[n++] = own;
	if (!own || strcmp(own, plugin_dir) != 0)
		dirs[n] = plugin_dir;
	return plugin_registry_new(dirs);
}

struct plugin_registry *config_default_registry(void)
{
	return registry_with(GRAFT_PLUGIN_DIR);
}

static int make_registry(const struct server_config *server, struct plugin_registry **registry, struct graft_error *err)
{
	*registry = registry_with(server->plugin_dir);
	return *registry ? 0 : config_no_memory(err);
}

static int load_plugins(const struct server_config *server, struct plugin_registry *registry, struct graft_error *err)
{
	for (size_t i = 0; i < server->plugins.count; i++)
		if (!plugin_load(registry, server->plugins.items[i], err))
			return error_wrap(err, "%s: plugins", options_where(server->options, "plugins"));
	return 0;
}

int config_build(struct config *c, const struct ini_file *file, struct plugin_registry **registry,
		 struct graft_error *err)
{
	static const struct ini_section no_server = { .line = 0 };
	const struct ini_section *server = &no_server;
	int res = check_sections(file, err);
	if (res != 0)
		return res;
	c->file = strndup(file->name, CONFIG_WHERE_MAX);
	c->transports = calloc(file->n + 1, sizeof(*c->transports));
	c->mounts = calloc(file->n + 1, sizeof(*c->mounts));
	if (!c->file || !c->transports || !c->mounts)
		return config_no_memory(err);
	for (size_t i = 0; i < file->n; i++)
		if (strcmp(file->sections[i].text, "server") == 0)
			server = &file->sections[i];
	res = build_server(&c->server, file, server, err);
	if (res == 0)
		res = make_registry(&c->server, registry, err);
	if (res == 0)
		res = load_plugins(&c->server, *registry, err);
	for (size_t i = 0; res == 0 && i < file->n; i++)
		if (&file->sections[i] != server)
			res = build_section(c, file, &file->sections[i], *registry, err);
	return res;
}
