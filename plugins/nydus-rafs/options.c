/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a mount of type nydus-rafs. */
#include "options.h"

#include <stddef.h>

#define AT(field) .offset = offsetof(struct nr_settings, field)
#define CHOICE(name, text, field, words)                                                                               \
	{                                                                                                              \
		.key = name, .dflt = "auto", .help = text, .type = GRAFT_OPT_ENUM, AT(field), .choices = words         \
	}
#define MAYBE(name, text, kind, field)                                                                                 \
	{                                                                                                              \
		.key = name, .help = text, .type = kind, AT(field), .optional = 1                                      \
	}

/* In the order of the enums in options.h. */
static const char *const backends[] = { "auto", "localfs", "localdisk", NULL };
static const char *const caches[] = { "auto", "none", "plain", "compressed", NULL };
static const char *const checks[] = { "auto", "none", "crc", "digest", "full", NULL };
static const char *const prefetches[] = { "auto", "off", "table", "list", "all", NULL };

const struct graft_opt nr_options[] = {
	{ .key = "source",
	  .help = "the image: its bootstrap, or a blob with the bootstrap in it",
	  .type = GRAFT_OPT_PATH,
	  AT(source) },
	CHOICE("backend", "where blobs are; auto: localdisk with a device, else localfs", backend, backends),
	MAYBE("blob-dir", "localfs: directory with the blobs, each named by its id", GRAFT_OPT_PATH, blob_dir),
	MAYBE("blob-file", "localfs: the one blob of the image, whatever its name", GRAFT_OPT_PATH, blob_file),
	MAYBE("alt-dirs", "localfs: directory to look in after blob-dir; may repeat", GRAFT_OPT_LIST, alt_dirs),
	MAYBE("device", "localdisk: disk or disk image with a GPT, a partition for each blob", GRAFT_OPT_PATH, device),
	CHOICE("cache", "how fetched data is kept in cache-dir; auto: plain where there is one", cache, caches),
	MAYBE("cache-dir", "directory for what was fetched, in nydusd's layout; made if missing", GRAFT_OPT_PATH,
	      cache_dir),
	{ .key = "cache-limit",
	  .dflt = "0",
	  .help = "bytes that cache-dir may take; the blobs used longest ago go; 0: no limit",
	  .type = GRAFT_OPT_U64,
	  AT(cache_limit) },
	MAYBE("dedup-db", "database, shared with nydusd, of the chunks that this host's caches have", GRAFT_OPT_PATH, dedup_db),
	CHOICE("validate", "how data is checked; auto: crc, or as the JSON of config wants it", validate, checks),
	CHOICE("prefetch", "what is fetched before anybody reads it; auto: the list, if there is one, else nothing",
	       prefetch, prefetches),
	MAYBE("prefetch-list", "file or directory of the image to fetch at the start; may repeat", GRAFT_OPT_LIST,
	      prefetch_list),
	MAYBE("prefetch-files", "the same, as nydusd's API calls it; counts only if its JSON does not forbid it",
	      GRAFT_OPT_LIST, prefetch_files),
	MAYBE("prefetch-limit", "bytes a second that prefetch may fetch; 0: no limit", GRAFT_OPT_U64, prefetch_limit),
	{ .key = "threads",
	  .dflt = "0",
	  .help = "threads that fetch and decode, for all images of the server; 0: by the number of processors",
	  .type = GRAFT_OPT_U64,
	  AT(threads),
	  .max = NR_THREADS_MAX },
	{ .key = "read-ahead",
	  .help = "bytes fetched at most ahead of a sequential reader; 8M if absent; 0: none",
	  .type = GRAFT_OPT_U64,
	  AT(readahead),
	  .max = NR_READAHEAD_MAX,
	  .optional = 1 },
	MAYBE("config", "nydusd's configuration of this image, JSON or TOML; other keys win over it", GRAFT_OPT_STRING,
	      config),
	MAYBE("config-file", "the same in a file", GRAFT_OPT_PATH, config_file),
	{ .key = NULL },
};
