/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's settings as keys: [server], one transport or none, and at most one mount. */
#include "server/nydusd/settings.h"

#include "lib/cleanup.h"
#include "server/control_loader.h"
#include "server/door_keys.h"
#include "server/nydusd/files.h"
#include "server/nydusd/options.h"
#include "server/virtiofsd/values.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define READERS_MAX 64       /* of the key threads */
#define FILES_MAX 1000000    /* nydusd's most */
#define FILES_LEFT 16384     /* of fs.file-max that nydusd leaves to others */
#define FILES_LEAST 1024     /* fewer would not do for the server itself */

static const char server[] = "server", vhost_user[] = "transport vhost-user", fuse[] = "transport fuse",
		  image[] = "mount image", share[] = "mount share";

/* Where nydusd's default is not that of the key, and nobody said anything. */
static const char by_default[] = "nydusd's default";

/* What needs no more than a key of the same meaning. */
static const struct plain {
	enum nyd_id id;
	const char *section, *key;
} plain[] = {
	{ NYD_LOG_LEVEL, server, "log-level" },
	{ NYD_ID, server, "instance" },
};

static const char *where_of(enum nyd_id id)
{
	return nyd_option_of(id)->spelling;
}

static void add_path_of(struct door_keys *k, const struct nyd_line *line, enum nyd_id id, const char *section,
			const char *key)
{
	if (line->value[id])
		door_key_path(k, section, key, line->value[id], "", where_of(id));
}

/* Without an extension the file gets one. */
static void add_log_file(struct door_keys *k, const struct nyd_line *line)
{
	const char *path = line->value[NYD_LOG_FILE];
	uint64_t n = 0;

	if (line->value[NYD_LOG_ROTATION] && !vfsd_number(line->value[NYD_LOG_ROTATION], &n) && !k->res)
		k->res = error_set(k->err, EINVAL, "--log-rotation-size: must be a whole number");
	if (!path)
		return;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	bool has = *name && strchr(name + 1, '.');
	door_key_path(k, server, "log-file", path, has ? "" : ".log", where_of(NYD_LOG_FILE));
	if (n)
		door_key(k, server, "log-rotation-size", line->value[NYD_LOG_ROTATION], where_of(NYD_LOG_ROTATION));
}

/* fs.file-max without what is left to others, or the present limit where that is higher; never more than a million. */
static uint64_t most_files(const struct rlimit *now)
{
	auto_fclose FILE *f = fopen("/proc/sys/fs/file-max", "re");
	uint64_t n = 0;

	if (!f || fscanf(f, "%" SCNu64, &n) != 1 || n > FILES_MAX + FILES_LEFT)
		n = FILES_MAX + FILES_LEFT;
	n = n > FILES_LEFT ? n - FILES_LEFT : 0;
	return n > now->rlim_cur ? n : now->rlim_cur;
}

static bool can_have(uint64_t n, const struct rlimit *now)
{
	const struct rlimit both = { .rlim_cur = n, .rlim_max = n };

	return n <= now->rlim_max || setrlimit(RLIMIT_NOFILE, &both) == 0;
}

uint64_t nyd_rlimit(const struct nyd_line *line, uint64_t *asked)
{
	struct rlimit now = { .rlim_cur = FILES_LEAST, .rlim_max = FILES_LEAST };
	uint64_t n;

	*asked = 0;
	if (!line->value[NYD_RLIMIT] || !vfsd_number(line->value[NYD_RLIMIT], &n) || n >= FILES_MAX)
		return 0;
	getrlimit(RLIMIT_NOFILE, &now);
	uint64_t got = n ? n : now.rlim_cur, most = most_files(&now);
	got = got < most ? got : most;
	got = can_have(got, &now) ? got : now.rlim_max;
	if (got < FILES_LEAST)
		got = now.rlim_max < FILES_LEAST ? now.rlim_max : FILES_LEAST;
	if (n && got != n)
		*asked = n;
	return got;
}

