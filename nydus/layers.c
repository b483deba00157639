/* SPDX-License-Identifier: Apache-2.0 */
/* What of a configuration is the business of layers over the image. */
#include "nydus/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int nydus_config_layers(const struct nydus_config *config,
			int (*add)(void *arg, const char *name, const char *value, struct graft_error *err), void *arg,
			struct graft_error *err)
{
	const struct nydus_overlay *overlay = &config->overlay;
	const struct nydus_idmap *map = &config->idmap;
	char rule[64];
	int res;

	if (!map->given && !overlay->given)
		return 0;
	if (overlay->given && (!overlay->upper_dir[0] || !overlay->work_dir[0]))
		return error_set(err, EINVAL,
				 "invalid argument `workdir and upperdir must be specified for overlayfs`");
	/* Owners in the upper directory are the image's own, so the map lies over both. */
	res = add(arg, "layers", !map->given ? "overlay" : overlay->given ? "idmap overlay" : "idmap", err);
	if (res == 0 && map->given) {
		snprintf(rule, sizeof(rule), "map:%" PRIu32 ":%" PRIu32 ":%" PRIu32, map->outside, map->inside,
			 map->count);
		res = add(arg, "idmap.uid", rule, err);
		if (res == 0)
			res = add(arg, "idmap.gid", rule, err);
	}
	if (res == 0 && overlay->given)
		res = add(arg, "overlay.upper-dir", overlay->upper_dir, err);
	return res == 0 && overlay->given ? add(arg, "overlay.work-dir", overlay->work_dir, err) : res;
}
