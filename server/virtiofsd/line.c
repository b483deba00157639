/* SPDX-License-Identifier: Apache-2.0 */
/* virtiofsd's command line: the arguments by the table, and what excludes or needs what. */
#include "server/virtiofsd/line.h"

#include "lib/cleanup.h"
#include "lib/options.h"
#include "server/virtiofsd/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 64
#define SHOWN "%.200s" /* a word in a message */

/* The arguments that are left. */
struct args {
	int argc, at;
	char *const *argv;
};

int vfsd_line_add(struct vfsd_line *line, const struct vfsd_setting *setting, struct graft_error *err)
{
	if (line->n == line->room) {
		size_t room = line->room > 0 ? line->room * 2 : 16;
		struct vfsd_setting *grown = reallocarray(line->settings, room, sizeof(*grown));
		if (!grown)
			return error_set(err, ENOMEM, "out of memory");
		line->settings = grown;
		line->room = room;
	}
	line->settings[line->n++] = *setting;
	return 0;
}

void vfsd_line_fini(struct vfsd_line *line)
{
	for (size_t i = 0; i < line->nlists; i++)
		free(line->lists[i]);
	free(line->lists);
	free(line->settings);
	*line = (struct vfsd_line){ 0 };
}

const struct vfsd_setting *vfsd_line_last(const struct vfsd_line *line, enum vfsd_id id)
{
	for (size_t i = line->n; i > 0; i--)
		if (line->settings[i - 1].id == id)
			return &line->settings[i - 1];
	return NULL;
}

const char *vfsd_line_text(const struct vfsd_line *line, enum vfsd_id id)
{
	const struct vfsd_setting *s = vfsd_line_last(line, id);

	return s ? s->text : NULL;
}

bool vfsd_line_on(const struct vfsd_line *line, enum vfsd_id id)
{
	const char *text = vfsd_line_text(line, id);

	return text && strcmp(text, "true") == 0;
}

/* The value behind an option: what stands behind '=', or the next argument unless that looks like an option. */
static int take_value(struct args *a, const struct vfsd_option *o, const char *equals, const char **value,
		      struct graft_error *err)
{
	const char *next = a->at < a->argc ? a->argv[a->at] : NULL;
	char label[VFSD_LABEL_MAX];

	*value = equals;
	if (equals)
		return 0;
	if (o->arg == VFSD_EQUALS)
		return error_set(err, EINVAL, "'%s' needs its value behind an equal sign", vfsd_label(o, label));
	if (o->arg == VFSD_OPTIONAL) {
		*value = "always";
		return 0;
	}
	if (!next || (next[0] == '-' && next[1] != '\0'))
		return error_set(err, EINVAL, "a value is required behind '%s'%s", vfsd_label(o, label),
				 next ? "; one that begins with '-' goes behind an equal sign" : "");
	*value = next;
	a->at++;
	return 0;
}

/* One option; equals: what stands behind its '=', or NULL. */
static int take_option(struct vfsd_line *line, struct args *a, const struct vfsd_option *o, const char *equals,
		       struct graft_error *err)
{
	struct vfsd_setting s = { .id = o->id, .where = o->spelling, .warning = o->warning };
	char label[VFSD_LABEL_MAX];
	const char *value;
	int res;

	if (o->arg == VFSD_FLAG) {
		if (equals)
			return error_set(err, EINVAL, "'%s' takes no value, but has '" SHOWN "'", o->spelling, equals);
		s.text = o->fixed ? o->fixed : "true";
		return vfsd_line_add(line, &s, err);
	}
	res = take_value(a, o, equals, &value, err);
	if (res == 0 && vfsd_value(o->words, o->fold, o->check, value, &s, err) != 0)
		return error_wrap(err, "invalid value '" SHOWN "' for '%s'", value, vfsd_label(o, label));
	return res == 0 ? vfsd_line_add(line, &s, err) : res;
}

static int unexpected(const char *word, struct graft_error *err)
{
	const char *names[NAMES_MAX];
	char name[64];
	size_t n = 0;

	for (const struct vfsd_option *o = vfsd_options; o->spelling && n < NAMES_MAX; o++)
		if (strncmp(o->spelling, "--", 2) == 0)
			names[n++] = o->spelling + 2;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = strncmp(name, "--", 2) == 0 ? options_nearest(name + 2, names, n) : NULL;
	for (size_t i = 0; !near && i < n && strncmp(name, "--", 2) == 0 && name[2]; i++)
		if (strncmp(names[i], name + 2, strlen(name + 2)) == 0)
			near = names[i];
	return error_set(err, EINVAL, "unexpected argument '" SHOWN "'%s%s%s", word, near ? "; did you mean '--" : "",
			 near ? near : "", near ? "'?" : "");
}

