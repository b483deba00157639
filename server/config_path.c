/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of mounts: what is wrong with one, in a sentence. */
#include "server/config_internal.h"

#include <errno.h>
#include <string.h>

#define PART_MAX 255 /* bytes of a directory's name: what every program of a client can list (NAME_MAX) */
#define SHOWN_MAX 100 /* bytes of a path in a message */

const char *config_path_fault(const char *path)
{
	if (*path != '/')
		return "it must begin with '/'";
	if (path[1] == '\0')
		return NULL;
	while (*path == '/') {
		size_t len = strcspn(++path, "/");
		if (len == 0)
			return "it has an empty part (two slashes together, or one at its end)";
		if (len == 1 && path[0] == '.')
			return "it has a '.' part";
		if (len == 2 && path[0] == '.' && path[1] == '.')
			return "it has a '..' part";
		path += len;
	}
	return NULL;
}

size_t config_utf8(const unsigned char *p, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *p < 0x80 ? 1 : (*p & 0xe0) == 0xc0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : (*p & 0xf8) == 0xf0 ? 4 : 0;

	*c = len <= 1 ? *p : *p & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	if (len > 0 && (*c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff)))
		return 0;
	return len;
}

static int check_text(const char *at, struct graft_error *err)
{
	const unsigned char *p = (const unsigned char *)at;
	uint32_t c = 0;

	for (size_t i = 0, len; p[i]; i += len) {
		len = config_utf8(p + i, &c);
		if (len == 0)
			return error_set(err, EINVAL, "a mount point must be UTF-8; byte %zu is not", i + 1);
		if (c < ' ' || (c >= 0x7f && c <= 0x9f))
			return error_set(err, EINVAL,
					 "a mount point must have no control characters; byte %zu is U+%04X", i + 1, c);
	}
	return 0;
}

static bool part_too_long(const char *at)
{
	while (*at == '/') {
		size_t len = strcspn(++at, "/");
		if (len > PART_MAX)
			return true;
		at += len;
	}
	return false;
}

/* Bytes of a path in a message; a character is not cut in the middle. */
static int shown(const char *at)
{
	size_t len = strnlen(at, SHOWN_MAX);
	while (len > 0 && ((unsigned char)at[len] & 0xc0) == 0x80)
		len--;
	return (int)len;
}

int config_check_at(const char *at, struct graft_error *err)
{
	size_t len = strlen(at);
	if (len > CONFIG_AT_MAX)
		return error_set(err, EINVAL, "a mount point of %zu bytes; at most %d are right", len, CONFIG_AT_MAX);
	int res = check_text(at, err);
	if (res != 0)
		return res;
	const char *fault = config_path_fault(at);
	if (!fault && part_too_long(at))
		fault = "it has a part of more than 255 bytes";
	if (!fault)
		return 0;
	return error_set(err, EINVAL, "'%.*s' is not a mount point: %s", shown(at), at, fault);
}
