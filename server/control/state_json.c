/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: which process serves an instance, and where. */
#include "server/control/state_json.h"

#include "lib/cleanup.h"

#include <limits.h>
#include <string.h>
#include <time.h>

static void now_utc(char text[32])
{
	time_t now = time(NULL);
	struct tm tm;

	if (!gmtime_r(&now, &tm) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		text[0] = '\0';
}

/* A socket's path may hold any bytes; what JSON cannot carry is left out. */
static void add_socket(json_t *list, const char *use, const char *path)
{
	if (path)
		json_array_append_new(list, json_pack("{s:s, s:s}", "use", use, "path", path));
}

static json_t *sockets(const struct config *config)
{
	json_t *list = json_array();

	for (uint32_t i = 0; list && i < config->ntransports; i++) {
		const struct transport_config *t = &config->transports[i];

		add_socket(list, t->name, t->socket);
		add_socket(list, t->name, t->mountpoint);
	}
	if (list)
		add_socket(list, "api", config->server.api_socket);
	return list;
}

int state_json_write(const struct store *s, const struct config *config, const struct process_id *id,
		     struct graft_error *err)
{
	char started[32];

	now_utc(started);
	json_t *root = json_pack("{s:i, s:s, s:i, s:I, s:s, s:s, s:o}", "version", STORE_VERSION, "instance",
				 config->server.instance, "pid", (int)id->pid, "start_time", (json_int_t)id->start,
				 "boot_id", id->boot_id, "started", started, "sockets", sockets(config));
	auto_free char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	if (!text)
		return error_set(err, ENOMEM, "writing %s/" STORE_STATE ": out of memory", s->path);
	return store_put(s, STORE_STATE, text, strlen(text), err);
}

/* The name of a member that is missing or of the wrong type. */
static const char *state_fault(const json_t *root)
{
	static const char *const texts[] = { "instance", "boot_id", "started" };
	const json_t *pid = json_object_get(root, "pid");

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!json_is_string(json_object_get(root, texts[i])))
			return texts[i];
	if (!json_is_integer(pid) || json_integer_value(pid) < 1 || json_integer_value(pid) > INT_MAX)
		return "pid";
	if (!json_is_integer(json_object_get(root, "start_time")))
		return "start_time";
	return json_is_array(json_object_get(root, "sockets")) ? NULL : "sockets";
}

int state_json_read(const struct store *s, int *pid, struct graft_error *err)
{
	json_t *root = NULL;
	int res = store_get(s, STORE_STATE, &root, err);

	*pid = 0;
	if (res || !root)
		return res;
	const char *fault = state_fault(root);
	if (fault)
		res = store_fault(s, STORE_STATE, err, "'%s' is missing or of the wrong type", fault);
	else
		*pid = (int)json_integer_value(json_object_get(root, "pid"));
	json_decref(root);
	return res;
}
