/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: start one and wait until it has made itself independent of the process's umask and directory. */
#include "lib/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#define THREAD_NAME_MAX 15 /* bytes (TASK_COMM_LEN - 1) */

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
static int create_blocked(struct thread_birth *birth)
{
	sigset_t all, old;
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int code = pthread_create(&birth->thread, NULL, thread_main, birth);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -code;
}

int thread_begin(struct thread_birth *b, const char *name, void *(*fn)(void *), void *arg)
{
	*b = (struct thread_birth){ .name = name, .fn = fn, .arg = arg };
	if (sem_init(&b->ready, 0, 0) != 0)
		return -errno;
	int res = create_blocked(b);
	if (res)
		sem_destroy(&b->ready);
	return res;
}

int thread_await(struct thread_birth *b, pthread_t *t)
{
	while (sem_wait(&b->ready) != 0 && errno == EINTR)
		;
	if (b->res == 0)
		*t = b->thread;
	else
		pthread_join(b->thread, NULL);
	sem_destroy(&b->ready);
	return b->res;
}

int thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg)
{
	struct thread_birth birth;
	int res = thread_begin(&birth, name, fn, arg);

	return res ? res : thread_await(&birth, t);
}

void thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}
