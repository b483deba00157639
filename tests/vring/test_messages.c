/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user messages against the protocol: sizes, descriptors, flags, values, frames cut in pieces, plain noise. */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTLE_MS 30000
#define MAX_CODE 48 /* codes are tried up to here */

static struct fixture fixture = {.config = {.queues = 2, .tag = "tag"}};

/* How each message looks: bytes of payload and descriptors; anything else is malformed. */
struct shape {
	uint32_t code, size;
	unsigned fds;
};

static const struct shape shapes[] = {
	{VU_GET_FEATURES, 0, 0},	  {VU_SET_FEATURES, 8, 0},	   {VU_SET_OWNER, 0, 0},
	{VU_RESET_OWNER, 0, 0},		  {VU_SET_MEM_TABLE, 40, 1},	   {VU_SET_LOG_BASE, 16, 1},
	{VU_SET_LOG_FD, 0, 1},		  {VU_SET_VRING_NUM, 8, 0},	   {VU_SET_VRING_ADDR, 40, 0},
	{VU_SET_VRING_BASE, 8, 0},	  {VU_GET_VRING_BASE, 8, 0},	   {VU_SET_VRING_KICK, 8, 1},
	{VU_SET_VRING_CALL, 8, 1},	  {VU_SET_VRING_ERR, 8, 1},	   {VU_GET_PROTOCOL_FEATURES, 0, 0},
	{VU_SET_PROTOCOL_FEATURES, 8, 0}, {VU_GET_QUEUE_NUM, 0, 0},	   {VU_SET_VRING_ENABLE, 8, 0},
	{VU_SET_BACKEND_REQ_FD, 0, 1},	  {VU_GET_CONFIG, 52, 0},	   {VU_SET_CONFIG, 52, 0},
	{VU_RESET_DEVICE, 0, 0},	  {VU_GET_MAX_MEM_SLOTS, 0, 0},	   {VU_ADD_MEM_REG, 40, 1},
	{VU_REM_MEM_REG, 40, 0},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/*
 * After a message of doubtful worth: the daemon closes the connection, or it goes on and answers GET_FEATURES. Returns
 * true for the latter; what it said to the message itself goes to *ack (-1: nothing).
 */
static bool settles(struct fixture *f, int *ack)
{
	struct vu_reply reply;

	*ack = -1;
	if (vu_send(f->fe->sock, VU_GET_FEATURES, 0, NULL, 0, NULL, 0) < 0) {
		assert_true(vu_closed(f->fe->sock, SETTLE_MS));
		return false;
	}
	for (;;) {
		int res = vu_receive(f->fe->sock, &reply, SETTLE_MS);
		if (res == -EPIPE || res == -ECONNRESET)
			return false;
		assert_int_equal(res, 0);
		if (reply.header.request == VU_GET_FEATURES && reply.header.size == 8 && reply.u64 == f->fe->offered)
			return true;
		*ack = reply.header.size == 8 && reply.u64 == 0 ? 0 : 1;
	}
}

/* A connection, only negotiated. */
static void reach(struct fixture *f)
{
	struct frontend_config c = {.socket = f->daemon.socket,
				    .features = FIXTURE_FEATURES | FEATURE_LOG_ALL,
				    .protocol = FRONTEND_ALL};

	assert_int_equal(frontend_connect(&f->fe, &c), 0);
	assert_int_equal(frontend_negotiate(f->fe, &c), 0);
}

/* Sends one odd message on a connection of its own. True if it was refused in some way. */
static bool odd_message(struct fixture *f, uint32_t code, uint32_t flags, const void *payload, uint32_t size,
			unsigned nfds)
{
	int fds[VU_MAX_FDS], ack;

	reach(f);
	for (unsigned i = 0; i < nfds; i++)
		fds[i] = f->fe->ram.region[0].fd;
	vu_send(f->fe->sock, code, flags, payload, size, fds, nfds);
	bool refused = !settles(f, &ack) || ack != 0;
	fixture_disconnect(f);
	return refused;
}

static void test_sizes(void **state)
{
	static const uint32_t sizes[] = {0, 1, 4, 7, 8, 9, 12, 16, 17, 39, 40, 41, 52, 200, 4096};
	unsigned char payload[VU_MAX_PAYLOAD] = {0};
	struct fixture *f = *state;

	for (unsigned i = 0; i < SHAPES; i++) {
		for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			/* The specification leaves open whether the two that only bring a descriptor have a payload. */
			bool open = shapes[i].code == VU_SET_LOG_FD || shapes[i].code == VU_SET_BACKEND_REQ_FD;
			if (sizes[k] == shapes[i].size || (open && sizes[k] <= 8))
				continue;
			if (!odd_message(f, shapes[i].code, VU_NEED_REPLY, payload, sizes[k], shapes[i].fds))
				fail_msg("message %u of %u bytes was taken", shapes[i].code, sizes[k]);
		}
	}
	fixture_check_survived(f);
}

