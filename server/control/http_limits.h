/* SPDX-License-Identifier: Apache-2.0 */
/* What a request may have: nydusd's limits at its addresses, wider ones at graftfs's own. */
#ifndef GRAFT_SERVER_CONTROL_HTTP_LIMITS_H
#define GRAFT_SERVER_CONTROL_HTTP_LIMITS_H

#include "server/control/api.h"

#include <microhttpd.h>

#define NYDUS_LINE_MAX 1022  /* bytes of the first line or of a header, without its end (interfaces 3.1) */
#define NYDUS_BODY_MAX 51200 /* bytes of a body */

/* Method and headers are here, the body is not. False: the answer is set. */
bool http_limits_head(struct MHD_Connection *connection, struct request *req);
/* Bytes a body may have. */
size_t http_limits_body(const struct request *req);
/* Answers for a body of so many bytes. */
void http_limits_refuse_body(struct request *req, unsigned long long bytes);

#endif
