/* SPDX-License-Identifier: Apache-2.0 */
/* A struct graft_host for unit tests of plugins: log and completions are kept, failures are made on demand. */
#ifndef GRAFT_TESTS_FAKE_HOST_H
#define GRAFT_TESTS_FAKE_HOST_H

#include "lib/error.h"

#include <graftfs/plugin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct fake_host;
struct fake_req;
struct fake_job;

struct graft_slot {
	struct fake_host *fake;
};

#define FAKE_METRICS 16

/* The plugin gets &fake->host and &fake->slot. Services may be called from any thread. */
struct fake_host {
	struct graft_host host;
	struct graft_slot slot;

	/* Set by the test before it makes requests. */
	const struct graft_plugin *plugin;    /* fake_call finds operations here */
	struct graft_inst *inst;              /* instance that operations and callbacks get */
	const struct graft_session *session;  /* given to new requests */
	void *state;                          /* likewise */
	/* NULL: entries are taken. */
	int (*dirent_hook)(struct fake_req *, const struct fuse_direntplus *, const char *name);
	/* host->store, called on the plugin's own threads. NULL: -ENOTSUP. */
	int (*store_hook)(struct fake_host *, const struct graft_session *, uint64_t node, uint64_t off, const struct iovec *,
			  uint32_t niov);
	/* host->claim allows that many of each enum graft_claim, and counts them where session->max_nodes or max_open is set. */
	uint64_t claim_max[3];
	_Atomic uint64_t claimed[3];
	bool confined; /* what host->confined says */
	/* May be changed at any time. */
	_Atomic uint32_t fd_limit;
	_Atomic int alloc_failures; /* that many of the next host->alloc calls fail; negative: all */
	_Atomic int fail_open;      /* errno value for the next host->open, then 0 */
	_Atomic bool queue;         /* defer and io wait for fake_run; else they run at once */
	_Atomic bool queue_full;    /* defer and io return -EAGAIN */

	/* Read by the test. */
	_Atomic uint32_t deferred, ios, completions;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Protected by lock. */
	struct fake_job *jobs, **jobs_end;
	char log[16384];
	size_t log_len;
	struct {
		const char *name;
		const uint64_t *counter;
	} metrics[FAKE_METRICS];
	size_t nmetrics;
};

/* A request with room for everything it points to. */
struct fake_req {
	struct graft_req req; /* first: services cast back */
	struct fake_host *fake;
	_Alignas(16) unsigned char in[256];  /* req.in */
	_Alignas(16) unsigned char out[512]; /* req.out */
	char name[4096], name2[4096];
	unsigned char *buf;   /* what src or dst points to */
	size_t buf_len;
	struct iovec iov[2];
	void *allocs;         /* list of what host->alloc gave */
	size_t alloc_bytes;
	/* Protected by fake->lock. */
	uint32_t completed;   /* times complete() was called */
	int result;
	void (*cancel)(struct graft_inst *, struct graft_req *);
};

/* Who opens for host->open, set before main: a descriptor, or -1 with errno. NULL: open(2). */
extern int (*fake_host_open)(const char *path, int flags);

/* fd_limit starts at 1000. Fails the test when out of memory. */
struct fake_host *fake_host_new(void);
void fake_host_free(struct fake_host *fake);

/* A folder of a test's own under $TMPDIR or /tmp; false with a message where it cannot be made. */
bool fake_folder_make(char path[256]);
/* With all that is in it, on its file system. */
void fake_folder_remove(const char *path);

/*
 * create, start and session_open: requests then go to that instance. 0, or -errno with err; nothing is left then. The
 * session must outlive it.
 */
int fake_plugin_start(struct fake_host *fake, const struct graft_plugin *plugin, const void *settings,
		      const struct graft_session *session, struct graft_error *err);
/* session_close (not where the test has taken fake->session away), quiesce, destroy. Without an instance: nothing. */
void fake_plugin_stop(struct fake_host *fake);

/* A line logged so far, at any level, holds text. */
bool fake_logged(struct fake_host *fake, const char *text);
void fake_log_clear(struct fake_host *fake);
/* A counter that the plugin announced; UINT64_MAX when it did not. */
uint64_t fake_metric(struct fake_host *fake, const char *name);

struct fake_req *fake_req_new(struct fake_host *fake, uint32_t opcode, uint64_t node);
void fake_req_free(struct fake_req *fr);
#define fake_in(fr, type)  ((type *)(void *)(fr)->in)
#define fake_out(fr, type) ((type *)(void *)(fr)->out)
/* Sets name, name2; NULL takes it away. */
void fake_req_name(struct fake_req *fr, const char *name);
void fake_req_name2(struct fake_req *fr, const char *name2);
/* Room for len bytes of reply, in two iovecs; the bytes end up in fr->buf. */
void fake_req_dst(struct fake_req *fr, size_t len);
/* Data of a WRITE, in two iovecs. */
void fake_req_src(struct fake_req *fr, const void *bytes, size_t len);

/* Runs the request's operation to its end, queued work included; its result, -ENOSYS where the plugin has none. */
int fake_call(struct fake_req *fr);
/* LOOKUP from its beginning to its end; entry may be NULL. */
int fake_lookup(struct fake_host *fake, uint64_t parent, const char *name, struct fuse_entry_out *entry);
/* Starts it only: may return GRAFT_ASYNC. */
int fake_start(struct fake_req *fr);
/* Runs queued work until none is left; returns how many jobs ran. */
uint32_t fake_run(struct fake_host *fake);
/* Waits, 10 seconds at most, until the request completed; its result, or -ETIMEDOUT. */
int fake_wait(struct fake_req *fr);
bool fake_completed(struct fake_req *fr);
/* Calls what the plugin gave to host->cancel; false when it gave nothing. */
bool fake_cancel(struct fake_req *fr);

#endif
