/* SPDX-License-Identifier: Apache-2.0 */
/* The heap as a whole. */
#ifndef GRAFT_LIB_HEAP_H
#define GRAFT_LIB_HEAP_H

#include <malloc.h>

/* Gives free memory back to the system. With a sanitizer there is no heap of glibc's, and asking it would crash. */
static inline void heap_trim(void)
{
#ifndef GRAFT_SANITIZED
	malloc_trim(0);
#endif
}

#endif
