/* SPDX-License-Identifier: Apache-2.0 */
/* An image opened, walked in full and read in full in this process, as the plugin does it, with a bound on the work. */
#ifndef GRAFT_TESTS_RAFS_FLIP_WALK_H
#define GRAFT_TESTS_RAFS_FLIP_WALK_H

#include <stdbool.h>
#include <stdint.h>

#define WALK_ENTRIES_MAX 4000               /* a small image has a tenth; one that lies may have no end */
#define WALK_BYTES_MAX (UINT64_C(24) << 20) /* of file data, likewise */

struct walk_request {
	const char *source, *blob_dir;
	const char *cache_dir; /* NULL: none */
	bool cache_raw;
	bool prefetch;     /* all of it, while it is read */
	uint32_t validate; /* enum reader_validate */
};

struct walk_result {
	int refused;      /* 0, or the -errno with which it was not opened */
	char why[256];    /* then */
	uint32_t version; /* of the image, 0 if refused */
	uint32_t entries, errors;
	uint64_t bytes;
	uint32_t sum; /* CRC of all that was seen */
};

void walk_image(const struct walk_request *request, struct walk_result *result);

#endif
