/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/config: what good files give, and the exact message for each kind of wrong file. */
#include "server/config_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A file in order: lines 1..4, 5..6 and 7..10. */
#define SERVER "[server]\nsandbox = none\nseccomp = none\nplugin-dir = " TEST_PLUGIN_DIR "\n"
#define TRANSPORT "[transport vhost-user]\nsocket = /run/x.sock\n"
#define MOUNT "[mount web]\nat = /\ntype = probe\nsource = /srv\n"
#define FUSE "[transport fuse]\nmountpoint = /mnt\n"
#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8

struct bad {
	const char *file, *text;
};

static const struct bad bad_lines[] = {
	{ "", "t.ini: section [transport vhost-user] or [transport fuse] is missing" },
	{ "; only a comment\n", "t.ini: section [transport vhost-user] or [transport fuse] is missing" },
	{ SERVER TRANSPORT,
	  "t.ini: section [mount NAME] is missing; only with api-socket or state-dir may there be none" },
	{ "sandbox = none\n[server]\n", "t.ini:1: key 'sandbox' before any section" },
	{ "[server\n", "t.ini:1: section without a closing ']'" },
	{ "[server] sandbox = none\n",
	  "t.ini:1: 'sandbox = none' stands behind the section; keys go on lines of their own" },
	{ "[server ;]\n", "t.ini:1: neither [section], KEY = VALUE nor a comment" },
	{ "[server]\n\nsandbox\n", "t.ini:3: neither [section], KEY = VALUE nor a comment" },
	{ "[server]\n= none\n", "t.ini:2: no key before '='" },
	{ "[server]\nsandbox =\n", "t.ini:2: key 'sandbox' has no value" },
	{ "[server]\nsandbox = ; none\n", "t.ini:2: key 'sandbox' has no value" },
	{ "[server]\nsandbox =;none\n", "t.ini:2: the value of 'sandbox' begins with ';'" },
	{ "[server]\nsandbox = none\n  seccomp\n", "t.ini:3: neither [section], KEY = VALUE nor a comment" },
	{ "[server]\nlog\001level = info\n", "t.ini:2: control character 0x01 at byte 4 of the line" },
	{ "[server]\nlog-level = info\rseccomp = none\n", "t.ini:2: control character 0x0d at byte 17 of the line" },
	{ "[server]\n[mount a]\n[ server ]\n", "t.ini:3: section [server] stands twice; first at line 1" },
	{ "[mount a]\n[mount  a]\n", "t.ini:2: section [mount a] stands twice; first at line 1" },
};

