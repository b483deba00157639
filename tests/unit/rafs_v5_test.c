/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5 images of every kind, read in full and compared with what they must show. */
#include "rafs_image_touch.h"
#include "rafs_image_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name, *expected;
} images[] = {
	{ "v5-aligned", "expected.jsonl" },       { "v5-chunk4k", "expected.jsonl" },
	{ "v5-lz4_block", "expected.jsonl" },     { "v5-merged", "expected-merged.jsonl" },
	{ "v5-none", "expected.jsonl" },          { "v5-parent", "expected-merged.jsonl" },
	{ "v5-prefetch", "expected.jsonl" },      { "v5-sha256", "expected.jsonl" },
	{ "v5-tar", "expected-tar.jsonl" },       { "v5-zstd", "expected.jsonl" },
};

static void test_images(void **state)
{
	char boot[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		struct rafs_image *image;

		snprintf(boot, sizeof(boot), "%s/boot", images[i].name);
		print_message("%s\n", images[i].name);
		image = walk_open(boot);
		walk_compare(image, images[i].expected);
		rafs_image_close(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
