/* SPDX-License-Identifier: Apache-2.0 */
/* A file and its model in memory. */
#include "tests/vring/data_model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_EVERY 500 /* steps between two comparisons of the whole file */

const uint32_t data_model_modes[MODEL_MODES] = {
	0,
	FALLOC_FL_KEEP_SIZE,
	FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	FALLOC_FL_ZERO_RANGE,
	FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
};

int data_model_open(struct data_model *m, struct fuse_client *c, uint64_t parent, const char *name, unsigned seed)
{
	struct fuse_entry_out e;

	*m = (struct data_model){.client = c, .seed = seed};
	m->image = calloc(1, MODEL_MAX_SIZE);
	m->buffer = malloc(MODEL_MAX_IO);
	if (!m->image || !m->buffer)
		return -ENOMEM;
	int res = fuse_create(c, parent, name, O_RDWR | O_TRUNC, 0644, &e, &m->fh);
	if (res == 0)
		m->node = e.nodeid;
	return res;
}

void data_model_close(struct data_model *m)
{
	if (m->node)
		fuse_release(m->client, m->node, m->fh);
	free(m->image);
	free(m->buffer);
	m->image = m->buffer = NULL;
	m->node = 0;
}

static uint64_t pick(struct data_model *m, uint64_t below)
{
	return below ? (uint64_t)rand_r(&m->seed) % below : 0;
}

/* A range inside the largest file; often aligned, as real programs' are. */
static void pick_range(struct data_model *m, uint64_t max, uint64_t *off, uint64_t *len)
{
	*off = pick(m, MODEL_MAX_SIZE);
	*len = 1 + pick(m, pick(m, 4) ? max : 100);
	if (pick(m, 3) == 0)
		*off &= ~4095ULL;
	if (pick(m, 3) == 0)
		*len = (*len + 4095) & ~4095ULL;
	if (*len > max)
		*len = max;
	if (*off + *len > MODEL_MAX_SIZE)
		*len = MODEL_MAX_SIZE - *off;
}

static int differs(struct data_model *m, const char *what, uint64_t off)
{
	size_t used = strlen(m->what);

	snprintf(m->what + used, sizeof(m->what) - used, ": %s at %llu", what, (unsigned long long)off);
	return -EILSEQ;
}

static int compare(struct data_model *m, uint64_t off, uint64_t len)
{
	ssize_t n = fuse_read(m->client, m->node, m->fh, m->buffer, (uint32_t)len, off);
	uint64_t want = off >= m->size ? 0 : m->size - off < len ? m->size - off : len;

	if (n < 0)
		return (int)n;
	if ((uint64_t)n != want)
		return differs(m, "wrong count", (uint64_t)n);
	if (!want || memcmp(m->buffer, m->image + off, want) == 0)
		return 0;
	for (n = 0; m->buffer[n] == m->image[off + (uint64_t)n]; n++)
		;
	return differs(m, "wrong byte", off + (uint64_t)n);
}

int data_model_check(struct data_model *m)
{
	struct fuse_attr_out attr;
	int res = fuse_getattr(m->client, m->node, &attr);

	snprintf(m->what, sizeof(m->what), "step %llu, whole file", (unsigned long long)m->steps);
	if (res == 0 && attr.attr.size != m->size)
		return differs(m, "wrong size", attr.attr.size);
	for (uint64_t off = 0; res == 0 && off < MODEL_MAX_SIZE; off += MODEL_MAX_IO)
		res = compare(m, off, MODEL_MAX_IO);
	return res;
}

static int step_read(struct data_model *m)
{
	uint64_t off, len;

	pick_range(m, MODEL_MAX_IO, &off, &len);
	snprintf(m->what, sizeof(m->what), "read %llu+%llu", (unsigned long long)off, (unsigned long long)len);
	return compare(m, off, len);
}

