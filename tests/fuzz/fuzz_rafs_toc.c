/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the end of a blob as a table of contents, and as a whole file with a bootstrap in it. */
#include "rafs/blob/bootstrap.h"
#include "rafs/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_toc(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "image.blob", "blob.meta", "blob.meta.header", "blob.digest",
					     "image.boot" };
	size_t len = size & ~(size_t)127, toc = toc_size(data + size - len, len);
	struct toc_entry e;

	must(toc <= len && toc <= 0x10000 && toc % 128 == 0 && (toc == 0 || toc > 512));
	for (size_t i = 0; toc && i < sizeof(names) / sizeof(names[0]); i++) {
		int res = toc_find(data + size - toc, toc, size, NULL, names[i], &e);

		must(res == 0 || res == -ENOENT || res == -EUCLEAN);
		if (res)
			continue;
		must(strcmp(e.name, names[i]) == 0 && bytes_within(e.c_off, e.c_size, size - toc));
		must(e.compressor == RAFS_NONE || e.compressor == RAFS_ZSTD ||
		     (e.compressor == RAFS_LZ4 && strcmp(e.name, "blob.meta") == 0));
	}
	/* Any other piece is no table, or one of just that length. */
	must(toc_find(data, len, size, NULL, "image.boot", &e) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct graft_error err = { 0 };
	struct rafs_origin origin;
	unsigned int sum = 0;

	check_toc(data, size);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	int res = bootstrap_find(&origin, fd, "dir/0123456789.blob", NULL, &err);
	close(fd);
	if (res) {
		must(res == -err.code && strstr(err.text, "dir/0123456789.blob") && !origin.map.base);
		return 0;
	}
	must(strcmp(origin.name, "0123456789") == 0 && origin.map.size >= 4096);
	for (uint64_t i = 0; i < origin.map.size; i += 512)
		sum += origin.map.base[i];
	must(sum <= origin.map.size && !mapping_torn(&origin.map));
	mapping_close(&origin.map);
	return 0;
}
