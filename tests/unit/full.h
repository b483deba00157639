/* SPDX-License-Identifier: Apache-2.0 */
/* Under a sanitizer some tests do a share of their work; GRAFT_FULL=1 in the environment asks for all of it (scripts/soak). */
#ifndef GRAFT_TESTS_UNIT_FULL_H
#define GRAFT_TESTS_UNIT_FULL_H

#include <stdlib.h>

/* full, or what takes about as long under a sanitizer. */
static inline size_t full_count(size_t full, size_t sanitized)
{
#ifdef GRAFT_SANITIZED
	const char *s = getenv("GRAFT_FULL");

	return s && *s == '1' ? full : sanitized;
#else
	(void)sanitized;
	return full;
#endif
}

#endif
