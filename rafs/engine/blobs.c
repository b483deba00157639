/* SPDX-License-Identifier: Apache-2.0 */
/* An image's blobs, opened when they are first read, and what mounts of one blob share. */
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "rafs/engine/internal.h"
#include "rafs/meta/digest_table.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#define RETRY_NS UINT64_C(1000000000) /* a blob that could not be opened is tried again after this */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared_blob *registry;

/* Whether every chunk lies in the blob as it is, so that nothing would be gained by a copy in the cache. */
static bool is_plain(const struct rafs_blob_info *info)
{
	uint32_t coded = RAFS_BLOB_BATCH | RAFS_BLOB_ZRAN | RAFS_BLOB_ENCRYPTED;
	bool raw = info->compressor == RAFS_NONE || (info->features & RAFS_BLOB_TARFS) ||
		   ((info->features & RAFS_BLOB_SEPARATE) && !(info->features & RAFS_BLOB_ZRAN));

	return raw && !(info->features & coded) && info->cipher == RAFS_PLAIN;
}

static void shared_free(struct shared_blob *s)
{
	/* Pieces go by this object's address, which another blob may have next. */
	plain_cache_drop(s->plain, s);
	dedup_name_put(s->source);
	cache_file_close(s->cache);
	chunk_table_close(s->table);
	/* What was filled last may have gone over the limit, and nobody had it open but this. */
	if (s->dir)
		cache_dir_trim(s->dir);
	cache_dir_put(s->dir);
	pthread_mutex_destroy(&s->lock);
	free((void *)s->verified);
	free((void *)s->told);
	free(s);
}

static void open_cache(struct reader *r, struct shared_blob *s, bool plain_fd)
{
	const struct rafs_blob_info *info = &s->info;
	uint64_t size = s->raw ? info->data_end : info->u_size;
	struct graft_error err = {0};

	if (!s->dir || !s->chunks || !size || (plain_fd && !r->cache_all && is_plain(info)))
		return;
	unsigned int form = (s->raw ? CACHE_RAW : CACHE_PLAIN) | (s->unmapped ? CACHE_UNMAPPED : 0);
	if (cache_file_open(&s->cache, s->dir, info->id, (enum cache_form)form, size, s->chunks, &err) < 0) {
		s->cache = NULL;
		reader_say(r, GRAFT_LOG_ERROR, "blob %s is read without a cache: %s", info->id, err.text);
	}
}

/*
 * Whether chunks come without a check of their own, or their digests are needed to find them elsewhere, so that the
 * bootstrap's digests are what there is (reference 2.9).
 */
static bool wants_digests(const struct reader *r, const struct shared_blob *s)
{
	bool crc = (s->info.features & RAFS_BLOB_CHUNK_INFO_V2) && !(s->info.features & (RAFS_BLOB_BATCH | RAFS_BLOB_ZRAN));
	bool to_check = r->validate != READER_VALIDATE_NONE && (!crc || r->validate > READER_VALIDATE_CRC);

	return s->table && (s->own_digests || !chunk_table_has_digests(s->table)) && (to_check || r->dedup);
}

/* One image's digests of a blob on their way to a file. */
struct digest_fill {
	const struct rafs_image *image;
	uint32_t blob, count;
	bool found;
	int old; /* the file that has the name already, or -1 */
	uint64_t old_size;
};

/* Whether the file that is there has these bytes. */
static bool is_old(const struct digest_fill *f, const struct mapping *new)
{
	struct mapping old;

	if (f->old < 0 || f->old_size != new->size || mapping_open(&old, f->old, 0, new->size, MAPPING_READ, NULL) < 0)
		return false;
	bool same = memcmp(old.base, new->base, new->size) == 0 && !mapping_torn(&old);
	mapping_close(&old);
	return same;
}

static int fill_digests(void *arg, int fd)
{
	struct digest_fill *f = arg;
	uint64_t size = (uint64_t)f->count * RAFS_DIGEST_SIZE;
	struct mapping map;
	int res = ftruncate(fd, (off_t)size) < 0 ? -errno : mapping_open(&map, fd, 0, size, MAPPING_SHARED, NULL);

	if (res < 0)
		return res;
	f->found = digest_table_fill(f->image, f->blob, map.base, f->count) > 0;
	/* A page that could not be had: the disk is full. */
	res = mapping_torn(&map) ? -ENOSPC : is_old(f, &map) ? -EEXIST : 0;
	mapping_close(&map);
	return res;
}

