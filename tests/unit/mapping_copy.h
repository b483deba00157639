/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of lib/mapping in a shared object of its own, as each plugin has one; the symbol is "mapping_copy". */
#ifndef GRAFT_TESTS_UNIT_MAPPING_COPY_H
#define GRAFT_TESTS_UNIT_MAPPING_COPY_H

#include "lib/mapping.h"

struct mapping_copy {
	int (*open)(struct mapping *m, int fd, uint64_t off, uint64_t size, enum mapping_mode mode,
		    struct graft_error *err);
	void (*close)(struct mapping *m);
	bool (*torn)(const struct mapping *m);
};

#endif
