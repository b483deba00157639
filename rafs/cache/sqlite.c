/* SPDX-License-Identifier: Apache-2.0 */
/* libsqlite3, loaded when it is first needed, and a file system for it that follows no links on the way to a database. */
#include "rafs/cache/sqlite.h"

#include "lib/cleanup.h"
#include "lib/mapping.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define LIBRARY "libsqlite3.so.0"
#define GUARDS	64 /* of 32 KiB each, which is 4096 pages of a log; what is beyond has none */

#define NAMED(f) {#f, offsetof(struct sqlite, f)},

static const struct {
	const char *name;
	size_t offset;
} functions[] = {SQLITE_FUNCTIONS(NAMED)};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sqlite table; /* lock, until ready */
static sqlite3_vfs vfs;	    /* the same */
static _Atomic bool ready;
static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping guards[GUARDS]; /* guards_lock; base NULL: free */

static int find_functions(void *library, struct graft_error *err)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = dlsym(library, functions[i].name);

		if (!f)
			return error_set(err, ENOSYS, LIBRARY " has no %s", functions[i].name);
		memcpy((char *)&table + functions[i].offset, &f, sizeof(f));
	}
	return 0;
}

/* SQLite's own resolves links, and those in /proc/self/fd name what the sandbox does not have. */
static int take_name(sqlite3_vfs *v, const char *name, int size, char *out)
{
	size_t len = strlen(name);

	(void)v;
	if (len >= (size_t)size)
		return SQLITE_CANTOPEN;
	memcpy(out, name, len + 1);
	return SQLITE_OK;
}

/* The index of a write-ahead log is mapped: a file cut short by another process must not be the end of this one. */

static struct mapping *guard_of(const void *base)
{
	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++)
		if (guards[i].base == base)
			return &guards[i];
	return NULL;
}

static void *map_guarded(void *at, size_t size, int prot, int flags, int fd, off_t off)
{
	void *base = mmap(at, size, prot, flags, fd, off);
	struct mapping *m;

	if (base == MAP_FAILED)
		return base;
	LOCK_SCOPE(&guards_lock);
	m = guard_of(NULL);
	if (m && mapping_guard(m, base, size, NULL) < 0)
		m->base = NULL;
	return base;
}

static int unmap_guarded(void *base, size_t size)
{
	struct mapping *m;

	LOCK_SCOPE(&guards_lock);
	m = guard_of(base);
	if (m) {
		mapping_unguard(m);
		m->base = NULL;
	}
	return munmap(base, size);
}

/* One system call less that the process must be allowed. */
static int remove_name(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

static int make_vfs(struct graft_error *err)
{
	sqlite3_vfs *unix_vfs = table.sqlite3_initialize() == SQLITE_OK ? table.sqlite3_vfs_find("unix") : NULL;

	if (!unix_vfs)
		return error_set(err, ENOMEM, LIBRARY " cannot be started");
	unix_vfs->xSetSystemCall(unix_vfs, "mmap", (sqlite3_syscall_ptr)map_guarded);
	unix_vfs->xSetSystemCall(unix_vfs, "munmap", (sqlite3_syscall_ptr)unmap_guarded);
	unix_vfs->xSetSystemCall(unix_vfs, "unlink", (sqlite3_syscall_ptr)remove_name);
	vfs = *unix_vfs;
	vfs.pNext = NULL;
	vfs.zName = SQLITE_VFS;
	vfs.xFullPathname = take_name;
	return table.sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int load(struct graft_error *err)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
	int res;

	if (!library)
		return error_set(err, ENOENT, "a deduplication database needs SQLite: %s", dlerror());
	res = find_functions(library, err);
	if (!res)
		res = make_vfs(err);
	/* Pairs with the acquire in sqlite_get. */
	if (!res)
		atomic_store_explicit(&ready, true, memory_order_release);
	return res;
}

const struct sqlite *sqlite_get(struct graft_error *err)
{
	if (atomic_load_explicit(&ready, memory_order_acquire))
		return &table;
	LOCK_SCOPE(&lock);
	if (!atomic_load_explicit(&ready, memory_order_relaxed) && load(err) < 0)
		return NULL;
	return &table;
}

void sqlite_path(char path[SQLITE_PATH_MAX], int folder, const char *name)
{
	snprintf(path, SQLITE_PATH_MAX, "/proc/self/fd/%d/%.255s", folder, name);
}
