/* SPDX-License-Identifier: Apache-2.0 */
/* Puts keys and nydusd's configuration together: where both speak, the key holds. */
#include "config.h"

#include "file_stats.h"
#include "rafs/codec/codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool given(uint64_t number)
{
	return number != UINT64_MAX;
}

/* Stands for a configuration that nobody gave. */
static const struct nydus_config nothing;

static const struct nydus_config *nydus_of(const struct nr_config *c)
{
	return c->nydus ? c->nydus : &nothing;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int take_alt_dirs(struct nr_config *c, const json_t *dirs, struct graft_error *err)
{
	size_t n = nydus_config_count(dirs);
	struct backend_spec *b = &c->backend;

	if (n > NR_DIRS_MAX)
		return error_set(err, EINVAL, "Failed to load config: more than %d alt_dirs", NR_DIRS_MAX);
	c->alt_dirs = n ? calloc(n, sizeof(*c->alt_dirs)) : NULL;
	if (n && !c->alt_dirs)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (nydus_config_item(dirs, i)[0])
			c->alt_dirs[b->alt_count++] = nydus_config_item(dirs, i);
	b->alt_dirs = c->alt_dirs;
	b->alt_may_miss = true;
	return 0;
}

static int take_backend(struct nr_config *c, struct graft_error *err)
{
	const struct nydus_backend *n = &c->nydus->backend;

	if (!strcmp(n->type, "localdisk")) {
		c->backend = (struct backend_spec){
			.kind = BACKEND_LOCALDISK,
			.device = or_null(n->localdisk.device_path),
			.disable_gpt = n->localdisk.disable_gpt,
		};
		return 0;
	}
	c->backend = (struct backend_spec){
		.kind = BACKEND_LOCALFS,
		.dir = or_null(n->localfs.dir),
		.file = or_null(n->localfs.blob_file),
	};
	return take_alt_dirs(c, n->localfs.alt_dirs, err);
}

/* Any key that says where blobs are takes the configuration's whole backend away: half of each would be neither. */
static int settle_backend(struct nr_config *c, const struct nr_settings *set, struct graft_error *err)
{
	bool files = set->blob_dir || set->blob_file || set->alt_dirs.count;
	bool disk = set->backend == NR_OPT_BACKEND_LOCALDISK || (set->backend == NR_OPT_BACKEND_AUTO && set->device);

	if (set->device && !disk)
		return error_set(err, EINVAL, "device is for backend = localdisk");
	if (files && disk)
		return error_set(err, EINVAL, "blob-dir, blob-file and alt-dirs are for backend = localfs");
	if (disk && !set->device)
		return error_set(err, EINVAL, "key 'device' is missing: the disk with the image's blobs");
	if (set->alt_dirs.count > NR_DIRS_MAX)
		return error_set(err, EINVAL, "more than %d alt-dirs", NR_DIRS_MAX);
	for (size_t i = 0; i < set->alt_dirs.count; i++)
		if (set->alt_dirs.items[i][0] != '/')
			return error_set(err, EINVAL, "alt-dirs = %s: must be an absolute path",
					 set->alt_dirs.items[i]);
	if (c->nydus && !files && !disk && set->backend == NR_OPT_BACKEND_AUTO)
		return take_backend(c, err);
	c->backend = (struct backend_spec){
		.kind = disk ? BACKEND_LOCALDISK : BACKEND_LOCALFS,
		.dir = set->blob_dir,
		.file = set->blob_file,
		.alt_dirs = set->alt_dirs.items,
		.alt_count = (uint32_t)set->alt_dirs.count,
		.device = set->device,
	};
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_key(const char *hex, uint8_t key[CODEC_KEY])
{
	if (strlen(hex) != 2 * CODEC_KEY)
		return false;
	for (int i = 0; i < CODEC_KEY; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8_t)(high << 4 | low);
	}
	return codec_key_ok(key);
}

/* Of nydusd's text only: the key is no option, which anybody could read in a dumped configuration. */
static int settle_secret(struct nr_config *c, const struct nr_log *log, struct graft_error *err)
{
	const struct nydus_filecache *files = c->nydus ? &c->nydus->cache.filecache : NULL;

	if (!files || !files->enable_encryption || !c->cache_dir)
		return 0;
	/* nydusd wants it for convergent encryption too, which does not use it. */
	if (!read_key(files->encryption_key, c->secret.key))
		return error_set(err, EINVAL,
				 "Failed to create device: Invalid argument (os error 22): encryption_key must be %d "
				 "hexadecimal digits in two halves that differ",
				 2 * CODEC_KEY);
	if (c->cache_raw) {
		log->say(log->arg, GRAFT_LOG_WARN,
			 "config: enable_encryption: a compressed cache is not encrypted, as with nydusd");
		memset(&c->secret, 0, sizeof(c->secret));
		return 0;
	}
	c->secret.on = true;
	c->secret.convergent = files->enable_convergent_encryption;
	return 0;
}

static bool caches_files(const struct nydus_cache *cache)
{
	return !strcmp(cache->type, "blobcache") || !strcmp(cache->type, "filecache");
}

static int settle_cache(struct nr_config *c, const struct nr_settings *set, struct graft_error *err)
{
	const struct nydus_cache *cache = &nydus_of(c)->cache;
	bool files = c->nydus && caches_files(cache);

	c->cache_limit = set->cache_limit;
	c->cache_raw = set->cache == NR_OPT_CACHE_COMPRESSED ||
		       (set->cache == NR_OPT_CACHE_AUTO && files && cache->compressed);
	if (set->cache == NR_OPT_CACHE_NONE)
		return 0;
	c->cache_dir = set->cache_dir ? set->cache_dir : files ? cache->filecache.work_dir : NULL;
	c->cache_unmapped = files && cache->filecache.disable_indexed_map;
	c->cache_all = set->cache == NR_OPT_CACHE_AUTO && !set->cache_dir && files;
	if (c->cache_dir || set->cache == NR_OPT_CACHE_AUTO)
		return 0;
	return error_set(err, EINVAL, "cache = %s needs a directory: key 'cache-dir' is missing",
			 c->cache_raw ? "compressed" : "plain");
}

/* v6 has no digests of inodes, so that digest_validate can mean no more than the digests of chunks there. */
static void settle_validate(struct nr_config *c, const struct nr_settings *set)
{
	static const uint32_t by_key[] = {
		[NR_OPT_VALIDATE_NONE] = READER_VALIDATE_NONE,
		[NR_OPT_VALIDATE_CRC] = READER_VALIDATE_CRC,
		[NR_OPT_VALIDATE_DIGEST] = READER_VALIDATE_DIGEST,
		[NR_OPT_VALIDATE_FULL] = READER_VALIDATE_FULL,
	};

	if (set->validate != NR_OPT_VALIDATE_AUTO) {
		c->validate = c->validate_v6 = by_key[set->validate];
		return;
	}
	c->validate = nydus_of(c)->cache.validate ? READER_VALIDATE_DIGEST : READER_VALIDATE_CRC;
	c->validate_v6 = nydus_of(c)->rafs.validate ? READER_VALIDATE_DIGEST : c->validate;
	if (nydus_of(c)->rafs.validate)
		c->validate = READER_VALIDATE_FULL;
}

static int add_paths(struct nr_config *c, const struct graft_list *list, const char *key, struct graft_error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i][0] != '/')
			return error_set(err, EINVAL, "%s: '%s' is not an absolute path: invalid prefetch file list",
					 key, list->items[i]);
		c->paths[c->npaths++] = list->items[i];
	}
	return 0;
}

