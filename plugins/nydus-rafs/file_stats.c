/* SPDX-License-Identifier: Apache-2.0 */
/* What clients did with each file of an image: two tables of inodes and a bit for each. */
#include "file_stats.h"

#include "inode_table.h"
#include "lib/clock.h"
#include "lib/io_class.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FOPS 15
#define FOP_READ 4
#define WORDS (FILE_STATS_INO_MAX / 64)
#define NS UINT64_C(1000000000)

/* Of FILE_STATS_COUNTS. */
struct file_row {
	_Atomic uint64_t data_read, blocks[IO_SIZES], hits[FOPS], read_errors;
};

/* Of FILE_STATS_PATTERN. first: ns since 1970, 0: not yet. */
struct pattern_row {
	_Atomic uint64_t reads, first;
};

struct file_stats {
	struct inode_table files, patterns; /* without index: not counted */
	_Atomic uint64_t *latest;           /* a bit for each inode; NULL: not counted */
	_Atomic uint32_t nlatest;           /* one more than the highest word that was ever set */
};

/* One more than nydusd's number of the operation, by opcode. */
static const unsigned char fop_of[GRAFT_OP_COUNT] = {
	[FUSE_GETATTR] = 1, [FUSE_READLINK] = 2,      [FUSE_OPEN] = 3,         [FUSE_RELEASE] = 4,
	[FUSE_STATFS] = 6,  [FUSE_GETXATTR] = 7,      [FUSE_LISTXATTR] = 8,    [FUSE_OPENDIR] = 9,
	[FUSE_LOOKUP] = 10, [FUSE_READDIR] = 11,      [FUSE_READDIRPLUS] = 12, [FUSE_ACCESS] = 13,
	[FUSE_FORGET] = 14, [FUSE_BATCH_FORGET] = 15,
};

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

struct file_stats *file_stats_new(uint32_t what)
{
	struct file_stats *s = calloc(1, sizeof(*s));
	int res = 0;

	if (!s)
		return NULL;
	if (what & FILE_STATS_COUNTS)
		res = inode_table_init(&s->files, FILE_STATS_MAX, sizeof(struct file_row));
	if (!res && what & FILE_STATS_PATTERN)
		res = inode_table_init(&s->patterns, FILE_STATS_MAX, sizeof(struct pattern_row));
	if (!res && what & FILE_STATS_LATEST) {
		void *at = mmap(NULL, WORDS * sizeof(uint64_t), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		s->latest = at == MAP_FAILED ? NULL : at;
		res = s->latest ? 0 : -ENOMEM;
	}
	if (!res)
		return s;
	file_stats_free(s);
	return NULL;
}

void file_stats_free(struct file_stats *s)
{
	if (!s)
		return;
	inode_table_fini(&s->files);
	inode_table_fini(&s->patterns);
	if (s->latest)
		munmap((void *)s->latest, WORDS * sizeof(uint64_t));
	free(s);
}

/* As nydusd, which shows what was only listed too; but that takes no more than half of the room from files that are
 * used. */
void file_stats_seen(struct file_stats *s, uint64_t ino)
{
	if (s->files.index && atomic_load_explicit(&s->files.used, memory_order_relaxed) < FILE_STATS_MAX / 2)
		inode_table_row(&s->files, ino, true);
}

void file_stats_op(struct file_stats *s, uint32_t opcode, uint64_t ino)
{
	bool counts = s->files.index && opcode < GRAFT_OP_COUNT && fop_of[opcode];
	struct file_row *row = counts ? inode_table_row(&s->files, ino, true) : NULL;

	if (row)
		add(&row->hits[fop_of[opcode] - 1], 1);
}

static void count_pattern(struct file_stats *s, uint64_t ino)
{
	struct pattern_row *row = inode_table_row(&s->patterns, ino, true);
	uint64_t none = 0;

	if (!row)
		return;
	add(&row->reads, 1);
	if (!get(&row->first))
		atomic_compare_exchange_strong_explicit(&row->first, &none, clock_ns(CLOCK_REALTIME),
							memory_order_relaxed, memory_order_relaxed);
}

static void remember(struct file_stats *s, uint64_t ino)
{
	uint64_t bit = UINT64_C(1) << ino % 64;
	uint32_t word = (uint32_t)(ino / 64), n = atomic_load_explicit(&s->nlatest, memory_order_relaxed);

	while (n <= word && !atomic_compare_exchange_weak_explicit(&s->nlatest, &n, word + 1, memory_order_relaxed,
								   memory_order_relaxed))
		;
	if (!(get(&s->latest[word]) & bit))
		atomic_fetch_or_explicit(&s->latest[word], bit, memory_order_relaxed);
}

void file_stats_read(struct file_stats *s, uint64_t ino, int64_t res)
{
	uint64_t bytes = res > 0 ? (uint64_t)res : 0;
	struct file_row *row = s->files.index ? inode_table_row(&s->files, ino, true) : NULL;

	if (row) {
		add(&row->hits[FOP_READ], 1);
		add(&row->data_read, bytes);
		add(&row->blocks[io_size_class(bytes)], 1);
		if (res < 0)
			add(&row->read_errors, 1);
	}
	if (s->patterns.index)
		count_pattern(s, ino);
	if (s->latest && res >= 0 && ino < FILE_STATS_INO_MAX)
		remember(s, ino);
}

static void put_list(FILE *to, const char *name, const _Atomic uint64_t *from, size_t n)
{
	fprintf(to, ",\"%s\":[", name);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "%s%" PRIu64, i ? "," : "", get(&from[i]));
	putc(']', to);
}

