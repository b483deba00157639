/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon in a sandbox mode, its share, what lies outside of it, and the hostile guests that try to get there. */
#ifndef GRAFT_TESTS_ESCAPE_WORLD_H
#define GRAFT_TESTS_ESCAPE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/escape/canary.h"
#include "tests/vring/daemon.h"
#include "tests/vring/frontend.h"
#include "tests/vring/fuse_client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define ROOT FUSE_ROOT_ID
#define INSIDE "inside" /* what the share's files hold */
#define WORLD_USER 4711 /* the ordinary user's id */
#define WORLD_SLOT_SIZE 65536
#define WORLD_MOUNTS 4
#define WORLD_FEW_FILES 200

/*
 * base/share   /, made anew for each attempt: file, dir/file, dir/sub, other, and links to the outside: to-dir, to-file
 * base/second  a second mount at /pseudo/second: file
 * base/outside the canary
 * base/away    where the host moves things to; away/file holds the secret
 */
struct world {
	const char *mode; /* none, chroot or namespace */
	uid_t user;       /* whom the daemon runs as; 0: root */
	struct daemon daemon;
	struct canary canary;
	char second[300], away[300], socket2[300];
	char *base_state; /* of base itself when the daemon had started */
	bool mounts;      /* this process may mount, below base, and the daemon sees it */
	char mounted[WORLD_MOUNTS][1024];
	unsigned nmounted;

	struct frontend *fe, *fe2;
	struct fuse_client c, other; /* the attacker; another guest, after world_other */
	uint64_t dir, file, sub; /* the attacker's nodes of dir, dir/file and dir/sub */
	bool leaked;             /* a reply held the secret */
};

/* What kind of world. */
struct world_kind {
	const char *mode;  /* of the sandbox */
	uid_t user;        /* 0: root */
	const char *keys;  /* more lines of the mount's section, or NULL */
	bool few_files;    /* WORLD_FEW_FILES descriptors at most */
};

/* 0; 77 and a word where this cannot be had here; 1 and a word where it should be. */
int world_up(struct world *w, const struct world_kind *kind);
/* 0 if the daemon ended as it should. */
int world_down(struct world *w);

/* A fresh share and a fresh attacker with its three nodes. */
void world_begin(struct world *w);
/* Connects the other guest too. */
void world_other(struct world *w);
/* Nothing was changed or seen, and the daemon serves. Then world_drop. */
void world_end(struct world *w);
/* Lets the guests go and takes mounts away. */
void world_drop(struct world *w);

/* "base/NAME", in a static buffer of its own for each of the last eight calls. */
const char *world_path(const struct world *w, const char *name);
/* Fails the test unless the result is the wanted one. */
void want(const char *what, int64_t res, int64_t wanted);
/* A node in the attacker's session; fails the test where there is none. */
uint64_t look(struct world *w, uint64_t parent, const char *name);
/* On the host, as the share's owner would. */
void host_file(const struct world *w, const char *name, const char *text);
void host_dir(const struct world *w, const char *name);
void host_link(const struct world *w, const char *name, const char *target);
void host_give(const struct world *w, const char *name);
/* A bind mount (type NULL) or a file system of its own; taken away, the last one first, by host_umount or world_drop. */
void host_mount(struct world *w, const char *source, const char *name, const char *type);
void host_umount(struct world *w);

#endif