/*
 * In nydusd's form, as a file: memory that does not grow with the image. What lies in the folder could be anybody's, so it is
 * only taken where it is what would be written. Without a folder, or room in it, in memory.
 */
static int digests_file(const struct shared_blob *s, struct digest_fill *f)
{
	char name[RAFS_BLOB_ID_MAX + 16];
	int fd = -1;

	snprintf(name, sizeof(name), "%s.blob.digest", s->info.id);
	if (s->dir) {
		auto_close int old = f->old = cache_dir_open(s->dir, name, &f->old_size);
		fd = cache_dir_replace(s->dir, name, fill_digests, f);
		if (fd == -EEXIST)
			return steal_fd(&old);
		f->old = -1;
	}
	if (fd >= 0)
		return fd;
	fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	int res = fill_digests(f, fd);
	if (res < 0)
		close(fd);
	return res < 0 ? res : fd;
}

static int add_digests(const struct reader *r, struct shared_blob *s)
{
	struct digest_fill fill = {.image = r->image, .blob = s->info.index, .count = s->chunks, .old = -1};
	struct mapping map;

	if (!wants_digests(r, s) || !s->chunks)
		return 0;
	auto_close int fd = digests_file(s, &fill);
	if (fd < 0)
		return fd;
	if (!fill.found)
		return 0;
	s->own_digests = true;
	int res = mapping_open(&map, fd, 0, (uint64_t)s->chunks * RAFS_DIGEST_SIZE, MAPPING_READ, NULL);
	return res < 0 ? res : chunk_table_add_digests(s->table, &map);
}

static int open_table(struct reader *r, struct shared_blob *s, struct blob_file *meta, struct graft_error *err)
{
	const struct rafs_blob_info *info = &s->info;

	s->chunks = info->version == 5 ? info->chunk_count : 0;
	if (info->version == 5 || (info->features & RAFS_BLOB_TARFS))
		return 0;
	int res = chunk_table_open(&s->table, info, meta, s->dir, s->digests, err);
	if (res < 0)
		return res;
	s->chunks = chunk_table_count(s->table);
	res = add_digests(r, s);
	return res < 0 ? error_set(err, -res, "the digests of blob %s: %s", info->id, strerror(-res)) : 0;
}

static bool wants_own_digests(const struct reader *r, const struct rafs_blob_info *info)
{
	return (r->validate != READER_VALIDATE_NONE || r->dedup) && (info->features & RAFS_BLOB_CHUNK_DIGEST);
}

/* nydusd has digests of v6 chunks only where the blob brings them and it was told to check them. */
static bool goes_by_digest(const struct reader *r, const struct rafs_blob_info *info)
{
	return info->version == 5 || (r->validate >= READER_VALIDATE_DIGEST && wants_own_digests(r, info));
}

static int shared_new(struct shared_blob **out, struct reader *r, const struct rafs_blob_info *info,
		      struct blob_file *meta, bool plain_fd, struct graft_error *err)
{
	struct shared_blob *s = calloc(1, sizeof(*s));

	if (!s)
		return error_set(err, ENOMEM, "out of memory");
	pthread_mutex_init(&s->lock, NULL);
	s->refs = 1;
	s->plain = pool_plain(r->pool);
	s->info = *info;
	s->dir = r->cache ? cache_dir_ref(r->cache) : NULL;
	s->raw = r->cache_raw;
	s->unmapped = r->cache_unmapped && info->version == 5;
	s->digests = wants_own_digests(r, info);
	s->secret = r->secret;
	s->by_digest = goes_by_digest(r, info);
	s->dedup = r->dedup;
	int res = open_table(r, s, meta, err);
	if (!res && s->chunks && r->validate != READER_VALIDATE_NONE) {
		s->verified = calloc((s->chunks + 7) / 8, 1);
		if (!s->verified)
			res = error_set(err, ENOMEM, "out of memory");
	}
	if (res < 0) {
		shared_free(s);
		return res;
	}
	open_cache(r, s, plain_fd);
	s->unmapped = s->unmapped && s->cache;
	share_open(r, s);
	*out = s;
	return 0;
}

