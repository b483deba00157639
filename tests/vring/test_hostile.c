/* SPDX-License-Identifier: Apache-2.0 */
/* Rings and request framings that no driver would make: an answer or a broken ring, and everything else goes on. */
#include "tests/vring/fixture.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define OUTCOME_TIMEOUT_MS 30000
#define SETTLE_MS 20

static struct fixture fixture = {.config = {.queues = 2}};

/* What may become of a case. */
enum outcome { ANSWERED = 1, BROKEN = 2, EITHER = 3 };

/* What a case has to build with. */
struct bench {
	struct ring *ring;
	struct ram *ram;
	uint64_t req;   /* a well-formed GETATTR of the root, 56 bytes */
	uint64_t reply; /* room for its reply, 120 bytes, one page */
	uint64_t table; /* room for indirect tables, 1 MiB + a page */
};

struct hostile_case {
	const char *name;
	void (*build)(struct bench *b);
	enum outcome allowed;
	uint64_t without; /* features this case must not have */
	bool peer_dies;
};

static void put_request(struct bench *b, uint32_t len)
{
	struct {
		struct fuse_in_header h;
		struct fuse_getattr_in in;
	} req = {.h = {.len = len, .opcode = FUSE_GETATTR, .unique = 99, .nodeid = FUSE_ROOT_ID}};

	memcpy(ram_ptr(b->ram, b->req), &req, sizeof(req));
	memset(ram_ptr(b->ram, b->reply), 0, 4096);
}

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

/* Split: descriptor i by hand. */
static void desc(struct bench *b, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	ring_descs(b->ring)[i] = (struct vring_desc){.addr = addr, .len = len, .flags = flags, .next = next};
}

static struct vring_desc *table(struct bench *b)
{
	return ram_ptr(b->ram, b->table);
}

/* Split: makes `head` available and moves avail.idx by `by`. */
static void offer_by(struct bench *b, uint16_t head, uint16_t by)
{
	struct ring *r = b->ring;

	ring_avail(r)->ring[r->next % r->size] = head;
	__atomic_store_n(&ring_avail(r)->idx, (uint16_t)(r->next + by), __ATOMIC_RELEASE);
	ring_kick_now(r);
}

static void offer(struct bench *b, uint16_t head)
{
	offer_by(b, head, 1);
}

static void split_index_ahead(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT, 1);
	desc(b, 1, b->reply, 120, WRITE, 0);
	offer_by(b, 0, (uint16_t)(b->ring->size + 1));
}

static void split_index_far_ahead(struct bench *b)
{
	offer_by(b, 0, 0x8000);
}

static void split_index_back(struct bench *b)
{
	offer_by(b, 0, 0xffff);
}

static void split_head_outside(struct bench *b)
{
	offer(b, b->ring->size);
}

static void split_next_outside(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT, b->ring->size);
	offer(b, 0);
}

static void split_next_max(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT, 0xffff);
	offer(b, 0);
}

static void split_loop_one(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT, 0);
	offer(b, 0);
}

static void split_loop_two(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT, 1);
	desc(b, 1, b->reply, 120, WRITE | NEXT, 1);
	offer(b, 0);
}

static void split_nested(struct bench *b)
{
	table(b)[0] = (struct vring_desc){.addr = b->table + 64, .len = 32, .flags = INDIRECT};
	table(b)[4] = (struct vring_desc){.addr = b->req, .len = 56, .flags = NEXT, .next = 1};
	table(b)[5] = (struct vring_desc){.addr = b->reply, .len = 120, .flags = WRITE};
	desc(b, 0, b->table, 16, INDIRECT, 0);
	offer(b, 0);
}

static void split_table(struct bench *b, uint32_t len)
{
	table(b)[0] = (struct vring_desc){.addr = b->req, .len = 56, .flags = NEXT, .next = 1};
	table(b)[1] = (struct vring_desc){.addr = b->reply, .len = 120, .flags = WRITE};
	desc(b, 0, b->table, len, INDIRECT, 0);
	offer(b, 0);
}

