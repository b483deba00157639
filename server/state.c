/* SPDX-License-Identifier: Apache-2.0 */
/* Saved state: framing, and the walk over a mount's members. Loading trusts nothing. */
#include "server/state.h"

#include "server/mount.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "GRAFTST1"
#define MAGIC_LEN 8

void state_buf_fini(struct state_buf *b)
{
	free(b->bytes);
	*b = (struct state_buf){ 0 };
}

static int append(struct state_buf *b, const void *bytes, size_t len)
{
	if (len > STATE_TOTAL_MAX - b->len)
		return -EFBIG;
	if (b->len + len > b->room) {
		size_t room = (b->len + len) * 2;
		unsigned char *grown = realloc(b->bytes, room);

		if (!grown)
			return -ENOMEM;
		b->bytes = grown;
		b->room = room;
	}
	if (len)
		memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
	return 0;
}

static int append32(struct state_buf *b, uint32_t v)
{
	v = htole32(v);
	return append(b, &v, sizeof(v));
}

int state_put(struct graft_stream *s, uint32_t tag, const void *bytes, size_t len)
{
	if (!s->to)
		return -EINVAL;
	if (len > STATE_RECORD_MAX)
		return -EFBIG;
	int res = append32(s->to, tag);
	if (!res)
		res = append32(s->to, (uint32_t)len);
	return res ? res : append(s->to, bytes, len);
}

/* Takes len bytes off the front of what is being loaded; false where fewer are left. */
static bool take(struct graft_stream *s, void *to, size_t len)
{
	if (len > (size_t)(s->end - s->at))
		return false;
	memcpy(to, s->at, len);
	s->at += len;
	return true;
}

static bool take32(struct graft_stream *s, uint32_t *v)
{
	if (!take(s, v, sizeof(*v)))
		return false;
	*v = le32toh(*v);
	return true;
}

int state_get(struct graft_stream *s, uint32_t *tag, const void **bytes, size_t *len)
{
	uint32_t n;

	if (s->to)
		return -EINVAL;
	if (s->at == s->end)
		return 0;
	if (!take32(s, tag) || !take32(s, &n) || n > STATE_RECORD_MAX || n > (size_t)(s->end - s->at))
		return -EBADMSG;
	*bytes = s->at;
	*len = n;
	s->at += n;
	return 1;
}

static int save_member(struct mount_member *member, struct state_buf *to, struct graft_error *err)
{
	const struct graft_plugin *p = member->desc;
	uint16_t name_len = (uint16_t)strlen(p->name), name_le = htole16(name_len);
	uint64_t len = 0;

	if (!p->save || !p->state_version)
		return error_set(err, ENOTSUP, "plugin %s has no state to save", p->name);
	int res = append32(to, p->state_version);
	if (!res)
		res = append(to, &name_le, sizeof(name_le));
	if (!res)
		res = append(to, p->name, name_len);
	size_t len_at = to->len;
	if (!res)
		res = append(to, &len, sizeof(len));
	if (res)
		return error_set(err, -res, "saving the state of %s", p->name);
	struct graft_stream stream = { .to = to };
	res = p->save(member->inst, &stream, err);
	if (res)
		return mount_plugin_error(err, res, "saving the state of", p->name);
	len = htole64(to->len - len_at - sizeof(len));
	memcpy(to->bytes + len_at, &len, sizeof(len));
	return 0;
}

int mount_save(struct mount *m, struct state_buf *to, struct graft_error *err)
{
	int res = append(to, MAGIC, MAGIC_LEN);

	if (!res)
		res = append32(to, m->nmembers);
	if (res)
		error_set(err, -res, "saving mount %s", m->name);
	for (uint32_t i = 0; i < m->nmembers && !res; i++)
		res = save_member(&m->members[i], to, err);
	if (res)
		state_buf_fini(to);
	return res;
}

/* Reads the frame of one instance and checks it against the member it is for. */
static int take_frame(struct graft_stream *all, const struct graft_plugin *p, struct graft_stream *records,
		      uint32_t *version, struct graft_error *err)
{
	uint16_t name_len;
	uint64_t len;
	char name[256];

	if (!take32(all, version) || !take(all, &name_len, sizeof(name_len)))
		return error_set(err, EBADMSG, "the saved state is cut short");
	name_len = le16toh(name_len);
	if (name_len >= sizeof(name) || !take(all, name, name_len) || !take(all, &len, sizeof(len)))
		return error_set(err, EBADMSG, "the saved state is cut short");
	len = le64toh(len);
	if (len > (size_t)(all->end - all->at))
		return error_set(err, EBADMSG, "the saved state is cut short");
	if (name_len != strlen(p->name) || memcmp(name, p->name, name_len))
		return error_set(err, EINVAL, "the saved state has another plugin where this mount has %s", p->name);
	if (!*version || *version > p->state_version)
		return error_set(err, EINVAL, "state version %u of %s: this release knows 1 to %u", *version, p->name,
				 p->state_version);
	*records = (struct graft_stream){ .at = all->at, .end = all->at + len };
	all->at += len;
	return 0;
}

static int load_member(struct mount_member *member, struct graft_stream *all, struct graft_error *err)
{
	const struct graft_plugin *p = member->desc;
	struct graft_stream records = { 0 };
	uint32_t version = 0;

	if (!p->load || !p->state_version)
		return error_set(err, ENOTSUP, "plugin %s loads no state", p->name);
	int res = take_frame(all, p, &records, &version, err);
	if (res)
		return res;
	res = p->load(member->inst, version, &records, err);
	return res ? mount_plugin_error(err, res, "loading the state of", p->name) : 0;
}

int mount_load(struct mount *m, const void *bytes, size_t len, struct graft_error *err)
{
	struct graft_stream all = { .at = bytes, .end = (const unsigned char *)bytes + len };
	char magic[MAGIC_LEN];
	uint32_t n;

	if (!take(&all, magic, MAGIC_LEN) || memcmp(magic, MAGIC, MAGIC_LEN) || !take32(&all, &n))
		return error_set(err, EBADMSG, "this is no saved state of graftfs");
	if (n != m->nmembers)
		return error_set(err, EINVAL, "the saved state has %u members, mount %s has %u", n, m->name,
				 m->nmembers);
	for (uint32_t i = 0; i < n; i++) {
		int res = load_member(&m->members[i], &all, err);

		if (res)
			return res;
	}
	if (all.at != all.end)
		return error_set(err, EBADMSG, "bytes are left behind the saved state");
	return 0;
}
