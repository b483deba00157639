/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of nydusd's API change of a running mount. */
#include "server/control/nydus_values.h"

#include "lib/cleanup.h"
#include "server/control/nydus_body.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nydus_values {
	pthread_mutex_t lock;
	/* protected by lock */
	json_t *all; /* texts by "ID:NAME", as nydusd has them */
	size_t bytes;
};

static const struct {
	const char *name;
	bool secret;
} names[] = {
	{ "registry_auth", true },
	{ "proxy_url", true }, /* may have a password in it */
	{ "dragonfly_scheduler_endpoint", false },
};

struct nydus_values *nydus_values_new(void)
{
	struct nydus_values *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	pthread_mutex_init(&v->lock, NULL);
	v->all = json_object();
	if (v->all)
		return v;
	nydus_values_free(v);
	return NULL;
}

void nydus_values_free(struct nydus_values *v)
{
	if (!v)
		return;
	json_decref(v->all);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static size_t size_of(const char *key, const json_t *value)
{
	return value ? strlen(key) + json_string_length(value) : 0;
}

static bool is_name(const char *text)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].name, text))
			return true;
	return false;
}

/* Sets one in all, whose size is *bytes. */
static int set(json_t *all, size_t *bytes, const char *id, const char *name, json_t *value)
{
	auto_free char *key = NULL;

	if (asprintf(&key, "%s:%s", id, name) < 0) {
		key = NULL;
		return -ENOMEM;
	}
	*bytes += size_of(key, value) - size_of(key, json_object_get(all, key));
	if (*bytes > NYDUS_VALUES_MAX)
		return -ENOSPC;
	return json_object_set(all, key, value) < 0 ? -ENOMEM : 0;
}

int nydus_values_put(struct nydus_values *v, const char *id, const json_t *texts)
{
	const char *name;
	json_t *value;
	int res = 0;

	json_object_foreach((json_t *)texts, name, value)
		if (!is_name(name))
			return -EINVAL;
	LOCK_SCOPE(&v->lock);
	json_t *after = json_copy(v->all), *before = v->all;
	size_t bytes = v->bytes;
	if (!after)
		return -ENOMEM;
	json_object_foreach((json_t *)texts, name, value)
		res = res ? res : set(after, &bytes, id, name, value);
	if (!res) {
		v->all = after;
		v->bytes = bytes;
	}
	json_decref(res ? after : before);
	return res;
}

void nydus_values_drop(struct nydus_values *v, const char *id)
{
	LOCK_SCOPE(&v->lock);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auto_free char *key = NULL;

		if (asprintf(&key, "%s:%s", id, names[i].name) < 0) {
			key = NULL;
			return;
		}
		v->bytes -= size_of(key, json_object_get(v->all, key));
		json_object_del(v->all, key);
	}
}

static bool is_secret(const char *key)
{
	const char *name = strrchr(key, ':') + 1;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].name, name))
			return names[i].secret;
	return true;
}

json_t *nydus_values_get(struct nydus_values *v, const char *id)
{
	size_t len = id ? strlen(id) : 0;
	json_t *shown = json_object(), *value;
	const char *key;

	LOCK_SCOPE(&v->lock);
	json_object_foreach(v->all, key, value) {
		if (!id && is_secret(key))
			json_object_set_new(shown, key, json_string(""));
		else if (!id)
			json_object_set(shown, key, value);
		else if (!strncmp(key, id, len) && key[len] == ':' && is_name(key + len + 1))
			json_object_set(shown, key + len + 1, value);
	}
	return shown;
}

/* --- requests */

/* The query's id, as given; NULL where there is none. False: the answer is set. The caller frees it. */
static bool query_id(struct request *req, char **id)
{
	*id = NULL;
	int res = uri_query(&req->uri, "id", id);
	if (res < 0)
		answer_nydus(&req->answer, res == -ENOMEM ? 500 : 400, "BadRequest", NULL, NULL);
	return res >= 0;
}

static void ignore(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
}

void nydus_values_tell(const struct api *api, const char *at, const char *id)
{
	const struct control_host *host = api->host;
	json_t *texts = nydus_values_get(api->values, id), *value;
	const char *name;

	json_object_foreach(texts, name, value) {
		int res = host->ask(host->server, at, name, json_string_value(value), ignore, NULL);

		/* What the image's backend has no use for. */
		if (res < 0 && res != -EOPNOTSUPP && res != -ENOENT)
			host->log(GRAFT_LOG_WARN, "api", "%s: %s was not taken: %s", at, name, strerrordesc_np(-res));
	}
	json_decref(texts);
}

void nydus_config_get(const struct api *api, struct request *req)
{
	auto_free char *id = NULL;

	if (query_id(req, &id))
		answer_json(&req->answer, 200, nydus_values_get(api->values, id));
}

void nydus_config_put(const struct api *api, struct request *req)
{
	static const struct nydus_shape form = { "a map", NULL, 0 };
	auto_free char *id = NULL, *at = NULL;
	json_t *texts = query_id(req, &id) ? nydus_body(req, &form) : NULL;

	if (!texts)
		return;
	if (nydus_values_put(api->values, id ? id : "", texts) < 0) {
		answer_nydus(&req->answer, 500, "Configure(ResponsePayloadType)", NULL, NULL);
	} else {
		at = id ? uri_path_clean(id) : NULL;
		if (at)
			nydus_values_tell(api, at, id);
		answer_empty(&req->answer, 204);
	}
	json_decref(texts);
}
