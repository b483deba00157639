/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: rings, split and packed, over memory of any content that changes between two looks. */
#include "transport/transport.h"
#include "transport/vring.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY 0x8000U /* small, so that random addresses hit; two neighbouring regions */
#define HEADER 4

static uint8_t *base;
static struct guest_memory *mem;

static void setup(void)
{
	const struct guest_region_info infos[] = { { 0, MEMORY / 2, 0x10000, 0 },
						   { MEMORY / 2, MEMORY / 2, 0x20000, MEMORY / 2 } };
	int fd = memfd_create("fuzz", MFD_CLOEXEC), fds[] = { fd, fd };

	if (fd < 0 || ftruncate(fd, MEMORY) < 0)
		abort();
	base = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mem = guest_memory_new(infos, fds, 2, NULL);
	if (base == MAP_FAILED || !mem)
		abort();
}

/* All pieces lie in guest memory and hold what the chain says. */
static void check(const struct vring_chain *chain, const struct iovec *iov)
{
	uint64_t gpa, room, in = 0, out = 0;
	uint32_t i;

	if (chain->nin > TRANSPORT_MAX_IOV || chain->nout > TRANSPORT_MAX_IOV)
		abort();
	for (i = 0; i < chain->nin + chain->nout; i++) {
		uint8_t *first = iov[i].iov_base, *last = first + iov[i].iov_len - 1;

		if (!iov[i].iov_len || !guest_memory_gpa(mem, first, &gpa, &room) ||
		    !guest_memory_gpa(mem, last, &gpa, &room))
			abort();
		*(i < chain->nin ? &in : &out) += iov[i].iov_len;
	}
	if (in != chain->in_len || out != chain->out_len)
		abort();
}

/* Takes and gives back as a queue would; what is left of the input is written over the memory on the way. */
static void drive(struct vring *r, const uint8_t *data, size_t size)
{
	static struct iovec iov[2 * TRANSPORT_MAX_IOV];
	struct vring_chain held[8];
	uint32_t nheld = 0, step;

	for (step = 0; step < 200 && !r->broken; step++) {
		struct vring_chain chain;
		enum vring_result result = vring_pop(r, iov, &chain);

		if (result == VRING_CHAIN)
			check(&chain, iov);
		if (result == VRING_EMPTY || result == VRING_BROKEN) {
			vring_publish(r);
			vring_arm(r);
			vring_disarm(r);
			if (size < 4)
				break;
			base[(data[0] | data[1] << 8) % MEMORY] = data[2];
			base[(data[0] | data[1] << 8) % MEMORY ^ 1] = data[3];
			data += 4;
			size -= 4;
			continue;
		}
		if (nheld < 8 && step % 3) {
			held[nheld++] = chain;
			continue;
		}
		vring_push(r, &chain, (uint32_t)chain.out_len);
		if (step % 5 == 0)
			vring_publish(r);
		while (nheld && step % 4 == 0)
			vring_push(r, &held[--nheld], 0);
	}
	vring_publish(r);
}

/* Input: kind and features, log2 or count of the ring's size, two bytes of base, memory, then changes of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vring_config config = { .addr = { .desc = 0x10000, .avail = 0x11000, .used = 0x12000 } };
	size_t content;
	struct vring ring;

	if (size < HEADER)
		return 0;
	if (!base)
		setup();
	config.packed = data[0] & 1;
	config.event_idx = data[0] & 2;
	config.indirect = data[0] & 4;
	config.size = config.packed ? data[1] % 64U : 1U << data[1] % 7;
	config.base = (data[2] | (uint32_t)data[3] << 8) * 0x10001U;
	data += HEADER;
	size -= HEADER;
	/* The areas' first bytes come from the input, one after the other, so that short inputs reach all of them. */
	memset(base, 0, MEMORY);
	content = size < 512 ? size : 512;
	memcpy(base, data, content);
	memcpy(base + 0x1000, data, content);
	memcpy(base + 0x2000, data + content / 2, content / 2);
	memcpy(base + 0x3ff0, data, content);
	if (vring_init(&ring, &config, mem, NULL) == 0)
		drive(&ring, data + content, size - content);
	return 0;
}
