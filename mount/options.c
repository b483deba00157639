/* SPDX-License-Identifier: Apache-2.0 */
/* The -o options that mount(8) hands over. */
#include "mount/options.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

/* Words that set flags, or that say what is so anyway. */
static const struct {
	const char *word;
	unsigned long set, clear;
} known[] = {
	{ "rw", 0, MS_RDONLY },
	{ "ro", MS_RDONLY, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "noexec", MS_NOEXEC, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "noatime", MS_NOATIME, 0 },
	{ "diratime", 0, MS_NODIRATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "strictatime", MS_STRICTATIME, MS_RELATIME },
	{ "nosuid", 0, 0 },
	{ "nodev", 0, 0 },
	{ "async", 0, 0 },
	{ "default_permissions", 0, 0 },
	{ "allow_other", 0, 0 },
	/* For mount(8), systemd and the boot scripts alone. */
	{ "defaults", 0, 0 },
	{ "auto", 0, 0 },
	{ "noauto", 0, 0 },
	{ "nofail", 0, 0 },
	{ "_netdev", 0, 0 },
	{ "user", 0, 0 },
	{ "users", 0, 0 },
	{ "nouser", 0, 0 },
	{ "owner", 0, 0 },
	{ "group", 0, 0 },
};

/* Beginnings of words that are for others. */
static const char *const passed_over[] = { "x-", "X-", "user=", "comment=" };

/* Words that people may ask for and that cannot be had. */
static const struct {
	const char *word, *why;
} refused[] = {
	{ "suid", "the mount is always nosuid" },
	{ "dev", "the mount is always nodev" },
	{ "sync", "the kernel's FUSE has no such mounts" },
	{ "dirsync", "the kernel's FUSE has no such mounts" },
	{ "remount", "unmount it and mount it again; what is served can be changed with graftctl" },
};

static bool is(const char *word, const char *at, size_t len)
{
	return strlen(word) == len && memcmp(word, at, len) == 0;
}

static bool take_known(struct mount_options *o, const char *at, size_t len)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!is(known[i].word, at, len))
			continue;
		o->flags = (o->flags & ~known[i].clear) | known[i].set;
		return true;
	}
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]); i++) {
		if (strncmp(at, passed_over[i], strlen(passed_over[i])) == 0)
			return true;
	}
	return false;
}

static int take_word(struct mount_options *o, const char *at, size_t len, bool sloppy, struct graft_error *err)
{
	if (!len || take_known(o, at, len))
		return 0;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (is(refused[i].word, at, len))
			return error_set(err, EINVAL, "option '%s': %s", refused[i].word, refused[i].why);
	}
	if (sloppy)
		return 0;
	return error_set(err, EINVAL, "option '%.*s' is not known; what is served is set in the configuration file",
			 len > 64 ? 64 : (int)len, at);
}

int mount_options_parse(struct mount_options *o, const char *list, bool sloppy, struct graft_error *err)
{
	int res = 0;

	while (!res) {
		size_t len = strcspn(list, ",");

		res = take_word(o, list, len, sloppy, err);
		if (!list[len])
			break;
		list += len + 1;
	}
	return res;
}