static void split_table_odd(struct bench *b)
{
	split_table(b, 33);
}

static void split_table_empty(struct bench *b)
{
	split_table(b, 0);
}

static void split_table_short(struct bench *b)
{
	split_table(b, 16);
}

static void split_table_huge(struct bench *b)
{
	split_table(b, 65536 * 16);
}

static void split_table_loop(struct bench *b)
{
	table(b)[0] = (struct vring_desc){.addr = b->req, .len = 56, .flags = NEXT, .next = 0};
	desc(b, 0, b->table, 32, INDIRECT, 0);
	offer(b, 0);
}

static void split_table_next_outside(struct bench *b)
{
	table(b)[0] = (struct vring_desc){.addr = b->req, .len = 56, .flags = NEXT, .next = 7};
	desc(b, 0, b->table, 32, INDIRECT, 0);
	offer(b, 0);
}

static void split_table_unmapped(struct bench *b)
{
	desc(b, 0, 5ULL << 40, 32, INDIRECT, 0);
	offer(b, 0);
}

static void split_table_wraps(struct bench *b)
{
	desc(b, 0, UINT64_MAX - 15, 32, INDIRECT, 0);
	offer(b, 0);
}

static void split_table_with_next(struct bench *b)
{
	table(b)[0] = (struct vring_desc){.addr = b->req, .len = 56, .flags = NEXT, .next = 1};
	table(b)[1] = (struct vring_desc){.addr = b->reply, .len = 120, .flags = WRITE};
	desc(b, 0, b->table, 32, INDIRECT | NEXT, 1);
	desc(b, 1, b->reply, 120, WRITE, 0);
	offer(b, 0);
}

static void split_table_writable(struct bench *b)
{
	table(b)[0] = (struct vring_desc){.addr = b->req, .len = 56, .flags = NEXT, .next = 1};
	table(b)[1] = (struct vring_desc){.addr = b->reply, .len = 120, .flags = WRITE};
	desc(b, 0, b->table, 32, INDIRECT | WRITE, 0);
	offer(b, 0);
}

static void split_table_not_negotiated(struct bench *b)
{
	split_table(b, 32);
}

/* 40 times nearly all of a region: every byte is mapped, the sum is beyond 2^32. */
static void split_four_gigabytes(struct bench *b)
{
	const struct ram_spec *s = &b->ram->region[b->ram->n - 1].spec;
	uint16_t i;

	desc(b, 0, b->req, 56, NEXT, 1);
	for (i = 1; i < 40; i++)
		desc(b, i, s->gpa, (uint32_t)s->size, WRITE | NEXT, (uint16_t)(i + 1));
	desc(b, i, s->gpa, (uint32_t)s->size, WRITE, 0);
	offer(b, 0);
}

static void split_four_gigabytes_in(struct bench *b)
{
	const struct ram_spec *s = &b->ram->region[b->ram->n - 1].spec;
	uint16_t i;

	desc(b, 0, b->req, 56, NEXT, 1);
	for (i = 1; i < 40; i++)
		desc(b, i, s->gpa, (uint32_t)s->size, NEXT, (uint16_t)(i + 1));
	desc(b, i, b->reply, 120, WRITE, 0);
	offer(b, 0);
}

static void chain(struct bench *b, struct ring_buf in, struct ring_buf out)
{
	assert_int_equal(ring_add(b->ring, &in, 1, &out, 1, b), 0);
	ring_kick_now(b->ring);
}

static struct ring_buf good_in(const struct bench *b)
{
	return (struct ring_buf){b->req, 56};
}

static struct ring_buf good_out(const struct bench *b)
{
	return (struct ring_buf){b->reply, 120};
}

static void in_unmapped(struct bench *b)
{
	chain(b, (struct ring_buf){5ULL << 40, 56}, good_out(b));
}

static void in_null(struct bench *b)
{
	chain(b, (struct ring_buf){0, 56}, good_out(b));
}

static void out_unmapped(struct bench *b)
{
	chain(b, good_in(b), (struct ring_buf){1, 120});
}

