/* SPDX-License-Identifier: Apache-2.0 */
/* A request of a subcommand: sent, its answer read as JSON, an error said and made an exit status. */
#include "ctl/command.h"

#include "ctl/socket.h"
#include "ctl/text.h"
#include "lib/cleanup.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define JSON_PRINT (JSON_ENSURE_ASCII | JSON_ENCODE_ANY)

static void __attribute__((format(printf, 1, 0))) say(const char *fmt, va_list ap)
{
	char text[ERROR_TEXT_MAX * 2];
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	fputs("graftctl: ", stderr);
	text_put(stderr, text);
}

int ctl_fail(int status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

int ctl_usage(const struct command *command, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see graftctl %s --help\n", command->name);
	return CTL_USAGE;
}

void ctl_print_json(const json_t *json, size_t flags)
{
	json_dumpf(json, stdout, flags | JSON_PRINT);
	putchar('\n');
}

const char *ctl_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

uint64_t ctl_number(const json_t *object, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(object, key));
	return number > 0 ? (uint64_t)number : 0;
}

int ctl_connect(struct ctl *ctl)
{
	if (ctl->client)
		return CTL_DONE;
	if (!ctl->socket)
		ctl->socket = socket_find(ctl->socket_option, &ctl->error);
	if (ctl->socket)
		ctl->client = client_new(ctl->socket, &ctl->error);
	if (ctl->client)
		return CTL_DONE;
	return ctl->error.code == EINVAL || ctl->error.code == ENAMETOOLONG ? CTL_USAGE : CTL_UNREACHABLE;
}

/* What answered is no graftfsd. */
static int __attribute__((format(printf, 2, 3))) no_answer(struct ctl *ctl, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	error_vset(&ctl->error, EPROTO, fmt, ap);
	va_end(ap);
	return CTL_UNREACHABLE;
}

/* error is the answer's member of that name, or NULL where it has none. */
static int refused(struct ctl *ctl, long status, const json_t *error)
{
	const char *code = ctl_text(error, "code"), *message = ctl_text(error, "message");
	if (*message == '\0')
		return no_answer(ctl, "%s answered with HTTP status %ld and no reason", ctl->socket, status);
	error_set(&ctl->error, EREMOTE, "%s (%s)", message, *code ? code : "no code");
	/* ENOENT of another status is a source that is not there. */
	if (status == 404)
		return CTL_NOT_FOUND;
	return strcmp(code, "EBUSY") == 0 ? CTL_BUSY : CTL_FAILED;
}

/* *json: NULL for an empty body. */
static int read_answer(struct ctl *ctl, const struct client_answer *a, json_t **json)
{
	json_error_t bad;
	*json = NULL;
	if (a->size == 0)
		return CTL_DONE;
	*json = json_loadb(a->body, a->size, JSON_DECODE_ANY, &bad);
	if (*json)
		return CTL_DONE;
	return no_answer(ctl, "what %s answered (HTTP status %ld) is no JSON: %s", ctl->socket, a->status, bad.text);
}

/* a is zeroed before; the caller frees its body. */
static int send_request(struct ctl *ctl, const struct ctl_request *request, struct client_answer *a)
{
	auto_free char *body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
	auto_free char *path = NULL;
	if ((request->body && !body) || asprintf(&path, CTL_API "%s", request->path) < 0) {
		error_set(&ctl->error, ENOMEM, "out of memory");
		return CTL_FAILED;
	}
	struct client_request sent = { .method = request->method, .path = path, .body = body };
	memcpy(sent.params, request->params, sizeof(sent.params));
	int res = client_call(ctl->client, &sent, a, &ctl->error);
	if (res == 0)
		return CTL_DONE;
	return res == -EINTR ? CTL_STOPPED : res == -ENOMEM ? CTL_FAILED : CTL_UNREACHABLE;
}

int ctl_call(struct ctl *ctl, const struct ctl_request *request, json_t **answer)
{
	struct client_answer a = { 0 };
	json_t *json = NULL;
	int status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = send_request(ctl, request, &a);
	if (status == CTL_DONE)
		status = read_answer(ctl, &a, &json);
	if (status == CTL_DONE && (a.status < 200 || a.status > 299))
		status = refused(ctl, a.status, json_object_get(json, "error"));
	free(a.body);

	if (json && ctl->json && !ctl->silent)
		ctl_print_json(json, JSON_INDENT(2));
	if (answer)
		*answer = status == CTL_DONE ? json_incref(json) : NULL;
	json_decref(json);
	return status;
}

int ctl_get(struct ctl *ctl, const char *path, const char *at, json_t **answer)
{
	struct ctl_request request = { .method = "GET", .path = path, .params = { { "at", at } } };
	return ctl_call(ctl, &request, answer);
}

int ctl_get_typed(struct ctl *ctl, const char *path, const char *at, json_type type, json_t **answer)
{
	int status = ctl_get(ctl, path, at, answer);
	if (status != CTL_DONE || (*answer && json_typeof(*answer) == type))
		return status;
	json_decref(*answer);
	*answer = NULL;
	return no_answer(ctl, "what %s answered to %s is no %s", ctl->socket, path,
			 type == JSON_ARRAY ? "list" : "object");
}
