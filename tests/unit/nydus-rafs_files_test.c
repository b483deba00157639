/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted by file: tables with a bound, many threads, nydusd's JSON, and what requests leave in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus-rafs_fixture.h"
#include "nydus-rafs_reader.h"
#include "plugins/nydus-rafs/inode_table.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool no_memory;
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if (!no_memory || fd >= 0)
		return __real_mmap(at, len, prot, flags, fd, off);
	errno = ENOMEM;
	return MAP_FAILED;
}

static void rows_are_kept(void **state)
{
	struct inode_table t;
	uint64_t ino, sum = 0;
	uint32_t at = 0, n = 0;

	(void)state;
	assert_int_equal(inode_table_init(&t, 64, sizeof(uint64_t)), 0);
	assert_null(inode_table_row(&t, 7, false));
	/* Numbers as images have them, and the greatest. */
	for (uint64_t i = 1; i <= 64; i++) {
		ino = i < 64 ? i * 4096 : INODE_TABLE_INO_MAX - 1;
		uint64_t *row = inode_table_row(&t, ino, true);

		assert_non_null(row);
		assert_int_equal(*row, 0);
		*row = i;
		assert_ptr_equal(inode_table_row(&t, ino, true), row);
	}
	assert_null(inode_table_row(&t, 1, true));
	assert_null(inode_table_row(&t, 1, false));
	assert_null(inode_table_row(&t, 0, true));
	assert_null(inode_table_row(&t, INODE_TABLE_INO_MAX, true));
	assert_int_equal(*(uint64_t *)inode_table_row(&t, 3 * 4096, false), 3);
	for (uint64_t *row; (row = inode_table_next(&t, &at, &ino)); n++)
		sum += *row;
	assert_int_equal(n, 64);
	assert_int_equal(sum, 64 * 65 / 2);
	inode_table_fini(&t);
	no_memory = true;
	assert_int_equal(inode_table_init(&t, 64, sizeof(uint64_t)), -ENOMEM);
	for (uint32_t what = 1; what <= FILE_STATS_LATEST; what *= 2)
		assert_null(file_stats_new(what));
	no_memory = false;
}

#define THREADS 4
#define ROUNDS 3000

static void *count_many(void *arg)
{
	struct file_stats *s = arg;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		file_stats_seen(s, 1 + i % 500);
		file_stats_op(s, FUSE_READ, 1 + i % 500); /* counts nothing */
		file_stats_read(s, 1 + i % 300, 4096);
	}
	return NULL;
}

static void append(void *arg, const char *bytes, size_t len)
{
	char **text = arg;

	free(*text);
	*text = strndup(bytes, len);
}

static json_t *tell(struct file_stats *s, enum file_stats_what what)
{
	char *text = NULL;

	assert_int_equal(file_stats_tell(s, what, append, &text), 0);
	json_t *value = json_loads(text, 0, NULL);
	assert_non_null(value);
	free(text);
	return value;
}

static json_int_t number(json_t *object, const char *name)
{
	assert_true(json_is_integer(json_object_get(object, name)));
	return json_integer_value(json_object_get(object, name));
}

/* Nothing gets lost, and who looks meanwhile sees JSON. */
static void threads_count_together(void **state)
{
	struct file_stats *s = file_stats_new(FILE_STATS_COUNTS | FILE_STATS_PATTERN | FILE_STATS_LATEST);
	pthread_t threads[THREADS];
	json_int_t reads = 0, bytes = 0, patterns = 0;
	json_t *files, *list, *row;
	const char *ino;
	size_t i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, s), 0);
	for (i = 0; i < 3; i++) {
		json_decref(tell(s, FILE_STATS_COUNTS));
		json_decref(tell(s, FILE_STATS_PATTERN));
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	files = tell(s, FILE_STATS_COUNTS);
	assert_int_equal(json_object_size(files), 500);
	json_object_foreach(files, ino, row)
	{
		bytes += number(row, "data_read");
		reads += number(row, "total_fops");
		assert_int_equal(json_integer_value(json_array_get(json_object_get(row, "block_count_read"), 2)),
				 number(row, "total_fops"));
	}
	assert_int_equal(reads, THREADS * ROUNDS);
	assert_int_equal(bytes, (json_int_t)THREADS * ROUNDS * 4096);
	list = tell(s, FILE_STATS_PATTERN);
	json_array_foreach(list, i, row)
	{
		patterns += number(row, "nr_read");
		assert_true(number(row, "first_access_time_secs") > 0);
	}
	assert_int_equal(patterns, THREADS * ROUNDS);
	json_decref(files);
	json_decref(list);
	file_stats_free(s);
}

