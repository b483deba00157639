/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts that succeed, mounts that fail and say why, and what the engine is told of the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus-rafs_fixture.h"
#include "nydus-rafs_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT(type, backend, cache)                                                                                     \
	"{\"device\":{\"backend\":{\"type\":\"" type "\",\"config\":{" backend                                         \
	"}},\"cache\":{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"" cache "\"}}},\"mode\":\"direct\"}"
#define PATH_INTO(buf, f, below) snprintf(buf, sizeof(buf), "%s", nrf_path(f, below))

static int fresh(void **state)
{
	memset(&engine, 0, sizeof(engine));
	return nrf_new(state);
}

static void must_start(struct nrf *f)
{
	if (nrf_start(f) < 0)
		fail_msg("%s", f->err.text);
}

static void must_fail(struct nrf *f, int code, const char *text)
{
	int res = nrf_start(f);

	assert_int_equal(res, -code);
	if (!strstr(f->err.text, text))
		fail_msg("'%s' does not say '%s'", f->err.text, text);
	assert_int_equal(engine.readers, 0);
}

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -1;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void plugin_object(void **state)
{
	(void)state;
	assert_int_equal(graft_plugin_v1.abi_major, GRAFT_ABI_MAJOR);
	assert_string_equal(graft_plugin_v1.name, "nydus-rafs");
	assert_int_equal(graft_plugin_v1.kind, GRAFT_BACKEND);
	assert_int_equal(graft_plugin_v1.threads, GRAFT_PARALLEL);
	for (const char *const *s = graft_plugin_v1.syscalls; s[1]; s++)
		assert_true(strcmp(s[0], s[1]) < 0);
}

static void features(void **state)
{
	struct nrf *f = *state;
	struct graft_features have = { .size = sizeof(have) };

	nrf_set_image(f, "v6-zstd");
	must_start(f);
	graft_plugin_v1.features(f->inst, &have);
	assert_int_equal(have.need, 0);
	assert_int_equal(have.blocking, 0);
	assert_int_equal(have.want & ~have.can, 0);
	assert_true(have.want & FUSE_DO_READDIRPLUS);
	assert_true(have.want & FUSE_PARALLEL_DIROPS);
	assert_true(have.want & FUSE_CACHE_SYMLINKS);
	assert_false(have.want & FUSE_WRITEBACK_CACHE);
	assert_false(have.can & FUSE_EXPORT_SUPPORT);
	/* A share beside the image needs these. */
	assert_true(have.can & FUSE_WRITEBACK_CACHE);
	assert_true(have.can & FUSE_POSIX_ACL);
	assert_true(have.can & FUSE_SECURITY_CTX);
}

static void engine_is_told(void **state)
{
	struct nrf *f = *state;
	char cache[512];

	PATH_INTO(cache, f, "cache");
	nrf_set_image(f, "v5-zstd");
	must_start(f);
	assert_null(engine.config.cache);
	assert_non_null(engine.config.image);
	assert_non_null(engine.config.backend);
	assert_int_equal(engine.config.validate, READER_VALIDATE_CRC);
	assert_int_equal(engine.config.readahead, 8 << 20);
	assert_int_equal(engine.prefetches, 0);
	nrf_stop(f);
	assert_int_equal(engine.readers, 0);

	nrf_set(f, "cache-dir", cache);
	nrf_set(f, "cache", "compressed");
	nrf_set(f, "validate", "full");
	nrf_set(f, "threads", "3");
	nrf_set(f, "read-ahead", "64K");
	nrf_set(f, "prefetch-limit", "1M");
	must_start(f);
	assert_non_null(engine.config.cache);
	assert_true(engine.config.cache_raw);
	assert_int_equal(engine.config.validate, READER_VALIDATE_FULL);
	assert_int_equal(engine.config.threads, 3);
	assert_int_equal(engine.config.readahead, 65536);
	assert_int_equal(engine.config.bandwidth, 1 << 20);
	engine.config.log(engine.config.arg, GRAFT_LOG_WARN, "chunk 7 of blob b is bad");
	assert_true(fake_logged(f->fake, "chunk 7 of blob b is bad"));
}

