/* SPDX-License-Identifier: Apache-2.0 */
/* The XML form: read by libxml2, held against the schema, its sets put where they are included. */
#include "xattrmap/rules.h"

#include "lib/cleanup.h"
#include "xattrmap/schema.h"

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <string.h>

#define INCLUDES_MAX 4096 /* walked in all: sets that include sets twice would double with each step */
#define DEPTH_MAX 32      /* sets within sets */

/* No document type is read, so there are no entities; no network; long files keep their line numbers. */
#define PARSE_OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES)

/* A document on its way to rules. */
struct build {
	const struct xattrmap_source *from;
	struct graft_error *err;
	const xmlNode *root;
	struct xattrmap *map;
	const xmlNode *inside[DEPTH_MAX]; /* the sets that are being included */
	size_t depth, includes;
};

static int at_line(const struct build *b, const xmlNode *node)
{
	return error_wrap(b->err, "%s:%ld", b->from->name, xmlGetLineNo(node));
}

/* A message of libxml2, without the newline at its end. */
static void set_error(const struct build *b, const xmlError *e)
{
	const char *message = e->message ? e->message : "it is not as the schema says";
	size_t len = strcspn(message, "\n");

	error_set(b->err, EINVAL, "%s:%d: %.*s", b->from->name, e->line, (int)(len < 512 ? len : 512), message);
}

/* Keeps the first one. */
static void on_invalid(void *arg, xmlErrorPtr e)
{
	const struct build *b = arg;

	if (!b->err->code)
		set_error(b, e);
}

static void on_no_xml(void *ctx, xmlErrorPtr e)
{
	xmlParserCtxtPtr parser = ctx;
	const struct build *b = parser->_private;

	if (e->level >= XML_ERR_ERROR && !b->err->code)
		set_error(b, e);
}

/* The document type: where entities and their bombs would come from. Ends the parser before it looks at it. */
static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	xmlParserCtxtPtr parser = ctx;
	const struct build *b = parser->_private;
	(void)name;
	(void)external;
	(void)system;

	error_set(b->err, EINVAL, "%s:%d: a document type (<!DOCTYPE) is not read; leave it out", b->from->name,
		  parser->input ? parser->input->line : 0);
	xmlStopParser(parser);
}

/* What the XML declaration names as encoding, if that is not UTF-8: converters would be loaded. */
static bool other_encoding(const char *text, size_t len, const struct xattrmap_source *from, struct graft_error *err)
{
	size_t mark = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	char head[200];

	snprintf(head, sizeof(head), "%.*s", (int)(len - mark < sizeof(head) ? len - mark : sizeof(head) - 1),
		 text + mark);
	char *end = strstr(head, "?>"), *name = strstr(head, "encoding");
	if (strncmp(head, "<?xml", 5) != 0 || !end || !name || name > end)
		return false;
	name += strcspn(name, "\"'?");
	name += strspn(name, "\"'");
	name[strcspn(name, "\"'?")] = '\0';
	if (strcasecmp(name, "UTF-8") == 0)
		return false;
	error_set(err, EINVAL, "%s:1: encoding %.40s; only UTF-8 is read", from->name, name);
	return true;
}

static xmlDoc *read_document(struct build *b, const char *text, size_t len)
{
	xmlParserCtxtPtr parser = xmlNewParserCtxt();

	if (!parser) {
		error_set(b->err, ENOMEM, "out of memory");
		return NULL;
	}
	parser->_private = b;
	parser->sax->internalSubset = on_doctype;
	parser->sax->serror = on_no_xml;
	xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, "UTF-8", PARSE_OPTIONS);
	if (!doc && !b->err->code)
		error_set(b->err, EINVAL, "%s:1: it cannot be read as XML", b->from->name);
	xmlFreeParserCtxt(parser);
	return doc;
}

static int validate(const struct build *b, xmlDoc *doc)
{
	xmlSchemaParserCtxtPtr reader = xmlSchemaNewMemParserCtxt(xattrmap_schema, (int)xattrmap_schema_len);
	xmlSchemaPtr schema = reader ? xmlSchemaParse(reader) : NULL;
	xmlSchemaValidCtxtPtr check = schema ? xmlSchemaNewValidCtxt(schema) : NULL;
	int res = -1;

	if (check) {
		xmlSchemaSetValidStructuredErrors(check, on_invalid, (void *)b);
		res = xmlSchemaValidateDoc(check, doc);
	}
	xmlSchemaFreeValidCtxt(check);
	xmlSchemaFree(schema);
	xmlSchemaFreeParserCtxt(reader);
	if (res == 0)
		return 0;
	return b->err->code ? -b->err->code : error_set(b->err, ENOMEM, "out of memory");
}

