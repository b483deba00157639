/* SPDX-License-Identifier: Apache-2.0 */
/* The -o options that mount(8) hands over: what can be had of them, and what cannot. */
#ifndef GRAFT_MOUNT_OPTIONS_H
#define GRAFT_MOUNT_OPTIONS_H

#include "lib/error.h"

#include <stdbool.h>

/* What they come to. */
struct mount_options {
	unsigned long flags; /* MS_*, to be set on the mount once it stands; nosuid and nodev are always so */
};

/*
 * Adds a comma-separated list. sloppy: unknown words are passed over, as mount(8)'s -s wants. 0, or -EINVAL with err,
 * which names the word.
 */
int mount_options_parse(struct mount_options *o, const char *list, bool sloppy, struct graft_error *err);

#endif
