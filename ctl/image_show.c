/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image show: what an image is made of, and whether its blobs are there. */
#include "ctl/image.h"

#include "ctl/image_map.h"
#include "ctl/image_text.h"
#include "ctl/image_walk.h"
#include "ctl/text.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PREFETCH_SHOWN 1000 /* entries of the prefetch table */
#define WALK_MAX 500000     /* names that are looked at for the paths of those */

/* One blob as it is found. */
struct found {
	const struct rafs_blob_info *info;
	const struct blob_file *file;    /* NULL: not there */
	const struct chunk_table *table; /* NULL: none */
	const char *error;               /* NULL: none */
	bool has_table;                  /* it should have one */
};

static struct found find_blob(struct image *image, uint32_t i)
{
	struct found f = { .info = rafs_image_blob(image->rafs, i), .has_table = image_has_table(image, i) };
	f.file = image_blob_file(image, i);
	f.table = f.has_table ? image_blob_table(image, i) : NULL;
	if (!f.file)
		f.error = image->blobs[i].file_error.text;
	else if (f.has_table && !f.table)
		f.error = image->blobs[i].table_error.text;
	return f;
}

static const char *cipher_name(uint32_t cipher)
{
	return cipher == RAFS_AES128_XTS ? "aes-128-xts" : cipher == RAFS_PLAIN ? "none" : "unknown";
}

/* The forms of a chunk table's entries (reference 3.4), or where chunks stand instead. */
static const char *table_form(const struct found *f)
{
	if (!f->has_table)
		return f->info->features & RAFS_BLOB_TARFS ? "none: files lie in a tar as they are"
							   : "in the bootstrap";
	if (!(f->info->features & RAFS_BLOB_CHUNK_INFO_V2))
		return "v1, 16 bytes a chunk";
	return "v2, 24 bytes a chunk";
}

/* Inode numbers of the prefetch table and the paths that were found for them. */
struct prefetch {
	uint32_t n, more; /* shown, and left out */
	uint64_t inos[PREFETCH_SHOWN];
	char *paths[PREFETCH_SHOWN]; /* NULL: not found */
	struct image_map places;     /* ino to its first place in inos, + 1 */
	uint32_t wanted;
	uint64_t walk_left;
};

static int take_path(void *arg, const struct image_walk_at *at)
{
	struct prefetch *p = arg;
	if (p->walk_left-- == 0 || p->wanted == 0)
		return -ECANCELED;
	uint64_t place = image_map_get(&p->places, at->inode->ino);
	if (place > 0 && !p->paths[place - 1]) {
		p->paths[place - 1] = strdup(at->path);
		p->wanted--;
	}
	return 0;
}

/* A tree that is broken somewhere is for check to report. */
static void ignore(void *arg, const char *path, const char *what)
{
	(void)arg, (void)path, (void)what;
}

static void read_prefetch(const struct image *image, struct prefetch *p)
{
	static const struct image_walk_ops ops = { .entry = take_path, .bad = ignore };
	struct rafs_inode root;
	*p = (struct prefetch){ .walk_left = WALK_MAX };
	for (uint32_t i = 0; i < image->super->prefetch_entries; i++) {
		uint64_t ino = rafs_image_prefetch(image->rafs, i);
		if (ino == 0)
			break;
		if (p->n == PREFETCH_SHOWN) {
			p->more++;
			continue;
		}
		p->inos[p->n++] = ino;
		uint64_t *place = image_map_at(&p->places, ino);
		if (!place || *place != 0)
			continue;
		*place = p->n;
		p->wanted++;
		if (ino == image->super->root) {
			p->paths[p->n - 1] = strdup("/");
			p->wanted--;
		}
	}
	if (p->wanted > 0 && rafs_inode_get(image->rafs, image->super->root, &root) == 0)
		image_walk(image->rafs, "/", &root, true, &ops, p);
}

static void free_prefetch(struct prefetch *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		free(p->paths[i]);
	image_map_free(&p->places);
	free(p);
}

static void put_super(const struct image *image)
{
	const struct rafs_super *s = image->super;
	char bits[IMAGE_BITS_MAX];
	fputs("image       ", stdout);
	text_put(stdout, image->path);
	printf("\nbootstrap   %s, %" PRIu64 " bytes\n", image->inlined ? "inside that blob" : "that file",
	       s->meta_size);
	printf("version     %" PRIu32 "\n", s->version);
	printf("flags       %s\n", image_bits_text(bits, image_super_bits, s->flags));
	printf("compressor  %s\n", rafs_compressor_name(s->compressor));
	printf("digester    %s\n", rafs_digester_name(s->digester));
	printf("chunk size  %" PRIu32 "\n", s->chunk_size);
	printf("block size  %" PRIu32 "\n", s->block_size);
	printf("inodes      %" PRIu64 "%s\n", s->inodes, s->version == 6 ? " names" : "");
	printf("root        %" PRIu64 "\n", s->root);
}

