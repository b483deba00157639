/* SPDX-License-Identifier: Apache-2.0 */
/* A subcommand, what it works with, and the list of all. Each has a file of its own. */
#ifndef GRAFT_CTL_COMMAND_H
#define GRAFT_CTL_COMMAND_H

#include "ctl/args.h"
#include "ctl/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit statuses, see graftctl(1). */
enum ctl_exit {
	CTL_STOPPED = -1, /* only inside: a request was interrupted on purpose, see client_stop_at */
	CTL_DONE = 0,
	CTL_FAILED = 1,      /* the server refused, or an answer could not be written */
	CTL_USAGE = 2,       /* the command line is wrong */
	CTL_UNREACHABLE = 3, /* no server there, or it did not answer as one */
	CTL_NOT_FOUND = 4,   /* nothing is mounted there: HTTP status 404 */
	CTL_BUSY = 5,        /* in use: EBUSY */
};

#define CTL_API "/api/graft/v1/"

struct ctl {
	const char *socket_option; /* of the command line, or NULL */
	char *socket;
	struct client *client;    /* made with the first call */
	bool json;                /* print what the server said, as JSON */
	bool silent;              /* ctl_call prints no answer by itself */
	struct graft_error error; /* of a request; said when the command ends, so that no screen hides it */
};

struct command {
	const char *name, *summary;
	const char *usage;                 /* what stands behind the name; lines for several forms */
	const char *text;                  /* for its help: what it does, an example */
	const struct args_option *options; /* a NULL name ends them */
	size_t min_words, max_words;
	int (*run)(struct ctl *ctl, const struct args *args); /* returns enum ctl_exit */
};

extern const struct command command_config, command_help, command_image, command_list, command_log_level,
	command_mount, command_plugins, command_remount, command_retry, command_show, command_stats, command_stop,
	command_top, command_umount, command_xattrmap;

/* Ends with NULL. */
extern const struct command *const commands[];

/* NULL where there is none of that name. */
const struct command *command_find(const char *name);
/* Says that there is none, and which was meant; returns CTL_USAGE. */
int command_unknown(const char *name);
void command_print_help(const struct command *command);
void command_print_overview(void);

/* "graftctl: text" on stderr, escaped; returns status. */
int ctl_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A usage error of a command: the text, and where its help is. */
int ctl_usage(const struct command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct ctl_request {
	const char *method, *path; /* path below CTL_API */
	struct client_param params[CLIENT_PARAMS_MAX];
	json_t *body; /* borrowed; NULL: none */
};

/* Finds the server's socket. ctl_call does it by itself. Returns enum ctl_exit, with ctl->error. */
int ctl_connect(struct ctl *ctl);
/*
 * Sends a request. With --json the answer, also one that is an error, is printed, unless silent. Returns enum ctl_exit,
 * with ctl->error where that is not CTL_DONE; *answer (which may be NULL) is the caller's: JSON, or NULL where the
 * server sent none.
 */
int ctl_call(struct ctl *ctl, const struct ctl_request *request, json_t **answer);
/* GET of path, with at in the query where it is not NULL. */
int ctl_get(struct ctl *ctl, const char *path, const char *at, json_t **answer);
/* As ctl_get, for an answer that must be an array (JSON_ARRAY) or object (JSON_OBJECT). */
int ctl_get_typed(struct ctl *ctl, const char *path, const char *at, json_type type, json_t **answer);
/* Prints JSON with what could steer a terminal escaped. flags of jansson, e.g. JSON_INDENT(2). */
void ctl_print_json(const json_t *json, size_t flags);

/* Members of an object that may be missing or of another type: "" and 0 then. */
const char *ctl_text(const json_t *object, const char *key);
uint64_t ctl_number(const json_t *object, const char *key);

#endif