/* Takes the escapes out of an attribute's value, in place. */
static uint32_t unescape(char *s)
{
	char *const begin = s, *to = s;

	while (*s) {
		unsigned int byte;
		if (s[0] == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			s += 4;
		} else {
			s += s[0] == '\\';
			*to++ = *s++;
		}
	}
	*to = '\0';
	return (uint32_t)(to - begin);
}

/* The value of an attribute, or NULL; the caller frees it. */
static char *attribute(const xmlNode *node, const char *name)
{
	return (char *)xmlGetNoNsProp(node, (const xmlChar *)name);
}

static int index_of(const char *const *words, const char *text)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}

static int add_rule(struct build *b, const xmlNode *node)
{
	auto_free char *key = attribute(node, "key"), *prepend = attribute(node, "prepend"),
		       *scope = attribute(node, "scope");
	struct xattrmap_rule rule = {
		.type = (uint32_t)index_of(xattrmap_types, (const char *)node->name),
		.scope = scope ? (uint32_t)index_of(xattrmap_scopes, scope) : XATTRMAP_ALL,
		.line = (uint32_t)xmlGetLineNo(node),
		.key = key ? key : "",
		.prepend = prepend ? prepend : "",
	};

	if (key)
		rule.key_len = unescape(key);
	if (prepend)
		rule.prepend_len = unescape(prepend);
	return xattrmap_add(b->map, &rule, b->err) < 0 ? at_line(b, node) : 0;
}

static const xmlNode *find_set(const struct build *b, const char *name)
{
	for (const xmlNode *n = xmlFirstElementChild((xmlNode *)b->root); n; n = xmlNextElementSibling((xmlNode *)n)) {
		auto_free char *has = attribute(n, "name");
		if (has && strcmp(has, name) == 0)
			return n;
	}
	return NULL;
}

static int add_rules(struct build *b, const xmlNode *list);

/* Whether a set may be included here: 0 or -errno. */
static int may_include(struct build *b, const xmlNode *set, const char *name)
{
	if (!set)
		return error_set(b->err, EINVAL, "no set of this file has the name '%.64s'", name);
	for (size_t i = 0; i < b->depth; i++) {
		if (b->inside[i] == set)
			return error_set(b->err, ELOOP, "set '%.64s' includes itself; take this include out", name);
	}
	if (b->depth == DEPTH_MAX)
		return error_set(b->err, ELOOP, "sets are included more than %d deep", DEPTH_MAX);
	if (++b->includes > INCLUDES_MAX)
		return error_set(b->err, E2BIG, "sets are included more than %d times", INCLUDES_MAX);
	return 0;
}

static int include(struct build *b, const xmlNode *node)
{
	auto_free char *name = attribute(node, "set");
	const xmlNode *set = name ? find_set(b, name) : NULL;

	if (may_include(b, set, name ? name : "") < 0)
		return at_line(b, node);
	b->inside[b->depth++] = set;
	int res = add_rules(b, set);
	b->depth--;
	return res;
}

/* The elements of a set, or of the rules. */
static int add_rules(struct build *b, const xmlNode *list)
{
	for (const xmlNode *n = xmlFirstElementChild((xmlNode *)list); n; n = xmlNextElementSibling((xmlNode *)n)) {
		int res = strcmp((const char *)n->name, "include") == 0 ? include(b, n) : add_rule(b, n);
		if (res < 0)
			return res;
	}
	return 0;
}

static struct xattrmap *build_map(struct build *b)
{
	b->map = xattrmap_new();
	if (!b->map)
		error_set(b->err, ENOMEM, "out of memory");
	const xmlNode *rules = xmlLastElementChild((xmlNode *)b->root);
	if (b->map && add_rules(b, rules) == 0) {
		if (xattrmap_end(b->map, b->err) == 0)
			return b->map;
		at_line(b, rules);
	}
	xattrmap_free(b->map);
	return NULL;
}

struct xattrmap *xattrmap_parse_xml(const char *text, size_t len, const struct xattrmap_source *from,
				    struct graft_error *err)
{
	struct graft_error own = { 0 };
	struct build b = { .from = from, .err = err ? err : &own };
	struct xattrmap *map = NULL;

	b.err->code = 0;
	if (len > XATTRMAP_FILE_MAX) {
		error_set(err, EFBIG, "%s: has more than %d bytes", from->name, XATTRMAP_FILE_MAX);
		return NULL;
	}
	xmlInitParser();
	xmlDoc *doc = other_encoding(text, len, from, b.err) ? NULL : read_document(&b, text, len);
	if (doc && !b.err->code && validate(&b, doc) == 0) {
		b.root = xmlDocGetRootElement(doc);
		map = build_map(&b);
	}
	xmlFreeDoc(doc);
	if (!map)
		xattrmap_one_line(b.err);
	return map;
}
