/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of GET /metrics share: lines of OpenMetrics. */
#ifndef GRAFT_SERVER_CONTROL_OPENMETRICS_H
#define GRAFT_SERVER_CONTROL_OPENMETRICS_H

#include "server/control/api.h"

#include <stdio.h>

struct metrics_text {
	const struct control_host *host;
	FILE *to;
	uint64_t n;  /* of what is counted by calling for each */
	bool failed; /* out of memory: something is missing */
};

/* name without "graftfs_"; unit may be NULL. */
void metrics_family(const struct metrics_text *m, const char *name, const char *type, const char *unit,
		    const char *help);
/* NAME="VALUE" after before, which is "{" or ",". */
void metrics_label(FILE *to, const char *before, const char *name, const char *value);

/* Backends, caches and prefetch of images. Asks their plugins, so not within each_mount. */
void metrics_images(struct metrics_text *m);

#endif
