/* SPDX-License-Identifier: Apache-2.0 */
/* Files of an instance's folder: replaced as a whole, read with a bound. */
#include "server/control/store.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TEMP_SUFFIX ".new"
#define TEMP_NAME_MAX 64

static void temp_name(const char *name, char temp[TEMP_NAME_MAX])
{
	snprintf(temp, TEMP_NAME_MAX, "%s" TEMP_SUFFIX, name);
}

void store_open(struct store *s, int dir, const char *path)
{
	static const char *const names[] = { STORE_CONFIG, STORE_STATE, STORE_MOUNTS };
	char temp[TEMP_NAME_MAX];

	*s = (struct store){ .dir = dir, .path = path };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		temp_name(names[i], temp);
		unlinkat(dir, temp, 0);
	}
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done == 0)
			return -EIO;
		if (done > 0) {
			data += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

static int open_temp(const struct store *s, const char *temp)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(s->dir, temp, flags, 0600);

	if (fd < 0 && errno == EEXIST && !unlinkat(s->dir, temp, 0))
		fd = openat(s->dir, temp, flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* The new file under its temporary name, on disk. */
static int write_temp(const struct store *s, const char *temp, const void *data, size_t len)
{
	auto_close int fd = open_temp(s, temp);
	int res = fd < 0 ? fd : 0;

	if (!res && fchmod(fd, 0600)) /* a umask may have taken more */
		res = -errno;
	if (!res)
		res = write_all(fd, data, len);
	if (!res && fsync(fd))
		res = -errno;
	if (!res && close(steal_fd(&fd)))
		res = -errno;
	return res;
}

enum place { PLACE_FIRST, PLACE_SWAPPED, PLACE_OVER };

/*
 * Gives the new file its name. Where there is an old one it is kept under the temporary name, so that there is a way
 * back.
 */
static int place(const struct store *s, const char *temp, const char *name)
{
	if (!renameat2(s->dir, temp, s->dir, name, RENAME_EXCHANGE))
		return PLACE_SWAPPED;
	enum place how = errno == ENOENT ? PLACE_FIRST : PLACE_OVER;
	if (errno != ENOENT && errno != EINVAL && errno != ENOSYS)
		return -errno;
	return renameat(s->dir, temp, s->dir, name) ? -errno : (int)how;
}

/* A folder that cannot be written through: what the caller sees as a failure must not be there at the next start. */
static void unplace(const struct store *s, const char *temp, const char *name, enum place how)
{
	if (how == PLACE_FIRST)
		unlinkat(s->dir, name, 0);
	if (how == PLACE_SWAPPED)
		renameat2(s->dir, temp, s->dir, name, RENAME_EXCHANGE);
}

int store_put(const struct store *s, const char *name, const void *data, size_t len, struct graft_error *err)
{
	char temp[TEMP_NAME_MAX];

	if (len > STORE_FILE_MAX)
		return error_set(err, EFBIG, "writing %s/%s: more than %u bytes", s->path, name, STORE_FILE_MAX);
	temp_name(name, temp);
	int res = write_temp(s, temp, data, len);
	int how = res ? res : place(s, temp, name);
	res = how < 0 ? how : 0;
	if (!res && fsync(s->dir)) {
		res = -errno;
		unplace(s, temp, name, (enum place)how);
	}
	unlinkat(s->dir, temp, 0);
	return res ? error_set(err, -res, "writing %s/%s: %s", s->path, name, strerror(-res)) : 0;
}

int store_remove(const struct store *s, const char *name, struct graft_error *err)
{
	if (!unlinkat(s->dir, name, 0) || errno == ENOENT)
		return 0;
	return error_set(err, errno, "removing %s/%s: %s", s->path, name, strerror(errno));
}

int store_fault(const struct store *s, const char *name, struct graft_error *err, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	return error_set(err, EINVAL, "%s/%s: %.600s; the file is left as it is", s->path, name, text);
}

static int read_whole(const struct store *s, const char *name, int fd, char **data, size_t *len,
		      struct graft_error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return error_set(err, errno, "reading %s/%s: %s", s->path, name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return store_fault(s, name, err, "not a regular file");
	if (st.st_size > STORE_FILE_MAX)
		return store_fault(s, name, err, "longer than %u bytes", STORE_FILE_MAX);
	*data = malloc((size_t)st.st_size + 1);
	if (!*data)
		return error_set(err, ENOMEM, "reading %s/%s: out of memory", s->path, name);
	*len = 0;
	while (*len < (size_t)st.st_size) {
		ssize_t got = read(fd, *data + *len, (size_t)st.st_size - *len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_set(err, got ? errno : EIO, "reading %s/%s: %s", s->path, name,
					 got ? strerror(errno) : "it became shorter");
		*len += (size_t)got;
	}
	return 0;
}

static int check_version(const struct store *s, const char *name, const json_t *root, struct graft_error *err)
{
	const json_t *version = json_object_get(root, "version");

	if (!json_is_object(root))
		return store_fault(s, name, err, "not a JSON object");
	if (!json_is_integer(version) || json_integer_value(version) < 1)
		return store_fault(s, name, err, "'version' is missing or no positive number");
	if (json_integer_value(version) > STORE_VERSION)
		return store_fault(s, name, err, "version %" JSON_INTEGER_FORMAT
				   " is newer than %d, which this release knows",
				   json_integer_value(version), STORE_VERSION);
	return 0;
}

int store_get(const struct store *s, const char *name, json_t **root, struct graft_error *err)
{
	auto_free char *data = NULL;
	json_error_t fault;
	size_t len = 0;

	*root = NULL;
	/* Non-blocking: the name may stand for a FIFO. */
	auto_close int fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set(err, errno, "opening %s/%s: %s", s->path, name, strerror(errno));
	int res = read_whole(s, name, fd, &data, &len, err);
	if (res)
		return res;
	json_t *read = json_loadb(data, len, JSON_REJECT_DUPLICATES, &fault);
	if (!read)
		return error_set(err, EINVAL, "%s/%s:%d:%d: %s; the file is left as it is", s->path, name, fault.line,
				 fault.column, fault.text);
	res = check_version(s, name, read, err);
	if (res)
		json_decref(read);
	else
		*root = read;
	return res;
}
