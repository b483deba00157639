/* SPDX-License-Identifier: Apache-2.0 */
/* The state of this daemon as another can take it over, and the way back. */
#include "server/control/upgrade/handover.h"

#include "lib/cleanup.h"
#include "server/control/nydus_config.h"
#include "server/control/spec.h"
#include "server/control/upgrade/handover_records.h"
#include "server/control/uri.h"

#include <string.h>

#define RAFS "nydus-rafs"
#define PASSTHROUGH "passthrough"
#define INDEX_MAX 255

/* nydusd's protocol version and lengths, which its state does not tell. */
#define PEER_MINOR 33
#define PEER_MAX_WRITE (1u << 20)
#define PEER_READAHEAD (128u << 10)

#define NO_OPEN (UINT64_C(1) << 17)
#define NO_OPENDIR (UINT64_C(1) << 24)
#define WRITEBACK (UINT64_C(1) << 16)
#define KILLPRIV_V2 (UINT64_C(1) << 28)

/* --- saving */

struct saving {
	const struct control_host *host;
	struct nydus_state *s;
	json_t *texts; /* nydus_texts */
	uint32_t next; /* behind the highest slot */
	bool no_memory;
};

static const char *key_of(const struct mount_info *info, const char *name)
{
	for (size_t i = 0; i < info->nkeys; i++) {
		if (strcmp(info->keys[i].name, name) == 0)
			return info->keys[i].value;
	}
	return NULL;
}

/* nydusd's list can say all of it. */
static bool is_plain(const struct mount_info *info)
{
	static const char *const known[] = { "at", "type", "source", "config", "prefetch-files" };

	for (size_t i = 0; i < info->nkeys; i++) {
		bool found = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]) && !found; k++)
			found = strcmp(info->keys[i].name, known[k]) == 0;
		if (!found)
			return false;
	}
	return true;
}

/* The words for nydusd: what was given, or what the keys mean. */
static char *config_text(const struct mount_info *info, const json_t *texts)
{
	const char *text = json_string_value(json_object_get(texts, info->at));
	const char *given = text ? text : key_of(info, "config");

	if (given || strcmp(info->type, RAFS) != 0)
		return strdup(given ? given : "");
	json_t *json = nydus_rafs_config(info, texts, true);
	char *shown = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return shown;
}

static int fill_mount(struct nydus_state_mount *m, const struct mount_info *info, const json_t *texts)
{
	const char *source = key_of(info, "source");

	m->fs_type = strcmp(info->type, RAFS) == 0 ? NYDUS_RAFS : NYDUS_PASSTHROUGH;
	m->key = strdup(info->at);
	m->mountpoint = strdup(info->at);
	m->source = strdup(source ? source : "");
	m->config = config_text(info, texts);
	m->index = (uint8_t)info->slot;
	if (!m->key || !m->mountpoint || !m->source || !m->config)
		return -ENOMEM;
	for (size_t i = 0; i < info->nkeys; i++) {
		const struct mount_key *k = &info->keys[i];

		if (strcmp(k->name, "prefetch-files") == 0 && nydus_state_add_prefetch(m, k->value, strlen(k->value)))
			return -ENOMEM;
	}
	return 0;
}

static int save_mount(const struct mount_info *info, void *arg)
{
	struct saving *saving = arg;
	bool rafs = strcmp(info->type, RAFS) == 0, plain = is_plain(info);
	/* Layers of an image that came from its configuration, nydusd finds there too. */
	bool layers = key_of(info, "layers") && !key_of(info, "config");
	bool told = (rafs || strcmp(info->type, PASSTHROUGH) == 0) && info->slot <= INDEX_MAX && !layers;

	if (info->slot >= saving->next)
		saving->next = info->slot + 1;
	if (!told)
		saving->host->log(GRAFT_LOG_WARN, "upgrade",
				  "%s: nydusd has no words for this mount: only graftfs can take it over", info->at);
	struct nydus_state_mount *m = told ? nydus_state_add_mount(saving->s) : NULL;
	saving->no_memory = (told && (!m || fill_mount(m, info, saving->texts))) ||
			    handover_put_mount(saving->s, info->slot, info->name, plain && told ? NULL : info->keys,
					       plain && told ? 0 : info->nkeys);
	return saving->no_memory;
}

