/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a cache folder whose chunk map, and perhaps data file, has any content when it is opened. */
#include "rafs/cache/cache_file.h"
#include "rafs/cache/chunk_map.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE 8192

static char path[128];
static int folder = -1;
static struct cache_dir *dir;

static const char *const names[] = { "id.blob.data.chunk_map", "id.blob.data", "id.blob.raw" };

static void clear(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(folder, names[i], 0);
}

static void end(void)
{
	clear();
	cache_dir_put(dir);
	close(folder);
	rmdir(path);
}

static void setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/graftfs-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(path))
		abort();
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || cache_dir_get(&dir, dup(folder), path, 0, NULL) < 0)
		abort();
	atexit(end);
}

static void put(const char *name, const void *bytes, size_t len, off_t size)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || ftruncate(fd, size) < 0)
		abort();
	close(fd);
}

/* Chunks that an opener must believe to be ready. */
static uint32_t expected(const uint8_t *map, size_t size, uint32_t chunks, bool sound)
{
	uint32_t n = 0;

	if (!sound || size != CHUNK_MAP_HEADER + (chunks + 7) / 8 || !chunk_map_header_ok(map))
		return 0;
	for (uint32_t i = 0; i < chunks; i++)
		n += map[CHUNK_MAP_HEADER + i / 8] >> (7 - i % 8) & 1;
	return n;
}

/* data: 1 byte of what else is in the folder, 1 byte of chunks, the map. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cache_file *file;
	uint32_t chunks, want;
	bool sound;

	if (size < 2)
		return 0;
	if (folder < 0)
		setup();
	chunks = data[1] + UINT32_C(1);
	sound = data[0] % 4 == 0;
	put(names[0], data + 2, size - 2, (off_t)(size - 2));
	if (data[0] % 4 != 1)
		put(names[1], "x", 1, data[0] % 4 == 2 ? SIZE + 1 : SIZE);
	if (data[0] % 4 == 3)
		put(names[2], "x", 1, SIZE);
	want = expected(data + 2, size - 2, chunks, sound);
	if (cache_file_open(&file, dir, "id", CACHE_PLAIN, SIZE, chunks, NULL) < 0 ||
	    cache_file_count_ready(file) != want)
		abort();
	for (uint32_t i = 0; i < chunks; i++) {
		bool was = cache_file_ready(file, i);

		cache_file_set_ready(file, i);
		if (!cache_file_ready(file, i) || cache_file_count_ready(file) != want + !was)
			abort();
		cache_file_clear_ready(file, i);
		if (cache_file_ready(file, i))
			abort();
		want -= was;
	}
	cache_file_close(file);
	clear();
	return 0;
}