static void out_wraps(struct bench *b)
{
	chain(b, good_in(b), (struct ring_buf){UINT64_MAX - 7, 120});
}

static void out_past_the_end(struct bench *b)
{
	const struct ram_spec *s = &b->ram->region[b->ram->n - 1].spec;

	chain(b, good_in(b), (struct ring_buf){s->gpa + s->size - 8, 120});
}

static void in_past_the_end(struct bench *b)
{
	const struct ram_spec *s = &b->ram->region[b->ram->n - 1].spec;

	chain(b, (struct ring_buf){s->gpa + s->size - 8, 0xffffffff}, good_out(b));
}

/* Framing of the request: valid for the ring, wrong for FUSE. */
static void in_too_short(struct bench *b)
{
	chain(b, (struct ring_buf){b->req, 39}, good_out(b));
}

static void in_one_byte(struct bench *b)
{
	chain(b, (struct ring_buf){b->req, 1}, good_out(b));
}

static void in_without_argument(struct bench *b)
{
	chain(b, (struct ring_buf){b->req, 40}, good_out(b));
}

static void header_len_small(struct bench *b)
{
	put_request(b, 39);
	chain(b, good_in(b), good_out(b));
}

static void header_len_zero(struct bench *b)
{
	put_request(b, 0);
	chain(b, good_in(b), good_out(b));
}

static void header_len_large(struct bench *b)
{
	put_request(b, 5000);
	chain(b, good_in(b), good_out(b));
}

static void header_len_huge(struct bench *b)
{
	put_request(b, (1 << 20) + 4097);
	chain(b, good_in(b), good_out(b));
}

static void header_len_max(struct bench *b)
{
	put_request(b, UINT32_MAX);
	chain(b, good_in(b), good_out(b));
}

static void out_none(struct bench *b)
{
	struct ring_buf in = good_in(b);

	assert_int_equal(ring_add(b->ring, &in, 1, NULL, 0, b), 0);
	ring_kick_now(b->ring);
}

static void out_small(struct bench *b)
{
	chain(b, good_in(b), (struct ring_buf){b->reply, 8});
}

static void out_header_only(struct bench *b)
{
	chain(b, good_in(b), (struct ring_buf){b->reply, 16});
}

static void out_one_short(struct bench *b)
{
	chain(b, good_in(b), (struct ring_buf){b->reply, 119});
}

static void all_empty(struct bench *b)
{
	chain(b, (struct ring_buf){b->req, 0}, (struct ring_buf){b->reply, 0});
}

static void in_none(struct bench *b)
{
	struct ring_buf out = good_out(b);

	assert_int_equal(ring_add(b->ring, NULL, 0, &out, 1, b), 0);
	ring_kick_now(b->ring);
}

/* READ and READDIR with less room than a reply header (the peer panics). */
static void read_without_room(struct bench *b)
{
	struct {
		struct fuse_in_header h;
		struct fuse_read_in in;
	} req = {.h = {.len = sizeof(req), .opcode = FUSE_READ, .unique = 3, .nodeid = FUSE_ROOT_ID},
		 .in = {.size = 4096}};

	memcpy(ram_ptr(b->ram, b->req), &req, sizeof(req));
	chain(b, (struct ring_buf){b->req, sizeof(req)}, (struct ring_buf){b->reply, 15});
}

static void readdir_without_room(struct bench *b)
{
	struct {
		struct fuse_in_header h;
		struct fuse_read_in in;
	} req = {.h = {.len = sizeof(req), .opcode = FUSE_READDIR, .unique = 3, .nodeid = FUSE_ROOT_ID},
		 .in = {.size = 4096}};

	memcpy(ram_ptr(b->ram, b->req), &req, sizeof(req));
	chain(b, (struct ring_buf){b->req, sizeof(req)}, (struct ring_buf){b->reply, 4});
}

static void split_write_first(struct bench *b)
{
	desc(b, 0, b->reply, 120, WRITE | NEXT, 1);
	desc(b, 1, b->req, 56, 0, 0);
	offer(b, 0);
}

