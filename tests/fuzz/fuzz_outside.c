/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as a packet of the daemon. The first says how many descriptors come along. What is taken for a question is one:
 * its kind is known, its text a whole path or none, and it is sent and received as the same.
 */
#include "server/sandbox/outside_wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct outside_packet *p, size_t size, uint32_t nfds)
{
	if (p->head.kind >= OUTSIDE_KINDS || p->head.length + sizeof(p->head) != size || strlen(p->text) != p->head.length)
		abort();
	if (p->head.kind == OUTSIDE_OPEN ? p->text[0] != '/' || p->head.length >= PATH_MAX : p->head.length > 0)
		abort();
	if (nfds > OUTSIDE_FDS)
		abort();
}

/* By a socket, where the packet's length is another thing than the head's word for it. */
static void round_trip(const struct outside_packet *p, uint32_t nfds)
{
	struct outside_packet again;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	if (outside_send(pair[0], &p->head, p->text, pair, nfds) || outside_receive(pair[1], outside_question, &again) ||
	    again.nfds != nfds || memcmp(&again.head, &p->head, sizeof(p->head)) != 0 || strcmp(again.text, p->text) != 0)
		abort();
	outside_packet_drop(&again);
	close(pair[0]);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outside_packet p;

	if (!size)
		return 0;
	uint32_t nfds = data[0] % 4;
	if (outside_question(data + 1, size - 1, nfds, &p) == 0) {
		check(&p, size - 1, nfds);
		round_trip(&p, nfds);
	}
	outside_reply(data + 1, size - 1, nfds, &p);
	return 0;
}
