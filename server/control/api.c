/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers work with: its stores, and what they are told of mounts. */
#include "server/control/api.h"

#include "lib/cleanup.h"
#include "server/control/nydus_blobs.h"
#include "server/control/nydus_values.h"
#include "server/control/spellings.h"

#include <errno.h>
#include <string.h>

int api_init(struct api *api)
{
	api->values = nydus_values_new();
	api->blobs = nydus_blobs_new();
	api->spellings = spellings_new();
	return api->values && api->blobs && api->spellings ? 0 : -ENOMEM;
}

void api_fini(struct api *api)
{
	nydus_values_free(api->values);
	nydus_blobs_free(api->blobs);
	spellings_free(api->spellings);
}

void api_mount_came(const struct api *api, const char *at, const char *given)
{
	spellings_set(api->spellings, at, given);
	nydus_values_tell(api, at, given ? given : at);
}

void api_mount_went(const struct api *api, const char *at)
{
	auto_free char *given = spellings_of(api->spellings, at);

	spellings_set(api->spellings, at, NULL);
	if (given)
		nydus_values_drop(api->values, given);
	nydus_values_drop(api->values, at);
}

enum nydus_form nydus_form_of(const struct api *api)
{
	const struct config *c = api->host->config;

	for (uint32_t i = 0; i < c->ntransports; i++)
		if (c->transports[i].kind == GRAFT_DEV_FUSE)
			return NYDUS_FUSE;
	return c->ntransports ? NYDUS_VIRTIOFS : NYDUS_SINGLETON;
}
