/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a v5 bootstrap. The input's first 80 bytes are the fields of the superblock, the others what lies behind
 * it; the zeros between are left out. All that image.h offers is called for all that the image shows.
 */
#include "tests/unit/rafs_image_touch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 80  /* bytes of the superblock that mean something */
#define SUPER 8192 /* bytes of all of it */
#define INPUT 0x20000
#define WORK 6000 /* calls for one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char file[SUPER + INPUT];
	struct rafs_image *image;
	struct image_memory m;

	if (size < FIELDS || size > INPUT)
		return 0;
	memset(file, 0, SUPER);
	memcpy(file, data, FIELDS);
	memcpy(file + SUPER, data + FIELDS, size - FIELDS);
	/* As the file of a blob that has its bootstrap within, for ids that are the file's name. */
	if (!image_memory_init(&m, file, SUPER + size - FIELDS, "name-of-the-blob"))
		return 0;
	m.origin.inlined = size % 2;
	if (rafs_image_open(&image, &m.origin, NULL) == 0) {
		image_touch(image, WORK);
		rafs_image_close(image);
	}
	image_memory_fini(&m);
	return 0;
}
