/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in virtiofsd's rule syntax, what becomes of each, and the cause for which virtiofsd 1.14 refuses it. */
#ifndef GRAFT_TESTS_XATTRMAP_CASES_H
#define GRAFT_TESTS_XATTRMAP_CASES_H

struct xattrmap_case {
	const char *text;
	const char *rules; /* "TYPE SCOPE [KEY] [PREPEND]; ..." without the last, implicit one; NULL: refused */
	const char *error; /* a part of the message */
	const char *cause; /* of virtiofsd, NULL where it takes the text; "-": it differs, see error */
};

#define INCOMPLETE "IncompleteRule"
#define TYPE "InvalidType"
#define SCOPE "InvalidScope"
#define EMPTY "NoRulesProvided"
#define MAP "MapRuleViolation"

static const struct xattrmap_case xattrmap_cases[] = {
	/* each type and scope */
	{ ":prefix:all:trusted.:user.v.:", "prefix all [trusted.] [user.v.]", 0, 0 },
	{ ":prefix:client:a:b:", "prefix client [a] [b]", 0, 0 },
	{ ":prefix:server:a:b:", "prefix server [a] [b]", 0, 0 },
	{ ":ok:all:::", "ok all [] []", 0, 0 },
	{ ":ok:client:a::", "ok client [a] []", 0, 0 },
	{ ":ok:server::b:", "ok server [] [b]", 0, 0 },
	{ ":bad:all:::", "bad all [] []", 0, 0 },
	{ ":bad:client:user.::", "bad client [user.] []", 0, 0 },
	{ ":bad:server::trusted.:", "bad server [] [trusted.]", 0, 0 },
	{ ":unsupported:all:::", "unsupported all [] []", 0, 0 },
	{ ":unsupported:client:a:b:", "unsupported client [a] [b]", 0, 0 },
	{ ":unsupported:server:a:b:", "unsupported server [a] [b]", 0, 0 },
	{ ":prefix:all:::", "prefix all [] []", 0, 0 },
	/* maps */
	{ ":map::user.virtiofs.:", "prefix all [] [user.virtiofs.]; bad all [] []", 0, 0 },
	{ "/map/trusted./user.virtiofs./",
	  "prefix all [trusted.] [user.virtiofs.]; bad all [user.virtiofs.] [trusted.]; ok all [] []", 0, 0 },
	{ ":map:a::", "prefix all [a] []; bad all [] [a]; ok all [] []", 0, 0 },
	{ ":map:::", "prefix all [] []; bad all [] []", 0, 0 },
	{ ":ok:all:user.:user.: :map::p.:", "ok all [user.] [user.]; prefix all [] [p.]; bad all [] []", 0, 0 },
	{ ":map::a.: ", "prefix all [] [a.]; bad all [] []", 0, 0 },
	{ ":map::a.:\n", "prefix all [] [a.]; bad all [] []", 0, 0 },
	{ ":map::a.::ok:all:::", 0, "rule 2: a rule stands behind the map", MAP },
	{ ":map::a.: :map::b.:", 0, "rule 2: a rule stands behind the map", MAP },
	{ ":map::a.:x", 0, "rule 2: a rule stands behind the map", MAP },
	{ ":ok:all:::\n:map::a.:\n:bad:all:::", 0, "rule 3: a rule stands behind the map", MAP },
	{ ":map:", 0, "rule 1: it ends in its KEY, without ':' behind it", INCOMPLETE },
	{ ":map:a", 0, "ends in its KEY", INCOMPLETE },
	{ ":map:a:", 0, "ends in its PREPEND", INCOMPLETE },
	{ ":map:a:b", 0, "ends in its PREPEND", INCOMPLETE },
	{ ":map:all:a:b:", 0, "rule 2: a rule stands behind the map", MAP },
	/* delimiters: any character, each rule its own */
	{ "/prefix/all/trusted./user.v./\n/bad/server//trusted./\n/bad/client/user.v.//\n/ok/all///",
	  "prefix all [trusted.] [user.v.]; bad server [] [trusted.]; bad client [user.v.] []; ok all [] []", 0, 0 },
	{ ":ok:client:a::/bad/all///", "ok client [a] []; bad all [] []", 0, 0 },
	{ "|ok|all|||", "ok all [] []", 0, 0 },
	{ ",bad,all,user:,,", "bad all [user:] []", 0, 0 },
	{ "<ok<all<<<", "ok all [] []", 0, 0 },
	{ "\"ok\"all\"a\"b\"", "ok all [a] [b]", 0, 0 },
	{ "#ok#all###", "ok all [] []", 0, 0 },
	{ ".bad.all...", "bad all [] []", 0, 0 },
	{ "xokxallxxx", "ok all [] []", 0, 0 },
	{ "1ok1all1a1b1", "ok all [a] [b]", 0, 0 },
	{ "aokaallaaa", 0, "scope '' is none of client, server and all", SCOPE },
	{ "\001ok\001all\001\001\001", "ok all [] []", 0, 0 },
	{ "\\ok\\all\\a\\b\\", "ok all [a] [b]", 0, 0 },
	/* a delimiter of several bytes is one character */
	{ "\xc2\xa7ok\xc2\xa7"
	  "all\xc2\xa7"
	  "a\xc2\xa7"
	  "b\xc2\xa7",
	  "ok all [a] [b]", 0, 0 },
	{ "\xe2\x82\xacok\xe2\x82\xac"
	  "all\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
	  "ok all [] []", 0, 0 },
	{ "\xf0\x9f\x98\x80ok\xf0\x9f\x98\x80"
	  "all\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
	  "ok all [] []", 0, 0 },
	{ ":ok/all:::", 0, "type 'ok/all' is none of", TYPE },
	{ ":ok:all::/", 0, "ends in its PREPEND", INCOMPLETE },
	/* blanks */
	{ "  :ok:all:::", "ok all [] []", 0, 0 },
	{ "\n\t :ok:all:::\r\n", "ok all [] []", 0, 0 },
	{ ":ok:all:a::\f:bad:all:::", "ok all [a] []; bad all [] []", 0, 0 },
	{ "\v:ok:all:::\v", "ok all [] []", 0, 0 },
	{ ":ok:all:a::\v:bad:all:::", 0, "rule 2: it ends in its TYPE", INCOMPLETE },
	{ ":ok:all:a b:c d:", "ok all [a b] [c d]", 0, 0 },
	{ ":ok:all: :\n:", "ok all [ ] [\n]", 0, 0 },
	{ ":ok: all:::", 0, "scope ' all' is none of", SCOPE },
	{ ": ok:all:::", 0, "type ' ok' is none of", TYPE },
	{ ":ok :all:::", 0, "type 'ok ' is none of", TYPE },
	/* nothing */
	{ "", 0, "there are no rules", EMPTY },
	{ " ", 0, "there are no rules", EMPTY },
	{ "\n\t\r\n", 0, "there are no rules", EMPTY },
	/* incomplete */
	{ ":", 0, "rule 1: it ends in its TYPE, without ':' behind it", INCOMPLETE },
	{ "::", 0, "type '' is none of", TYPE },
	{ ":ok", 0, "ends in its TYPE", INCOMPLETE },
	{ ":ok:", 0, "ends in its SCOPE", INCOMPLETE },
	{ ":ok:all", 0, "ends in its SCOPE", INCOMPLETE },
	{ ":ok:all:", 0, "ends in its KEY", INCOMPLETE },
	{ ":ok:all:a", 0, "ends in its KEY", INCOMPLETE },
	{ ":ok:all::", 0, "ends in its PREPEND", INCOMPLETE },
	{ ":ok:all::b", 0, "ends in its PREPEND", INCOMPLETE },
	{ ":prefix:all:trusted.:user.vm.", 0, "right is :TYPE:SCOPE:KEY:PREPEND: or :map:KEY:PREPEND:", INCOMPLETE },
	{ "/prefix/all/a/b", 0, "right is /TYPE/SCOPE/KEY/PREPEND/ or /map/KEY/PREPEND/", INCOMPLETE },
	{ ":ok:all::: :bad", 0, "rule 2: it ends in its TYPE", INCOMPLETE },
	{ ":ok:all:::x", 0, "rule 2: it ends in its TYPE, without 'x' behind it", INCOMPLETE },
	{ ":ok:all::::", 0, "rule 2: it ends in its TYPE", INCOMPLETE },
	{ "ok", 0, "ends in its TYPE, without 'o' behind it", INCOMPLETE },
	/* words */
	{ ":prefx:all:::", 0, "rule 1: type 'prefx' is none of prefix, ok, bad, unsupported and map", TYPE },
	{ ":OK:all:::", 0, "type 'OK' is none of", TYPE },
	{ ":okay:all:::", 0, "type 'okay' is none of", TYPE },
	{ ":o:all:::", 0, "type 'o' is none of", TYPE },
	{ ":all:ok:::", 0, "type 'all' is none of", TYPE },
	{ ":ok:any:::", 0, "rule 1: scope 'any' is none of client, server and all", SCOPE },
	{ ":ok:ALL:::", 0, "scope 'ALL' is none of", SCOPE },
	{ ":\nok\033:", 0, "type '?ok?' is none of", TYPE },
	{ ":\xc2\x9bok\xc2\xa9:", 0, "type '??ok\xc2\xa9' is none of", TYPE },
	{ ":ok::::", 0, "scope '' is none of", SCOPE },
	{ ":ok:clients:::", 0, "scope 'clients' is none of", SCOPE },
	{ ":bad:all:a:b: :nope:all:::", 0, "rule 2: type 'nope'", TYPE },
	{ ":bad:all:a:b: :ok:nope:::", 0, "rule 2: scope 'nope'", SCOPE },
	{ "/etc/graftfs/xattr.rules", 0, "type 'etc' is none of", TYPE },
	/* bytes are bytes: virtiofsd cuts the characters of a key to one byte each */
	{ ":ok:all:\xc3\xa9:\xc3\xa8:", "ok all [\xc3\xa9] [\xc3\xa8]", 0, 0 },
	{ ":ok:all:\xff\xfe:\x80:", "ok all [\xff\xfe] [\x80]", 0, "-" },
	{ "\xff"
	  "ok\xff"
	  "all\xff\xff\xff",
	  "ok all [] []", 0, "-" },
};
#define XATTRMAP_NCASES (sizeof(xattrmap_cases) / sizeof(xattrmap_cases[0]))

#undef INCOMPLETE
#undef TYPE
#undef SCOPE
#undef EMPTY
#undef MAP

#endif
