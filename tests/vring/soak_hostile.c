/* SPDX-License-Identifier: Apache-2.0 */
/* graft-soak: the hostile side. During a round it keeps to objects of its own: the workers' results stay certain. */
#include "tests/vring/fuse_samples.h"
#include "tests/vring/soak.h"
#include "tests/vring/vu_message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RENEW_EVERY 150  /* requests after which its nodes are made anew: it forgets them itself */
#define BREAK_EVERY 40   /* requests between two attacks on the ring */
#define BREAK_WAIT_MS 20 /* for what becomes of an attack */
#define WILD_REQUESTS 200
#define WILD_MESSAGES 12
#define ARENA (1 << 16) /* bytes of guest memory that hostile rings may point to */

struct hostile {
	struct soak *soak;
	struct fuse_client client;
	struct sample_nodes nodes;
	unsigned seed, ring;
	unsigned serial;
	bool wild; /* nobody else runs: anything goes */
	char name[64];  /* of its directory */
	char entry[32]; /* of what it makes there */
};

static uint64_t dice(struct hostile *h, uint64_t below)
{
	return ((uint64_t)rand_r(&h->seed) << 16 ^ (uint64_t)rand_r(&h->seed)) % below;
}

static uint64_t any_u64(struct hostile *h)
{
	static const uint64_t edges[] = {0, 1, 2, 255, 4096, INT32_MAX, UINT32_MAX, 1ULL << 32, INT64_MAX, UINT64_MAX};

	if (dice(h, 2))
		return edges[dice(h, sizeof(edges) / sizeof(edges[0]))];
	return dice(h, 1 << 30) << 34 ^ dice(h, 1 << 30) << 8 ^ dice(h, 256);
}

/* A node id or handle that cannot be anybody's. */
static uint64_t forged_id(struct hostile *h)
{
	return h->wild ? any_u64(h) : dice(h, 2) ? 0 : any_u64(h) | 1ULL << 63;
}

static bool is_id_byte(const struct sample *s, uint32_t at)
{
	const uint32_t node = offsetof(struct fuse_in_header, nodeid);

	if (at < 8 || (at >= node && at < node + 8)) /* header.len, opcode, node */
		return true;
	for (unsigned i = 0; i < SAMPLE_ID_FIELDS; i++)
		if (s->id_field[i] && at >= s->id_field[i] && at < s->id_field[i] + 8u)
			return true;
	return false;
}

static void flip(struct hostile *h, struct sample *s)
{
	uint32_t at = (uint32_t)dice(h, s->len);

	if (h->wild || !is_id_byte(s, at))
		s->bytes[at] = (unsigned char)(dice(h, 2) ? dice(h, 256) : s->bytes[at] ^ 1u << dice(h, 8));
}

static void overwrite(struct hostile *h, struct sample *s)
{
	uint64_t value = any_u64(h);
	uint32_t at = (uint32_t)dice(h, s->len) & ~3u;

	for (uint32_t i = 0; i < 8 && at + i < s->len; i++)
		if (h->wild || !is_id_byte(s, at + i))
			s->bytes[at + i] = (unsigned char)(value >> 8 * i);
}

static void forge(struct hostile *h, struct sample *s)
{
	unsigned which = (unsigned)dice(h, SAMPLE_ID_FIELDS + 1);
	uint64_t id = forged_id(h);
	uint32_t at = offsetof(struct fuse_in_header, nodeid);

	if (which < SAMPLE_ID_FIELDS)
		at = s->id_field[which];
	if (at && at + 8 <= s->len)
		memcpy(s->bytes + at, &id, 8);
}

static void resize(struct hostile *h, struct sample *s)
{
	uint32_t len = (uint32_t)dice(h, dice(h, 4) ? s->len + 20 : SAMPLE_MAX) + 1;

	for (uint32_t i = s->len; i < len && i < SAMPLE_MAX; i++)
		s->bytes[i] = (unsigned char)dice(h, 256);
	s->len = len > SAMPLE_MAX ? SAMPLE_MAX : len;
	uint32_t said = dice(h, 3) ? s->len : (uint32_t)any_u64(h);
	memcpy(s->bytes, &said, 4);
}

static void evil_name(struct hostile *h, struct sample *s)
{
	static const char *const names[] = {"..", ".", "", "/", "../share", "../../etc", "a/b", "/etc/passwd", "x/"};
	const char *name = names[dice(h, sizeof(names) / sizeof(names[0]))];

	if (!s->names || s->fixed + strlen(name) >= SAMPLE_MAX)
		return;
	strcpy((char *)s->bytes + s->fixed, name);
	s->len = s->fixed + (uint32_t)strlen(name) + 1;
	memcpy(s->bytes, &s->len, 4);
}

