/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to an image that can be served: bootstrap, cache folder, blobs, reader. */
#include "instance.h"

#include "cache_folder.h"
#include "config_text.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "rafs/blob/bootstrap.h"
#include "rafs/cache/dedup.h"

#include <fcntl.h>
#include <string.h>

/* What is needed while an instance is made. */
struct making {
	struct graft_inst *inst;
	const struct nr_settings *set;
	struct path_opener opener;
	struct graft_error *err;
	bool inlined; /* the bootstrap came out of a blob */
	char *folder; /* of the source */
};

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	const struct graft_inst *inst = arg;
	int fd = inst->host->open(inst->slot, path, flags, NULL);

	return fd < 0 ? error_set(err, -fd, "%s: %s", path, strerror(-fd)) : fd;
}

static void log_text(void *arg, int level, const char *text)
{
	const struct graft_inst *inst = arg;

	inst->host->log(inst->slot, level, "%s", text);
}

/* A relative path is one of nydusd's configuration, and means the directory that the server was started in. */
static int open_cache(struct making *m)
{
	struct graft_inst *inst = m->inst;
	const char *dir = inst->config.cache_dir;
	auto_free char *path = NULL;
	int fd;

	if (!dir)
		return 0;
	if (asprintf(&path, "%s%s", dir[0] == '/' ? "" : "./", dir) < 0) {
		path = NULL;
		return error_set(m->err, ENOMEM, "out of memory");
	}
	fd = cache_folder_open(&m->opener, path, m->err);
	if (fd == -ENOTDIR && !m->set->cache_dir)
		return error_set(m->err, ENOTDIR, "Failed to create device: filecache work_dir %s is not a directory",
				 dir);
	if (fd < 0)
		return fd;
	return cache_dir_get(&inst->cache, fd, path, inst->config.cache_limit, m->err);
}

/* One that is of no use does not stop the mount; where its folder is missing, somebody wanted something else. */
static int open_dedup(struct making *m)
{
	struct graft_inst *inst = m->inst;
	const char *path = m->set->dedup_db;
	struct graft_error why = { 0 };
	int fd, res;

	if (!path)
		return 0;
	if (!inst->cache || inst->config.cache_raw || inst->config.secret.on) {
		inst->host->log(
			inst->slot, GRAFT_LOG_WARN,
			"dedup-db: chunks are shared only from a cache that is neither compressed nor encrypted");
		return 0;
	}
	auto_free char *folder = strdup(path);
	if (!folder)
		return error_set(m->err, ENOMEM, "out of memory");
	char *slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	fd = open_path(inst, folder, O_RDONLY | O_DIRECTORY, NULL);
	if (fd < 0)
		return error_set(m->err, -fd, "dedup-db %s: its directory: %s", path, strerror(-fd));
	res = dedup_get(&inst->dedup, fd, path, &m->opener, &why);
	if (res < 0)
		inst->host->log(inst->slot, GRAFT_LOG_WARN, "dedup-db is not used: %s", why.text);
	return 0;
}

static int source_error(const struct making *m, int code)
{
	const char *source = m->set->source;

	if (code == ENOENT)
		return error_set(m->err, code, "source %s does not exist", source);
	return error_set(m->err, code, "source %s cannot be read: %s", source, strerror(code));
}

static int open_source(struct making *m)
{
	const struct graft_inst *inst = m->inst;
	struct stat st;
	int fd = inst->host->open(inst->slot, m->set->source, O_RDONLY | O_NONBLOCK, NULL);

	if (fd < 0)
		return source_error(m, -fd);
	if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return fd;
	close(fd);
	return error_set(m->err, EINVAL, "source %s is not a file", m->set->source);
}

static int open_image(struct making *m)
{
	struct graft_inst *inst = m->inst;
	auto_close int fd = open_source(m);
	struct rafs_origin origin = { .inlined = false };
	int res;

	if (fd < 0)
		return fd;
	res = bootstrap_find(&origin, fd, m->set->source, inst->cache, m->err);
	if (res < 0)
		return res;
	m->inlined = origin.inlined;
	res = rafs_image_open(&inst->image, &origin, m->err);
	if (res < 0)
		return error_wrap(m->err, "source %s", m->set->source);
	inst->super = rafs_image_super(inst->image);
	return 0;
}

