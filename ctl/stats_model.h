/* SPDX-License-Identifier: Apache-2.0 */
/* The server's statistics as numbers: rows by mount and operation, differences of two readings, percentiles. */
#ifndef GRAFT_CTL_STATS_MODEL_H
#define GRAFT_CTL_STATS_MODEL_H

#include "lib/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define STATS_BUCKETS_MAX 16

/* Texts belong to the reading's JSON. */
struct stats_row {
	const char *at; /* NULL: of no mount, or of one that is gone */
	const char *op;
	uint64_t count, errors, total_ns, bytes;
	uint64_t buckets[STATS_BUCKETS_MAX];
};

/* One reading. Zeroed before stats_read. */
struct stats {
	json_t *json;
	struct stats_row *rows; /* as the server gave them, those of no mount last */
	size_t n, room;
	uint64_t bounds[STATS_BUCKETS_MAX]; /* ns, the upper ones; UINT64_MAX for none */
	size_t nbounds;
};

/* Takes json. -EPROTO with err where it is not as docs/api.md says, -ENOMEM. */
int stats_read(struct stats *s, json_t *json, struct graft_error *err);
void stats_free(struct stats *s);

/*
 * What came between two readings, into since (zeroed; stats_free it): rows that counted something, the most frequent
 * first, those of no mount last. A row that before does not have, or that counts less than before (a remount), counts
 * in full. -ENOMEM with err.
 */
int stats_since(const struct stats *now, const struct stats *before, struct stats *since, struct graft_error *err);

/* What the rows of a group have in common. */
enum stats_by { STATS_BY_BOTH, STATS_BY_MOUNT, STATS_BY_OP, STATS_BY_NONE };
/*
 * The rows added up by group, into to (zeroed; stats_free it): what they do not have in common is NULL (at) and ""
 * (op). Figures too large to add stay the largest there is. -ENOMEM with err.
 */
int stats_group(const struct stats *s, enum stats_by by, struct stats *to, struct graft_error *err);

enum stats_order { STATS_ORDER_RATE, STATS_ORDER_LATENCY, STATS_ORDER_ERRORS, STATS_ORDER_BYTES };
/* The largest first; latency is the mean. */
void stats_sort(struct stats *s, enum stats_order order);

/* Nanoseconds that a row's requests took on average; 0 where it has none. */
uint64_t stats_mean(const struct stats_row *row);
/* Bucket in which the share p (0 < p <= 1) of a row's requests ends; nbounds where it has none. */
size_t stats_percentile(const struct stats *s, const struct stats_row *row, double p);

#endif
