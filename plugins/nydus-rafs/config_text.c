/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a mount's config-file names. */
#include "config_text.h"

#include "lib/cleanup.h"
#include "nydus/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Reads up to room bytes; how many, or -errno. */
static ssize_t read_all(int fd, char *to, size_t room)
{
	size_t n = 0;

	while (n < room) {
		ssize_t got = pread(fd, to + n, room - n, (off_t)n);

		if (got <= 0)
			return got < 0 ? -errno : (ssize_t)n;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

int config_text_read(const struct path_opener *opener, const char *path, char **text, size_t *len,
		     struct graft_error *err)
{
	auto_close int fd = opener->open(opener->arg, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, err);
	auto_free char *room = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return error_wrap(err, "config-file");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "config-file %s is not a file", path);
	if (st.st_size > NYDUS_CONFIG_MAX)
		return error_set(err, EINVAL, "config-file %s: configuration file size is too big", path);
	/* Who lengthens the file meanwhile gains one byte, which is one too many. */
	room = malloc(NYDUS_CONFIG_MAX + 2);
	n = room ? read_all(fd, room, NYDUS_CONFIG_MAX + 1) : -ENOMEM;
	if (n < 0)
		return error_set(err, (int)-n, "config-file %s: %s", path, strerror((int)-n));
	room[n] = '\0';
	*text = realloc(room, (size_t)n + 1);
	if (*text)
		room = NULL;
	else
		*text = steal_ptr(room);
	*len = (size_t)n;
	return 0;
}
