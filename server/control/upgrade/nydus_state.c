/* SPDX-License-Identifier: Apache-2.0 */
/* The state that nydusd's fuse daemons hand to each other. */
#include "server/control/upgrade/nydus_state.h"

#include "lib/cleanup.h"
#include "server/control/upgrade/crc64.h"
#include "server/control/upgrade/wire.h"

#include <inttypes.h>
#include <string.h>

/*
 * Each part, the state itself, the tree of mounts in it and the directories in that, stands in a frame: u64 magic, u16
 * version of what follows, and at the end u64 CRC of all before. The magic's upper bits name the architecture, the
 * lowest 16 the frame's version.
 */
#define MAGIC_X86_64 UINT64_C(0x0710198486640001)
#define MAGIC_AARCH64 UINT64_C(0x07101984aaaa0001)
#define FRAME_HEAD 10
#define CRC_BYTES 8
#define VERSION 1

#if defined(__aarch64__)
#define MAGIC MAGIC_AARCH64
#else
#define MAGIC MAGIC_X86_64
#endif

/* Bytes that an item has at least: a count that promises more items than there are bytes is refused before any is read.
 */
#define MOUNT_LEAST 38
#define DIR_LEAST 24
#define TEXT_LEAST 8
#define EXTRA_LEAST 8

#define EXTRA_MAGIC UINT64_C(0x3150555446415247) /* "GRAFTUP1" */

static void free_mount(struct nydus_state_mount *m)
{
	for (uint32_t i = 0; i < m->nprefetch; i++)
		free(m->prefetch[i]);
	free(m->prefetch);
	free(m->key);
	free(m->source);
	free(m->config);
	free(m->mountpoint);
}

void nydus_state_fini(struct nydus_state *s)
{
	for (uint32_t i = 0; i < s->nmounts; i++)
		free_mount(&s->mounts[i]);
	for (uint32_t i = 0; i < s->ndirs; i++)
		free(s->dirs[i].name);
	for (uint32_t i = 0; i < s->nextras; i++)
		free(s->extras[i].bytes);
	free(s->mounts);
	free(s->dirs);
	free(s->extras);
	*s = (struct nydus_state){ 0 };
}

/* --- lists */

/* Room for one item more; lists double, so that their room follows from their length. False: no memory, or full. */
static bool grow(void *list, uint32_t n, size_t size)
{
	void **items = list;

	if (n >= NYDUS_STATE_ITEMS)
		return false;
	if (n & (n - 1))
		return true;
	void *more = reallocarray(*items, n ? 2 * (size_t)n : 1, size);
	if (!more)
		return false;
	*items = more;
	memset((char *)more + n * size, 0, (n ? n : 1) * size);
	return true;
}

struct nydus_state_mount *nydus_state_add_mount(struct nydus_state *s)
{
	return grow(&s->mounts, s->nmounts, sizeof(*s->mounts)) ? &s->mounts[s->nmounts++] : NULL;
}

struct nydus_state_dir *nydus_state_add_dir(struct nydus_state *s)
{
	return grow(&s->dirs, s->ndirs, sizeof(*s->dirs)) ? &s->dirs[s->ndirs++] : NULL;
}

int nydus_state_add_extra(struct nydus_state *s, uint32_t tag, const void *bytes, size_t len)
{
	auto_free void *copy = malloc(len ? len : 1);

	if (!copy || len > NYDUS_STATE_MAX || !grow(&s->extras, s->nextras, sizeof(*s->extras)))
		return -ENOMEM;
	if (len)
		memcpy(copy, bytes, len);
	s->extras[s->nextras++] = (struct nydus_state_extra){ tag, (uint32_t)len, steal_ptr(copy) };
	return 0;
}

int nydus_state_add_prefetch(struct nydus_state_mount *m, const char *path, size_t len)
{
	auto_free char *copy = strndup(path, len);

	if (!copy || !grow(&m->prefetch, m->nprefetch, sizeof(*m->prefetch)))
		return -ENOMEM;
	m->has_prefetch = true;
	m->prefetch[m->nprefetch++] = steal_ptr(copy);
	return 0;
}

