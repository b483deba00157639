/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graft-flips IMAGES [COUNT [SEED [CASE]]]: damages copies of the images of tests/images at random places, metadata,
 * blobs and filled caches, and walks and reads each in full. No crash, hang, leak or great use of memory may come of
 * it, and what a check of the image's own covers is read right or not at all. With CASE that one alone, to look into.
 * COUNT: 2,000, under a sanitizer 500; 20,000 with GRAFT_FULL=1.
 */
#include "rafs/engine/reader.h"
#include "tests/rafs/flip_case.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 50 /* cases of one process */
#ifdef GRAFT_SANITIZED
#define SECONDS_MAX 120
#define FEW 500
#define KIB_MAX (3 << 20)
#else
#define SECONDS_MAX 20
#define FEW 2000
#define KIB_MAX (768 << 10)
#endif

enum outcome { REFUSED, ERRORS, SAME, OTHER, OUTCOMES };

/* What the processes share. Counts are the child's while it runs; now and begun are read by the parent meanwhile. */
struct shared {
	_Atomic uint64_t now;  /* the case under way */
	_Atomic int64_t begun; /* its start, in seconds */
	uint64_t count[OUTCOMES];
	uint64_t wrong; /* cases that broke a promise */
	struct walk_result baseline[IMAGES_MAX];
};

struct flips {
	struct flip_images images;
	struct shared *shared;
	uint64_t seed;
};

static int64_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* --- in the child --- */

/* All images as they are: once without a cache, once filling one. */
static bool baseline(struct flips *f)
{
	bool good = true;

	for (unsigned i = 0; i < f->images.n; i++) {
		struct flip_image *image = &f->images.image[i];
		struct walk_request request = { .source = image->source,
						.blob_dir = image->blob_dir,
						.validate = READER_VALIDATE_FULL };
		struct walk_result *first = &f->shared->baseline[i], second;

		/* The limit of time is for one image. */
		atomic_store(&f->shared->begun, seconds());
		walk_image(&request, first);
		request.cache_dir = image->filled;
		walk_image(&request, &second);
		if (first->refused || first->errors || second.sum != first->sum || second.errors) {
			printf("%s as it is: refused %d (%s), %u errors, %u entries; with a cache %u errors, %s\n",
			       image->name, first->refused, first->why, first->errors, first->entries, second.errors,
			       second.sum == first->sum ? "the same" : "other data");
			good = false;
		}
	}
	return good;
}

/*
 * v5 has a CRC of each chunk in its metadata, so damage elsewhere shows; and a cache is only a copy of what is still
 * there.
 */
static bool keeps_promise(const struct flip_case *c, const struct walk_result *base, const struct walk_result *r)
{
	if (base->version != 5 || c->target == FLIP_META || c->request.validate == READER_VALIDATE_NONE)
		return true;
	if (c->target == FLIP_CACHE)
		return !r->refused && !r->errors && r->sum == base->sum;
	return r->refused || r->errors || r->sum == base->sum;
}

static enum outcome outcome_of(const struct walk_result *base, const struct walk_result *r)
{
	if (r->refused)
		return REFUSED;
	return r->errors ? ERRORS : r->sum == base->sum ? SAME : OTHER;
}

static bool run_case(struct flips *f, uint64_t number, bool tell)
{
	struct walk_result r;
	struct flip_case c;

	if (flip_case_begin(&c, &f->images, f->seed, number)) {
		printf("case %" PRIu64 ": cannot be made\n", number);
		return false;
	}
	if (tell)
		printf("case %" PRIu64 ": %s\n", number, c.what);
	walk_image(&c.request, &r);
	if (tell)
		printf("refused %d (%s), %u entries, %u errors, %" PRIu64 " bytes, %s\n", r.refused, r.why, r.entries,
		       r.errors, r.bytes, r.sum == f->shared->baseline[c.number].sum ? "the same" : "not the same");
	f->shared->count[outcome_of(&f->shared->baseline[c.number], &r)]++;
	if (!keeps_promise(&c, &f->shared->baseline[c.number], &r)) {
		printf("case %" PRIu64 " (%s): damage was not noticed: refused %d, %u errors\n", number, c.what,
		       r.refused, r.errors);
		f->shared->wrong++;
	}
	return flip_case_end(&c, &f->images) == 0;
}

