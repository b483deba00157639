/* SPDX-License-Identifier: Apache-2.0 */
/* Values of extended attributes as linux/posix_acl_xattr.h and linux/capability.h lay them out, little-endian. */
#include "values.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

enum value_kind value_kind(const char *name)
{
	if (strcmp(name, "system.posix_acl_access") == 0 || strcmp(name, "system.posix_acl_default") == 0)
		return VALUE_ACL;
	return strcmp(name, "security.capability") == 0 ? VALUE_CAPABILITY : VALUE_OTHER;
}

static int translate_acl(const struct idmap_dir *uids, const struct idmap_dir *gids, unsigned char *at, size_t len)
{
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry e;

	if (!len)
		return 0;
	if (len < sizeof(head))
		return -EINVAL;
	memcpy(&head, at, sizeof(head));
	if (le32toh(head.a_version) != POSIX_ACL_XATTR_VERSION)
		return -EOPNOTSUPP;
	if ((len - sizeof(head)) % sizeof(e))
		return -EINVAL;
	for (size_t i = sizeof(head); i < len; i += sizeof(e)) {
		memcpy(&e, at + i, sizeof(e));
		const struct idmap_dir *dir = NULL;
		switch (le16toh(e.e_tag)) {
		case ACL_USER:
			dir = uids;
			break;
		case ACL_GROUP:
			dir = gids;
			break;
		case ACL_USER_OBJ:
		case ACL_GROUP_OBJ:
		case ACL_MASK:
		case ACL_OTHER:
			continue;
		default:
			return -EINVAL;
		}
		uint32_t id = le32toh(e.e_id), was = id;
		if (!idmap_find(dir, &id))
			return -EPERM;
		/* With an entry of no id the client's kernel would take the whole list for a broken one. */
		e.e_id = htole32(id == IDMAP_NONE && was != IDMAP_NONE ? VALUE_NOBODY : id);
		memcpy(at + i, &e, sizeof(e));
	}
	return 0;
}

static int translate_capability(const struct idmap_dir *uids, unsigned char *at, size_t len)
{
	struct vfs_ns_cap_data cap;
	uint32_t root;

	if (len < sizeof(cap.magic_etc))
		return 0;
	memcpy(&cap.magic_etc, at, sizeof(cap.magic_etc));
	if ((le32toh(cap.magic_etc) & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return 0;
	if (len != XATTR_CAPS_SZ_3)
		return -EINVAL;
	memcpy(&cap, at, sizeof(cap));
	root = le32toh(cap.rootid);
	if (!idmap_find(uids, &root))
		return -EPERM;
	cap.rootid = htole32(root);
	memcpy(at, &cap, sizeof(cap));
	return 0;
}

int value_translate(enum value_kind kind, const struct idmap_dir *uids, const struct idmap_dir *gids, void *value,
		    size_t len)
{
	switch (kind) {
	case VALUE_ACL:
		return translate_acl(uids, gids, value, len);
	case VALUE_CAPABILITY:
		return translate_capability(uids, value, len);
	case VALUE_OTHER:
		break;
	}
	return 0;
}