static const struct bad bad_sections[] = {
	{ "[]\n", "t.ini:1: unknown section []; known are server, transport and mount" },
	{ "[srever]\n", "t.ini:1: unknown section [srever]; did you mean 'server'?" },
	{ "[mounts web]\n", "t.ini:1: unknown section [mounts web]; did you mean 'mount'?" },
	{ "[Server]\n", "t.ini:1: unknown section [Server]; did you mean 'server'?" },
	{ "[database]\nx = y\n", "t.ini:1: unknown section [database]; known are server, transport and mount" },
	{ "[server two]\n", "t.ini:1: [server two]: [server] takes no name" },
	{ SERVER "[transport fsue]\n", "t.ini:5: [transport fsue]: unknown kind of transport; did you mean 'fuse'?" },
	{ SERVER "[transport fuse -b]\n",
	  "t.ini:5: [transport fuse -b]: the name behind fuse must be [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
	{ SERVER "[transport vhostuser]\n",
	  "t.ini:5: [transport vhostuser]: unknown kind of transport; did you mean 'vhost-user'?" },
	{ SERVER "[transport]\n", "t.ini:5: [transport]: unknown kind of transport; write [transport vhost-user] or "
	  "[transport fuse]" },
	{ SERVER "[transport tcp]\n",
	  "t.ini:5: [transport tcp]: unknown kind of transport; write [transport vhost-user] or "
	  "[transport fuse]" },
	{ SERVER "[transport vhost-user a b]\n",
	  "t.ini:5: [transport vhost-user a b]: the name behind vhost-user must be "
	  "[A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
	{ SERVER "[mount]\n", "t.ini:5: [mount]: a mount needs a name, [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
	{ SERVER "[mount .a]\n",
	  "t.ini:5: [mount .a]: a mount needs a name, [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
	{ SERVER "[mount a/b]\n",
	  "t.ini:5: [mount a/b]: a mount needs a name, [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
	{ SERVER "[mount " X64 "x]\n",
	  "t.ini:5: [mount " X64 "x]: a mount needs a name, [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
};

static const struct bad bad_server[] = {
	{ "[server]\nsandbxo = none\n", "t.ini:2: unknown key 'sandbxo'; did you mean 'sandbox'?" },
	{ "[server]\nsandbox = none\nsandbox = none\n", "t.ini:3: key 'sandbox' is given twice; first at t.ini:2" },
	{ "[server]\nsandbox = nome\n",
	  "t.ini:2: sandbox = nome: must be one of: namespace chroot none; did you mean 'none'?" },
	{ "[server]\nlog-level = loud\n", "t.ini:2: log-level = loud: must be one of: error warn info debug trace off" },
	{ "[server]\npid-file = x.pid\n", "t.ini:2: pid-file = x.pid: must be an absolute path" },
	{ SERVER "log-file = /var/log/x\nsyslog = yes\n" TRANSPORT MOUNT,
	  "t.ini:6: syslog = true: log-file is given as well; keep one of them" },
	{ "[server]\napi-socket = a.sock\n", "t.ini:2: api-socket = a.sock: must be an absolute path" },
	{ "[server]\nstate-dir = run/a\n", "t.ini:2: state-dir = run/a: must be an absolute path" },
	{ SERVER "api-only = yes\napi-socket = /run/x\n" TRANSPORT MOUNT,
	  "t.ini:5: api-only: only with api-socket, and without a transport" },
	{ SERVER "api-only = yes\n" MOUNT, "t.ini:5: api-only: only with api-socket, and without a transport" },
	{ SERVER "log-rotation-size = 1\n" TRANSPORT MOUNT, "t.ini:5: log-rotation-size: only with log-file" },
	{ "[server]\nlog-rotation-size = 1x\n",
	  "t.ini:2: log-rotation-size = 1x: must be a whole number from 0 to 1048576" },
	{ "[server]\nlog-file = -\n", "t.ini:2: log-file = -: must be an absolute path" },
	{ "[server]\napi-scoket = /a\n", "t.ini:2: unknown key 'api-scoket'; did you mean 'api-socket'?" },
	{ SERVER "api-socket = /" X64 X8 X8 X8 X8 X8 "xxx\n" TRANSPORT MOUNT,
	  "t.ini:5: api-socket = /" X64 X8 X8 X8 X8 X8 "xxx: longer than the 107 bytes of a socket's path" },
	{ SERVER "api-socket = /run/x.sock\n" TRANSPORT MOUNT,
	  "t.ini:7: socket = /run/x.sock: api-socket at t.ini:5 listens there" },
	{ "[server]\nplugin-dir = plugins\n", "t.ini:2: plugin-dir = plugins: must be an absolute path" },
	{ "[server]\nworkers = 0\n", "t.ini:2: workers = 0: must be auto or a whole number from 1 to 256" },
	{ "[server]\nworkers = 257\n", "t.ini:2: workers = 257: must be auto or a whole number from 1 to 256" },
	{ "[server]\nworkers = +1\n", "t.ini:2: workers = +1: must be auto or a whole number from 1 to 256" },
	{ "[server]\ninstance = a b\n",
	  "t.ini:2: instance = a b: must be [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
	{ "[server]\nrlimit-nofile = many\n",
	  "t.ini:2: rlimit-nofile = many: must be a whole number from 0 to 1073741816" },
	{ SERVER "plugins = probe ../x\n",
	  "t.ini:5: plugins: '../x' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)" },
	{ SERVER "modcaps = +chown:\n" TRANSPORT MOUNT,
	  "t.ini:5: modcaps = +chown:: empty modcap found: '+chown:'" },
	{ SERVER "modcaps = +bogus\n" TRANSPORT MOUNT,
	  "t.ini:5: modcaps = +bogus: invalid capability 'bogus': the names are those of capabilities(7), without CAP_" },
	{ SERVER "uid-map = 0:1000:1\n" TRANSPORT MOUNT,
	  "t.ini:5: uid-map: only sandbox = namespace has ids of its own" },
	{ SERVER "gid-map = 0:1000:1\n" TRANSPORT MOUNT,
	  "t.ini:5: gid-map: only sandbox = namespace has ids of its own" },
	{ "[server]\nuid-map = 0:1000\n",
	  "t.ini:2: uid-map = 0:1000: must be INSIDE:OUTSIDE:COUNT, whole numbers up to 4294967295" },
	{ "[server]\nuid-map = :0:1000:1:\n",
	  "t.ini:2: uid-map = :0:1000:1:: must be INSIDE:OUTSIDE:COUNT, whole numbers up to 4294967295" },
	{ "[server]\nuid-map = 0:4294967296:1\n",
	  "t.ini:2: uid-map = 0:4294967296:1: must be INSIDE:OUTSIDE:COUNT, whole numbers up to 4294967295" },
	{ "[server]\nuid-map = 0:1000:0\n", "t.ini:2: uid-map = 0:1000:0: a range of no ids" },
	{ "[server]\nuid-map = 0:4294967295:1\n",
	  "t.ini:2: uid-map = 0:4294967295:1: goes beyond 4294967294, the last id" },
	{ "[server]\ngid-map = 2:1000:4294967295\n",
	  "t.ini:2: gid-map = 2:1000:4294967295: goes beyond 4294967294, the last id" },
	{ "[server]\ngid-map = 0:1000:10\ngid-map = 9:3000:1\n",
	  "t.ini:2: gid-map = 9:3000:1: an id inside is in an earlier range as well" },
	{ "[server]\nuid-map = 5:1000:10\nuid-map = 0:1009:5\n",
	  "t.ini:2: uid-map = 0:1009:5: an id outside is in an earlier range as well" },
};

static const struct bad bad_transport[] = {
	{ SERVER "[transport vhost-user]\n" MOUNT,
	  "t.ini:5: [transport vhost-user]: key 'socket' is missing (or 'fd')" },
	{ SERVER TRANSPORT "fd = 3\n" MOUNT, "t.ini:7: fd = 3: socket is given as well; keep one of them" },
	{ SERVER "[transport vhost-user]\nfd = 3\nsocket-group = kvm\n" MOUNT,
	  "t.ini:7: socket-group = kvm: an inherited descriptor has no group to set" },
	{ SERVER "[transport vhost-user]\nfd = -1\n",
	  "t.ini:6: fd = -1: must be a whole number from 0 to 1073741816" },
	{ SERVER "[transport vhost-user]\nsocket = x.sock\n", "t.ini:6: socket = x.sock: must be an absolute path" },
	{ SERVER "[transport vhost-user]\nsocket = /" X64 X8 X8 X8 X8 X8 "xxx\n" MOUNT,
	  "t.ini:6: socket = /" X64 X8 X8 X8 X8 X8 "xxx: longer than the 107 bytes of a socket's path" },
	{ SERVER TRANSPORT "tag = 1234567890123456789012345678901234567\n" MOUNT,
	  "t.ini:7: tag = 1234567890123456789012345678901234567: longer than 36 bytes" },
	{ SERVER TRANSPORT "queues = 65\n", "t.ini:7: queues = 65: must be a whole number from 1 to 64" },
	{ SERVER TRANSPORT "max-memory = 1M\n" MOUNT,
	  "t.ini:7: max-memory = 1048576: must be 0 or at least 4M" },
	{ SERVER TRANSPORT "max-nodes = many\n", "t.ini:7: max-nodes = many: must be a whole number, with K, M or G behind it for powers of 1024" },
	{ SERVER TRANSPORT "poll-us = 1001\n",
	  "t.ini:7: poll-us = 1001: must be auto or a whole number from 0 to 1000" },
	{ SERVER TRANSPORT "poll-us = -1\n", "t.ini:7: poll-us = -1: must be auto or a whole number from 0 to 1000" },
	{ SERVER TRANSPORT "poll-us = 5us\n", "t.ini:7: poll-us = 5us: must be auto or a whole number from 0 to 1000" },
	{ SERVER TRANSPORT "queue-cpus = 0-\n",
	  "t.ini:7: queue-cpus = 0-: must be numbers of processors, such as 0-3,8" },
	{ SERVER TRANSPORT "queue-cpus = 8191\n" MOUNT,
	  "t.ini:7: queue-cpus: processor 8191 is not there, or this process may not use it" },
	{ SERVER TRANSPORT "write-back = auto\n", "t.ini:7: unknown key 'write-back'; did you mean 'writeback'?" },
	{ SERVER TRANSPORT "locks = on\n", "t.ini:7: locks = on: must be one of: auto never always" },
	{ SERVER TRANSPORT "[transport vhost-user b]\nsocket = /run/x.sock\n" MOUNT,
	  "t.ini:8: socket = /run/x.sock: [transport vhost-user] at t.ini:5 listens there" },
	{ SERVER "[transport vhost-user a]\nfd = 4\n[transport vhost-user b]\nfd = 4\n" MOUNT,
	  "t.ini:8: fd = 4: [transport vhost-user a] at t.ini:5 listens there" },
};

static const struct bad bad_fuse[] = {
	{ "[server]\nplugin-dir = " TEST_PLUGIN_DIR "\napi-socket = /run/a\nsupervisor = /run/s\n" FUSE MOUNT,
	  "t.ini:4: supervisor: only with sandbox = none, in which the host's paths are to be seen" },
	{ SERVER FUSE "takeover = yes\n" MOUNT, "t.ini:7: takeover: needs api-socket, by which it is told when" },
	{ SERVER "api-socket = /run/a\nsupervisor = /run/s\n" FUSE "[transport fuse b]\nmountpoint = /b\n" MOUNT,
	  "t.ini:6: supervisor: there may be only one [transport fuse] then" },
	{ SERVER FUSE "failover = retry\n", "t.ini:7: failover = retry: must be one of: none resend flush" },
	{ SERVER "[transport fuse]\n" MOUNT, "t.ini:5: [transport fuse]: key 'mountpoint' is missing" },
	{ SERVER "[transport fuse]\nmountpoint = mnt\n", "t.ini:6: mountpoint = mnt: must be an absolute path" },
	{ SERVER "[transport fuse]\nmountpoint = /mnt/\n" MOUNT,
	  "t.ini:6: mountpoint = /mnt/: it has an empty part (two slashes together, or one at its end)" },
	{ SERVER "[transport fuse]\nmountpoint = /mnt/../srv\n" MOUNT,
	  "t.ini:6: mountpoint = /mnt/../srv: it has a '..' part" },
	{ SERVER FUSE "mount-type = ext4\n" MOUNT,
	  "t.ini:7: mount-type = ext4: must be fuse, or fuse. and a word" },
	{ SERVER FUSE "mount-type = fuse.\n" MOUNT, "t.ini:7: mount-type = fuse.: must be fuse, or fuse. and a word" },
	{ SERVER FUSE "mount-type = fuse.a,b\n" MOUNT,
	  "t.ini:7: mount-type = fuse.a,b: must be fuse, or fuse. and a word" },
	{ SERVER FUSE "mount-source = a,b\n" MOUNT,
	  "t.ini:7: mount-source = a,b: must be [A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes" },
	{ SERVER FUSE "threads = 0\n", "t.ini:7: threads = 0: must be auto or a whole number from 1 to 64" },
	{ SERVER FUSE "threads = 65\n", "t.ini:7: threads = 65: must be auto or a whole number from 1 to 64" },
	{ SERVER FUSE "threads = 1x\n", "t.ini:7: threads = 1x: must be auto or a whole number from 1 to 64" },
	{ SERVER FUSE "submounts = auto\n", "t.ini:7: unknown key 'submounts'" },
	{ SERVER FUSE "socket = /run/x\n", "t.ini:7: unknown key 'socket'" },
	{ SERVER FUSE "locks = on\n", "t.ini:7: locks = on: must be one of: auto never always" },
	{ SERVER FUSE "mountpoint = /b\n", "t.ini:7: key 'mountpoint' is given twice; first at t.ini:6" },
	{ SERVER FUSE "[transport fuse b]\nmountpoint = /mnt\n" MOUNT,
	  "t.ini:8: mountpoint = /mnt: [transport fuse] at t.ini:5 is mounted there" },
	{ SERVER FUSE "[transport fuse b]\nmountpoint = /mnt/b\n" MOUNT,
	  "t.ini:8: mountpoint = /mnt/b: one lies below the other: [transport fuse] at t.ini:5 has /mnt" },
	{ SERVER FUSE "[transport fuse b]\nmountpoint = /\n" MOUNT,
	  "t.ini:8: mountpoint = /: one lies below the other: [transport fuse] at t.ini:5 has /mnt" },
};

static const struct bad bad_mount[] = {
	{ SERVER TRANSPORT "[mount web]\ntype = probe\n", "t.ini:7: [mount web]: key 'at' is missing" },
	{ SERVER TRANSPORT "[mount web]\nat = /\n", "t.ini:7: [mount web]: key 'type' is missing" },
	{ SERVER TRANSPORT "[mount web]\nat = /\ntpye = probe\nsource = /\n",
	  "t.ini:9: unknown key 'tpye'; did you mean 'type'?" },
	{ SERVER TRANSPORT "[mount web]\nat = srv\ntype = probe\n",
	  "t.ini:8: at: 'srv' is not a mount point: it must begin with '/'" },
	{ SERVER TRANSPORT "[mount web]\nat = /\ntype = probe\n", "t.ini:7: [mount web]: key 'source' is missing" },
	{ SERVER TRANSPORT MOUNT "at = /\n", "t.ini:11: key 'at' is given twice; first at t.ini:8" },
	{ SERVER TRANSPORT MOUNT "cahce = auto\n",
	  "t.ini:11: unknown key 'cahce' of a probe mount; did you mean 'cache'?" },
	{ SERVER TRANSPORT MOUNT "layer = probe-layer\n",
	  "t.ini:11: unknown key 'layer' of a probe mount; did you mean 'layers'?" },
	{ SERVER TRANSPORT MOUNT "frobnicate = 1\n", "t.ini:11: unknown key 'frobnicate' of a probe mount" },
	{ SERVER TRANSPORT MOUNT "cache = atuo\n",
	  "t.ini:11: cache = atuo: must be one of: auto always metadata never; did you mean 'auto'?" },
	{ SERVER TRANSPORT MOUNT "source = /a\n", "t.ini:11: key 'source' is given twice; first at t.ini:10" },
	{ SERVER TRANSPORT MOUNT "probe-layer.source = /a\n",
	  "t.ini:11: key 'probe-layer.source': layers names no 'probe-layer'" },
	{ SERVER TRANSPORT MOUNT "layers = probe-layer:outer\nouetr.source = /a\n",
	  "t.ini:12: key 'ouetr.source': layers names no 'ouetr'; did you mean 'outer'?" },
	{ SERVER TRANSPORT MOUNT "layers = probe-layer\nprobe-layer.sorce = /a\n",
	  "t.ini:12: layer probe-layer: unknown key 'sorce'; did you mean 'source'?" },
	{ SERVER TRANSPORT MOUNT "layers = probe-layer\n",
	  "t.ini:7: [mount web]: layer probe-layer: key 'source' is missing" },
	{ SERVER TRANSPORT MOUNT "layers = probe-plain probe-plain\n",
	  "t.ini:11: layers: layer 'probe-plain' stands twice; give one a name of its own: probe-plain:NAME" },
	{ SERVER TRANSPORT MOUNT "layers = probe-plain:a.b\n",
	  "t.ini:11: layers: 'a.b' is not a layer's name ([A-Za-z0-9][A-Za-z0-9_-]*, at most 64 bytes)" },
	{ SERVER TRANSPORT MOUNT "layers = probe-plain:\n",
	  "t.ini:11: layers: '' is not a layer's name ([A-Za-z0-9][A-Za-z0-9_-]*, at most 64 bytes)" },
	{ SERVER TRANSPORT MOUNT
	  "layers = probe-plain:1 probe-plain:2 probe-plain:3 probe-plain:4 probe-plain:5 "
	  "probe-plain:6 probe-plain:7 probe-plain:8 probe-plain:9 probe-plain:10 probe-plain:11 "
	  "probe-plain:12 probe-plain:13 probe-plain:14 probe-plain:15 probe-plain:16\n",
	  "t.ini:11: layers: more than 15 layers" },
	{ SERVER TRANSPORT MOUNT "layers = probe\n", "t.ini:11: layers: probe is a backend, not a layer" },
	{ SERVER TRANSPORT "[mount web]\nat = /\ntype = probe-plain\n",
	  "t.ini:9: type: probe-plain is a layer, not a backend" },
	{ SERVER TRANSPORT "[mount web]\nat = /\ntype = ../probe\n",
	  "t.ini:9: type: '../probe' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)" },
	{ SERVER TRANSPORT "[mount web]\nat = /\ntype = probe-kind\n",
	  "t.ini:9: type: " TEST_PLUGIN_DIR "/probe-kind.so: it is neither a backend nor a layer" },
	{ SERVER TRANSPORT "[mount web]\nat = /\ntype = probe-reserved\nsource = /\n",
	  "t.ini:7: " TEST_PLUGIN_DIR "/probe-reserved.so: its key 'layers' is the mount's own" },
	{ SERVER TRANSPORT "[mount web]\nat = //\ntype = probe\nsource = /\n",
	  "t.ini:8: at: '//' is not a mount point: it has an empty part (two slashes together, or one at its end)" },
	{ SERVER TRANSPORT "[mount web]\nat = /a\tb\ntype = probe\nsource = /\n",
	  "t.ini:8: at: a mount point must have no control characters; byte 3 is U+0009" },
	{ SERVER TRANSPORT MOUNT "[mount b]\nat = /\ntype = probe\nsource = /\n",
	  "t.ini:12: at = /: [mount web] at t.ini:7 is mounted there" },
	{ SERVER TRANSPORT "[mount c]\nat = /a/b\ntype = probe\nsource = /\n"
	  "[mount b]\nat = /a\ntype = probe\nsource = /\n"
	  "[mount a]\nat = /a/b\ntype = probe\nsource = /\n",
	  "t.ini:16: at = /a/b: [mount c] at t.ini:7 is mounted there" },
};

static struct config *read_text(const char *text, struct plugin_registry **registry, struct graft_error *err)
{
	return config_read_text("t.ini", text, strlen(text), NULL, registry, err);
}

static void refuse_all(const struct bad *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct plugin_registry *registry = (void *)&registry;
		struct graft_error err = { 0 };
		struct config *c = read_text(rows[i].file, &registry, &err);
		if (c)
			fail_msg("taken, instead of: %s", rows[i].text);
		assert_string_equal(err.text, rows[i].text);
		assert_int_equal(err.code, EINVAL);
		assert_null(registry);
	}
}
#define REFUSE(rows) refuse_all(rows, sizeof(rows) / sizeof(rows[0]))

static void test_bad_lines(void **state)
{
	(void)state;
	REFUSE(bad_lines);
}

static void test_bad_sections(void **state)
{
	(void)state;
	REFUSE(bad_sections);
}

static void test_bad_server(void **state)
{
	(void)state;
	REFUSE(bad_server);
}

static void test_bad_transport(void **state)
{
	(void)state;
	REFUSE(bad_transport);
}

static void test_bad_fuse(void **state)
{
	(void)state;
	REFUSE(bad_fuse);
}

static void test_bad_mount(void **state)
{
	(void)state;
	REFUSE(bad_mount);
}

/* Reads a good file and lets look judge it. */
static void take(const char *text, size_t len, void (*look)(const struct config *))
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("t.ini", text, len, NULL, &registry, &err);
	if (!c)
		fail_msg("refused: %s", err.text);
	look(c);
	config_free(c);
	plugin_registry_free(registry);
}

static void look_least(const struct config *c)
{
	assert_string_equal(c->server.instance, "graftfs");
	assert_int_equal(c->server.log_level, GRAFT_LOG_INFO);
	assert_null(c->server.pid_file);
	assert_int_equal(c->server.sandbox, CONFIG_SANDBOX_NONE);
	assert_int_equal(c->server.seccomp, CONFIG_SECCOMP_NONE);
	assert_int_equal(c->server.workers, 0);
	assert_int_equal(c->server.plugins.count, 0);
	assert_int_equal(c->server.rlimit_nofile, 0);
	assert_null(c->server.state_dir);
	assert_null(c->server.api_socket);
	assert_int_equal(c->server.api_peers, CONFIG_API_PEERS_OWNER);
	assert_null(c->server.log_file);
	assert_int_equal(c->ntransports, 1);
	const struct transport_config *t = &c->transports[0];
	assert_int_equal(t->kind, GRAFT_VHOST_USER);
	assert_string_equal(t->name, "vhost-user");
	assert_string_equal(t->socket, "/run/x.sock");
	assert_int_equal(t->fd, -1);
	assert_null(t->tag);
	assert_int_equal(t->queues, 1);
	assert_int_equal(t->cpus.n, 0);
	assert_int_equal(t->poll_us, 100);
	assert_false(t->once);
	assert_null(t->mountpoint);
	for (int i = 0; i < CONFIG_KEY_COUNT; i++)
		assert_int_equal(t->flag[i], CONFIG_FLAG_AUTO);
	assert_int_equal(c->nmounts, 1);
	const struct mount_config *m = &c->mounts[0];
	assert_string_equal(m->name, "web");
	assert_string_equal(m->at, "/");
	assert_int_equal(m->nmembers, 1);
	assert_string_equal(m->members[0].name, "web");
	assert_string_equal(m->members[0].plugin->desc.name, "probe");
	assert_string_equal(*(const char *const *)options_settings(m->members[0].options), "/srv");
}

static void test_least(void **state)
{
	(void)state;
	static const char *const files[] = {
		SERVER TRANSPORT MOUNT,
		MOUNT TRANSPORT SERVER, /* order does not matter */
		"\xef\xbb\xbf" SERVER TRANSPORT MOUNT,
		"# c\n ; c\n\t\n" SERVER TRANSPORT " \t" MOUNT,
		"  [server]  ; comment\r\n  sandbox=none ; comment\r\n\tseccomp :none\r\n"
		"plugin-dir = " TEST_PLUGIN_DIR "\r\n[ transport\tvhost-user ] # c\nsocket=/run/x.sock\n"
		"[mount web]\nat\t=\t/\ntype = probe\nsource = /srv",
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		take(files[i], strlen(files[i]), look_least);
}

static const char full[] =
	"[server]\ninstance = web1\nlog-level = debug\nsandbox = namespace\nseccomp = none\nworkers = 7\n"
	"uid-map = 0:1000:1\nuid-map = 1:100000:65536\ngid-map = 7:4294967294:1\n"
	"rlimit-nofile = 4K\nstate-dir = /run/graftfs\napi-socket = /run/api\napi-peers = any\nlog-file = /var/log/g\nlog-rotation-size = 100\n"
	"pid-file = /run/g.pid\n"
	"plugin-dir = " TEST_PLUGIN_DIR "\n"
	"plugins = probe-plain probe-newer\nplugins = probe-layer\n"
	"[transport vhost-user a]\nsocket = /run/a.sock\nsocket-group = kvm\ntag = 123456789012345678901234567890123456\nqueues = 64\n"
	"writeback = always\nsubmounts = never\n"
	"[transport vhost-user b]\nfd = 3\nonce = yes\nqueue-cpus = 0\npoll-us = 0\nmax-nodes = 5\nmax-open = 1K\n"
	"max-memory = 8M\n"
	"[transport fuse]\nmountpoint = /mnt/a\n"
	"[transport fuse b]\nmountpoint = /mnt/ab\nthreads = 64\nread-only = yes\nmount-type = fuse\nmount-source = rafs\nwriteback = never\nlocks = always\n"
	"[mount web]\nouter.source = /outer\nat = /\ntype = probe\nlayers = probe-layer:outer probe-plain probe-layer\n"
	"source = /srv ; c\ncache = never\nmap = a\nmap = b c\nprobe-layer.source = /inner\nouter.map = m\n";

static void look_full(const struct config *c)
{
	assert_string_equal(c->server.instance, "web1");
	assert_int_equal(c->server.log_level, GRAFT_LOG_DEBUG);
	assert_string_equal(c->server.pid_file, "/run/g.pid");
	assert_false(c->server.syslog);
	assert_int_equal(c->server.workers, 7);
	assert_int_equal(c->server.rlimit_nofile, 4096);
	assert_string_equal(c->server.plugin_dir, TEST_PLUGIN_DIR);
	assert_string_equal(c->server.state_dir, "/run/graftfs");
	assert_string_equal(c->server.api_socket, "/run/api");
	assert_int_equal(c->server.api_peers, CONFIG_API_PEERS_ANY);
	assert_string_equal(c->server.log_file, "/var/log/g");
	assert_int_equal(c->server.log_rotation, 100);
	assert_int_equal(c->server.plugins.count, 3);
	assert_string_equal(c->server.plugins.items[1], "probe-newer");
	assert_string_equal(c->server.plugins.items[2], "probe-layer");
	assert_int_equal(c->ntransports, 4);
	assert_null(c->transports[2].mount_type);
	assert_string_equal(c->transports[3].mount_type, "fuse");
	assert_string_equal(c->transports[3].mount_source, "rafs");
	assert_string_equal(c->transports[0].name, "vhost-user a");
	assert_int_equal(strlen(c->transports[0].tag), 36);
	assert_int_equal(c->transports[0].queues, 64);
	assert_int_equal(c->transports[0].flag[CONFIG_KEY_WRITEBACK], CONFIG_FLAG_ALWAYS);
	assert_int_equal(c->transports[0].flag[CONFIG_KEY_POSIX_ACL], CONFIG_FLAG_AUTO);
	assert_int_equal(c->transports[0].flag[CONFIG_KEY_SUBMOUNTS], CONFIG_FLAG_NEVER);
	assert_int_equal(c->server.sandbox, CONFIG_SANDBOX_NAMESPACE);
	assert_int_equal(c->server.uid_map.n, 2);
	assert_int_equal(c->server.uid_map.range[1].inside, 1);
	assert_int_equal(c->server.uid_map.range[1].outside, 100000);
	assert_int_equal(c->server.uid_map.range[1].count, 65536);
	assert_int_equal(c->server.gid_map.n, 1);
	assert_int_equal(c->server.gid_map.range[0].outside, 4294967294);
	assert_null(c->transports[1].socket);
	assert_int_equal(c->transports[1].fd, 3);
	assert_int_equal(c->transports[1].cpus.n, 1);
	assert_int_equal(c->transports[1].cpus.cpu[0], 0);
	assert_int_equal(c->transports[1].poll_us, 0);
	assert_true(c->transports[1].once);
	assert_int_equal(c->transports[1].limits.nodes, 5);
	assert_int_equal(c->transports[1].limits.open, 1024);
	assert_int_equal(c->transports[1].limits.memory, 8 << 20);
	assert_int_equal(c->transports[0].limits.nodes, 0);
	const struct mount_config *m = &c->mounts[0];
	static const char *const names[] = { "outer", "probe-plain", "probe-layer", "web" };
	assert_int_equal(m->nmembers, 4);
	for (int i = 0; i < 4; i++)
		assert_string_equal(m->members[i].name, names[i]);
	assert_ptr_equal(m->members[0].plugin, m->members[2].plugin);
	assert_string_equal(*(const char *const *)options_settings(m->members[0].options), "/outer");
	assert_string_equal(*(const char *const *)options_settings(m->members[2].options), "/inner");
	assert_string_equal(*(const char *const *)options_settings(m->members[3].options), "/srv");
	assert_string_equal(options_where(m->members[3].options, "source"), "t.ini:50");
}

static void look_fuse(const struct config *c)
{
	const struct transport_config *a = &c->transports[2], *b = &c->transports[3];
	assert_int_equal(a->kind, GRAFT_DEV_FUSE);
	assert_string_equal(a->name, "fuse");
	assert_string_equal(a->mountpoint, "/mnt/a");
	assert_int_equal(a->threads, 0);
	assert_false(a->read_only);
	assert_int_equal(a->flag[CONFIG_KEY_WRITEBACK], CONFIG_FLAG_AUTO);
	assert_int_equal(a->flag[CONFIG_KEY_SUBMOUNTS], CONFIG_FLAG_NEVER);
	assert_null(a->socket);
	assert_null(a->tag);
	assert_int_equal(a->fd, -1);
	assert_false(a->once);
	assert_string_equal(b->name, "fuse b");
	assert_int_equal(b->threads, 64);
	assert_true(b->read_only);
	assert_int_equal(b->flag[CONFIG_KEY_WRITEBACK], CONFIG_FLAG_NEVER);
	assert_int_equal(b->flag[CONFIG_KEY_LOCKS], CONFIG_FLAG_ALWAYS);
}

static void look_no_mounts(const struct config *c)
{
	assert_int_equal(c->nmounts, 0);
}

static void test_no_mounts(void **state)
{
	(void)state;
	static const char api[] = SERVER "api-socket = /run/api\n" FUSE, kept[] = SERVER "state-dir = /run/g\n" FUSE;
	take(api, sizeof(api) - 1, look_no_mounts);
	take(kept, sizeof(kept) - 1, look_no_mounts);
}

static void look_api_only(const struct config *c)
{
	assert_true(c->server.api_only);
	assert_int_equal(c->ntransports, 0);
	assert_int_equal(c->nmounts, 0);
}

static void test_no_transport(void **state)
{
	(void)state;
	static const char api[] = SERVER "api-socket = /run/api\napi-only = true\n";
	take(api, sizeof(api) - 1, look_api_only);
}

static void test_full(void **state)
{
	(void)state;
	take(full, sizeof(full) - 1, look_full);
	take(full, sizeof(full) - 1, look_fuse);
}

/* Longer than what libinih keeps of a section (49 bytes) and of a line by default (199 bytes). */
static void look_long(const struct config *c)
{
	assert_string_equal(c->mounts[0].name, X64);
	const char *source = *(const char *const *)options_settings(c->mounts[0].members[0].options);
	assert_int_equal(strlen(source), 4095);
	assert_int_equal(strspn(source, "/y"), 4095);
}

static void test_long(void **state)
{
	(void)state;
	char text[8192], source[4096];
	memset(source, 'y', sizeof(source));
	source[0] = '/';
	source[4095] = '\0';
	int len = snprintf(text, sizeof(text), SERVER TRANSPORT "[mount " X64 "]\nat = /\ntype = probe\nsource = %s\n",
			   source);
	take(text, (size_t)len, look_long);
}

static void test_line_limit(void **state)
{
	(void)state;
	struct plugin_registry *registry;
	struct graft_error err = { 0 };
	char text[10000];
	memset(text, ';', sizeof(text));
	memcpy(text, "[server]\n", 9);
	assert_null(config_read_text("t.ini", text, 9 + 8189, NULL, &registry, &err));
	assert_string_equal(err.text, "t.ini: section [transport vhost-user] or [transport fuse] is missing");
	assert_null(config_read_text("t.ini", text, 9 + 8190, NULL, &registry, &err));
	assert_string_equal(err.text, "t.ini:2: line longer than 8189 bytes");
}

static void test_nul(void **state)
{
	(void)state;
	static const char text[] = "[server]\nlog-level = in\0fo\n";
	struct plugin_registry *registry;
	struct graft_error err = { 0 };
	assert_null(config_read_text("t.ini", text, sizeof(text) - 1, NULL, &registry, &err));
	assert_string_equal(err.text, "t.ini:2: control character 0x00 at byte 15 of the line");
}

static void refuse_long(char *text, size_t size, const char *why)
{
	struct plugin_registry *registry;
	struct graft_error err = { 0 };
	assert_null(config_read_text("t.ini", text, size, NULL, &registry, &err));
	assert_string_equal(err.text, why);
	assert_null(registry);
	free(text);
}

static void test_too_many(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	for (int i = 0; i <= CONFIG_SECTIONS_MAX; i++)
		fprintf(to, "[mount m%d]\n", i);
	fclose(to);
	refuse_long(text, size, "t.ini:8193: more than 8192 sections");

	to = open_memstream(&text, &size);
	fputs(SERVER MOUNT, to);
	for (int i = 0; i <= CONFIG_TRANSPORTS_MAX; i++)
		fprintf(to, "[transport vhost-user %d]\nsocket = /run/%d\n", i, i);
	fclose(to);
	refuse_long(text, size, "t.ini:521: more than 256 transports");
}

/* 4096 mounts, and what stands behind them. */
static char *many_mounts(const char *tail, size_t *size)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, size);
	assert_non_null(to);
	fputs(SERVER TRANSPORT, to);
	for (int i = 0; i < 4096; i++)
		fprintf(to, "[mount m%d]\nat = /images/%d/root\ntype = probe\nsource = /srv\n", i, i);
	fputs(tail, to);
	fclose(to);
	return text;
}

static void look_many(const struct config *c)
{
	assert_int_equal(c->nmounts, 4096);
	assert_string_equal(c->mounts[0].at, "/images/0/root");
	assert_string_equal(c->mounts[4095].name, "m4095");
	assert_string_equal(c->mounts[4095].at, "/images/4095/root");
}

/* What stands twice is found among many, and the first place of it told. */
static void test_many_mounts(void **state)
{
	(void)state;
	size_t size = 0;
	char *text = many_mounts("", &size);
	take(text, size, look_many);
	free(text);
	text = many_mounts("[mount m1000]\n", &size);
	refuse_long(text, size, "t.ini:16391: section [mount m1000] stands twice; first at line 4007");
	text = many_mounts("[mount z]\nat = /images/1000/root\ntype = probe\nsource = /srv\n", &size);
	refuse_long(text, size, "t.ini:16392: at = /images/1000/root: [mount m1000] at t.ini:4007 is mounted there");
}

/* What cannot be told in advance is only looked for in parts: folders that exist depend on the build. */
static void test_no_plugin(void **state)
{
	(void)state;
	struct plugin_registry *registry;
	struct graft_error err = { 0 };
	assert_null(read_text(SERVER TRANSPORT "[mount web]\nat = /\ntype = prob\n", &registry, &err));
	assert_non_null(strstr(err.text, "t.ini:9: type: no plugin 'prob' in "));
	assert_non_null(strstr(err.text, TEST_PLUGIN_DIR "; did you mean 'probe'?"));
	assert_null(read_text(SERVER "plugins = none-such\n", &registry, &err));
	assert_non_null(strstr(err.text, "t.ini:5: plugins: no plugin 'none-such' in "));
	assert_null(registry);
}

static void test_files(void **state)
{
	(void)state;
	struct plugin_registry *registry;
	struct graft_error err = { 0 };
	char path[] = "/tmp/graftfs-test-XXXXXX", want[256];
	int fd = mkstemp(path);
	assert_true(fd >= 0);

	assert_int_equal(write(fd, full, sizeof(full) - 1), sizeof(full) - 1);
	struct config *c = config_read_ini(path, NULL, &registry, &err);
	assert_non_null(c);
	snprintf(want, sizeof(want), "%s:1", path);
	assert_string_equal(c->server.where, want);
	config_free(c);
	plugin_registry_free(registry);

	assert_int_equal(ftruncate(fd, CONFIG_FILE_MAX + 1), 0);
	assert_null(config_read_ini(path, NULL, &registry, &err));
	snprintf(want, sizeof(want), "%s: larger than 8 MiB, so not a configuration", path);
	assert_string_equal(err.text, want);
	assert_int_equal(ftruncate(fd, CONFIG_FILE_MAX), 0);
	assert_null(config_read_ini(path, NULL, &registry, &err));
	assert_non_null(strstr(err.text, ": line longer than 8189 bytes"));

	close(fd);
	unlink(path);
	assert_null(config_read_ini(path, NULL, &registry, &err));
	snprintf(want, sizeof(want), "%s: cannot open the configuration: No such file or directory", path);
	assert_string_equal(err.text, want);
	assert_null(config_read_ini("/", NULL, &registry, &err));
	assert_string_equal(err.text, "/: cannot read the configuration: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_lines),     cmocka_unit_test(test_bad_sections),
		cmocka_unit_test(test_bad_server),    cmocka_unit_test(test_bad_transport),
		cmocka_unit_test(test_bad_mount),     cmocka_unit_test(test_least),
		cmocka_unit_test(test_full),          cmocka_unit_test(test_long),
		cmocka_unit_test(test_line_limit),    cmocka_unit_test(test_nul),
		cmocka_unit_test(test_too_many),      cmocka_unit_test(test_many_mounts),
		cmocka_unit_test(test_no_mounts),     cmocka_unit_test(test_bad_fuse),
		cmocka_unit_test(test_no_transport),
		cmocka_unit_test(test_no_plugin),
		cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
