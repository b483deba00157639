/* SPDX-License-Identifier: Apache-2.0 */
/* Log files that have grown enough: put away under the time, compressed, the oldest removed. */
#ifndef GRAFT_LIB_LOG_ROTATE_H
#define GRAFT_LIB_LOG_ROTATE_H

#include "lib/error.h"

#include <stddef.h>
#include <stdint.h>

#define LOG_ROTATE_KEPT 10           /* files put away that stay */
#define LOG_ROTATE_LIVE "_rCURRENT" /* stands before the extension of what is written to */

/* Puts word before the extension of path: STEM.EXT becomes STEM<word>.EXT. to has room for both. Returns to. */
char *log_rotate_name(const char *path, const char *word, char *to);
/*
 * For log_open_rotating: name is the live file's in folder, which is copied, as is the name; size what is in it. Takes a library to
 * compress with along, if there is one (libz.so.1); without it files stay as they are. 0 or -errno with err.
 */
int log_rotate_set(int folder, const char *name, uint64_t bytes, uint64_t size, struct graft_error *err);
/* n bytes were written. Any thread; never waits. */
void log_rotate_count(size_t n);
/*
 * Starts the thread that does it, so that whoever has something to say need not wait: lines that come meanwhile go to the old
 * file or the new one. 0, also where nothing was set; -errno with err. Main thread.
 */
int log_rotate_start(struct graft_error *err);
/* Ends the thread. A file that it is compressing stays uncompressed. Main thread; without a thread it is fine. */
void log_rotate_stop(void);
/* Forgets the folder too, for tests. No thread. */
void log_rotate_forget(void);

#endif
