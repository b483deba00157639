/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads with an end: their tasks step by step, and the tree they work on. */
#include "bench/profiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FORGET_BATCH 500

/* A file's task and a directory's; NULL: it has none of these. */
struct profile {
	const struct step *file, *dir;
	bool absent; /* begins without the tree */
	bool cold;   /* begins with no file known to the guest */
};

/* A file is looked up, opened, read whole and closed. */
#define READ_FILE(whose_) \
	{MOVE_LOOKUP, whose_, false}, {MOVE_OPEN, whose_, false}, {MOVE_READ, whose_, false}, \
	{MOVE_FLUSH, whose_, false}

static const struct step container_file[] = {READ_FILE(OWN), {MOVE_RELEASE, OWN, true}, {MOVE_END, 0, false}};

static const struct step status_file[] = {{MOVE_LOOKUP, OWN, true}, {MOVE_END, 0, false}};
static const struct step status_dir[] = {{MOVE_OPENDIR, OWN, false},    {MOVE_LIST, OWN, false},
					 {MOVE_RELEASEDIR, OWN, false}, {MOVE_ABSENT, OWN, true}, /* .gitignore */
					 {MOVE_END, 0, false}};

static const struct step compile_file[] = {
	READ_FILE(OWN),
	{MOVE_RELEASE, OWN, false},
	{MOVE_ABSENT, HEADER_1, false}, /* on the way through the include path */
	{MOVE_ABSENT, HEADER_1, false},
	READ_FILE(HEADER_1),
	{MOVE_RELEASE, HEADER_1, false},
	{MOVE_ABSENT, HEADER_2, false},
	{MOVE_ABSENT, HEADER_2, false},
	READ_FILE(HEADER_2),
	{MOVE_RELEASE, HEADER_2, false},
	{MOVE_ABSENT, OBJECT, false},
	{MOVE_CREATE, OBJECT, false},
	{MOVE_WRITE, OBJECT, false},
	{MOVE_FLUSH, OBJECT, false},
	{MOVE_RELEASE, OBJECT, true},
	{MOVE_END, 0, false},
};

static const struct step untar_file[] = {
	{MOVE_ABSENT, OWN, false}, {MOVE_CREATE, OWN, false}, {MOVE_WRITE, OWN, false}, {MOVE_TIMES, OWN, false},
	{MOVE_FLUSH, OWN, false},  {MOVE_RELEASE, OWN, true}, {MOVE_END, 0, false},
};

static const struct step rm_dir[] = {
	{MOVE_OPENDIR, OWN, false},   {MOVE_LIST, OWN, false},  {MOVE_RELEASEDIR, OWN, false},
	{MOVE_UNLINK_ALL, OWN, true}, {MOVE_RMDIR, OWN, false}, {MOVE_END, 0, false},
};

static const struct step clean_file[] = {{MOVE_UNLINK, OBJECT, true}, {MOVE_END, 0, false}};

const struct profile profile_container = {.file = container_file, .cold = true};
const struct profile profile_git_status = {.file = status_file, .dir = status_dir};
const struct profile profile_compile = {.file = compile_file};
const struct profile profile_untar = {.file = untar_file, .absent = true};
const struct profile profile_rm = {.dir = rm_dir};
static const struct profile profile_clean = {.file = clean_file};

unsigned profile_tasks(const struct bench *b, const struct profile *p)
{
	return (p->file ? b->tree->files : 0) + (p->dir ? b->tree->dirs : 0);
}

/* What a task is about. */
struct task {
	const struct step *steps;
	unsigned file, dir;
};

static struct task task_of(const struct profile *p, unsigned files, unsigned number)
{
	if (p->file && number < files)
		return (struct task){.steps = p->file, .file = number, .dir = number / TREE_DIR_FILES};
	unsigned dir = p->file ? number - files : number;
	return (struct task){.steps = p->dir, .file = dir * TREE_DIR_FILES, .dir = dir};
}

/* The file that a step of the task is about. */
static unsigned file_of(unsigned whose, unsigned file, unsigned files)
{
	return whose == HEADER_1 ? (file * 7 + 1) % files : whose == HEADER_2 ? (file * 13 + 5) % files : file;
}

static unsigned step_file(const struct bench_slot *s, const struct step *step, const struct task *task)
{
	unsigned files = s->queue->bench->tree->files;

	return step->move == MOVE_UNLINK_ALL ? s->file : file_of(step->whose, task->file, files);
}

int profile_setup(struct bench_slot *s)
{
	(void)s;
	return 0;
}

