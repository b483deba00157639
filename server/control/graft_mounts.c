/* SPDX-License-Identifier: Apache-2.0 */
/* /api/graft/v1/mounts: list, mount, remount, umount, retry. */
#include "server/control/api.h"
#include "server/control/body.h"
#include "server/control/nydus_config.h"
#include "server/control/spec.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTS_WHERE "/api/graft/v1/mounts"

int graft_query_at(struct request *req, char **at)
{
	int res = uri_query(&req->uri, "at", at);

	if (res == -ENOMEM)
		answer_error(&req->answer, 500, ENOMEM, "out of memory");
	else if (res < 0)
		answer_error(&req->answer, 400, EINVAL, "at: a NUL byte in a path");
	if (res <= 0 || uri_path_good(*at))
		return res;
	free(*at);
	*at = NULL;
	answer_error(&req->answer, 400, EINVAL,
		     "at must be an absolute path of at most %d bytes of UTF-8, without an empty, '.' or '..' part",
		     URI_AT_MAX);
	return -EINVAL;
}

/* As graft_query_at, for requests that cannot do without. */
static char *need_at(struct request *req)
{
	char *at = NULL;

	if (graft_query_at(req, &at) == 0)
		answer_error(&req->answer, 400, EINVAL, "%s %s needs ?at=PATH, where the mount is", req->method,
			     MOUNTS_WHERE);
	return at;
}

/* Adds a value to the keys; a second one of a name makes it an array. */
static void add_key(json_t *keys, const struct mount_key *key, bool image)
{
	bool secrets = image && !strcmp(key->name, "config");
	json_t *value = secrets ? nydus_blanked(key->value) : answer_string(key->value);
	json_t *before = json_object_get(keys, key->name);

	if (!before)
		json_object_set_new(keys, key->name, value);
	else if (json_is_array(before))
		json_array_append_new(before, value);
	else
		json_object_set_new(keys, key->name, json_pack("[O, o]", before, value));
}

/* The words of `layers`. */
static json_t *words(const char *text)
{
	json_t *list = json_array();

	for (const char *word = text; *word;) {
		word += strspn(word, " \t");
		size_t len = strcspn(word, " \t");

		if (len)
			json_array_append_new(list, json_stringn(word, len));
		word += len;
	}
	return list;
}

/* What a mount and a record that failed have in common. */
static json_t *describe(const char *name, const char *at, const char *type, const struct mount_key *set, size_t nset)
{
	bool image = type && !strcmp(type, "nydus-rafs");
	json_t *keys = json_object(), *layers = NULL;

	for (size_t i = 0; i < nset; i++) {
		if (!strcmp(set[i].name, "layers"))
			layers = layers ? layers : words(set[i].value);
		else if (strcmp(set[i].name, "at") != 0 && strcmp(set[i].name, "type") != 0)
			add_key(keys, &set[i], image);
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", answer_string(name ? name : ""), "at", answer_string(at),
			 "type", answer_string(type ? type : ""), "layers", layers ? layers : json_array(), "keys",
			 keys);
}

static void count_ops(const struct control_host *host, const struct op_stats *stats, uint64_t *requests,
		      uint64_t *errors)
{
	struct op_sum sum;

	*requests = *errors = 0;
	for (uint32_t op = 0; stats && op < GRAFT_OP_COUNT; op++) {
		host->op_read(stats, op, &sum);
		*requests += sum.count;
		*errors += sum.errors;
	}
}

static json_t *describe_mounted(const struct control_host *host, const struct mount_info *info)
{
	json_t *mount = describe(info->name, info->at, info->type, info->keys, info->nkeys);
	uint64_t requests, errors;

	count_ops(host, info->stats, &requests, &errors);
	json_object_set_new(mount, "state", json_string("mounted"));
	json_object_set_new(mount, "slot", json_integer(info->slot));
	json_object_set_new(mount, "since", json_integer((json_int_t)info->since));
	json_object_set_new(mount, "nodes", json_integer((json_int_t)info->nodes));
	json_object_set_new(mount, "handles", json_integer((json_int_t)info->handles));
	json_object_set_new(mount, "requests", json_integer((json_int_t)requests));
	json_object_set_new(mount, "errors", json_integer((json_int_t)errors));
	return mount;
}

static json_t *describe_failed(const struct manager_failed *failed)
{
	json_t *mount = describe(failed->name, failed->at, failed->type, failed->keys, failed->nkeys);

	json_object_set_new(mount, "state", json_string("failed"));
	json_object_set_new(mount, "why", answer_string(failed->why ? failed->why : "out of memory"));
	return mount;
}

struct listing {
	const struct control_host *host;
	const char *at; /* this one only, or NULL */
	json_t *found;
};

static int list_mounted(const struct mount_info *info, void *arg)
{
	struct listing *list = arg;

	if (list->at && strcmp(list->at, info->at) != 0)
		return 0;
	json_array_append_new(list->found, describe_mounted(list->host, info));
	return list->at ? 1 : 0;
}

static int list_failed(const struct manager_failed *failed, void *arg)
{
	struct listing *list = arg;

	if (!list->at || !strcmp(list->at, failed->at))
		json_array_append_new(list->found, describe_failed(failed));
	return 0;
}