static int save_place(const struct place_record *place, void *arg)
{
	struct saving *saving = arg;
	struct nydus_state_dir *d = nydus_state_add_dir(saving->s);

	if (d) {
		*d = (struct nydus_state_dir){ place->id, place->parent, strdup(place->name) };
		saving->no_memory = !d->name;
	} else {
		saving->no_memory = true;
	}
	return saving->no_memory;
}

static void save_flags(struct nydus_state *s, const struct control_connection *c)
{
	s->in_flags = c->offered & NYDUS_STATE_INIT_FLAGS;
	s->out_flags = c->enabled & NYDUS_STATE_INIT_FLAGS;
	s->no_open = c->enabled & NO_OPEN;
	s->no_opendir = c->enabled & NO_OPENDIR;
	s->no_writeback = !(c->enabled & WRITEBACK);
	s->killpriv_v2 = c->enabled & KILLPRIV_V2;
	s->conn_id = c->dev;
}

int handover_save(const struct control_host *host, struct nydus_state *s, struct control_connection *connection,
		  struct graft_error *err)
{
	struct saving saving = { .host = host, .s = s, .next = 1 };
	int res = host->connection_give(host->server, connection, err);

	if (res)
		return res;
	saving.texts = nydus_texts(host);
	host->each_mount(host->server, save_mount, &saving);
	json_decref(saving.texts);
	if (!saving.no_memory)
		host->each_place(host->server, save_place, &saving);
	uint32_t next = host->next_slot(host->server);
	next = next ? next : saving.next;
	if (saving.no_memory || handover_put_session(s, connection, next)) {
		close(connection->fd);
		return error_set(err, ENOMEM, "no memory for the state, or more than %u mounts or directories",
				 NYDUS_STATE_ITEMS);
	}
	save_flags(s, connection);
	s->next_ino = host->last_place(host->server) + 1;
	s->next_index = next > INDEX_MAX ? 1 : (uint8_t)next;
	return 0;
}

/* --- loading */

struct loading {
	const struct control_host *host;
	struct manager *manager;
	const struct nydus_state *s;
	struct graft_error *err;
};

struct paths {
	char **at;
	size_t n, room;
};

static int take_path(const struct mount_info *info, void *arg)
{
	struct paths *p = arg;

	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 16;
		char **more = reallocarray(p->at, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->at = more;
		p->room = room;
	}
	p->at[p->n] = strdup(info->at);
	return p->at[p->n] ? (p->n++, 0) : -ENOMEM;
}

/* What was mounted while this daemon waited goes, and what a failure left. */
static int umount_all(const struct loading *l, struct graft_error *err)
{
	struct paths paths = { 0 };
	int res = l->host->each_mount(l->host->server, take_path, &paths);

	if (res)
		error_set(err, -res, "no memory");
	for (size_t i = 0; i < paths.n; i++) {
		if (!res)
			res = manager_umount(l->manager, paths.at[i], false, err);
		free(paths.at[i]);
	}
	free(paths.at);
	return res;
}

/* The record of a slot. 0, -ENOENT, or another error. */
static int find_record(const struct nydus_state *s, uint32_t slot, struct handover_mount *m)
{
	for (uint32_t i = 0; i < s->nextras; i++) {
		if (s->extras[i].tag != HANDOVER_MOUNT)
			continue;
		int res = handover_get_mount(&s->extras[i], m);
		if (res || m->slot == slot)
			return res;
		handover_mount_fini(m);
	}
	return -ENOENT;
}

static int mount_keys(const struct loading *l, const struct handover_mount *m)
{
	const struct mount_spec spec = {
		.name = m->name[0] ? m->name : NULL,
		.keys = m->keys,
		.nkeys = m->nkeys,
		.where = "takeover",
		.slot = m->slot,
	};

	return manager_mount(l->manager, &spec, l->err);
}

