/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of counters for each inode that was met, up to a fixed number of them; rows never go. Any thread, without a
 * lock and without allocating: memory is mapped at first and there once it is written to.
 */
#ifndef GRAFT_NYDUS_RAFS_INODE_TABLE_H
#define GRAFT_NYDUS_RAFS_INODE_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INODE_TABLE_MAX (1u << 17)              /* rows */
#define INODE_TABLE_INO_MAX (UINT64_C(1) << 47) /* above: no row */

struct inode_table {
	/* number << 17 | place of the row, by open addressing; 0: nobody. Twice as many as rows */
	_Atomic uint64_t *index;
	unsigned char *rows;
	uint32_t max; /* rows, a power of two */
	size_t row_size;
	_Atomic uint32_t used; /* may go beyond max by the number of threads */
};

/* max: a power of two, at most INODE_TABLE_MAX. 0 or -ENOMEM. */
int inode_table_init(struct inode_table *t, uint32_t max, size_t row_size);
void inode_table_fini(struct inode_table *t);

/* The inode's row, zeroed at first. NULL: there is none, and make is false or the table is full. */
void *inode_table_row(struct inode_table *t, uint64_t ino, bool make);
/* Walks: the next row and its inode from *at on (0 begins); NULL at the end. Rows that come meanwhile may be left out.
 */
void *inode_table_next(const struct inode_table *t, uint32_t *at, uint64_t *ino);

#endif