/* The mounts at a path (a failed record may stand beside a mount of the file), or all; NULL when out of memory. */
static json_t *list_mounts(const struct api *api, const char *at)
{
	struct listing list = { api->host, at, json_array() };

	if (!list.found)
		return NULL;
	api->host->each_mount(api->host->server, list_mounted, &list);
	manager_each_failed(api->manager, list_failed, &list);
	return list.found;
}

/* Answers with what is at a path; false, and no answer, if there is nothing. */
static bool answer_mount(const struct api *api, struct request *req, const char *at, unsigned status)
{
	json_t *found = list_mounts(api, at);
	bool any = !found || json_array_size(found);

	if (any)
		answer_json(&req->answer, status, json_incref(json_array_get(found, 0)));
	json_decref(found);
	return any;
}

void graft_mounts_get(const struct api *api, struct request *req)
{
	auto_free char *at = NULL;
	int res = graft_query_at(req, &at);

	if (res == 0)
		answer_json(&req->answer, 200, list_mounts(api, NULL));
	else if (res > 0 && !answer_mount(api, req, at, 200))
		answer_error(&req->answer, 404, ENOENT, "nothing is mounted at %s", at);
}

static unsigned status_of(int code, bool making)
{
	switch (code) {
	case ENOENT:
		return making ? 400 : 404;
	case EINVAL:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case E2BIG:
	case EILSEQ:
	case ERANGE:
		return 400;
	case EACCES:
	case EPERM:
		return 403;
	case EEXIST:
	case EBUSY:
		return 409;
	case ENOSYS:
	case ENOTSUP:
		return 501;
	case EAGAIN:
	case ESHUTDOWN:
		return 503;
	default:
		return 500;
	}
}

static void answer_failure(const struct api *api, struct request *req, bool making, int res,
			   const struct graft_error *err)
{
	api->host->log(GRAFT_LOG_WARN, "api", "%s %s: %s", req->method, MOUNTS_WHERE, err->text);
	answer_error(&req->answer, status_of(-res, making), -res, "%s", err->text);
}

/* Is anything, failed or not, at this path? */
static bool is_known(const struct api *api, const char *at)
{
	json_t *found = list_mounts(api, at);
	bool known = json_array_size(found) > 0;

	json_decref(found);
	return known;
}

typedef int change(struct manager *m, const struct mount_spec *spec, struct graft_error *err);

static void mount_or_remount(const struct api *api, struct request *req, change *fn, unsigned status)
{
	auto_free char *at = need_at(req);
	struct graft_error err = { 0 };
	struct spec spec = { 0 };
	struct body_error e;
	json_t *body;

	if (!at)
		return;
	body = body_parse(req->body, req->body_len, &e);
	if (!body) {
		answer_error(&req->answer, 400, EINVAL,
			     "the body is not the JSON it should be: %s at line %d column %d", e.text, e.line,
			     e.column);
		return;
	}
	int res = spec_from_graft(&spec, at, body, &err);
	if (res == 0) {
		spec.mount.where = at;
		res = fn(api->manager, &spec.mount, &err);
	}
	spec_fini(&spec);
	json_decref(body);
	if (res == 0)
		api_mount_came(api, at, NULL);
	/* Another client may have taken it away meanwhile. */
	if (res == 0 && !answer_mount(api, req, at, status))
		answer_empty(&req->answer, 204);
	else if (res < 0)
		answer_failure(api, req, res != -ENOENT || status == 201 || is_known(api, at), res, &err);
}

void graft_mounts_post(const struct api *api, struct request *req)
{
	mount_or_remount(api, req, manager_mount, 201);
}

void graft_mounts_put(const struct api *api, struct request *req)
{
	mount_or_remount(api, req, manager_remount, 200);
}

/* 1 or 0, or negative with the answer. */
static int query_strict(struct request *req)
{
	auto_free char *text = NULL;
	int res = uri_query(&req->uri, "strict", &text);

	if (res == 0 || (res == 1 && !strcmp(text, "false")))
		return 0;
	if (res == 1 && !strcmp(text, "true"))
		return 1;
	answer_error(&req->answer, 400, EINVAL, "strict must be true or false");
	return -EINVAL;
}

void graft_mounts_delete(const struct api *api, struct request *req)
{
	auto_free char *at = need_at(req);
	struct graft_error err = { 0 };

	if (!at)
		return;
	int strict = query_strict(req);
	if (strict < 0)
		return;
	int res = manager_umount(api->manager, at, strict, &err);
	if (res < 0) {
		answer_failure(api, req, false, res, &err);
		return;
	}
	api_mount_went(api, at);
	answer_empty(&req->answer, 204);
}

void graft_retry(const struct api *api, struct request *req)
{
	auto_free char *at = NULL;
	struct graft_error err = { 0 };

	if (graft_query_at(req, &at) < 0)
		return;
	int res = manager_retry(api->manager, at, &err);
	if (res < 0)
		answer_failure(api, req, at && is_known(api, at), res, &err);
	else
		answer_empty(&req->answer, 204);
}
