/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v6: extended attributes (reference 2.8, 8). */
#include "v6.h"

#include <errno.h>

#define HEADER 12 /* bytes of the area, before ids of shared attributes and entries */
#define ENTRY 4   /* bytes before an entry's name, and what entries are aligned to */
#define NAME_MAX_FULL 255

/* What an entry's index puts before its name. */
struct prefix {
	const char *name;
	bool whole; /* the name is complete: the entry's own is empty */
};

static const struct prefix prefixes[] = {
	[1] = { "user.", false },
	[2] = { "system.posix_acl_access", true },
	[3] = { "system.posix_acl_default", true },
	[4] = { "trusted.", false },
	[6] = { "security.", false },
};

/* One attribute, where it lies. */
struct attr {
	const char *prefix;
	const unsigned char *name, *value;
	size_t prefix_len, name_len, value_len; /* bytes */
};

/* An inode's attributes one after the other. */
struct walk {
	const unsigned char *area;
	uint64_t size, pos; /* bytes */
	bool shared;        /* there are more, in an area that no RAFS image has */
};

static int walk_start(const struct rafs_image *image, const struct rafs_inode *inode, struct walk *w)
{
	*w = (struct walk){ .area = meta_bytes(image, inode->xattr_at, inode->xattr_size), .size = inode->xattr_size };
	if (!w->area || w->size < HEADER)
		return -EUCLEAN;
	w->shared = w->area[4] != 0;
	w->pos = HEADER + UINT64_C(4) * w->area[4];
	return w->pos <= w->size ? 0 : -EUCLEAN;
}

/* 1 and the next attribute, 0 at the end, -EUCLEAN. */
static int walk_next(struct walk *w, struct attr *a)
{
	const unsigned char *e = w->area + w->pos;
	uint64_t left = w->size - w->pos, len;

	if (!left)
		return 0;
	if (left < ENTRY || e[1] >= sizeof(prefixes) / sizeof(prefixes[0]) || !prefixes[e[1]].name)
		return -EUCLEAN;
	*a = (struct attr){
		.prefix = prefixes[e[1]].name,
		.prefix_len = strlen(prefixes[e[1]].name),
		.name = e + ENTRY,
		.name_len = e[0],
		.value_len = bytes_u16(e + 2),
	};
	a->value = a->name + a->name_len;
	len = ENTRY + a->name_len + a->value_len;
	if (len > left || prefixes[e[1]].whole != (a->name_len == 0) || memchr(a->name, '\0', a->name_len) ||
	    a->prefix_len + a->name_len > NAME_MAX_FULL)
		return -EUCLEAN;
	len = bytes_round_up(len, ENTRY);
	w->pos = len < left ? w->pos + len : w->size;
	return 1;
}

static bool is_named(const struct attr *a, const char *name, size_t len)
{
	return len == a->prefix_len + a->name_len && !memcmp(name, a->prefix, a->prefix_len) &&
	       !memcmp(name + a->prefix_len, a->name, a->name_len);
}

int64_t v6_xattr_get(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
		     size_t room)
{
	size_t len = strlen(name);
	struct walk w;
	struct attr a;
	int res = walk_start(image, inode, &w);

	if (res < 0)
		return res;
	while ((res = walk_next(&w, &a)) > 0) {
		int64_t have;

		if (!is_named(&a, name, len))
			continue;
		have = meta_xattr_room(a.value_len, room);
		if (have > 0 && room)
			memcpy(to, a.value, a.value_len);
		return have;
	}
	/* A shared one may have been meant. */
	return res < 0 || w.shared ? -EUCLEAN : -ENODATA;
}

/* Adds a full name and its NUL at to + at, where there is room. */
static void add_name(const struct attr *a, char *to, size_t at, size_t room)
{
	size_t len = a->prefix_len + a->name_len + 1;

	if (!bytes_within(at, len, room))
		return;
	memcpy(to + at, a->prefix, a->prefix_len);
	memcpy(to + at + a->prefix_len, a->name, a->name_len);
	to[at + len - 1] = '\0';
}

int64_t v6_xattr_list(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room)
{
	size_t have = 0;
	struct walk w;
	struct attr a;
	int res = walk_start(image, inode, &w);

	if (res < 0)
		return res;
	while ((res = walk_next(&w, &a)) > 0) {
		add_name(&a, to, have, room);
		have += a.prefix_len + a.name_len + 1;
	}
	/* What can be read is shown, unless there is nothing. */
	if (!have && (res < 0 || w.shared))
		return -EUCLEAN;
	return meta_xattr_room(have, room);
}
