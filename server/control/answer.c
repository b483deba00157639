/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a request. */
#include "server/control/answer.h"

#include "lib/cleanup.h"
#include "lib/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void answer_fini(struct answer *a)
{
	free(a->body);
	a->body = NULL;
	a->len = 0;
}

void answer_empty(struct answer *a, unsigned status)
{
	answer_fini(a);
	a->status = status;
	a->type = NULL;
}

void answer_text(struct answer *a, unsigned status, const char *type, char *text, size_t len)
{
	answer_fini(a);
	a->status = text ? status : 500;
	a->type = text ? type : NULL;
	a->body = text;
	a->len = text ? len : 0;
}

void answer_json(struct answer *a, unsigned status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(body);
	answer_text(a, status, "application/json", text, text ? strlen(text) : 0);
}

json_t *answer_string(const char *text)
{
	json_t *value = json_string(text);

	if (value)
		return value;
	auto_free char *copy = strdup(text);
	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return copy ? json_string(copy) : NULL;
}

void answer_error(struct answer *a, unsigned status, int code, const char *fmt, ...)
{
	struct graft_error err;
	const char *name = strerrorname_np(code);
	va_list ap;

	va_start(ap, fmt);
	error_vset(&err, code, fmt, ap);
	va_end(ap);
	answer_json(a, status,
		    json_pack("{s:{s:s, s:i, s:o}}", "error", "code", name ? name : "EIO", "errno", code, "message",
			      answer_string(err.text)));
}

void answer_quote(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", to);
		else if (*text == '\r')
			fputs("\\r", to);
		else if (*text == '\t')
			fputs("\\t", to);
		else if ((unsigned char)*text < ' ' || *text == 0x7f)
			fprintf(to, "\\u{%x}", (unsigned)*text);
		else
			putc(*text, to);
	}
	putc('"', to);
}

void answer_nydus(struct answer *a, unsigned status, const char *what, const char *text, const char *tail)
{
	auto_free char *message = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&message, &len);

	if (to) {
		fputs(what, to);
		if (text)
			answer_quote(to, text);
		fputs(tail ? tail : "", to);
		fclose(to);
	}
	answer_json(a, status,
		    message ? json_pack("{s:s, s:o}", "code", "UNDEFINED", "message", answer_string(message)) : NULL);
}

void answer_unread(struct answer *a, const char *fmt, ...)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	va_list ap;

	if (to) {
		fputs("{ \"error\": \"", to);
		va_start(ap, fmt);
		vfprintf(to, fmt, ap);
		va_end(ap);
		fputs("\nAll previous unanswered requests will be dropped.\" }", to);
		fclose(to);
	}
	answer_text(a, 400, "application/json", text, len);
	a->unread = true;
}
