/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of id maps, the maps they make, and ranges from files like /etc/subuid. */
#include "plugins/idmap/rules.h"
#include "idmap_cases.h"

#include "lib/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct idmap m;

static int set_up(void **state)
{
	(void)state;
	idmap_fini(&m);
	return 0;
}

static void refused(const char *what, const struct graft_error *err, const char *why)
{
	if (err->code <= 0 || !strstr(err->text, why) || strchr(err->text, '\n'))
		fail_msg("\"%s\" gives \"%s\", not \"%s\"", what, err->text, why);
}

/* The direction, the id on the one side, the one on the other or "no". */
static void check_ids(const char *what, const char *ids)
{
	char side, want[16], got[16];
	unsigned id;
	int used;

	for (; sscanf(ids, " %c%u=%15s%n", &side, &id, want, &used) == 3; ids += used) {
		uint32_t other = id;
		bool may = idmap_find(side == 'g' ? &m.to_host : &m.to_guest, &other);
		snprintf(got, sizeof(got), "%u", other);
		if (strcmp(may ? got : "no", want) != 0)
			fail_msg("\"%s\": %c%u is %s, not %s", what, side, id, may ? got : "no", want);
	}
	assert_int_equal(strspn(ids, " "), strlen(ids));
}

static void test_cases(void **state)
{
	(void)state;
	assert_true(IDMAP_NCASES >= 80);
	for (size_t i = 0; i < IDMAP_NCASES; i++) {
		const struct idmap_case *c = &idmap_cases[i];
		struct graft_error err = { 0 };
		const char *last = "";
		int res = 0;
		idmap_fini(&m);
		for (size_t k = 0; k < 4 && c->rules[k] && res == 0; k++) {
			last = c->rules[k];
			res = idmap_add_rule(&m, last, &err);
		}
		if (c->error) {
			assert_int_equal(res, -err.code);
			refused(last, &err, c->error);
		} else if (res) {
			fail_msg("\"%s\" is refused: %s", last, err.text);
		} else {
			check_ids(last, c->ids);
		}
	}
}

/* Every id of many ranges, put in in no order. */
static void test_many(void **state)
{
	char rule[64];
	(void)state;

	for (unsigned i = 0; i < IDMAP_RANGES_MAX; i++) {
		unsigned at = i * 7 % IDMAP_RANGES_MAX;
		snprintf(rule, sizeof(rule), "map:%u:%u:5", at * 10, 1000000 + at * 20);
		assert_int_equal(idmap_add_rule(&m, rule, NULL), 0);
	}
	for (uint32_t id = 0; id < IDMAP_RANGES_MAX * 10; id++) {
		uint32_t host = id, want = id % 10 < 5 ? 1000000 + id / 10 * 20 + id % 10 : id;
		assert_true(idmap_find(&m.to_host, &host));
		assert_int_equal(host, want);
		if (host != id)
			assert_true(idmap_find(&m.to_guest, &host) && host == id);
	}
	struct graft_error err = { 0 };
	assert_int_equal(idmap_add_rule(&m, "guest:3000000:1:1", &err), -E2BIG);
	refused("too many", &err, "there are more than 1024 ranges of guest ids");
	assert_int_equal(idmap_close(&m, NULL), 0);
	check_ids("closed", "g5=no g4=1000004 g10235=no g10230=1020460 g3000000=no g4294967294=no h999999=4294967295 "
			    "h1000005=4294967295 h0=4294967295 h4294967294=4294967295");
}

static void test_close(void **state)
{
	(void)state;
	assert_int_equal(idmap_close(&m, NULL), 0);
	check_ids("nothing", "g0=no g4294967294=no g4294967295=4294967295 h0=4294967295 h4294967294=4294967295");
	idmap_fini(&m);
	assert_int_equal(idmap_add_rule(&m, "map:0:0:4294967295", NULL), 0);
	assert_int_equal(idmap_close(&m, NULL), 0);
	assert_int_equal(m.to_host.n, 1);
	check_ids("all", "g0=0 g4294967294=4294967294 h5=5");
	idmap_fini(&m);
	assert_int_equal(idmap_add_rule(&m, "map:1:4294967293:2", NULL), 0);
	assert_int_equal(idmap_add_rule(&m, "map:0:5:1", NULL), 0);
	assert_int_equal(idmap_close(&m, NULL), 0);
	check_ids("ends", "g0=5 g1=4294967293 g2=4294967294 g3=no h4294967294=2 h5=0 h4=4294967295 h6=4294967295");
}

