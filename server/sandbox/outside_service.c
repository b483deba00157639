/* SPDX-License-Identifier: Apache-2.0 */
/* The service that the parent runs for the daemon inside: rules, and who answers. */
#include "server/sandbox/outside_service.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "server/sandbox/outside_tree.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OBJECT "outside" /* in the log */
#define END_MS 1000      /* for mounts to be taken away */
#define END_STEP_MS 10

/* What may wait runs in a child. */
static const struct {
	const char *name; /* for the log */
	bool child;
} kinds[OUTSIDE_KINDS] = {
	[OUTSIDE_SEAL] = { "seal", false },
	[OUTSIDE_OPEN] = { "open", true },
	[OUTSIDE_FUSE_LOOK] = { "look at a mount point", true },
	[OUTSIDE_FUSE_MOUNT] = { "mount", true },
	[OUTSIDE_FUSE_STANDS] = { "look at a mount", false },
	[OUTSIDE_FUSE_SYNC] = { "sync a mount", true },
	[OUTSIDE_FUSE_DETACH] = { "umount", true },
	[OUTSIDE_FUSE_ABORT] = { "abort a connection", false },
	[OUTSIDE_FUSE_CLONE] = { "clone /dev/fuse", false },
	[OUTSIDE_BACKING_ABLE] = { "ask for backing files", false },
	[OUTSIDE_BACKING_OPEN] = { "open a backing file", false },
	[OUTSIDE_BACKING_CLOSE] = { "close a backing file", false },
};

int outside_pair(int fds[2], struct graft_error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set(err, errno, "cannot make sockets between the daemon and its parent: %s", strerror(errno));
	return 0;
}

struct outside_service *outside_service_new(const struct config *config, struct graft_error *err)
{
	struct outside_service *s = calloc(1, sizeof(*s));

	if (!s) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	s->config = config;
	s->userns = -1;
	s->run_time = config->server.api_socket || config->server.state_dir;
	if (!outside_mounts_init(s, err))
		return s;
	free(s);
	return NULL;
}

void outside_service_userns(struct outside_service *s, int userns)
{
	s->userns = userns;
}

/* ---- what is allowed ---- */

static int check(const struct outside_service *s, const struct outside_packet *q)
{
	if (q->head.kind == OUTSIDE_SEAL)
		return 0;
	if (q->head.kind != OUTSIDE_OPEN)
		return outside_mounts_check(s, q);
	if (s->sealed && !s->run_time)
		return -EPERM;
	return q->head.arg & ~OUTSIDE_TREE_FLAGS ? -EINVAL : 0;
}

static void log_refusal(struct outside_service *s, const struct outside_packet *q, int res)
{
	log_limited(&s->refusals, GRAFT_LOG_WARN, OBJECT, "refused to %s%s%s for the daemon: %s", kinds[q->head.kind].name,
		    q->head.length ? " " : "", q->text, strerror(-res));
}

/* ---- answers ---- */

static void open_path(struct outside_service *s, const struct outside_packet *q, struct outside_result *r)
{
	struct outside_opened o;

	r->res = outside_tree_open(s->userns, q->text, q->head.arg, &o);
	r->notes = o.notes;
	if (r->res)
		return;
	r->fds[r->nfds++] = o.fd;
	if (o.tree >= 0)
		r->fds[r->nfds++] = o.tree;
}

static void serve(struct outside_service *s, const struct outside_packet *q, struct outside_result *r)
{
	*r = (struct outside_result){ .res = 0 };
	if (q->head.kind == OUTSIDE_SEAL)
		s->sealed = true;
	else if (q->head.kind == OUTSIDE_OPEN)
		open_path(s, q, r);
	else
		outside_mounts_serve(s, q, r);
}

/* An answer that is not taken is lost: a daemon that asks without reading harms itself. */
static void answer(int fd, const struct outside_packet *q, struct outside_result *r)
{
	struct outside_head head = { .id = q->head.id, .kind = r->notes, .arg = r->res, .length = (uint32_t)strlen(r->text) };

	if (q->head.kind != OUTSIDE_BACKING_CLOSE)
		outside_send(fd, &head, r->text, r->fds, r->nfds);
	for (uint32_t i = 0; i < r->nfds; i++)
		close(r->fds[i]);
}

