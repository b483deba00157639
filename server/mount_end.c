/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting, for a bounded time, for the end of a mount that was taken out of the tree. */
#include "server/mount_end.h"

#include "lib/clock.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

struct mount_end {
	_Atomic uint32_t refs;
	sem_t told;
};

struct mount_end *mount_end_new(void)
{
	struct mount_end *e = calloc(1, sizeof(*e));

	if (e) {
		atomic_init(&e->refs, 1);
		sem_init(&e->told, 0, 0);
	}
	return e;
}

struct mount_end *mount_end_hold(struct mount_end *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void mount_end_put(struct mount_end *e)
{
	/* Release and acquire: whoever frees it comes after all who used it. */
	if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
		return;
	sem_destroy(&e->told);
	free(e);
}

void mount_end_tell(struct mount_end *e)
{
	if (e)
		sem_post(&e->told);
	mount_end_put(e);
}

void mount_end_wait(struct mount_end *e, int ms)
{
	struct timespec until = clock_after_ms(ms);

	while (sem_clockwait(&e->told, CLOCK_MONOTONIC, &until) < 0 && errno == EINTR)
		;
}