void profile_next(struct bench_slot *s)
{
	const struct bench *b = s->queue->bench;
	struct task task = task_of(b->workload->profile, b->tree->files, s->task);

	if (!s->step) {
		s->off = 0;
		s->file = task.file;
	}
	const struct step *step = &task.steps[s->step];
	unsigned file = step_file(s, step, &task);
	step_build(s, b->tree, step, file, file / TREE_DIR_FILES);
}

/* To the next step: the operations that are complete. */
static int advance(struct bench_slot *s, const struct task *task)
{
	const struct tree *t = s->queue->bench->tree;
	int ops = task->steps[s->step].op ? 1 : 0;

	s->step++;
	/* Nothing else depends on it. */
	if (task->steps[s->step].move == MOVE_FLUSH && atomic_load_explicit(&t->no_flush, memory_order_relaxed))
		s->step++;
	if (task->steps[s->step].move == MOVE_END)
		s->step = 0;
	return ops;
}

static unsigned dir_end(const struct tree *t, unsigned dir)
{
	unsigned end = (dir + 1) * TREE_DIR_FILES;

	return end < t->files ? end : t->files;
}

int profile_done(struct bench_slot *s, uint32_t len)
{
	struct bench *b = s->queue->bench;
	struct task task = task_of(b->workload->profile, b->tree->files, s->task);
	const struct step *step = &task.steps[s->step];
	unsigned file = step_file(s, step, &task);
	int res = step_check(s, b->tree, step, file, file / TREE_DIR_FILES, len);

	if (res < 0)
		return res;
	if (step->move == MOVE_UNLINK_ALL && ++s->file < dir_end(b->tree, task.dir))
		return 1;
	return res ? advance(s, &task) : 0;
}

int profile_refused(struct bench_slot *s, int error)
{
	struct bench *b = s->queue->bench;
	struct task task = task_of(b->workload->profile, b->tree->files, s->task);
	unsigned char move = task.steps[s->step].move;

	if (move == MOVE_FLUSH && error == -ENOSYS) {
		atomic_store_explicit(&b->tree->no_flush, true, memory_order_relaxed);
		return advance(s, &task);
	}
	return move == MOVE_ABSENT && error == -ENOENT ? advance(s, &task) : error;
}

/* The tree */

static struct tree *tree_new(unsigned files)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->files = files;
	t->dirs = (files + TREE_DIR_FILES - 1) / TREE_DIR_FILES;
	t->dir = calloc(t->dirs, sizeof(*t->dir));
	t->file = calloc(files, sizeof(*t->file));
	t->object = calloc(files, sizeof(*t->object));
	if (t->dir && t->file && t->object)
		return t;
	tree_free(t);
	return NULL;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	free(t->dir);
	free(t->file);
	free(t->object);
	free(t);
}

static int pass(struct bench *b, const struct profile *p)
{
	const struct workload w = {.name = "tree",
				   .profile = p,
				   .setup = profile_setup,
				   .next = profile_next,
				   .done = profile_done,
				   .refused = profile_refused};
	const struct bench_span span = {.daemon = 0};

	return bench_pass(b, &w, BENCH_RESET_DEPTH, &span, NULL);
}

static int forget_files(struct bench *b, struct tree_file *file, unsigned n)
{
	struct fuse_forget_one one[FORGET_BATCH];
	unsigned k = 0;
	int res = 0;

	for (unsigned i = 0; i < n && res == 0; i++) {
		uint64_t node = atomic_exchange_explicit(&file[i].node, 0, memory_order_relaxed);
		uint32_t count = atomic_exchange_explicit(&file[i].lookups, 0, memory_order_relaxed);
		if (count)
			one[k++] = (struct fuse_forget_one){.nodeid = node, .nlookup = count};
		if (k == FORGET_BATCH) {
			res = bench_send_forgets(b, one, k);
			k = 0;
		}
	}
	return res < 0 ? res : bench_send_forgets(b, one, k);
}

static int make_dirs(struct bench *b)
{
	struct fuse_entry_out entry;
	char name[BENCH_NAME_SIZE];

	for (unsigned i = 0; i < b->tree->dirs; i++) {
		tree_name(name, "dir", i);
		int res = fuse_mkdir(&b->client, b->dir, name, S_IFDIR | 0755, &entry);
		if (res < 0)
			return res;
		b->tree->dir[i] = entry.nodeid;
	}
	return 0;
}

static int forget_dirs(struct bench *b)
{
	int res = 0;

	for (unsigned i = 0; i < b->tree->dirs && res == 0; i++) {
		res = fuse_forget(&b->hiprio, b->tree->dir[i], 1);
		b->tree->dir[i] = 0;
	}
	return res;
}