/* Descriptors missing, or too many, or with a message that has none. None of them may stay open in the daemon. */
static void test_descriptors(void **state)
{
	static const unsigned counts[] = {0, 1, 2, 8, VU_MAX_FDS};
	unsigned char payload[VU_MAX_PAYLOAD] = {0};
	struct fixture *f = *state;

	fixture_check_survived(f);
	unsigned before = daemon_fds(&f->daemon);
	for (unsigned i = 0; i < SHAPES; i++) {
		for (unsigned k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
			/* REM_MEM_REG may bring one; SET_VRING_* with one too few are a value, not a shape. */
			if (counts[k] == shapes[i].fds || shapes[i].code == VU_REM_MEM_REG)
				continue;
			if (!odd_message(f, shapes[i].code, VU_NEED_REPLY, payload, shapes[i].size, counts[k]))
				fail_msg("message %u with %u descriptors was taken", shapes[i].code, counts[k]);
		}
	}
	fixture_check_survived(f);
	for (unsigned i = 0; i < 500 && daemon_fds(&f->daemon) > before; i++)
		usleep(10000);
	assert_true(daemon_fds(&f->daemon) <= before);
}

/* More descriptors than any message has. */
static void test_many_descriptors(void **state)
{
	struct vu_header h = {.request = VU_SET_OWNER, .flags = VU_VERSION};
	struct fixture *f = *state;
	int fds[253], ack;

	for (unsigned n = 33; n <= 253; n += 110) {
		reach(f);
		unsigned before = daemon_fds(&f->daemon);
		for (unsigned i = 0; i < n; i++)
			fds[i] = f->fe->sock;
		assert_int_equal(vu_send_bytes(f->fe->sock, &h, sizeof(h), fds, n), 0);
		assert_false(settles(f, &ack) && daemon_fds(&f->daemon) > before);
		fixture_disconnect(f);
	}
	fixture_check_survived(f);
}

static void test_unknown_codes(void **state)
{
	static const uint32_t far[] = {100, 1000, 0x7fffffff, 0xffffffff};
	unsigned char payload[64] = {0};
	struct fixture *f = *state;

	for (uint32_t code = 0; code <= MAX_CODE; code++) {
		bool known = false;
		for (unsigned i = 0; i < SHAPES; i++)
			known |= shapes[i].code == code;
		if (known)
			continue;
		for (uint32_t size = 0; size <= 40; size += 8)
			assert_true(odd_message(f, code, VU_NEED_REPLY, payload, size, 0));
		assert_true(odd_message(f, code, VU_NEED_REPLY, payload, 16, 1));
	}
	for (unsigned i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		assert_true(odd_message(f, far[i], VU_NEED_REPLY, payload, 8, 0));
	fixture_check_survived(f);
}

/* Header flags that no front end sends: another version, the reply bit, bits that mean nothing. */
static void test_flags(void **state)
{
	static const uint32_t flags[] = {0, 2, 3, 0x10, 0x100, 0x80000000, 0xfffffff0};
	struct fixture *f = *state;
	int ack;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		uint32_t value = flags[i] & 3 ? flags[i] : flags[i] | (i ? VU_VERSION : 0);
		struct vu_header h = {.request = VU_SET_OWNER, .flags = value};
		reach(f);
		assert_int_equal(vu_send_bytes(f->fe->sock, &h, sizeof(h), NULL, 0), 0);
		assert_false(settles(f, &ack));
		fixture_disconnect(f);
	}
	reach(f);
	struct vu_header h = {.request = VU_SET_OWNER, .flags = VU_VERSION | VU_REPLY};
	assert_int_equal(vu_send_bytes(f->fe->sock, &h, sizeof(h), NULL, 0), 0);
	assert_false(settles(f, &ack));
	fixture_check_survived(f);
}

