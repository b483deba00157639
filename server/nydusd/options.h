/* SPDX-License-Identifier: Apache-2.0 */
/* The table of nydusd's options (release 2.4.4), with those that only its clients know, and graftfs's own. */
#ifndef GRAFT_SERVER_NYDUSD_OPTIONS_H
#define GRAFT_SERVER_NYDUSD_OPTIONS_H

#include "server/nydusd/line.h"

#include <stdint.h>

struct nyd_option {
	const char *spelling; /* "--apisock" */
	const char *alias;    /* another one, not in the help; NULL */
	char letter;          /* 0: none */
	bool value;           /* it takes one: --name VALUE or --name=VALUE */
	enum nyd_id id;
	enum nyd_form forms;         /* a mask: where it may stand */
	const char *const *words;    /* the values there are, NULL behind the last; NULL: any */
	int (*check)(const char *value, struct graft_error *err); /* of a value that is no word; NULL: any will do */
	enum nyd_id needs, excludes; /* NYD_NOTHING: none */
	enum nyd_form required;      /* where it must stand */
	const char *shown;           /* the default, as the help shows it; NULL: none */
	const char *warning;         /* for each use: what it does not do; NULL */
	const char *help;
};

/* The last one has no spelling. */
extern const struct nyd_option nyd_options[];

const struct nyd_option *nyd_option_of(enum nyd_id id);
/* "--apisock <apisock>", as messages and the help name an option; returns to. */
#define NYD_LABEL_MAX 96
const char *nyd_label(const struct nyd_option *o, char to[NYD_LABEL_MAX]);
/* A number of threads, 1 to 1024. */
bool nyd_threads(const char *text, uint64_t *n);

#endif
