/* SPDX-License-Identifier: Apache-2.0 */
/* The services that plugins get: one constant table. */
#ifndef GRAFT_SERVER_HOST_H
#define GRAFT_SERVER_HOST_H

#include <graftfs/plugin.h>

extern const struct graft_host host_services;

#endif
