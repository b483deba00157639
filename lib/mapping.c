/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings of files that survive the file's end moving under them: a table that the handler of SIGBUS reads. */
#include "lib/mapping.h"

#include "lib/cleanup.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Pages of a mapping that are replaced one by one, each of which makes two mappings more for the kernel to keep, of the
 * 65530 that a process may have. The next one that is missing takes the whole range with it.
 */
#define REPLACED_MAX 8

/*
 * One guarded range. A writer (under table.lock) makes the sequence odd, changes the rest, and makes it even again. The
 * handler passes over a slot whose sequence is odd or moves: whoever faulted is using its mapping, so that mapping's
 * own slot does not change.
 */
struct slot {
	_Atomic uint32_t sequence;
	_Atomic bool torn;
	_Atomic int prot;
	_Atomic uint32_t replaced;    /* pages that were missing, as far as they were counted */
	_Atomic uintptr_t start, end; /* page aligned; start 0: free */
	uint32_t next_free;           /* protected by table.lock: slot + 1, 0 ends the list */
};

/* Of the process, or of the shared object that has a copy of this file: signal handlers are the process's too. */
static struct {
	pthread_mutex_t lock;
	/* protected by lock */
	uint32_t free; /* first of the list of slots that were given back, + 1 */
	bool installed;
	/* read by the handler */
	_Atomic uint32_t used; /* slots that were ever taken: those below may be taken now */
	_Atomic bool chained;  /* previous holds */
	struct sigaction previous;
	uintptr_t page;
	struct slot slots[MAPPINGS_MAX];
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The guarded slot that addr lies in, and where it lies; NULL. Called by the handler: atomics only. */
static struct slot *slot_find(uintptr_t addr, uintptr_t *start, uintptr_t *end)
{
	/* Acquire pairs with the release in slot_take. */
	uint32_t used = atomic_load_explicit(&table.used, memory_order_acquire);
	uint32_t i;

	for (i = 0; i < used; i++) {
		struct slot *s = &table.slots[i];
		/* Acquire pairs with the release that ends slot_set. */
		uint32_t before = atomic_load_explicit(&s->sequence, memory_order_acquire);

		/* Acquire pairs with the releases in slot_set: had a new value been seen, so would the odd sequence be.
		 */
		*start = atomic_load_explicit(&s->start, memory_order_acquire);
		*end = atomic_load_explicit(&s->end, memory_order_acquire);
		if (before % 2 || before != atomic_load_explicit(&s->sequence, memory_order_relaxed))
			continue;
		if (*start && addr >= *start && addr < *end)
			return s;
	}
	return NULL;
}

/* The system call itself: what sanitizers put around mmap is not made for a handler. */
static bool fill(uintptr_t start, uintptr_t len, int prot)
{
	return syscall(SYS_mmap, start, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) !=
	       -1;
}

/*
 * Puts zeros where the page of addr is missing. Huge pages can only be replaced whole, so the unit grows until the
 * kernel takes it.
 */
static bool page_replace(struct slot *s, uintptr_t addr, uintptr_t start, uintptr_t end)
{
	int prot = atomic_load_explicit(&s->prot, memory_order_relaxed);
	/* relaxed: a bound, no more. */
	bool whole = atomic_fetch_add_explicit(&s->replaced, 1, memory_order_relaxed) >= REPLACED_MAX;
	uintptr_t unit;

	for (unit = table.page; !whole && unit <= end - start; unit *= 2) {
		uintptr_t at = addr & ~(unit - 1);

		if (at < start || unit > end - at)
			break;
		if (fill(at, unit, prot))
			return true;
	}
	return fill(start, end - start, prot);
}

/* Hands on what is not ours. */
static void chain(int sig, siginfo_t *info, void *context)
{
	const struct sigaction fallback = { .sa_handler = SIG_DFL };
	bool fault = info->si_code > 0; /* raised by the processor, which will raise it again if we return */

	/* Acquire pairs with the release in install. Not yet known for an instant: the fault comes again. */
	if (!atomic_load_explicit(&table.chained, memory_order_acquire))
		return;
	if (table.previous.sa_flags & SA_SIGINFO) {
		table.previous.sa_sigaction(sig, info, context);
	} else if (table.previous.sa_handler == SIG_DFL || (table.previous.sa_handler == SIG_IGN && fault)) {
		sigaction(sig, &fallback, NULL);
		if (!fault)
			raise(sig);
	} else if (table.previous.sa_handler != SIG_IGN) {
		table.previous.sa_handler(sig);
	}
}

static void handle_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	struct slot *s = NULL;
	uintptr_t addr = (uintptr_t)info->si_addr, start, end;

	if (info->si_code == BUS_ADRERR)
		s = slot_find(addr, &start, &end);
	if (s) {
		/* Before the zeros can be read by any thread: see read_before. */
		atomic_store_explicit(&s->torn, true, memory_order_seq_cst);
		if (!page_replace(s, addr, start, end))
			s = NULL;
	}
	if (!s)
		chain(sig, info, context);
	errno = saved;
}

/*
 * The handler must outlive a plugin that is unloaded, since others may have chained to it. For the program itself, where its headers
 * lie, there is nothing to keep; dlopen would open the file to find that out.
 */
