/* SPDX-License-Identifier: Apache-2.0 */
/* INIT: the table of flags and the negotiation. Bits: Linux include/uapi/linux/fuse.h. */
#include "server/fuse/init.h"

#include "server/fuse/decode.h"

#include <errno.h>
#include <unistd.h>

#define MAX_BACKGROUND 65535

enum policy {
	NEVER,
	ALWAYS, /* whenever the client offers it and every mount can */
	KEY,    /* by the transport section's key; auto: when some mount wants it */
	WANTED  /* when some mount wants it */
};

struct flag_row {
	uint64_t flag;
	const char *name;
	uint8_t policy;
	uint8_t key; /* enum config_flag_key, of KEY */
	bool extra;  /* of KEY: the key's `always` does not insist on this one */
};

#define FLAG(x) .flag = FUSE_##x, .name = #x

static const struct flag_row table[] = {
	{ FLAG(ASYNC_READ), ALWAYS },
	{ FLAG(POSIX_LOCKS), KEY, CONFIG_KEY_LOCKS },
	{ FLAG(FILE_OPS), NEVER },
	/* The client would send O_TRUNC before it knows whether the open may be: ETXTBSY would come after the file is empty. */
	{ FLAG(ATOMIC_O_TRUNC), NEVER },
	{ FLAG(EXPORT_SUPPORT), NEVER },
	{ FLAG(BIG_WRITES), ALWAYS },
	{ FLAG(DONT_MASK), KEY, CONFIG_KEY_POSIX_ACL },
	{ FLAG(SPLICE_WRITE), NEVER },
	{ FLAG(SPLICE_MOVE), NEVER },
	{ FLAG(SPLICE_READ), NEVER },
	{ FLAG(FLOCK_LOCKS), KEY, CONFIG_KEY_LOCKS },
	{ FLAG(HAS_IOCTL_DIR), ALWAYS },
	{ FLAG(AUTO_INVAL_DATA), ALWAYS },
	{ FLAG(DO_READDIRPLUS), KEY, CONFIG_KEY_READDIRPLUS },
	{ FLAG(READDIRPLUS_AUTO), KEY, CONFIG_KEY_READDIRPLUS, true },
	{ FLAG(ASYNC_DIO), ALWAYS },
	{ FLAG(WRITEBACK_CACHE), KEY, CONFIG_KEY_WRITEBACK },
	{ FLAG(NO_OPEN_SUPPORT), KEY, CONFIG_KEY_NO_OPEN },
	{ FLAG(PARALLEL_DIROPS), ALWAYS },
	{ FLAG(HANDLE_KILLPRIV), NEVER },
	{ FLAG(POSIX_ACL), KEY, CONFIG_KEY_POSIX_ACL },
	{ FLAG(ABORT_ERROR), NEVER },
	{ FLAG(MAX_PAGES), ALWAYS },
	{ FLAG(CACHE_SYMLINKS), WANTED },
	{ FLAG(NO_OPENDIR_SUPPORT), KEY, CONFIG_KEY_NO_OPEN, true },
	{ FLAG(EXPLICIT_INVAL_DATA), NEVER },
	{ FLAG(MAP_ALIGNMENT), NEVER },
	{ FLAG(SUBMOUNTS), KEY, CONFIG_KEY_SUBMOUNTS },
	{ FLAG(HANDLE_KILLPRIV_V2), KEY, CONFIG_KEY_KILLPRIV_V2 },
	{ FLAG(SETXATTR_EXT), KEY, CONFIG_KEY_POSIX_ACL },
	{ FLAG(INIT_EXT), ALWAYS },
	{ FLAG(SECURITY_CTX), KEY, CONFIG_KEY_SECURITY_LABEL },
	{ FLAG(HAS_INODE_DAX), NEVER },
	{ FLAG(CREATE_SUPP_GROUP), ALWAYS },
	{ FLAG(HAS_EXPIRE_ONLY), NEVER },
	{ FLAG(DIRECT_IO_ALLOW_MMAP), KEY, CONFIG_KEY_ALLOW_MMAP },
	{ FLAG(PASSTHROUGH), KEY, CONFIG_KEY_PASSTHROUGH },
	{ FLAG(NO_EXPORT_SUPPORT), NEVER },
	{ FLAG(HAS_RESEND), NEVER },
	{ FLAG(ALLOW_IDMAP), ALWAYS },
	{ FLAG(OVER_IO_URING), NEVER },
	{ FLAG(REQUEST_TIMEOUT), NEVER },
};

#define ROWS (sizeof(table) / sizeof(table[0]))

/* ACLs make the server apply the umask and clear set-group-id: one without the others would be wrong. */
#define ACL_FLAGS ((uint64_t)(FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT))

#define BOTH_CACHES (FUSE_WRITEBACK_CACHE | FUSE_PASSTHROUGH)

