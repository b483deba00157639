/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings of files that live on when the file is cut short under them: no SIGBUS reaches the process. */
#ifndef GRAFT_LIB_MAPPING_H
#define GRAFT_LIB_MAPPING_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

#define MAPPINGS_MAX 16384 /* guarded mappings of a process; one more is refused with ENOMEM */

/*
 * A guarded mapping. A page that the file does not have any more reads as zeros from then on (and keeps what is written
 * to it to itself), and the mapping is torn: what was read from it may be a mix and must be refused. Plain to copy by
 * assignment as long as one copy alone is closed. An empty one is all zeros.
 */
struct mapping {
	unsigned char *base; /* size bytes; NULL: nothing mapped */
	uint64_t size;
	uint32_t slot; /* of the table of guarded mappings, + 1; 0: none */
	uint32_t head; /* bytes of the first page before base */
};

enum mapping_mode {
	MAPPING_READ = 0,  /* read-only, private */
	MAPPING_SHARED = 1 /* read and write, shared with other processes */
};

/*
 * Maps size bytes (at least 1) from off (any byte) of fd, which may be closed afterwards. The range must lie in the
 * file now: -EINVAL if not. The first call in the process installs the handler of SIGBUS; a SIGBUS that no guarded
 * mapping explains goes to the handler that was there before, or ends the process as it always did. 0 or -errno with
 * err. Any thread; one that blocks SIGBUS must not touch the mapping (threads of thread_start do not block it).
 */
int mapping_open(struct mapping *m, int fd, uint64_t off, uint64_t size, enum mapping_mode mode,
		 struct graft_error *err);
/*
 * Guards memory that the caller mapped from a file and unmaps after mapping_unguard. base is page aligned. Missing pages
 * become writable, however it is mapped.
 */
int mapping_guard(struct mapping *m, void *base, uint64_t size, struct graft_error *err);
void mapping_unguard(struct mapping *m);
/* Nobody may be reading it. Does nothing to an empty one; leaves an empty one. Keeps errno. */
void mapping_close(struct mapping *m);
/* True once a page was missing. To be asked after what was read has been used and before it is believed. */
bool mapping_torn(const struct mapping *m);

#endif
