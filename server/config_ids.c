/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: maps of user and group ids, INSIDE:OUTSIDE:COUNT. */
#include "server/config_internal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NO_ID UINT32_MAX /* (uid_t)-1 is no id */

/* Decimal digits up to end. */
static bool read_number(const char **text, char end, uint32_t *n)
{
	uint64_t value = 0;
	size_t len = strspn(*text, "0123456789");

	if (len == 0 || len > 10 || (*text)[len] != end)
		return false;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (uint64_t)((*text)[i] - '0');
	*text += len + (end != '\0');
	*n = (uint32_t)value;
	return value <= UINT32_MAX;
}

static const char *range_fault(const char *text, struct config_id_range *r)
{
	if (!read_number(&text, ':', &r->inside) || !read_number(&text, ':', &r->outside) ||
	    !read_number(&text, '\0', &r->count))
		return "must be INSIDE:OUTSIDE:COUNT, whole numbers up to 4294967295";
	if (r->count == 0)
		return "a range of no ids";
	if (r->count > NO_ID - r->inside || r->count > NO_ID - r->outside)
		return "goes beyond 4294967294, the last id";
	return NULL;
}

static bool meet(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
	return a < b ? b - a < a_count : a - b < b_count;
}

static const char *overlap(const struct config_id_map *map, const struct config_id_range *r)
{
	for (uint32_t i = 0; i < map->n; i++) {
		const struct config_id_range *other = &map->range[i];

		if (meet(other->inside, other->count, r->inside, r->count))
			return "an id inside is in an earlier range as well";
		if (meet(other->outside, other->count, r->outside, r->count))
			return "an id outside is in an earlier range as well";
	}
	return NULL;
}

int config_read_id_map(struct config_id_map *map, const struct options *o, const char *key,
		       const struct graft_list *lines, struct graft_error *err)
{
	if (lines->count == 0)
		return 0;
	if (lines->count > CONFIG_ID_RANGES_MAX)
		return error_set(err, EINVAL, "%s: %s: more than %d ranges", options_where(o, key), key,
				 CONFIG_ID_RANGES_MAX);
	map->range = calloc(lines->count, sizeof(*map->range));
	if (!map->range)
		return config_no_memory(err);
	for (size_t i = 0; i < lines->count; i++) {
		struct config_id_range r;
		const char *fault = range_fault(lines->items[i], &r);

		if (!fault)
			fault = overlap(map, &r);
		if (fault)
			return error_set(err, EINVAL, "%s: %s = %.100s: %s", options_where(o, key), key,
					 lines->items[i], fault);
		map->range[map->n++] = r;
	}
	return 0;
}