/* A size that no payload has; the bytes never come. */
static void test_size_field(void **state)
{
	static const uint32_t sizes[] = {4097, 65536, 0x7fffffff, 0x80000000, 0xffffffff};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vu_header h = {.request = VU_SET_FEATURES, .flags = VU_VERSION, .size = sizes[i]};
		reach(f);
		assert_int_equal(vu_send_bytes(f->fe->sock, &h, sizeof(h), NULL, 0), 0);
		assert_true(vu_closed(f->fe->sock, SETTLE_MS));
		fixture_disconnect(f);
	}
	fixture_check_survived(f);
}

/* Values out of range, each refused. */
static void test_values(void **state)
{
	struct fixture *f = *state;
	const struct vu_state states[] = {
		{3, 128}, {255, 128}, {0xffffffff, 128}, {0, 0},	  {0, 3},
		{0, 100}, {0, 32769}, {0, 65536},	 {0, 0xffffffff},
	};
	struct vu_addr addr = {.index = 9};
	uint64_t u64;

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		assert_true(odd_message(f, VU_SET_VRING_NUM, VU_NEED_REPLY, &states[i], 8, 0));
	for (unsigned i = 0; i < 3; i++) {
		struct vu_state vs = {states[i].index, 1};
		assert_true(odd_message(f, VU_SET_VRING_BASE, VU_NEED_REPLY, &vs, 8, 0));
		assert_true(odd_message(f, VU_GET_VRING_BASE, VU_NEED_REPLY, &vs, 8, 0));
		assert_true(odd_message(f, VU_SET_VRING_ENABLE, VU_NEED_REPLY, &vs, 8, 0));
	}
	struct vu_state enable = {0, 2};
	assert_true(odd_message(f, VU_SET_VRING_ENABLE, VU_NEED_REPLY, &enable, 8, 0));
	assert_true(odd_message(f, VU_SET_VRING_ADDR, VU_NEED_REPLY, &addr, sizeof(addr), 0));
	for (u64 = 3; u64 < 256; u64 += 84) {
		assert_true(odd_message(f, VU_SET_VRING_KICK, VU_NEED_REPLY, &u64, 8, 1));
		assert_true(odd_message(f, VU_SET_VRING_CALL, VU_NEED_REPLY, &u64, 8, 1));
		assert_true(odd_message(f, VU_SET_VRING_ERR, VU_NEED_REPLY, &u64, 8, 1));
	}
	u64 = 0xffffffffffffff00;
	assert_true(odd_message(f, VU_SET_VRING_KICK, VU_NEED_REPLY, &u64, 8, 1));
	u64 = UINT64_MAX;
	assert_true(odd_message(f, VU_SET_FEATURES, VU_NEED_REPLY, &u64, 8, 0));
	fixture_check_survived(f);
}

static void config_value(struct fixture *f, uint32_t code, uint32_t offset, uint32_t size)
{
	struct vu_config c = {.offset = offset, .size = size};

	odd_message(f, code, VU_NEED_REPLY, &c, 12 + 40, 0);
}

