/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts made at run time, as mounts.json keeps them. */
#include "server/control/record.h"

#include "lib/cleanup.h"

#include <string.h>

#define AT_MAX 4096 /* bytes */

static const char file_head[] = "{\"version\": 1, \"mounts\": [\n";
static const char file_tail[] = "\n]}\n";

static int no_memory(struct graft_error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

void record_free(struct record *r)
{
	if (!r)
		return;
	for (size_t i = 0; r->keys && i < r->nkeys; i++) {
		free((char *)r->keys[i].name);
		free((char *)r->keys[i].value);
	}
	free(r->keys);
	free(r->name);
	free(r->json);
	free(r->why);
	free(r);
}

void records_free(struct record **records, size_t n)
{
	for (size_t i = 0; records && i < n; i++)
		record_free(records[i]);
	free(records);
}

const char *record_get(const struct record *r, const char *key)
{
	for (size_t i = 0; i < r->nkeys; i++)
		if (strcmp(r->keys[i].name, key) == 0)
			return r->keys[i].value;
	return NULL;
}

const char *record_at(const struct record *r)
{
	return r->keys[0].value;
}

static bool copy_key(struct mount_key *to, const char *name, const char *value)
{
	to->name = strdup(name);
	to->value = strdup(value);
	return to->name && to->value;
}

struct record *record_new(const char *name, const struct mount_key *keys, size_t nkeys, bool replaces,
			  struct graft_error *err)
{
	struct record *r = calloc(1, sizeof(*r));
	bool good = r && (r->keys = calloc(nkeys, sizeof(*r->keys)));
	size_t first = 0, to = 1;

	while (first < nkeys && strcmp(keys[first].name, "at") != 0)
		first++;
	if (good && name)
		good = (r->name = strdup(name)) != NULL;
	if (good) {
		r->replaces = replaces;
		r->nkeys = nkeys;
		good = copy_key(&r->keys[0], "at", keys[first].value);
	}
	for (size_t i = 0; good && i < nkeys; i++)
		if (i != first)
			good = copy_key(&r->keys[to++], keys[i].name, keys[i].value);
	if (good)
		return r;
	record_free(r);
	no_memory(err);
	return NULL;
}

/* NULL with err where text is not UTF-8. */
static json_t *json_text(const char *what, const char *text, struct graft_error *err)
{
	json_t *j = json_string(text);

	if (j)
		return j;
	j = json_string_nocheck(text);
	if (j)
		error_set(err, EILSEQ, "%s is not UTF-8, which the state file cannot keep", what);
	else
		no_memory(err);
	json_decref(j);
	return NULL;
}

static json_t *json_keys(const struct record *r, struct graft_error *err)
{
	json_t *list = json_array();
	bool good = list || no_memory(err) == 0;

	for (size_t i = 1; good && i < r->nkeys; i++) {
		json_t *name = json_text("a key's name", r->keys[i].name, err);
		json_t *value = name ? json_text(r->keys[i].name, r->keys[i].value, err) : NULL;
		json_t *pair = value ? json_pack("[oo]", name, value) : NULL;

		if (!value)
			json_decref(name);
		good = value && json_array_append_new(list, pair) == 0;
		if (value && !good)
			no_memory(err);
	}
	if (good)
		return list;
	json_decref(list);
	return NULL;
}

int record_seal(struct record *r, struct graft_error *err)
{
	json_t *keys = json_keys(r, err);
	json_t *at = keys ? json_text("at", record_at(r), err) : NULL;
	if (!at) {
		json_decref(keys);
		return -err->code;
	}
	/* Takes at and keys, also where it fails. */
	json_t *all = json_pack("{s:s*, s:o, s:o, s:o*}", "name", r->name, "at", at, "keys", keys, "replaces",
				r->replaces ? json_true() : NULL);
	char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	if (!text)
		return no_memory(err);
	free(r->json);
	r->json = text;
	return 0;
}

/* The array of pairs of a record in the file, "at" put before them. NULL with *fault where it is none. */
static struct mount_key *read_keys(const json_t *list, const char *at, size_t *n, const char **fault)
{
	struct mount_key *keys = calloc(json_array_size(list) + 1, sizeof(*keys));

	*fault = keys ? NULL : "out of memory";
	if (keys)
		keys[(*n)++] = (struct mount_key){ .name = "at", .value = at };
	for (size_t i = 0; !*fault && i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (json_array_size(pair) != 2 || !name || !value)
			*fault = "'keys' is no list of [key, value] pairs";
		else if (strcmp(name, "at") == 0)
			*fault = "'keys' has an 'at' of its own";
		else
			keys[(*n)++] = (struct mount_key){ .name = name, .value = value };
	}
	if (!*fault)
		return keys;
	free(keys);
	return NULL;
}

/* Something in a record that this release does not write; NULL if there is nothing. */
static const char *unknown_member(json_t *one)
{
	static const char *const known[] = { "name", "at", "keys", "replaces" };
	const char *name;
	json_t *value;

	json_object_foreach(one, name, value) {
		bool found = false;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || strcmp(name, known[i]) == 0;
		if (!found)
			return name;
	}
	return NULL;
}

static const char *record_fault(const json_t *one)
{
	const json_t *name = json_object_get(one, "name"), *replaces = json_object_get(one, "replaces");
	const char *at = json_string_value(json_object_get(one, "at"));

	if (!json_is_object(one))
		return "not an object";
	if (!at || at[0] != '/' || strlen(at) > AT_MAX)
		return "'at' is missing or no absolute path";
	if (name && !json_is_string(name))
		return "'name' is no text";
	if (replaces && !json_is_boolean(replaces))
		return "'replaces' is neither true nor false";
	return json_is_array(json_object_get(one, "keys")) ? NULL : "'keys' is missing or no list";
}

static struct record *read_record(const struct store *s, json_t *one, size_t number, struct graft_error *err)
{
	const char *fault = record_fault(one), *more = fault ? NULL : unknown_member(one);
	size_t n = 0;
	auto_free struct mount_key *keys = NULL;

	if (!fault && !more)
		keys = read_keys(json_object_get(one, "keys"), json_string_value(json_object_get(one, "at")), &n,
				 &fault);
	if (more)
		store_fault(s, STORE_MOUNTS, err, "mount %zu: unknown member '%.64s'", number, more);
	else if (fault)
		store_fault(s, STORE_MOUNTS, err, "mount %zu: %s", number, fault);
	if (!keys)
		return NULL;
	struct record *r = record_new(json_string_value(json_object_get(one, "name")), keys, n,
				      json_is_true(json_object_get(one, "replaces")), err);
	if (!r || record_seal(r, err) == 0)
		return r;
	record_free(r);
	return NULL;
}

struct numbered {
	const char *at;
	size_t number;
};

static int by_at(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int order = strcmp(x->at, y->at);

	return order ? order : x->number < y->number ? -1 : 1;
}

static int check_twice(const struct store *s, struct record *const *records, size_t n, struct graft_error *err)
{
	auto_free struct numbered *sorted = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return no_memory(err);
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct numbered){ .at = record_at(records[i]), .number = i + 1 };
	qsort(sorted, n, sizeof(*sorted), by_at);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i - 1].at, sorted[i].at) == 0)
			return store_fault(s, STORE_MOUNTS, err, "mounts %zu and %zu are both at %.200s",
					   sorted[i - 1].number, sorted[i].number, sorted[i].at);
	return 0;
}

