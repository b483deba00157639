/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's command line: the form, the arguments by the table, and what excludes or needs what. */
#include "server/nydusd/line.h"

#include "lib/options.h"
#include "server/config_internal.h"
#include "server/nydusd/options.h"
#include "server/virtiofsd/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SHOWN "%.200s" /* a word in a message */
#define NAMES_MAX 64

/* The arguments that are left. */
struct args {
	int argc, at;
	char *const *argv;
};

static const struct form {
	const char *word;
	enum nyd_form form;
} forms[] = {
	{ "fuse", NYD_FUSE },
	{ "virtiofs", NYD_VIRTIOFS },
	{ "singleton", NYD_SINGLETON },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

const char *nyd_form_name(enum nyd_form form)
{
	for (size_t i = 0; i < FORMS; i++)
		if (forms[i].form == form)
			return forms[i].word;
	return "";
}

static bool is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t c;

	for (size_t len; *p; p += len)
		if (!(len = config_utf8(p, &c)))
			return false;
	return true;
}

/* What stands behind '=', or the next argument unless that looks like an option; NULL: there is none. */
static const char *take_value(struct args *a, const char *equals)
{
	const char *next = a->at < a->argc ? a->argv[a->at] : NULL;

	if (equals)
		return equals;
	if (!next || (next[0] == '-' && next[1] != '\0'))
		return NULL;
	a->at++;
	return next;
}

static int check_words(const char *const *words, const char *value, struct graft_error *err)
{
	char all[128] = "";
	size_t len = 0;

	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], value) == 0)
			return 0;
		int part = snprintf(all + len, sizeof(all) - len, "%s%s", len > 0 ? ", " : "", words[i]);
		if (part > 0 && (size_t)part < sizeof(all) - len)
			len += (size_t)part;
	}
	return error_set(err, EINVAL, "must be one of %s", all);
}

static int check_value(const struct nyd_option *o, const char *value, struct graft_error *err)
{
	if (!is_utf8(value))
		return error_set(err, EINVAL, "must be UTF-8");
	if (o->words)
		return check_words(o->words, value, err);
	return o->check ? o->check(value, err) : 0;
}

/* One option; equals: what stands behind its '=', or NULL. */
static int take_option(struct nyd_line *line, struct args *a, const struct nyd_option *o, const char *equals,
		       struct graft_error *err)
{
	char label[NYD_LABEL_MAX];
	const char *value = "";

	nyd_label(o, label);
	if (!o->value && equals)
		return error_set(err, EINVAL, "'%s' takes no value, but has '" SHOWN "'", label, equals);
	if (o->value && !(value = take_value(a, equals)))
		return error_set(err, EINVAL, "a value is required for '%s' but none was supplied", label);
	if (o->id == NYD_HELP)
		return NYD_SAY_HELP;
	if (o->id == NYD_VERSION)
		return NYD_SAY_VERSION;
	if (check_value(o, value, err) != 0)
		return error_wrap(err, "invalid value '" SHOWN "' for '%s'", value, label);
	if (line->value[o->id])
		return error_set(err, EINVAL, "'%s' cannot be used multiple times", label);
	line->value[o->id] = value;
	return NYD_GO_ON;
}

/* Whether an option may stand in the line's form. The version is asked for without a form, as nydusd's is. */
static bool belongs(const struct nyd_line *line, const struct nyd_option *o)
{
	return (o->forms & line->form) && (o->id != NYD_VERSION || !line->named);
}

/*
 * Kata passes on the arguments that its users meant for virtiofsd. They are no reason not to serve; where to listen is.
 */
static const struct vfsd_option *find_extra(const struct nyd_line *line, const char *word, size_t len)
{
	static const enum vfsd_id none[] = { VFSD_FD,         VFSD_SOCKET_PATH, VFSD_OLD_SOCKET, VFSD_PRINT_CAPABILITIES,
					     VFSD_SERVE_AGAIN, VFSD_HELP,        VFSD_VERSION };
	const struct vfsd_option *o = line->form == NYD_VIRTIOFS ? vfsd_options : NULL;

	while (o && o->spelling && (strlen(o->spelling) != len || memcmp(o->spelling, word, len) != 0))
		o++;
	for (size_t i = 0; o && i < sizeof(none) / sizeof(none[0]); i++)
		if (o->id == none[i])
			return NULL;
	return o && o->spelling ? o : NULL;
}

/* len bytes of word are its name; behind them may stand its value. */
static int take_extra(struct nyd_line *line, struct args *a, const struct vfsd_option *o, const char *word, size_t len,
		      struct graft_error *err)
{
	if (o->arg == VFSD_VALUE && !word[len] && !take_value(a, NULL))
		return error_set(err, EINVAL, "a value is required for '%s' but none was supplied", o->spelling);
	if (line->nextras < NYD_EXTRAS_MAX)
		line->extra[line->nextras++] = word;
	return NYD_GO_ON;
}

