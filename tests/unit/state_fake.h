/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the state folder: a server that only remembers its mounts, a folder, calls that fail. */
#ifndef GRAFT_TESTS_UNIT_STATE_FAKE_H
#define GRAFT_TESTS_UNIT_STATE_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/control.h"
#include "server/control/manager.h"
#include "server/control/record.h"

#define FAKE_MOUNTS 4096
#define FAKE_BROKEN "/broken" /* a source that cannot be mounted */

struct fake {
	struct control_host host;
	struct config config;
	struct mount_config ini[2]; /* mounts of the configuration file: "/" and "/ini" */
	char state_dir[128];        /* in base; does not exist at first */
	char base[64];
	unsigned delay_us; /* of each change */

	pthread_mutex_t lock;
	/* protected by lock */
	struct record *mounts[FAKE_MOUNTS];
	size_t n;
	bool busy;         /* a strict umount is refused */
	int umount_result; /* of any umount, 0: it works */
	unsigned changes, errors;
	char last_error[ERROR_TEXT_MAX];
};

/* A new folder, and a server with the mounts of the configuration file. */
void fake_init(struct fake *f);
void fake_fini(struct fake *f);
/* The same as a test's fixture. */
int fake_setup(void **state);
int fake_teardown(void **state);
/* As a restart of the server: only the mounts of the configuration file stand. */
void fake_restart(struct fake *f);
/* The source of what is mounted at a path, NULL: nothing. Valid until the next change. */
const char *fake_source(struct fake *f, const char *at);

/* Opens a manager and restores; fails the test where that fails. */
struct manager *fake_manager(struct fake *f);
int fake_mount(struct manager *m, const char *at, const char *source, struct graft_error *err);
int fake_remount(struct manager *m, const char *at, const char *source, struct graft_error *err);
/* Counts the records that failed, with their reasons not empty. */
unsigned fake_failed(struct manager *m);

/* A file of the instance's folder: its bytes, to be freed, NULL if it is not there. */
char *fake_read(const struct fake *f, const char *name, size_t *len);
void fake_write(const struct fake *f, const char *name, const void *data, size_t len);
/* Names in the instance's folder that are none of its files. */
unsigned fake_leftovers(const struct fake *f);

/*
 * The linker sends openat, fchmod, write, fsync, close, renameat2 and renameat here: the call number at fails with
 * code, and all after it if stays. 0 switches it off.
 */
void fault_at(unsigned at, int code, bool stays);
/* True once a call has failed. */
bool fault_happened(void);

#endif
