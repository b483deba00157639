/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of config_dump: the dump of a dump is the same, defaults are in it, what cannot be printed fails. */
#include "server/config_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERVER "[server]\nsandbox = none\nseccomp = none\nplugin-dir = " TEST_PLUGIN_DIR "\n"
#define FLAGS                                                                                       \
	"writeback = auto\nposix-acl = auto\nsecurity-label = auto\nkillpriv-v2 = auto\nreaddirplus = auto\n" \
	"allow-mmap = auto\nlocks = auto\nno-open = auto\nsubmounts = auto\n"

static const char *const files[] = {
	SERVER "[transport vhost-user]\nsocket = /run/x.sock\n[mount web]\nat = /\ntype = probe\nsource = /srv\n",
	SERVER "landlock = no\nnode-ids = nydusd\nlog-file = /var/log/x\npid-file = /run/x.pid\nworkers = 12\nstate-dir = /run/s\napi-socket = /run/s/api\n"
	       "plugins =  probe-plain   probe-newer ; c\nplugins=probe-layer\nrlimit-nofile = 1M\n"
	       "[transport vhost-user a]\nfd = 77\ntag = a;b #c\nonce = 1\nqueue-cpus = 0\npoll-us = 7\nmax-memory = 4M\nlocks = always\n"
	       "[transport vhost-user b]\nsocket = /run/b\n"
	       "[transport fuse]\nmountpoint = /mnt/a;b\nthreads = 5\nwriteback = never\n"
	       "[mount d]\nat = /a/b c\ntype = probe\nsource = /d\n"
	       "[mount a.b-c]\nlayers =   probe-layer:outer\tprobe-plain  probe-layer\nat = /\ntype = probe\n"
	       "outer.source = /o\nouter.timeout = 1.5ms\nprobe-layer.source = /i\nprobe-layer.map = 1\nmap = x:y=z\n"
	       "probe-layer.map = 2\nsource = /with blanks/and;semicolons\nlabel = [x] = \"y\"\nnodes = 2K\n"
	       "spare = 18446744073709551615\nreadonly = on\ntimeout = 24h\ncache = metadata\n",
};

static const char first_dump[] =
	"[server]\ninstance = graftfs\napi-peers = owner\napi-only = false\nlog-rotation-size = 0\nsyslog = false\nlog-level = info\nsandbox = none\nseccomp = none\nlandlock = auto\nnode-ids = graftfs\nworkers = auto\n"
	"plugin-dir = " TEST_PLUGIN_DIR "\nrlimit-nofile = 0\n"
	"\n[transport vhost-user]\nsocket = /run/x.sock\nqueues = 1\npoll-us = auto\nonce = false\nmax-nodes = 0\n"
	"max-open = 0\nmax-memory = 0\n" FLAGS
	"\n[mount web]\nat = /\ntype = probe\nsource = /srv\nnodes = 1048576\ntimeout = 1\ncache = auto\n"
	"readonly = false\n";

static char *dump_of(const char *text)
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("t.ini", text, strlen(text), NULL, &registry, &err);
	if (!c)
		fail_msg("refused: %s\n%s", err.text, text);
	char *dump = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&dump, &size);
	assert_int_equal(config_dump(c, to, &err), 0);
	fclose(to);
	config_free(c);
	plugin_registry_free(registry);
	return dump;
}

static void test_fixed_point(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *once = dump_of(files[i]);
		char *twice = dump_of(once);
		if (i == 0)
			assert_string_equal(once, first_dump);
		assert_string_equal(twice, once);
		free(once);
		free(twice);
	}
}

static void test_keys_kept(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"\nlandlock = no\n",
		"\nnode-ids = nydusd\n",
		"\nworkers = 12\n",
		"[server]\ninstance = graftfs\nstate-dir = /run/s\napi-socket = /run/s/api\napi-peers = owner\n"
		"api-only = false\nlog-file = /var/log/x\nlog-rotation-size = 0\n"
		"syslog = false\npid-file = /run/x.pid\nlog-level = info\n",
		"\n[transport fuse]\nmountpoint = /mnt/a;b\nthreads = 5\nread-only = false\ntakeover = no\nfailover = none\nmax-nodes = 0\n"
		"max-open = 0\nmax-memory = 0\nwriteback = never\nposix-acl = auto\n"
		"security-label = auto\nkillpriv-v2 = auto\nreaddirplus = auto\nallow-mmap = auto\nlocks = auto\nno-open = auto\n"
		"passthrough = auto\n\n[",
		"\n[mount d]\nat = /a/b c\ntype = probe\nsource = /d\n",
		"\nplugins = probe-plain   probe-newer\nplugins = probe-layer\n",
		"\nrlimit-nofile = 1048576\n",
		"\n[transport vhost-user a]\nfd = 77\ntag = a;b #c\nqueues = 1\nqueue-cpus = 0\npoll-us = 7\nonce = true\nmax-nodes = 0\n"
		"max-open = 0\nmax-memory = 4194304\n",
		"\nlocks = always\nno-open = auto\n",
		"\n[mount a.b-c]\nat = /\ntype = probe\nlayers = probe-layer:outer\tprobe-plain  probe-layer\n"
		"source = /with blanks/and;semicolons\nlabel = [x] = \"y\"\nnodes = 2048\n"
		"spare = 18446744073709551615\ntimeout = 86400\n"
		"cache = metadata\nreadonly = true\nmap = x:y=z\nouter.source = /o\n",
		"\nouter.timeout = 0.0015\n",
		"\nprobe-layer.map = 1\nprobe-layer.map = 2\n",
	};
	char *dump = dump_of(files[1]);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(dump, lines[i]))
			fail_msg("not in the dump:%s\n%s", lines[i], dump);
	free(dump);
}

/* Another front door than a file may bring any text. */
static void test_refused(void **state)
{
	(void)state;
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("t.ini", files[0], strlen(files[0]), NULL, &registry, &err);
	assert_non_null(c);
	assert_int_equal(options_set(c->mounts[0].members[0].options, "label", "a ;b", "--label", &err), 0);
	FILE *to = fopen("/dev/null", "w");
	assert_int_equal(config_dump(c, to, &err), -EINVAL);
	assert_non_null(strstr(err.text, "[mount web]: label: an INI file cannot carry this value"));
	fclose(to);
	config_free(c);
	plugin_registry_free(registry);
}

static void test_full_disk(void **state)
{
	(void)state;
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("t.ini", files[0], strlen(files[0]), NULL, &registry, &err);
	assert_non_null(c);
	FILE *to = fopen("/dev/full", "w");
	assert_non_null(to);
	assert_int_equal(config_dump(c, to, &err), -EIO);
	assert_string_equal(err.text, "cannot write the configuration: No space left on device");
	fclose(to);
	config_free(c);
	plugin_registry_free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_point),
		cmocka_unit_test(test_keys_kept),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
