/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian numbers and counted bytes. */
#include "server/control/upgrade/wire.h"

#include <stdlib.h>
#include <string.h>

uint64_t wire_get(struct wire_in *w, unsigned int bytes)
{
	const unsigned char *at = wire_get_bytes(w, bytes);
	uint64_t value = 0;

	for (unsigned int i = bytes; at && i-- > 0;)
		value = value << 8 | at[i];
	return value;
}

const unsigned char *wire_get_bytes(struct wire_in *w, uint64_t len)
{
	const unsigned char *at = w->at;

	if (w->bad || len > w->left) {
		w->bad = true;
		return NULL;
	}
	w->at += len;
	w->left -= (size_t)len;
	return at;
}

char *wire_get_text(struct wire_in *w, bool *no_memory)
{
	uint64_t len = wire_get(w, 8);
	const unsigned char *at = wire_get_bytes(w, len);

	if (!at)
		return NULL;
	if (memchr(at, 0, (size_t)len)) {
		w->bad = true;
		return NULL;
	}
	char *text = malloc((size_t)len + 1);
	if (!text) {
		*no_memory = w->bad = true;
		return NULL;
	}
	memcpy(text, at, (size_t)len);
	text[len] = '\0';
	return text;
}

static bool make_room(struct wire_out *w, size_t more)
{
	size_t room = w->room ? w->room : 1024;

	if (w->bad || more > w->max - w->len) {
		w->bad = true;
		return false;
	}
	while (room - w->len < more)
		room *= 2;
	if (room == w->room)
		return true;
	unsigned char *bytes = realloc(w->bytes, room);
	if (!bytes) {
		w->bad = true;
		return false;
	}
	w->bytes = bytes;
	w->room = room;
	return true;
}

void wire_put(struct wire_out *w, uint64_t value, unsigned int bytes)
{
	unsigned char le[8];

	for (unsigned int i = 0; i < bytes; i++)
		le[i] = (unsigned char)(value >> 8 * i);
	wire_put_bytes(w, le, bytes);
}

void wire_put_bytes(struct wire_out *w, const void *bytes, size_t len)
{
	if (!len || !make_room(w, len))
		return;
	memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

void wire_put_text(struct wire_out *w, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	wire_put(w, len, 8);
	wire_put_bytes(w, text, len);
}