/* Of the same blob, in the same folder, with the same wishes. */
static bool is_kin(const struct shared_blob *s, const struct shared_blob *mine)
{
	struct rafs_blob_info a = s->info, b = mine->info;

	a.index = b.index = 0;
	return s->dir == mine->dir && s->raw == mine->raw && s->digests == mine->digests && s->by_digest == mine->by_digest &&
	       s->dedup == mine->dedup && memcmp(&s->secret, &mine->secret, sizeof(s->secret)) == 0 && memcmp(&a, &b, sizeof(a)) == 0;
}

/* What one image says of a blob is not believed for another: with digests of their own they must be the same. */
static bool is_same(const struct shared_blob *s, const struct shared_blob *mine)
{
	return is_kin(s, mine) && !s->verified == !mine->verified && s->own_digests == mine->own_digests &&
	       chunk_table_same_digests(s->table, mine->table);
}

/* Counted: one like mine, or NULL. v5 chunks are each image's own word, and TARFS blobs have nothing to share. */
static struct shared_blob *shared_find(const struct shared_blob *mine)
{
	if (!mine->dir || !mine->table)
		return NULL;
	for (struct shared_blob *s = registry; s; s = s->next) {
		if (s->table && is_same(s, mine)) {
			s->refs++;
			return s;
		}
	}
	return NULL;
}

