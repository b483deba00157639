/* SPDX-License-Identifier: Apache-2.0 */
/* A mount as a request describes it: the JSON of its body becomes the keys of a [mount] section. */
#ifndef GRAFT_SERVER_CONTROL_SPEC_H
#define GRAFT_SERVER_CONTROL_SPEC_H

#include "lib/error.h"
#include "server/config.h"

#include <jansson.h>

#define SPEC_KEYS_MAX 4096

struct spec {
	struct mount_spec mount; /* name and where are borrowed from the body and the caller */
	struct mount_key *keys;  /* owned, with their texts */
	size_t room;
};

/* What the plugins are called behind nydusd's names: "rafs" is "nydus-rafs"; other names are their own. */
const char *spec_plugin_name(const char *fs_type);

/*
 * From a body of /api/graft/v1: {"type", "config", "layers", "name"}. at has been checked; body outlives the spec. 0,
 * -EINVAL with a sentence for the client, -ENOMEM, -E2BIG; spec_fini in every case.
 */
int spec_from_graft(struct spec *s, const char *at, const json_t *body, struct graft_error *err);
/*
 * From a body of nydusd's API whose fields have been looked at: fs_type, source and config are there, config is a text
 * or an object.
 */
int spec_from_nydus(struct spec *s, const char *at, const json_t *body, struct graft_error *err);
void spec_fini(struct spec *s);

#endif
