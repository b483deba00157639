/* SPDX-License-Identifier: Apache-2.0 */
/* The one symbol of the shared object. */
#include "mapping_copy.h"

extern const struct mapping_copy mapping_copy;

__attribute__((visibility("default")))
const struct mapping_copy mapping_copy = { mapping_open, mapping_close, mapping_torn };