static void mutate(struct hostile *h, struct sample *s)
{
	static void (*const how[])(struct hostile *, struct sample *) = {flip, overwrite, forge, resize, evil_name};

	for (uint64_t n = dice(h, 4); n-- > 0;)
		how[dice(h, sizeof(how) / sizeof(how[0]))](h, s);
}

static uint32_t pick_opcode(struct hostile *h)
{
	for (;;) {
		uint32_t opcode = (uint32_t)dice(h, GRAFT_OP_COUNT + 4);
		bool session = opcode == FUSE_INIT || opcode == FUSE_DESTROY || opcode == FUSE_SETLKW;
		bool slow = opcode == FUSE_SYNCFS || opcode == FUSE_FSYNC || opcode == FUSE_FSYNCDIR;
		if ((session && !h->wild) || (slow && dice(h, 50)))
			continue;
		return opcode;
	}
}

/* A mutated request as an operation of slot i; false where the dice gave none. */
static bool next_op(struct hostile *h, struct sample *s, struct fuse_op *op)
{
	uint32_t opcode = pick_opcode(h);

	snprintf(h->entry, sizeof(h->entry), "h%u", h->serial++ % 64);
	h->nodes.name = h->entry;
	if (!fuse_sample(opcode, &h->nodes, s))
		return false;
	mutate(h, s);
	*op = (struct fuse_op){.raw = s->bytes,
			       .raw_len = s->len,
			       .reply_len = dice(h, 8) ? s->room : (uint32_t)dice(h, 200),
			       .data_out = dice(h, 8) ? s->data : (uint32_t)dice(h, 8192),
			       .no_reply = s->no_reply};
	return true;
}

/* Nodes of its own; whatever went wrong with the earlier ones. */
static int renew(struct hostile *h)
{
	struct fuse_client *c = &h->client;
	struct fuse_entry_out e;
	int res = fuse_lookup(c, FUSE_ROOT_ID, h->name, &e);

	if (res == -ENOENT)
		res = fuse_mkdir(c, FUSE_ROOT_ID, h->name, 0777, &e);
	if (res < 0)
		return res;
	h->nodes.dir = e.nodeid;
	res = fuse_create(c, h->nodes.dir, "own", O_RDWR, 0666, &e, &h->nodes.fh);
	if (res < 0) /* it may have made a directory of it: a new name then */
		snprintf(h->name, sizeof(h->name), "hostile-%u-%u", h->ring, h->serial);
	if (res < 0)
		return -EAGAIN;
	h->nodes.file = e.nodeid;
	h->nodes.flags = c->flags;
	return fuse_opendir(c, h->nodes.dir, &h->nodes.dir_fh);
}

static int renew_stubborn(struct hostile *h)
{
	int res = -EAGAIN;

	for (unsigned i = 0; i < 10 && res == -EAGAIN; i++)
		res = renew(h);
	return res;
}

static int recover(struct hostile *h)
{
	struct soak *s = h->soak;

	pthread_mutex_lock(&s->control);
	int res = frontend_recover_ring(s->fe, h->ring);
	pthread_mutex_unlock(&s->control);
	for (unsigned i = 0; i < h->client.nslots; i++)
		h->client.slot[i].busy = false;
	soak_count(&s->broken);
	return res;
}

/* An address that does nobody any harm but itself, mapped or not. */
static uint64_t any_address(struct hostile *h)
{
	if (h->wild && dice(h, 2)) {
		const struct ram *ram = &h->soak->fe->ram;
		const struct ram_spec *spec = &ram->region[dice(h, ram->n)].spec;
		return spec->gpa + dice(h, spec->size + 100);
	}
	return dice(h, 4) ? h->soak->hostile_gpa + dice(h, ARENA) : (any_u64(h) | 1ULL << 50);
}

/* Noise where the descriptors stand. */
static void garble_ring(struct hostile *h)
{
	struct ring *r = h->client.ring;

	for (unsigned i = 0; i < r->size; i++) {
		uint16_t flags = (uint16_t)(dice(h, 4) ? dice(h, 8) : dice(h, 65536));
		uint32_t len = (uint32_t)(dice(h, 3) ? dice(h, 300) : any_u64(h));
		if (r->kind == RING_PACKED) {
			ring_packed(r)[i] = (struct vring_packed_desc){
				.addr = any_address(h), .len = len, .id = (uint16_t)dice(h, r->size)};
			__atomic_store_n(&ring_packed(r)[i].flags, (uint16_t)(flags | dice(h, 4) << 7),
					 __ATOMIC_RELEASE);
		} else {
			ring_descs(r)[i] = (struct vring_desc){.addr = any_address(h),
							       .len = len,
							       .flags = flags,
							       .next = (uint16_t)dice(h, r->size + 3)};
			ring_avail(r)->ring[i] = (uint16_t)dice(h, r->size + 1);
		}
	}
	uint16_t index = (uint16_t)(r->next + dice(h, dice(h, 2) ? 5 : 65536));
	if (r->kind == RING_SPLIT)
		__atomic_store_n(&ring_avail(r)->idx, index, __ATOMIC_RELEASE);
	else
		ring_driver_event(r)->flags = (uint16_t)dice(h, 5);
	ring_kick_now(r);
}

