/* SPDX-License-Identifier: Apache-2.0 */
/* Driver side of a virtqueue: what split and packed rings have in common. */
#include "tests/vring/ring.h"

#include "tests/vring/clock.h"
#include "tests/vring/ring_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define POLL_LOOKS 65536 /* between two looks at anything but the ring */

static void close_fds(struct ring *r)
{
	int *fds[] = {&r->kick, &r->call, &r->err};

	for (unsigned i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int ring_init(struct ring *r, struct ram *ram, enum ring_kind kind, uint16_t size, bool event_idx, bool indirect)
{
	*r = (struct ring){.ram = ram, .kind = kind, .size = size, .event_idx = event_idx, .indirect = indirect};
	r->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->slot = calloc(size, sizeof(*r->slot));
	r->desc = ram_alloc(ram, ring_desc_bytes(r), 4096);
	r->driver = ram_alloc(ram, ring_driver_bytes(r), 4096);
	r->device = ram_alloc(ram, ring_device_bytes(r), 4096);
	if (r->kick < 0 || r->call < 0 || r->err < 0 || !r->slot || !r->desc || !r->driver || !r->device) {
		ring_fini(r);
		return -ENOMEM;
	}
	ring_clear(r);
	return 0;
}

void ring_fini(struct ring *r)
{
	free(r->slot);
	r->slot = NULL;
	if (r->ram)
		close_fds(r);
	r->ram = NULL;
}

static void drain(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) > 0)
		;
}

void ring_clear(struct ring *r)
{
	memset(ram_ptr(r->ram, r->desc), 0, ring_desc_bytes(r));
	memset(ram_ptr(r->ram, r->driver), 0, ring_driver_bytes(r));
	memset(ram_ptr(r->ram, r->device), 0, ring_device_bytes(r));
	for (uint16_t i = 0; i < r->size; i++) {
		r->slot[i].cookie = NULL;
		r->slot[i].next = (uint16_t)(i + 1);
	}
	r->free_head = 0;
	r->nfree = r->size;
	r->next = r->used = r->added = 0;
	r->wrap = r->used_wrap = true;
	r->inflight = 0;
	drain(r->kick);
	drain(r->call);
	drain(r->err);
	if (r->kind == RING_PACKED)
		packed_clear(r);
	else
		split_clear(r);
}

uint32_t ring_base(const struct ring *r)
{
	if (r->kind == RING_SPLIT)
		return r->next;
	return r->next | (uint32_t)r->wrap << 15 | (uint32_t)r->used << 16 | (uint32_t)r->used_wrap << 31;
}

uint64_t ring_table(struct ring *r, uint16_t id)
{
	if (!r->slot[id].table)
		r->slot[id].table = ram_alloc(r->ram, 16ULL * RING_MAX_CHAIN, 16);
	return r->slot[id].table;
}

int ring_add(struct ring *r, const struct ring_buf *in, unsigned nin, const struct ring_buf *out, unsigned nout,
	     void *cookie)
{
	struct ring_chain c = {.in = in, .out = out, .nin = nin, .nout = nout, .cookie = cookie};
	unsigned n = nin + nout;

	if (!n || n > RING_MAX_CHAIN)
		return -EINVAL;
	c.table = r->indirect && n > 1;
	if (r->nfree < (c.table ? 1 : n))
		return -ENOSPC;
	for (unsigned i = 0; i < nout; i++)
		c.room += out[i].len;
	int res = r->kind == RING_PACKED ? packed_add(r, &c) : split_add(r, &c);
	if (res == 0)
		r->inflight++;
	return res;
}

void ring_kick_now(struct ring *r)
{
	uint64_t one = 1;

	r->added = 0;
	r->kicks++;
	if (write(r->kick, &one, sizeof(one)) < 0) /* the counter is full: a kick is pending anyway */
		return;
}

void ring_kick(struct ring *r)
{
	if (!r->added)
		return;
	/* What was added must be seen before the device's wish is read: pairs with its re-check after the wish. */
	ring_full_fence();
	if (r->kind == RING_PACKED ? packed_wants_kick(r) : split_wants_kick(r))
		ring_kick_now(r);
	r->added = 0;
}

int ring_take(struct ring *r, struct ring_used *used)
{
	int res = r->kind == RING_PACKED ? packed_take(r, used) : split_take(r, used);

	if (res == 1)
		r->inflight--;
	return res;
}

static bool has_used(const struct ring *r)
{
	return r->kind == RING_PACKED ? packed_has_used(r) : split_has_used(r);
}

int ring_wait(struct ring *r, int timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;

	while (!has_used(r)) {
		if (r->kind == RING_PACKED)
			packed_arm(r);
		else
			split_arm(r);
		/* The wish must be seen before the ring is looked at again: pairs with the device's fence. */
		ring_full_fence();
		if (has_used(r))
			return 0;
		struct pollfd p[2] = {{.fd = r->call, .events = POLLIN}, {.fd = r->err, .events = POLLIN}};
		int64_t left = deadline - clock_ms();
		if (left < 0)
			return -ETIMEDOUT;
		r->waits++;
		if (poll(p, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		drain(r->call);
		if (p[1].revents)
			return -EIO;
	}
	return 0;
}

int ring_poll(struct ring *r, int timeout_ms)
{
	int64_t deadline = 0;

	for (unsigned looks = 1; !has_used(r); looks++) {
		__builtin_ia32_pause();
		if (looks % POLL_LOOKS)
			continue;
		/* Rarely: neither the clock nor the err descriptor may cost the answer time. */
		int64_t now = clock_ms();
		deadline = deadline ? deadline : now + timeout_ms;
		if (now > deadline)
			return -ETIMEDOUT;
		if (ring_failed(r, 0))
			return -EIO;
	}
	return 0;
}

void ring_interrupts(struct ring *r, bool on)
{
	if (r->kind == RING_SPLIT) {
		__atomic_store_n(&ring_avail(r)->flags, on ? 0 : VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELEASE);
		return;
	}
	uint16_t flags = r->event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE;
	if (!on)
		flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	__atomic_store_n(&ring_driver_event(r)->flags, flags, __ATOMIC_RELEASE);
}

bool ring_failed(struct ring *r, int timeout_ms)
{
	struct pollfd p = {.fd = r->err, .events = POLLIN};

	if (poll(&p, 1, timeout_ms) <= 0)
		return false;
	drain(r->err);
	return true;
}
