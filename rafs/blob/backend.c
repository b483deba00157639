/* SPDX-License-Identifier: Apache-2.0 */
/* The face of all kinds of backend: picks the kind, checks blob ids, and forwards. */
#include "rafs/blob/backend.h"

#include "lib/clock.h"
#include "lib/iov.h"
#include "rafs/blob/localdisk.h"
#include "rafs/blob/localfs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

bool blob_id_ok(const char *id, size_t len)
{
	if (len == 0 || len > RAFS_BLOB_ID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)id[i];

		if (c < 0x20 || c == 0x7f || c == '/')
			return false;
	}
	return !(id[0] == '.' && (len == 1 || (len == 2 && id[1] == '.')));
}

int backend_open(struct backend **backend, const struct backend_spec *spec, const struct path_opener *opener,
		 struct graft_error *err)
{
	static int (*const kinds[])(struct backend **, const struct backend_spec *, const struct path_opener *,
				    struct graft_error *) = {
		[BACKEND_LOCALFS] = localfs_open,
		[BACKEND_LOCALDISK] = localdisk_open,
	};

	*backend = NULL;
	if (spec->kind >= sizeof(kinds) / sizeof(kinds[0]))
		return error_set(err, EINVAL, "there is no backend of kind %" PRIu32, spec->kind);
	return kinds[spec->kind](backend, spec, opener, err);
}

void backend_free(struct backend *backend)
{
	if (backend)
		backend->ops->free(backend);
}

int blob_open(struct backend *backend, const char *id, struct blob_file **file, struct graft_error *err)
{
	*file = NULL;
	if (!blob_id_ok(id, strnlen(id, RAFS_BLOB_ID_MAX + 1)))
		return error_set(err, EINVAL, "%s: this cannot be a blob's id", backend->ops->name);
	return backend->ops->open(backend, id, file, err);
}

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

void backend_count(struct backend *backend, uint64_t bytes, uint64_t ns, bool failed)
{
	static const uint64_t times[] = IO_BACKEND_TIMES;
	struct backend_meter *m = &backend->meter;
	uint32_t size = io_size_class(bytes);

	add(&m->reads[size][io_time_class(times, ns)], 1);
	add(&m->bytes, bytes);
	if (ns)
		add(&m->ns[size], ns);
	if (failed)
		add(&m->errors, 1);
}

int blob_read(struct blob_file *file, uint64_t off, const struct iovec *iov, uint32_t n)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	int res = file->backend->ops->read(file, off, iov, n);

	backend_count(file->backend, iov_length(iov, n), clock_ns(CLOCK_MONOTONIC) - began, res < 0);
	return res;
}

int blob_read_buffer(struct blob_file *file, uint64_t off, void *to, size_t len)
{
	struct iovec iov = { .iov_base = to, .iov_len = len };

	return blob_read(file, off, &iov, 1);
}

int blob_fd(const struct blob_file *file, uint64_t *base)
{
	return file->backend->ops->fd(file, base);
}

uint64_t blob_size(const struct blob_file *file)
{
	return file->backend->ops->size(file);
}

void blob_close(struct blob_file *file)
{
	if (file)
		file->backend->ops->close(file);
}