/* "--name" or "--name=value". Behind --help and --version nothing is looked at. */
static int take_long(struct vfsd_line *line, struct args *a, const char *word, struct graft_error *err)
{
	size_t len = strcspn(word, "=");

	for (const struct vfsd_option *o = vfsd_options; o->spelling; o++) {
		if (strlen(o->spelling) != len || memcmp(o->spelling, word, len) != 0 || len < 3)
			continue;
		int res = take_option(line, a, o, word[len] ? word + len + 1 : NULL, err);
		if (res == 0 && o->id == VFSD_HELP)
			return VFSD_FULL_HELP;
		return res == 0 && o->id == VFSD_VERSION ? VFSD_SAY_VERSION : res;
	}
	return unexpected(word, err);
}

/* "-df", "-ocache=none", "-o" and the next word. */
static int take_letters(struct vfsd_line *line, struct args *a, const char *word, struct graft_error *err)
{
	for (const char *p = word + 1; *p; p++) {
		const struct vfsd_option *o = vfsd_options;
		const char *rest = p[1] == '=' ? p + 2 : p + 1;
		char letter[] = { '-', *p, '\0' };
		while (o->spelling && o->letter != *p)
			o++;
		if (!o->spelling)
			return unexpected(letter, err);
		bool value = o->arg == VFSD_VALUE;
		int res = take_option(line, a, o, value && p[1] ? rest : NULL, err);
		if (res != 0 || value)
			return res;
		if (o->id == VFSD_HELP || o->id == VFSD_VERSION)
			return o->id == VFSD_HELP ? VFSD_SHORT_HELP : VFSD_SAY_VERSION;
	}
	return 0;
}

static int take_word(struct vfsd_line *line, struct args *a, bool *only_words, struct graft_error *err)
{
	const char *word = a->argv[a->at++];

	if (strcmp(word, "--") == 0 && !*only_words) {
		*only_words = true;
		return 0;
	}
	if (*only_words || word[0] != '-' || word[1] == '\0')
		return error_set(err, EINVAL, "unexpected argument '" SHOWN "'", word);
	return word[1] == '-' ? take_long(line, a, word, err) : take_letters(line, a, word, err);
}

/* Pairs that exclude each other. */
static int check_conflicts(const struct vfsd_line *line, struct graft_error *err)
{
	static const enum vfsd_id pairs[][2] = {
		{ VFSD_FD, VFSD_SOCKET_PATH },
		{ VFSD_FD, VFSD_OLD_SOCKET },
		{ VFSD_FD, VFSD_SOCKET_GROUP },
		{ VFSD_PRINT_CAPABILITIES, VFSD_SOCKET_GROUP },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct vfsd_setting *a = vfsd_line_last(line, pairs[i][0]);
		const struct vfsd_setting *b = vfsd_line_last(line, pairs[i][1]);
		if (a && b)
			return error_set(err, EINVAL, "'%s' cannot be used with '%s'", a->where, b->where);
	}
	return 0;
}

static int check_missing(const struct vfsd_line *line, struct graft_error *err)
{
	if (vfsd_line_last(line, VFSD_PRINT_CAPABILITIES))
		return 0;
	if (!vfsd_line_last(line, VFSD_SOCKET_PATH) && !vfsd_line_last(line, VFSD_OLD_SOCKET) &&
	    !vfsd_line_last(line, VFSD_FD))
		return error_set(err, EINVAL, "'--socket-path <SOCKET_PATH>' or '--fd <FD>' is missing");
	if (!vfsd_line_last(line, VFSD_SHARED_DIR) && !vfsd_line_last(line, VFSD_LIST))
		return error_set(err, EINVAL, "'--shared-dir <SHARED_DIR>' is missing");
	return 0;
}

int vfsd_line_parse(struct vfsd_line *line, int argc, char *const *argv, struct graft_error *err)
{
	struct args a = { .argc = argc, .argv = argv };
	bool only_words = false;

	while (a.at < argc) {
		int res = take_word(line, &a, &only_words, err);
		if (res != VFSD_GO_ON)
			return res;
	}
	int res = check_conflicts(line, err);
	if (res == 0)
		res = check_missing(line, err);
	return res == 0 ? vfsd_lists_parse(line, err) : res;
}
