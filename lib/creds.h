/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's identity for what creates objects: ids, supplementary groups and umask of this thread only. */
#ifndef GRAFT_LIB_CREDS_H
#define GRAFT_LIB_CREDS_H

#include <graftfs/plugin.h>
#include <stdbool.h>
#include <sys/types.h>

#define CREDS_GROUPS 32
struct creds {
	bool uid, gid, groups, umask; /* what was changed */
	mode_t old_umask;
	uid_t old_uid;
	gid_t old_gid;
	int nold_groups;
	gid_t few[CREDS_GROUPS], *many; /* the thread's own groups; many: allocated, where there are more */
};
/* 0 or -errno; on failure nothing is changed. Also applies req->umask where FUSE_DONT_MASK was negotiated. */
int creds_enter(const struct graft_req *req, struct creds *c);
/* The thread has the caller's ids but not its supplementary groups, which the guest does not send. */
bool creds_partial(const struct graft_req *req, const struct creds *c);
/*
 * After EACCES for the caller. The guest has checked its permission with groups that it did not send; so where it sends none
 * (no FUSE_CREATE_SUPP_GROUP), the thread may pass over modes until creds_leave. True: worth one more try.
 */
bool creds_insist(const struct graft_req *req, const struct creds *c);
void creds_leave(struct creds *c);
/* Drops CAP_FSETID from this thread's effective set, for killpriv; true if it was dropped and must be put back. */
bool creds_fsetid_drop(void);
void creds_fsetid_restore(bool dropped);

#endif
