/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the words of `modcaps`; libcap-ng knows the names. */
#include "server/sandbox/modcaps.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>

#define NAME_ROOM 32 /* bytes, more than any capability's name has */

int caps_number(const char *name)
{
	int cap = capng_name_to_capability(name);

	return cap >= 0 && cap < 64 ? cap : -1;
}

/* word has at least one byte and does not end in NUL. */
static int parse_word(const char *word, size_t len, struct caps_change *change, struct graft_error *err)
{
	char name[NAME_ROOM] = "";

	if (word[0] != '+' && word[0] != '-')
		return error_set(err, EINVAL, "invalid modcap action: '%c' of '%.*s': + keeps a capability, - drops it",
				 word[0], (int)len, word);
	if (len - 1 < sizeof(name))
		memcpy(name, word + 1, len - 1);
	int cap = caps_number(name);
	if (cap < 0)
		return error_set(err, EINVAL,
				 "invalid capability '%.*s': the names are those of capabilities(7), without CAP_",
				 (int)len - 1, word + 1);
	change->add &= ~CAPS_BIT(cap);
	change->drop &= ~CAPS_BIT(cap);
	*(word[0] == '+' ? &change->add : &change->drop) |= CAPS_BIT(cap);
	return 0;
}

int caps_parse(const char *modcaps, struct caps_change *change, struct graft_error *err)
{
	*change = (struct caps_change){ 0 };
	for (const char *word = modcaps; word;) {
		size_t len = strcspn(word, ":");

		if (len == 0)
			return error_set(err, EINVAL, "empty modcap found: '%.200s'", modcaps);
		int res = parse_word(word, len, change, err);
		if (res)
			return res;
		word = word[len] ? word + len + 1 : NULL;
	}
	return 0;
}