static void expect(struct file_stats *s, enum file_stats_what what, const char *want)
{
	char *text = NULL;

	assert_int_equal(file_stats_tell(s, what, append, &text), 0);
	assert_string_equal(text, want);
	free(text);
}

static void ranges_are_cleared(void **state)
{
	static const uint64_t inos[] = {
		150, 149, 63, 64, 65, 133, FILE_STATS_INO_MAX - 1, FILE_STATS_INO_MAX, 127, 1
	};
	struct file_stats *s = file_stats_new(FILE_STATS_LATEST);

	(void)state;
	expect(s, FILE_STATS_LATEST, "[]");
	for (size_t i = 0; i < sizeof(inos) / sizeof(inos[0]); i++)
		file_stats_read(s, inos[i], 0);
	file_stats_read(s, 2, -EIO);
	file_stats_read(s, 64, 10);
	expect(s, FILE_STATS_LATEST, "[[1],[63,65],[127],[133],[149,150],[67108863]]");
	expect(s, FILE_STATS_LATEST, "[]");
	file_stats_read(s, 9, 1);
	expect(s, FILE_STATS_LATEST, "[[9]]");
	/* What is not counted, or nothing at all. */
	file_stats_op(s, FUSE_READ, 9);
	file_stats_seen(s, 9);
	expect(s, FILE_STATS_COUNTS, "{}");
	expect(s, FILE_STATS_PATTERN, "[]");
	expect(NULL, FILE_STATS_COUNTS, "{}");
	expect(NULL, FILE_STATS_PATTERN, "[]");
	expect(NULL, FILE_STATS_LATEST, "[]");
	file_stats_free(s);
	file_stats_free(NULL);
}

/* The files in it, and what is said of one; parsing it all would take seconds. */
static size_t files_in(struct file_stats *s, const char *one, bool *found)
{
	char *text = NULL;
	size_t n = 0;

	assert_int_equal(file_stats_tell(s, FILE_STATS_COUNTS, append, &text), 0);
	for (const char *at = text + 1; *at; at++)
		n += *at == '{';
	*found = strstr(text, one) != NULL;
	free(text);
	return n;
}

/* What was only listed leaves half of the room to what is used. */
static void tables_are_bounded(void **state)
{
	struct file_stats *s = file_stats_new(FILE_STATS_COUNTS);
	bool found;

	(void)state;
	for (uint64_t ino = 1; ino <= FILE_STATS_MAX; ino++)
		file_stats_seen(s, ino);
	assert_int_equal(files_in(s, "\"32768\":{\"total_fops\":0,", &found), FILE_STATS_MAX / 2);
	assert_true(found);
	for (uint64_t ino = 1; ino <= FILE_STATS_MAX + 10; ino++)
		file_stats_op(s, FUSE_GETATTR, ino);
	file_stats_op(s, GRAFT_OP_COUNT, 1);
	file_stats_op(s, FUSE_LSEEK, 1);
	file_stats_read(s, FILE_STATS_MAX + 1, 5);
	assert_int_equal(files_in(s, "\"65536\":{\"total_fops\":1,", &found), FILE_STATS_MAX);
	assert_true(found);
	files_in(s, "\"65537\"", &found);
	assert_false(found);
	file_stats_free(s);
}

/* --- the plugin */

#define CONFIG(stats)                                                                                                  \
	"{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"%s\"}}},\"mode\":\"direct\","            \
	"\"iostats_files\":" stats ",\"access_pattern\":" stats ",\"latest_read_files\":" stats "}"

static int fresh(void **state)
{
	memset(&engine, 0, sizeof(engine));
	return nrf_new(state);
}

static void begin(struct nrf *f, const char *stats)
{
	char text[1024];

	nrf_set_image(f, "v6-zstd");
	snprintf(text, sizeof(text), !strcmp(stats, "true") ? CONFIG("true") : CONFIG("false"),
		 nrf_image("v6-zstd", "blobs"));
	nrf_set(f, "config", text);
	assert_int_equal(nrf_start(f), 0);
}

static json_t *ask(struct nrf *f, const char *what)
{
	char *text = NULL;

	assert_int_equal(graft_plugin_v1.ask(f->inst, what, NULL, append, &text), 0);
	json_t *value = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(value);
	return value;
}

static json_int_t hit(json_t *files, uint64_t ino, size_t fop)
{
	char name[32];

	snprintf(name, sizeof(name), "%llu", (unsigned long long)ino);
	return json_integer_value(json_array_get(json_object_get(json_object_get(files, name), "fop_hits"), fop));
}

