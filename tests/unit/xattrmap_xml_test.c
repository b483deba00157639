/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as XML: what files become, sets, and one line of why a file is refused, hostile ones among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "xattrmap/rules.h"

#include <fcntl.h>
#include <string.h>

static const struct xattrmap_source file = { "t.xml", true };

#define RULES(text) "<xattrmap><rules>" text "</rules></xattrmap>"

/* Rules by xattrmap_write_rules, or the error. */
static const struct {
	const char *xml, *rules, *error;
} cases[] = {
	{ RULES("<ok/>"), ":ok:all:::\n", 0 },
	{ RULES("<prefix key='trusted.' prepend='user.v.'/><bad scope='server' prepend='trusted.'/>"
		"<unsupported scope='client' key='system.'/>"),
	  ":prefix:all:trusted.:user.v.:\n:bad:server::trusted.:\n:unsupported:client:system.::\n", 0 },
	{ RULES("<map key='a' prepend='b'/>"), ":map:a:b:\n", 0 },
	{ "<?xml version='1.0'?><!-- what --><xattrmap><!-- it --><rules><!-- does --><ok/></rules></xattrmap>",
	  ":ok:all:::\n", 0 },
	{ "\xef\xbb\xbf" RULES("<ok/>"), ":ok:all:::\n", 0 },
	{ "<?xml version='1.0' encoding='utf-8'?>" RULES("<ok key='\xc3\xa9'/>"), ":ok:all:\xc3\xa9::\n", 0 },
	/* bytes */
	{ RULES("<ok key='a\\xfFb\\\\c&amp;&#233;' prepend='\\x20'/>"),
	  ":ok:all:a\xff"
	  "b\\c&\xc3\xa9: :\n",
	  0 },
	/* sets */
	{ "<xattrmap><set name='s'><ok key='a'/></set><rules><include set='s'/><bad/></rules></xattrmap>",
	  ":ok:all:a::\n:bad:all:::\n", 0 },
	{ "<xattrmap><set name='a'><include set='b'/></set><set name='b'><ok key='x'/></set>"
	  "<rules><include set='a'/><include set='b'/></rules></xattrmap>",
	  ":ok:all:x::\n:ok:all:x::\n", 0 },
	{ "<xattrmap><set name='m'><map prepend='user.v.'/></set><rules><ok key='q'/><include "
	  "set='m'/></rules></xattrmap>",
	  ":ok:all:q::\n:map::user.v.:\n", 0 },
	{ "<xattrmap>\n<set name='a'><include set='b'/></set>\n<set name='b'>\n<include set='a'/></set>"
	  "<rules><include set='a'/></rules></xattrmap>",
	  0, "t.xml:4: set 'a' includes itself; take this include out" },
	{ "<xattrmap><set name='a'><include set='a'/></set><rules><include set='a'/></rules></xattrmap>", 0,
	  "set 'a' includes itself" },
	{ "<xattrmap>\n<rules>\n<include set='nope'/></rules></xattrmap>", 0,
	  "t.xml:3: no set of this file has the name 'nope'" },
	{ "<xattrmap><set name='a'/><set name='a'/><rules><ok/></rules></xattrmap>", 0, "t.xml:1: " },
	{ "<xattrmap><set name='a'><map/></set>\n<rules><include set='a'/>\n<ok/></rules></xattrmap>", 0,
	  "t.xml:3: a rule stands behind the map" },
	/* not as the schema says */
	{ "<xattrmap>\n<rules>\n<prefx/></rules></xattrmap>", 0,
	  "t.xml:3: Element 'prefx': This element is not expected. Expected is one of ( prefix, ok, bad" },
	{ RULES("\n<ok scope='clients'/>"), 0, "t.xml:2: Element 'ok', attribute 'scope': [facet 'enumeration']" },
	{ RULES("<ok kee='a'/>"), 0, "The attribute 'kee' is not allowed" },
	{ RULES("<map scope='all'/>"), 0, "The attribute 'scope' is not allowed" },
	{ RULES("<include/>"), 0, "The attribute 'set' is required but missing" },
	{ RULES("<ok key='\\x'/>"), 0, "[facet 'pattern']" },
	{ RULES("<ok key='\\x00'/>"), 0, "[facet 'pattern']" },
	{ RULES("<ok key='a\\'/>"), 0, "[facet 'pattern']" },
	{ RULES("<ok>text</ok>"), 0, "t.xml:1: Element 'ok'" },
	{ RULES("<ok><ok/></ok>"), 0, "t.xml:1: Element 'ok'" },
	{ RULES("text"), 0, "t.xml:1: Element 'rules'" },
	{ RULES(""), 0, "t.xml:1: there are no rules" },
	{ "<xattrmap/>", 0, "Missing child element(s)" },
	{ "<rules><ok/></rules>", 0, "No matching global declaration" },
	{ "<xattrmap xmlns='urn:x'><rules><ok/></rules></xattrmap>", 0, "No matching global declaration" },
	{ "<xattrmap xmlns:xi='http://www.w3.org/2001/XInclude'><rules><xi:include "
	  "href='/etc/passwd'/></rules></xattrmap>",
	  0, "This element is not expected" },
	/* no XML */
	{ "<xattrmap><rules>", 0, "t.xml:1: " },
	{ "<xattrmap>\n<rules></xattrmap>", 0, "t.xml:2: Opening and ending tag mismatch" },
	{ "<", 0, "t.xml:1: " },
	{ "<xattrmap>\xff</xattrmap>", 0, "t.xml:1: Input is not proper UTF-8" },
	{ "<?xml version='1.0' encoding='iso-8859-1'?>" RULES("<ok/>"), 0,
	  "t.xml:1: encoding iso-8859-1; only UTF-8 is read" },
	{ "<?xml version='1.0' encoding='\n\x1b'?>", 0, "t.xml:1: encoding ??; only UTF-8 is read" },
	/* document types: nothing of them is read */
	{ "\n<!DOCTYPE xattrmap>" RULES("<ok/>"), 0, "t.xml:2: a document type (<!DOCTYPE) is not read" },
	{ "<!DOCTYPE x [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]>" RULES("<ok key='&b;'/>"), 0, "a document type" },
	{ "<!DOCTYPE x SYSTEM 'http://127.0.0.1/x.dtd'>" RULES("<ok/>"), 0, "a document type" },
	{ "<!DOCTYPE x [<!ENTITY a SYSTEM '/etc/passwd'>]><xattrmap>&a;</xattrmap>", 0, "a document type" },
	{ RULES("<ok key='&nope;'/>"), 0, "Entity 'nope' not defined" },
};

