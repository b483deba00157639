/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the process: one thread takes the signals and holds the clock of the end. */
#include "server/life.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>

struct life {
	int signals; /* signalfd */
	int end;     /* eventfd, readable from the wish to end on */
	int reopen;  /* eventfd: the log shall be opened again, which is for the main thread */
	int wake;    /* eventfd for the thread: the time has begun, or it shall leave */
	pthread_t thread;
	bool running; /* the thread */
	_Atomic int64_t deadline;     /* ms of CLOCK_MONOTONIC; 0: nobody wants to end */
	_Atomic(const char *) ending; /* what is being ended */
	_Atomic bool leave, signalled;
	const struct door *door;
	pthread_mutex_t lock;
	/* protected by lock */
	struct server *server;
	struct watch *watch; /* of the first server, held: what the end waits for is told to the end */
	/* thread's own */
	int64_t next_look; /* ms */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void life_end(struct life *l)
{
	int64_t none = 0;

	/* Relaxed: nothing else is published through the time; the descriptors wake those who wait. */
	atomic_compare_exchange_strong_explicit(&l->deadline, &none, now_ms() + LIFE_END_MS, memory_order_relaxed,
						memory_order_relaxed);
	eventfd_write(l->end, 1);
	eventfd_write(l->wake, 1);
}

void life_ending(struct life *l, const char *what)
{
	atomic_store_explicit(&l->ending, what, memory_order_relaxed); /* a constant text */
	life_end(l);
}

void life_wait(struct life *l, int ended)
{
	struct pollfd fds[] = { { .fd = l->end, .events = POLLIN },
				{ .fd = ended, .events = POLLIN },
				{ .fd = l->reopen, .events = POLLIN } };
	eventfd_t times;

	while ((poll(fds, 3, -1) >= 0 || errno == EINTR) && !fds[0].revents && !fds[1].revents) {
		if (fds[2].revents && eventfd_read(l->reopen, &times) == 0)
			log_reopen();
	}
}

void life_watch(struct life *l, struct server *server)
{
	LOCK_SCOPE(&l->lock);
	l->server = server;
	if (server && !l->watch)
		l->watch = watch_hold(server->watch);
}

static void log_counters(struct life *l)
{
	LOCK_SCOPE(&l->lock);
	if (l->server)
		server_log_counters(l->server);
}

/* Relaxed: who asks for the status has seen that the end came. */
static void end_by_signal(struct life *l)
{
	atomic_store_explicit(&l->signalled, true, memory_order_relaxed);
	life_end(l);
}

int life_status(const struct life *l)
{
	return l && atomic_load_explicit(&l->signalled, memory_order_relaxed) ? l->door->signal_status : 0;
}

static void take_signal(struct life *l)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGUSR1:
		log_counters(l);
		break;
	case SIGHUP:
		if (l->door->hangup_ends)
			end_by_signal(l);
		else
			eventfd_write(l->reopen, 1);
		break;
	default:
		end_by_signal(l);
	}
}

static struct watch *get_watch(struct life *l)
{
	LOCK_SCOPE(&l->lock);
	return l->watch;
}

/* For plugins that do not come back; a start that hangs in one ends here. */
static void look(struct life *l)
{
	struct watch *w = get_watch(l);
	int64_t now = now_ms();

	if (now < l->next_look)
		return;
	l->next_look = now + WATCH_EVERY_MS;
	if (w && watch_look(w, clock_ns(CLOCK_MONOTONIC), WATCH_PATIENCE_NS)) {
		log_err(NULL, "the start cannot go on without it: giving up");
		_exit(1);
	}
}

/* Milliseconds until there is something to do without being asked. */
static int time_to_wait(const struct life *l, int left)
{
	int64_t until = l->next_look - now_ms();

	until = until < 0 ? 0 : until;
	return left >= 0 && left < until ? left : (int)until;
}

/* Milliseconds until the time is over, -1: it has not begun. */
static int time_left(const struct life *l)
{
	int64_t deadline = atomic_load_explicit(&l->deadline, memory_order_relaxed), now = now_ms();

	if (!deadline)
		return -1;
	return deadline > now ? (int)(deadline - now) : 0;
}

/* What must be on disk is there already: it was before the calls that changed it returned. */
static void give_up(struct life *l)
{
	struct watch *w = get_watch(l);

	if (w)
		watch_tell(w);
	log_err(NULL, "no end after %d ms: %s; going without it", LIFE_END_MS,
		atomic_load_explicit(&l->ending, memory_order_relaxed));
	_exit(1);
}

static void *life_main(void *arg)
{
	struct life *l = arg;
	struct pollfd fds[] = { { .fd = l->signals, .events = POLLIN }, { .fd = l->wake, .events = POLLIN } };

	/* Acquire: pairs with the release in life_free. */
	while (!atomic_load_explicit(&l->leave, memory_order_acquire)) {
		eventfd_t wakes;

		poll(fds, 2, time_to_wait(l, time_left(l)));
		if (fds[1].revents)
			eventfd_read(l->wake, &wakes);
		if (fds[0].revents)
			take_signal(l);
		if (time_left(l) == 0)
			give_up(l);
		look(l);
	}
	return NULL;
}

/* Blocked in every thread, so that only the descriptor sees them. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_all(struct life *l, struct graft_error *err)
{
	l->signals = open_signals();
	l->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->reopen = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->signals < 0 || l->end < 0 || l->reopen < 0 || l->wake < 0)
		return error_set(err, errno, "making descriptors for signals: %s", strerror(errno));
	return 0;
}

static void drop(struct life *l)
{
	cleanup_close(&l->signals);
	cleanup_close(&l->end);
	cleanup_close(&l->reopen);
	cleanup_close(&l->wake);
	pthread_mutex_destroy(&l->lock);
	watch_release(l->watch);
	free(l);
}

struct life *life_new(const struct door *door, struct graft_error *err)
{
	struct life *l = calloc(1, sizeof(*l));

	if (!l) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	l->door = door;
	l->signals = l->end = l->reopen = l->wake = -1;
	atomic_init(&l->ending, "the start");
	l->next_look = now_ms() + WATCH_EVERY_MS;
	pthread_mutex_init(&l->lock, NULL);
	if (open_all(l, err) == 0)
		return l;
	drop(l);
	return NULL;
}

int life_start(struct life *l, struct graft_error *err)
{
	int res = thread_start(&l->thread, "signals", life_main, l);

	l->running = !res;
	return res ? error_set(err, -res, "starting the thread for signals: %s", strerror(-res)) : 0;
}

int life_signals(const struct life *l)
{
	return l->signals;
}

void life_free(struct life *l)
{
	if (!l)
		return;
	if (l->running) {
		atomic_store_explicit(&l->leave, true, memory_order_release);
		eventfd_write(l->wake, 1);
		pthread_join(l->thread, NULL);
	}
	drop(l);
}
