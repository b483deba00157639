/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads: how each builds its requests, and what it expects of the answers. */
#include "bench/bench.h"

#include "bench/profiles.h"
#include "bench/workloads_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The next of the set's files. The queues begin at different ones. */
static unsigned next_file(struct bench_queue *q)
{
	unsigned n = q->bench->want_files;

	return (unsigned)((q->cursor++ + q->index * (n / q->bench->nqueues)) % n);
}

static void put_name(char *to, unsigned file)
{
	memcpy(to, "file-000000", BENCH_NAME_SIZE);
	for (char *digit = to + BENCH_NAME_SIZE - 2; file; file /= 10)
		*digit-- += (char)(file % 10);
}

/* The number in a name of the set, or BENCH_MAX_FILES. */
static unsigned file_of_name(const struct bench *b, const char *name, uint32_t len)
{
	unsigned file = 0;

	if (len != BENCH_NAME_SIZE - 1 || memcmp(name, "file-", 5) != 0)
		return BENCH_MAX_FILES;
	for (uint32_t i = 5; i < len; i++)
		file = file * 10 + (unsigned)(name[i] - '0');
	return file < b->want_files ? file : BENCH_MAX_FILES;
}

/* GETATTR */

static int getattr_setup(struct bench_slot *s)
{
	bench_shape(s, FUSE_GETATTR, 0, sizeof(struct fuse_getattr_in), 0, sizeof(struct fuse_attr_out), 0);
	memset(s->body, 0, sizeof(struct fuse_getattr_in));
	return 0;
}

static void getattr_next(struct bench_slot *s)
{
	s->head->nodeid = s->queue->bench->file[next_file(s->queue)];
}

static int getattr_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_attr_out *out = s->reply;

	return len == sizeof(*out) && S_ISREG(out->attr.mode) ? 1 : -EBADMSG;
}

/* LOOKUP */

static int lookup_setup(struct bench_slot *s)
{
	bench_shape(s, FUSE_LOOKUP, s->queue->bench->dir, BENCH_NAME_SIZE, 0, sizeof(struct fuse_entry_out), 0);
	return 0;
}

static void lookup_next(struct bench_slot *s)
{
	s->file = next_file(s->queue);
	put_name(s->body, s->file);
}

static int lookup_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_entry_out *out = s->reply;
	struct bench_queue *q = s->queue;

	if (len != sizeof(*out) || out->nodeid != q->bench->file[s->file])
		return -EBADMSG;
	q->lookups[s->file]++;
	return 1;
}

/* OPEN and RELEASE, one operation */

static int no_setup(struct bench_slot *s)
{
	(void)s;
	return 0;
}

static void release_next(struct bench_slot *s)
{
	struct fuse_release_in in = {.fh = s->fh, .flags = O_RDWR};

	bench_shape(s, FUSE_RELEASE, s->node, sizeof(in), 0, 0, 0);
	memcpy(s->body, &in, sizeof(in));
}

static void open_next(struct bench_slot *s)
{
	struct fuse_open_in in = {.flags = O_RDWR};

	if (s->step) {
		release_next(s);
		return;
	}
	s->node = s->queue->bench->file[next_file(s->queue)];
	bench_shape(s, FUSE_OPEN, s->node, sizeof(in), 0, sizeof(struct fuse_open_out), 0);
	memcpy(s->body, &in, sizeof(in));
}

static int open_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_open_out *out = s->reply;
	int first = s->step == 0;

	if (len != (first ? sizeof(*out) : 0))
		return -EBADMSG;
	if (first)
		s->fh = out->fh;
	s->step = first ? 1 : 0;
	return first ? 0 : 1;
}

/* READDIRPLUS, from the directory's begin to its end again and again */

static int readdirplus_setup(struct bench_slot *s)
{
	struct bench *b = s->queue->bench;

	s->off = 0;
	return fuse_opendir(&b->client, b->dir, &s->fh);
}

static void readdirplus_next(struct bench_slot *s)
{
	struct fuse_read_in in = {.fh = s->fh, .offset = s->off, .size = BENCH_DIR_SIZE};

	bench_shape(s, FUSE_READDIRPLUS, s->queue->bench->dir, sizeof(in), 0, 0, in.size);
	memcpy(s->body, &in, sizeof(in));
}