static int collect_paths(struct nr_config *c, const struct nr_settings *set, struct graft_error *err)
{
	size_t n = set->prefetch_list.count + set->prefetch_files.count;
	int res;

	if (!n)
		return 0;
	c->paths = reallocarray(NULL, n, sizeof(*c->paths));
	if (!c->paths)
		return error_set(err, ENOMEM, "out of memory");
	res = add_paths(c, &set->prefetch_list, "prefetch-list", err);
	return res == 0 ? add_paths(c, &set->prefetch_files, "prefetch-files", err) : res;
}

/* By lists and configuration alone. What the API calls prefetch_files counts, as with nydusd, unless that says no. */
static uint32_t prefetch_wanted(struct nr_config *c, const struct nr_settings *set)
{
	const struct nydus_prefetch *wanted = &nydus_of(c)->rafs.prefetch;

	if (wanted->given && !wanted->enable && !set->prefetch_list.count)
		return NR_PREFETCH_OFF;
	c->prefetch_all = wanted->enable && wanted->prefetch_all;
	/* The one path of nydusd that means everything: by blobs, without a walk over the files. */
	if (c->npaths == 1 && set->prefetch_files.count == 1 && strcmp(c->paths[0], "/") == 0) {
		c->npaths = 0;
		c->prefetch_all = true;
		return NR_PREFETCH_TABLE;
	}
	if (c->npaths)
		return NR_PREFETCH_LIST;
	return wanted->enable ? NR_PREFETCH_TABLE : NR_PREFETCH_OFF;
}

