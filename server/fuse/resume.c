/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that another process began. */
#include "server/fuse/resume.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "server/fuse/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <string.h>

void init_keep_init(struct init_keep *k)
{
	*k = (struct init_keep){ .known = false };
	pthread_mutex_init(&k->lock, NULL);
}

void init_keep_fini(struct init_keep *k)
{
	pthread_mutex_destroy(&k->lock);
}

void init_keep_set(struct init_keep *k, const struct fuse_init_in *in, const struct fuse_init_out *out,
		   uint64_t enabled)
{
	if (!k)
		return;
	LOCK_SCOPE(&k->lock);
	k->words = (struct init_words){
		.offered = in->flags | (in->flags & FUSE_INIT_EXT ? (uint64_t)in->flags2 << 32 : 0),
		.enabled = enabled,
		.minor = out->minor,
		.max_write = out->max_write,
		.max_readahead = out->max_readahead,
	};
	k->known = true;
}

bool init_keep_get(struct init_keep *k, struct init_words *words)
{
	LOCK_SCOPE(&k->lock);
	*words = k->words;
	return k->known;
}

void init_keep_resume(struct init_keep *k, const struct init_words *words)
{
	LOCK_SCOPE(&k->lock);
	k->known = k->resume = words != NULL;
	if (words)
		k->words = *words;
}

struct resuming {
	struct work work; /* first */
	struct fuse_conn *conn;
	struct init_words words;
	int res;
	sem_t done;
};

static void resume_run(struct work *w)
{
	struct resuming *r = (struct resuming *)w;
	struct fuse_conn *c = r->conn;
	struct graft_session pub = {
		.size = sizeof(pub),
		.minor = r->words.minor,
		.id = atomic_fetch_add_explicit(&c->server->sessions, 1, memory_order_relaxed) + 1,
		.flags = r->words.enabled,
		.max_write = r->words.max_write,
		.transport = c->kind,
		.life = r->words.life,
	};

	c->resumed = true;
	r->res = mount_table_join(&c->server->mounts, c, &pub);
	if (!r->res)
		log_info(c->door->name, "goes on with a session of another process: FUSE 7.%u, flags 0x%" PRIx64,
			 pub.minor, pub.flags);
	sem_post(&r->done);
}

int resume_session(struct fuse_conn *c)
{
	struct init_keep *k = c->door->keep;
	struct resuming r = { .work.fn = resume_run, .conn = c };

	if (!k || !init_keep_get(k, &r.words) || !k->resume)
		return 0;
	sem_init(&r.done, 0, 0);
	workers_post(c->server->changes, &r.work);
	while (sem_wait(&r.done) && errno == EINTR)
		continue;
	sem_destroy(&r.done);
	if (r.res)
		log_err(c->door->name, "no session could be opened: %s", strerror(-r.res));
	return r.res;
}
