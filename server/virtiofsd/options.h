/* SPDX-License-Identifier: Apache-2.0 */
/* The table of virtiofsd's options (release 1.14), with graftfs's own. */
#ifndef GRAFT_SERVER_VIRTIOFSD_OPTIONS_H
#define GRAFT_SERVER_VIRTIOFSD_OPTIONS_H

#include "server/virtiofsd/line.h"

/* A word that is a value, and what it stands for. */
struct vfsd_word {
	const char *word, *means;
	const char *warning; /* why another word is better, or NULL */
};

/* How a value is given. */
enum vfsd_arg {
	VFSD_FLAG,     /* none */
	VFSD_VALUE,    /* --name VALUE or --name=VALUE */
	VFSD_EQUALS,   /* --name=VALUE only */
	VFSD_OPTIONAL, /* --name=VALUE, or --name, which is --name=always */
};

struct vfsd_option {
	const char *spelling; /* "--cache", or "-o" of one that has a letter only */
	char letter;          /* 0: none */
	enum vfsd_arg arg;
	enum vfsd_id id;
	const char *name;              /* of the value, in messages and the help: "CACHE" */
	const char *fixed;             /* the text of a flag; "true" if NULL */
	const struct vfsd_word *words; /* the values there are, the last word NULL; NULL: any */
	bool fold;                     /* the case of words does not matter */
	/* Looks at a value that is no word. 0, or -EINVAL with err, which says what would be right. NULL: any will do
	 */
	int (*check)(const char *value, struct graft_error *err);
	const char *warning; /* for each use: why it had better be written otherwise; NULL */
	const char *shown;   /* the default, as the help shows it; NULL: none */
	const char *help;    /* one line */
	const char *more;    /* what --help says besides; NULL: nothing */
};

/* The last one has no spelling. */
extern const struct vfsd_option vfsd_options[];
/* Words that -o lists have in common with options. */
extern const struct vfsd_word vfsd_cache_words[];

/*
 * The text that a value stands for: a word's meaning, or itself, and the word's warning if it has one. -EINVAL with
 * err: why it is none.
 */
int vfsd_value(const struct vfsd_word *words, bool fold, int (*check)(const char *, struct graft_error *),
	       const char *value, struct vfsd_setting *setting, struct graft_error *err);
/* "--cache <CACHE>", as messages and the help name an option; returns to. */
#define VFSD_LABEL_MAX 96
const char *vfsd_label(const struct vfsd_option *o, char to[VFSD_LABEL_MAX]);

#endif