/* --- reading */

struct reader {
	struct wire_in in;
	const char *part; /* where it is, for the message */
	bool no_memory;
	struct graft_error *err;
};

static int refuse(struct reader *r, const char *what)
{
	if (r->no_memory)
		return error_set(r->err, ENOMEM, "no memory for a state");
	return error_set(r->err, EINVAL, "the state is refused: %s (%s)", what, r->part);
}

/* Checks a frame of the bytes and leaves its inside to be read. */
static int open_frame(struct reader *r, const void *bytes, size_t len)
{
	struct wire_in in = { bytes, len, false };

	if (len < FRAME_HEAD + CRC_BYTES)
		return refuse(r, "it is cut short");
	uint64_t magic = wire_get(&in, 8), version = wire_get(&in, 2);
	if (magic != MAGIC && (magic == MAGIC_X86_64 || magic == MAGIC_AARCH64))
		return refuse(r, "it was made on another architecture");
	if (magic != MAGIC)
		return refuse(r, "these are not the bytes of a nydus daemon");
	struct wire_in tail = { (const unsigned char *)bytes + len - CRC_BYTES, CRC_BYTES, false };
	if (wire_get(&tail, 8) != crc64_jones(bytes, len - CRC_BYTES))
		return refuse(r, "its checksum is wrong, or it is not complete");
	if (version != VERSION)
		return refuse(r, "it has a version that is not known");
	in.left -= CRC_BYTES;
	r->in = in;
	return 0;
}

/* How many items follow. */
static uint32_t get_count(struct reader *r, size_t least)
{
	uint64_t n = wire_get(&r->in, 8);

	if (n > NYDUS_STATE_ITEMS || n > r->in.left / least) {
		r->in.bad = true;
		return 0;
	}
	return (uint32_t)n;
}

static bool get_bool(struct reader *r)
{
	uint64_t value = wire_get(&r->in, 1);

	if (value > 1)
		r->in.bad = true;
	return value == 1;
}

static void get_prefetch(struct reader *r, struct nydus_state_mount *m)
{
	m->has_prefetch = get_bool(r);
	if (!m->has_prefetch)
		return;
	for (uint32_t n = get_count(r, TEXT_LEAST); n && !r->in.bad; n--) {
		auto_free char *path = wire_get_text(&r->in, &r->no_memory);

		if (path && nydus_state_add_prefetch(m, path, strlen(path)))
			r->no_memory = r->in.bad = true;
	}
}

static void get_mount(struct reader *r, struct nydus_state_mount *m)
{
	m->key = wire_get_text(&r->in, &r->no_memory);
	m->fs_type = (uint32_t)wire_get(&r->in, 4);
	m->source = wire_get_text(&r->in, &r->no_memory);
	m->config = wire_get_text(&r->in, &r->no_memory);
	m->mountpoint = wire_get_text(&r->in, &r->no_memory);
	get_prefetch(r, m);
	m->index = (uint8_t)wire_get(&r->in, 1);
	if (m->fs_type > NYDUS_PASSTHROUGH)
		r->in.bad = true;
}

static void get_dir(struct reader *r, struct nydus_state_dir *d)
{
	d->ino = wire_get(&r->in, 8);
	d->parent = wire_get(&r->in, 8);
	d->name = wire_get_text(&r->in, &r->no_memory);
}

static int decode_dirs(struct nydus_state *s, const void *bytes, size_t len, struct graft_error *err)
{
	struct reader r = { .part = "its directories", .err = err };
	int res = open_frame(&r, bytes, len);

	if (res)
		return res;
	s->next_ino = wire_get(&r.in, 8);
	for (uint32_t n = get_count(&r, DIR_LEAST); n && !r.in.bad; n--) {
		struct nydus_state_dir *d = nydus_state_add_dir(s);

		if (d)
			get_dir(&r, d);
		else
			r.no_memory = r.in.bad = true;
	}
	return r.in.bad ? refuse(&r, "what is in it goes beyond its end or its bounds") : 0;
}

