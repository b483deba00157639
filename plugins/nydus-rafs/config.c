/* SPDX-License-Identifier: Apache-2.0 */
/* Puts keys and nydusd's JSON text together: where both speak, the key holds. */
#include "config.h"

#include "rafs/codec/codec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool given(uint64_t number)
{
	return number != UINT64_MAX;
}

/* Any key that says where blobs are takes the JSON's whole backend away: half of each would be neither. */
static int settle_backend(struct nr_config *c, const struct nr_settings *set, struct graft_error *err)
{
	const struct config_json *json = &c->json;
	bool files = set->blob_dir || set->blob_file || set->alt_dirs.count;
	bool disk = set->backend == NR_OPT_BACKEND_LOCALDISK || (set->backend == NR_OPT_BACKEND_AUTO && set->device);
	struct backend_spec *b = &c->backend;

	if (set->device && !disk)
		return error_set(err, EINVAL, "device is for backend = localdisk");
	if (files && disk)
		return error_set(err, EINVAL, "blob-dir, blob-file and alt-dirs are for backend = localfs");
	if (disk && !set->device)
		return error_set(err, EINVAL, "key 'device' is missing: the disk with the image's blobs");
	if (set->alt_dirs.count > CONFIG_JSON_DIRS_MAX)
		return error_set(err, EINVAL, "more than %d alt-dirs", CONFIG_JSON_DIRS_MAX);
	for (size_t i = 0; i < set->alt_dirs.count; i++)
		if (set->alt_dirs.items[i][0] != '/')
			return error_set(err, EINVAL, "alt-dirs = %s: must be an absolute path",
					 set->alt_dirs.items[i]);
	if (files || disk || set->backend != NR_OPT_BACKEND_AUTO || !json->backend) {
		*b = (struct backend_spec){
			.kind = disk ? BACKEND_LOCALDISK : BACKEND_LOCALFS,
			.dir = set->blob_dir,
			.file = set->blob_file,
			.alt_dirs = set->alt_dirs.items,
			.alt_count = (uint32_t)set->alt_dirs.count,
			.device = set->device,
		};
		return 0;
	}
	*b = (struct backend_spec){
		.kind = strcmp(json->backend, "localdisk") ? BACKEND_LOCALFS : BACKEND_LOCALDISK,
		.dir = json->dir,
		.file = json->blob_file,
		.alt_dirs = json->alt_dirs,
		.alt_count = json->alt_count,
		.device = json->device,
		.disable_gpt = json->disable_gpt,
	};
	if (b->kind == BACKEND_LOCALDISK && !b->device)
		return error_set(err, EINVAL, "Failed to load config: device_path is missing: the disk with the blobs");
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
	if (!hex || strlen(hex) != 2 * CODEC_KEY)
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
static int settle_secret(struct nr_config *c, void (*warn)(void *arg, const char *text), void *arg,
			 struct graft_error *err)
{
	if (!c->json.encrypted || !c->cache_dir)
		return 0;
	/* nydusd wants it for convergent encryption too, which does not use it. */
	if (!read_key(c->json.encryption_key, c->secret.key))
		return error_set(err, EINVAL,
				 "Failed to create device: Invalid argument (os error 22): encryption_key must be %d "
				 "hexadecimal digits in two halves that differ",
				 2 * CODEC_KEY);
	if (c->cache_raw) {
		warn(arg, "config: enable_encryption: a compressed cache is not encrypted, as with nydusd");
		memset(&c->secret, 0, sizeof(c->secret));
		return 0;
	}
	c->secret.on = true;
	c->secret.convergent = c->json.convergent;
	return 0;
}

/* nydusd's work_dir may be relative, and is the current directory where it is not given. */
static int make_absolute(struct nr_config *c, struct graft_error *err)
{
	char here[PATH_MAX];

	if (!getcwd(here, sizeof(here)) || here[0] != '/')
		return error_set(err, ENOENT, "work_dir %.256s: the current directory cannot be found", c->cache_dir);
	if (asprintf(&c->own_dir, "%s/%s", here, c->cache_dir) < 0) {
		c->own_dir = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	c->cache_dir = c->own_dir;
	return 0;
}

static int settle_cache(struct nr_config *c, const struct nr_settings *set, struct graft_error *err)
{
	const struct config_json *json = &c->json;
	bool json_cache = json->cache && json->cache[0];

	c->cache_limit = set->cache_limit;
	c->cache_raw = set->cache == NR_OPT_CACHE_COMPRESSED ||
		       (set->cache == NR_OPT_CACHE_AUTO && json_cache && json->compressed);
	if (set->cache == NR_OPT_CACHE_NONE)
		return 0;
	c->cache_dir = set->cache_dir ? set->cache_dir : json_cache ? json->work_dir : NULL;
	if (c->cache_dir && c->cache_dir[0] != '/')
		return make_absolute(c, err);
	c->cache_all = set->cache == NR_OPT_CACHE_AUTO && !set->cache_dir && json_cache;
	if (c->cache_dir)
		return 0;
	if (set->cache != NR_OPT_CACHE_AUTO)
		return error_set(err, EINVAL, "cache = %s needs a directory: key 'cache-dir' is missing",
				 c->cache_raw ? "compressed" : "plain");
	return 0;
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
	c->validate = c->json.cache_validate ? READER_VALIDATE_DIGEST : READER_VALIDATE_CRC;
	c->validate_v6 = c->json.validate ? READER_VALIDATE_DIGEST : c->validate;
	if (c->json.validate)
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

/* By lists and JSON alone. What the API calls prefetch_files counts, as with nydusd, unless its JSON says no. */
static uint32_t prefetch_wanted(struct nr_config *c, const struct nr_settings *set)
{
	const struct config_prefetch *json = &c->json.prefetch;

	if (json->given && !json->enable && !set->prefetch_list.count)
		return NR_PREFETCH_OFF;
	c->prefetch_all = json->enable && json->all;
	if (c->npaths)
		return NR_PREFETCH_LIST;
	return json->enable ? NR_PREFETCH_TABLE : NR_PREFETCH_OFF;
}

static int settle_prefetch(struct nr_config *c, const struct nr_settings *set, struct graft_error *err)
{
	const struct config_json *json = &c->json;
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
	c->bandwidth = json->cache_prefetch.given ? json->cache_prefetch.bandwidth : json->prefetch.bandwidth;
	if (given(set->prefetch_limit))
		c->bandwidth = set->prefetch_limit;
	return 0;
}

/* amplify_io is how much nydusd reads for a small request; here whole chunks are, and more ahead of whoever reads on.
 */
static void settle_readahead(struct nr_config *c, const struct nr_settings *set)
{
	uint64_t amplify = c->json.amplify;

	c->readahead = NR_READAHEAD;
	if (given(set->readahead))
		c->readahead = (uint32_t)set->readahead;
	else if (!amplify)
		c->readahead = 0;
	else if (given(amplify) && amplify > NR_READAHEAD)
		c->readahead = (uint32_t)(amplify < NR_READAHEAD_MAX ? amplify : NR_READAHEAD_MAX);
}

int nr_config_settle(struct nr_config *c, const struct nr_settings *set, void (*warn)(void *arg, const char *text),
		     void *arg, struct graft_error *err)
{
	int res = 0;

	memset(c, 0, sizeof(*c));
	c->json.amplify = UINT64_MAX;
	if (set->config)
		res = config_json_read(&c->json, set->config, warn, arg, err);
	if (res == 0)
		res = settle_backend(c, set, err);
	if (res == 0)
		res = settle_cache(c, set, err);
	if (res == 0)
		res = settle_secret(c, warn, arg, err);
	if (res == 0)
		res = settle_prefetch(c, set, err);
	settle_validate(c, set);
	settle_readahead(c, set);
	c->threads = (uint32_t)set->threads;
	return res;
}

void nr_config_free(struct nr_config *c)
{
	free(c->paths);
	free(c->own_dir);
	config_json_free(&c->json);
	explicit_bzero(&c->secret, sizeof(c->secret));
	memset(c, 0, sizeof(*c));
}
