/* SPDX-License-Identifier: Apache-2.0 */
/* Where blobs lie: a folder of files, one file, or the partitions of a disk. Registries come behind the same face. */
#ifndef GRAFT_RAFS_BLOB_BACKEND_H
#define GRAFT_RAFS_BLOB_BACKEND_H

#include "lib/error.h"
#include "lib/io_class.h"
#include "rafs/chunk.h"

#include <stdbool.h>
#include <sys/uio.h>

/* Opens a path of the host; fd or -errno with err. The plugin's is host->open, graftctl's open(2). */
struct path_opener {
	int (*open)(void *arg, const char *path, int flags, struct graft_error *err);
	void *arg;
};

enum backend_kind { BACKEND_LOCALFS = 0, BACKEND_LOCALDISK = 1 };

/* Borrowed for the call of backend_open. */
struct backend_spec {
	uint32_t kind;               /* enum backend_kind */
	const char *dir;             /* localfs: DIR/<blob id>; may be NULL if file is given */
	const char *file;            /* localfs: this file is every blob; wins over dir */
	const char *const *alt_dirs; /* localfs: tried in order where dir has no such file, or an empty one */
	uint32_t alt_count;          /* at most 16 */
	bool alt_may_miss;           /* localfs: those of alt_dirs that do not exist are left out */
	const char *device;          /* localdisk: GPT on a file or block device (reference 7.5) */
	bool disable_gpt;            /* localdisk: there are no partitions; the whole device is every blob */
};

struct backend;
struct blob_file; /* an open blob */

/* What a kind of backend does. open and read may block. Growth: registries and object stores. */
struct backend_ops {
	const char *name; /* as in the configuration */
	/* id is checked as in rafs_blob_info. -ENOENT: no such blob. err names the place that was tried. */
	int (*open)(struct backend *b, const char *id, struct blob_file **file, struct graft_error *err);
	/* Fills all of iov (n <= 64 elements) from off. 0, or -errno: -EIO also where the blob ends before. */
	int (*read)(struct blob_file *file, uint64_t off, const struct iovec *iov, uint32_t n);
	/* A descriptor on which the blob's byte off lies at *base + off, for reads without a copy; -1: none. Borrowed. */
	int (*fd)(const struct blob_file *file, uint64_t *base);
	uint64_t (*size)(const struct blob_file *file); /* bytes; localdisk: of the partition */
	void (*close)(struct blob_file *file);
	void (*free)(struct backend *b);
};

/* Reads since backend_open, those that failed among them; written with relaxed atomics. */
struct backend_meter {
	uint64_t reads[IO_SIZES][IO_TIMES]; /* by size asked for, and by time (IO_BACKEND_TIMES) */
	uint64_t ns[IO_SIZES];              /* what they took */
	uint64_t bytes;                     /* asked for */
	uint64_t errors;
};

/* Each kind's struct begins with this. */
struct backend {
	const struct backend_ops *ops;
	struct backend_meter meter;
};
struct blob_file {
	struct backend *backend;
};

/*
 * Opens folders (O_PATH) and devices through opener now; blob_open later needs no more than openat below them. A dir
 * that does not exist is an error that names it. 0 or -errno with err. blob_open, read and close may run on several threads.
 */
int backend_open(struct backend **backend, const struct backend_spec *spec, const struct path_opener *opener,
		 struct graft_error *err);
/* Each blob_file keeps its backend alive no longer than the caller keeps the backend: close files first. */
void backend_free(struct backend *backend);

int blob_open(struct backend *backend, const char *id, struct blob_file **file, struct graft_error *err);
int blob_read(struct blob_file *file, uint64_t off, const struct iovec *iov, uint32_t n);
int blob_read_buffer(struct blob_file *file, uint64_t off, void *to, size_t len);
int blob_fd(const struct blob_file *file, uint64_t *base);
uint64_t blob_size(const struct blob_file *file);
void blob_close(struct blob_file *file); /* NULL: nothing */
/* Counts a read by the descriptor of blob_fd, which blob_read does not see. Any thread. */
void backend_count(struct backend *backend, uint64_t bytes, uint64_t ns, bool failed);

/* Whether id may be a blob's: 1..64 bytes, no '/', no control character, not "." or "..". */
bool blob_id_ok(const char *id, size_t len);

#endif