/* Counts the look-up that came with an entry: 1, 0 for one that is not of the set, or -errno. */
static int take_entry(struct bench_queue *q, const struct fuse_direntplus *e)
{
	unsigned file = file_of_name(q->bench, e->dirent.name, e->dirent.namelen);

	if (file == BENCH_MAX_FILES)
		return e->entry_out.nodeid ? bench_forget(q, e->entry_out.nodeid, 1) : 0;
	if (e->entry_out.nodeid != q->bench->file[file])
		return -EBADMSG;
	q->lookups[file]++;
	return 1;
}

static int readdirplus_done(struct bench_slot *s, uint32_t len)
{
	uint32_t at = 0;
	int ops = 0;

	if (len == 0) { /* the end: an answer without an entry is not measured */
		s->off = 0;
		s->start = 0;
		return 0;
	}
	while (len - at >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		const struct fuse_direntplus *e = (const void *)(s->data + at);
		if (e->dirent.namelen > len - at - FUSE_NAME_OFFSET_DIRENTPLUS)
			return -EBADMSG;
		int res = take_entry(s->queue, e);
		if (res < 0)
			return res;
		ops += res;
		s->off = e->dirent.off;
		at += (uint32_t)FUSE_DIRENTPLUS_SIZE(e);
		if (at > len)
			return -EBADMSG;
	}
	return ops;
}

static int readdirplus_finish(struct bench *b)
{
	int res = 0;

	for (unsigned i = 0; i < b->nqueues; i++) {
		struct bench_queue *q = &b->queue[i];
		for (unsigned k = 0; k < q->depth && res == 0; k++)
			res = fuse_releasedir(&b->client, b->dir, q->slot[k].fh);
		res = res < 0 ? res : bench_flush_forgets(q);
	}
	return res < 0 ? res : bench_forget_lookups(b);
}

/* CREATE, RELEASE and UNLINK, three operations */

enum create_step { CREATE_STEP, CREATE_RELEASE_STEP, CREATE_UNLINK_STEP };

static int no_prepare(struct bench *b)
{
	(void)b;
	return 0;
}

static void new_name(const struct bench_slot *s, char name[BENCH_NAME_SIZE])
{
	snprintf(name, BENCH_NAME_SIZE, "new-%03u-%03u", s->queue->index % 1000, s->index % 1000);
}

static void create_next(struct bench_slot *s)
{
	const struct fuse_create_in in = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = S_IFREG | 0644, .umask = 022};
	const uint64_t dir = s->queue->bench->dir;

	if (s->step == CREATE_RELEASE_STEP) {
		release_next(s);
	} else if (s->step == CREATE_UNLINK_STEP) {
		bench_shape(s, FUSE_UNLINK, dir, BENCH_NAME_SIZE, 0, 0, 0);
		new_name(s, s->body);
	} else {
		bench_shape(s, FUSE_CREATE, dir, sizeof(in) + BENCH_NAME_SIZE, 0,
			    sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out), 0);
		memcpy(s->body, &in, sizeof(in));
		new_name(s, (char *)s->body + sizeof(in));
	}
}

static int create_done(struct bench_slot *s, uint32_t len)
{
	const struct fuse_entry_out *entry = s->reply;
	const struct fuse_open_out *open = (const void *)(entry + 1);
	unsigned step = s->step;

	if (len != (step == CREATE_STEP ? sizeof(*entry) + sizeof(*open) : 0))
		return -EBADMSG;
	s->step = step == CREATE_UNLINK_STEP ? CREATE_STEP : step + 1;
	if (step == CREATE_STEP) {
		s->node = entry->nodeid;
		s->fh = open->fh;
	} else if (step == CREATE_UNLINK_STEP) {
		int res = bench_forget(s->queue, s->node, 1);
		return res < 0 ? res : 1;
	}
	return 1;
}

static int create_finish(struct bench *b)
{
	int res = 0;

	for (unsigned i = 0; i < b->nqueues && res == 0; i++)
		res = bench_flush_forgets(&b->queue[i]);
	return res;
}