/* Where nobody says where the blobs are: a blob that has its bootstrap inside stands beside the image's others. */
static int find_blobs(struct making *m)
{
	struct graft_inst *inst = m->inst;
	struct backend_spec *b = &inst->config.backend;
	const struct rafs_blob_info *first = inst->super->blobs ? rafs_image_blob(inst->image, 0) : NULL;

	if (b->disable_gpt && inst->super->blobs > 1)
		return error_set(m->err, EINVAL, "disable_gpt: the disk is one blob, and the image has %u",
				 inst->super->blobs);
	if (b->kind != BACKEND_LOCALFS || b->dir || b->file)
		return 0;
	if (first && !m->inlined)
		return error_set(m->err, EINVAL,
				 "key 'blob-dir' (or blob-file) is missing: the directory with the blobs of %s",
				 m->set->source);
	if (first && inst->super->blobs == 1 && !strcmp(first->id, first->meta_id)) {
		b->file = m->set->source;
		return 0;
	}
	m->folder = strdup(m->set->source);
	if (!m->folder)
		return error_set(m->err, ENOMEM, "out of memory");
	char *slash = strrchr(m->folder, '/');
	slash[slash == m->folder] = '\0';
	b->dir = m->folder;
	return 0;
}

static int open_blobs(struct making *m)
{
	struct graft_inst *inst = m->inst;
	int res = find_blobs(m);

	if (res == 0)
		res = backend_open(&inst->backend, &inst->config.backend, &m->opener, m->err);
	if (res == 0 || !inst->config.nydus)
		return res;
	/* nydusd says no more than that; what it was comes behind. */
	return error_wrap(m->err, "Failed to create device: %s",
			  inst->config.backend.kind == BACKEND_LOCALFS ? "Input/output error (os error 5)"
								       : "Invalid argument (os error 22)");
}

static int open_reader(struct making *m)
{
	struct graft_inst *inst = m->inst;
	const struct nr_config *c = &inst->config;
	struct reader_config how = {
		.image = inst->image,
		.backend = inst->backend,
		.cache = inst->cache,
		.cache_raw = c->cache_raw,
		.cache_all = c->cache_all,
		.cache_unmapped = c->cache_unmapped,
		.secret = c->secret,
		.dedup = inst->dedup,
		.validate = inst->super->version == 5 ? c->validate : c->validate_v6,
		.readahead = c->readahead,
		.threads = c->threads,
		.bandwidth = c->bandwidth,
		.log = log_text,
		.arg = inst,
	};

	inst->verify = inst->super->version == 5 && how.validate == READER_VALIDATE_FULL;
	return reader_new(&inst->reader, &how, m->err);
}

/* blocks: what the blobs hold, unpacked; of old images that do not say so, as they are. */
static void fill_statfs(struct graft_inst *inst)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < inst->super->blobs; i++) {
		const struct rafs_blob_info *blob = rafs_image_blob(inst->image, i);
		uint64_t size = blob->u_size ? blob->u_size : blob->c_size;

		if (__builtin_add_overflow(bytes, size, &bytes))
			bytes = UINT64_MAX;
	}
	inst->statfs = (struct fuse_kstatfs){
		.blocks = bytes / NR_BLOCK + (bytes % NR_BLOCK != 0),
		.files = inst->super->inodes,
		.bsize = NR_BLOCK,
		.frsize = NR_BLOCK,
		.namelen = RAFS_NAME_MAX,
	};
}

