/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers of 32 bits as virtiofsd reads them, and how a text from outside is shown in a message. */
#ifndef GRAFT_PLUGIN_IDMAP_NUMBER_H
#define GRAFT_PLUGIN_IDMAP_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graft_error;

#define NUMBER_SHOWN 48 /* bytes number_show fills at most */

/* Digits, a '+' before them or not, and nothing else; at most 4294967295. */
bool number_parse(const char *text, size_t len, uint32_t *n);
/* Says what a number would be; -EINVAL. */
int number_refuse(const char *text, size_t len, struct graft_error *err);
/* The text on one line: cut where it is long, other than printable ASCII as '?'. Returns to. */
const char *number_show(char to[NUMBER_SHOWN], const char *text, size_t len);

#endif
