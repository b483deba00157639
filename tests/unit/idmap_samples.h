/* SPDX-License-Identifier: Apache-2.0 */
/* Values of extended attributes with ids in them, as a test wants them. */
#ifndef GRAFT_TESTS_UNIT_IDMAP_SAMPLES_H
#define GRAFT_TESTS_UNIT_IDMAP_SAMPLES_H

#include <endian.h>
#include <linux/capability.h>
#include <linux/posix_acl_xattr.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ACCESS_ACL "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
#define NO_ID UINT32_MAX

static inline void put_entry_of_acl(unsigned char *acl, size_t i, uint16_t tag, uint32_t id)
{
	const struct posix_acl_xattr_entry e = { htole16(tag), htole16(7), htole32(id) };

	memcpy(acl + 4 + i * 8, &e, 8);
}

/* An access list with every tag; its length. */
static inline uint32_t make_acl(unsigned char *acl, uint32_t user, uint32_t group)
{
	const uint32_t version = htole32(2);

	memcpy(acl, &version, 4);
	put_entry_of_acl(acl, 0, 1, NO_ID);
	put_entry_of_acl(acl, 1, 2, user);
	put_entry_of_acl(acl, 2, 4, 666);
	put_entry_of_acl(acl, 3, 8, group);
	put_entry_of_acl(acl, 4, 16, NO_ID);
	put_entry_of_acl(acl, 5, 32, NO_ID);
	return 4 + 6 * 8;
}

static inline uint32_t make_cap(unsigned char *cap, uint32_t revision, uint32_t root)
{
	const struct vfs_ns_cap_data data = { htole32(revision | 1), { { 1, 2 }, { 3, 4 } }, htole32(root) };

	memcpy(cap, &data, sizeof(data));
	return revision == VFS_CAP_REVISION_3 ? XATTR_CAPS_SZ_3 : XATTR_CAPS_SZ_2;
}

#endif