int profile_passed(struct bench *b, const struct profile *p)
{
	struct tree *t = b->tree;
	int res = 0;

	for (unsigned i = 0; i < b->nqueues && res == 0; i++)
		res = bench_flush_forgets(&b->queue[i]);
	if (p == &profile_untar)
		t->present = true;
	else if (p == &profile_compile)
		t->objects = true;
	else if (p == &profile_clean)
		t->objects = false;
	if (p != &profile_rm || res < 0)
		return res;
	t->present = false;
	return forget_dirs(b);
}

int bench_remove_tree(struct bench *b)
{
	int res = 0;

	if (b->tree->objects)
		res = pass(b, &profile_clean);
	return res == 0 && b->tree->present ? pass(b, &profile_rm) : res;
}

int profile_reset(struct bench *b, const struct profile *p)
{
	int res = 0;

	if (!b->tree)
		b->tree = tree_new(b->tree_files);
	if (!b->tree)
		return -ENOMEM;
	if (b->tree->objects)
		res = pass(b, &profile_clean);
	if (res == 0 && p->absent && b->tree->present)
		res = pass(b, &profile_rm);
	if (res == 0 && !b->tree->present)
		res = make_dirs(b);
	if (res == 0 && !b->tree->present && !p->absent)
		res = pass(b, &profile_untar);
	return res == 0 && p->cold ? forget_files(b, b->tree->file, b->tree->files) : res;
}

/* By bare system calls */

static int bare_task(struct bare *x, const struct task *task, unsigned files)
{
	unsigned ops = 0;

	for (const struct step *step = task->steps; step->move != MOVE_END; step++) {
		unsigned end = (task->dir + 1) * TREE_DIR_FILES;
		unsigned file = file_of(step->whose, task->file, files);
		unsigned last = step->move == MOVE_UNLINK_ALL ? (end < files ? end : files) - 1 : file;
		for (; file <= last; file++) {
			int res = step_bare(x, step, file, file / TREE_DIR_FILES);
			if (res < 0)
				return res;
			ops += step->op;
		}
	}
	return (int)ops;
}

static int bare_pass(struct bare *x, const struct profile *p, int64_t *ns, uint64_t *ops)
{
	const unsigned files = x->bench->tree_files;
	unsigned tasks = (p->file ? files : 0) + (p->dir ? x->ndirs : 0);
	struct timespec begin, end;
	uint64_t n = 0;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (unsigned i = 0; i < tasks; i++) {
		struct task task = task_of(p, files, i);
		int res = bare_task(x, &task, files);
		if (res < 0)
			return res;
		n += (unsigned)res;
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	if (ns)
		*ns = (end.tv_sec - begin.tv_sec) * 1000000000 + (end.tv_nsec - begin.tv_nsec);
	if (ops)
		*ops = n;
	return 0;
}

static int bare_dirs(struct bare *x, int top)
{
	char name[BENCH_NAME_SIZE];

	for (; x->ndirs < x->bench->tree->dirs; x->ndirs++) {
		tree_name(name, "dir", x->ndirs);
		if (mkdirat(top, name, 0755))
			return -errno;
		x->tree_dir[x->ndirs] = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (x->tree_dir[x->ndirs] < 0)
			return -errno;
	}
	return 0;
}

/* All passes in order; only the one asked for is measured. */
static int bare_passes(struct bare *x, const struct profile *p, int64_t *ns, uint64_t *ops)
{
	const struct profile *order[] = {&profile_untar, p, &profile_clean, &profile_rm};
	int res = 0;

	for (unsigned i = 0; i < 4 && res == 0; i++) {
		bool wanted = order[i] == p;
		if ((i == 1 && (p == &profile_untar || p == &profile_rm)) ||
		    (order[i] == &profile_clean && p != &profile_compile))
			continue;
		res = bare_pass(x, order[i], wanted ? ns : NULL, wanted ? ops : NULL);
	}
	return res;
}

int profile_bare(struct bare *x, const struct profile *p, int64_t *ns, uint64_t *ops)
{
	int res = -ENOMEM, top = -1;

	x->ndirs = 0;
	x->tree_dir = calloc(x->bench->tree->dirs, sizeof(*x->tree_dir));
	if (x->tree_dir) {
		res = mkdirat(x->dir, "bare", 0755) ? -errno : 0;
		top = res < 0 ? -1 : openat(x->dir, "bare", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		res = res == 0 && top < 0 ? -errno : res;
	}
	if (res == 0)
		res = bare_dirs(x, top);
	if (res == 0)
		res = bare_passes(x, p, ns, ops);
	for (unsigned i = 0; i < x->ndirs; i++)
		close(x->tree_dir[i]);
	if (top >= 0)
		close(top);
	free(x->tree_dir);
	x->tree_dir = NULL;
	if (res == 0 && unlinkat(x->dir, "bare", AT_REMOVEDIR))
		res = -errno;
	return res;
}
