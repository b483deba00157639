/* SPDX-License-Identifier: Apache-2.0 */
/* The dirty bitmap of live migration: one bit for each 4 KiB page of guest memory that this side wrote. */
#ifndef GRAFT_TRANSPORT_DIRTY_LOG_H
#define GRAFT_TRANSPORT_DIRTY_LOG_H

#include "lib/error.h"
#include "transport/guest_memory.h"

#include <stdint.h>
#include <sys/uio.h>

#define DIRTY_LOG_PAGE 4096 /* bytes a bit stands for (vhost-user specification, "Migration") */

/* Shared memory of the front end's; counted, any thread may mark. */
struct dirty_log;

/* Maps size bytes of fd at offset; fd stays the caller's. NULL with err. */
struct dirty_log *dirty_log_new(int fd, uint64_t size, uint64_t offset, struct graft_error *err);
struct dirty_log *dirty_log_get(struct dirty_log *log);
void dirty_log_put(struct dirty_log *log); /* NULL is fine */

/* Does the bitmap reach up to this guest address (exclusive)? */
bool dirty_log_covers(const struct dirty_log *log, uint64_t end);
/* Marks the pages of [gpa, gpa + len) after they were written; what lies beyond the bitmap is left out. */
void dirty_log_mark(struct dirty_log *log, uint64_t gpa, uint64_t len);
/* The same for mapped memory; pieces that m does not hold are left out. */
void dirty_log_mark_iov(struct dirty_log *log, const struct guest_memory *m, const struct iovec *iov, uint32_t n);

#endif