static int attack_ring(struct hostile *h)
{
	garble_ring(h);
	ring_failed(h->client.ring, BREAK_WAIT_MS);
	int res = recover(h);
	return res < 0 ? res : renew_stubborn(h);
}

static int attack(struct hostile *h)
{
	struct sample s;
	struct fuse_op op;

	if (!next_op(h, &s, &op))
		return 0;
	soak_count(&h->soak->hostile);
	int res = fuse_call(&h->client, &op);
	if (res == -EIO && h->client.slot->busy)
		return recover(h);
	/* Dropped without a word is fine; a reply against the protocol, or none at all, is not. */
	if (res == -ETIMEDOUT || (res == -EBADMSG && h->client.slot->used))
		return res;
	return res == -EINVAL && h->client.slot->busy ? res : 0;
}

void *soak_hostile(void *arg)
{
	struct soak_thread *t = arg;
	struct soak *s = t->soak;
	struct hostile h = {.soak = s, .seed = t->seed, .ring = t->ring};
	int res = fuse_client_init(&h.client, s->fe, t->ring, 1, 8192);

	memcpy(h.name, t->name, sizeof(h.name));
	if (res == 0)
		res = renew_stubborn(&h);
	for (unsigned i = 1; res == 0 && !soak_stopped(s); i++) {
		res = i % RENEW_EVERY ? attack(&h) : renew_stubborn(&h);
		if (res == 0 && i % BREAK_EVERY == 0)
			res = attack_ring(&h);
	}
	if (res < 0)
		soak_fail(s, "hostile thread: %s", strerror(-res));
	fuse_client_fini(&h.client);
	return NULL;
}

/* Requests with nothing held back, none of them waited for. */
static void wild_requests(struct hostile *h)
{
	for (unsigned i = 0; i < WILD_REQUESTS; i++) {
		struct fuse_slot *slot = &h->client.slot[i % h->client.nslots];
		struct sample s;
		struct fuse_op op;

		for (int k = 0; k < 5 && slot->busy; k++) {
			if (!fuse_reap(&h->client))
				ring_wait(h->client.ring, 2);
		}
		if (slot->busy || !next_op(h, &s, &op))
			continue;
		soak_count(&h->soak->hostile);
		if (fuse_submit(&h->client, slot, &op) == 0)
			ring_kick(h->client.ring);
	}
}

static void wild_messages(struct hostile *h)
{
	unsigned char body[64];
	struct frontend *fe = h->soak->fe;

	for (unsigned i = 0; i < WILD_MESSAGES; i++) {
		uint32_t code = (uint32_t)dice(h, VU_REM_MEM_REG + 6), size = (uint32_t)dice(h, 9) * 8;
		int fds[3] = {fe->ram.region[0].fd, fe->ring[0].call, fe->ring[1].kick};

		for (unsigned k = 0; k < sizeof(body); k += 8) {
			uint64_t value = dice(h, 2) ? dice(h, 4) : any_u64(h);
			memcpy(body + k, &value, 8);
		}
		vu_send(fe->sock, code, dice(h, 2) ? VU_NEED_REPLY : 0, body, size, fds, (unsigned)dice(h, 4));
	}
}

void soak_wild(struct soak *s)
{
	for (unsigned r = 0; r < s->fe->nrings; r++) {
		struct hostile h = {.soak = s, .seed = (unsigned)rand_r(&s->seed), .ring = r, .wild = true};
		if (fuse_client_init(&h.client, s->fe, r, 4, 8192) < 0)
			continue;
		snprintf(h.name, sizeof(h.name), "wild-%u", r);
		/* An INIT or DESTROY of an earlier queue may have ended the session: then it takes what there is. */
		h.client.timeout_ms = 2000;
		h.nodes = (struct sample_nodes){.dir = FUSE_ROOT_ID, .file = 2, .flags = 0};
		renew(&h);
		if (!h.client.slot->busy)
			wild_requests(&h);
		if (dice(&h, 2))
			garble_ring(&h);
		if (r + 1 == s->fe->nrings && dice(&h, 2))
			wild_messages(&h);
		fuse_client_fini(&h.client);
	}
}
