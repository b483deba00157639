/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl xattrmap: checks rules for names of extended attributes, writes them in the other form, and tries names. */
#include "ctl/command.h"

#include "ctl/text.h"
#include "lib/cleanup.h"
#include "lib/options.h"
#include "xattrmap/rules.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

/* What was given: a file, or rules on the command line. */
struct given {
	struct xattrmap *map;
	bool xml;
};

/* Names of files begin with a letter, a digit, one of "._-~", or a slash that begins no rule; others must be there. */
static bool looks_like_rules(const char *text)
{
	if (text[0] == '/')
		return !xattrmap_is_path(text);
	if (isalnum((unsigned char)text[0]) || strchr("._-~", text[0]))
		return false;
	return access(text, F_OK) != 0;
}

static int read_file(struct graft_error *err, const char *path, struct given *g)
{
	bool input = strcmp(path, "-") == 0;
	auto_close int own = input ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	auto_free char *text = malloc(XATTRMAP_FILE_MAX + 1);
	struct xattrmap_source from = { input ? "standard input" : path, true };
	size_t len = 0;
	ssize_t n;

	if (own < 0 && !input)
		return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	while (len <= XATTRMAP_FILE_MAX &&
	       (n = read(input ? STDIN_FILENO : own, text + len, XATTRMAP_FILE_MAX + 1 - len)) != 0) {
		if (n < 0)
			return error_set(err, errno, "cannot read %s: %s", from.name, strerror(errno));
		len += (size_t)n;
	}
	g->xml = xattrmap_is_xml(text, len);
	g->map = xattrmap_parse(text, len, &from, err);
	return g->map ? 0 : -err->code;
}

static int read_given(struct graft_error *err, const char *text, struct given *g)
{
	static const struct xattrmap_source from = { "rules", false };

	if (!looks_like_rules(text))
		return read_file(err, text, g);
	g->map = xattrmap_parse_rules(text, strlen(text), &from, err);
	return g->map ? 0 : -err->code;
}

static int check(const struct ctl *ctl, const struct given *g, const struct args *args)
{
	(void)args;
	const struct xattrmap_rule *last = &g->map->rules[g->map->nrules - 2];
	bool ends = last->scope == XATTRMAP_ALL && !last->key_len && !last->prepend_len;

	if (ctl->json)
		printf("{\"rules\":%zu,\"form\":\"%s\",\"ends\":%s}\n", g->map->nwritten, g->xml ? "xml" : "rules",
		       ends ? "true" : "false");
	else
		printf("good: %zu rule%s%s\n", g->map->nwritten, g->map->nwritten == 1 ? "" : "s",
		       ends ? "" : "; what none of them matches is refused and hidden");
	return CTL_DONE;
}

static int convert(const struct ctl *ctl, const struct given *g, const struct args *args)
{
	struct graft_error err = { 0 };
	(void)args;

	if (ctl->json)
		return ctl_fail(CTL_USAGE, "convert prints a file: there is no JSON of it");
	if (!g->xml)
		xattrmap_write_xml(g->map, stdout);
	else if (xattrmap_write_rules(g->map, stdout, &err) < 0)
		return ctl_fail(CTL_FAILED, "%s", err.text);
	return CTL_DONE;
}

/* What a rule makes of a name. *to: the name on the other side, the caller frees it; NULL: there is none. */
static const char *outcome(const struct xattrmap_rule *rule, uint32_t scope, const char *name, char **to)
{
	int res = 0;

	*to = NULL;
	if (rule->type == XATTRMAP_BAD || rule->type == XATTRMAP_UNSUPPORTED) {
		if (scope == XATTRMAP_SERVER)
			return "hidden";
		return rule->type == XATTRMAP_BAD ? "refused: EPERM, reading ENODATA" : "refused: EOPNOTSUPP";
	}
	if (rule->type == XATTRMAP_OK)
		res = asprintf(to, "%s", name);
	else if (scope == XATTRMAP_CLIENT)
		res = asprintf(to, "%s%s", rule->prepend, name);
	else
		res = asprintf(to, "%s", name + rule->prepend_len);
	if (res < 0)
		*to = NULL;
	if (*to && scope == XATTRMAP_CLIENT && strlen(*to) > XATTRMAP_NAME_MAX)
		return "refused: ERANGE, it grows too long";
	if (*to && !**to)
		return "hidden: nothing is left of it";
	return NULL;
}

static void print_rule(const struct given *g, const struct xattrmap_rule *rule)
{
	char text[XATTRMAP_LINE_MAX];

	if (!rule->number) {
		puts("  (no rule matches)");
		return;
	}
	const struct xattrmap_rule *written = &g->map->written[rule->number - 1];
	printf("  (rule %u", rule->number);
	if (rule->line)
		printf(", line %u", rule->line);
	fputs(xattrmap_rule_text(written, text) ? ": " : "", stdout);
	text_put(stdout, xattrmap_rule_text(written, text) ? text : "");
	puts(")");
}

