/* SPDX-License-Identifier: Apache-2.0 */
/* Deduplication databases of the process, each once, and looking chunks up in them. */
#include "rafs/cache/dedup.h"

#include "lib/cleanup.h"
#include "lib/thread.h"
#include "rafs/bytes.h"
#include "rafs/cache/dedup_internal.h"
#include "rafs/codec/digest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define HITS_MAX 4 /* places of one chunk that are tried */

/* A reader waits for a look-up, nobody for the rest. */
static const struct dedup_limits reader_limits = {.busy_ms = 50, .deadline_ms = 100};
static const struct dedup_limits writer_limits = {.busy_ms = 2000, .deadline_ms = 5000};

/* All databases that are open. */
static struct {
	pthread_mutex_t lock;
	struct dedup *first;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct dedup_name *dedup_name_new(const char *path)
{
	size_t len = strlen(path);
	struct dedup_name *n = malloc(sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	atomic_init(&n->refs, 1);
	memcpy(n->path, path, len + 1);
	return n;
}

void dedup_name_put(struct dedup_name *n)
{
	/* Release and acquire: whoever frees it comes after all who used it. */
	if (n && atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1)
		free(n);
}

static void dedup_free(struct dedup *d)
{
	dedup_db_close(d->reader);
	dedup_db_close(d->writer);
	dedup_folders_drop(d);
	cleanup_close(&d->fd);
	pthread_cond_destroy(&d->work);
	pthread_cond_destroy(&d->collected);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->find_lock);
	free(d->rows);
	free(d->path);
	free(d);
}

/* Whether the folder's path leads there for this process, as it does unless it is in a sandbox. */
static bool sees_paths(const struct dedup *d)
{
	size_t len = (size_t)(d->name - d->path);
	char folder[DEDUP_PATH_MAX];
	struct stat st;

	if (len > sizeof(folder) - 2)
		return false;
	memcpy(folder, d->path, len);
	memcpy(folder + len, ".", 2);
	return stat(folder, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino;
}

struct folder_walk {
	struct dedup *d;
	const struct path_opener *opener;
};

static void open_folder(void *arg, const char *path)
{
	const struct folder_walk *w = arg;
	const char *slash = strrchr(path, '/');
	char folder[DEDUP_PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (!len || w->d->nfolders == DEDUP_FOLDERS_MAX)
		return;
	memcpy(folder, path, len);
	folder[len] = '\0';
	for (uint32_t i = 0; i < w->d->nfolders; i++)
		if (!strcmp(w->d->folders[i].path, folder))
			return;
	auto_close int fd = w->opener->open(w->opener->arg, folder, O_RDONLY | O_DIRECTORY, NULL);
	if (fd >= 0)
		dedup_add_folder(w->d, folder, fd);
}

static int open_both(struct dedup *d, const struct path_opener *opener, struct graft_error *err)
{
	struct folder_walk walk = {.d = d, .opener = opener};
	int res = dedup_db_open(&d->writer, d->fd, d->name, true, &writer_limits, err);

	if (!res)
		res = dedup_db_open(&d->reader, d->fd, d->name, false, &reader_limits, err);
	if (res < 0)
		return error_wrap(err, "deduplication database %s", d->path);
	d->open_paths = sees_paths(d);
	if (!d->open_paths)
		dedup_db_each_blob(d->writer, open_folder, &walk);
	return 0;
}

/* fd: taken. */
static struct dedup *dedup_new(int fd, const struct stat *st, const char *path)
{
	struct dedup *d = calloc(1, sizeof(*d));

	if (!d) {
		close(fd);
		return NULL;
	}
	d->fd = fd;
	d->dev = st->st_dev;
	d->ino = st->st_ino;
	d->refs = 1;
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->find_lock, NULL);
	thread_cond_init(&d->work);
	thread_cond_init(&d->collected);
	d->path = strdup(path);
	d->rows = calloc(2 * DEDUP_ROWS_MAX, sizeof(d->rows[0])); /* those that wait, those that are written */
	if (!d->path || !d->rows) {
		dedup_free(d);
		return NULL;
	}
	d->name = strrchr(d->path, '/') + 1;
	return d;
}

/* With the table's lock. */
static struct dedup *table_find(const struct stat *st, const char *name)
{
	struct dedup *d;

	for (d = table.first; d; d = d->next)
		if (d->dev == st->st_dev && d->ino == st->st_ino && !strcmp(d->name, name))
			break;
	return d;
}

int dedup_get(struct dedup **d, int folder, const char *path, const struct path_opener *opener, struct graft_error *err)
{
	auto_close int given = folder;
	const char *slash = strrchr(path, '/');
	struct dedup *made;
	struct stat st;
	int res;

	*d = NULL;
	if (!slash || !slash[1] || strlen(slash + 1) > NAME_MAX || strlen(path) >= DEDUP_PATH_MAX)
		return error_set(err, EINVAL, "deduplication database %.256s: this is no file's path", path);
	if (fstat(given, &st) < 0)
		return error_set(err, errno, "deduplication database %s: %s", path, strerror(errno));
	/* Held until it is open: two mounts that come at once need one database, and nobody else waits here. */
	LOCK_SCOPE(&table.lock);
	*d = table_find(&st, slash + 1);
	if (*d) {
		(*d)->refs++;
		return 0;
	}
	made = dedup_new(steal_fd(&given), &st, path);
	if (!made)
		return error_set(err, ENOMEM, "out of memory");
	res = open_both(made, opener, err);
	if (!res && (res = thread_start(&made->thread, "graftfs-dedup", dedup_writer_run, made)) < 0)
		error_set(err, -res, "deduplication database %s: no thread: %s", path, strerror(-res));
	if (res < 0) {
		dedup_free(made);
		return res;
	}
	made->next = table.first;
	table.first = made;
	*d = made;
	return 0;
}

void dedup_put(struct dedup *d)
{
	struct dedup **at;
	bool last;

	if (!d)
		return;
	pthread_mutex_lock(&table.lock);
	last = --d->refs == 0;
	for (at = &table.first; last && *at; at = &(*at)->next)
		if (*at == d) {
			*at = d->next;
			break;
		}
	pthread_mutex_unlock(&table.lock);
	if (!last)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	dedup_free(d);
}

static void change(struct dedup *d, enum dedup_change what, const struct dedup_key *key, const char *path)
{
	struct dedup_name *n = dedup_name_new(path);

	if (n)
		dedup_push(d, what, key, n, 0);
	dedup_name_put(n);
}

static int read_all(int fd, unsigned char *to, uint32_t len, uint64_t off)
{
	for (uint32_t got = 0; got < len;) {
		ssize_t n = pread(fd, to + got, len - got, (off_t)(off + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		got += (uint32_t)n;
	}
	return 0;
}

/* Rows that turn out to be wrong are taken out. */
static bool take(struct dedup *d, const struct dedup_key *key, const struct dedup_hit *hit, void *to, uint32_t len)
{
	uint8_t digest[RAFS_DIGEST_SIZE];
	auto_close int fd = dedup_source_open(d, hit->path);

	if (fd < 0) {
		if (fd == -ENOENT)
			change(d, DEDUP_FORGET, key, hit->path);
		return false;
	}
	if (hit->off <= (uint64_t)INT64_MAX - len && read_all(fd, to, len, hit->off) == 0 &&
	    digest_of((enum rafs_digester)key->digester, to, len, digest) == 0 &&
	    memcmp(digest, key->digest, sizeof(digest)) == 0)
		return true;
	change(d, DEDUP_REMOVE, key, hit->path);
	return false;
}

bool dedup_find(struct dedup *d, const struct dedup_key *key, const struct dedup_name *mine, void *to, uint32_t len)
{
	bool found = false;
	int n;

	if (atomic_load_explicit(&d->dead, memory_order_relaxed))
		return false;
	auto_free struct dedup_hit *hits = malloc(HITS_MAX * sizeof(*hits));
	if (!hits)
		return false;
	pthread_mutex_lock(&d->find_lock);
	n = dedup_db_find(d->reader, key, hits, HITS_MAX);
	if (n == -EUCLEAN)
		dedup_kill(d, d->reader);
	pthread_mutex_unlock(&d->find_lock);
	for (int i = 0; i < n && !found; i++)
		found = strcmp(hits[i].path, mine->path) != 0 && take(d, key, &hits[i], to, len);
	return found;
}

void dedup_record(struct dedup *d, const struct dedup_key *key, struct dedup_name *file, uint64_t off)
{
	dedup_push(d, DEDUP_ADD, key, file, off);
}