/* digest_validate is more for an image of version 5. */
static void validate_by_version(void **state)
{
	static const char text[] = "{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/tmp\"}}},"
				   "\"mode\":\"direct\",\"digest_validate\":true}";
	struct nrf *f = *state;

	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "config", text);
	must_start(f);
	assert_int_equal(engine.config.validate, READER_VALIDATE_DIGEST);
	assert_false(f->inst->verify);
	nrf_stop(f);
	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v5-zstd", "boot"));
	nrf_set(f, "config", text);
	must_start(f);
	assert_int_equal(engine.config.validate, READER_VALIDATE_FULL);
	assert_true(f->inst->verify);
}

static void prefetch(void **state)
{
	struct nrf *f = *state;

	nrf_set_image(f, "v6-prefetch");
	nrf_set(f, "prefetch", "table");
	must_start(f);
	assert_int_equal(engine.prefetches, 1);
	assert_true(engine.table);
	assert_false(engine.whole);
	nrf_stop(f);

	nrf_reset(f);
	nrf_set_image(f, "v6-prefetch");
	nrf_set(f, "prefetch", "all");
	nrf_set(f, "prefetch-list", "/chunks");
	nrf_set(f, "prefetch-files", "/many/file-00001");
	must_start(f);
	assert_int_equal(engine.prefetches, 2);
	assert_true(engine.whole);
	assert_int_equal(engine.npaths, 2);
	assert_string_equal(engine.paths[0], "/chunks");
	assert_string_equal(engine.paths[1], "/many/file-00001");
	nrf_stop(f);

	engine.fail_prefetch = ENOMEM;
	must_fail(f, ENOMEM, "prefetch cannot be started");
}

static void counters(void **state)
{
	static const char *const names[] = { "read-hits",        "read-misses",   "fetched-chunks", "fetched-bytes",
					     "plain-bytes",      "backend-reads", "backend-errors", "read-ahead-bytes",
					     "prefetched-bytes", "bad-chunks",    "cache-errors" };
	struct nrf *f = *state;

	nrf_set_image(f, "v6-zstd");
	must_start(f);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(fake_metric(f->fake, names[i]) == 0);
	struct reader_counters *count = reader_counters(f->inst->reader);
	count->prefetched_bytes = 17;
	count->cache_errors = 3;
	assert_true(fake_metric(f->fake, "prefetched-bytes") == 17);
	assert_true(fake_metric(f->fake, "cache-errors") == 3);
}

