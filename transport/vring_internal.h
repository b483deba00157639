/* SPDX-License-Identifier: Apache-2.0 */
/* What vring.c, vring_split.c and vring_packed.c share. */
#ifndef GRAFT_TRANSPORT_VRING_INTERNAL_H
#define GRAFT_TRANSPORT_VRING_INTERNAL_H

#include "transport/vring.h"

#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#define VRING_DESC_BYTES 16
#define VRING_MAX_INDIRECT 65535 /* entries of an indirect table that are walked */

/* A private copy of a descriptor, in this machine's byte order. extra: split: next; packed: id. */
struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t extra;
};

/* Guest memory changes at any time: these read and write it once, each. */
static inline uint16_t ring_load16(const void *p, memory_order order)
{
	return le16toh((uint16_t)atomic_load_explicit((const _Atomic uint16_t *)p, order));
}

static inline void ring_store16(void *p, uint16_t v, memory_order order)
{
	atomic_store_explicit((_Atomic uint16_t *)p, htole16(v), order);
}

static inline uint32_t ring_load32(const void *p, memory_order order)
{
	return le32toh((uint32_t)atomic_load_explicit((const _Atomic uint32_t *)p, order));
}

static inline void ring_store32(void *p, uint32_t v, memory_order order)
{
	atomic_store_explicit((_Atomic uint32_t *)p, htole32(v), order);
}

/* A full fence: what was written to the ring is seen before what comes next is read. */
static inline void ring_fence(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
/* The sanitizer does not model fences; nothing is published by this one, so it misses nothing. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	atomic_thread_fence(memory_order_seq_cst);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

/* Copies a descriptor of the ring's own table, or of an indirect one, which may lie at any address. */
static inline void ring_read_desc(const uint8_t *at, struct vring_desc *d, bool packed)
{
	uint64_t raw[2];
	uint16_t word6, word7;

	memcpy(raw, at, sizeof(raw));
	/* Keeps the compiler from reading the guest's copy again. */
	atomic_signal_fence(memory_order_seq_cst);
	raw[1] = le64toh(raw[1]);
	word6 = (uint16_t)(raw[1] >> 32);
	word7 = (uint16_t)(raw[1] >> 48);
	d->addr = le64toh(raw[0]);
	d->len = (uint32_t)raw[1];
	d->flags = packed ? word7 : word6;
	d->extra = packed ? word6 : word7;
}

/* Appends a buffer to the chain's lists. False: it cannot be, r->fault says why. */
bool vring_add_buffer(struct vring *r, struct iovec *iov, struct vring_chain *chain, const struct vring_desc *d);
/* The table an indirect descriptor points to, *n its entries; NULL with r->fault. */
const uint8_t *vring_indirect_table(struct vring *r, const struct vring_desc *d, uint32_t *n);
enum vring_result vring_break(struct vring *r, const char *why);
static inline bool vring_bad(struct vring *r, const char *why)
{
	r->fault = why;
	return false;
}
/* Marks len bytes at offset of the used ring as the front end wants it logged. */
static inline void vring_log(struct vring *r, uint64_t offset, uint64_t len)
{
	if (r->log)
		dirty_log_mark(r->log, r->config.addr.log + offset, len);
}
/* Did an index that moved from old to now pass event? (virtio 1.2, 2.7.10) */
static inline bool vring_passed(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}
/* An area of the ring; NULL unless it is mapped in one piece and aligned. */
void *vring_area(const struct vring *r, uint64_t user_addr, uint64_t len, uint32_t align, uint64_t *gpa);

int vring_split_map(struct vring *r);
int vring_split_reset(struct vring *r, uint32_t base);
enum vring_result vring_split_pop(struct vring *r, struct iovec *iov, struct vring_chain *chain);
void vring_split_push(struct vring *r, const struct vring_chain *chain, uint32_t len);
void vring_split_show(struct vring *r);
bool vring_split_decide(struct vring *r);
bool vring_split_ready(const struct vring *r);
bool vring_split_arm(struct vring *r);
void vring_split_disarm(struct vring *r);

int vring_packed_map(struct vring *r);
int vring_packed_reset(struct vring *r, uint32_t base);
enum vring_result vring_packed_pop(struct vring *r, struct iovec *iov, struct vring_chain *chain);
void vring_packed_push(struct vring *r, const struct vring_chain *chain, uint32_t len);
void vring_packed_show(struct vring *r);
bool vring_packed_decide(struct vring *r);
bool vring_packed_ready(const struct vring *r);
bool vring_packed_arm(struct vring *r);
void vring_packed_disarm(struct vring *r);
uint32_t vring_packed_base(const struct vring *r);

#endif
