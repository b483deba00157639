/* SPDX-License-Identifier: Apache-2.0 */
/* An uneven memory barrier: free where it runs for every request, a system call where it seldom runs. */
#ifndef GRAFT_SERVER_BARRIER_H
#define GRAFT_SERVER_BARRIER_H

#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Once, at start: false where the kernel lacks it; then both sides pay for a full barrier. */
static inline bool barrier_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* Between a store and a load; pairs with barrier_heavy on another thread. */
static inline void barrier_light(bool registered)
{
	if (registered)
		atomic_signal_fence(memory_order_seq_cst);
	else
		__sync_synchronize();
}

/* Every thread has passed a full barrier when this returns; pairs with barrier_light. */
static inline void barrier_heavy(bool registered)
{
	__sync_synchronize();
	if (registered)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

#endif