/* Parents are made, with nobody else's rights; a folder that is there is used. */
static void cache_folder_is_made(void **state)
{
	struct nrf *f = *state;
	char cache[512], parent[512];
	struct stat st;

	PATH_INTO(cache, f, "a//b/c/");
	PATH_INTO(parent, f, "a");
	nrf_set_image(f, "v6-zstd");
	nrf_set(f, "cache-dir", cache);
	must_start(f);
	assert_int_equal(stat(cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(parent, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	nrf_stop(f);
	must_start(f);
}

static void cache_folder_fails(void **state)
{
	struct nrf *f = *state;
	char cache[512], file[512], name[400];
	int fd;

	PATH_INTO(file, f, "file");
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	nrf_set_image(f, "v6-zstd");
	nrf_set(f, "cache-dir", file);
	must_fail(f, ENOTDIR, "is not a directory");

	nrf_reset(f);
	nrf_set_image(f, "v6-zstd");
	PATH_INTO(cache, f, "file/below/it");
	nrf_set(f, "cache-dir", cache);
	must_fail(f, ENOTDIR, cache);

	nrf_reset(f);
	nrf_set_image(f, "v6-zstd");
	nrf_set(f, "cache-dir", "/proc/graftfs-test/cache");
	assert_true(nrf_start(f) < 0);
	assert_non_null(strstr(f->err.text, "cache-dir /proc/graftfs-test/cache: "));

	memset(name, 'n', 300);
	name[300] = '\0';
	nrf_reset(f);
	nrf_set_image(f, "v6-zstd");
	PATH_INTO(cache, f, name);
	nrf_set(f, "cache-dir", cache);
	must_fail(f, ENAMETOOLONG, "cache-dir");
}

static void write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void mounts_that_fail(void **state)
{
	static char zeros[16384];
	struct nrf *f = *state;
	char path[512];
	int fds = open_fds();

	nrf_set(f, "source", "/nonexistent/boot");
	nrf_set(f, "blob-dir", "/tmp");
	must_fail(f, ENOENT, "source /nonexistent/boot does not exist");

	nrf_reset(f);
	nrf_set(f, "source", f->dir);
	must_fail(f, EINVAL, "is not a file");

	PATH_INTO(path, f, "zeros");
	write_file(path, zeros, sizeof(zeros));
	nrf_reset(f);
	nrf_set(f, "source", path);
	nrf_set(f, "blob-dir", f->dir);
	must_fail(f, EINVAL, path);
	write_file(path, zeros, 0);
	must_fail(f, EINVAL, path);

	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	must_fail(f, EINVAL, "key 'blob-dir' (or blob-file) is missing: the directory with the blobs of");

	nrf_set(f, "alt-dirs", nrf_image("v6-zstd", "blobs"));
	must_fail(f, EINVAL, "key 'blob-dir' (or blob-file) is missing");

	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "blob-dir", "/nonexistent/blobs");
	must_fail(f, ENOENT, "/nonexistent/blobs");

	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "device", nrf_image("v6-zstd", "boot"));
	assert_true(nrf_start(f) < 0);
	assert_non_null(strstr(f->err.text, "boot"));

	nrf_reset(f);
	nrf_set_image(f, "v6-zstd");
	nrf_set(f, "config", "{}");
	must_fail(f, EINVAL,
		  "Failed to load config: failed to parse configuration information: missing field `device`");

	nrf_reset(f);
	nrf_set_image(f, "v6-zstd");
	engine.fail_new = ENOMEM;
	must_fail(f, ENOMEM, "no reader: ");
	engine.fail_new = 0;

	atomic_store(&f->fake->fail_open, EACCES);
	must_fail(f, EACCES, "cannot be read: Permission denied");
	assert_int_equal(open_fds(), fds);
}

/* A bootstrap that is cut off anywhere, and bytes behind it that are not its. */
static void bootstraps_cut_short(void **state)
{
	static const char *const images[] = { "v5-zstd", "v6-zstd" };
	static char bytes[1 << 18];
	struct nrf *f = *state;
	char path[512];
	int fds = open_fds();

	PATH_INTO(path, f, "cut");
	for (size_t i = 0; i < 2; i++) {
		int fd = open(nrf_image(images[i], "boot"), O_RDONLY | O_CLOEXEC);
		ssize_t size = read(fd, bytes, sizeof(bytes));

		close(fd);
		assert_true(size > 8192);
		nrf_reset(f);
		nrf_set(f, "source", path);
		nrf_set(f, "blob-dir", f->dir);
		for (size_t len = 1; len < 8192; len += 509) {
			write_file(path, bytes, len);
			assert_true(nrf_start(f) < 0);
			assert_true(f->err.text[0] != '\0');
		}
	}
	assert_int_equal(open_fds(), fds);
}

/* Without blob-dir: the blob itself, or the folder it lies in. */
static void inlined_images(void **state)
{
	const char *const sources[] = {
		nrf_blob("v6-inline-meta"),
		nrf_blob("v6-inline-toc"),
		nrf_image("v6-zran", "blobs/ca915cf7ef7cd61f8bf51c41306c5d327ca047de6eb11d429d008ed298c6ca3e"),
	};
	struct nrf *f = *state;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		nrf_reset(f);
		nrf_set(f, "source", sources[i]);
		must_start(f);
		assert_true(nrf_node(f, "chunks/rand-big") > 0);
		nrf_stop(f);
	}
}

/* The texts of the JSON are gone when the mount stands: nothing may still point to them. */
static void json_is_dropped(void **state)
{
	struct nrf *f = *state;
	char text[1024], cache[512];

	PATH_INTO(cache, f, "c");
	snprintf(text, sizeof(text),
		 "{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"%s\",\"alt_dirs\":[\"/tmp\"]}},"
		 "\"cache\":{\"type\":\"blobcache\",\"config\":{\"work_dir\":\"%s\"}}},\"mode\":\"direct\",\"more\":1}",
		 nrf_image("v6-zstd", "blobs"), cache);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "config", text);
	must_start(f);
	assert_true(fake_logged(f->fake, "config: not used here: more"));
	assert_null(f->inst->config.nydus);
	assert_null(f->inst->config.alt_dirs);
	assert_null(f->inst->config.cache_dir);
	assert_null(f->inst->config.backend.dir);
	assert_true(nrf_node(f, "sizes/text-1") > 0);
}

