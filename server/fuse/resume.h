/* SPDX-License-Identifier: Apache-2.0 */
/* What an INIT agreed on, kept so that another process can go on with the session, and a session that begins with that.
 */
#ifndef GRAFT_SERVER_FUSE_RESUME_H
#define GRAFT_SERVER_FUSE_RESUME_H

#include "server/fuse/init.h"

#include <pthread.h>

struct fuse_conn;

struct init_words {
	uint64_t offered, enabled; /* INIT flags of the client, and those of the answer */
	uint32_t minor, max_write, max_readahead;
	uint32_t life; /* graft_session.life */
};

/* Of a transport whose client may go from one process to another. */
struct init_keep {
	pthread_mutex_t lock;
	/* protected by lock */
	struct init_words words;
	bool known;  /* there was an INIT */
	bool resume; /* not here: who connects has had its INIT elsewhere */
};

void init_keep_init(struct init_keep *k);
void init_keep_fini(struct init_keep *k);
/* Any thread. k may be NULL: then nobody asks. */
void init_keep_set(struct init_keep *k, const struct fuse_init_in *in, const struct fuse_init_out *out,
		   uint64_t enabled);
bool init_keep_get(struct init_keep *k, struct init_words *words);
/* Before the transport starts. NULL: the client sends its INIT after all. */
void init_keep_resume(struct init_keep *k, const struct init_words *words);

/* Where the client's INIT is known and was elsewhere: its session, open in every mount. 0 or -errno. A thread that may
 * block. */
int resume_session(struct fuse_conn *c);

#endif
