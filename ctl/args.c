/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's words and options, by table. */
#include "ctl/args.h"

#include "lib/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 32 /* options of both tables together */

struct parser {
	const struct args_option *tables[2];
	char *const *argv;
	size_t at; /* the word to look at next */
	struct args *args;
};

static int unknown_option(const struct parser *p, const char *word, struct graft_error *err)
{
	const char *names[NAMES_MAX];
	size_t n = 0;
	for (size_t t = 0; t < 2; t++) {
		for (const struct args_option *o = p->tables[t]; o->name && n < NAMES_MAX; o++)
			names[n++] = o->name;
	}
	char name[64];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = strncmp(name, "--", 2) == 0 ? options_nearest(name + 2, names, n) : NULL;
	if (near)
		return error_set(err, EINVAL, "unknown option '%s'; did you mean '--%s'?", name, near);
	return error_set(err, EINVAL, "unknown option '%s'", name);
}

/* By long name (of size bytes) where name is not NULL, by letter otherwise. */
static const struct args_option *find(const struct parser *p, const char *name, size_t size, char letter)
{
	for (size_t t = 0; t < 2; t++) {
		for (const struct args_option *o = p->tables[t]; o->name; o++) {
			if (name ? strlen(o->name) == size && memcmp(o->name, name, size) == 0 : o->letter == letter)
				return o;
		}
	}
	return NULL;
}

static int add(struct args *a, const struct args_option *option, const char *value, struct graft_error *err)
{
	if (option->kind == ARGS_VALUE && args_has(a, option->name))
		return error_set(err, EINVAL, "--%s is given twice", option->name);
	struct args_given *given = realloc(a->given, (a->ngiven + 1) * sizeof(*given));
	if (!given)
		return error_set(err, ENOMEM, "out of memory");
	a->given = given;
	a->given[a->ngiven++] = (struct args_given){ option, value };
	return 0;
}

/* value: what stood in the same word, or NULL. */
static int take_option(struct parser *p, const struct args_option *option, const char *value, struct graft_error *err)
{
	const char *next = p->argv[p->at];
	if (option->kind == ARGS_FLAG && value)
		return error_set(err, EINVAL, "--%s takes no value", option->name);
	if (option->kind == ARGS_MAYBE_NUMBER && !value && next && *next >= '0' && *next <= '9') {
		value = next;
		p->at++;
	}
	if (option->kind == ARGS_VALUE || option->kind == ARGS_LIST) {
		if (!value && !next)
			return error_set(err, EINVAL, "--%s needs a value: %s", option->name, option->value);
		if (!value) {
			value = next;
			p->at++;
		}
	}
	return add(p->args, option, value, err);
}

static int take_long(struct parser *p, const char *word, struct graft_error *err)
{
	size_t size = strcspn(word + 2, "=");
	const struct args_option *option = find(p, word + 2, size, 0);
	if (!option)
		return unknown_option(p, word, err);
	return take_option(p, option, word[2 + size] == '=' ? word + 3 + size : NULL, err);
}

/* -x, -xVALUE, -xyz of flags. */
static int take_letters(struct parser *p, const char *word, struct graft_error *err)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const struct args_option *option = find(p, NULL, 0, *letter);
		char name[] = { '-', *letter, '\0' };
		if (!option)
			return unknown_option(p, name, err);
		if (option->kind != ARGS_FLAG)
			return take_option(p, option, letter[1] ? letter + 1 : NULL, err);
		int res = take_option(p, option, NULL, err);
		if (res != 0)
			return res;
	}
	return 0;
}

static int take_word(struct args *a, const char *word, struct graft_error *err)
{
	const char **words = realloc(a->words, (a->nwords + 1) * sizeof(*words));
	if (!words)
		return error_set(err, ENOMEM, "out of memory");
	a->words = words;
	a->words[a->nwords++] = word;
	return 0;
}

int args_parse(const struct args_option *common, const struct args_option *own, char *const *argv, bool first_only,
	       struct args *a, struct graft_error *err)
{
	struct parser p = { { common, own }, argv, 0, a };
	bool options_end = false;
	int res = 0;

	while (res == 0 && argv[p.at] && !(first_only && a->nwords > 0)) {
		const char *word = argv[p.at++];
		if (options_end || word[0] != '-' || word[1] == '\0')
			res = take_word(a, word, err);
		else if (strcmp(word, "--") == 0)
			options_end = true;
		else if (word[1] == '-')
			res = take_long(&p, word, err);
		else
			res = take_letters(&p, word, err);
	}
	return res == 0 ? (int)p.at : res;
}

void args_free(struct args *a)
{
	free(a->words);
	free(a->given);
	*a = (struct args){ 0 };
}

static const struct args_given *given(const struct args *a, const char *name)
{
	for (size_t i = 0; i < a->ngiven; i++) {
		if (strcmp(a->given[i].option->name, name) == 0)
			return &a->given[i];
	}
	return NULL;
}

bool args_has(const struct args *a, const char *name)
{
	return given(a, name) != NULL;
}

const char *args_value(const struct args *a, const char *name)
{
	const struct args_given *g = given(a, name);
	return g ? g->value : NULL;
}

void args_help(const struct args_option *table, FILE *to)
{
	for (const struct args_option *o = table; o->name; o++) {
		char left[64], letter[] = { '-', o->letter, ',', '\0' };
		const char *value = o->value ? o->value : "";
		if (o->kind == ARGS_MAYBE_NUMBER)
			snprintf(left, sizeof(left), "--%s [%s]", o->name, value);
		else
			snprintf(left, sizeof(left), "--%s%s%s", o->name, *value ? " " : "", value);
		fprintf(to, "  %-3s %-20s  %s\n", o->letter ? letter : "", left, o->help);
	}
}
