/* SPDX-License-Identifier: Apache-2.0 */
/* The 512-byte GNU tar header that follows each section of a blob (reference 3.6). */
#include "rafs/blob/bootstrap.h"

#include <errno.h>
#include <string.h>

#define NAME_SIZE    100
#define SIZE_AT      124
#define SIZE_LEN     12
#define CHECKSUM_AT  148
#define CHECKSUM_LEN 8
#define TYPE_AT      156
#define MAGIC_AT     257

/* Octal digits, spaces before them, a NUL or space behind; a size too big for that is binary, its first byte 0x80. */
static int read_number(const unsigned char *field, size_t len, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;
	bool binary = field[0] == 0x80;

	if (binary)
		i = 1;
	else
		while (i < len && field[i] == ' ')
			i++;
	for (; i < len; i++) {
		unsigned int base = binary ? 256 : 8;

		if (!binary && (field[i] == '\0' || field[i] == ' '))
			break;
		if (!binary && (field[i] < '0' || field[i] > '7'))
			return -EUCLEAN;
		if (v > UINT64_MAX / base - 1)
			return -EUCLEAN;
		v = v * base + (binary ? field[i] : field[i] - (unsigned int)'0');
	}
	*out = v;
	return 0;
}

static uint64_t checksum(const unsigned char *header)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < 512; i++)
		sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LEN ? ' ' : header[i];
	return sum;
}

int tar_header_read(const void *header, char name[101], uint64_t *size)
{
	const unsigned char *h = header;
	uint64_t sum;

	if (memcmp(h + MAGIC_AT, "ustar  ", 8) != 0 || h[TYPE_AT] != '0')
		return -EUCLEAN;
	if (read_number(h + CHECKSUM_AT, CHECKSUM_LEN, &sum) < 0 || sum != checksum(h))
		return -EUCLEAN;
	if (read_number(h + SIZE_AT, SIZE_LEN, size) < 0)
		return -EUCLEAN;
	memcpy(name, h, NAME_SIZE);
	name[NAME_SIZE] = '\0';
	return 0;
}
