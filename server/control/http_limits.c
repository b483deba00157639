/* SPDX-License-Identifier: Apache-2.0 */
/* What a request may have: nydusd's limits at its addresses, wider ones at graftfs's own. */
#include "server/control/http_limits.h"

#include "server/control/body.h"

#include <errno.h>
#include <string.h>

#define HEADER_SHOWN 1024 /* bytes of a header that is too long */
#define TOO_LARGE "the body of a request may have at most 2 MiB"

static bool method_known(const char *method)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(method, methods[i]))
			return true;
	return false;
}

static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct request *req = arg;

	(void)kind;
	if (strlen(key) + strlen(": ") + (value ? strlen(value) : 0) <= NYDUS_LINE_MAX)
		return MHD_YES;
	char shown[HEADER_SHOWN + 1];
	snprintf(shown, sizeof(shown), "%s: %s", key, value ? value : "");
	answer_unread(&req->answer, "Invalid header. Reason: Invalid content length. Header: %s", shown);
	return MHD_NO;
}

bool http_limits_head(struct MHD_Connection *connection, struct request *req)
{
	if (route_is_own(req))
		return true;
	if (!method_known(req->method))
		answer_unread(&req->answer, "Invalid HTTP Method: Unsupported HTTP method.");
	else if (req->line > NYDUS_LINE_MAX)
		answer_unread(&req->answer, "Invalid request.");
	else
		MHD_get_connection_values(connection, MHD_HEADER_KIND, check_header, req);
	return !req->answer.status;
}

size_t http_limits_body(const struct request *req)
{
	return route_is_own(req) ? BODY_MAX : NYDUS_BODY_MAX;
}

void http_limits_refuse_body(struct request *req, unsigned long long bytes)
{
	if (route_is_own(req))
		route_refuse(req, 413, EMSGSIZE, TOO_LARGE);
	else
		answer_unread(&req->answer,
			      "Request payload with size %llu is larger than the limit of %d allowed by server.", bytes,
			      NYDUS_BODY_MAX);
}
