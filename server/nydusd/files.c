/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that nydusd's command line names or means. */
#include "server/nydusd/files.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct graft_error *err, const char *path, int code)
{
	return error_set(err, code, "%.300s: %s", path, strerror(code));
}

/* As much as there is, one byte more than there may be at most. */
static ssize_t read_all(int fd, char *to, size_t room)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < room) {
		n = read(fd, to + len, room - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	return n < 0 ? -errno : (ssize_t)len;
}

int nyd_read_text(const char *path, char **text, struct graft_error *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	auto_free char *all = calloc(1, NYD_TEXT_MAX + 2);

	if (fd < 0)
		return failed(err, path, errno);
	if (!all)
		return failed(err, path, ENOMEM);
	ssize_t len = read_all(fd, all, NYD_TEXT_MAX + 1);
	if (len < 0)
		return failed(err, path, (int)-len);
	if (len > (ssize_t)NYD_TEXT_MAX)
		return error_set(err, EFBIG, "%.300s: more than %u bytes", path, NYD_TEXT_MAX);
	if (memchr(all, '\0', (size_t)len))
		return error_set(err, EINVAL, "%.300s: there is a NUL in it", path);
	*text = strdup(all);
	return *text ? 0 : failed(err, path, ENOMEM);
}

char *nyd_trim(char *text)
{
	static const char blanks[] = " \t\r\n\f\v";

	text += strspn(text, blanks);
	for (size_t len = strlen(text); len > 0 && strchr(blanks, text[len - 1]); len--)
		text[len - 1] = '\0';
	return text;
}

char *nyd_normal_path(const char *path)
{
	char *normal = calloc(1, strlen(path) + 2), *end = normal;

	while (normal && *path) {
		size_t part = strcspn(path, "/");
		if (part == 2 && memcmp(path, "..", 2) == 0) {
			while (end > normal && *--end != '/')
				;
		} else if (part > 0 && !(part == 1 && *path == '.')) {
			*end++ = '/';
			memcpy(end, path, part);
			end += part;
		}
		path += part + (path[part] == '/');
	}
	if (normal)
		strcpy(end, end == normal ? "/" : "");
	return normal;
}

/* As JSON has it (RFC 8259, section 7). */
static void put_string(FILE *to, const char *text)
{
	fputc('"', to);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(to, "\\%c", *p);
		else if (*p < ' ')
			fprintf(to, "\\u%04x", *p);
		else
			fputc(*p, to);
	}
	fputc('"', to);
}

char *nyd_localfs_config(const char *folder)
{
	auto_free char *cwd = *folder == '/' ? strdup("") : getcwd(NULL, 0);
	auto_free char *whole = NULL;
	char *text = NULL;
	size_t len;

	if (!cwd || asprintf(&whole, "%s%s%s", cwd, *cwd ? "/" : "", folder) < 0) {
		whole = NULL;
		return NULL;
	}
	FILE *to = open_memstream(&text, &len);
	if (!to)
		return NULL;
	fputs("{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":", to);
	put_string(to, whole);
	fputs(",\"readahead\":true}},\"cache\":{\"type\":\"blobcache\",\"config\":{\"compressed\":false,\"work_dir\":", to);
	put_string(to, whole);
	fputs("}}},\"mode\":\"direct\",\"digest_validate\":false,\"iostats_files\":false}", to);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

int nyd_make_folders(const char *path, struct graft_error *err)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return failed(err, path, ENOMEM);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0777) != 0 && errno != EEXIST)
			return failed(err, copy, errno);
		*slash = '/';
	}
	return 0;
}
