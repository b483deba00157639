/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl show: everything of one mount, or of the server. */
#include "ctl/command.h"

#include "ctl/mounts_table.h"
#include "ctl/stats_table.h"
#include "ctl/text.h"

#include <inttypes.h>

static void put_line(const char *title, const char *text)
{
	printf("%-10s ", title);
	text_put(stdout, text);
	putchar('\n');
}

/* A value of the configuration: a text, or a list of them. */
static void put_key(const char *key, const json_t *value)
{
	size_t i;
	json_t *item;
	if (json_is_array(value)) {
		json_array_foreach (value, i, item)
			put_key(key, item);
		return;
	}
	fputs("  ", stdout);
	text_put(stdout, key);
	fputs(" = ", stdout);
	text_put(stdout, json_is_string(value) ? json_string_value(value) : "");
	putchar('\n');
}

static void put_layers(const json_t *layers)
{
	size_t i;
	json_t *layer;
	if (json_array_size(layers) == 0)
		return;
	printf("%-10s", "layers");
	json_array_foreach (layers, i, layer) {
		putchar(' ');
		text_put(stdout, json_is_string(layer) ? json_string_value(layer) : "");
	}
	putchar('\n');
}

static void put_mount(const json_t *mount)
{
	char date[TEXT_TIME_MAX];
	const char *key, *why = ctl_text(mount, "why");
	json_t *value;
	put_line("at", ctl_text(mount, "at"));
	put_line("name", ctl_text(mount, "name"));
	put_line("type", ctl_text(mount, "type"));
	put_layers(json_object_get(mount, "layers"));
	put_line("state", ctl_text(mount, "state"));
	if (*why)
		put_line("why", why);
	if (json_object_get(mount, "since")) {
		printf("%-10s %s\n", "since", text_date(date, ctl_number(mount, "since")));
		printf("%-10s %" PRIu64 "\n", "slot", ctl_number(mount, "slot"));
		printf("%-10s %" PRIu64 "\n", "nodes", ctl_number(mount, "nodes"));
		printf("%-10s %" PRIu64 "\n", "handles", ctl_number(mount, "handles"));
		printf("%-10s %" PRIu64 ", %" PRIu64 " with an error\n", "requests", ctl_number(mount, "requests"),
		       ctl_number(mount, "errors"));
	}
	puts("keys");
	json_object_foreach (json_object_get(mount, "keys"), key, value)
		put_key(key, value);
}

static int put_stats(struct ctl *ctl, json_t *answer)
{
	const struct stats_form form = { 0 };
	struct stats stats = { 0 };
	int status = CTL_DONE;
	if (stats_read(&stats, json_incref(answer), &ctl->error) != 0)
		status = CTL_UNREACHABLE;
	else if (stats.n > 0) {
		putchar('\n');
		if (stats_table_print(&stats, &form, NULL, stdout) != 0)
			status = ctl_fail(CTL_FAILED, "out of memory");
	}
	stats_free(&stats);
	return status;
}

static int show_mount(struct ctl *ctl, const char *at)
{
	json_t *mount, *stats = NULL;
	int status = ctl_get_typed(ctl, "mounts", at, JSON_OBJECT, &mount);
	bool failed = json_object_get(mount, "why");
	/* One that could not be restored has counted nothing. */
	if (status == CTL_DONE && !failed)
		status = ctl_get_typed(ctl, "stats", at, JSON_OBJECT, &stats);
	if (status == CTL_DONE && ctl->json) {
		json_t *all = json_pack("{s:O, s:O*}", "mount", mount, "stats", stats);
		ctl_print_json(all, JSON_INDENT(2));
		json_decref(all);
	} else if (status == CTL_DONE) {
		put_mount(mount);
		if (stats)
			status = put_stats(ctl, stats);
	}
	json_decref(mount);
	json_decref(stats);
	return status;
}

static int put_transports(const json_t *transports)
{
	static const struct table_column columns[] = {
		{ "TRANSPORT", false }, { "KIND", false }, { "WHERE", false }, { "CLIENTS", true }, { "QUEUES", true },
	};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *transport;
	size_t i;
	if (!t)
		return ctl_fail(CTL_FAILED, "out of memory");
	json_array_foreach (transports, i, transport) {
		table_text(t, ctl_text(transport, "name"));
		table_text(t, ctl_text(transport, "kind"));
		table_text(t, ctl_text(transport, "where"));
		table_number(t, ctl_number(transport, "clients"));
		table_number(t, ctl_number(transport, "queues"));
	}
	return table_finish(t);
}

static void put_info(const json_t *info)
{
	uint64_t seconds = ctl_number(info, "uptime");
	put_line("instance", ctl_text(info, "instance"));
	put_line("version", ctl_text(info, "version"));
	put_line("state", ctl_text(info, "state"));
	printf("%-10s %" PRIu64 "\n", "pid", ctl_number(info, "pid"));
	printf("%-10s %" PRIu64 "d %02u:%02u:%02u\n\n", "up for", seconds / 86400, (unsigned)(seconds / 3600 % 24),
	       (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
}

static int show_server(struct ctl *ctl)
{
	json_t *info, *transports = NULL, *mounts = NULL;
	int status = ctl_get_typed(ctl, "info", NULL, JSON_OBJECT, &info);
	if (status == CTL_DONE)
		status = ctl_get_typed(ctl, "transports", NULL, JSON_ARRAY, &transports);
	if (status == CTL_DONE)
		status = ctl_get_typed(ctl, "mounts", NULL, JSON_ARRAY, &mounts);
	if (status == CTL_DONE && ctl->json) {
		json_t *all = json_pack("{s:O, s:O, s:O}", "info", info, "transports", transports, "mounts", mounts);
		ctl_print_json(all, JSON_INDENT(2));
		json_decref(all);
	} else if (status == CTL_DONE) {
		put_info(info);
		status = put_transports(transports);
		putchar('\n');
		if (status == CTL_DONE)
			status = mounts_table_print(mounts);
	}
	json_decref(info);
	json_decref(transports);
	json_decref(mounts);
	return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
	ctl->silent = true;
	return args->nwords > 0 ? show_mount(ctl, args->words[0]) : show_server(ctl);
}

const struct command command_show = {
	.name = "show",
	.summary = "show all of one mount, or of the server",
	.usage = "[AT]",
	.text = "With AT: a mount's state, its keys as they were set, and its requests. Without:\n"
		"the server, its transports and its mounts. --json puts the server's answers\n"
		"into one object: mount and stats, or info, transports and mounts.\n"
		"\n"
		"  graftctl show /web\n",
	.options = NULL,
	.min_words = 0,
	.max_words = 1,
	.run = run,
};
