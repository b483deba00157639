/* SPDX-License-Identifier: Apache-2.0 */
/* Merged listings: read whole when a directory is listed from its beginning, so that places to go on at stay good. */
#include "list.h"

#include "lower.h"
#include "node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536
#define LIST_BYTES_MAX (UINT64_C(64) << 20)   /* of one listing */
#define LISTS_BYTES_MAX (UINT64_C(512) << 20) /* of all that are open in a mount */
#define ENTRIES_FIRST 64

static struct ov_list *new_list(struct graft_inst *inst)
{
	struct ov_list *l = calloc(1, sizeof(*l));

	if (l) {
		l->refs = 1;
		l->inst = inst;
	}
	return l;
}

void ov_list_free(struct ov_list *l)
{
	if (!l)
		return;
	atomic_fetch_sub_explicit(&l->inst->list_bytes, l->names_room + l->room * sizeof(*l->entries),
				  memory_order_relaxed);
	free(l->entries);
	free(l->names);
	free(l);
}

/* More memory, where the mount's listings may have it. */
static void *grow(struct ov_list *l, void *old, uint64_t old_bytes, uint64_t bytes)
{
	uint64_t more = bytes - old_bytes;
	void *p = NULL;

	if (bytes > LIST_BYTES_MAX)
		return NULL;
	if (atomic_fetch_add_explicit(&l->inst->list_bytes, more, memory_order_relaxed) + more <= LISTS_BYTES_MAX)
		p = realloc(old, bytes);
	if (!p)
		atomic_fetch_sub_explicit(&l->inst->list_bytes, more, memory_order_relaxed);
	return p;
}

static int add(struct ov_list *l, const struct ov_entry *e, const char *name, size_t len)
{
	if (l->n == l->room) {
		uint32_t room = l->room ? l->room * 2 : ENTRIES_FIRST;
		void *p = grow(l, l->entries, l->room * sizeof(*l->entries), room * sizeof(*l->entries));
		if (!p)
			return -ENOMEM;
		l->entries = p;
		l->room = room;
	}
	if (l->len + len + 1 > l->names_room) {
		uint64_t room = (l->names_room ? l->names_room * 2 : 4096);
		void *p = grow(l, l->names, l->names_room, room);
		if (!p)
			return -ENOMEM;
		l->names = p;
		l->names_room = room;
	}
	l->entries[l->n] = *e;
	l->entries[l->n++].at = (uint32_t)l->len;
	memcpy(l->names + l->len, name, len);
	l->names[l->len + len] = '\0';
	l->len += len + 1;
	return 0;
}

