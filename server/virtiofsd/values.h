/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single values of virtiofsd's options. Each: 0, or -EINVAL with err, which says why and what is right. */
#ifndef GRAFT_SERVER_VIRTIOFSD_VALUES_H
#define GRAFT_SERVER_VIRTIOFSD_VALUES_H

#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>

/* A whole number that 64 bits hold; a plus before it is fine. *n is set. */
bool vfsd_number(const char *text, uint64_t *n);

int vfsd_check_number(const char *value, struct graft_error *err);
int vfsd_check_fd(const char *value, struct graft_error *err);
int vfsd_check_tag(const char *value, struct graft_error *err);
/* Seconds: 1 or 0.5. */
int vfsd_check_seconds(const char *value, struct graft_error *err);
/* Rules in virtiofsd's syntax, or a file of them by its absolute path. */
int vfsd_check_xattrmap(const char *value, struct graft_error *err);
/* :INSIDE:OUTSIDE:COUNT: with any delimiter. */
int vfsd_check_id_map(const char *value, struct graft_error *err);
/* The three numbers of a text that vfsd_check_id_map took. */
void vfsd_id_map(const char *value, uint32_t n[3]);
/* TYPE:N:N:N or TYPE:N:N. Whether two of them are at odds is for the layer to say. */
int vfsd_check_translate(const char *value, struct graft_error *err);

#endif
