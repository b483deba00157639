/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as xattr rules. A refusal has one line of text; what is taken has a last rule that takes all
 * names, and reads the same after it was written in either form.
 */
#include "xattrmap/rules.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef FUZZ_XML
#define PARSE xattrmap_parse_xml
#else
#define PARSE xattrmap_parse_rules
#endif

static const struct xattrmap_source from = { "f", true };

static void same(const struct xattrmap *a, const char *text, size_t len)
{
	struct graft_error err = { 0 };
	struct xattrmap *b = xattrmap_parse(text, len, &from, &err);

	if (!b || a->nrules != b->nrules || a->nwritten != b->nwritten)
		abort();
	for (size_t i = 0; i < a->nrules; i++) {
		const struct xattrmap_rule *x = &a->rules[i], *y = &b->rules[i];
		if (x->type != y->type || x->scope != y->scope || strcmp(x->key, y->key) != 0 ||
		    strcmp(x->prepend, y->prepend) != 0)
			abort();
	}
	xattrmap_free(b);
}

static void write_and_read(const struct xattrmap *map)
{
	for (int xml = 0; xml < 2; xml++) {
		struct graft_error err = { 0 };
		char *text = NULL;
		size_t len;
		FILE *to = open_memstream(&text, &len);
		int res = 0;
		if (xml)
			xattrmap_write_xml(map, to);
		else
			res = xattrmap_write_rules(map, to, &err);
		fclose(to);
		if (res == 0 && len <= XATTRMAP_FILE_MAX)
			same(map, text, len);
		free(text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct graft_error err = { 0 };
	struct xattrmap *map = PARSE((const char *)data, size, &from, &err);

	if (!map) {
		if (err.code <= 0 || err.text[0] == '\0' || strchr(err.text, '\n'))
			abort();
		return 0;
	}
	const struct xattrmap_rule *last = &map->rules[map->nrules - 1];
	if (last->type != XATTRMAP_BAD || last->scope != XATTRMAP_ALL || last->key_len || last->prepend_len)
		abort();
	for (uint32_t scope = XATTRMAP_CLIENT; scope <= XATTRMAP_SERVER; scope++) {
		const struct xattrmap_rule *r = xattrmap_find(map, scope, (const char *)data, size);
		if (r < map->rules || r > last)
			abort();
	}
	write_and_read(map);
	xattrmap_free(map);
	return 0;
}
