/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's start, exit, fuse/sendfd and fuse/takeover: statuses and error texts as its clients know them. */
#include "server/control/api.h"
#include "server/control/upgrade/upgrade.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* std::io::ErrorKind, as Rust prints it. */
static const char *error_kind(int code)
{
	static const struct {
		int code;
		const char *kind;
	} kinds[] = {
		{ ENOENT, "NotFound" },         { ECONNREFUSED, "ConnectionRefused" },
		{ EACCES, "PermissionDenied" }, { EPERM, "PermissionDenied" },
		{ EPIPE, "BrokenPipe" },        { ECONNRESET, "ConnectionReset" },
		{ EINVAL, "InvalidInput" },     { ETIMEDOUT, "TimedOut" },
		{ EAGAIN, "WouldBlock" },       { ENOMEM, "OutOfMemory" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].code == code)
			return kinds[i].kind;
	}
	return "Uncategorized";
}

/* An error of the system on the way to the supervisor, as nydusd's upgrade manager tells it. The caller frees it. */
static char *storage_error(const struct upgrade_result *res)
{
	const char *said = strerrordesc_np(res->err.code);
	char *text = NULL;

	if (asprintf(&text, "StorageBackendError(%s(Os { code: %d, kind: %s, message: \"%s\" }))", res->step,
		     res->err.code, error_kind(res->err.code), said ? said : "Unknown error") < 0)
		return NULL;
	return text;
}

static bool is_storage(const struct upgrade_result *res)
{
	return res->step &&
	       (!strcmp(res->step, "CreateUnixStream") || !strcmp(res->step, "SendFd") || !strcmp(res->step, "RecvFd"));
}

/* Of start and exit, or of sendfd and takeover; event: what was asked for. */
static void refuse(struct request *req, const char *wrapper, const char *event, const struct upgrade_result *res)
{
	bool upgrade = !strcmp(wrapper, "Upgrade");
	char what[64];

	if (res->how == UPGRADE_UNEXPECTED) {
		snprintf(what, sizeof(what), "%s(DaemonAbnormal(UnexpectedEvent(", wrapper);
		answer_nydus(&req->answer, 400, what, event, ")))");
	} else if (res->how == UPGRADE_NOT_READY || res->how == UPGRADE_UNSUPPORTED) {
		bool ready = res->how == UPGRADE_UNSUPPORTED;

		snprintf(what, sizeof(what), "%s(DaemonAbnormal(%s))", wrapper, ready ? "Unsupported" : "NotReady");
		answer_nydus(&req->answer, ready ? 501 : 503, what, NULL, NULL);
	} else {
		auto_free char *storage = is_storage(res) ? storage_error(res) : NULL;

		snprintf(what, sizeof(what), "%s(DaemonAbnormal(%s(", wrapper, upgrade ? "UpgradeManager" : "Other");
		answer_nydus(&req->answer, 500, what, storage ? storage : res->err.text, ")))");
	}
}

static void answer(struct request *req, const char *wrapper, const char *event, const struct upgrade_result *res)
{
	if (res->how == UPGRADE_DONE)
		answer_empty(&req->answer, 204);
	else
		refuse(req, wrapper, event, res);
}

void nydus_start(const struct api *api, struct request *req)
{
	struct upgrade_result res;

	upgrade_start(api->upgrade, &res);
	answer(req, "Configure", "Start", &res);
}

/* When it is answered, so is every request that the kernel was waiting for. */
void nydus_exit(const struct api *api, struct request *req)
{
	struct upgrade_result res;

	upgrade_leave(api->upgrade, &res);
	answer(req, "Configure", "Exit", &res);
	req->answer.stop = res.how == UPGRADE_DONE;
}

void nydus_sendfd(const struct api *api, struct request *req)
{
	struct upgrade_result res;

	upgrade_send(api->upgrade, &res);
	answer(req, "Upgrade", "", &res);
}

void nydus_takeover(const struct api *api, struct request *req)
{
	struct upgrade_result res;

	upgrade_take(api->upgrade, &res);
	answer(req, "Upgrade", "Takeover", &res);
}