static void test_config_values(void **state)
{
	static const uint32_t values[] = {0, 1, 36, 39, 40, 41, 4056, 4057, 4096, 0x7fffffff, 0xffffffd8, 0xffffffff};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		config_value(f, VU_GET_CONFIG, values[i], 40);
		config_value(f, VU_GET_CONFIG, 0, values[i]);
		config_value(f, VU_SET_CONFIG, values[i], values[i]);
	}
	fixture_check_survived(f);
}

/* Memory that is not there, overlaps, or is shorter than it says. */
static void test_memory_values(void **state)
{
	static const struct vu_region bad[] = {
		{.gpa = 0x100000, .size = 0},
		{.gpa = UINT64_MAX - 4095, .size = 8192},
		{.gpa = 0x100000, .size = 4096, .user = UINT64_MAX - 100},
		{.gpa = 0x100000, .size = 4096, .offset = UINT64_MAX - 4095},
		{.gpa = 0x100000, .size = 4096, .offset = INT64_MAX - 4095},
		{.gpa = 0x100000, .size = 1ULL << 40},
		{.gpa = 0x100000, .size = UINT64_MAX},
		{.gpa = 0x100000, .size = 1 << 20, .offset = 64ULL << 20},
	};
	struct fixture *f = *state;
	struct vu_mem_table table = {.n = 0};

	assert_true(odd_message(f, VU_SET_MEM_TABLE, VU_NEED_REPLY, &table, 8, 0));
	table.n = 33;
	assert_true(odd_message(f, VU_SET_MEM_TABLE, VU_NEED_REPLY, &table, 40, 1));
	table.n = 2;
	assert_true(odd_message(f, VU_SET_MEM_TABLE, VU_NEED_REPLY, &table, 40, 1));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vu_mem_reg reg = {.region = bad[i]};
		table = (struct vu_mem_table){.n = 1, .region = {bad[i]}};
		assert_true(odd_message(f, VU_SET_MEM_TABLE, VU_NEED_REPLY, &table, 40, 1));
		assert_true(odd_message(f, VU_ADD_MEM_REG, VU_NEED_REPLY, &reg, sizeof(reg), 1));
		assert_true(odd_message(f, VU_REM_MEM_REG, VU_NEED_REPLY, &reg, sizeof(reg), 0));
	}
	table = (struct vu_mem_table){
		.n = 2, .region = {{.gpa = 0x100000, .size = 8192}, {.gpa = 0x101000, .size = 8192, .user = 1 << 30}}};
	assert_true(odd_message(f, VU_SET_MEM_TABLE, VU_NEED_REPLY, &table, 72, 2));
	fixture_check_survived(f);
}

/* A file that shrinks under a mapping: nothing to be refused, but nobody may die of it. */
static void test_shrinking_file(void **state)
{
	struct fixture *f = *state;
	static const struct ram_spec extra = {.gpa = 1ULL << 30, .size = 1 << 20, .manual = true};
	struct vu_region r;
	struct vu_mem_reg reg = {.padding = 0};
	int ack;

	reach(f);
	assert_int_equal(frontend_send_table(f->fe), 0);
	int index = ram_add(&f->fe->ram, &extra);
	assert_true(index > 0);
	r = frontend_region(f->fe, (unsigned)index);
	assert_int_equal(ftruncate(f->fe->ram.region[index].fd, 4096), 0);
	reg.region = r;
	vu_send(f->fe->sock, VU_ADD_MEM_REG, VU_NEED_REPLY, &reg, sizeof(reg), &f->fe->ram.region[index].fd, 1);
	assert_true(!settles(f, &ack) || ack != 0);
	fixture_check_survived(f);
}

/* Rings whose areas are misaligned, unmapped, or only begin in memory. */
struct areas {
	uint64_t desc, avail, used; /* offsets from the start of a region of AREA_BYTES */
	bool misaligned;
};
#define AREA_BYTES (1 << 20)

static const struct areas bad_areas[] = {
	{8, 65536, 131072, true},
	{0, 65537, 131072, true},
	{0, 65536, 131074, true},
	{AREA_BYTES - 16, 65536, 131072, false},
	{0, AREA_BYTES - 2, 131072, false},
	{0, 65536, AREA_BYTES - 8, false},
	{0, 1ULL << 40, 131072, false},
	{UINT64_MAX - 15, 65536, 131072, false},
};