static int decode_vfs(struct nydus_state *s, const void *bytes, size_t len, struct graft_error *err)
{
	struct reader r = { .part = "its options", .err = err };
	int res = open_frame(&r, bytes, len);

	if (res)
		return res;
	s->in_flags = wire_get(&r.in, 8);
	s->out_flags = wire_get(&r.in, 8);
	s->no_readdir = get_bool(&r);
	s->seal_size = get_bool(&r);
	for (int i = 0; i < 3; i++)
		s->idmap[i] = (uint32_t)wire_get(&r.in, 4);
	s->no_open = get_bool(&r);
	s->no_opendir = get_bool(&r);
	s->no_writeback = get_bool(&r);
	s->killpriv_v2 = get_bool(&r);
	uint64_t ndirs = wire_get(&r.in, 8);
	const unsigned char *dirs = wire_get_bytes(&r.in, ndirs);
	s->next_index = (uint8_t)wire_get(&r.in, 1);
	if (r.in.bad)
		return refuse(&r, "what is in it goes beyond its end or its bounds");
	if ((s->in_flags | s->out_flags) & ~NYDUS_STATE_INIT_FLAGS)
		return refuse(&r, "it has an INIT flag that is not known");
	return decode_dirs(s, dirs, (size_t)ndirs, err);
}

/* What nydusd may have behind the state some day is no concern of ours. */
static void get_extras(struct reader *r, struct nydus_state *s)
{
	if (r->in.left < 12 || wire_get(&r->in, 8) != EXTRA_MAGIC)
		return;
	uint64_t n = wire_get(&r->in, 4);
	if (n > NYDUS_STATE_ITEMS || n > r->in.left / EXTRA_LEAST)
		r->in.bad = true;
	for (; n && !r->in.bad; n--) {
		uint32_t tag = (uint32_t)wire_get(&r->in, 4);
		uint64_t len = wire_get(&r->in, 4);
		const unsigned char *bytes = wire_get_bytes(&r->in, len);

		if (bytes && nydus_state_add_extra(s, tag, bytes, (size_t)len))
			r->no_memory = r->in.bad = true;
	}
}

static int decode(struct nydus_state *s, const void *bytes, size_t len, struct graft_error *err)
{
	struct reader r = { .part = "its mounts", .err = err };
	int res = open_frame(&r, bytes, len);

	if (res)
		return res;
	for (uint32_t n = get_count(&r, MOUNT_LEAST); n && !r.in.bad; n--) {
		struct nydus_state_mount *m = nydus_state_add_mount(s);

		if (m)
			get_mount(&r, m);
		else
			r.no_memory = r.in.bad = true;
	}
	uint64_t nvfs = wire_get(&r.in, 8);
	const unsigned char *vfs = wire_get_bytes(&r.in, nvfs);
	s->conn_id = wire_get(&r.in, 8);
	if (!r.in.bad)
		get_extras(&r, s);
	if (r.in.bad)
		return refuse(&r, "what is in it goes beyond its end or its bounds");
	return decode_vfs(s, vfs, (size_t)nvfs, err);
}

int nydus_state_decode(struct nydus_state *s, const void *bytes, size_t len, struct graft_error *err)
{
	*s = (struct nydus_state){ 0 };
	if (len > NYDUS_STATE_MAX)
		return error_set(err, E2BIG, "the state is refused: it has more than %u bytes", NYDUS_STATE_MAX);
	int res = decode(s, bytes, len, err);
	if (res)
		nydus_state_fini(s);
	return res;
}

/* --- writing */

static void begin_frame(struct wire_out *w)
{
	wire_put(w, MAGIC, 8);
	wire_put(w, VERSION, 2);
}

/* start: where the frame began. */
static void end_frame(struct wire_out *w, size_t start)
{
	if (!w->bad)
		wire_put(w, crc64_jones(w->bytes + start, w->len - start), 8);
}