static int read_all(const struct store *s, const json_t *list, struct record **records, size_t *n,
		    struct graft_error *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		records[*n] = read_record(s, json_array_get(list, i), i + 1, err);
		if (!records[*n])
			return -err->code;
		++*n;
	}
	return check_twice(s, records, *n, err);
}

int records_read(const struct store *s, struct record ***records, size_t *n, struct graft_error *err)
{
	json_t *root = NULL;
	int res = store_get(s, STORE_MOUNTS, &root, err);

	*records = NULL;
	*n = 0;
	if (res || !root)
		return res;
	const json_t *list = json_object_get(root, "mounts");
	if (!json_is_array(list) || json_object_size(root) != 2)
		res = store_fault(s, STORE_MOUNTS, err, "has other members than 'version' and the list 'mounts'");
	else if (json_array_size(list) > RECORDS_MAX)
		res = store_fault(s, STORE_MOUNTS, err, "more than %d mounts", RECORDS_MAX);
	else if (!(*records = calloc(json_array_size(list) + 1, sizeof(**records))))
		res = no_memory(err);
	else
		res = read_all(s, list, *records, n, err);
	json_decref(root);
	if (res) {
		records_free(*records, *n);
		*records = NULL;
		*n = 0;
	}
	return res;
}

int records_write(const struct store *s, struct record *const *records, size_t n, struct graft_error *err)
{
	size_t len = sizeof(file_head) + sizeof(file_tail);
	bool first = true;

	for (size_t i = 0; i < n; i++)
		len += records[i]->hidden ? 0 : strlen(records[i]->json) + 2;
	auto_free char *text = malloc(len);
	if (!text)
		return no_memory(err);
	char *end = stpcpy(text, file_head);
	for (size_t i = 0; i < n; i++) {
		if (records[i]->hidden)
			continue;
		end = stpcpy(end, first ? "" : ",\n");
		end = stpcpy(end, records[i]->json);
		first = false;
	}
	end = stpcpy(end, file_tail);
	return store_put(s, STORE_MOUNTS, text, (size_t)(end - text), err);
}
