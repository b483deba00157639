/* SPDX-License-Identifier: Apache-2.0 */
/* Scope clean-up: attributes that free, close and unlock when a variable leaves its scope, and steal() to keep it. */
#ifndef GRAFT_LIB_CLEANUP_H
#define GRAFT_LIB_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* All handlers keep errno; close() is never retried. */
static inline void cleanup_free(void *p)
{
	int saved = errno;
	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_close(const int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_fclose(FILE **f)
{
	int saved = errno;
	if (*f)
		fclose(*f);
	errno = saved;
}

static inline void cleanup_unlock(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_close __attribute__((cleanup(cleanup_close)))
#define auto_fclose __attribute__((cleanup(cleanup_fclose)))

/* Holds a mutex until the end of the scope: LOCK_SCOPE(&table->lock); */
static inline pthread_mutex_t *cleanup_lock(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}
#define LOCK_SCOPE_NAME2(line) lock_scope_##line
#define LOCK_SCOPE_NAME(line) LOCK_SCOPE_NAME2(line)
#define LOCK_SCOPE(m) \
	pthread_mutex_t *LOCK_SCOPE_NAME(__LINE__) __attribute__((cleanup(cleanup_unlock), unused)) = cleanup_lock(m)

/* Takes what a variable owns and leaves "nothing" behind. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

#define steal_ptr(p)                      \
	__extension__({                   \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;               \
		taken_;                   \
	})

#endif