static void put_blob(const struct found *f)
{
	const struct rafs_blob_info *b = f->info;
	char bits[IMAGE_BITS_MAX];
	printf("\nblob %-6" PRIu32 " %s\n", b->index, b->id);
	if (strcmp(b->meta_id, b->id) != 0)
		printf("  chunk table in %s\n", b->meta_id);
	printf("  features   %s\n", image_bits_text(bits, image_blob_bits, b->features));
	printf("  compressor %s\n", rafs_compressor_name(b->compressor));
	printf("  digester   %s\n", rafs_digester_name(b->digester));
	printf("  cipher     %s\n", cipher_name(b->cipher));
	printf("  size       %" PRIu64 ", uncompressed %" PRIu64 "\n", b->c_size, b->u_size);
	printf("  chunks     %" PRIu32 ", each up to %" PRIu32 " bytes\n", b->chunk_count, b->chunk_size);
	printf("  table      %s\n", table_form(f));
	if (f->has_table)
		printf("             %" PRIu64 " bytes at %" PRIu64 ", %s, unpacked %" PRIu64 "%s\n", b->ci_c_size,
		       b->ci_offset, rafs_compressor_name(b->ci_compressor), b->ci_u_size,
		       f->table && chunk_table_has_digests(f->table) ? ", with digests" : "");
	if (!f->file)
		fputs("  there      no: ", stdout);
	else
		printf("  there      yes, %" PRIu64 " bytes%s", blob_size(f->file), f->error ? "; " : "");
	text_put(stdout, f->error ? f->error : "");
	putchar('\n');
}

static void put_prefetch(const struct prefetch *p)
{
	printf("\nprefetch    %" PRIu64 "%s\n", (uint64_t)p->n + p->more, p->n == 1 ? " entry" : " entries");
	for (uint32_t i = 0; i < p->n; i++) {
		fputs("  ", stdout);
		if (p->paths[i])
			text_put(stdout, p->paths[i]);
		else
			printf("inode %" PRIu64, p->inos[i]);
		putchar('\n');
	}
	if (p->more > 0)
		printf("  ... %" PRIu32 " more\n", p->more);
}

static json_t *json_of_super(const struct image *image)
{
	const struct rafs_super *s = image->super;
	json_t *o =
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:I, s:b, s:I}", "version", (json_int_t)s->version,
			  "chunk_size", (json_int_t)s->chunk_size, "block_size", (json_int_t)s->block_size, "inodes",
			  (json_int_t)s->inodes, "root", (json_int_t)s->root, "compressor",
			  rafs_compressor_name(s->compressor), "digester", rafs_digester_name(s->digester), "flags",
			  image_bits_json(image_super_bits, s->flags), "bootstrap_size", (json_int_t)s->meta_size,
			  "inlined", image->inlined, "prefetch_entries", (json_int_t)s->prefetch_entries);
	image_json_name(o, "image", image->path);
	image_json_name(o, "blobs_in", image->places);
	return o;
}

static json_t *json_of_table(const struct found *f)
{
	const struct rafs_blob_info *b = f->info;
	if (!f->has_table)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:b}", "blob", b->meta_id, "version",
			 (json_int_t)(b->features & RAFS_BLOB_CHUNK_INFO_V2 ? 2 : 1), "offset",
			 (json_int_t)b->ci_offset, "c_size", (json_int_t)b->ci_c_size, "u_size",
			 (json_int_t)b->ci_u_size, "compressor", rafs_compressor_name(b->ci_compressor), "readable",
			 f->table != NULL, "digests", f->table && chunk_table_has_digests(f->table));
}

static json_t *json_of_blob(const struct found *f)
{
	const struct rafs_blob_info *b = f->info;
	json_t *o = json_pack("{s:I, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:b}", "index", (json_int_t)b->index,
			      "features", image_bits_json(image_blob_bits, b->features), "compressor",
			      rafs_compressor_name(b->compressor), "digester", rafs_digester_name(b->digester),
			      "cipher", cipher_name(b->cipher), "c_size", (json_int_t)b->c_size, "u_size",
			      (json_int_t)b->u_size, "chunks", (json_int_t)b->chunk_count, "chunk_size",
			      (json_int_t)b->chunk_size, "table", json_of_table(f), "there", f->file != NULL);
	image_json_name(o, "id", b->id);
	if (f->file)
		json_object_set_new(o, "size", json_integer((json_int_t)blob_size(f->file)));
	if (f->error)
		image_json_name(o, "error", f->error);
	return o;
}

static json_t *json_of_prefetch(const struct prefetch *p)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < p->n; i++) {
		json_t *row = json_pack("{s:I}", "ino", (json_int_t)p->inos[i]);
		if (p->paths[i])
			image_json_name(row, "path", p->paths[i]);
		json_array_append_new(list, row);
	}
	return list;
}

static void show_json(struct image *image, const struct prefetch *p)
{
	json_t *all = json_of_super(image), *blobs = json_array();
	for (uint32_t i = 0; i < image->super->blobs; i++) {
		struct found f = find_blob(image, i);
		json_array_append_new(blobs, json_of_blob(&f));
	}
	json_object_set_new(all, "blobs", blobs);
	json_object_set_new(all, "prefetch", json_of_prefetch(p));
	ctl_print_json(all, JSON_INDENT(2));
	json_decref(all);
}

static void show_text(struct image *image, const struct prefetch *p)
{
	put_super(image);
	fputs("blobs in    ", stdout);
	text_put(stdout, image->places);
	putchar('\n');
	for (uint32_t i = 0; i < image->super->blobs; i++) {
		struct found f = find_blob(image, i);
		put_blob(&f);
	}
	put_prefetch(p);
}

int image_show(struct image *image, const struct args *args, const char *path)
{
	struct prefetch *p = malloc(sizeof(*p));
	(void)args, (void)path;
	if (!p)
		return ctl_fail(CTL_FAILED, "out of memory");
	read_prefetch(image, p);
	if (image->json)
		show_json(image, p);
	else
		show_text(image, p);
	free_prefetch(p);
	return CTL_DONE;
}
