/* SPDX-License-Identifier: Apache-2.0 */
/* The folder that holds all sources. */
#include "server/sandbox/chroot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What was seen so far; no source: path is empty. */
struct shared {
	char path[PATH_MAX];
};

/* Cuts path until it is other or a folder above it; both are absolute and normal. */
static void cut_to(char *path, const char *other)
{
	size_t same = 0, part = 0;

	while (path[same] && path[same] == other[same]) {
		same++;
		if (path[same] == '/' || !path[same])
			part = (other[same] == '/' || !other[same]) ? same : part;
	}
	path[part ? part : 1] = '\0';
}

static void add_source(struct shared *s, const char *source)
{
	char real[PATH_MAX];
	struct stat st;

	if (!realpath(source, real) || stat(real, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		char *slash = strrchr(real, '/');

		slash[slash == real] = '\0';
	}
	if (s->path[0])
		cut_to(s->path, real);
	else
		strcpy(s->path, real);
}

static int see_key(const char *key, const char *text, void *arg)
{
	struct shared *s = arg;

	if (strcmp(key, "source") == 0 && *text == '/')
		add_source(s, text);
	return 0;
}

void chroot_shared(const struct config *config, char shared[PATH_MAX])
{
	struct shared s = { .path = "" };

	for (uint32_t i = 0; i < config->nmounts; i++) {
		const struct mount_config *m = &config->mounts[i];

		options_each_set(m->members[m->nmembers - 1].options, see_key, &s);
	}
	strcpy(shared, s.path[0] ? s.path : "/");
}