static void requests_are_counted(void **state)
{
	struct nrf *f = *state;
	struct fuse_open_out out;
	struct fuse_attr a;
	unsigned char buf[8192];

	begin(f, "true");
	uint64_t node = nrf_node(f, "sizes/text-4097"), dir = nrf_node(f, "sizes");
	assert_int_equal(nrf_getattr(f, node, &a), 0);
	assert_int_equal(nrf_open(f, FUSE_OPEN, node, O_RDONLY, &out), 0);
	assert_int_equal(nrf_open(f, FUSE_OPENDIR, dir, O_RDONLY, &out), 0);
	assert_int_equal(nrf_read(f, node, 0, buf, sizeof(buf)), 4097);
	assert_int_equal(nrf_read(f, node, 4097, buf, sizeof(buf)), 0);
	engine.reads = READS_FAIL;
	engine.error = EIO;
	assert_int_equal(nrf_read(f, node, 0, buf, sizeof(buf)), -EIO);
	assert_int_equal(nrf_xattr(f, node, "user.none", NULL, 0), -ENODATA);
	json_t *files = ask(f, "files");
	assert_int_equal(hit(files, a.ino, 0), 1);
	assert_int_equal(hit(files, a.ino, 2), 1);
	assert_int_equal(hit(files, a.ino, 4), 3);
	assert_int_equal(hit(files, a.ino, 6), 1);
	char name[32];
	snprintf(name, sizeof(name), "%llu", (unsigned long long)a.ino);
	json_t *row = json_object_get(files, name);
	assert_int_equal(number(row, "data_read"), 4097);
	assert_int_equal(number(row, "total_fops"), 6);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(row, "fop_errors"), 4)), 1);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(row, "block_count_read"), 0)), 2);
	json_decref(files);
	json_t *list = ask(f, "pattern");
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(number(json_array_get(list, 0), "ino"), a.ino);
	assert_int_equal(number(json_array_get(list, 0), "nr_read"), 3);
	json_decref(list);
	list = ask(f, "latest");
	assert_int_equal(json_integer_value(json_array_get(json_array_get(list, 0), 0)), a.ino);
	json_decref(list);
	list = ask(f, "latest");
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void nothing_is_counted_unasked(void **state)
{
	struct nrf *f = *state;
	unsigned char buf[64];

	begin(f, "false");
	assert_int_equal(nrf_read(f, nrf_node(f, "sizes/text-4097"), 0, buf, sizeof(buf)), sizeof(buf));
	assert_null(f->inst->files);
	json_t *files = ask(f, "files"), *list = ask(f, "latest");
	assert_int_equal(json_object_size(files) + json_array_size(list), 0);
	json_decref(files);
	json_decref(list);
	assert_int_equal(graft_plugin_v1.ask(f->inst, "weather", NULL, append, NULL), -EOPNOTSUPP);
}

static void figures_are_told(void **state)
{
	struct nrf *f = *state;

	begin(f, "false");
	f->inst->backend->meter.reads[7][7] = 5;
	f->inst->backend->meter.bytes = 77;
	reader_counters(f->inst->reader)->prefetch_end = UINT64_C(1795255739657000001);
	json_t *figures = ask(f, "figures");
	assert_string_equal(json_string_value(json_object_get(figures, "backend")), "localfs");
	assert_int_equal(json_array_size(json_object_get(figures, "reads")), IO_SIZES);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(json_object_get(figures, "reads"), 7), 7)),
			 5);
	assert_int_equal(number(figures, "read_bytes"), 77);
	assert_int_equal(number(figures, "prefetch_end"), 1795255739657000001);
	assert_int_equal(number(figures, "hits"), 0);
	/* Without a cache there are no files. */
	assert_int_equal(json_array_size(json_object_get(figures, "files")), 0);
	json_decref(figures);
}

static void out_of_memory(void **state)
{
	struct nrf *f = *state;
	char text[1024];

	nrf_set_image(f, "v6-zstd");
	snprintf(text, sizeof(text), CONFIG("true"), nrf_image("v6-zstd", "blobs"));
	nrf_set(f, "config", text);
	no_memory = true;
	int res = nrf_start(f);
	no_memory = false;
	assert_int_equal(res, -ENOMEM);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_kept),
		cmocka_unit_test(threads_count_together),
		cmocka_unit_test(ranges_are_cleared),
		cmocka_unit_test(tables_are_bounded),
		cmocka_unit_test_setup_teardown(requests_are_counted, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(nothing_is_counted_unasked, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(figures_are_told, fresh, nrf_free),
		cmocka_unit_test_setup_teardown(out_of_memory, fresh, nrf_free),
	};

	return cmocka_run_group_tests_name("nydus-rafs-files", tests, NULL, NULL);
}
