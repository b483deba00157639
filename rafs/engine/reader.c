/* SPDX-License-Identifier: Apache-2.0 */
/* The data of an image's files: the life of a reader. */
#include "rafs/engine/reader.h"

#include "lib/cleanup.h"
#include "rafs/engine/internal.h"

#include <stdarg.h>

void reader_enter(struct reader *r)
{
	LOCK_SCOPE(&r->lock);
	r->busy++;
}

void reader_leave(struct reader *r)
{
	LOCK_SCOPE(&r->lock);
	if (--r->busy == 0)
		pthread_cond_broadcast(&r->changed);
}

void reader_say(struct reader *r, int level, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	va_list ap;

	if (!r->log)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->log(r->arg, level, text);
}

/* libcrypto is loaded now where it will be needed: later a sandbox may be in the way. */
static int load_crypto(const struct reader_config *config, uint32_t nblobs, struct graft_error *err)
{
	for (uint32_t i = 0; i < nblobs; i++) {
		const struct rafs_blob_info *info = rafs_image_blob(config->image, i);
		bool sha256 = info->digester == RAFS_SHA256 && config->validate != READER_VALIDATE_NONE;

		if (sha256 || (info->digester == RAFS_SHA256 && config->dedup) || info->cipher != RAFS_PLAIN || config->secret.on)
			return codec_load_crypto(err);
	}
	return 0;
}

int reader_new(struct reader **reader, const struct reader_config *config, struct graft_error *err)
{
	const struct rafs_super *super = rafs_image_super(config->image);
	struct reader *r = calloc(1, sizeof(*r) + super->blobs * sizeof(r->blobs[0]));

	if (!r)
		return error_set(err, ENOMEM, "out of memory");
	int res = load_crypto(config, super->blobs, err);
	if (res < 0) {
		free(r);
		return res;
	}
	r->pool = pool_get(config->threads);
	if (!r->pool) {
		free(r);
		return error_set(err, ENOMEM, "no worker can be started");
	}
	r->image = config->image;
	r->super = super;
	r->backend = config->backend;
	r->cache = config->cache ? cache_dir_ref(config->cache) : NULL;
	r->cache_raw = config->cache_raw;
	r->cache_all = config->cache_all;
	r->cache_unmapped = config->cache_unmapped;
	r->validate = config->validate;
	if (config->cache && config->secret.on && !config->cache_raw) {
		r->secret = config->secret;
		/* Another key's pages would be anything. */
		r->validate = r->validate == READER_VALIDATE_NONE ? READER_VALIDATE_CRC : r->validate;
	}
	r->readahead = config->readahead;
	r->bandwidth = config->bandwidth;
	if (r->cache && !r->cache_raw && !r->secret.on)
		r->dedup = config->dedup;
	r->log = config->log;
	r->arg = config->arg;
	r->nblobs = super->blobs;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	for (uint32_t i = 0; i < r->nblobs; i++) {
		r->blobs[i].fd = -1;
		pthread_mutex_init(&r->blobs[i].stream_lock, NULL);
		ahead_init(&r->blobs[i]);
	}
	*reader = r;
	return 0;
}

void reader_free(struct reader *r)
{
	atomic_store_explicit(&r->stopping, true, memory_order_relaxed);
	prefetch_stop(r);
	pthread_mutex_lock(&r->lock);
	while (r->busy)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	blobs_close(r);
	if (r->dedup)
		dedup_collect(r->dedup);
	for (uint32_t i = 0; i < r->nblobs; i++)
		pthread_mutex_destroy(&r->blobs[i].stream_lock);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
	cache_dir_put(r->cache);
	pool_put(r->pool);
	free(r);
}

struct reader_counters *reader_counters(struct reader *reader)
{
	return &reader->count;
}
