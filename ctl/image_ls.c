/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image ls: the names in a directory of an image, or all below it. */
#include "ctl/image.h"

#include "ctl/image_path.h"
#include "ctl/image_text.h"
#include "ctl/image_walk.h"
#include "ctl/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct listing {
	const struct image *image;
	bool in_full, deep;
	bool bad; /* something could not be listed */
};

/* Size, or the numbers of a device. */
static void put_size(const struct rafs_inode *inode)
{
	char device[32];
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
		snprintf(device, sizeof(device), "%" PRIu32 ",%" PRIu32, image_major(inode->rdev),
			 image_minor(inode->rdev));
		printf(" %10s", device);
	} else {
		printf(" %10" PRIu64, inode->size);
	}
}

static void put_line(const struct listing *l, const char *name, const struct rafs_inode *inode)
{
	char mode[11], date[IMAGE_DATE_MAX];
	int res;
	if (l->in_full) {
		printf("%s %3" PRIu32 " %5" PRIu32 " %5" PRIu32, image_mode_text(mode, inode->mode), inode->nlink,
		       inode->uid, inode->gid);
		put_size(inode);
		printf(" %-19s ", image_date(date, inode->mtime));
	}
	text_put(stdout, name);
	if (l->in_full && S_ISLNK(inode->mode)) {
		char *target = image_target(l->image->rafs, inode, &res);
		fputs(" -> ", stdout);
		text_put(stdout, target ? target : image_reason(res));
		free(target);
	}
	putchar('\n');
}

static int put_json(const char *path, const struct rafs_image *rafs, const struct rafs_inode *inode)
{
	json_t *line = image_json_inode(rafs, inode);
	if (!line)
		return -ENOMEM;
	image_json_name(line, "path", path);
	ctl_print_json(line, JSON_COMPACT);
	json_decref(line);
	return 0;
}

static int put_entry(void *arg, const struct image_walk_at *at)
{
	const struct listing *l = arg;
	/* Nobody reads on; main says so. */
	if (ferror(stdout))
		return -ECANCELED;
	if (l->image->json)
		return put_json(at->path, l->image->rafs, at->inode);
	put_line(l, l->deep ? at->path : at->entry->name, at->inode);
	return 0;
}

static void put_bad(void *arg, const char *path, const char *what)
{
	struct listing *l = arg;
	/* What was listed stands before it. */
	fflush(stdout);
	ctl_fail(CTL_FAILED, "%s: %s", path, what);
	l->bad = true;
}

int image_ls(struct image *image, const struct args *args, const char *path)
{
	static const struct image_walk_ops ops = { .entry = put_entry, .bad = put_bad };
	struct listing l = { .image = image, .in_full = args_has(args, "long"), .deep = args_has(args, "recursive") };
	struct rafs_inode inode;
	int res = image_resolve(image->rafs, path, true, &inode, image->err);

	if (res != 0)
		return res == -ENOENT ? CTL_NOT_FOUND : CTL_FAILED;
	if (S_ISDIR(inode.mode))
		res = image_walk(image->rafs, path, &inode, l.deep, &ops, &l);
	else if (image->json)
		res = put_json(path, image->rafs, &inode);
	else
		put_line(&l, path, &inode);
	if (res == -ENOMEM)
		return ctl_fail(CTL_FAILED, "out of memory");
	return l.bad ? CTL_FAILED : CTL_DONE;
}