static void put_files(const struct file_stats *s, FILE *to)
{
	uint64_t ino, all;
	uint32_t at = 0;
	bool some = false;

	putc('{', to);
	for (const struct file_row *row; s->files.index && (row = inode_table_next(&s->files, &at, &ino));
	     some = true) {
		_Atomic uint64_t errors[FOPS] = { [FOP_READ] = get(&row->read_errors) };

		all = 0;
		for (size_t i = 0; i < FOPS; i++)
			all += get(&row->hits[i]);
		fprintf(to, "%s\"%" PRIu64 "\":{\"total_fops\":%" PRIu64 ",\"data_read\":%" PRIu64, some ? "," : "",
			ino, all, get(&row->data_read));
		put_list(to, "block_count_read", row->blocks, IO_SIZES);
		put_list(to, "fop_hits", row->hits, FOPS);
		put_list(to, "fop_errors", errors, FOPS);
		putc('}', to);
	}
	putc('}', to);
}

static void put_patterns(const struct file_stats *s, FILE *to)
{
	uint64_t ino;
	uint32_t at = 0;
	bool some = false;

	putc('[', to);
	for (const struct pattern_row *row; s->patterns.index && (row = inode_table_next(&s->patterns, &at, &ino));
	     some = true) {
		uint64_t first = get(&row->first);

		fprintf(to,
			"%s{\"ino\":%" PRIu64 ",\"nr_read\":%" PRIu64 ",\"first_access_time_secs\":%" PRIu64
			",\"first_access_time_nanos\":%" PRIu64 "}",
			some ? "," : "", ino, get(&row->reads), first / NS, first % NS);
	}
	putc(']', to);
}

static void put_range(FILE *to, bool *some, uint64_t begin, uint64_t end)
{
	fprintf(to, "%s[%" PRIu64, *some ? "," : "", begin);
	if (end > begin + 1)
		fprintf(to, ",%" PRIu64, end - 1);
	putc(']', to);
	*some = true;
}

/* [begin, end) is the range that is open; begin == end: none is. */
static void put_latest(struct file_stats *s, FILE *to)
{
	uint32_t n = s->latest ? atomic_load_explicit(&s->nlatest, memory_order_relaxed) : 0;
	uint64_t begin = 0, end = 0;
	bool some = false;

	putc('[', to);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t word =
			get(&s->latest[i]) ? atomic_exchange_explicit(&s->latest[i], 0, memory_order_relaxed) : 0;

		for (; word; word &= word - 1) {
			uint64_t ino = (uint64_t)i * 64 + (uint64_t)__builtin_ctzll(word);

			if (begin < end && ino != end)
				put_range(to, &some, begin, end);
			if (begin == end || ino != end)
				begin = ino;
			end = ino + 1;
		}
	}
	if (begin < end)
		put_range(to, &some, begin, end);
	putc(']', to);
}

int file_stats_tell(struct file_stats *s, enum file_stats_what what, graft_ask_put *put, void *arg)
{
	struct file_stats nothing = { .latest = NULL };
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return -ENOMEM;
	s = s ? s : &nothing;
	if (what == FILE_STATS_COUNTS)
		put_files(s, to);
	else if (what == FILE_STATS_PATTERN)
		put_patterns(s, to);
	else
		put_latest(s, to);
	bool bad = ferror(to);
	if (fclose(to) != 0 || bad) {
		free(text);
		return -ENOMEM;
	}
	put(arg, text, len);
	free(text);
	return 0;
}