/* As if a client had asked for it. */
static int mount_told(const struct loading *l, const struct nydus_state_mount *m, const char *name)
{
	struct spec spec = { 0 };
	json_t *body = json_pack("{s:s, s:s, s:s}", "fs_type", m->fs_type == NYDUS_RAFS ? "rafs" : "passthrough_fs",
				 "source", m->source, "config", m->config);
	json_t *files = m->has_prefetch && m->fs_type == NYDUS_RAFS ? json_array() : NULL;
	auto_free char *at = strdup(m->mountpoint);

	/* nydusd keeps a path as its client wrote it. */
	if (at)
		uri_path_normal(at);
	for (uint32_t i = 0; files && i < m->nprefetch; i++)
		json_array_append_new(files, json_string(m->prefetch[i]));
	if (files && body)
		json_object_set_new(body, "prefetch_files", files);
	int res = at ? 0 : error_set(l->err, ENOMEM, "out of memory");
	if (!res)
		res = body ? spec_from_nydus(&spec, at, body, l->err)
			   : error_set(l->err, EINVAL, "%s: its texts are not UTF-8", m->mountpoint);
	spec.mount.where = "takeover";
	spec.mount.slot = m->index;
	spec.mount.name = name && name[0] ? name : NULL;
	if (!res)
		res = manager_mount(l->manager, &spec.mount, l->err);
	spec_fini(&spec);
	json_decref(body);
	return res;
}

static int load_told(const struct loading *l, const struct nydus_state_mount *m)
{
	struct handover_mount record = { 0 };
	int res = find_record(l->s, m->index, &record);

	if (!res && record.nkeys)
		res = mount_keys(l, &record);
	else if (!res || res == -ENOENT)
		res = mount_told(l, m, record.name);
	else
		error_set(l->err, -res, "a record of %s is broken", m->mountpoint);
	handover_mount_fini(&record);
	return res ? error_wrap(l->err, "taking over %s", m->mountpoint) : 0;
}

static bool is_told(const struct nydus_state *s, uint32_t slot)
{
	for (uint32_t i = 0; i < s->nmounts; i++) {
		if (s->mounts[i].index == slot)
			return true;
	}
	return false;
}

/* Those that nydusd's list cannot name. */
static int load_others(const struct loading *l)
{
	int res = 0;

	for (uint32_t i = 0; i < l->s->nextras && !res; i++) {
		struct handover_mount m;

		if (l->s->extras[i].tag != HANDOVER_MOUNT)
			continue;
		res = handover_get_mount(&l->s->extras[i], &m);
		if (res)
			return error_set(l->err, -res, "a mount's record is broken");
		if (!is_told(l->s, m.slot))
			res = mount_keys(l, &m);
		handover_mount_fini(&m);
	}
	return res;
}

static int load_places(const struct loading *l)
{
	const struct nydus_state *s = l->s;
	auto_free struct place_record *list = calloc((size_t)s->ndirs + 1, sizeof(*list));

	if (!list)
		return error_set(l->err, ENOMEM, "no memory");
	for (uint32_t i = 0; i < s->ndirs; i++)
		list[i] = (struct place_record){ s->dirs[i].ino, s->dirs[i].parent, s->dirs[i].name };
	int res = l->host->restore_places(l->host->server, list, s->ndirs, s->next_ino ? s->next_ino - 1 : 0, l->err);
	return res ? error_wrap(l->err, "its directories") : 0;
}

static int load_mounts(const struct loading *l, uint32_t next_slot)
{
	int res = umount_all(l, l->err);

	if (!res)
		res = load_places(l);
	for (uint32_t i = 0; i < l->s->nmounts && !res; i++)
		res = load_told(l, &l->s->mounts[i]);
	if (!res)
		res = load_others(l);
	/* Where slots are given in turn, this one is next. */
	if (!res && l->host->next_slot(l->host->server))
		res = l->host->set_next_slot(l->host->server, next_slot, l->err);
	return res;
}

int handover_load(const struct control_host *host, struct manager *manager, const struct nydus_state *s, int fd,
		  struct graft_error *err)
{
	const struct loading l = { host, manager, s, err };
	struct control_connection c = {
		.fd = fd,
		.dev = s->conn_id,
		.offered = s->in_flags,
		.enabled = s->in_flags & s->out_flags,
		.minor = PEER_MINOR,
		.max_write = PEER_MAX_WRITE,
		.max_readahead = PEER_READAHEAD,
		.life = 1,
	};
	uint32_t next_slot = s->next_index ? s->next_index : 1;
	struct graft_error why = { 0 };

	handover_get_session(s, &c, &next_slot);
	int res = load_mounts(&l, next_slot);
	if (!res)
		res = host->connection_take(host->server, &c, err);
	if (res && umount_all(&l, &why))
		host->log(GRAFT_LOG_ERROR, "upgrade", "what was taken over in part stays: %s", why.text);
	return res;
}
