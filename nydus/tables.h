/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of both versions of nydusd's configuration. */
#ifndef GRAFT_NYDUS_TABLES_H
#define GRAFT_NYDUS_TABLES_H

#include "nydus/config.h"
#include "nydus/fields.h"

/* What the root of version 2 is read into, and written from. */
struct nydus_v2 {
	struct nydus_config c; /* first */
	const json_t *idmap;
};

/* Version 1, before it is turned into version 2. */
struct nydus_v1_backend {
	bool given;
	const char *type;
	const json_t *config;
};

struct nydus_v1_cache {
	bool given;
	const char *type;
	bool compressed, validate;
	const json_t *config;
};

struct nydus_v1_device {
	bool given;
	const char *id;
	struct nydus_v1_backend backend;
	const json_t *externals;
	struct nydus_v1_cache cache;
};

struct nydus_v1 {
	struct nydus_v1_device device;
	struct nydus_rafs rafs;
	struct nydus_prefetch prefetch;
	const json_t *idmap;
};

extern const struct field nydus_v2_fields[], nydus_v1_fields[];
extern const struct field nydus_filecache_fields[], nydus_fscache_fields[];

/* A type of backend: its fields, and where its struct stands in struct nydus_backend. */
struct nydus_backend_type {
	const char *name;
	const struct field *fields;
	size_t offset;
	bool v1;       /* version 1 knows it */
	bool built_in; /* can be mounted */
};

/* NULL for one that is not known. */
const struct nydus_backend_type *nydus_backend_type(const char *name);

#endif