static bool run_batch(struct flips *f, uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		atomic_store(&f->shared->begun, seconds());
		atomic_store(&f->shared->now, i);
		if (!run_case(f, i, false))
			return false;
	}
	return true;
}

/* --- in the parent --- */

/* Waits for the child; false, with a word about it, where it did not end in order. */
static bool await_child(struct flips *f, pid_t pid, uint64_t first, uint64_t end)
{
	struct rusage usage;
	int status;
	pid_t done;

	while (!(done = wait4(pid, &status, WNOHANG, &usage))) {
		if (seconds() - atomic_load(&f->shared->begun) > SECONDS_MAX) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			printf("case %" PRIu64 ": no end after %d seconds\n", atomic_load(&f->shared->now),
			       SECONDS_MAX);
			return false;
		}
		usleep(20000);
	}
	if (done < 0)
		return false;
	if (WIFSIGNALED(status))
		printf("case %" PRIu64 ": killed by signal %d\n", atomic_load(&f->shared->now), WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("case %" PRIu64 ", or a leak in cases %" PRIu64 " to %" PRIu64 ": status %d\n",
		       atomic_load(&f->shared->now), first, end - 1, WEXITSTATUS(status));
	else if (usage.ru_maxrss > KIB_MAX)
		printf("cases %" PRIu64 " to %" PRIu64 ": %ld KiB of memory\n", first, end - 1, usage.ru_maxrss);
	else
		return true;
	return false;
}

/* end == first: the baseline. */
static bool in_child(struct flips *f, uint64_t first, uint64_t end)
{
	atomic_store(&f->shared->begun, seconds());
	atomic_store(&f->shared->now, first);
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		return false;
	if (pid == 0) {
		bool good = first == end ? baseline(f) : run_batch(f, first, end);
		flip_images_free(&f->images);
		exit(good ? 0 : 1);
	}
	return await_child(f, pid, first, end);
}

static bool run_all(struct flips *f, uint64_t count)
{
	const uint64_t *n = f->shared->count;
	int64_t begun = seconds();
	unsigned failed = 0;

	if (!in_child(f, 0, 0))
		return false;
	for (uint64_t first = 0; first < count && failed < 5; first += BATCH) {
		if (in_child(f, first, first + BATCH < count ? first + BATCH : count))
			continue;
		failed++;
		if (flip_images_mend(&f->images))
			return false;
	}
	printf("%" PRIu64 " corruptions of %u images, seed %" PRIu64 ": %" PRIu64 " refused, %" PRIu64
	       " with errors, %" PRIu64 " read as before, %" PRIu64 " read otherwise; %" PRIu64
	       " unnoticed that should not be, %u batches failed; %" PRId64 " s\n",
	       n[REFUSED] + n[ERRORS] + n[SAME] + n[OTHER], f->images.n, f->seed, n[REFUSED], n[ERRORS], n[SAME],
	       n[OTHER], f->shared->wrong, failed, seconds() - begun);
	return !failed && !f->shared->wrong;
}

/* --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
	return argc > i ? strtoull(argv[i], NULL, 0) : otherwise;
}

static bool run(struct flips *f, int argc, char **argv)
{
	const char *full = getenv("GRAFT_FULL");

	f->seed = argument(argc, argv, 3, (uint64_t)time(NULL));
	if (argc > 4)
		return in_child(f, 0, 0) && run_case(f, argument(argc, argv, 4, 0), true) && !f->shared->wrong;
	printf("seed %" PRIu64 "\n", f->seed);
	return run_all(f, argument(argc, argv, 2, full && *full == '1' ? 20000 : FEW));
}

int main(int argc, char **argv)
{
	static struct flips f;
	const char *tmp = getenv("TMPDIR");
	char scratch[300];

	if (argc < 2 || argc > 5) {
		fprintf(stderr, "Usage: graft-flips IMAGES [COUNT [SEED [CASE]]]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(scratch, sizeof(scratch), "%.200s/graft-flips.XXXXXX", tmp ? tmp : "/tmp");
	f.shared = mmap(NULL, sizeof(*f.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f.shared == MAP_FAILED || !mkdtemp(scratch)) {
		perror(scratch);
		return 1;
	}
	bool good = !flip_images_load(&f.images, argv[1], scratch) && run(&f, argc, argv);
	flip_images_free(&f.images);
	nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	printf("%s\n", good ? "passed" : "FAILED");
	return good ? 0 : 1;
}
