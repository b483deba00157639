/* SPDX-License-Identifier: Apache-2.0 */
/* What an image holds, for people and as JSON: names of bits, modes, times, bytes of any kind. */
#ifndef GRAFT_CTL_IMAGE_TEXT_H
#define GRAFT_CTL_IMAGE_TEXT_H

#include "rafs/meta/image.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A bit and what it is called; a NULL name ends a table. */
struct image_bit {
	uint64_t bit;
	const char *name;
};
extern const struct image_bit image_super_bits[], image_blob_bits[], image_chunk_bits[];

#define IMAGE_BITS_MAX 512
/* The names of the bits that are set, with blanks between; what has no name as a number, "-" for none. Returns to. */
const char *image_bits_text(char to[IMAGE_BITS_MAX], const struct image_bit *table, uint64_t bits);
/* The same as a list. NULL when out of memory. */
json_t *image_bits_json(const struct image_bit *table, uint64_t bits);

/* file, dir, link, fifo, socket, char, block, or unknown. */
const char *image_type_name(uint32_t mode);
/* As ls -l: "drwxr-xr-x". Returns to. */
const char *image_mode_text(char to[11], uint32_t mode);
/* rdev is in new_encode_dev's form. */
uint32_t image_major(uint32_t rdev);
uint32_t image_minor(uint32_t rdev);

#define IMAGE_DATE_MAX 40
/* Seconds since 1970 as local time; "-" where none is stored. Returns to. */
const char *image_date(char to[IMAGE_DATE_MAX], uint64_t seconds);

/* 2 * n digits and a NUL. Returns to. */
const char *image_hex(char *to, const void *bytes, size_t n);

/* What an -errno of rafs/ means, in the words of an image. */
const char *image_reason(int res);

/*
 * Sets key to a name or path. Where that is no UTF-8, key is what a terminal is shown, and KEY_hex has the bytes.
 * key is short. Running out of memory leaves members out.
 */
void image_json_name(json_t *object, const char *key, const char *name);
/* Value of an xattr: text under "text" if it is UTF-8 without control characters, and in any case "hex". NULL: no
 * memory. */
json_t *image_json_value(const void *value, size_t len);
/* The same for people: "text" or 0x hex digits. */
void image_put_value(FILE *to, const void *value, size_t len);

/* The members that each inode has: type, ino, mode, nlink, uid, gid, size, mtime, and of some target or rdev. */
json_t *image_json_inode(const struct rafs_image *image, const struct rafs_inode *inode);

#define IMAGE_LINK_ROOM 65536 /* bytes that the longest target of a symlink fits into */
/* Target of a symlink, the caller's to free. NULL and *res where it cannot be read. */
char *image_target(const struct rafs_image *image, const struct rafs_inode *inode, int *res);

#endif
