/* SPDX-License-Identifier: Apache-2.0 */
/* /api/graft/v1 about the daemon itself: transports, configuration, log level, plugins, its version and its end. */
#include "server/control/api.h"
#include "server/control/body.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int add_transport(const struct control_transport *t, void *list)
{
	json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:I, s:I}", "name", answer_string(t->name), "kind",
					      answer_string(t->kind), "where", answer_string(t->where), "clients",
					      (json_int_t)t->clients, "queues", (json_int_t)t->queues));
	return 0;
}

void graft_transports(const struct api *api, struct request *req)
{
	json_t *list = json_array();

	if (list)
		api->host->each_transport(api->host->server, add_transport, list);
	answer_json(&req->answer, 200, list);
}

static bool wants_ini(struct request *req)
{
	auto_free char *format = NULL;

	return uri_query(&req->uri, "format", &format) == 1 && !strcmp(format, "ini");
}

void graft_config(const struct api *api, struct request *req)
{
	struct graft_error err = { .code = ENOMEM, .text = "out of memory" };
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	int res = to ? api->host->dump_config(api->host->server, to, &err) : -ENOMEM;

	if (to && fclose(to) != 0 && res == 0)
		res = -ENOMEM;
	if (res < 0) {
		free(text);
		answer_error(&req->answer, 500, -res, "%s", err.text);
	} else if (wants_ini(req)) {
		answer_text(&req->answer, 200, "text/plain; charset=utf-8", text, len);
	} else {
		answer_json(&req->answer, 200, json_pack("{s:o}", "config", answer_string(text)));
		free(text);
	}
}

static const char *const levels[] = {
	[GRAFT_LOG_ERROR] = "error", [GRAFT_LOG_WARN] = "warn",   [GRAFT_LOG_INFO] = "info",
	[GRAFT_LOG_DEBUG] = "debug", [GRAFT_LOG_TRACE] = "trace",
};
#define NLEVELS ((int)(sizeof(levels) / sizeof(levels[0])))

void graft_log_level_get(const struct api *api, struct request *req)
{
	int level = api->host->log_level();

	/* Below is nydusd's "off". */
	answer_json(&req->answer, 200,
		    json_pack("{s:s}", "level", level >= 0 && level < NLEVELS ? levels[level] : "off"));
}

void graft_log_level_put(const struct api *api, struct request *req)
{
	struct body_error e;
	json_t *body = body_parse(req->body, req->body_len, &e);
	const char *word = json_string_value(json_object_get(body, "level"));
	int level = 0;

	while (word && level < NLEVELS && strcmp(word, levels[level]) != 0)
		level++;
	if (!body) {
		answer_error(&req->answer, 400, EINVAL,
			     "the body is not the JSON it should be: %s at line %d column %d", e.text, e.line,
			     e.column);
	} else if (!word || level == NLEVELS) {
		answer_error(&req->answer, 400, EINVAL, "level must be error, warn, info, debug or trace");
	} else {
		api->host->set_log_level(level);
		answer_empty(&req->answer, 204);
	}
	json_decref(body);
}

static const char *type_name(uint32_t type)
{
	switch (type) {
	case GRAFT_OPT_PATH:
		return "path";
	case GRAFT_OPT_BOOL:
		return "bool";
	case GRAFT_OPT_U64:
		return "number";
	case GRAFT_OPT_SECONDS:
		return "seconds";
	case GRAFT_OPT_ENUM:
		return "enum";
	case GRAFT_OPT_LIST:
		return "list";
	default:
		return "string";
	}
}

static json_t *describe_option(const struct graft_opt *opt)
{
	json_t *o = json_pack("{s:o, s:s, s:b}", "key", answer_string(opt->key), "type", type_name(opt->type),
			      "required", !opt->dflt && !opt->optional);

	if (opt->dflt)
		json_object_set_new(o, "default", answer_string(opt->dflt));
	if (opt->type == GRAFT_OPT_ENUM && opt->choices) {
		json_t *choices = json_array();

		for (const char *const *choice = opt->choices; *choice; choice++)
			json_array_append_new(choices, answer_string(*choice));
		json_object_set_new(o, "choices", choices);
	}
	if ((opt->type == GRAFT_OPT_U64 || opt->type == GRAFT_OPT_SECONDS) && (opt->min || opt->max)) {
		json_object_set_new(o, "min", json_integer((json_int_t)opt->min));
		json_object_set_new(o, "max", json_integer((json_int_t)opt->max));
	}
	json_object_set_new(o, "help", answer_string(opt->help ? opt->help : ""));
	return o;
}

static int add_plugin(const struct graft_plugin *plugin, void *list)
{
	json_t *options = json_array();

	for (const struct graft_opt *opt = plugin->opts; opt && opt->key; opt++)
		json_array_append_new(options, describe_option(opt));
	json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:s, s:o}", "name", answer_string(plugin->name),
					      "version", answer_string(plugin->version ? plugin->version : ""),
					      "summary", answer_string(plugin->summary ? plugin->summary : ""), "kind",
					      plugin->kind == GRAFT_LAYER ? "layer" : "backend", "options", options));
	return 0;
}

void graft_plugins(const struct api *api, struct request *req)
{
	json_t *list = json_array();

	if (list)
		api->host->each_plugin(api->host->server, add_plugin, list);
	answer_json(&req->answer, 200, list);
}

void graft_info(const struct api *api, struct request *req)
{
	const char *instance = api->host->config->server.instance;

	answer_json(&req->answer, 200,
		    json_pack("{s:s, s:o, s:i, s:I, s:s}", "version", GRAFT_VERSION, "instance",
			      answer_string(instance ? instance : ""), "pid", (int)api->host->pid, "uptime",
			      (json_int_t)api_uptime(api), "state", "running"));
}

void graft_stop(const struct api *api, struct request *req)
{
	(void)api;
	answer_empty(&req->answer, 204);
	req->answer.stop = true;
}