/* Refused with its address where it is misaligned; else the ring may wait for memory that fits, but must not run. */
static void try_areas(struct fixture *f, const struct areas *areas, uint64_t base)
{
	struct frontend_config c = {.ring_size = 1024};
	struct vu_addr a = {.desc = base + areas->desc, .avail = base + areas->avail, .used = base + areas->used};
	struct vu_state num = {0, 1024}, on = {0, 1};
	uint64_t index = 0;
	int ack;

	assert_int_equal(frontend_make_rings(f->fe, &c), 0);
	int sock = f->fe->sock, *kick = &f->fe->ring[0].kick;
	vu_send(sock, VU_SET_VRING_NUM, 0, &num, sizeof(num), NULL, 0);
	vu_send(sock, VU_SET_VRING_ADDR, VU_NEED_REPLY, &a, sizeof(a), NULL, 0);
	bool taken = settles(f, &ack) && ack == 0;
	if (areas->misaligned)
		assert_false(taken);
	if (!taken)
		return;
	vu_send(sock, VU_SET_VRING_KICK, VU_NEED_REPLY, &index, 8, kick, 1);
	if (!settles(f, &ack))
		return;
	vu_send(sock, VU_SET_VRING_ENABLE, VU_NEED_REPLY, &on, sizeof(on), NULL, 0);
	ring_kick_now(&f->fe->ring[0]);
	settles(f, &ack);
}

static void test_ring_areas(void **state)
{
	static const struct ram_spec layout[] = {{.gpa = 1ULL << 30, .size = AREA_BYTES, .manual = true},
						 {.gpa = 4ULL << 30, .size = 16 << 20}};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(bad_areas) / sizeof(bad_areas[0]); i++) {
		struct frontend_config c = {.socket = f->daemon.socket,
					    .features = FIXTURE_FEATURES,
					    .protocol = FIXTURE_PROTOCOL,
					    .layout = layout,
					    .nlayout = 2};
		assert_int_equal(frontend_connect(&f->fe, &c), 0);
		assert_int_equal(frontend_negotiate(f->fe, &c), 0);
		assert_int_equal(frontend_send_table(f->fe), 0);
		/* All ones: an empty ring whose areas lie here would be seen as one that went wild. */
		memset(ram_ptr(&f->fe->ram, layout[0].gpa), 0xff, AREA_BYTES);
		try_areas(f, &bad_areas[i], (uintptr_t)ram_ptr(&f->fe->ram, layout[0].gpa));
		for (unsigned k = 0; k < AREA_BYTES; k += 64)
			assert_int_equal(*(unsigned char *)ram_ptr(&f->fe->ram, layout[0].gpa + k), 0xff);
		fixture_disconnect(f);
	}
	fixture_check_survived(f);
}

/* Frames that arrive in pieces are frames. */
static void test_pieces(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[VU_HEADER_SIZE + 8];
	struct vu_reply reply;

	if (fixture_is_peer(f))
		skip();
	reach(f);
	struct vu_header h = {.request = VU_SET_FEATURES, .flags = VU_VERSION | VU_NEED_REPLY, .size = 8};
	memcpy(frame, &h, sizeof(h));
	memcpy(frame + sizeof(h), &f->fe->features, 8);
	for (unsigned cut = 1; cut < sizeof(frame); cut++) {
		assert_int_equal(vu_send_bytes(f->fe->sock, frame, cut, NULL, 0), 0);
		usleep(2000);
		assert_int_equal(vu_send_bytes(f->fe->sock, frame + cut, sizeof(frame) - cut, NULL, 0), 0);
		assert_int_equal(vu_receive(f->fe->sock, &reply, SETTLE_MS), 0);
		assert_int_equal(reply.u64, 0);
	}
	for (unsigned i = 0; i < sizeof(frame); i++)
		assert_int_equal(vu_send_bytes(f->fe->sock, frame + i, 1, NULL, 0), 0);
	assert_int_equal(vu_receive(f->fe->sock, &reply, SETTLE_MS), 0);
	/* And several at once are several. */
	unsigned char many[5 * sizeof(frame)];
	for (unsigned i = 0; i < 5; i++)
		memcpy(many + i * sizeof(frame), frame, sizeof(frame));
	assert_int_equal(vu_send_bytes(f->fe->sock, many, sizeof(many), NULL, 0), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(vu_receive(f->fe->sock, &reply, SETTLE_MS), 0);
		assert_int_equal(reply.u64, 0);
	}
}

