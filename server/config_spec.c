/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: one mount from the keys that a caller brings while the server runs, and its keys back. */
#include "server/config_internal.h"

#include "lib/cleanup.h"

#include <stdatomic.h>
#include <string.h>

/* Relaxed: only that no number comes twice. */
static _Atomic uint64_t names_made;

static void cleanup_mount(struct mount_config **m)
{
	config_mount_free(*m);
}

void config_mount_free(struct mount_config *m)
{
	if (!m)
		return;
	config_mount_fini(m);
	free(m);
}

/* Holds a caller to what a file could hold. */
static int check_size(const struct mount_spec *spec, struct graft_error *err)
{
	size_t bytes = 0;
	for (size_t i = 0; i < spec->nkeys && bytes <= CONFIG_FILE_MAX; i++)
		bytes += strlen(spec->keys[i].name) + strlen(spec->keys[i].value) + 1;
	if (bytes <= CONFIG_FILE_MAX)
		return 0;
	return error_set(err, E2BIG, "%.512s: more than the 8 MiB of a configuration", spec->where);
}

static int take_name(struct mount_config *m, const struct mount_spec *spec, struct graft_error *err)
{
	char made[CONFIG_NAME_MAX];
	unsigned long long n;

	if (spec->name && !config_name_good(spec->name))
		return error_set(err, EINVAL,
				 "%.512s: '%.100s' is not a mount's name ([A-Za-z0-9][A-Za-z0-9_.-]*, "
				 "at most %d bytes)",
				 spec->where, spec->name, CONFIG_NAME_MAX);
	if (!spec->name) {
		n = atomic_fetch_add_explicit(&names_made, 1, memory_order_relaxed) + 1;
		snprintf(made, sizeof(made), "mount-%llu", n);
	}
	m->name = strdup(spec->name ? spec->name : made);
	m->where = strdup(spec->where);
	m->slot = spec->slot;
	return m->name && m->where ? 0 : config_no_memory(err);
}

/* The keys as a section of line 0, whose array is the caller's to free; the texts are the spec's and not changed. */
static int make_section(const struct mount_spec *spec, struct ini_section *s, struct graft_error *err)
{
	s->keys = calloc(spec->nkeys + 1, sizeof(*s->keys));
	if (!s->keys)
		return config_no_memory(err);
	for (; s->nkeys < spec->nkeys; s->nkeys++)
		s->keys[s->nkeys] = (struct ini_key){ .name = (char *)(uintptr_t)spec->keys[s->nkeys].name,
						      .value = (char *)(uintptr_t)spec->keys[s->nkeys].value };
	return 0;
}

struct mount_config *config_mount_new(const struct mount_spec *spec, struct plugin_registry *registry,
				      struct graft_error *err)
{
	const struct ini_file nowhere = { .name = spec->where };
	struct ini_section section = { .line = 0 };
	struct mount_config *m __attribute__((cleanup(cleanup_mount))) = calloc(1, sizeof(*m));

	int res = m ? check_size(spec, err) : config_no_memory(err);
	if (res == 0)
		res = take_name(m, spec, err);
	if (res == 0)
		res = make_section(spec, &section, err);
	if (res == 0)
		res = config_build_mount(m, &nowhere, &section, registry, err);
	free(section.keys);
	return res == 0 ? steal_ptr(m) : NULL;
}

/* Where the keys of a mount go: first they are counted, then written. */
struct key_sink {
	struct mount_key *keys; /* NULL: counting */
	char *texts;
	size_t n, bytes;
	const char *layer; /* that the keys are of, or NULL */
};

static int take_key(const char *key, const char *value, void *arg)
{
	struct key_sink *s = arg;
	size_t name_size = strlen(key) + 1 + (s->layer ? strlen(s->layer) + 1 : 0);
	size_t value_size = strlen(value) + 1;

	if (s->keys) {
		char *name = s->texts + s->bytes;
		snprintf(name, name_size, "%s%s%s", s->layer ? s->layer : "", s->layer ? "." : "", key);
		memcpy(name + name_size, value, value_size);
		s->keys[s->n] = (struct mount_key){ .name = name, .value = name + name_size };
	}
	s->n++;
	s->bytes += name_size + value_size;
	return 0;
}

static void take_keys(const struct mount_config *m, struct key_sink *s)
{
	uint32_t backend = m->nmembers - 1;

	s->n = s->bytes = 0;
	s->layer = NULL;
	options_each_set(m->options, take_key, s);
	options_each_set(m->members[backend].options, take_key, s);
	for (uint32_t i = 0; i < backend; i++) {
		s->layer = m->members[i].name;
		options_each_set(m->members[i].options, take_key, s);
	}
}

struct mount_key *config_mount_keys(const struct mount_config *m, size_t *n)
{
	struct key_sink s = { 0 };

	take_keys(m, &s);
	size_t array = (s.n + 1) * sizeof(*s.keys);
	struct mount_key *keys = malloc(array + s.bytes);
	if (!keys)
		return NULL;
	s.keys = keys;
	s.texts = (char *)keys + array;
	take_keys(m, &s);
	*n = s.n;
	return keys;
}
