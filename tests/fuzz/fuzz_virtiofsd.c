/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any lines as the arguments of virtiofsd. A refusal has one line of text; what is taken dumps as an INI
 * file, which read again dumps the same.
 */
#include "fuzz_line.h"
#include "server/virtiofsd/checks.h"
#include "server/virtiofsd/settings.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void configure(const struct vfsd_line *line)
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = vfsd_config(line, &registry, &err);

	fuzz_check_config(c, registry, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vfsd_line line = { 0 };
	struct graft_error err = { 0 };
	char *argv[FUZZ_ARGS_MAX], *text;
	int argc = fuzz_words(data, size, &text, argv);

	int res = vfsd_line_parse(&line, argc, argv, &err);
	if (res < 0)
		fuzz_check_refusal(&err);
	else if (res == VFSD_GO_ON && vfsd_check_shared(&line, &err) == 0)
		configure(&line);
	vfsd_line_fini(&line);
	free(text);
	return 0;
}