static json_t *try_json(const struct xattrmap_rule *rule, const char *what, const char *to)
{
	auto_free char *escaped = to ? text_escape(to) : NULL;

	return json_pack("{s:s*, s:s*, s:i, s:i}", "name", what ? NULL : escaped, "refused", what, "rule",
			 (int)rule->number, "line", (int)rule->line);
}

static void try_name(const struct ctl *ctl, const struct given *g, const char *name, json_t *answers)
{
	static const struct {
		uint32_t scope;
		const char *key, *title;
	} ways[] = { { XATTRMAP_CLIENT, "to-host", "guest to host" },
		     { XATTRMAP_SERVER, "to-guest", "host to guest" } };
	auto_free char *escaped = text_escape(name);
	json_t *answer = json_pack("{s:s*}", "given", escaped);

	if (!ctl->json)
		printf("%s\n", escaped ? escaped : "");
	for (size_t i = 0; i < 2; i++) {
		const struct xattrmap_rule *rule = xattrmap_find(g->map, ways[i].scope, name, strlen(name));
		auto_free char *to = NULL;
		const char *what = outcome(rule, ways[i].scope, name, &to);
		if (ctl->json) {
			json_object_set_new(answer, ways[i].key, try_json(rule, what, to));
			continue;
		}
		printf("  %s  ", ways[i].title);
		text_put(stdout, what ? what : to ? to : "");
		print_rule(g, rule);
	}
	json_array_append_new(answers, answer);
}

static int try(const struct ctl *ctl, const struct given *g, const struct args *args)
{
	json_t *answers = json_array();

	for (size_t i = 2; i < args->nwords; i++)
		try_name(ctl, g, args->words[i], answers);
	if (ctl->json)
		ctl_print_json(answers, JSON_INDENT(2));
	json_decref(answers);
	return CTL_DONE;
}

static const struct {
	const char *name;
	int (*run)(const struct ctl *ctl, const struct given *g, const struct args *args);
	size_t min_words, max_words;
} actions[] = { { "check", check, 2, 2 }, { "convert", convert, 2, 2 }, { "try", try, 3, 64 } };
#define NACTIONS (sizeof(actions) / sizeof(actions[0]))

static int run(struct ctl *ctl, const struct args *args)
{
	const char *names[NACTIONS];
	struct given g = { 0 };
	size_t i = 0;

	for (size_t k = 0; k < NACTIONS; k++)
		names[k] = actions[k].name;
	while (i < NACTIONS && strcmp(names[i], args->words[0]) != 0)
		i++;
	if (i == NACTIONS) {
		const char *near = options_nearest(args->words[0], names, NACTIONS);
		return ctl_usage(&command_xattrmap, "'%s' is nothing to do with rules%s%s%s", args->words[0],
				 near ? "; did you mean '" : ": check, convert and try are", near ? near : "",
				 near ? "'?" : "");
	}
	if (args->nwords < actions[i].min_words)
		return ctl_usage(&command_xattrmap, "argument missing: %s",
				 args->nwords < 2 ? "MAP, a file or rules" : "NAME, of an attribute");
	if (args->nwords > actions[i].max_words)
		return ctl_usage(&command_xattrmap, "needless argument '%s'", args->words[actions[i].max_words]);
	if (read_given(&ctl->error, args->words[1], &g) < 0)
		return CTL_FAILED;
	int status = actions[i].run(ctl, &g, args);
	xattrmap_free(g.map);
	return status;
}

const struct command command_xattrmap = {
	.name = "xattrmap",
	.summary = "check, convert or try rules for names of extended attributes",
	.usage = "check MAP\n"
		 "convert MAP\n"
		 "try MAP NAME...",
	.text = "MAP is a file of rules, XML or as virtiofsd's --xattrmap has them, - for standard input,\n"
		"or the rules themselves; see graftfs-xattrmap(7). No server is asked.\n"
		"\n"
		"  check    says whether a server would take them, or where and why not\n"
		"  convert  prints rules as XML, and XML as rules, its sets put where they are included\n"
		"  try      shows what becomes of a name on its way to the host and on its way back, and\n"
		"           by which rule\n"
		"\n"
		"  graftctl xattrmap check /etc/graftfs/xattr.xml\n"
		"  graftctl xattrmap convert ':map::user.virtiofs.:'\n"
		"  graftctl xattrmap try xattr.xml security.capability user.virtiofs.user.a\n",
	.options = NULL,
	.min_words = 1,
	.max_words = 64,
	.run = run,
};
