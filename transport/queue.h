/* SPDX-License-Identifier: Apache-2.0 */
/* Base of the queues of all transports: how a request that went ASYNC finds back to its own kind. */
#ifndef GRAFT_TRANSPORT_QUEUE_H
#define GRAFT_TRANSPORT_QUEUE_H

#include "transport/transport.h"

/* Behind transport_request_pin and transport_complete, with the same threads and results. */
struct transport_queue_ops {
	void (*pin)(struct transport_request *req);
	void (*complete)(struct transport_request *req, uint64_t used);
};

/* First member of each transport's own queue. */
struct transport_queue {
	const struct transport_queue_ops *ops; /* constant */
};

#endif