static void split_odd_flags(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT | 0xfff8, 1);
	desc(b, 1, b->reply, 120, WRITE | 0x7ff8, 0);
	offer(b, 0);
}

/* The request lies in the ring's own used area, and the reply overwrites the descriptor table. */
static void split_reply_into_ring(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT, 1);
	desc(b, 1, b->ring->desc, 120, WRITE, 0);
	offer(b, 0);
}

static void split_reply_into_used(struct bench *b)
{
	desc(b, 0, b->req, 56, NEXT, 1);
	desc(b, 1, b->ring->device + 8, 120, WRITE, 0);
	offer(b, 0);
}

/* A descriptor of a packed ring by hand; the first one's AVAIL bit makes it seen, so build from the back. */
static void pdesc(struct bench *b, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct vring_packed_desc *d = &ring_packed(b->ring)[i];

	d->addr = addr;
	d->len = len;
	d->id = i;
	__atomic_store_n(&d->flags, (uint16_t)(flags | 1u << VRING_PACKED_DESC_F_AVAIL), __ATOMIC_RELEASE);
}

static struct vring_packed_desc *ptable(struct bench *b)
{
	return ram_ptr(b->ram, b->table);
}

static void packed_endless(struct bench *b)
{
	for (uint16_t i = b->ring->size; i-- > 0;)
		pdesc(b, i, b->req, 56, NEXT);
	ring_kick_now(b->ring);
}

static void packed_endless_write(struct bench *b)
{
	for (uint16_t i = b->ring->size; i-- > 1;)
		pdesc(b, i, b->reply, 120, NEXT | WRITE);
	pdesc(b, 0, b->req, 56, NEXT);
	ring_kick_now(b->ring);
}

static void packed_next_not_there(struct bench *b)
{
	pdesc(b, 0, b->req, 56, NEXT);
	ring_kick_now(b->ring);
}

static void packed_nested(struct bench *b)
{
	ptable(b)[0] = (struct vring_packed_desc){.addr = b->table, .len = 32, .flags = INDIRECT};
	ptable(b)[1] = (struct vring_packed_desc){.addr = b->reply, .len = 120, .flags = WRITE};
	pdesc(b, 0, b->table, 32, INDIRECT);
	ring_kick_now(b->ring);
}

static void packed_table(struct bench *b, uint64_t addr, uint32_t len, uint16_t flags)
{
	ptable(b)[0] = (struct vring_packed_desc){.addr = b->req, .len = 56};
	ptable(b)[1] = (struct vring_packed_desc){.addr = b->reply, .len = 120, .flags = WRITE};
	pdesc(b, 0, addr, len, INDIRECT | flags);
	ring_kick_now(b->ring);
}

static void packed_table_odd(struct bench *b)
{
	packed_table(b, b->table, 31, 0);
}

static void packed_table_empty(struct bench *b)
{
	packed_table(b, b->table, 0, 0);
}

static void packed_table_short(struct bench *b)
{
	packed_table(b, b->table, 16, 0);
}

static void packed_table_huge(struct bench *b)
{
	packed_table(b, b->table, 65536 * 16, 0);
}

static void packed_table_unmapped(struct bench *b)
{
	packed_table(b, 5ULL << 40, 32, 0);
}

static void packed_table_with_next(struct bench *b)
{
	pdesc(b, 1, b->reply, 120, WRITE);
	packed_table(b, b->table, 32, NEXT);
}

static void packed_table_not_negotiated(struct bench *b)
{
	packed_table(b, b->table, 32, 0);
}

static void packed_write_first(struct bench *b)
{
	pdesc(b, 1, b->req, 56, 0);
	pdesc(b, 0, b->reply, 120, WRITE | NEXT);
	ring_kick_now(b->ring);
}

static void packed_strange_id(struct bench *b)
{
	ring_packed(b->ring)[1] = (struct vring_packed_desc){
		.addr = b->reply, .len = 120, .id = 0xffff, .flags = WRITE | 1u << VRING_PACKED_DESC_F_AVAIL};
	ring_packed(b->ring)[0] = (struct vring_packed_desc){.addr = b->req, .len = 56, .id = 0xfffe};
	__atomic_store_n(&ring_packed(b->ring)[0].flags, NEXT | 1u << VRING_PACKED_DESC_F_AVAIL, __ATOMIC_RELEASE);
	ring_kick_now(b->ring);
}