/* A frame stands in the one around it as counted bytes: its length is put in afterwards. */
static void set_length(struct wire_out *w, size_t at)
{
	uint64_t len = w->len - at - 8;

	for (unsigned int i = 0; i < 8 && !w->bad; i++)
		w->bytes[at + i] = (unsigned char)(len >> 8 * i);
}

static void put_mount(struct wire_out *w, const struct nydus_state_mount *m)
{
	wire_put_text(w, m->key);
	wire_put(w, m->fs_type, 4);
	wire_put_text(w, m->source);
	wire_put_text(w, m->config);
	wire_put_text(w, m->mountpoint);
	wire_put(w, m->has_prefetch, 1);
	if (m->has_prefetch)
		wire_put(w, m->nprefetch, 8);
	for (uint32_t i = 0; m->has_prefetch && i < m->nprefetch; i++)
		wire_put_text(w, m->prefetch[i]);
	wire_put(w, m->index, 1);
}

static void put_dirs(struct wire_out *w, const struct nydus_state *s)
{
	size_t at = w->len, start = at + 8;

	wire_put(w, 0, 8);
	begin_frame(w);
	wire_put(w, s->next_ino, 8);
	wire_put(w, s->ndirs, 8);
	for (uint32_t i = 0; i < s->ndirs; i++) {
		wire_put(w, s->dirs[i].ino, 8);
		wire_put(w, s->dirs[i].parent, 8);
		wire_put_text(w, s->dirs[i].name);
	}
	end_frame(w, start);
	set_length(w, at);
}

static void put_vfs(struct wire_out *w, const struct nydus_state *s)
{
	size_t at = w->len, start = at + 8;

	wire_put(w, 0, 8);
	begin_frame(w);
	wire_put(w, s->in_flags, 8);
	wire_put(w, s->out_flags, 8);
	wire_put(w, s->no_readdir, 1);
	wire_put(w, s->seal_size, 1);
	for (int i = 0; i < 3; i++)
		wire_put(w, s->idmap[i], 4);
	wire_put(w, s->no_open, 1);
	wire_put(w, s->no_opendir, 1);
	wire_put(w, s->no_writeback, 1);
	wire_put(w, s->killpriv_v2, 1);
	put_dirs(w, s);
	wire_put(w, s->next_index, 1);
	end_frame(w, start);
	set_length(w, at);
}

static void put_extras(struct wire_out *w, const struct nydus_state *s)
{
	if (!s->nextras)
		return;
	wire_put(w, EXTRA_MAGIC, 8);
	wire_put(w, s->nextras, 4);
	for (uint32_t i = 0; i < s->nextras; i++) {
		wire_put(w, s->extras[i].tag, 4);
		wire_put(w, s->extras[i].len, 4);
		wire_put_bytes(w, s->extras[i].bytes, s->extras[i].len);
	}
}

int nydus_state_encode(const struct nydus_state *s, unsigned char **bytes, size_t *len, struct graft_error *err)
{
	struct wire_out w = { .max = NYDUS_STATE_MAX };

	begin_frame(&w);
	wire_put(&w, s->nmounts, 8);
	for (uint32_t i = 0; i < s->nmounts; i++)
		put_mount(&w, &s->mounts[i]);
	put_vfs(&w, s);
	wire_put(&w, s->conn_id, 8);
	put_extras(&w, s);
	end_frame(&w, 0);
	if (w.bad) {
		free(w.bytes);
		return error_set(err, E2BIG, "the state would have more than %u bytes, or memory is out",
				 NYDUS_STATE_MAX);
	}
	*bytes = w.bytes;
	*len = w.len;
	return 0;
}

static bool is_long(const char *text)
{
	return text && strlen(text) > NYDUS_STATE_PEER_STRING;
}

const char *nydus_state_unfit(const struct nydus_state *s, size_t len)
{
	if (len > NYDUS_STATE_PEER_MAX)
		return "it has more than 32768 bytes";
	for (uint32_t i = 0; i < s->nmounts; i++) {
		if (is_long(s->mounts[i].config) || is_long(s->mounts[i].source))
			return "a text in it has more than 16384 bytes";
	}
	return NULL;
}
