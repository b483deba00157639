/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that a process holds without need. */
#ifndef GRAFT_LIB_RESIDENT_H
#define GRAFT_LIB_RESIDENT_H

/*
 * Unmaps the pages of code and constants of the program and its libraries that were touched so far, most of them only by starting: the
 * dynamic linker reads every library's symbols. They stay in the page cache, and are mapped again where they are used. Any thread.
 */
void resident_drop_code(void);

#endif
