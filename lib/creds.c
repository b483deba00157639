/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's identity for one system call: raw calls, as those of the C library change all threads of the process. */
#include "lib/creds.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_setresuid32
#define NR_SETRESUID SYS_setresuid32
#define NR_SETRESGID SYS_setresgid32
#define NR_SETGROUPS SYS_setgroups32
#define NR_GETGROUPS SYS_getgroups32
#else
#define NR_SETRESUID SYS_setresuid
#define NR_SETRESGID SYS_setresgid
#define NR_SETGROUPS SYS_setgroups
#define NR_GETGROUPS SYS_getgroups
#endif

#define KEEP (-1L) /* setresuid, setresgid: leave this id */

struct caps {
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

/* Of this thread. */
static bool caps_get(struct caps *c)
{
	c->head = (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, &c->head, c->data) == 0;
}

static bool caps_set(struct caps *c)
{
	return syscall(SYS_capset, &c->head, c->data) == 0;
}

/* Puts a capability into the effective set, where it is permitted. */
static bool raise_cap(uint32_t cap)
{
	struct caps c;

	if (!caps_get(&c) || !(c.data[CAP_TO_INDEX(cap)].permitted & CAP_TO_MASK(cap)))
		return false;
	c.data[CAP_TO_INDEX(cap)].effective |= CAP_TO_MASK(cap);
	return caps_set(&c);
}

bool creds_fsetid_drop(void)
{
	struct caps c;

	if (!caps_get(&c) || !(c.data[0].effective & CAP_TO_MASK(CAP_FSETID)))
		return false;
	c.data[0].effective &= ~(uint32_t)CAP_TO_MASK(CAP_FSETID);
	return caps_set(&c);
}

void creds_fsetid_restore(bool dropped)
{
	if (dropped)
		raise_cap(CAP_FSETID);
}

/* Remembers the thread's groups. */
static int groups_save(struct creds *c)
{
	long n = syscall(NR_GETGROUPS, CREDS_GROUPS, c->few);

	if (n < 0 && errno == EINVAL) {
		n = syscall(NR_GETGROUPS, 0, NULL);
		c->many = n > 0 ? malloc((size_t)n * sizeof(*c->many)) : NULL;
		if (!c->many)
			return -ENOMEM;
		n = syscall(NR_GETGROUPS, n, c->many);
	}
	if (n < 0)
		return -errno;
	c->nold_groups = (int)n;
	return 0;
}

static int groups_enter(const struct graft_req *req, struct creds *c)
{
	int res = groups_save(c);

	if (res < 0)
		return res;
	if (syscall(NR_SETGROUPS, req->ngroups, req->groups) < 0)
		return -errno;
	c->groups = true;
	return 0;
}

/* An id that is 0 is never switched to: the thread is root, or may not become it. */
static int ids_enter(const struct graft_req *req, struct creds *c)
{
	c->old_gid = getegid();
	if (req->gid && req->gid != c->old_gid) {
		if (syscall(NR_SETRESGID, KEEP, req->gid, KEEP) < 0)
			return -errno;
		c->gid = true;
	}
	c->old_uid = geteuid();
	if (req->uid && req->uid != c->old_uid) {
		if (syscall(NR_SETRESUID, KEEP, req->uid, KEEP) < 0)
			return -errno;
		c->uid = true;
	}
	return 0;
}

int creds_enter(const struct graft_req *req, struct creds *c)
{
	int res = 0;

	c->uid = c->gid = c->groups = c->umask = false;
	c->many = NULL;
	/* Given to setresuid it would mean "leave root". */
	if (req->uid == GRAFT_NO_ID || req->gid == GRAFT_NO_ID)
		return -EOVERFLOW;
	if (req->has_groups)
		res = groups_enter(req, c);
	if (!res && (req->uid || req->gid))
		res = ids_enter(req, c);
	if (res < 0) {
		creds_leave(c);
		return res;
	}
	if (req->session->flags & FUSE_DONT_MASK) {
		c->old_umask = umask(req->umask & 0777);
		c->umask = true;
	}
	return 0;
}

bool creds_partial(const struct graft_req *req, const struct creds *c)
{
	return c->uid && !(req->session->flags & FUSE_CREATE_SUPP_GROUP);
}

bool creds_insist(const struct graft_req *req, const struct creds *c)
{
	return creds_partial(req, c) && raise_cap(CAP_DAC_OVERRIDE);
}

/* Going back cannot fail: the saved ids are the old ones still. A thread that stayed somebody else would be a hole. */
static void must(long res)
{
	if (res < 0)
		abort();
}

void creds_leave(struct creds *c)
{
	int saved = errno;

	if (c->umask)
		umask(c->old_umask);
	/* First: root's effective capabilities come back with it, which the others need. */
	if (c->uid)
		must(syscall(NR_SETRESUID, KEEP, c->old_uid, KEEP));
	if (c->gid)
		must(syscall(NR_SETRESGID, KEEP, c->old_gid, KEEP));
	if (c->groups)
		must(syscall(NR_SETGROUPS, c->nold_groups, c->many ? c->many : c->few));
	free(c->many);
	errno = saved;
}
