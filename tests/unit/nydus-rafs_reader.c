/* SPDX-License-Identifier: Apache-2.0 */
/* reader.h for tests: every file holds bytes that are computed from its inode number. */
#include "nydus-rafs_reader.h"

#include "lib/iov.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct reader_counters counters;
};

struct fake_engine engine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reader_read *queue[ENGINE_WAITING]; /* engine.nwaiting, the oldest first; protected by lock */

int reader_new(struct reader **reader, const struct reader_config *config, struct graft_error *err)
{
	engine.config = *config;
	if (engine.fail_new)
		return error_set(err, engine.fail_new, "no reader: %s", strerror(engine.fail_new));
	*reader = calloc(1, sizeof(**reader));
	if (!*reader)
		return error_set(err, ENOMEM, "out of memory");
	engine.readers++;
	return 0;
}

void reader_free(struct reader *reader)
{
	engine.readers--;
	free(reader);
}

struct reader_counters *reader_counters(struct reader *reader)
{
	return &reader->counters;
}

static int64_t fill(const struct rafs_inode *inode, uint64_t off, const struct iovec *iov, uint32_t n, uint64_t max)
{
	struct iov_cursor c = iov_cursor(iov, n);
	uint64_t len = off < inode->size ? inode->size - off : 0;

	if (len > max)
		len = max;
	if (len > iov_length(iov, n))
		len = iov_length(iov, n);
	for (uint64_t i = 0; i < len; i++) {
		unsigned char byte = engine_byte(inode->ino, off + i);

		iov_write(&c, &byte, 1);
	}
	return (int64_t)len;
}

int64_t reader_try(struct reader *r, const struct rafs_inode *inode, uint64_t off, const struct iovec *iov, uint32_t n)
{
	if (engine.reads == READS_WAIT) {
		fill(inode, off, iov, n, 1); /* a part may have been written */
		return -EAGAIN;
	}
	if (engine.reads == READS_FAIL)
		return -engine.error;
	__atomic_fetch_add(&r->counters.hits, 1, __ATOMIC_RELAXED);
	return fill(inode, off, iov, n, UINT64_MAX);
}

void reader_start(struct reader *r, struct reader_read *read)
{
	__atomic_fetch_add(&r->counters.misses, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&lock);
	if (engine.nwaiting == ENGINE_WAITING)
		abort();
	queue[engine.nwaiting++] = read;
	engine.waiting = read;
	pthread_mutex_unlock(&lock);
}

static struct reader_read *take_oldest(void)
{
	pthread_mutex_lock(&lock);
	struct reader_read *read = queue[0];
	memmove(queue, queue + 1, (ENGINE_WAITING - 1) * sizeof(*queue));
	if (!--engine.nwaiting)
		engine.waiting = NULL;
	pthread_mutex_unlock(&lock);
	return read;
}

static void *finish(void *arg)
{
	struct reader_read *read = take_oldest();
	int64_t res = engine.error ? -engine.error : fill(&read->inode, read->off, read->iov, read->n, read->len);

	(void)arg;
	read->done(read, res);
	return NULL;
}

void engine_finish(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, finish, NULL) != 0)
		abort();
	pthread_join(t, NULL);
}

int reader_prefetch(struct reader *r, const char *const *paths, size_t npaths, bool whole)
{
	(void)r;
	engine.prefetches++;
	engine.table = !paths;
	engine.whole = whole;
	engine.npaths = npaths;
	for (size_t i = 0; i < npaths && i < sizeof(engine.paths) / sizeof(engine.paths[0]); i++)
		engine.paths[i] = paths[i];
	return -engine.fail_prefetch;
}
