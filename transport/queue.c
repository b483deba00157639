/* SPDX-License-Identifier: Apache-2.0 */
/* Hands requests that went ASYNC to the kind of queue they came from. */
#include "transport/queue.h"

void transport_request_pin(struct transport_request *req)
{
	req->queue->ops->pin(req);
}

void transport_complete(struct transport_request *req, uint64_t used)
{
	req->queue->ops->complete(req, used);
}