static int unexpected(const struct nyd_line *line, const char *word, struct graft_error *err)
{
	const char *names[NAMES_MAX];
	char name[64];
	size_t n = 0;

	for (const struct nyd_option *o = nyd_options; o->spelling && n < NAMES_MAX; o++)
		if (belongs(line, o))
			names[n++] = o->spelling + strlen("--");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = strncmp(name, "--", 2) == 0 ? options_nearest(name + 2, names, n) : NULL;
	for (size_t i = 0; !near && i < n && strncmp(name, "--", 2) == 0 && name[2]; i++)
		if (strncmp(names[i], name + 2, strlen(name + 2)) == 0)
			near = names[i];
	return error_set(err, EINVAL, "unexpected argument '" SHOWN "'%s%s%s", word, near ? "; did you mean '--" : "",
			 near ? near : "", near ? "'?" : "");
}

static bool spelled(const char *spelling, const char *word, size_t len)
{
	return spelling && strlen(spelling) == len && memcmp(spelling, word, len) == 0;
}

/* "--name" or "--name=value". */
static int take_long(struct nyd_line *line, struct args *a, const char *word, struct graft_error *err)
{
	size_t len = strcspn(word, "=");

	for (const struct nyd_option *o = nyd_options; o->spelling; o++)
		if (belongs(line, o) && (spelled(o->spelling, word, len) || spelled(o->alias, word, len)))
			return take_option(line, a, o, word[len] ? word + len + 1 : NULL, err);
	const struct vfsd_option *extra = find_extra(line, word, len);
	return extra ? take_extra(line, a, extra, word, len, err) : unexpected(line, word, err);
}

/* "-Mx", "-M=x", "-M" and the next word. Only help and version take no value. */
static int take_letter(struct nyd_line *line, struct args *a, const char *word, struct graft_error *err)
{
	const char *rest = word[2] == '=' ? word + 3 : word + 2;

	for (const struct nyd_option *o = nyd_options; o->spelling; o++)
		if (o->letter == word[1] && belongs(line, o))
			return take_option(line, a, o, o->value && word[2] ? rest : NULL, err);
	const struct vfsd_option *extra = find_extra(line, word, 2);
	return extra ? take_extra(line, a, extra, word, 2, err) : unexpected(line, word, err);
}

/* A word that is no option: a form that came too late, or nothing. */
static int take_name(const struct nyd_line *line, const char *word, struct graft_error *err)
{
	for (size_t i = 0; i < FORMS; i++)
		if (!line->named && strcmp(forms[i].word, word) == 0)
			return error_set(err, EINVAL, "the subcommand '%s' must stand before all options", word);
	return error_set(err, EINVAL, "unexpected argument '" SHOWN "'", word);
}

static int take_word(struct nyd_line *line, struct args *a, bool *only_words, struct graft_error *err)
{
	const char *word = a->argv[a->at++];

	if (strcmp(word, "--") == 0 && !*only_words) {
		*only_words = true;
		return NYD_GO_ON;
	}
	if (*only_words || word[0] != '-' || word[1] == '\0')
		return take_name(line, word, err);
	return word[1] == '-' ? take_long(line, a, word, err) : take_letter(line, a, word, err);
}

static int check_together(const struct nyd_line *line, struct graft_error *err)
{
	for (const struct nyd_option *o = nyd_options; o->spelling; o++)
		if (line->value[o->id] && line->value[o->excludes])
			return error_set(err, EINVAL, "'%s' cannot be used with '%s'", o->spelling,
					 nyd_option_of(o->excludes)->spelling);
	for (const struct nyd_option *o = nyd_options; o->spelling; o++) {
		char label[NYD_LABEL_MAX];
		/* Where what is needed is excluded, nothing can come of the option, and nydusd lets it pass. */
		if (line->value[o->id] && o->needs && !line->value[o->needs] &&
		    !line->value[nyd_option_of(o->needs)->excludes])
			return error_set(err, EINVAL, "'%s' needs '%s'", o->spelling,
					 nyd_label(nyd_option_of(o->needs), label));
		if (!line->value[o->id] && (o->required & line->form))
			return error_set(err, EINVAL, "the required argument '%s' was not provided", nyd_label(o, label));
	}
	return NYD_GO_ON;
}

/* The first word, if it is a form; "help" is one too, with the form that is asked about behind it. */
static int take_form(struct nyd_line *line, struct args *a, struct graft_error *err)
{
	const char *word = a->argc > 0 ? a->argv[0] : "-";
	bool help = strcmp(word, "help") == 0;

	a->at = help;
	word = a->at < a->argc ? a->argv[a->at] : "-";
	for (size_t i = 0; i < FORMS; i++) {
		if (strcmp(forms[i].word, word) != 0)
			continue;
		line->form = forms[i].form;
		line->named = true;
		a->at++;
	}
	if (!line->named && word[0] != '-')
		return error_set(err, EINVAL, "unrecognized subcommand '" SHOWN "'", word);
	return help ? NYD_SAY_HELP : NYD_GO_ON;
}

int nyd_line_parse(struct nyd_line *line, int argc, char *const *argv, struct graft_error *err)
{
	struct args a = { .argc = argc, .argv = argv };
	bool only_words = false;

	line->form = NYD_FUSE;
	int res = take_form(line, &a, err);
	while (res == NYD_GO_ON && a.at < argc)
		res = take_word(line, &a, &only_words, err);
	return res == NYD_GO_ON ? check_together(line, err) : res;
}