static void add_rlimit(struct door_keys *k, const struct nyd_line *line)
{
	const char *value = line->value[NYD_RLIMIT];
	char text[24];
	uint64_t n, asked;

	if (!value)
		return;
	if (!vfsd_number(value, &n) && !k->res)
		k->res = error_set(k->err, EINVAL, "--rlimit-nofile: must be a whole number");
	n = nyd_rlimit(line, &asked);
	snprintf(text, sizeof(text), "%" PRIu64, n);
	if (n)
		door_key(k, server, "rlimit-nofile", text, where_of(NYD_RLIMIT));
}

/* By the API any of them may be asked for. */
static void add_plugins(struct door_keys *k, const struct nyd_line *line)
{
	if (!line->value[NYD_APISOCK])
		return;
	door_key(k, server, "plugins", "passthrough nydus-rafs idmap overlay", by_default);
}

static void add_server(struct door_keys *k, const struct nyd_line *line)
{
	/* As nydusd, which sees all of the host; what may be called is held down all the same. */
	door_key(k, server, "sandbox", "none", by_default);
	door_key(k, server, "landlock", "no", by_default);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (line->value[plain[i].id])
			door_key(k, plain[i].section, plain[i].key, line->value[plain[i].id], where_of(plain[i].id));
	add_path_of(k, line, NYD_APISOCK, server, "api-socket");
	add_path_of(k, line, NYD_DEDUP, server, "dedup-db");
	if (line->value[NYD_APISOCK])
		add_path_of(k, line, NYD_SUPERVISOR, server, "supervisor");
	if (line->form == NYD_SINGLETON)
		door_key(k, server, "api-only", "true", "singleton");
	add_log_file(k, line);
	add_rlimit(k, line);
	add_plugins(k, line);
}

/* Its links are followed as nydusd does; a server that hangs there is not asked, for readlink(2) needs no answer. */
static void add_mountpoint(struct door_keys *k, const struct nyd_line *line)
{
	const char *path = line->value[NYD_MOUNTPOINT];
	auto_free char *real = realpath(path, NULL);

	if (!real && !k->res)
		k->res = error_set(k->err, errno, "--mountpoint: %.200s: %s", path, strerror(errno));
	if (real)
		door_key(k, fuse, "mountpoint", real, where_of(NYD_MOUNTPOINT));
}

/* Without an API nobody could tell it to go on with another's mount, so nydusd does not look for one either. */
static void add_handover(struct door_keys *k, const struct nyd_line *line)
{
	const char *policy = line->value[NYD_FAILOVER];

	door_key(k, fuse, "failover", policy ? policy : "resend", policy ? where_of(NYD_FAILOVER) : by_default);
	if (!line->value[NYD_APISOCK])
		return;
	door_key(k, fuse, "takeover", line->value[NYD_UPGRADE] ? "yes" : "auto",
		 line->value[NYD_UPGRADE] ? where_of(NYD_UPGRADE) : by_default);
}

static void add_fuse(struct door_keys *k, const struct nyd_line *line)
{
	char text[24];
	uint64_t n;

	add_mountpoint(k, line);
	door_key(k, server, "node-ids", "nydusd", by_default); /* what it hands over to another daemon has no others */
	door_key(k, fuse, "mount-type", "fuse", by_default);
	door_key(k, fuse, "mount-source", "rafs", by_default);
	if (line->value[NYD_THREADS] && nyd_threads(line->value[NYD_THREADS], &n)) {
		snprintf(text, sizeof(text), "%" PRIu64, n < READERS_MAX ? n : READERS_MAX);
		door_key(k, fuse, "threads", text, where_of(NYD_THREADS));
	}
	add_handover(k, line);
	door_key(k, fuse, "read-only", line->value[NYD_WRITABLE] ? "false" : "true",
		 line->value[NYD_WRITABLE] ? where_of(NYD_WRITABLE) : by_default);
}

static void add_transport(struct door_keys *k, const struct nyd_line *line)
{
	if (line->form == NYD_FUSE)
		add_fuse(k, line);
	else if (line->form == NYD_VIRTIOFS)
		add_path_of(k, line, NYD_SOCK, vhost_user, "socket");
}

