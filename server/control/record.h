/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts made at run time, as mounts.json keeps them. */
#ifndef GRAFT_SERVER_CONTROL_RECORD_H
#define GRAFT_SERVER_CONTROL_RECORD_H

#include "server/config.h"
#include "server/control/store.h"

#define RECORDS_MAX 32768 /* MOUNTS_MAX of server/mounts.h */

/* Owns its texts. keys begins with "at"; name may be NULL. */
struct record {
	char *name;
	struct mount_key *keys;
	size_t nkeys;
	bool replaces; /* stands in for a mount of the configuration file */
	char *json;    /* as it stands in the file; NULL: cannot be kept yet */
	/* the ledger's */
	bool hidden; /* left out of the file, and of listings */
	bool failed; /* not mounted */
	char *why;   /* the reason; NULL where there was no memory for it */
};

/* Copies; keys have one "at". NULL when out of memory, with err. */
struct record *record_new(const char *name, const struct mount_key *keys, size_t nkeys, bool replaces,
			  struct graft_error *err);
void record_free(struct record *r);
const char *record_at(const struct record *r);
/* The value of a key, NULL if it is not there. */
const char *record_get(const struct record *r, const char *key);
/* Makes json. -EILSEQ for what is not UTF-8: JSON cannot carry it. */
int record_seal(struct record *r, struct graft_error *err);

/* The records of the file, none where there is no file; the caller frees each, then the array. */
int records_read(const struct store *s, struct record ***records, size_t *n, struct graft_error *err);
/* Writes those that are not hidden, in this order; all are sealed. */
int records_write(const struct store *s, struct record *const *records, size_t n, struct graft_error *err);
void records_free(struct record **records, size_t n);

#endif