static void pin_code(void)
{
	Dl_info info, program;

	if (!dladdr(&table, &info) || !info.dli_fname)
		return;
	if (!dladdr((void *)getauxval(AT_PHDR), &program) || program.dli_fbase != info.dli_fbase)
		dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* table.lock is held. */
static int install(struct graft_error *err)
{
	struct sigaction action = { .sa_sigaction = handle_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

	if (table.installed)
		return 0;
	sigemptyset(&action.sa_mask);
	table.page = (uintptr_t)sysconf(_SC_PAGESIZE);
	pin_code();
	if (sigaction(SIGBUS, &action, &table.previous) < 0)
		return error_set(err, errno, "cannot handle SIGBUS: %s", strerror(errno));
	/* Release pairs with the acquire in chain. */
	atomic_store_explicit(&table.chained, true, memory_order_release);
	table.installed = true;
	return 0;
}

static void slot_set(struct slot *s, uintptr_t start, uintptr_t end, int prot)
{
	uint32_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed);

	atomic_store_explicit(&s->sequence, sequence + 1, memory_order_relaxed);
	atomic_store_explicit(&s->torn, false, memory_order_relaxed);
	atomic_store_explicit(&s->prot, prot, memory_order_relaxed);
	atomic_store_explicit(&s->replaced, 0, memory_order_relaxed);
	/* Release pairs with the acquire loads in slot_find. */
	atomic_store_explicit(&s->start, start, memory_order_release);
	atomic_store_explicit(&s->end, end, memory_order_release);
	/* Release pairs with the acquire in slot_find. */
	atomic_store_explicit(&s->sequence, sequence + 2, memory_order_release);
}

/* Guards len bytes from start (page aligned); the slot + 1, or -errno with err. */
static int64_t slot_take(uintptr_t start, uint64_t len, int prot, struct graft_error *err)
{
	uint32_t used, i;
	int rc;

	LOCK_SCOPE(&table.lock);
	rc = install(err);
	if (rc < 0)
		return rc;
	used = atomic_load_explicit(&table.used, memory_order_relaxed);
	if (!table.free && used == MAPPINGS_MAX)
		return error_set(err, ENOMEM, "more than %d guarded mappings", MAPPINGS_MAX);
	i = table.free ? table.free - 1 : used;
	if (table.free)
		table.free = table.slots[i].next_free;
	slot_set(&table.slots[i], start, start + len, prot);
	/* Release pairs with the acquire in slot_find. */
	if (i == used)
		atomic_store_explicit(&table.used, used + 1, memory_order_release);
	return (int64_t)i + 1;
}

static void slot_give(uint32_t i)
{
	LOCK_SCOPE(&table.lock);
	slot_set(&table.slots[i], 0, 0, 0);
	table.slots[i].next_free = table.free;
	table.free = i + 1;
}

static uint64_t page_up(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

int mapping_guard(struct mapping *m, void *base, uint64_t size, struct graft_error *err)
{
	int64_t slot;

	*m = (struct mapping){ 0 };
	if (size == 0 || size > (uint64_t)PTRDIFF_MAX || (uintptr_t)base % (uintptr_t)sysconf(_SC_PAGESIZE))
		return error_set(err, EINVAL, "no range of pages to guard");
	/* Writable: a guard does not know how its memory is mapped, and writing to zeros of our own harms nobody. */
	slot = slot_take((uintptr_t)base, page_up(size), PROT_READ | PROT_WRITE, err);
	if (slot < 0)
		return (int)slot;
	*m = (struct mapping){ .base = base, .size = size, .slot = (uint32_t)slot };
	return 0;
}

void mapping_unguard(struct mapping *m)
{
	if (m->slot)
		slot_give(m->slot - 1);
	*m = (struct mapping){ 0 };
}

static int file_size(int fd, uint64_t *size, struct graft_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "cannot map a file: %s", strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, size) < 0)
			return error_set(err, errno, "cannot tell a device's size: %s", strerror(errno));
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "cannot map what is neither a file nor a disk");
	*size = (uint64_t)st.st_size;
	return 0;
}

int mapping_open(struct mapping *m, int fd, uint64_t off, uint64_t size, enum mapping_mode mode,
		 struct graft_error *err)
{
	bool shared = mode == MAPPING_SHARED;
	int prot = shared ? PROT_READ | PROT_WRITE : PROT_READ;
	uint32_t head = (uint32_t)(off % (uint64_t)sysconf(_SC_PAGESIZE));
	uint64_t file = 0;
	int64_t slot;
	void *base;
	int rc;

	*m = (struct mapping){ 0 };
	rc = file_size(fd, &file, err);
	if (rc < 0)
		return rc;
	if (size == 0 || off > file || size > file - off || size > (uint64_t)PTRDIFF_MAX - head)
		return error_set(err, EINVAL,
				 "cannot map %" PRIu64 " bytes from byte %" PRIu64 " of a file of %" PRIu64 " bytes",
				 size, off, file);
	base = mmap(NULL, size + head, prot, shared ? MAP_SHARED : MAP_PRIVATE, fd, (off_t)(off - head));
	if (base == MAP_FAILED)
		return error_set(err, errno, "cannot map %" PRIu64 " bytes of a file: %s", size, strerror(errno));
	slot = slot_take((uintptr_t)base, page_up(size + head), prot, err);
	if (slot < 0) {
		munmap(base, size + head);
		return (int)slot;
	}
	*m = (struct mapping){
		.base = (unsigned char *)base + head, .size = size, .slot = (uint32_t)slot, .head = head
	};
	return 0;
}

void mapping_close(struct mapping *m)
{
	struct mapping old = *m;
	int saved = errno;

	mapping_unguard(m);
	if (old.base)
		munmap(old.base - old.head, old.size + old.head);
	errno = saved;
}

/*
 * What was read before is told of by torn: its store comes before the zeros can be read, and this load after. (gcc
 * warns that its thread sanitizer does not see fences; here are none of its own accesses on the other side.)
 */
static void read_before(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	atomic_thread_fence(memory_order_acquire);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

bool mapping_torn(const struct mapping *m)
{
	if (!m->slot)
		return false;
	read_before();
	return atomic_load_explicit(&table.slots[m->slot - 1].torn, memory_order_relaxed);
}
