/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's end: asks the service outside, one question at a time. */
#include "server/sandbox/outside.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "server/sandbox/outside_client.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define WAIT_MS 30000
#define BUSY_MS 10 /* until a service that has enough to do is asked again */

struct outside {
	int fd;
	pthread_mutex_t lock; /* held from a question to its answer */
	uint32_t last;        /* question's id; protected by lock */
	_Atomic bool plain_told;
};

struct outside *outside_new(int fd, struct graft_error *err)
{
	struct outside *o = calloc(1, sizeof(*o));

	if (!o) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	o->fd = fd;
	pthread_mutex_init(&o->lock, NULL);
	return o;
}

void outside_free(struct outside *o)
{
	if (!o)
		return;
	close(o->fd);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* 0, or -ETIMEDOUT when until is over. */
static int wait_for(const struct outside *o, short events, uint64_t until)
{
	struct pollfd p = { .fd = o->fd, .events = events };
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int res = now < until ? poll(&p, 1, (int)((until - now) / 1000000) + 1) : 0;

	return res == 0 || (res < 0 && errno != EINTR) ? -ETIMEDOUT : 0;
}

static int send_question(const struct outside *o, const struct outside_head *head, const struct outside_ask *ask, uint64_t until)
{
	int res;

	do {
		res = outside_send(o->fd, head, ask->text, ask->fds, ask->nfds);
	} while (res == -EAGAIN && !(res = wait_for(o, POLLOUT, until)));
	return res == -ECONNRESET ? -EPIPE : res;
}

/* Lock held. Answers that somebody has given up waiting for are dropped. */
static int receive_answer(struct outside *o, uint64_t until, struct outside_packet *p)
{
	for (;;) {
		int res = wait_for(o, POLLIN, until);

		if (!res)
			res = outside_receive(o->fd, outside_reply, p);
		if (!res && p->head.id == o->last)
			return 0;
		if (!res)
			outside_packet_drop(p);
		else if (res != -EAGAIN && res != -EBADMSG)
			return res;
	}
}

int outside_ask(struct outside *o, const struct outside_ask *ask, struct outside_packet *p)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + (ask->wait_ms ? ask->wait_ms : WAIT_MS) * UINT64_C(1000000);
	struct outside_head head = {
		.kind = ask->kind,
		.arg = ask->arg,
		.value = ask->value,
		.length = ask->text ? (uint32_t)strlen(ask->text) : 0,
	};
	int res;

	if (!p)
		return send_question(o, &head, ask, until);
	LOCK_SCOPE(&o->lock);
	for (;;) {
		head.id = ++o->last;
		res = send_question(o, &head, ask, until);
		if (!res)
			res = receive_answer(o, until, p);
		if (res || !(p->head.kind & OUTSIDE_NOTE_LATER))
			return res ? res : p->head.arg;
		poll(NULL, 0, BUSY_MS);
	}
}

/* ---- files ---- */

static void tell(struct outside *o, const char *path, uint32_t notes)
{
	if (notes & OUTSIDE_NOTE_PLAIN && !atomic_exchange_explicit(&o->plain_told, true, memory_order_relaxed))
		log_warn(NULL, "%s is opened without a mount of its own, as all other files: this process may make none", path);
}

/* What the descriptors must be, whoever answers. */
static int take(struct outside_packet *p, int *tree)
{
	uint32_t want = p->head.kind & OUTSIDE_NOTE_TREE ? 2 : 1;

	if (p->nfds != want) {
		outside_packet_drop(p);
		return -EPROTO;
	}
	if (want == 2)
		*tree = p->fds[1];
	return p->fds[0];
}

int outside_open(struct outside *o, const char *path, int flags, int *tree, struct graft_error *err)
{
	struct outside_ask ask = { .kind = OUTSIDE_OPEN, .arg = flags, .text = path };
	struct outside_packet p;
	int res = path[0] != '/' ? -EINVAL : strlen(path) >= PATH_MAX ? -ENAMETOOLONG : 0;

	*tree = -1;
	if (!res)
		res = outside_ask(o, &ask, &p);
	if (!res)
		res = take(&p, tree);
	if (res < 0)
		return error_set(err, -res, "%s: %s", path, strerror(-res));
	tell(o, path, p.head.kind);
	return res;
}

/* Whether a line of mountinfo (proc_pid_mountinfo(5)) is of the root, and of a mount that hears of others. */
static bool hears(char *line)
{
	char *save = NULL, *field = strtok_r(line, " ", &save);
	bool heard = false;

	for (int i = 1; field && i < 5; i++)
		field = strtok_r(NULL, " ", &save);
	if (!field || strcmp(field, "/") != 0)
		return false;
	while ((field = strtok_r(NULL, " ", &save)) && strcmp(field, "-") != 0)
		heard = heard || strncmp(field, "master:", 7) == 0;
	return heard;
}

bool outside_tree_hears(int tree)
{
	int copy = fcntl(tree, F_DUPFD_CLOEXEC, 0);
	auto_fclose FILE *f = copy < 0 ? NULL : fdopen(copy, "r");
	auto_free char *line = NULL;
	size_t size = 0;
	bool heard = false;

	if (!f && copy >= 0)
		close(copy);
	while (f && !heard && getline(&line, &size, f) > 0)
		heard = hears(line);
	lseek(tree, 0, SEEK_SET);
	return heard;
}

int outside_seal(struct outside *o, struct graft_error *err)
{
	struct outside_ask ask = { .kind = OUTSIDE_SEAL };
	struct outside_packet p;
	int res = outside_ask(o, &ask, &p);

	return res < 0 ? error_set(err, -res, "the parent process does not answer: %s", strerror(-res)) : 0;
}