static void packed_four_gigabytes(struct bench *b)
{
	const struct ram_spec *s = &b->ram->region[b->ram->n - 1].spec;
	uint16_t i = 40;

	pdesc(b, i, s->gpa, (uint32_t)s->size, WRITE);
	while (--i > 0)
		pdesc(b, i, s->gpa, (uint32_t)s->size, WRITE | NEXT);
	pdesc(b, 0, b->req, 56, NEXT);
	ring_kick_now(b->ring);
}

/* Cases in which the framing is the same for both kinds of ring. */
static const struct hostile_case common_cases[] = {
	{"readable part unmapped", in_unmapped, EITHER, 0, true},
	{"readable part at 0", in_null, EITHER, 0, true},
	{"writable part unmapped", out_unmapped, EITHER, 0, true},
	{"writable part wraps around 2^64", out_wraps, EITHER, 0, true},
	{"writable part past its region", out_past_the_end, EITHER, 0, true},
	{"readable part past its region", in_past_the_end, EITHER, 0, true},
	{"request of 39 bytes", in_too_short, ANSWERED, 0, true},
	{"request of 1 byte", in_one_byte, ANSWERED, 0, true},
	{"request without its argument", in_without_argument, ANSWERED, 0, true},
	{"header.len 39", header_len_small, ANSWERED, 0, true},
	{"header.len 0", header_len_zero, ANSWERED, 0, true},
	{"header.len beyond the request", header_len_large, ANSWERED, 0, true},
	{"header.len beyond the largest write", header_len_huge, ANSWERED, 0, false},
	{"header.len 2^32 - 1", header_len_max, ANSWERED, 0, false},
	{"no room for a reply", out_none, ANSWERED, 0, true},
	{"room for half a header", out_small, ANSWERED, 0, true},
	{"room for a header only", out_header_only, ANSWERED, 0, true},
	{"room for a byte less than the reply", out_one_short, ANSWERED, 0, true},
	{"nothing but empty parts", all_empty, EITHER, 0, true},
	{"no readable part", in_none, ANSWERED, 0, true},
	{"READ without room for the header", read_without_room, ANSWERED, 0, true},
	{"READDIR without room for the header", readdir_without_room, ANSWERED, 0, true},
};

static const struct hostile_case split_cases[] = {
	{"avail.idx ahead by size + 1", split_index_ahead, BROKEN, 0, true},
	{"avail.idx ahead by 32768", split_index_far_ahead, BROKEN, 0, true},
	{"avail.idx went back", split_index_back, BROKEN, 0, true},
	{"head outside", split_head_outside, EITHER, 0, true},
	{"next outside", split_next_outside, EITHER, 0, true},
	{"next 65535", split_next_max, EITHER, 0, true},
	{"loop of one", split_loop_one, EITHER, 0, true},
	{"loop of two", split_loop_two, EITHER, 0, true},
	{"indirect in indirect", split_nested, EITHER, 0, true},
	{"indirect table of 33 bytes", split_table_odd, EITHER, 0, true},
	{"indirect table of 0 bytes", split_table_empty, EITHER, 0, true},
	{"indirect table too short for its chain", split_table_short, EITHER, 0, true},
	{"indirect table of 65536 entries", split_table_huge, EITHER, 0, true},
	{"indirect table loops", split_table_loop, EITHER, 0, true},
	{"indirect next outside", split_table_next_outside, EITHER, 0, true},
	{"indirect table unmapped", split_table_unmapped, EITHER, 0, true},
	{"indirect table wraps around 2^64", split_table_wraps, EITHER, 0, true},
	{"indirect with next", split_table_with_next, EITHER, 0, true},
	{"indirect marked writable", split_table_writable, EITHER, 0, true},
	{"indirect not negotiated", split_table_not_negotiated, EITHER, FEATURE_INDIRECT, true},
	{"more than 2^32 writable bytes", split_four_gigabytes, EITHER, 0, true},
	{"more than 2^32 readable bytes", split_four_gigabytes_in, EITHER, 0, true},
	{"writable before readable", split_write_first, EITHER, 0, false},
	{"unknown descriptor flags", split_odd_flags, EITHER, 0, true},
	{"reply into the descriptor table", split_reply_into_ring, EITHER, 0, true},
	{"reply into the used ring", split_reply_into_used, EITHER, 0, true},
};

