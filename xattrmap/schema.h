/* SPDX-License-Identifier: Apache-2.0 */
/* docs/xattrmap.xsd, built in: what is published is what files are held against. */
#ifndef GRAFT_XATTRMAP_SCHEMA_H
#define GRAFT_XATTRMAP_SCHEMA_H

#include <stddef.h>

extern const char xattrmap_schema[];
extern const size_t xattrmap_schema_len; /* bytes */

#endif
