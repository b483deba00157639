/* SPDX-License-Identifier: Apache-2.0 */
/* The -o lists: virtiofsd's own, and what only QEMU's C daemon (7.2) had. Their settings go before all others. */
#include "server/virtiofsd/line.h"

#include "server/virtiofsd/options.h"
#include "server/virtiofsd/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN "%.200s" /* a word in a message */

static const struct vfsd_word sandboxes[] = { { "namespace", "namespace", NULL },
					      { "chroot", "chroot", NULL },
					      { NULL, NULL, NULL } };
static const struct vfsd_word levels[] = {
	{ "debug", "debug", NULL }, { "info", "info", NULL }, { "warn", "warn", NULL },
	{ "err", "error", NULL },   { NULL, NULL, NULL },
};

/* One word of a list. */
struct item {
	const char *where; /* "-o " and its name */
	enum vfsd_id id;
	const char *fixed;             /* of a word that takes no value; NULL: it needs one */
	const struct vfsd_word *words; /* values there are; NULL: any that check takes */
	int (*check)(const char *value, struct graft_error *err);
	const char *warning;
};

#define NO_EFFECT "it has no effect here, leave it out"
#define ON_OFF(name, id)                                                                                               \
	{ "-o " name, id, "true", NULL, NULL, NULL },                                                                  \
	{                                                                                                              \
		"-o no_" name, id, "false", NULL, NULL, NULL                                                           \
	}

static const struct item items[] = {
	{ "-o source", VFSD_SHARED_DIR, NULL, NULL, NULL, NULL },
	{ "-o cache", VFSD_CACHE, NULL, vfsd_cache_words, NULL, NULL },
	{ "-o loglevel", VFSD_LOG_LEVEL, NULL, levels, NULL, NULL },
	{ "-o sandbox", VFSD_SANDBOX, NULL, sandboxes, NULL, NULL },
	{ "-o xattrmap", VFSD_XATTRMAP, NULL, NULL, vfsd_check_xattrmap, NULL },
	{ "-o modcaps", VFSD_MODCAPS, NULL, NULL, NULL, NULL },
	ON_OFF("xattr", VFSD_XATTR),
	ON_OFF("readdirplus", VFSD_READDIRPLUS),
	ON_OFF("writeback", VFSD_WRITEBACK),
	ON_OFF("allow_direct_io", VFSD_DIRECT_IO),
	/* As in virtiofsd it does not undo --no-announce-submounts. */
	{ "-o announce_submounts", VFSD_NOTHING, "true", NULL, NULL, NULL },
	ON_OFF("killpriv_v2", VFSD_KILLPRIV),
	{ "-o posix_acl", VFSD_POSIX_ACL, "always", NULL, NULL, NULL },
	{ "-o no_posix_acl", VFSD_POSIX_ACL, "never", NULL, NULL, NULL },
	{ "-o security_label", VFSD_SECURITY_LABEL, "always", NULL, NULL, NULL },
	{ "-o no_security_label", VFSD_SECURITY_LABEL, "never", NULL, NULL, NULL },
	ON_OFF("flock", VFSD_FLOCK),
	ON_OFF("posix_lock", VFSD_POSIX_LOCK),
	{ "-o log_level", VFSD_LOG_LEVEL, NULL, levels, NULL, NULL },
	{ "-o debug", VFSD_DEBUG, "true", NULL, NULL, NULL },
	{ "-o timeout", VFSD_TIMEOUT, NULL, NULL, vfsd_check_seconds, NULL },
	{ "-o max_idle_threads", VFSD_NOTHING, NULL, NULL, vfsd_check_number, NO_EFFECT },
	{ "-o allow_root", VFSD_NOTHING, "true", NULL, NULL, NO_EFFECT },
};

static const struct item *find_item(const char *name)
{
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (strcmp(items[i].where + strlen("-o "), name) == 0)
			return &items[i];
	return NULL;
}

/* NAME or NAME=VALUE; word is changed. */
static int take_item(struct vfsd_line *line, char *word, struct graft_error *err)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	const struct item *i = find_item(word);
	if (!i && *word == '\0')
		return error_set(err, EINVAL, "the list behind '-o' has an empty item");
	if (!i)
		return error_set(err, EINVAL, "unknown option '-o " SHOWN "'", word);
	if (i->fixed && value)
		return error_set(err, EINVAL, "'%s' takes no value, but has '" SHOWN "'", i->where, value);
	if (!i->fixed && !value)
		return error_set(err, EINVAL, "'%s' needs a value: '%s=...'", i->where, i->where);
	if (value && strchr(value, '='))
		return error_set(err, EINVAL, "'%s=" SHOWN "': a value in a list has no '='", i->where, value);
	struct vfsd_setting s = { .id = i->id, .text = i->fixed, .where = i->where, .warning = i->warning };
	if (value && vfsd_value(i->words, false, i->check, value, &s, err) != 0)
		return error_wrap(err, "invalid value '" SHOWN "' for '%s'", value, i->where);
	return vfsd_line_add(line, &s, err);
}

static int take_list(struct vfsd_line *line, const char *text, struct graft_error *err)
{
	char *copy = strdup(text), *word;
	int res = 0;

	if (!copy)
		return error_set(err, ENOMEM, "out of memory");
	line->lists[line->nlists++] = copy;
	while (res == 0 && (word = strsep(&copy, ",")))
		res = take_item(line, word, err);
	return res;
}

int vfsd_lists_parse(struct vfsd_line *line, struct graft_error *err)
{
	size_t given = line->n;
	int res = 0;

	line->lists = calloc(given + 1, sizeof(*line->lists));
	if (!line->lists)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; res == 0 && i < given; i++)
		if (line->settings[i].id == VFSD_LIST)
			res = take_list(line, line->settings[i].text, err);
	return res;
}
