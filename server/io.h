/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking transfers of the io service: whole, however many system calls that takes. */
#ifndef GRAFT_SERVER_IO_H
#define GRAFT_SERVER_IO_H

#include <graftfs/plugin.h>

/* Bytes moved until all is done, the file ends or an error stops it; -errno if that came before the first byte. */
int64_t io_transfer(const struct graft_io *io);

#endif
