/* SPDX-License-Identifier: Apache-2.0 */
/* Packets between the daemon and the service outside: a question or answer each, descriptors beside it (SCM_RIGHTS). */
#ifndef GRAFT_SANDBOX_OUTSIDE_WIRE_H
#define GRAFT_SANDBOX_OUTSIDE_WIRE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Both ends are the same program, so the numbers are nobody else's business. What a question carries stands in a table
 * (outside_wire.c).
 */
enum outside_kind {
	OUTSIDE_SEAL,          /* rules as narrow as the configuration allows */
	OUTSIDE_OPEN,          /* arg: flags of open(2). Text: the path. Answer: 1 or 2 descriptors */
	OUTSIDE_FUSE_LOOK,     /* arg, in this and the following: which transport. Answer's text: the directory */
	OUTSIDE_FUSE_MOUNT,    /* answer: a descriptor of /dev/fuse */
	OUTSIDE_FUSE_STANDS,   /* answer: 0 or 1 */
	OUTSIDE_FUSE_SYNC,
	OUTSIDE_FUSE_DETACH,   /* value: 1 to abort first */
	OUTSIDE_FUSE_ABORT,
	OUTSIDE_FUSE_CLONE,    /* descriptor: of /dev/fuse. Answer: another */
	OUTSIDE_BACKING_ABLE,
	OUTSIDE_BACKING_OPEN,  /* descriptors: of /dev/fuse, the file. Answer: the id */
	OUTSIDE_BACKING_CLOSE, /* descriptor: of /dev/fuse; value: the id. No answer */
	OUTSIDE_KINDS
};

#define OUTSIDE_FDS 2 /* in a packet */
#define OUTSIDE_TEXT_MAX PATH_MAX

struct outside_head {
	uint32_t id;     /* the asker's number, which the answer carries too */
	uint32_t kind;   /* enum outside_kind; in an answer, outside_note flags */
	int32_t arg;     /* in an answer the result: 0 or more, or -errno */
	uint32_t value;  /* 0 in an answer */
	uint32_t length; /* bytes of text behind the head, no NUL in or behind them */
};

enum outside_note {
	/* answers to OUTSIDE_OPEN */
	OUTSIDE_NOTE_TREE = 1,    /* the second descriptor is the tree's */
	OUTSIDE_NOTE_PLAIN = 2,   /* opened as it is, not from a clone */
	OUTSIDE_NOTE_LATER = 4,   /* any: as many children as may be are at work; to be asked again */
};

/* A received packet. fds are the holder's; -1 beyond nfds. */
struct outside_packet {
	struct outside_head head;
	char text[OUTSIDE_TEXT_MAX + 1]; /* ends with NUL */
	int fds[OUTSIDE_FDS];
	uint32_t nfds;
};

/* len bytes as a question, nfds beside them: 0, or -EINVAL for what is none. Fills head and text; borrows nothing. */
int outside_question(const void *bytes, size_t len, uint32_t nfds, struct outside_packet *p);
/* The same for an answer. */
int outside_reply(const void *bytes, size_t len, uint32_t nfds, struct outside_packet *p);

/*
 * Takes one packet. 0; -EAGAIN where there is none; -EBADMSG for what is no question (or answer), all its descriptors
 * closed; -EPIPE when the other end has gone; -errno.
 */
int outside_receive(int sock, int (*check)(const void *, size_t, uint32_t, struct outside_packet *),
		    struct outside_packet *p);
/* Sends one without waiting; fds are borrowed. 0 or -errno: -EAGAIN where the other end does not read. */
int outside_send(int sock, const struct outside_head *head, const char *text, const int *fds, uint32_t nfds);
/* Closes what the packet holds. */
void outside_packet_drop(struct outside_packet *p);

#endif
