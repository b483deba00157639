/* SPDX-License-Identifier: Apache-2.0 */
/* What split and packed rings have in common: set-up, translation of buffers, and the choice between the two. */
#include "transport/vring.h"

#include "transport/transport.h"
#include "transport/vring_internal.h"

#include <errno.h>
#include <inttypes.h>

void *vring_area(const struct vring *r, uint64_t user_addr, uint64_t len, uint32_t align, uint64_t *gpa)
{
	void *p = guest_memory_user_range(r->mem, user_addr, len, gpa);

	return (uintptr_t)p % align ? NULL : p;
}

static int ring_map(struct vring *r, struct graft_error *err)
{
	int rc;

	if (!r->mem || r->mem->count == 0)
		return error_set(err, EFAULT, "there is no guest memory yet");
	r->region = &r->mem->regions[0];
	rc = r->config.packed ? vring_packed_map(r) : vring_split_map(r);
	if (rc < 0)
		return error_set(err, -rc,
				 "the ring (descriptors 0x%" PRIx64 ", driver area 0x%" PRIx64
				 ", device area 0x%" PRIx64 ") does not lie in guest memory",
				 r->config.addr.desc, r->config.addr.avail, r->config.addr.used);
	return 0;
}

int vring_init(struct vring *r, const struct vring_config *config, const struct guest_memory *mem,
	       struct graft_error *err)
{
	int rc;

	memset(r, 0, sizeof(*r));
	r->config = *config;
	r->mem = mem;
	/* The driver starts with kicks wanted. */
	r->armed = true;
	if (config->size == 0 || config->size > VRING_MAX_SIZE ||
	    (!config->packed && (config->size & (config->size - 1))))
		return error_set(err, EINVAL, "a ring of %u descriptors", config->size);
	rc = ring_map(r, err);
	if (rc < 0)
		return rc;
	rc = config->packed ? vring_packed_reset(r, config->base) : vring_split_reset(r, config->base);
	if (rc < 0)
		return error_set(err, -rc, "ring position 0x%x does not fit a ring of %u descriptors", config->base,
				 config->size);
	return 0;
}

int vring_remap(struct vring *r, const struct vring_addresses *addr, const struct guest_memory *mem,
		struct graft_error *err)
{
	r->config.addr = *addr;
	r->mem = mem;
	return ring_map(r, err);
}

void vring_set_log(struct vring *r, struct dirty_log *log)
{
	r->log = r->config.addr.logged ? log : NULL;
}

enum vring_result vring_break(struct vring *r, const char *why)
{
	r->broken = true;
	r->fault = why;
	return VRING_BROKEN;
}

/* Adds one mapped piece behind the list it belongs to; the writable list grows behind the readable one. */
static bool add_piece(struct vring *r, struct iovec *iov, struct vring_chain *chain, uint8_t *at, uint64_t len,
		      bool writable)
{
	uint32_t *n = writable ? &chain->nout : &chain->nin;
	struct iovec *end = &iov[chain->nin + chain->nout];

	if (*n && (uint8_t *)end[-1].iov_base + end[-1].iov_len == at) {
		end[-1].iov_len += len;
		return true;
	}
	if (*n == TRANSPORT_MAX_IOV)
		return vring_bad(r, "more buffers than a request can have");
	end->iov_base = at;
	end->iov_len = len;
	++*n;
	return true;
}

bool vring_add_buffer(struct vring *r, struct iovec *iov, struct vring_chain *chain, const struct vring_desc *d)
{
	bool writable = d->flags & VRING_DESC_WRITE;
	uint64_t gpa = d->addr, left = d->len;

	if (!writable && chain->nout)
		return vring_bad(r, "a readable buffer behind a writable one");
	if (left > UINT32_MAX - chain->in_len - chain->out_len)
		return vring_bad(r, "more than 4 GiB in one request");
	*(writable ? &chain->out_len : &chain->in_len) += left;
	while (left) {
		uint64_t at = gpa - r->region->gpa, piece;

		if (at >= r->region->size) {
			const struct guest_region *region = guest_memory_find(r->mem, gpa);

			if (!region)
				return vring_bad(r, "a buffer outside guest memory");
			r->region = region;
			at = gpa - region->gpa;
		}
		piece = r->region->size - at < left ? r->region->size - at : left;
		if (!add_piece(r, iov, chain, r->region->hva + at, piece, writable))
			return false;
		gpa += piece;
		left -= piece;
	}
	return true;
}

const uint8_t *vring_indirect_table(struct vring *r, const struct vring_desc *d, uint32_t *n)
{
	const uint8_t *table;

	if (!r->config.indirect)
		r->fault = "an indirect descriptor, which was not negotiated";
	else if (d->flags & VRING_DESC_NEXT)
		r->fault = "an indirect descriptor that has a next one";
	else if (d->len == 0 || d->len % VRING_DESC_BYTES || d->len / VRING_DESC_BYTES > VRING_MAX_INDIRECT)
		r->fault = "an indirect table of a wrong size";
	else {
		*n = d->len / VRING_DESC_BYTES;
		table = guest_memory_range(r->mem, d->addr, d->len);
		if (table)
			return table;
		r->fault = "an indirect table that does not lie in one memory region";
	}
	return NULL;
}

enum vring_result vring_pop(struct vring *r, struct iovec *iov, struct vring_chain *chain)
{
	if (r->broken)
		return VRING_BROKEN;
	return r->config.packed ? vring_packed_pop(r, iov, chain) : vring_split_pop(r, iov, chain);
}

void vring_push(struct vring *r, const struct vring_chain *chain, uint32_t len)
{
	if (r->broken)
		return;
	r->pending++;
	r->hidden = true;
	if (r->config.packed)
		vring_packed_push(r, chain, len);
	else
		vring_split_push(r, chain, len);
}

void vring_show(struct vring *r)
{
	if (!r->hidden)
		return;
	r->hidden = false;
	if (r->config.packed)
		vring_packed_show(r);
	else
		vring_split_show(r);
}

bool vring_publish(struct vring *r)
{
	if (r->broken || r->pending == 0)
		return false;
	vring_show(r);
	r->pending = 0;
	return r->config.packed ? vring_packed_decide(r) : vring_split_decide(r);
}

bool vring_ready(const struct vring *r)
{
	return r->config.packed ? vring_packed_ready(r) : vring_split_ready(r);
}

bool vring_arm(struct vring *r)
{
	r->armed = true;
	return r->config.packed ? vring_packed_arm(r) : vring_split_arm(r);
}

void vring_disarm(struct vring *r)
{
	if (!r->armed)
		return;
	r->armed = false;
	if (r->config.packed)
		vring_packed_disarm(r);
	else
		vring_split_disarm(r);
}

uint32_t vring_base(const struct vring *r)
{
	return r->config.packed ? vring_packed_base(r) : r->split.next_avail;
}