static void check(const char *xml, const char *rules, const char *error)
{
	struct graft_error err = { 0 };
	struct xattrmap *map = xattrmap_parse(xml, strlen(xml), &file, &err);
	auto_free char *got = NULL;
	size_t len;

	if (map) {
		FILE *to = open_memstream(&got, &len);
		assert_int_equal(xattrmap_write_rules(map, to, &err), 0);
		fclose(to);
	}
	if ((!map != !rules) || (map && strcmp(got, rules) != 0) || (!map && !strstr(err.text, error)))
		fail_msg("%s gives \"%s\", not \"%s\"", xml, map ? got : err.text, rules ? rules : error);
	if (!map)
		assert_true(err.code > 0 && strncmp(err.text, "t.xml:", 6) == 0 && !strchr(err.text, '\n'));
	xattrmap_free(map);
}

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(cases[i].xml, cases[i].rules, cases[i].error);
}

/* Each set includes the one before twice: 2^n includes, or rules. */
static void doubling(const char *least, const char *error)
{
	char xml[8192];
	size_t len = (size_t)sprintf(xml, "<xattrmap><set name='s0'>%s</set>", least);

	for (int i = 1; i <= 24; i++)
		len += (size_t)sprintf(xml + len, "<set name='s%d'><include set='s%d'/><include set='s%d'/></set>", i,
				       i - 1, i - 1);
	sprintf(xml + len, "<rules><include set='s24'/></rules></xattrmap>");
	check(xml, NULL, error);
}

static void test_bombs(void **state)
{
	char xml[16384];
	size_t len = (size_t)sprintf(xml, "<xattrmap>");
	(void)state;

	doubling("", "sets are included more than 4096 times");
	doubling("<ok key='a'/>", "there are more than 1024 rules");
	for (int i = 0; i < 40; i++)
		len += (size_t)sprintf(xml + len, "<set name='s%d'><include set='s%d'/></set>", i, i + 1);
	sprintf(xml + len, "<rules><include set='s0'/></rules></xattrmap>");
	check(xml, NULL, "sets are included more than 32 deep");
	len = 0;
	for (int i = 0; i < 1000; i++)
		len += (size_t)sprintf(xml + len, "<a>");
	check(xml, NULL, "t.xml:1: Excessive depth in document: 256");
	auto_free char *big = calloc(1, XATTRMAP_FILE_MAX + 2);
	memset(big, ' ', XATTRMAP_FILE_MAX + 1);
	memcpy(big, "<!--", 4);
	check(big, NULL, "t.xml: has more than 262144 bytes");
}

static void test_files_read(void **state)
{
	char path[] = "/tmp/xattrmap-XXXXXX";
	struct graft_error err = { 0 };
	auto_close int fd = mkstemp(path);
	(void)state;

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, cases[0].xml, strlen(cases[0].xml)), strlen(cases[0].xml));
	lseek(fd, 0, SEEK_SET);
	struct xattrmap *map = xattrmap_read(fd, "f", &err);
	assert_non_null(map);
	assert_int_equal(map->written[0].line, 1);
	xattrmap_free(map);
	assert_int_equal(ftruncate(fd, XATTRMAP_FILE_MAX + 1), 0);
	lseek(fd, 0, SEEK_SET);
	assert_null(xattrmap_read(fd, "f", &err));
	assert_string_equal(err.text, "f: has more than 262144 bytes");
	auto_close int dir = open("/", O_RDONLY | O_DIRECTORY);
	assert_null(xattrmap_read(dir, "f", &err));
	assert_string_equal(err.text, "f: cannot be read: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_files_read),
	};
	return cmocka_run_group_tests_name("xattrmap-xml", tests, NULL, NULL);
}
