/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as an access list and as a capability. What is translated keeps its length, changes nowhere
 * but in ids, and is itself again after it was translated back.
 */
#include "plugins/idmap/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* There and back: users 0-99 are 1000-1099, groups 0-99 are 5000-5099, and the other way round; 7 is forbidden. */
static struct idmap_range users[] = { { 0, 6, 1000, IDMAP_SHIFT },
				      { 7, 7, 0, IDMAP_FORBID },
				      { 8, 99, 1008, IDMAP_SHIFT },
				      { 1000, 1099, 0, IDMAP_SHIFT } };
static struct idmap_range users_back[] = { { 0, 99, 1000, IDMAP_SHIFT }, { 1000, 1099, 0, IDMAP_SHIFT } };
static struct idmap_range groups[] = { { 0, 99, 5000, IDMAP_SHIFT }, { 5000, 5099, 0, IDMAP_SHIFT } };

static const struct idmap_dir uids = { users, 4 }, uids_back = { users_back, 2 }, gids = { groups, 2 };

static void check(enum value_kind kind, const uint8_t *data, size_t size)
{
	uint8_t *value = malloc(size ? size : 1);
	size_t first = kind == VALUE_ACL ? 4 : 20, step = kind == VALUE_ACL ? 8 : size;

	if (!value)
		return;
	memcpy(value, data, size);
	int res = value_translate(kind, &uids, &gids, value, size);
	if (res == 0) {
		for (size_t i = 0; i < size; i++) {
			bool id = i >= first && (kind == VALUE_ACL ? (i - first) % step >= 4 : true);
			if (!id && value[i] != data[i])
				abort();
		}
		if (value_translate(kind, &uids_back, &gids, value, size) != 0 || memcmp(value, data, size) != 0)
			abort();
	} else if (res != -EINVAL && res != -EOPNOTSUPP && res != -EPERM) {
		abort();
	}
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(VALUE_ACL, data, size);
	check(VALUE_CAPABILITY, data, size);
	check(VALUE_OTHER, data, size);
	return 0;
}
