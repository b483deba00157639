/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon in a sandbox mode, its share, what lies outside of it. */
#include "tests/escape/world.h"

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define INIT_FLAGS                                                                                           \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_DO_READDIRPLUS |    \
	 FUSE_SUBMOUNTS | FUSE_HAS_IOCTL_DIR | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)

static const struct ram_spec ram[] = {{.gpa = 0x100000, .size = 2 << 20}};

const char *world_path(const struct world *w, const char *name)
{
	static char path[8][DAEMON_PATH + 600];
	static unsigned turn;
	char *p = path[turn++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", w->daemon.base, name);
	return p;
}

void want(const char *what, int64_t res, int64_t wanted)
{
	if (res != wanted)
		fail_msg("%s: %lld (%s), not %lld (%s)", what, (long long)res, res < 0 ? strerror((int)-res) : "",
			 (long long)wanted, wanted < 0 ? strerror((int)-wanted) : "");
}

uint64_t look(struct world *w, uint64_t parent, const char *name)
{
	struct fuse_entry_out e;

	want(name, fuse_lookup(&w->c, parent, name, &e), 0);
	return e.nodeid;
}

void host_give(const struct world *w, const char *name)
{
	if (w->user)
		assert_int_equal(lchown(world_path(w, name), w->user, w->user), 0);
}

void host_file(const struct world *w, const char *name, const char *text)
{
	int fd = open(world_path(w, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	host_give(w, name);
}

void host_dir(const struct world *w, const char *name)
{
	assert_int_equal(mkdir(world_path(w, name), 0755), 0);
	host_give(w, name);
}

void host_link(const struct world *w, const char *name, const char *target)
{
	assert_int_equal(symlink(target, world_path(w, name)), 0);
	host_give(w, name);
}

/* Base itself: whatever appears in it beside the share has escaped. */
static char *base_state(const struct world *w)
{
	struct stat st;
	char *line = NULL;

	if (stat(w->daemon.base, &st) < 0 ||
	    asprintf(&line, "base: mode=%o owner=%u links=%ju mtime=%jd.%09ld\n", st.st_mode, st.st_uid,
		     (uintmax_t)st.st_nlink, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec) < 0)
		return NULL;
	return line;
}

/* True if the user can start the program, which may lie in a folder of root's own. */
static bool reachable(uid_t user)
{
	const char *program = getenv("GRAFTFSD");
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(!program || setgroups(0, NULL) < 0 || setgid(user) < 0 || setuid(user) < 0 ||
		      access(program, R_OK | X_OK) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* An ordinary user's sandbox is made with a user namespace, which is not everybody's everywhere. */
static bool may_unshare(uid_t user)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgroups(0, NULL) < 0 || setgid(user) < 0 || setuid(user) < 0 ||
		      unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Mounts of this process's own, which end with it, and which the daemon sees wherever it is. */
static bool own_mounts(const char *base)
{
	return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
	       mount(base, base, NULL, MS_BIND, NULL) == 0 && mount("", base, NULL, MS_SHARED, NULL) == 0;
}

static int fill_base(struct world *w)
{
	snprintf(w->second, sizeof(w->second), "%s/second", w->daemon.base);
	snprintf(w->away, sizeof(w->away), "%s/away", w->daemon.base);
	snprintf(w->socket2, sizeof(w->socket2), "%s/socket2", w->daemon.base);
	if (canary_make(&w->canary, world_path(w, "outside"), w->user) < 0 || mkdir(w->second, 0755) < 0 ||
	    mkdir(w->away, 0755) < 0)
		return 1;
	host_give(w, "second");
	host_give(w, "away");
	host_give(w, "outside");
	host_file(w, "second/file", INSIDE);
	host_file(w, "away/file", w->canary.secret);
	/* What it was given to somebody for counts as how it was made. */
	free(w->canary.state);
	w->canary.state = canary_state(w->canary.root);
	return w->canary.state ? 0 : 1;
}

static int start(struct world *w, const char *keys)
{
	char transport[512], mounts[1024];
	struct daemon_config *c = &w->daemon.config;

	snprintf(transport, sizeof(transport), "[transport vhost-user two]\nsocket = %s", w->socket2);
	snprintf(mounts, sizeof(mounts),
		 "xattr = true\nlocks = true\n%s\n[mount second]\nat = /pseudo/second\ntype = passthrough\nsource = %s",
		 keys ? keys : "", w->second);
	c->transport_keys = transport;
	c->mount_keys = mounts;
	int res = daemon_start(&w->daemon);
	c->transport_keys = c->mount_keys = NULL;
	return res < 0 ? 1 : 0;
}

int world_up(struct world *w, const struct world_kind *kind)
{
	const struct daemon_config config = {.queues = 1,
					     .sandbox = kind->mode,
					     .user = kind->user,
					     .rlimit_nofile = kind->few_files ? WORLD_FEW_FILES : 0};

	*w = (struct world){.mode = kind->mode, .user = kind->user};
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	if (geteuid() != 0) {
		printf("SKIP: the outside, and what another user owns, are made by root\n");
		return 77;
	}
	if (w->user && !reachable(w->user)) {
		printf("SKIP: an ordinary user cannot reach %s\n", getenv("GRAFTFSD"));
		return 77;
	}
	if (w->user && strcmp(kind->mode, "namespace") == 0 && !may_unshare(w->user)) {
		printf("SKIP: an ordinary user can make no user namespace here\n");
		return 77;
	}
	if (daemon_init(&w->daemon, &config) < 0)
		return 1;
	w->mounts = own_mounts(w->daemon.base);
	if (!w->mounts)
		printf("SKIP: no mounts of its own: %s\n", strerror(errno));
	if (fill_base(w) || start(w, kind->keys))
		return 1;
	w->base_state = base_state(w);
	return w->base_state ? 0 : 1;
}

int world_down(struct world *w)
{
	int status = daemon_stop(&w->daemon, 60000);
	int res = status || daemon_reported(&w->daemon) ? 1 : 0;

	if (res) {
		printf("the daemon ended with status %d\n", status);
		daemon_show_log(&w->daemon);
	}
	if (w->mounts)
		umount2(w->daemon.base, MNT_DETACH);
	free(w->base_state);
	canary_free(&w->canary);
	daemon_fini(&w->daemon);
	return res;
}

static void fill_share(const struct world *w)
{
	daemon_remove_tree(w->daemon.share, false);
	host_dir(w, "share/dir");
	host_dir(w, "share/dir/sub");
	host_file(w, "share/dir/file", INSIDE);
	host_file(w, "share/file", INSIDE);
	host_file(w, "share/other", INSIDE);
	host_link(w, "share/to-dir", w->canary.root);
	host_link(w, "share/to-file", "../outside/file");
}

/* Called with every reply: all of the memory that it may have been written to. */
static void scan(struct fuse_client *c, const struct fuse_slot *s)
{
	struct world *w = c->user;
	const char *reply = ram_ptr(&c->fe->ram, s->reply);

	if (canary_in(&w->canary, reply, FUSE_REPLY_MAX) || canary_in(&w->canary, fuse_data(c, s), s->data_size))
		w->leaked = true;
}

static struct frontend *connect_guest(struct world *w, const char *socket, struct fuse_client *c)
{
	const struct frontend_config config = {.socket = socket, .layout = ram, .nlayout = 1};
	struct frontend *fe;

	assert_int_equal(frontend_open(&fe, &config), 0);
	assert_int_equal(fuse_client_init(c, fe, 1, 2, WORLD_SLOT_SIZE), 0);
	c->uid = c->gid = w->user;
	c->user = w;
	c->seen = scan;
	want("INIT", fuse_init(c, INIT_FLAGS), 0);
	return fe;
}

void world_begin(struct world *w)
{
	w->leaked = false;
	fill_share(w);
	w->fe = connect_guest(w, w->daemon.socket, &w->c);
	w->dir = look(w, ROOT, "dir");
	w->file = look(w, w->dir, "file");
	w->sub = look(w, w->dir, "sub");
}

void world_other(struct world *w)
{
	w->fe2 = connect_guest(w, w->socket2, &w->other);
	w->other.seen = NULL; /* it may know what it likes */
}

void world_drop(struct world *w)
{
	if (w->fe) {
		fuse_client_fini(&w->c);
		frontend_close(w->fe);
	}
	if (w->fe2) {
		fuse_client_fini(&w->other);
		frontend_close(w->fe2);
	}
	w->fe = w->fe2 = NULL;
	while (w->nmounted)
		umount2(w->mounted[--w->nmounted], MNT_DETACH);
}

void host_mount(struct world *w, const char *source, const char *name, const char *type)
{
	const char *at = world_path(w, name);

	assert_true(w->nmounted < WORLD_MOUNTS);
	assert_int_equal(mount(source, at, type, type ? 0 : MS_BIND, NULL), 0);
	snprintf(w->mounted[w->nmounted++], sizeof(w->mounted[0]), "%s", at);
}

void host_umount(struct world *w)
{
	assert_true(w->nmounted > 0);
	assert_int_equal(umount2(w->mounted[--w->nmounted], 0), 0);
}

void world_end(struct world *w)
{
	struct fuse_attr_out attr;
	char *base = base_state(w);
	bool serves = w->fe && fuse_getattr(&w->c, ROOT, &attr) == 0;
	bool same = canary_same(w->base_state, base);

	world_drop(w);
	free(base);
	assert_true(serves);
	assert_true(same);
	assert_true(canary_whole(&w->canary));
	assert_false(w->leaked);
	assert_true(daemon_alive(&w->daemon));
}