static const struct hostile_case packed_cases[] = {
	{"a chain without end", packed_endless, EITHER, 0, false},
	{"a writable chain without end", packed_endless_write, EITHER, 0, false},
	{"the next descriptor is not available", packed_next_not_there, EITHER, 0, false},
	{"indirect in indirect", packed_nested, EITHER, 0, false},
	{"indirect table of 31 bytes", packed_table_odd, EITHER, 0, false},
	{"indirect table of 0 bytes", packed_table_empty, EITHER, 0, false},
	{"indirect table of one entry", packed_table_short, EITHER, 0, false},
	{"indirect table of 65536 entries", packed_table_huge, EITHER, 0, false},
	{"indirect table unmapped", packed_table_unmapped, EITHER, 0, false},
	{"indirect with next", packed_table_with_next, EITHER, 0, false},
	{"indirect not negotiated", packed_table_not_negotiated, EITHER, FEATURE_INDIRECT, false},
	{"writable before readable", packed_write_first, EITHER, 0, false},
	{"ids beyond the ring", packed_strange_id, EITHER, 0, false},
	{"more than 2^32 writable bytes", packed_four_gigabytes, EITHER, 0, false},
};

/* True if the device has used something since the ring stood at its present place. */
static bool anything_used(const struct ring *r)
{
	if (r->kind == RING_SPLIT)
		return __atomic_load_n(&ring_usedring(r)->idx, __ATOMIC_ACQUIRE) != r->used;
	uint16_t flags = __atomic_load_n(&ring_packed(r)[r->used].flags, __ATOMIC_ACQUIRE);
	return flags & 1u << VRING_PACKED_DESC_F_USED;
}

static enum outcome wait_outcome(struct bench *b)
{
	int64_t deadline = clock_ms() + OUTCOME_TIMEOUT_MS;

	do {
		if (anything_used(b->ring))
			return ANSWERED;
		if (ring_failed(b->ring, 1))
			return BROKEN;
	} while (clock_ms() < deadline);
	return 0;
}

/* A reply, where there is one, is an error and well-formed. */
static void check_answer(struct bench *b, const struct hostile_case *hc)
{
	struct fuse_out_header h;

	if (hc->allowed != ANSWERED)
		return;
	struct ring_used used;
	assert_int_equal(ring_take(b->ring, &used), 1);
	if (used.len == 0)
		return;
	memcpy(&h, ram_ptr(b->ram, b->reply), sizeof(h));
	assert_int_equal(used.len, sizeof(h));
	assert_int_equal(h.len, sizeof(h));
	assert_true(h.error < 0 && h.error > -4096);
}

/* The other queue answers, the daemon rests, and the ring can be had back. */
static void check_rest(struct fixture *f, struct fuse_client *other)
{
	struct fuse_attr_out attr;

	assert_int_equal(fuse_getattr(other, FUSE_ROOT_ID, &attr), 0);
	usleep(SETTLE_MS * 1000);
	uint64_t before = daemon_cpu_ns(&f->daemon);
	usleep(SETTLE_MS * 1000);
	assert_true(daemon_cpu_ns(&f->daemon) - before < SETTLE_MS * 1000000 / 2);
	assert_int_equal(frontend_recover_ring(f->fe, 1), 0);
	fixture_check_alive(f);
	fixture_check_alive(f);
}

