/* SPDX-License-Identifier: Apache-2.0 */
/* Directory streams: the read position and the entries read ahead of one open directory. */
#ifndef GRAFT_PASSTHROUGH_DIR_H
#define GRAFT_PASSTHROUGH_DIR_H

/* Belongs to a handle (handle.h). The buffer is allocated by the first READDIR. */
struct dir_stream;

/* NULL when out of memory. */
struct dir_stream *dir_stream_new(void);
/* d may be NULL. Nobody may be inside. */
void dir_stream_free(struct dir_stream *d);

#endif