/* A whiteout hides a name, its own as well. */
static bool is_whiteout(int fd, const struct dirent64 *d)
{
	struct statx stx;

	if (d->d_type != DT_CHR && d->d_type != DT_UNKNOWN)
		return false;
	return ov_see(fd, d->d_name, &stx) == OV_WHITEOUT;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int add_above(struct ov_work *w, struct ov_list *l, int fd, const struct dirent64 *d)
{
	uint64_t shown = ov_node_shown_ino(w->s, d->d_ino);
	struct ov_entry e = { .ino = shown ? shown : ov_upper_ino(d->d_ino), .type = d->d_type };

	e.hidden = is_whiteout(fd, d);
	return add(l, &e, d->d_name, strlen(d->d_name));
}

static int read_above(struct ov_work *w, struct ov_list *l, const struct ov_ref *dir, char *buf)
{
	int fd = ov_open_again(w->inst, dir->fd, O_RDONLY | O_DIRECTORY);
	ssize_t n;
	int res = 0;

	if (fd < 0)
		return fd;
	while (res == 0 && (n = getdents64(fd, buf, READ_BYTES)) != 0) {
		if (n < 0) {
			res = -errno;
			break;
		}
		for (ssize_t at = 0; at < n && res == 0;) {
			const struct dirent64 *d = (const struct dirent64 *)(const void *)(buf + at);
			at += d->d_reclen;
			if (!is_dot(d->d_name))
				res = add_above(w, l, fd, d);
		}
	}
	close(fd);
	return res;
}

static int compare(const void *a, const void *b, void *names)
{
	const char *text = names;

	return strcmp(text + ((const struct ov_entry *)a)->at, text + ((const struct ov_entry *)b)->at);
}

/* Of the first n, which are sorted. */
static struct ov_entry *find(const struct ov_list *l, uint32_t n, const char *name)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int c = strcmp(name, l->names + l->entries[mid].at);
		if (c == 0)
			return &l->entries[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Where a listing of below is added: nabove are those of above, sorted. */
struct below {
	struct ov_work *w;
	struct ov_list *list;
	uint64_t dir;
	uint32_t nabove;
};

/* Of an image that is one layer of several: it hides itself. */
static bool is_lower_whiteout(const struct below *b, const struct fuse_dirent *d, const char *name)
{
	struct fuse_attr attr;

	return d->type == DT_CHR && lower_has(b->w, b->dir, name, &attr) == 1 && S_ISCHR(attr.mode) && attr.rdev == 0;
}

static int add_below(const struct below *b, const struct fuse_dirent *d)
{
	struct ov_list *l = b->list;
	char name[NAME_MAX + 1];

	if (d->namelen > NAME_MAX)
		return 0;
	memcpy(name, d->name, d->namelen);
	name[d->namelen] = '\0';
	if (is_dot(name))
		return 0;
	struct ov_entry *above = find(l, b->nabove, name);
	if (!above && is_lower_whiteout(b, d, name))
		return 0;
	if (!above)
		return add(l, &(struct ov_entry){ .ino = d->ino, .type = (uint8_t)d->type }, name, d->namelen);
	/* A directory of both has the number of the one below, as long as nobody knows it by another. */
	if (above->type == DT_DIR && d->type == DT_DIR)
		above->ino = d->ino;
	return 0;
}

static int add_all_below(const struct below *b, const char *buf, size_t n, uint64_t *off)
{
	size_t at = 0;
	int res = 0;

	while (res == 0 && at + FUSE_NAME_OFFSET <= n) {
		const struct fuse_dirent *d = (const struct fuse_dirent *)(const void *)(buf + at);
		if (FUSE_NAME_OFFSET + (uint64_t)d->namelen > n - at)
			return -EIO;
		at += FUSE_DIRENT_SIZE(d);
		*off = d->off;
		res = add_below(b, d);
	}
	return res;
}

static int read_below(struct ov_work *w, struct ov_list *l, uint64_t lower, char *buf)
{
	const struct below b = { .w = w, .list = l, .dir = lower, .nabove = l->n };
	uint64_t fh, off = 0;
	int res = lower_open(w, FUSE_OPENDIR, lower, &fh);

	if (res < 0)
		return res;
	for (;;) {
		ssize_t n = lower_read(w, FUSE_READDIR, lower, fh, off, buf, READ_BYTES);
		if (n <= 0) {
			res = (int)n;
			break;
		}
		res = add_all_below(&b, buf, (size_t)n, &off);
		if (res < 0)
			break;
	}
	lower_release(w, FUSE_RELEASEDIR, lower, fh);
	return res;
}

static int add_dots(struct ov_work *w, struct ov_list *l, struct ov_node *dir)
{
	struct ov_entry e = { .ino = dir->ino, .type = DT_DIR };
	struct ov_node *parent;
	char name[NAME_MAX + 1];
	int res = add(l, &e, ".", 1);

	if (res < 0)
		return res;
	if (ov_node_place(w->s, dir, &parent, name) == 0)
		e.ino = parent->ino;
	ov_node_put(w->s, parent);
	return add(l, &e, "..", 2);
}

static int fill(struct ov_work *w, struct ov_list *l, const struct ov_ref *dir, char *buf)
{
	int res = dir->fd >= 0 ? read_above(w, l, dir, buf) : 0;

	if (res == 0 && dir->node->lower) {
		if (l->n)
			qsort_r(l->entries, l->n, sizeof(*l->entries), compare, l->names);
		res = read_below(w, l, dir->node->lower, buf);
	}
	return res < 0 ? res : add_dots(w, l, dir->node);
}

/* Moves what is shown to the front. */
static void squeeze(struct ov_list *l)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		if (!l->entries[i].hidden)
			l->entries[kept++] = l->entries[i];
	}
	l->n = kept;
}

int ov_list_make(struct ov_work *w, const struct ov_ref *dir, struct ov_list **list)
{
	struct ov_list *l = new_list(w->inst);
	char *buf = malloc(READ_BYTES);
	int res = l && buf ? fill(w, l, dir, buf) : -ENOMEM;

	free(buf);
	if (res < 0) {
		ov_list_free(l);
		return res;
	}
	squeeze(l);
	*list = l;
	return 0;
}

int ov_list_is_empty(struct ov_work *w, const struct ov_ref *dir)
{
	struct ov_list *l;
	int res = ov_list_make(w, dir, &l);

	if (res < 0)
		return res;
	res = l->n == 2;
	ov_list_free(l);
	return res;
}
