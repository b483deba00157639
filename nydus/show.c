/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as JSON of version 2. */
#include "nydus/config.h"

#include "nydus/tables.h"

#include <string.h>

/* What a backend's configuration, a map of texts, may hold that is nobody's business. */
static void blank_secrets(json_t *map)
{
	static const char *const secret[] = { "auth", "registry_token", "access_key_id", "access_key_secret",
					      "encryption_key" };

	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (json_object_get(map, secret[i]))
			json_object_set_new(map, secret[i], json_string(""));
}

json_t *nydus_config_show(const struct nydus_config *config, bool secrets)
{
	/* The table is that of struct nydus_v2, which begins with the config. */
	json_t *shown = fields_write(nydus_v2_fields, config, secrets), *item;
	size_t i;

	if (!secrets)
		json_array_foreach(json_object_get(shown, "external_backends"), i, item)
			blank_secrets(json_object_get(item, "config"));
	return shown;
}
