/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's command line, taken apart: its form, and what each option was given. */
#ifndef GRAFT_SERVER_NYDUSD_LINE_H
#define GRAFT_SERVER_NYDUSD_LINE_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>

#define NYD_EXTRAS_MAX 32 /* options of virtiofsd on one line; more are taken without a word */

/* A bit each, so that an option can name those it belongs to. */
enum nyd_form {
	NYD_FUSE = 1, /* also where no form is named */
	NYD_VIRTIOFS = 2,
	NYD_SINGLETON = 4,
	NYD_FS = NYD_FUSE | NYD_VIRTIOFS,
	NYD_ALL = NYD_FS | NYD_SINGLETON,
};

enum nyd_id {
	NYD_NOTHING,
	NYD_APISOCK,
	NYD_CONFIG,
	NYD_ID,
	NYD_SUPERVISOR,
	NYD_LOG_LEVEL,
	NYD_LOG_FILE,
	NYD_LOG_ROTATION,
	NYD_RLIMIT,
	NYD_UPGRADE,
	NYD_MOUNTPOINT,
	NYD_THREADS,
	NYD_FAILOVER,
	NYD_WRITABLE,
	NYD_BOOTSTRAP,
	NYD_LOCALFS,
	NYD_SHARED_DIR,
	NYD_PREFETCH,
	NYD_VIRTUAL,
	NYD_DEDUP,
	NYD_SOCK,
	NYD_HYBRID,
	NYD_FSCACHE,
	NYD_FSCACHE_TAG,
	NYD_FSCACHE_THREADS,
	NYD_BACKEND_SOURCE,
	NYD_DUMP_CONFIG,
	NYD_HELP,
	NYD_VERSION,
	NYD_COUNT
};

struct nyd_line {
	enum nyd_form form;
	bool named;                        /* the form, by a word of its own */
	const char *value[NYD_COUNT];      /* NULL: not given; "" of a switch. Points into argv */
	const char *extra[NYD_EXTRAS_MAX]; /* virtiofsd's options, as written; points into argv */
	size_t nextras;
};

enum nyd_result { NYD_GO_ON, NYD_SAY_HELP, NYD_SAY_VERSION };

/*
 * Takes the arguments behind the program's name apart, each value checked by itself, then what excludes or needs what. An enum
 * nyd_result, or -EINVAL with err for a usage error. line is empty before, and needs no end.
 */
int nyd_line_parse(struct nyd_line *line, int argc, char *const *argv, struct graft_error *err);
/* The word that names a form: "fuse". */
const char *nyd_form_name(enum nyd_form form);

#endif