static int step_write(struct data_model *m)
{
	uint64_t off, len;

	pick_range(m, MODEL_MAX_IO, &off, &len);
	snprintf(m->what, sizeof(m->what), "write %llu+%llu", (unsigned long long)off, (unsigned long long)len);
	unsigned char value = (unsigned char)pick(m, 256);
	for (uint64_t i = 0; i < len; i++)
		m->buffer[i] = (unsigned char)(value + i + i / 256);
	ssize_t n = fuse_write(m->client, m->node, m->fh, m->buffer, (uint32_t)len, off);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != len)
		return differs(m, "short write", (uint64_t)n);
	memcpy(m->image + off, m->buffer, len);
	m->size = off + len > m->size ? off + len : m->size;
	return 0;
}

static int step_truncate(struct data_model *m)
{
	uint64_t size = pick(m, MODEL_MAX_SIZE + 1);

	snprintf(m->what, sizeof(m->what), "truncate %llu to %llu", (unsigned long long)m->size,
		 (unsigned long long)size);
	int res = fuse_truncate(m->client, m->node, size);
	if (res < 0)
		return res;
	if (size < m->size)
		memset(m->image + size, 0, m->size - size);
	m->size = size;
	return 0;
}

static int step_fallocate(struct data_model *m)
{
	unsigned which = (unsigned)pick(m, MODEL_MODES);
	uint32_t mode = data_model_modes[which];
	uint64_t off, len;

	pick_range(m, MODEL_MAX_SIZE, &off, &len);
	snprintf(m->what, sizeof(m->what), "fallocate %u %llu+%llu", mode, (unsigned long long)off,
		 (unsigned long long)len);
	if (m->no_fallocate & 1u << which)
		return 0;
	int res = fuse_fallocate(m->client, m->node, m->fh, mode, off, len);
	if (res == -EOPNOTSUPP) {
		m->no_fallocate |= 1u << which;
		return 0;
	}
	if (res < 0)
		return res;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(m->image + off, 0, len); /* behind the end all is zero anyway */
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > m->size)
		m->size = off + len;
	return 0;
}

static int step_copy(struct data_model *m)
{
	uint64_t from, to, len;

	pick_range(m, MODEL_MAX_IO, &from, &len);
	to = pick(m, MODEL_MAX_SIZE - len + 1);
	snprintf(m->what, sizeof(m->what), "copy %llu+%llu to %llu", (unsigned long long)from, (unsigned long long)len,
		 (unsigned long long)to);
	if (m->no_copy || (to < from + len && from < to + len))
		return 0;
	struct fuse_copy_file_range_in in = {
		.fh_in = m->fh, .off_in = from, .nodeid_out = m->node, .fh_out = m->fh, .off_out = to, .len = len};
	int64_t n = fuse_copy_file_range(m->client, FUSE_COPY_FILE_RANGE, &in, m->node);
	if (n == -EOPNOTSUPP) {
		m->no_copy = true;
		return 0;
	}
	if (n < 0)
		return (int)n;
	uint64_t max = from >= m->size ? 0 : m->size - from < len ? m->size - from : len;
	if ((uint64_t)n > max)
		return differs(m, "copied too much", (uint64_t)n);
	memcpy(m->image + to, m->image + from, (size_t)n);
	if (n && to + (uint64_t)n > m->size)
		m->size = to + (uint64_t)n;
	return 0;
}

static int step_reopen(struct data_model *m)
{
	snprintf(m->what, sizeof(m->what), "reopen");
	int res = fuse_release(m->client, m->node, m->fh);
	return res < 0 ? res : fuse_open(m->client, m->node, O_RDWR, &m->fh);
}

int data_model_step(struct data_model *m)
{
	m->steps++;
	if (m->steps % CHECK_EVERY == 0)
		return data_model_check(m);
	uint64_t dice = pick(m, 100);
	if (dice < 40)
		return step_read(m);
	if (dice < 75)
		return step_write(m);
	if (dice < 85)
		return step_truncate(m);
	if (dice < 93)
		return step_fallocate(m);
	if (dice < 97)
		return step_copy(m);
	return step_reopen(m);
}
