/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl plugins: what may be mounted, and the keys for it. */
#include "ctl/command.h"

#include "ctl/table.h"

#include <string.h>

static const struct table_column list_columns[] = {
	{ "NAME", false },
	{ "KIND", false },
	{ "VERSION", false },
	{ "SUMMARY", false },
};

static const struct table_column key_columns[] = {
	{ "KEY", false },
	{ "TYPE", false },
	{ "DEFAULT", false },
	{ "HELP", false },
};

static int print_list(const json_t *plugins)
{
	struct table *t = table_new(list_columns, sizeof(list_columns) / sizeof(list_columns[0]));
	json_t *plugin;
	size_t i;
	if (!t)
		return ctl_fail(CTL_FAILED, "out of memory");
	json_array_foreach (plugins, i, plugin) {
		table_text(t, ctl_text(plugin, "name"));
		table_text(t, ctl_text(plugin, "kind"));
		table_text(t, ctl_text(plugin, "version"));
		table_text(t, ctl_text(plugin, "summary"));
	}
	return table_finish(t);
}

/* An enum's type is what may stand there. */
static void put_type(struct table *t, const json_t *option)
{
	const json_t *choices = json_object_get(option, "choices");
	char text[256] = "";
	size_t i;
	json_t *choice;
	json_array_foreach (choices, i, choice) {
		size_t used = strlen(text);
		const char *word = json_string_value(choice);
		snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? "|" : "", word ? word : "");
	}
	table_text(t, *text ? text : ctl_text(option, "type"));
}

static int print_keys(const json_t *plugin)
{
	struct table *t = table_new(key_columns, sizeof(key_columns) / sizeof(key_columns[0]));
	json_t *option;
	size_t i;
	if (!t)
		return ctl_fail(CTL_FAILED, "out of memory");
	json_array_foreach (json_object_get(plugin, "options"), i, option) {
		const char *fallback = ctl_text(option, "default");
		bool required = json_is_true(json_object_get(option, "required"));
		table_text(t, ctl_text(option, "key"));
		put_type(t, option);
		table_text(t, *fallback ? fallback : required ? "(required)" : "-");
		table_text(t, ctl_text(option, "help"));
	}
	return table_finish(t);
}

static json_t *find_plugin(const json_t *plugins, const char *name)
{
	json_t *plugin;
	size_t i;
	json_array_foreach (plugins, i, plugin) {
		if (strcmp(ctl_text(plugin, "name"), name) == 0)
			return plugin;
	}
	return NULL;
}

static int print_one(const struct ctl *ctl, const json_t *plugins, const char *name)
{
	const json_t *plugin = find_plugin(plugins, name);
	if (!plugin)
		return ctl_fail(CTL_NOT_FOUND, "no plugin '%s' is loaded; 'graftctl plugins' lists those that are",
				name);
	if (!ctl->json)
		return print_keys(plugin);
	ctl_print_json(plugin, JSON_INDENT(2));
	return CTL_DONE;
}

static int run(struct ctl *ctl, const struct args *args)
{
	json_t *plugins;
	ctl->silent = args->nwords > 0;
	int status = ctl_get_typed(ctl, "plugins", NULL, JSON_ARRAY, &plugins);
	if (status == CTL_DONE && args->nwords > 0)
		status = print_one(ctl, plugins, args->words[0]);
	else if (status == CTL_DONE && !ctl->json)
		status = print_list(plugins);
	json_decref(plugins);
	return status;
}

const struct command command_plugins = {
	.name = "plugins",
	.summary = "list the plugins that are loaded, or the keys of one",
	.usage = "[PLUGIN]",
	.text = "Only plugins that are loaded can be mounted; [server] plugins = ... in\n"
		"graftfs.ini(5) loads more. With PLUGIN its keys, which -o of 'graftctl mount'\n"
		"sets.\n"
		"\n"
		"  graftctl plugins passthrough\n",
	.options = NULL,
	.min_words = 0,
	.max_words = 1,
	.run = run,
};