/* Leaves after every possible part of a frame, with a descriptor already sent. */
static void test_leave_inside(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[VU_HEADER_SIZE + 40] = {0};
	struct vu_header h = {.request = VU_ADD_MEM_REG, .flags = VU_VERSION, .size = 40};

	fixture_check_survived(f);
	unsigned before = daemon_fds(&f->daemon);
	memcpy(frame, &h, sizeof(h));
	for (unsigned len = 1; len < sizeof(frame); len++) {
		reach(f);
		assert_int_equal(vu_send_bytes(f->fe->sock, frame, len, &f->fe->ram.region[0].fd, 1), 0);
		if (len & 1)
			shutdown(f->fe->sock, SHUT_WR);
		fixture_disconnect(f);
	}
	fixture_check_survived(f);
	for (unsigned i = 0; i < 500 && daemon_fds(&f->daemon) > before; i++)
		usleep(10000);
	assert_true(daemon_fds(&f->daemon) <= before);
}

/* Messages of a right shape with random bodies, and plain noise. */
static void test_noise(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 11, rounds = fixture_count(300, 10000);

	for (unsigned i = 0; i < rounds; i++) {
		unsigned char bytes[VU_MAX_PAYLOAD];
		unsigned n = 1 + (unsigned)rand_r(&seed) % 20;
		int ack;

		reach(f);
		for (unsigned k = 0; k < n; k++) {
			const struct shape *s = &shapes[(unsigned)rand_r(&seed) % SHAPES];
			int fds[2] = {f->fe->ram.region[0].fd, f->fe->ram.region[1].fd};
			bool small = rand_r(&seed) & 1;
			for (unsigned b = 0; b < sizeof(bytes); b++)
				bytes[b] = (unsigned char)(small && b % 8 ? 0 : rand_r(&seed) >> 4);
			if (i % 4 == 3)
				vu_send_bytes(f->fe->sock, bytes, 1 + (size_t)rand_r(&seed) % 300, fds, 1);
			else
				vu_send(f->fe->sock, s->code, small ? VU_NEED_REPLY : 0, bytes, s->size, fds, s->fds);
		}
		if (i % 4 != 3) {
			shutdown(f->fe->sock, SHUT_WR);
			assert_true(vu_closed(f->fe->sock, SETTLE_MS) || settles(f, &ack));
		}
		fixture_disconnect(f);
	}
	fixture_check_survived(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_sizes, &fixture),	    FIXTURE_TEST(test_descriptors, &fixture),
		FIXTURE_TEST(test_many_descriptors, &fixture), FIXTURE_TEST(test_unknown_codes, &fixture),
		FIXTURE_TEST(test_flags, &fixture),	    FIXTURE_TEST(test_size_field, &fixture),
		FIXTURE_TEST(test_values, &fixture),	    FIXTURE_TEST(test_config_values, &fixture),
		FIXTURE_TEST(test_memory_values, &fixture), FIXTURE_TEST(test_shrinking_file, &fixture),
		FIXTURE_TEST(test_ring_areas, &fixture),    FIXTURE_TEST(test_pieces, &fixture),
		FIXTURE_TEST(test_leave_inside, &fixture),  FIXTURE_TEST(test_noise, &fixture),
	};

	return fixture_run("vring/messages", tests, sizeof(tests) / sizeof(tests[0]), &fixture);
}