/* What nydusd says where a configuration's places are wrong. */
static void places_of_a_configuration(void **state)
{
	struct nrf *f = *state;
	char text[1024], file[512];

	PATH_INTO(file, f, "file");
	write_file(file, "x", 1);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	snprintf(text, sizeof(text), TEXT("localfs", "\"dir\":\"/nonexistent/blobs\"", "%s"), nrf_path(f, "c"));
	nrf_set(f, "config", text);
	must_fail(f, ENOENT, "Failed to create device: Input/output error (os error 5): localfs: folder of blobs /nonexistent/blobs");

	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	snprintf(text, sizeof(text), TEXT("localfs", "\"dir\":\"/tmp\"", "%s"), file);
	nrf_set(f, "config", text);
	snprintf(text, sizeof(text), "Failed to create device: filecache work_dir %s is not a directory", file);
	must_fail(f, ENOTDIR, text);

	/* A disk without partitions is one blob. */
	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	snprintf(text, sizeof(text), TEXT("localdisk", "\"device_path\":\"%s\",\"disable_gpt\":true", "%s"),
		 nrf_blob("v6-zstd"), nrf_path(f, "c"));
	nrf_set(f, "config", text);
	must_start(f);
	assert_true(nrf_node(f, "sizes/text-1") > 0);
}

static void relative_work_dir(void **state)
{
	struct nrf *f = *state;
	char text[1024], was[512], work[512];
	struct stat st;

	assert_non_null(getcwd(was, sizeof(was)));
	snprintf(text, sizeof(text), TEXT("localfs", "\"dir\":\"%s\"", "made/below"), nrf_image("v6-zstd", "blobs"));
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "config", text);
	assert_int_equal(chdir(f->dir), 0);
	/* Who opens for this process has a working directory of its own. */
	if (fake_host_open)
		must_fail(f, EINVAL, "made/below");
	else
		must_start(f);
	assert_int_equal(chdir(was), 0);
	if (fake_host_open)
		return;
	PATH_INTO(work, f, "made/below");
	assert_int_equal(stat(work, &st), 0);
}

static void put_text(void *arg, const char *bytes, size_t len)
{
	memcpy(arg, bytes, len);
	((char *)arg)[len] = '\0';
}

static void configuration_in_a_file(void **state)
{
	struct nrf *f = *state;
	char asked[1024];
	char path[512], text[1024], *big;

	PATH_INTO(path, f, "config.toml");
	snprintf(text, sizeof(text),
		 "version = 2\n[backend]\ntype = 'localfs'\nlocalfs.dir = '%s'\n[cache]\n[rafs]\nmore = 1\n",
		 nrf_image("v6-zstd", "blobs"));
	write_file(path, text, strlen(text));
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "config-file", path);
	must_start(f);
	assert_true(fake_logged(f->fake, "config: not used here: rafs.more"));
	assert_int_equal(graft_plugin_v1.ask(f->inst, "config", NULL, put_text, asked), 0);
	assert_string_equal(asked, text);
	nrf_stop(f);

	nrf_set(f, "config", text);
	must_fail(f, EINVAL, "config and config-file are two forms of one key");

	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "config-file", "/nonexistent/c");
	must_fail(f, ENOENT, "config-file: /nonexistent/c: No such file or directory");
	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "config-file", f->dir);
	must_fail(f, EINVAL, "is not a file");

	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "config-file", path);
	write_file(path, "{}\0", 3);
	must_fail(f, EINVAL, "Failed to load config: failed to parse configuration information: ");
	big = calloc(1, NYDUS_CONFIG_MAX + 1);
	assert_non_null(big);
	memset(big, ' ', NYDUS_CONFIG_MAX + 1);
	write_file(path, big, NYDUS_CONFIG_MAX + 1);
	must_fail(f, EINVAL, "configuration file size is too big");
	write_file(path, big, NYDUS_CONFIG_MAX);
	must_fail(f, EINVAL, "missing field `version`");
	free(big);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plugin_object),
		cmocka_unit_test_setup_teardown(features, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(engine_is_told, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(validate_by_version, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(prefetch, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(counters, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(cache_folder_is_made, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(cache_folder_fails, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(mounts_that_fail, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(bootstraps_cut_short, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(inlined_images, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(json_is_dropped, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(places_of_a_configuration, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(relative_work_dir, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(configuration_in_a_file, fresh, nrf_free),
	};

	return cmocka_run_group_tests_name("nydus-rafs-mount", tests, NULL, NULL);
}