/* A path of an image is normal in a configuration; nydusd drops empty and "." parts, and ".." steps up. */
static void add_at(struct door_keys *k, const struct nyd_line *line, const char *section)
{
	const char *path = line->value[NYD_VIRTUAL] ? line->value[NYD_VIRTUAL] : "/";
	auto_free char *at = *path == '/' ? nyd_normal_path(path) : strdup(path);

	if (!at && !k->res)
		k->res = config_no_memory(k->err);
	if (at)
		door_key(k, section, "at", at, line->value[NYD_VIRTUAL] ? where_of(NYD_VIRTUAL) : by_default);
}

static void add_prefetch(struct door_keys *k, const struct nyd_line *line)
{
	auto_free char *text = NULL;
	char *rest, *item;

	if (!line->value[NYD_PREFETCH] || k->res)
		return;
	k->res = nyd_read_text(line->value[NYD_PREFETCH], &text, k->err);
	if (k->res) {
		error_wrap(k->err, "--prefetch-files");
		return;
	}
	rest = text;
	while ((item = strsep(&rest, "\n"))) {
		item = nyd_trim(item);
		if (*item)
			door_key(k, image, "prefetch-files", item, where_of(NYD_PREFETCH));
	}
}

struct layer_keys {
	struct door_keys *k;
	const char *where;
};

static int add_layer_key(void *arg, const char *name, const char *value, struct graft_error *err)
{
	struct layer_keys *l = arg;

	(void)err;
	door_key(l->k, image, name, value, l->where);
	return l->k->res;
}

/* Layers that the text asks for. Who reads it is the control module's, which is loaded only where there may be some. */
static void add_layers(struct door_keys *k, const char *text, const char *where)
{
	struct layer_keys l = { k, where };
	struct control_library lib;

	if (k->res || (!strstr(text, "overlay") && !strstr(text, "id_mapping")))
		return;
	k->res = control_library_open(&lib, k->err);
	if (k->res)
		return;
	k->res = lib.module->nydus_layers(text, strlen(text), add_layer_key, &l, k->err);
	control_library_close(&lib);
}

/* The text as it stands in the file: it is shown, handed over and read again. An INI file cannot carry it, but names the file. */
static void add_image_config(struct door_keys *k, const struct nyd_line *line)
{
	const char *file = line->value[NYD_CONFIG], *folder = line->value[NYD_LOCALFS];
	auto_free char *text = NULL;

	if (k->res)
		return;
	if (!file && !folder) {
		k->res = error_set(k->err, EINVAL, "--bootstrap needs --config or --localfs-dir");
		return;
	}
	if (file && (k->res = nyd_read_text(file, &text, k->err))) {
		error_wrap(k->err, "--config");
		return;
	}
	if (!file)
		text = nyd_localfs_config(folder);
	if (!text) {
		k->res = config_no_memory(k->err);
		return;
	}
	const char *where = where_of(file ? NYD_CONFIG : NYD_LOCALFS);
	if (file && line->value[NYD_DUMP_CONFIG])
		door_key_path(k, image, "config-file", file, "", where);
	else
		door_key(k, image, "config", text, where);
	add_layers(k, text, where);
}

static void add_image(struct door_keys *k, const struct nyd_line *line)
{
	add_at(k, line, image);
	door_key(k, image, "type", "nydus-rafs", where_of(NYD_BOOTSTRAP));
	add_path_of(k, line, NYD_BOOTSTRAP, image, "source");
	add_path_of(k, line, NYD_DEDUP, image, "dedup-db");
	add_image_config(k, line);
	add_prefetch(k, line);
}

static void add_share(struct door_keys *k, const struct nyd_line *line)
{
	add_at(k, line, share);
	door_key(k, share, "type", "passthrough", where_of(NYD_SHARED_DIR));
	add_path_of(k, line, NYD_SHARED_DIR, share, "source");
	door_key(k, share, "xattr", "true", by_default);
}

static void add_all(struct door_keys *k, const struct nyd_line *line)
{
	add_server(k, line);
	add_transport(k, line);
	if (line->value[NYD_BOOTSTRAP])
		add_image(k, line);
	if (line->value[NYD_SHARED_DIR])
		add_share(k, line);
}

struct config *nyd_config(const struct nyd_line *line, struct plugin_registry **registry, struct graft_error *err)
{
	struct door_keys k = { .file.name = "nydusd", .err = err };

	add_all(&k, line);
	return door_keys_config(&k, registry);
}