static void shared_put(struct shared_blob *s)
{
	pthread_mutex_lock(&registry_lock);
	bool last = --s->refs == 0;
	for (struct shared_blob **at = &registry; last && *at; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	pthread_mutex_unlock(&registry_lock);
	if (last)
		shared_free(s);
}

/*
 * Counted: one that another image opened and this one would make alike, found before anything is made. NULL also where that
 * cannot be told; then shared_find decides.
 */
static struct shared_blob *shared_ready(const struct reader *r, const struct rafs_blob_info *info)
{
	struct shared_blob like = {
		.info = *info,
		.dir = r->cache,
		.raw = r->cache_raw,
		.digests = wants_own_digests(r, info),
		.secret = r->secret,
		.by_digest = goes_by_digest(r, info),
		.dedup = r->dedup,
	}, *s;

	if (!like.dir || info->version == 5)
		return NULL;
	pthread_mutex_lock(&registry_lock);
	for (s = registry; s; s = s->next) {
		if (s->table && is_kin(s, &like) && !s->verified == (!s->chunks || r->validate == READER_VALIDATE_NONE)) {
			s->refs++;
			break;
		}
	}
	pthread_mutex_unlock(&registry_lock);
	/* Without the lock: this reads the image's whole table of chunks. Digests of the blob's own are compared when they are open. */
	bool same = s && wants_digests(r, s) == s->own_digests;
	if (same && chunk_table_has_digests(s->table))
		same = s->own_digests &&
		       digest_table_same(r->image, info->index, chunk_table_digests(s->table), s->chunks);
	if (s && !same)
		shared_put(s);
	return same ? s : NULL;
}

static int shared_get(struct shared_blob **out, struct reader *r, const struct rafs_blob_info *info,
		      struct blob_file *meta, bool plain_fd, struct graft_error *err)
{
	struct shared_blob *mine = NULL, *other;

	*out = shared_ready(r, info);
	if (*out)
		return 0;
	int res = shared_new(&mine, r, info, meta, plain_fd, err);
	if (res < 0)
		return res;
	pthread_mutex_lock(&registry_lock);
	other = shared_find(mine);
	if (!other) {
		mine->next = registry;
		registry = mine;
	}
	pthread_mutex_unlock(&registry_lock);
	if (other)
		shared_free(mine);
	*out = other ? other : mine;
	return 0;
}

/* The blob itself may be missing where a cache holds what is read: then *file is NULL, and err says why. */
static int open_data(struct reader *r, struct reader_blob *b, const struct rafs_blob_info *info, struct blob_file **file,
		     struct graft_error *err)
{
	int res = blob_open(r->backend, info->id, file, err);

	b->fd = -1;
	if (res < 0) {
		*file = NULL;
		reader_add(&r->count.backend_errors, 1);
		return r->cache ? 0 : res;
	}
	/* What is shared goes through the cache, so that others find it there. */
	if (!r->dedup || (info->features & RAFS_BLOB_TARFS))
		b->fd = blob_fd(*file, &b->base);
	if (info->data_end > blob_size(*file))
		reader_say(r, GRAFT_LOG_ERROR, "blob %s is cut short: it has %" PRIu64 " bytes, its chunks need %" PRIu64,
			   info->id, blob_size(*file), info->data_end);
	return 0;
}

static int open_blob(struct reader *r, struct reader_blob *b, const struct rafs_blob_info *info, struct graft_error *err)
{
	bool separate = strcmp(info->id, info->meta_id) != 0;
	struct blob_file *file, *other = NULL;
	struct graft_error why = {0};
	int res = open_data(r, b, info, &file, &why);

	if (res < 0) {
		*err = why;
		return res;
	}
	if (separate && blob_open(r->backend, info->meta_id, &other, &why) < 0)
		other = NULL;
	res = shared_get(&b->shared, r, info, separate ? other : file, b->fd >= 0, err);
	blob_close(other);
	if (res < 0) {
		blob_close(file);
		if (res == -ENOENT && why.code)
			*err = why;
		return res;
	}
	atomic_store_explicit(&b->file, file, memory_order_relaxed);
	atomic_store_explicit(&b->wait_free, true, memory_order_relaxed);
	atomic_store_explicit(&b->wait_free_cache, true, memory_order_relaxed);
	if (!file)
		reader_say(r, GRAFT_LOG_WARN, "%s; only what the cache holds can be read", why.text);
	return 0;
}

struct blob_file *blob_source(struct reader *r, struct reader_blob *b)
{
	struct blob_file *file = atomic_load_explicit(&b->file, memory_order_acquire), *none = NULL;
	uint64_t now;

	if (file)
		return file;
	now = clock_ns(CLOCK_MONOTONIC);
	pthread_mutex_lock(&r->lock);
	bool early = now < b->retry_ns;
	if (!early)
		b->retry_ns = now + RETRY_NS;
	pthread_mutex_unlock(&r->lock);
	if (early || blob_open(r->backend, b->shared->info.id, &file, NULL) < 0)
		return NULL;
	/* Pairs with the acquire above. */
	if (atomic_compare_exchange_strong_explicit(&b->file, &none, file, memory_order_acq_rel, memory_order_acquire))
		return file;
	blob_close(file);
	return none;
}

/* With the lock: whether the caller is to open it. */
static bool claim(struct reader *r, struct reader_blob *b, int *error)
{
	int state;

	while ((state = atomic_load_explicit(&b->state, memory_order_relaxed)) == BLOB_OPENING)
		pthread_cond_wait(&r->changed, &r->lock);
	if (state == BLOB_OPEN)
		return false;
	if (state == BLOB_FAILED && clock_ns(CLOCK_MONOTONIC) < b->retry_ns) {
		*error = b->error;
		return false;
	}
	atomic_store_explicit(&b->state, BLOB_OPENING, memory_order_relaxed);
	return true;
}

struct reader_blob *blob_if_open(struct reader *r, uint32_t i)
{
	/* Pairs with the release in blob_get. */
	return atomic_load_explicit(&r->blobs[i].state, memory_order_acquire) == BLOB_OPEN ? &r->blobs[i] : NULL;
}

struct reader_blob *blob_get(struct reader *r, uint32_t i, int *error)
{
	struct reader_blob *b = blob_if_open(r, i);
	struct graft_error err = {0};

	if (b)
		return b;
	b = &r->blobs[i];
	*error = 0;
	pthread_mutex_lock(&r->lock);
	bool mine = claim(r, b, error);
	pthread_mutex_unlock(&r->lock);
	if (!mine)
		return *error ? NULL : b;
	int res = open_blob(r, b, rafs_image_blob(r->image, i), &err);
	pthread_mutex_lock(&r->lock);
	b->error = *error = res < 0 ? -EIO : 0;
	b->retry_ns = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
	atomic_store_explicit(&b->state, res < 0 ? BLOB_FAILED : BLOB_OPEN, memory_order_release);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (res < 0)
		reader_say(r, GRAFT_LOG_ERROR, "blob %s cannot be read: %s", rafs_image_blob(r->image, i)->id, err.text);
	return res < 0 ? NULL : b;
}

void blobs_close(struct reader *r)
{
	for (uint32_t i = 0; i < r->nblobs; i++) {
		struct reader_blob *b = &r->blobs[i];

		if (b->shared)
			shared_put(b->shared);
		blob_close(atomic_load_explicit(&b->file, memory_order_relaxed));
	}
}
