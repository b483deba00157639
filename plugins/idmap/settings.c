/* SPDX-License-Identifier: Apache-2.0 */
/* From the keys of an instance to its two maps. */
#include "idmap.h"

#include "number.h"
#include "rules.h"

#include "lib/cleanup.h"
#include "lib/error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The whole of a regular file of at most IDMAP_FILE_MAX bytes; the caller frees it. NULL with err. */
static char *read_file(const struct graft_inst *inst, const char *path, size_t *len, struct graft_error *err)
{
	struct graft_error why = { 0 };
	auto_close int fd = inst->host->open(inst->slot, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &why);
	auto_free char *text = malloc(IDMAP_FILE_MAX + 1);
	struct stat st;
	ssize_t n;

	*len = 0;
	if (fd < 0) {
		error_set(err, -fd, "%s cannot be opened: %s", path, strerror(-fd));
		return NULL;
	}
	if (!text) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		error_set(err, EINVAL, "%s is no regular file", path);
		return NULL;
	}
	while ((n = read(fd, text + *len, IDMAP_FILE_MAX + 1 - *len)) > 0)
		*len += (size_t)n;
	if (n < 0) {
		error_set(err, errno, "%s cannot be read: %s", path, strerror(errno));
		return NULL;
	}
	if (*len > IDMAP_FILE_MAX) {
		error_set(err, EFBIG, "%s is longer than %u bytes", path, IDMAP_FILE_MAX);
		return NULL;
	}
	return steal_ptr(text);
}

static int add_subids_of(const struct graft_inst *inst, struct idmap *m, const struct idmap_user *u, const char *path,
			 struct graft_error *err)
{
	size_t len;
	auto_free char *text = read_file(inst, path, &len, err);

	return text ? idmap_add_subids(m, u, path, text, len, err) : -err->code;
}

static int add_subids(struct graft_inst *inst, const char *user, struct graft_error *err)
{
	struct graft_error no_passwd = { 0 };
	struct idmap_user u;
	size_t len;
	/* A user need not be in it: the files of ranges may name him as he was given. */
	auto_free char *passwd = read_file(inst, "/etc/passwd", &len, &no_passwd);
	int res = idmap_user_init(&u, user, passwd ? passwd : "", passwd ? len : 0, err);

	if (res == 0)
		res = add_subids_of(inst, &inst->uids, &u, "/etc/subuid", err);
	if (res == 0)
		res = add_subids_of(inst, &inst->gids, &u, "/etc/subgid", err);
	if (res == 0)
		res = idmap_close(&inst->uids, err);
	return res == 0 ? idmap_close(&inst->gids, err) : res;
}

static int add_squash(struct graft_inst *inst, const char *to, struct graft_error *err)
{
	uint32_t uid = 0, gid = 0;
	int res = idmap_parse_pair(to, &uid, &gid, err);

	if (res == 0)
		res = idmap_add(&inst->uids.to_host, "guest", 0, IDMAP_NONE, uid, IDMAP_SQUASH, err);
	return res < 0 ? res : idmap_add(&inst->gids.to_host, "guest", 0, IDMAP_NONE, gid, IDMAP_SQUASH, err);
}

static int add_rules(struct idmap *m, const char *key, const struct graft_list *list, struct graft_error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		char shown[NUMBER_SHOWN];
		int res = idmap_add_rule(m, list->items[i], err);
		if (res < 0)
			return error_wrap(err, "%s = %s", key,
					  number_show(shown, list->items[i], strlen(list->items[i])));
	}
	return 0;
}

int im_read_settings(struct graft_inst *inst, const struct im_settings *set, struct graft_error *err)
{
	char shown[NUMBER_SHOWN];
	int res;

	if (!set->uid.count && !set->gid.count && !set->subid && !set->squash_to)
		return error_set(err, EINVAL, "there are no rules; give uid, gid, subid or squash-to");
	res = add_rules(&inst->uids, "uid", &set->uid, err);
	if (res == 0)
		res = add_rules(&inst->gids, "gid", &set->gid, err);
	if (res == 0 && set->squash_to) {
		res = add_squash(inst, set->squash_to, err);
		if (res < 0)
			error_wrap(err, "squash-to = %s", number_show(shown, set->squash_to, strlen(set->squash_to)));
	}
	if (res == 0 && set->subid) {
		res = add_subids(inst, set->subid, err);
		if (res < 0)
			error_wrap(err, "subid = %s", number_show(shown, set->subid, strlen(set->subid)));
	}
	return res;
}
