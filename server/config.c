/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: from text to a checked structure, its end, and printing it as an INI file. */
#include "server/config.h"
#include "server/config_internal.h"

#include "lib/cleanup.h"

#include <string.h>

bool config_name_good(const char *name)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(name);
	if (len == 0 || len > CONFIG_NAME_MAX || !strchr(first, name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr(first, name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

void config_words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

int config_words(const char *text, char ***words, size_t *n, struct graft_error *err)
{
	static const char blanks[] = " \t";
	char **list = calloc(strlen(text) / 2 + 2, sizeof(*list)); /* a word and a blank are 2 bytes at least */
	size_t count = 0;
	if (!list)
		return config_no_memory(err);
	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		size_t len = strcspn(text, blanks);
		list[count] = strndup(text, len);
		if (!list[count]) {
			config_words_free(list);
			return config_no_memory(err);
		}
		count++;
		text += len;
	}
	*words = list;
	*n = count;
	return 0;
}

static void cleanup_config(struct config **c)
{
	config_free(*c);
}

/* --mountpoint: the one [transport fuse] gets it, whatever the file says there. */
static int use_mountpoint(struct ini_file *file, const char *mountpoint, struct graft_error *err)
{
	const char *section = NULL;
	for (size_t i = 0; i < file->n; i++) {
		const char *text = file->sections[i].text;
		if (!config_behind(text, "transport fuse"))
			continue;
		if (section)
			return error_set(err, EINVAL,
					 "%s: --mountpoint: the file has several [transport fuse] sections",
					 file->name);
		section = text;
	}
	return ini_file_set(file, section ? section : "transport fuse", "mountpoint", mountpoint, err);
}

struct config *config_read_file(const struct ini_file *file, struct plugin_registry **registry, struct graft_error *err)
{
	struct config *c __attribute__((cleanup(cleanup_config))) = calloc(1, sizeof(*c));

	*registry = NULL;
	if (!c) {
		config_no_memory(err);
		return NULL;
	}
	if (config_build(c, file, registry, err) == 0 && config_check(c, err) == 0)
		return steal_ptr(c);
	plugin_registry_free(*registry);
	*registry = NULL;
	return NULL;
}

struct config *config_read_text(const char *name, const char *text, size_t len, const char *mountpoint,
				struct plugin_registry **registry, struct graft_error *err)
{
	struct ini_file file __attribute__((cleanup(ini_file_free))) = { .name = name };

	*registry = NULL;
	int res = ini_file_parse(&file, text, len, err);
	if (res == 0 && mountpoint)
		res = use_mountpoint(&file, mountpoint, err);
	return res == 0 ? config_read_file(&file, registry, err) : NULL;
}

void config_mount_fini(struct mount_config *m)
{
	for (uint32_t i = 0; m->members && i < m->nmembers; i++) {
		options_free(m->members[i].options);
		free((char *)(uintptr_t)m->members[i].name);
	}
	free(m->members);
	options_free(m->options);
	free((char *)(uintptr_t)m->name);
	free(m->where);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->nmounts; i++)
		config_mount_fini(&c->mounts[i]);
	free(c->mounts);
	for (uint32_t i = 0; i < c->ntransports; i++) {
		options_free(c->transports[i].options);
		free((char *)(uintptr_t)c->transports[i].name);
		free(c->transports[i].where);
	}
	free(c->transports);
	config_words_free((char **)(uintptr_t)c->server.plugins.items);
	options_free(c->server.options);
	free(c->server.uid_map.range);
	free(c->server.gid_map.range);
	free(c->server.where);
	free(c->file);
	free(c);
}

static int dump_mount(const struct mount_config *m, FILE *to, struct graft_error *err)
{
	fprintf(to, "\n[mount %s]\n", m->name);
	int res = options_dump(m->options, "", to, err);
	/* The backend stands last in the stack, its keys come first in the section. */
	if (res == 0)
		res = options_dump(m->members[m->nmembers - 1].options, "", to, err);
	for (uint32_t i = 0; res == 0 && i + 1 < m->nmembers; i++) {
		char prefix[CONFIG_NAME_MAX + 2];
		snprintf(prefix, sizeof(prefix), "%s.", m->members[i].name);
		res = options_dump(m->members[i].options, prefix, to, err);
	}
	return res == 0 ? 0 : error_wrap(err, "[mount %s]", m->name);
}

int config_dump(const struct config *c, FILE *to, struct graft_error *err)
{
	fputs("[server]\n", to);
	int res = options_dump(c->server.options, "", to, err);
	if (res != 0)
		return error_wrap(err, "[server]");
	for (uint32_t i = 0; res == 0 && i < c->ntransports; i++) {
		fprintf(to, "\n[transport %s]\n", c->transports[i].name);
		res = options_dump(c->transports[i].options, "", to, err);
		if (res != 0)
			return error_wrap(err, "[transport %s]", c->transports[i].name);
	}
	for (uint32_t i = 0; res == 0 && i < c->nmounts; i++)
		res = dump_mount(&c->mounts[i], to, err);
	if (res == 0 && (fflush(to) != 0 || ferror(to)))
		res = error_set(err, EIO, "cannot write the configuration: %s", strerror(errno));
	return res;
}
