/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the control API behind HTTP: "METHOD TARGET\n" and a body go to the handler that the table of routes
 * names, with a daemon made of arrays. Whatever comes, there is one answer: a status, and a body that is JSON where it
 * says so.
 */
#include "tests/unit/control_rig.h"

#include "server/control/api.h"
#include "server/control/upgrade/upgrade.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct answer *a)
{
	if (a->status < 200 || a->status > 599)
		abort();
	if (!a->type || strcmp(a->type, "application/json") != 0)
		return;
	json_t *json = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (!json)
		abort();
	json_decref(json);
}

static void serve(const struct api *api, char *method, const char *target, const char *body, size_t len)
{
	struct request req = { .method = method, .body = len ? body : NULL, .body_len = len };

	if (uri_init(&req.uri, target) == 0) {
		const struct route *route = route_find(&req);

		if (route)
			route_run(route, api, &req);
		check_answer(&req.answer);
	}
	answer_fini(&req.answer);
	uri_fini(&req.uri);
}

/* Several requests are parted by a byte 0xff, which no UTF-8 has; so a mount may be shown, replaced and taken away. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *at = copy;
	struct api api = { .host = fake_host(), .manager = manager_new(fake_host(), NULL) };

	api.upgrade = upgrade_new(fake_host(), api.manager, NULL);
	if (api_init(&api))
		abort();

	memcpy(copy, data, size);
	copy[size] = '\0';
	fake_reset();
	fake_fail("/failed", "gone", true);
	for (size_t left = size; left;) {
		char *end = memchr(at, 0xff, left);
		size_t len = end ? (size_t)(end - at) : left;
		char *line = memchr(at, '\n', len), *space = line ? memchr(at, ' ', (size_t)(line - at)) : NULL;

		at[len] = '\0';
		fake_release();
		if (space) {
			*line = *space = '\0';
			serve(&api, at, space + 1, line + 1, len - (size_t)(line + 1 - at));
		}
		at += len + (end != NULL);
		left -= len + (end != NULL);
	}
	upgrade_free(api.upgrade);
	manager_free(api.manager);
	api_fini(&api);
	fake_reset();
	free(copy);
	return 0;
}
