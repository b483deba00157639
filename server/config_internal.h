/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the configuration: the file as sections and keys, what the option tables fill, and the steps between. */
#ifndef GRAFT_SERVER_CONFIG_INTERNAL_H
#define GRAFT_SERVER_CONFIG_INTERNAL_H

#include "server/config.h"

#define CONFIG_NAME_MAX 64           /* bytes of an instance's, transport's, mount's or layer's name */
#define CONFIG_FILE_MAX (8 * 1024 * 1024) /* bytes */
#define CONFIG_LINE_MAX 8192         /* bytes, with room for line end and NUL */
#define CONFIG_SECTIONS_MAX 8192
#define CONFIG_TRANSPORTS_MAX 256    /* each is compared with each */
#define CONFIG_MEMBERS_MAX 16        /* of a stack, the backend included */
#define CONFIG_WHERE_MAX 600         /* "FILE:LINE" with its NUL */
#define CONFIG_POLL_MAX 1000         /* microseconds */
#define CONFIG_POLL_AUTO 100         /* microseconds: a sleep, the wake-up and a batch of the driver take about that */
#define CONFIG_TAG_MAX 36            /* bytes (virtio 1.2, 5.11.4) */
#define CONFIG_ID_RANGES_MAX 340     /* of a map (user_namespaces(7)) */
#define CONFIG_AT_MAX 4096           /* bytes of a mount's path */

/* A file taken apart, nothing of it understood yet. */
struct ini_key {
	char *name, *value;
	uint32_t line;
};

struct ini_section {
	char *text; /* between the brackets, one blank between words */
	uint32_t line;
	struct ini_key *keys;
	size_t nkeys, room;
};

struct ini_file {
	const char *name; /* for messages; borrowed */
	const char *const *places; /* of what is no file: line n is places[n - 1], "--cache"; else NULL. Borrowed */
	struct ini_section *sections;
	size_t n, room;
};

/* text has len bytes and need not end in NUL. On failure file holds what was read so far; free it in any case. */
int ini_file_parse(struct ini_file *file, const char *text, size_t len, struct graft_error *err);
void ini_file_free(struct ini_file *file);
/* Sets a key of a section, added where it is missing; what the file said of the key is gone. Texts are copied. */
int ini_file_set(struct ini_file *file, const char *section, const char *key, const char *value,
		 struct graft_error *err);
/* Adds a key behind those of a section, which is made where it is missing; line 0 is none. Texts are copied. */
int ini_file_add(struct ini_file *file, const char *section, const char *key, const char *value, uint32_t line,
		 struct graft_error *err);
/* Fills where with "FILE:LINE" or the line's place, "FILE" for line 0, which is none; returns it. A long one is cut. */
const char *ini_where(const struct ini_file *file, uint32_t line, char where[CONFIG_WHERE_MAX]);

/* Words of enum config_sandbox and enum config_seccomp, NULL-terminated. */
extern const char *const config_sandboxes[], *const config_seccomps[];

/* What config_server_options, _transport_options, _fuse_options and _mount_options fill. */
struct server_settings {
	const char *instance, *workers, *plugin_dir, *state_dir, *api_socket, *log_file, *pid_file, *modcaps, *supervisor;
	const char *dedup_db;
	uint32_t log_level, sandbox, seccomp, landlock, node_ids, api_peers;
	bool syslog, api_only;
	struct graft_list plugins, uid_map, gid_map;
	uint64_t rlimit_nofile, log_rotation;
};

struct transport_settings {
	const char *socket, *socket_group, *tag, *queue_cpus, *poll_us; /* all but poll_us may be NULL */
	uint64_t fd, queues; /* fd: UINT64_MAX if absent */
	struct guest_limits limits;
	uint32_t flag[CONFIG_KEY_COUNT];
	bool once;
};

struct fuse_settings {
	const char *mountpoint, *mount_type, *mount_source, *threads; /* type and source may be NULL */
	struct guest_limits limits;
	uint32_t takeover, failover;
	bool read_only;
	uint32_t flag[CONFIG_KEY_COUNT];
};

struct mount_settings {
	const char *at, *type, *layers; /* layers may be NULL */
};

/* Blank-separated words of a text. words[n] is NULL. */
int config_words(const char *text, char ***words, size_t *n, struct graft_error *err);
void config_words_free(char **words);
/* [A-Za-z0-9][A-Za-z0-9_.-]{0,63} */
bool config_name_good(const char *name);
int config_no_memory(struct graft_error *err);
/* What the lines of a key say, INSIDE:OUTSIDE:COUNT each; map is empty before, and free drops map->range. */
int config_read_id_map(struct config_id_map *map, const struct options *o, const char *key,
		       const struct graft_list *lines, struct graft_error *err);
/* Why a path is not absolute and normal, "it ..."; NULL if it is. */
const char *config_path_fault(const char *path);
/* What stands in the section behind its first words; NULL if the section does not begin with them. */
const char *config_behind(const char *text, const char *words);

/* All of config_read_ini behind the reading of the file. */
struct config *config_read_text(const char *name, const char *text, size_t len, const char *mountpoint,
				struct plugin_registry **registry, struct graft_error *err);
/* All behind the taking apart of the text. */
struct config *config_read_file(const struct ini_file *file, struct plugin_registry **registry,
				struct graft_error *err);
/* Bytes of the character at p, which ends in NUL somewhere, and its number; 0 for what is not UTF-8 (RFC 3629). */
size_t config_utf8(const unsigned char *p, uint32_t *c);
/* Sections to structs; plugins are loaded. c is empty before, and holds what was done so far on failure. */
int config_build(struct config *c, const struct ini_file *file, struct plugin_registry **registry,
		 struct graft_error *err);
/* One mount with its stack; m is empty, but its name and where. A section of line 0 is of no file: where tells all. */
int config_build_mount(struct mount_config *m, const struct ini_file *file, const struct ini_section *section,
		       struct plugin_registry *registry, struct graft_error *err);
/* Frees what config_build_mount made, not m itself. */
void config_mount_fini(struct mount_config *m);
/* What concerns several keys or sections at once. */
int config_check(const struct config *c, struct graft_error *err);

#endif
