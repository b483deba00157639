/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a map of ids, as virtiofsd writes them (--translate-uid), and ranges from /etc/subuid and /etc/subgid.
 */
#ifndef GRAFT_PLUGIN_IDMAP_RULES_H
#define GRAFT_PLUGIN_IDMAP_RULES_H

#include "map.h"

#define IDMAP_FILE_MAX (1u << 20) /* bytes of a file that is read */

/*
 * Adds one rule. Errors are one line without the key: -EINVAL, -E2BIG, -ENOMEM. A rule that is refused may have been
 * added for one direction.
 */
int idmap_add_rule(struct idmap *m, const char *text, struct graft_error *err);

/* UID:GID, both below IDMAP_NONE. 0 or -EINVAL with err. */
int idmap_parse_pair(const char *text, uint32_t *uid, uint32_t *gid, struct graft_error *err);

/* Who is looked for in the files: name and number, of which the one that is not known is empty. */
struct idmap_user {
	char name[256], number[16];
};

/*
 * Fills in what belongs to `user`, a name or a number, by a text like /etc/passwd (bytes that need no NUL); what the
 * text does not tell stays empty. -EINVAL with err where user is no name.
 */
int idmap_user_init(struct idmap_user *u, const char *user, const char *passwd, size_t len, struct graft_error *err);
/*
 * Adds the user's ranges from a text like /etc/subuid, NAME:START:COUNT a line: guest ids from 0 on, in the order of
 * the file. file is for messages. -ENOENT where there is none, -EINVAL where one is wrong, and the errors of idmap_add.
 */
int idmap_add_subids(struct idmap *m, const struct idmap_user *u, const char *file, const char *text, size_t len,
		     struct graft_error *err);

#endif