static int settle_prefetch(struct nr_config *c, const struct nr_settings *set, struct graft_error *err)
{
	const struct nydus_config *nydus = nydus_of(c);
	int res = collect_paths(c, set, err);

	if (res < 0)
		return res;
	switch ((enum nr_opt_prefetch)set->prefetch) {
	case NR_OPT_PREFETCH_OFF:
		c->prefetch = NR_PREFETCH_OFF;
		break;
	case NR_OPT_PREFETCH_TABLE:
		if (c->npaths)
			return error_set(err, EINVAL, "prefetch = table does not go with a list; list does");
		c->prefetch = NR_PREFETCH_TABLE;
		break;
	case NR_OPT_PREFETCH_LIST:
		if (!c->npaths)
			return error_set(err, EINVAL, "prefetch = list: key 'prefetch-list' is missing");
		c->prefetch = NR_PREFETCH_LIST;
		break;
	case NR_OPT_PREFETCH_ALL:
		c->prefetch = c->npaths ? NR_PREFETCH_LIST : NR_PREFETCH_TABLE;
		c->prefetch_all = true;
		break;
	case NR_OPT_PREFETCH_AUTO:
	default:
		c->prefetch = prefetch_wanted(c, set);
		break;
	}
	c->bandwidth = nydus->cache.prefetch.given ? nydus->cache.prefetch.bandwidth_limit
						   : nydus->rafs.prefetch.bandwidth_limit;
	if (given(set->prefetch_limit))
		c->bandwidth = set->prefetch_limit;
	return 0;
}

/*
 * amplify_io is how much nydusd reads for a small request; here whole chunks are, and more ahead of whoever reads on.
 * readahead of localfs asked for that in nydusd's older versions.
 */
static void settle_readahead(struct nr_config *c, const struct nr_settings *set)
{
	uint64_t amplify = c->nydus ? c->nydus->rafs.batch_size : NR_READAHEAD;

	c->readahead = NR_READAHEAD;
	if (given(set->readahead))
		c->readahead = (uint32_t)set->readahead;
	else if (!amplify)
		c->readahead = json_is_true(nydus_of(c)->backend.localfs.readahead) ? NR_READAHEAD : 0;
	else if (amplify > NR_READAHEAD)
		c->readahead = (uint32_t)(amplify < NR_READAHEAD_MAX ? amplify : NR_READAHEAD_MAX);
}

static void settle_stats(struct nr_config *c)
{
	const struct nydus_rafs *rafs = &nydus_of(c)->rafs;

	c->file_stats = (rafs->iostats_files ? FILE_STATS_COUNTS : 0) |
			(rafs->access_pattern ? FILE_STATS_PATTERN : 0) |
			(rafs->latest_read_files ? FILE_STATS_LATEST : 0);
}

static void tell(const struct nydus_config *n, const struct nr_log *log)
{
	char text[640];

	if (n->unused[0]) {
		snprintf(text, sizeof(text), "config: not used here: %s", n->unused);
		log->say(log->arg, GRAFT_LOG_WARN, text);
	}
	if (n->idmap.given)
		log->say(log->arg, GRAFT_LOG_INFO, "config: id_mapping is the work of the layer idmap");
	if (n->overlay.given)
		log->say(log->arg, GRAFT_LOG_INFO, "config: overlay is the work of the layer overlay");
}

static int read_nydus(struct nr_config *c, const char *text, size_t len, const struct nr_log *log,
		      struct graft_error *err)
{
	int res = nydus_config_read(&c->nydus, text, len, err);

	if (res < 0)
		return error_wrap(err, "Failed to load config");
	res = nydus_config_mountable(c->nydus, err);
	if (res < 0)
		return res;
	tell(c->nydus, log);
	return 0;
}

int nr_config_settle(struct nr_config *c, const struct nr_settings *set, const char *text, size_t len,
		     const struct nr_log *log, struct graft_error *err)
{
	int res = 0;

	memset(c, 0, sizeof(*c));
	if (text)
		res = read_nydus(c, text, len, log, err);
	if (res < 0)
		return res;
	res = settle_backend(c, set, err);
	if (res == 0)
		res = settle_cache(c, set, err);
	if (res == 0)
		res = settle_secret(c, log, err);
	if (res == 0)
		res = settle_prefetch(c, set, err);
	settle_validate(c, set);
	settle_readahead(c, set);
	settle_stats(c);
	c->threads = (uint32_t)set->threads;
	return res;
}

void nr_config_drop_texts(struct nr_config *c)
{
	c->backend = (struct backend_spec){ .kind = c->backend.kind };
	c->cache_dir = NULL;
	free(c->alt_dirs);
	c->alt_dirs = NULL;
	nydus_config_free(c->nydus);
	c->nydus = NULL;
	explicit_bzero(&c->secret, sizeof(c->secret));
}

void nr_config_free(struct nr_config *c)
{
	nr_config_drop_texts(c);
	free(c->paths);
	memset(c, 0, sizeof(*c));
}
