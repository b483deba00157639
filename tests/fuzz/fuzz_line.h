/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of other daemons' command lines share: words from bytes, and what must be true of a configuration. */
#ifndef GRAFT_TESTS_FUZZ_FUZZ_LINE_H
#define GRAFT_TESTS_FUZZ_FUZZ_LINE_H

#include "server/config_internal.h"

#define FUZZ_ARGS_MAX 64

/* A refusal has one line of text. All of these abort where what they look at is not so. */
void fuzz_check_refusal(const struct graft_error *err);
/*
 * What a command line became: c with registry, or NULL with err. What is taken dumps as an INI file, which read again dumps the
 * same. c and registry are dropped.
 */
void fuzz_check_config(struct config *c, struct plugin_registry *registry, const struct graft_error *err);
/* A word for each line of the input. text, which the caller frees, has the words. */
int fuzz_words(const uint8_t *data, size_t size, char **text, char *argv[FUZZ_ARGS_MAX]);

#endif
