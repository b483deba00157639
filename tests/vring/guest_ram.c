/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory of the test front end. */
#include "tests/vring/guest_ram.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int ram_init(struct ram *ram, const struct ram_spec *specs, unsigned n)
{
	memset(ram, 0, sizeof(*ram));
	ram->base = mmap(NULL, RAM_SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram->base == MAP_FAILED) {
		ram->base = NULL;
		return -errno;
	}
	for (unsigned i = 0; i < n; i++) {
		int res = ram_add(ram, &specs[i]);
		if (res < 0) {
			ram_fini(ram);
			return res;
		}
	}
	return 0;
}

void ram_fini(struct ram *ram)
{
	while (ram->n)
		ram_remove(ram, ram->n - 1);
	if (ram->base)
		munmap(ram->base, RAM_SPAN);
	ram->base = NULL;
}

int ram_add(struct ram *ram, const struct ram_spec *spec)
{
	if (ram->n == RAM_MAX_REGIONS)
		return -ENOSPC;
	if (!spec->gpa || !spec->size || spec->gpa > RAM_SPAN || spec->size > RAM_SPAN - spec->gpa)
		return -EINVAL;
	int fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)(spec->offset + spec->size)) < 0 ||
	    mmap(ram->base + spec->gpa, spec->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)spec->offset) == MAP_FAILED) {
		int res = -errno;
		close(fd);
		return res;
	}
	struct ram_region *r = &ram->region[ram->n];
	r->spec = *spec;
	r->fd = fd;
	atomic_init(&r->next, spec->gpa);
	return (int)ram->n++;
}

void ram_remove(struct ram *ram, unsigned index)
{
	struct ram_region *r = &ram->region[index];

	mmap(ram->base + r->spec.gpa, r->spec.size, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	close(r->fd);
	ram->n--;
	memmove(r, r + 1, (ram->n - index) * sizeof(*r));
}

uint64_t ram_alloc(struct ram *ram, uint64_t size, uint64_t align)
{
	for (unsigned i = 0; i < ram->n; i++) {
		struct ram_region *r = &ram->region[i];
		uint64_t end = r->spec.gpa + r->spec.size, at;
		uint64_t next = atomic_load_explicit(&r->next, memory_order_relaxed);

		do {
			at = (next + align - 1) & ~(align - 1);
		} while (!r->spec.manual && at <= end && size <= end - at &&
			 !atomic_compare_exchange_weak_explicit(&r->next, &next, at + size, memory_order_relaxed,
								memory_order_relaxed));
		if (!r->spec.manual && at <= end && size <= end - at)
			return at;
	}
	return 0;
}
