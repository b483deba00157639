/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: start one and wait until it has made itself independent of the process's umask and directory. */
#include "lib/thread.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#define THREAD_NAME_MAX 15 /* bytes (TASK_COMM_LEN - 1) */

/* Lives on the starter's stack until the thread has posted `ready`. */
struct thread_birth {
	const char *name;
	void *(*fn)(void *);
	void *arg;
	int res; /* 0 or -errno; written before the post of `ready`, read after the wait */
	sem_t ready;
};

static void name_self(const char *name)
{
	char comm[THREAD_NAME_MAX + 1];
	snprintf(comm, sizeof(comm), "%s", name);
	pthread_setname_np(pthread_self(), comm);
}

static void *thread_main(void *arg)
{
	struct thread_birth *birth = arg;
	void *(*fn)(void *) = birth->fn;
	void *fn_arg = birth->arg;
	int res = unshare(CLONE_FS) == 0 ? 0 : -errno;

	if (res == 0) {
		umask(0);
		name_self(birth->name);
	}
	birth->res = res;
	sem_post(&birth->ready); /* birth is gone from here on */
	return res == 0 ? fn(fn_arg) : NULL;
}

/*
 * A thread inherits the mask, so no signal can reach it before it could block them itself. Two stay open, which a thread raises by what it
 * does, and which would end the process unseen: SIGBUS at a missing page of a mapping (lib/mapping.h), SIGSYS at a system call that is not
 * on the server's list.
 */
static int create_blocked(pthread_t *t, struct thread_birth *birth)
{
	sigset_t all, old;
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int code = pthread_create(t, NULL, thread_main, birth);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -code;
}

static int wait_born(pthread_t t, struct thread_birth *birth)
{
	while (sem_wait(&birth->ready) != 0 && errno == EINTR)
		;
	if (birth->res != 0)
		pthread_join(t, NULL);
	return birth->res;
}

int thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg)
{
	struct thread_birth birth = { .name = name, .fn = fn, .arg = arg };
	pthread_t made;

	if (sem_init(&birth.ready, 0, 0) != 0)
		return -errno;
	int res = create_blocked(&made, &birth);
	if (res == 0)
		res = wait_born(made, &birth);
	if (res == 0)
		*t = made;
	sem_destroy(&birth.ready);
	return res;
}

void thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}
