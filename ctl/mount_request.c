/* SPDX-License-Identifier: Apache-2.0 */
/* What mount and remount have in common: their options, and the request made of them. */
#include "ctl/mount_request.h"

#include "lib/cleanup.h"

#include <limits.h>
#include <string.h>

#define DEFAULT_TYPE "passthrough"

const struct args_option mount_request_options[] = {
	{ "type", 't', ARGS_VALUE, "PLUGIN", "the plugin that serves it; passthrough if it is left out" },
	{ "source", 0, ARGS_VALUE, "SOURCE", "what is mounted: short for -o source=SOURCE" },
	{ "option", 'o', ARGS_LIST, "KEY=VALUE", "a key of the plugin, or LAYER.KEY; again for a list's next" },
	{ "layers", 0, ARGS_LIST, "LAYERS", "plugins to stand before it, outermost first: 'a b'" },
	{ "name", 0, ARGS_VALUE, "NAME", "its name in messages; made up if it is left out" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};

struct wish {
	const struct command *command;
	const char *at, *type;
	char *source; /* owned, or NULL */
};

/* A value that is there already becomes the first of a list. */
static int add_value(json_t *config, const char *key, json_t *value)
{
	json_t *old = json_object_get(config, key);
	if (!value)
		return -1;
	if (json_is_array(old))
		return json_array_append_new(old, value);
	if (!old)
		return json_object_set_new(config, key, value);
	return json_object_set_new(config, key, json_pack("[Oo]", old, value));
}

static int add_option(const struct wish *wish, json_t *config, const char *text)
{
	size_t len = strcspn(text, "=");
	if (len == 0 || text[len] == '\0')
		return ctl_usage(wish->command, "-o %s: must be KEY=VALUE", text);
	auto_free char *key = strndup(text, len);
	json_t *value = json_string(text + len + 1);
	if (!value)
		return ctl_usage(wish->command, "-o %s: is not UTF-8", text);
	if (!key || add_value(config, key, value) != 0)
		return ctl_usage(wish->command, "-o %s: is not UTF-8", text);
	return CTL_DONE;
}

/* Words between blanks. */
static int add_layers(json_t *layers, const char *text)
{
	static const char blanks[] = " \t,";
	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		size_t len = strcspn(text, blanks);
		if (json_array_append_new(layers, json_stringn(text, len)) != 0)
			return -1;
		text += len;
	}
	return 0;
}

static int fill_lists(const struct wish *wish, const struct args *args, json_t *config, json_t *layers)
{
	if (wish->source && add_value(config, "source", json_string(wish->source)) != 0)
		return ctl_usage(wish->command, "the source is not UTF-8");
	for (size_t i = 0; i < args->ngiven; i++) {
		const struct args_given *g = &args->given[i];
		int status = CTL_DONE;
		if (strcmp(g->option->name, "option") == 0)
			status = add_option(wish, config, g->value);
		else if (strcmp(g->option->name, "layers") == 0 && add_layers(layers, g->value) != 0)
			status = ctl_usage(wish->command, "--layers is not UTF-8");
		if (status != CTL_DONE)
			return status;
	}
	return CTL_DONE;
}

/* *body is the caller's after CTL_DONE. */
static int make_body(const struct wish *wish, const struct args *args, json_t **body)
{
	json_t *config = json_object(), *layers = json_array();
	const char *name = args_value(args, "name");
	int status = fill_lists(wish, args, config, layers);
	*body = NULL;
	if (status == CTL_DONE) {
		*body = json_pack("{s:s, s:O}", "type", wish->type, "config", config);
		if (!*body || (json_array_size(layers) > 0 && json_object_set(*body, "layers", layers) != 0) ||
		    (name && json_object_set_new(*body, "name", json_string(name)) != 0)) {
			json_decref(*body);
			status = ctl_usage(wish->command, "type or name is not UTF-8");
		}
	}
	json_decref(config);
	json_decref(layers);
	return status;
}

/* The server has another working directory. */
static int absolute_source(struct wish *wish, const char *source)
{
	bool local = strcmp(wish->type, DEFAULT_TYPE) == 0;
	wish->source = local && source[0] != '/' ? realpath(source, NULL) : strdup(source);
	if (!wish->source)
		return ctl_fail(CTL_USAGE, "source '%s': %s", source, strerror(errno));
	return CTL_DONE;
}

static bool source_is_option(const struct args *args)
{
	for (size_t i = 0; i < args->ngiven; i++) {
		const char *value = args->given[i].value;
		if (strcmp(args->given[i].option->name, "option") == 0 && strncmp(value, "source=", 7) == 0)
			return true;
	}
	return false;
}

static int understand(struct wish *wish, const struct args *args)
{
	const char *source = args_value(args, "source"), *type = args_value(args, "type");
	wish->at = args->words[args->nwords - 1];
	wish->type = type ? type : DEFAULT_TYPE;
	if (source && args->nwords == 2)
		return ctl_usage(wish->command, "the source is given twice: '%s' and '%s'", args->words[0], source);
	if (args->nwords == 2)
		source = args->words[0];
	if (source)
		return absolute_source(wish, source);
	if (strcmp(wish->type, DEFAULT_TYPE) == 0 && !source_is_option(args))
		return ctl_usage(wish->command, "no source: graftctl %s SOURCE %s", wish->command->name, wish->at);
	return CTL_DONE;
}

int mount_request(struct ctl *ctl, const struct command *command, const char *method, const struct args *args)
{
	struct wish wish = { .command = command };
	json_t *body = NULL;
	int status = understand(&wish, args);
	if (status == CTL_DONE)
		status = make_body(&wish, args, &body);
	if (status == CTL_DONE) {
		struct ctl_request request = { method, "mounts", { { "at", wish.at } }, body };
		status = ctl_call(ctl, &request, NULL);
		json_decref(body);
	}
	free(wish.source);
	return status;
}