/* Files behind a client's may lie on a plain file system; and an overlay may still be laid over the client's mount. */
#define STACK_DEPTH 1

const char *init_flag_name(uint64_t flag)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (table[i].flag == flag)
			return table[i].name;
	}
	return "?";
}

/* Flags that are taken if the client and all mounts allow. A mount asks for ACLs by naming POSIX_ACL alone. */
static bool asked_for(const struct flag_row *row, const struct init_policy *p)
{
	uint64_t want = p->want & ACL_FLAGS ? p->want | ACL_FLAGS : p->want;

	bool insisted = p->need & row->flag || (row->policy == KEY && p->keys[row->key] == CONFIG_FLAG_ALWAYS);

	if (p->portable && !insisted && !(row->flag & INIT_PORTABLE))
		return false;
	switch ((enum policy)row->policy) {
	case ALWAYS:
		return true;
	case KEY:
		if (p->keys[row->key] != CONFIG_FLAG_AUTO)
			return p->keys[row->key] == CONFIG_FLAG_ALWAYS;
		return want & row->flag;
	case WANTED:
		return want & row->flag;
	case NEVER:
	default:
		return false;
	}
}

/* The kernel can only have one of the two: what some mount or key insists on, else writeback, which somebody asked for. */
static uint64_t without(const struct init_policy *p)
{
	bool insisted = p->keys[CONFIG_KEY_PASSTHROUGH] == CONFIG_FLAG_ALWAYS &&
			p->keys[CONFIG_KEY_WRITEBACK] != CONFIG_FLAG_ALWAYS && !(p->need & FUSE_WRITEBACK_CACHE);

	return insisted ? FUSE_WRITEBACK_CACHE : FUSE_PASSTHROUGH;
}

static uint64_t enable(uint64_t offered, const struct init_policy *p)
{
	uint64_t enabled = 0;

	for (size_t i = 0; i < ROWS; i++) {
		if (asked_for(&table[i], p))
			enabled |= table[i].flag;
	}
	enabled &= offered & p->can;
	if ((enabled & BOTH_CACHES) == BOTH_CACHES)
		enabled &= ~without(p);
	if ((enabled & ACL_FLAGS) != ACL_FLAGS)
		enabled &= ~ACL_FLAGS;
	if (!(enabled & FUSE_DO_READDIRPLUS))
		enabled &= ~(uint64_t)FUSE_READDIRPLUS_AUTO;
	return enabled;
}

static int check_missing(uint64_t offered, uint64_t enabled, const struct init_policy *p, struct graft_error *err)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct flag_row *row = &table[i];
		bool forced = row->policy == KEY && !row->extra && p->keys[row->key] == CONFIG_FLAG_ALWAYS;

		if (enabled & row->flag || (!forced && !(p->need & row->flag)))
			continue;
		return error_set(err, EPROTO, "INIT refused: FUSE_%s is %s and %s", row->name,
				 forced ? "set to always" : "needed by a mount",
				 offered & row->flag ? "cannot be served here" : "not offered by the client");
	}
	return 0;
}

static void fill_out(struct fuse_init_out *out, const struct fuse_init_in *in, uint64_t enabled)
{
	out->minor = in->minor < INIT_MINOR ? in->minor : INIT_MINOR;
	out->max_readahead = in->max_readahead;
	out->flags = (uint32_t)enabled;
	out->flags2 = (uint32_t)(enabled >> 32);
	out->max_background = MAX_BACKGROUND;
	out->congestion_threshold = MAX_BACKGROUND / 4 * 3;
	out->max_write = DECODE_MAX_WRITE;
	out->time_gran = 1;
	if (enabled & FUSE_PASSTHROUGH)
		graft_init_out_set_stack_depth(out, STACK_DEPTH);
	out->max_pages = (uint16_t)(DECODE_MAX_WRITE / (uint32_t)sysconf(_SC_PAGESIZE));
}

int init_negotiate(const struct fuse_init_in *in, const struct init_policy *policy, struct fuse_init_out *out,
		   uint64_t *enabled, struct graft_error *err)
{
	uint64_t offered = in->flags;

	*out = (struct fuse_init_out){ .major = FUSE_KERNEL_VERSION, .minor = INIT_MINOR };
	if (in->major > FUSE_KERNEL_VERSION)
		return 1;
	if (in->major < FUSE_KERNEL_VERSION || in->minor < INIT_MINOR_MIN)
		return error_set(err, EPROTO, "INIT refused: the client speaks FUSE %u.%u, 7.%u is the oldest served",
				 in->major, in->minor, INIT_MINOR_MIN);
	if (in->flags & FUSE_INIT_EXT)
		offered |= (uint64_t)in->flags2 << 32;
	*enabled = enable(offered, policy);
	int res = check_missing(offered, *enabled, policy, err);
	if (res)
		return res;
	fill_out(out, in, *enabled);
	return 0;
}
