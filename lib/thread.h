/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of the server: named, deaf to signals, with a working directory and umask of their own. */
#ifndef GRAFT_LIB_THREAD_H
#define GRAFT_LIB_THREAD_H

#include <pthread.h>
#include <semaphore.h>

/*
 * Starts fn(arg) on a joinable thread with every signal but SIGBUS blocked, fs_struct unshared (so that fchdir and umask
 * stay this thread's alone) and umask 0. Returns 0 or -errno; *t is set only on success, and fn did not run on failure.
 * name is cut to 15 bytes, what the kernel keeps. The caller joins it.
 */
int thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

/* A thread that was begun; whoever begins several waits for all of them once. The caller's until thread_await has returned. */
struct thread_birth {
	const char *name;
	void *(*fn)(void *);
	void *arg;
	pthread_t thread;
	int res; /* 0 or -errno; written before the post of `ready`, read after the wait */
	sem_t ready;
};

/* thread_start in two steps, of the same thread. thread_begin: 0, and thread_await must be called, or -errno. name lives as long as b. */
int thread_begin(struct thread_birth *b, const char *name, void *(*fn)(void *), void *arg);
int thread_await(struct thread_birth *b, pthread_t *t);

/* A condition whose timed waits go by CLOCK_MONOTONIC (clock_after_ms). */
void thread_cond_init(pthread_cond_t *cond);

#endif