#define READ(name_, random_) \
	{.name = name_, .what = "READ of a block of a cached file", .size = 1, .random = random_, \
	 .prepare = bench_make_data, .setup = read_setup, .next = read_next, .done = read_done, .bare = bare_read}
#define WRITE(name_, random_) \
	{.name = name_, .what = "WRITE of a block of an existing file", .size = 1, .random = random_, \
	 .prepare = bench_make_data, .setup = write_setup, .next = write_next, .done = write_done, \
	 .finish = write_finish, .bare = bare_write}
#define PROFILE(name_, profile_, what_) \
	{.name = name_, .what = what_, .profile = &(profile_), .prepare = no_prepare, .setup = profile_setup, \
	 .next = profile_next, .done = profile_done, .refused = profile_refused}

/* Those with a size of 1 have it behind their name. */
static const struct workload table[] = {
	{.name = "getattr", .what = "GETATTR of one of the files", .prepare = bench_make_files, .setup = getattr_setup,
	 .next = getattr_next, .done = getattr_done, .bare = bare_statx},
	{.name = "lookup", .what = "LOOKUP of one of the files' names, which are known", .prepare = bench_make_files,
	 .setup = lookup_setup, .next = lookup_next, .done = lookup_done, .finish = bench_forget_lookups,
	 .bare = bare_statx_name},
	{.name = "open", .what = "OPEN and RELEASE of a file; the pair is one operation", .prepare = bench_make_files,
	 .setup = no_setup, .next = open_next, .done = open_done, .bare = bare_open_close},
	READ("read", false),
	WRITE("write", false),
	READ("randread", true),
	WRITE("randwrite", true),
	{.name = "readdirplus",
	 .what = "READDIRPLUS of the files by the page; an entry is one operation, the time a page's",
	 .prepare = bench_make_files, .setup = readdirplus_setup, .next = readdirplus_next, .done = readdirplus_done,
	 .finish = readdirplus_finish, .bare = bare_list},
	{.name = "create", .what = "CREATE, RELEASE and UNLINK in turn; each is one operation", .prepare = no_prepare,
	 .setup = no_setup, .next = create_next, .done = create_done, .finish = create_finish, .bare = bare_create},
	{.name = "database", .what = "3 READs and 2 WRITEs of 4k at random places and an FSYNC in turn; each is one",
	 .size = BENCH_PAGE, .random = true, .prepare = bench_make_data, .setup = no_setup, .next = database_next,
	 .done = database_done, .bare = bare_fsync},
	PROFILE("container", profile_container, "each file of the tree, unknown before: LOOKUP, OPEN, READ, close"),
	PROFILE("git-status", profile_git_status, "LOOKUP of each file of the tree, listing of each directory"),
	PROFILE("compile", profile_compile, "3 files of the tree looked for and read, one made, for each file"),
	PROFILE("untar", profile_untar, "each file of the tree made, written and its times set"),
	PROFILE("rm", profile_rm, "directories of the tree listed, their files unlinked; a file is one operation"),
};

const char *bench_workload_name(unsigned i, const char **what)
{
	if (i >= sizeof(table) / sizeof(table[0]))
		return NULL;
	*what = table[i].what;
	return table[i].name;
}

/* A size such as 4k or 1m, in whole pages; 0 for what is none. */
static uint32_t parse_size(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '1' || text[0] > '9' || !end[0] || end[1] || value > BENCH_DATA_MAX)
		return 0;
	value = *end == 'k' ? value << 10 : *end == 'm' ? value << 20 : 0;
	return value <= BENCH_DATA_MAX && value % BENCH_PAGE == 0 ? (uint32_t)value : 0;
}

bool bench_workload(const char *name, struct workload *w)
{
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t len = strlen(table[i].name);
		if (table[i].size == 1 && !strncmp(name, table[i].name, len) && strlen(name) < sizeof(w->name)) {
			uint32_t size = parse_size(name + len);
			if (!size)
				continue;
			*w = table[i];
			w->size = size;
			strcpy(w->name, name);
			return true;
		}
		if (table[i].size != 1 && !strcmp(name, table[i].name)) {
			*w = table[i];
			return true;
		}
	}
	return false;
}