static void run_case(struct fixture *f, struct fuse_client *other, struct bench *b, const struct hostile_case *hc)
{
	if ((hc->without & f->fe->features) || (hc->peer_dies && fixture_is_peer(f)))
		return;
	put_request(b, 56);
	assert_int_equal(frontend_recover_ring(f->fe, 1), 0);
	hc->build(b);
	enum outcome o = wait_outcome(b);
	if (!o || !(o & hc->allowed))
		fail_msg("%s: outcome %d, allowed %d", hc->name, o, hc->allowed);
	if (o == ANSWERED)
		check_answer(b, hc);
	check_rest(f, other);
}

static void run_cases(struct fixture *f, const struct hostile_case *cases, size_t n)
{
	struct fuse_client other;
	struct bench b = {.ring = &f->fe->ring[1], .ram = &f->fe->ram};

	fixture_start_client(f, 1);
	unsigned second = f->fe->nrings > 2 ? 2 : FRONTEND_HIPRIO; /* any queue takes any request */
	assert_int_equal(fuse_client_init(&other, f->fe, second, 1, 4096), 0);
	b.req = ram_alloc(b.ram, 4096, 4096);
	b.reply = ram_alloc(b.ram, 4096, 4096);
	b.table = ram_alloc(b.ram, (1 << 20) + 4096, 4096);
	assert_true(b.req && b.reply && b.table);
	for (size_t i = 0; i < n; i++) {
		if (fixture_is_peer(f) && cases[i].peer_dies)
			continue;
		print_message("    %s\n", cases[i].name);
		run_case(f, &other, &b, &cases[i]);
	}
	fuse_client_fini(&other);
}

static void run_mode(struct fixture *f, const struct fixture_mode *mode)
{
	run_cases(f, common_cases, sizeof(common_cases) / sizeof(common_cases[0]));
	fixture_stop_client(f);
	if (mode->features & FEATURE_PACKED)
		run_cases(f, packed_cases, sizeof(packed_cases) / sizeof(packed_cases[0]));
	else
		run_cases(f, split_cases, sizeof(split_cases) / sizeof(split_cases[0]));
}

static void test_cases(void **state)
{
	struct frontend_config c = {.queues = fixture_is_peer(*state) ? 1 : 2};

	fixture_each_mode(*state, &c, run_mode);
	fixture_check_survived(*state);
}

/* A front end that leaves in the middle of it all, with rings broken and requests half done. */
static void test_leave_broken(void **state)
{
	struct fixture *f = *state;

	if (fixture_is_peer(f))
		skip();
	for (unsigned i = 0; i < sizeof(split_cases) / sizeof(split_cases[0]); i++) {
		fixture_mount(f, i & 1 ? FIXTURE_FEATURES : 0);
		struct bench b = {.ring = &f->fe->ring[1], .ram = &f->fe->ram};
		b.req = ram_alloc(b.ram, 4096, 4096);
		b.reply = ram_alloc(b.ram, 4096, 4096);
		b.table = ram_alloc(b.ram, (1 << 20) + 4096, 4096);
		put_request(&b, 56);
		assert_int_equal(frontend_recover_ring(f->fe, 1), 0);
		split_cases[i].build(&b);
		fixture_disconnect(f);
	}
	fixture_check_survived(f);
}

/* The hiprio ring breaks like any other, and requests go on. */
static void test_hiprio(void **state)
{
	struct fixture *f = *state;

	if (fixture_is_peer(f))
		skip();
	fixture_mount(f, FIXTURE_FEATURES);
	struct bench b = {.ring = &f->fe->ring[FRONTEND_HIPRIO], .ram = &f->fe->ram};
	split_index_far_ahead(&b);
	assert_int_equal(wait_outcome(&b), BROKEN);
	fixture_check_alive(f);
	assert_int_equal(frontend_recover_ring(f->fe, FRONTEND_HIPRIO), 0);
	fixture_check_alive(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_cases, &fixture),
		FIXTURE_TEST(test_leave_broken, &fixture),
		FIXTURE_TEST(test_hiprio, &fixture),
	};

	return fixture_run("vring/hostile", tests, sizeof(tests) / sizeof(tests[0]), &fixture);
}