static void test_pair(void **state)
{
	static const char *const bad[] = { "",     "1",    ":",   "1:",   ":1",           "1:2:3",
					   " 1:2", "1: 2", "a:b", "-1:2", "4294967295:1", "1:4294967295" };
	struct graft_error err = { 0 };
	uint32_t uid, gid;
	(void)state;

	assert_int_equal(idmap_parse_pair("1:+2", &uid, &gid, &err), 0);
	assert_true(uid == 1 && gid == 2);
	assert_int_equal(idmap_parse_pair("4294967294:0", &uid, &gid, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(idmap_parse_pair(bad[i], &uid, &gid, &err), -EINVAL);
		refused(bad[i], &err, "is not UID:GID, two numbers up to 4294967294");
	}
}

#define PASSWD "root:x:0:0:root:/root:/bin/sh\nbroken\n::\nalice:x:1000:1000::/:\nbob:x:1001:1001::/:\nx:x:y:\n"

static const struct {
	const char *user, *text;
	const char *ids, *error;
} files[] = {
	{ "alice", "alice:100000:65536\n", "g0=100000 g65535=165535 h100000=0", 0 },
	{ "alice", "bob:1:1\nalice:100000:65536", "g0=100000", 0 },
	{ "alice", "alice:100000:10\nbob:5:5\nalice:300000:10\n",
	  "g0=100000 g9=100009 g10=300000 g19=300009 h300000=10", 0 },
	{ "alice", "1000:7:1\n", "g0=7", 0 },
	{ "1000", "alice:7:1\n", "g0=7", 0 },
	{ "1000", "1000:7:1\nalice:9:1\n", "g0=7 g1=9", 0 },
	{ "5555", "5555:7:1\n", "g0=7", 0 },
	{ "01000", "alice:7:1\n", "g0=7", 0 },
	{ "nobody-here", "nobody-here:7:1\n", "g0=7", 0 },
	{ "alice", "# alice:1:1\n\nalice:5:1\nbob:x:y\n::\nalicex:1:1\n", "g0=5 g1=1", 0 },
	{ "alice", "alice:5:0\nalice:6:1\n", "g0=6", 0 },
	{ "alice", "bob:1:1\n", 0, "/etc/subuid has no range for 'alice'" },
	{ "alice", "", 0, "/etc/subuid has no range for 'alice'" },
	{ "7", "8:1:1\n", 0, "/etc/subuid has no range for '7'" },
	{ "alice", "alice:5:0\n", 0, "has no range for 'alice'" },
	{ "alice", "bob:1:1\nalice\n", 0, "/etc/subuid:2: a range is written NAME:START:COUNT" },
	{ "alice", "alice:1\n", 0, "/etc/subuid:1: a range is written NAME:START:COUNT" },
	{ "alice", "alice:1:2:3\n", 0, "/etc/subuid:1: a range is written NAME:START:COUNT" },
	{ "alice", "alice:x:2\n", 0, "/etc/subuid:1: 'x' is no decimal number" },
	{ "alice", "alice:1: 2\n", 0, "/etc/subuid:1: ' 2' is no decimal number" },
	{ "alice", "alice:1:2\r\n", 0, "/etc/subuid:1: '2?' is no decimal number" },
	{ "alice", "alice:1:99999999999\n", 0, "/etc/subuid:1: '99999999999' is no decimal number" },
	{ "alice", "alice:4294967295:1\n", 0, "/etc/subuid:1: 1 host ids from 4294967295 on go beyond" },
	{ "alice", "alice:0:4294967295\nalice:0:1\n", 0, "/etc/subuid:2: 1 guest ids from 4294967295 on go beyond" },
	{ "alice", "alice:10:5\nalice:14:5\n", 0, "/etc/subuid:2: host ids 14 to 14 have a rule already" },
	{ "", "", 0, "'' is neither the name nor the number of a user" },
	{ "a:b", "a:b:1\n", 0, "'a:b' is neither the name nor the number" },
	{ "a\nb", "", 0, "'a?b' is neither the name nor the number" },
	{ "4294967296", "", 0, "'4294967296' is neither the name nor the number" },
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct graft_error err = { 0 };
		struct idmap_user u;
		idmap_fini(&m);
		int res = idmap_user_init(&u, files[i].user, PASSWD, strlen(PASSWD), &err);
		if (res == 0)
			res = idmap_add_subids(&m, &u, "/etc/subuid", files[i].text, strlen(files[i].text), &err);
		if (files[i].error) {
			assert_int_equal(res, -err.code);
			refused(files[i].text, &err, files[i].error);
		} else if (res) {
			fail_msg("\"%s\" is refused: %s", files[i].text, err.text);
		} else {
			check_ids(files[i].text, files[i].ids);
		}
	}
}

static int finish(void **state)
{
	(void)state;
	idmap_fini(&m);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cases, set_up), cmocka_unit_test_setup(test_many, set_up),
		cmocka_unit_test_setup(test_close, set_up), cmocka_unit_test_setup(test_pair, set_up),
		cmocka_unit_test_setup(test_files, set_up),
	};
	return cmocka_run_group_tests_name("idmap-rules", tests, NULL, finish);
}
