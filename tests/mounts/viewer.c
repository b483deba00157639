/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at files through the host's kernel, or request by request. */
#include "tests/mounts/viewer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READDIR_SIZE 32768

static void host_path(const struct viewer *v, const char *path, char to[512])
{
	snprintf(to, 512, "%s%s", v->host, path);
}

static void guest_forget(struct viewer *v, struct view_file *f)
{
	while (f->depth)
		fuse_forget(v->client, f->node[--f->depth], 1);
}

/* Looks up each name of the path; what was looked up stays in f. */
static int guest_walk(struct viewer *v, const char *path, struct view_file *f, uint64_t *node)
{
	char copy[256], *rest = NULL;
	int res = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	*node = FUSE_ROOT_ID;
	f->depth = 0;
	for (char *name = strtok_r(copy, "/", &rest); name && !res; name = strtok_r(NULL, "/", &rest)) {
		struct fuse_entry_out e;

		if (f->depth == VIEW_DEPTH)
			return -ENAMETOOLONG;
		res = fuse_lookup(v->client, *node, name, &e);
		if (!res && !e.nodeid)
			res = -ENOENT;
		if (!res)
			*node = f->node[f->depth++] = e.nodeid;
	}
	if (res)
		guest_forget(v, f);
	return res;
}

int view_open(struct viewer *v, const char *path, struct view_file *f)
{
	char full[512];
	uint64_t node;

	*f = (struct view_file){.fd = -1};
	if (v->host) {
		host_path(v, path, full);
		f->fd = open(full, O_RDONLY | O_CLOEXEC);
		return f->fd < 0 ? -errno : 0;
	}
	int res = guest_walk(v, path, f, &node);
	if (!res)
		res = fuse_open(v->client, node, O_RDONLY, &f->fh);
	if (res)
		guest_forget(v, f);
	return res;
}

int view_read(struct viewer *v, const struct view_file *f, char text[VIEW_TEXT])
{
	ssize_t n;

	if (v->host) {
		n = pread(f->fd, text, VIEW_TEXT - 1, 0);
		n = n < 0 ? -errno : n;
	} else {
		n = fuse_read(v->client, f->node[f->depth - 1], f->fh, text, VIEW_TEXT - 1, 0);
	}
	text[n > 0 ? n : 0] = 0;
	return n < 0 ? (int)n : 0;
}

void view_close(struct viewer *v, struct view_file *f)
{
	if (v->host) {
		close(f->fd);
		return;
	}
	fuse_release(v->client, f->node[f->depth - 1], f->fh);
	guest_forget(v, f);
}

int view_cat(struct viewer *v, const char *path, char text[VIEW_TEXT])
{
	struct view_file f;
	int res = view_open(v, path, &f);

	if (res)
		return res;
	res = view_read(v, &f, text);
	view_close(v, &f);
	return res;
}

static int add_name(struct view_list *l, const char *name, size_t len)
{
	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return 0;
	if (l->n == VIEW_NAMES || len >= sizeof(l->name[0]))
		return -E2BIG;
	memcpy(l->name[l->n], name, len);
	l->name[l->n++][len] = 0;
	return 0;
}

static int host_names(const struct viewer *v, const char *path, struct view_list *l)
{
	char full[512];
	int res = 0;

	host_path(v, path, full);
	DIR *dir = opendir(full);
	if (!dir)
		return -errno;
	errno = 0;
	for (struct dirent *d; !res && (d = readdir(dir)); errno = 0)
		res = add_name(l, d->d_name, strlen(d->d_name));
	if (!res)
		res = -errno;
	closedir(dir);
	return res;
}

/* The entries of one reply; *off is where the next begins. */
static int take_entries(const unsigned char *at, size_t left, uint64_t *off, struct view_list *l)
{
	int res = 0;

	while (!res && left >= FUSE_NAME_OFFSET) {
		struct fuse_dirent d;

		memcpy(&d, at, FUSE_NAME_OFFSET);
		size_t size = FUSE_REC_ALIGN(FUSE_NAME_OFFSET + d.namelen);
		if (size > left)
			return -EBADMSG;
		res = add_name(l, (const char *)at + FUSE_NAME_OFFSET, d.namelen);
		*off = d.off;
		at += size;
		left -= size;
	}
	return res;
}

static int guest_names(struct viewer *v, const char *path, struct view_list *l)
{
	struct view_file f = {.fd = -1};
	uint64_t node, fh, off = 0;
	ssize_t n = 1;

	int res = guest_walk(v, path, &f, &node);
	if (res)
		return res;
	res = fuse_opendir(v->client, node, &fh);
	if (!res) {
		while (!res && (n = fuse_readdir(v->client, node, fh, off, READDIR_SIZE)) > 0)
			res = take_entries(fuse_data(v->client, v->client->slot), (size_t)n, &off, l);
		if (n < 0)
			res = (int)n;
		fuse_releasedir(v->client, node, fh);
	}
	guest_forget(v, &f);
	return res;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int view_names(struct viewer *v, const char *path, struct view_list *l)
{
	l->n = 0;
	int res = v->host ? host_names(v, path, l) : guest_names(v, path, l);
	if (res)
		return res;
	qsort(l->name, l->n, sizeof(l->name[0]), compare);
	for (unsigned i = 1; i < l->n; i++) {
		l->twice = l->name[i];
		if (!strcmp(l->name[i - 1], l->name[i]))
			return -EEXIST;
	}
	return 0;
}

bool view_has(const struct view_list *l, const char *name)
{
	return bsearch(name, l->name, l->n, sizeof(l->name[0]), compare);
}