static void refuse(int fd, const struct outside_packet *q, int res, uint32_t notes)
{
	struct outside_result r = { .res = res, .notes = notes };

	answer(fd, q, &r);
}

static void answer_at_once(struct outside_service *s, int fd, const struct outside_packet *q)
{
	struct outside_result r;

	serve(s, q, &r);
	answer(fd, q, &r);
}

/* ---- children ---- */

static void close_between(unsigned int first, unsigned int end)
{
	if (first < end)
		syscall(SYS_close_range, first, end - 1, 0U);
}

/* A child that waits for long must not hold what others wait to see closed. */
static void keep_only(int a, int b)
{
	unsigned int low = (unsigned int)(a < b ? a : b), high = (unsigned int)(a < b ? b : a);

	if (a < 0 || b < 0)
		low = high;
	close_between(STDERR_FILENO + 1, low);
	close_between(low + 1, high);
	close_between(high + 1, ~0U);
}

static void reap(struct outside_service *s)
{
	for (int i = 0; i < OUTSIDE_CHILDREN; i++) {
		/* ECHILD: somebody else has waited for it. */
		if (s->children[i] && waitpid(s->children[i], NULL, WNOHANG) != 0)
			s->children[i] = 0;
	}
}

static pid_t *free_child(struct outside_service *s)
{
	for (int i = 0; i < OUTSIDE_CHILDREN; i++) {
		if (!s->children[i])
			return &s->children[i];
	}
	return NULL;
}

static void answer_by_child(struct outside_service *s, int fd, const struct outside_packet *q)
{
	pid_t *child = free_child(s);
	pid_t pid = child ? fork() : -1;

	if (pid == 0) {
		keep_only(fd, s->userns);
		answer_at_once(s, fd, q);
		_exit(0);
	}
	if (pid > 0)
		*child = pid;
	else
		refuse(fd, q, child ? -errno : -EBUSY, child ? 0 : OUTSIDE_NOTE_LATER);
}

int outside_answer(struct outside_service *s, int fd)
{
	struct outside_packet q;
	int res = outside_receive(fd, outside_question, &q);

	reap(s);
	if (res == -EBADMSG)
		log_limited(&s->refusals, GRAFT_LOG_WARN, OBJECT, "a packet of the daemon that is no question: ignored");
	if (res)
		return res == -EAGAIN || res == -EBADMSG ? 0 : res;
	res = check(s, &q);
	if (res) {
		log_refusal(s, &q, res);
		refuse(fd, &q, res, 0);
	} else if (kinds[q.head.kind].child) {
		answer_by_child(s, fd, &q);
	} else {
		answer_at_once(s, fd, &q);
	}
	outside_packet_drop(&q);
	return 0;
}

/* In a child too: a mount whose file system hangs would hold this process. */
static void end_mounts(struct outside_service *s)
{
	pid_t pid = fork();

	if (pid == 0) {
		keep_only(STDERR_FILENO, STDERR_FILENO);
		outside_mounts_end(s);
		_exit(0);
	}
	for (int ms = 0; pid > 0 && waitpid(pid, NULL, WNOHANG) == 0 && ms < END_MS; ms += END_STEP_MS)
		poll(NULL, 0, END_STEP_MS);
}

void outside_service_free(struct outside_service *s)
{
	if (!s)
		return;
	/* First: the number of one that somebody else has waited for may be another process's by now. */
	reap(s);
	for (int i = 0; i < OUTSIDE_CHILDREN; i++) {
		if (s->children[i])
			kill(s->children[i], SIGKILL);
	}
	if (s->mounts)
		end_mounts(s);
	reap(s);
	outside_service_leave(s);
}

void outside_service_leave(struct outside_service *s)
{
	if (s)
		outside_mounts_fini(s);
	free(s);
}