static void show_counters(struct graft_inst *inst)
{
	static const struct {
		const char *name, *unit;
		size_t offset;
	} rows[] = {
		{ "read-hits", "", offsetof(struct reader_counters, hits) },
		{ "read-misses", "", offsetof(struct reader_counters, misses) },
		{ "fetched-chunks", "", offsetof(struct reader_counters, fetched_chunks) },
		{ "fetched-bytes", "bytes", offsetof(struct reader_counters, fetched_bytes) },
		{ "plain-bytes", "bytes", offsetof(struct reader_counters, plain_bytes) },
		{ "backend-reads", "", offsetof(struct reader_counters, backend_reads) },
		{ "backend-errors", "", offsetof(struct reader_counters, backend_errors) },
		{ "read-ahead-bytes", "bytes", offsetof(struct reader_counters, readahead_bytes) },
		{ "prefetched-bytes", "bytes", offsetof(struct reader_counters, prefetched_bytes) },
		{ "shared-chunks", "", offsetof(struct reader_counters, shared_chunks) },
		{ "shared-bytes", "bytes", offsetof(struct reader_counters, shared_bytes) },
		{ "bad-chunks", "", offsetof(struct reader_counters, bad_chunks) },
		{ "cache-errors", "", offsetof(struct reader_counters, cache_errors) },
	};
	const char *base = (const char *)reader_counters(inst->reader);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		inst->host->metric(inst->slot, rows[i].name, rows[i].unit,
				   (const uint64_t *)(const void *)(base + rows[i].offset));
	inst->host->metric(inst->slot, "pushed-files", "", &inst->pushed_files);
	inst->host->metric(inst->slot, "pushed-bytes", "bytes", &inst->pushed_bytes);
}

static int read_settings(struct making *m)
{
	const struct nr_log log = { log_text, m->inst };
	struct graft_inst *inst = m->inst;
	const char *text = m->set->config;
	size_t len = text ? strlen(text) : 0;

	if (m->set->config_file) {
		if (text)
			return error_set(m->err, EINVAL, "config and config-file are two forms of one key");
		int res = config_text_read(&m->opener, m->set->config_file, &inst->text, &inst->text_len, m->err);
		if (res < 0)
			return res;
		text = inst->text;
		len = inst->text_len;
	}
	return nr_config_settle(&inst->config, m->set, text, len, &log, m->err);
}

static int open_stats(struct making *m)
{
	struct graft_inst *inst = m->inst;

	if (!inst->config.file_stats)
		return 0;
	inst->files = file_stats_new(inst->config.file_stats);
	return inst->files ? 0 : error_set(m->err, ENOMEM, "out of memory");
}

static int set_up(struct making *m)
{
	int res = read_settings(m);

	if (res == 0)
		res = open_cache(m);
	if (res == 0)
		res = open_dedup(m);
	if (res == 0)
		res = open_image(m);
	if (res == 0)
		res = open_blobs(m);
	if (res == 0)
		res = open_reader(m);
	if (res == 0)
		res = open_stats(m);
	free(m->folder);
	nr_config_drop_texts(&m->inst->config);
	return res;
}

int instance_new(struct graft_inst **inst, const struct graft_host *host, struct graft_slot *slot,
		 const struct nr_settings *set, struct graft_error *err)
{
	struct graft_error why = { .code = EIO };
	struct graft_inst *made = calloc(1, sizeof(*made));
	struct making m = { .inst = made, .set = set, .opener = { open_path, made }, .err = &why };

	if (!made)
		return host->fail(err, ENOMEM, "out of memory");
	made->host = host;
	made->slot = slot;
	made->mounted = clock_ns(CLOCK_REALTIME);
	made->uid = geteuid();
	made->gid = getegid();
	if (set_up(&m) < 0) {
		instance_free(made);
		return host->fail(err, why.code, "%s", why.text);
	}
	fill_statfs(made);
	show_counters(made);
	*inst = made;
	return 0;
}

void instance_free(struct graft_inst *inst)
{
	if (inst->reader)
		reader_free(inst->reader);
	if (inst->backend)
		backend_free(inst->backend);
	if (inst->image)
		rafs_image_close(inst->image);
	dedup_put(inst->dedup);
	cache_dir_put(inst->cache);
	file_stats_free(inst->files);
	nr_config_free(&inst->config);
	free(inst->text);
	free(inst);
}

int instance_start(struct graft_inst *inst, struct graft_error *err)
{
	const struct nr_config *c = &inst->config;
	int res;

	if (c->prefetch == NR_PREFETCH_OFF)
		return 0;
	res = reader_prefetch(inst->reader, c->paths, c->npaths, c->prefetch_all);
	if (res < 0)
		return inst->host->fail(err, -res, "prefetch cannot be started: %s", strerror(-res));
	return 0;
}
