/* SPDX-License-Identifier: Apache-2.0 */
/* The table of mounts that list and show print. */
#include "ctl/mounts_table.h"

#include "ctl/command.h"
#include "ctl/table.h"

static const struct table_column columns[] = {
	{ "AT", false },   { "TYPE", false },   { "SOURCE", false },  { "STATE", false },
	{ "NODES", true }, { "HANDLES", true }, { "REQUESTS", true }, { "ERRORS", true },
};

int mounts_table_print(const json_t *mounts)
{
	size_t i;
	json_t *mount;
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	if (!t)
		return ctl_fail(CTL_FAILED, "out of memory");
	json_array_foreach (mounts, i, mount) {
		const char *source = ctl_text(json_object_get(mount, "keys"), "source");
		table_text(t, ctl_text(mount, "at"));
		table_text(t, ctl_text(mount, "type"));
		table_text(t, *source ? source : "-");
		table_text(t, ctl_text(mount, "state"));
		table_number(t, ctl_number(mount, "nodes"));
		table_number(t, ctl_number(mount, "handles"));
		table_number(t, ctl_number(mount, "requests"));
		table_number(t, ctl_number(mount, "errors"));
	}
	return table_finish(t);
}
