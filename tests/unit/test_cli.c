/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/cli: each option, each wrong use with its line on stderr, and the two modes that only look. */
#include "server/cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 8

struct outcome {
	int status;
	struct cli cli;
	struct config *config;
	struct plugin_registry *registry;
	char out[32768], err[4096];
};

static void read_back(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);
	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
}

/* Runs the command line (words of line, split at blanks) with stdout and stderr in memory. */
static void run(const char *line, struct outcome *o)
{
	char copy[768], *argv[ARGS_MAX + 1] = { NULL }, *save = NULL;
	int argc = 0, out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	int saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);

	snprintf(copy, sizeof(copy), "graftfsd %s", line);
	for (char *w = strtok_r(copy, " ", &save); w && argc < ARGS_MAX; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	memset(o, 0, sizeof(*o));
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	o->status = cli_parse(argc, argv, &o->cli);
	if (o->status == CLI_GO_ON)
		o->status = cli_config(&o->cli, &o->config, &o->registry);
	fflush(stdout);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	read_back(out, o->out, sizeof(o->out));
	read_back(err, o->err, sizeof(o->err));
}

static void test_usage(void **state)
{
	(void)state;
	static const struct {
		const char *line, *err;
	} rows[] = {
		{ "", "graftfsd: no configuration; give --config FILE (see graftfsd --help)\n" },
		{ "--check-config", "graftfsd: no configuration; give --config FILE (see graftfsd --help)\n" },
		{ "--config=", "graftfsd: no configuration; give --config FILE (see graftfsd --help)\n" },
		{ "--config", "graftfsd: no value behind '--config'; see graftfsd --help\n" },
		{ "-c", "graftfsd: no value behind '-c'; see graftfsd --help\n" },
		{ "-c a -c b", "graftfsd: a second configuration 'b'; see graftfsd --help\n" },
		{ "a.ini", "graftfsd: needless argument 'a.ini'; see graftfsd --help\n" },
		{ "-c a.ini b.ini", "graftfsd: needless argument 'b.ini'; see graftfsd --help\n" },
		{ "--confg=a.ini", "graftfsd: unknown option '--confg'; did you mean '--config'?\n" },
		{ "--chekc-config", "graftfsd: unknown option '--chekc-config'; did you mean '--check-config'?\n" },
		{ "--socket-path=x", "graftfsd: unknown option '--socket-path'; see graftfsd --help\n" },
		{ "-x", "graftfsd: unknown option '-x'; see graftfsd --help\n" },
		{ "--version=2", "graftfsd: this option takes no value: '--version=2'; see graftfsd --help\n" },
		{ "-c a --mountpoint", "graftfsd: no value behind '--mountpoint'; see graftfsd --help\n" },
		{ "-c a --mountpoint=", "graftfsd: no directory behind '--mountpoint'; see graftfsd --help\n" },
		{ "-c a --mountpoint=/a --mountpoint=/b",
		  "graftfsd: a second mount point '/b'; see graftfsd --help\n" },
		{ "-c a --mountpoint /mnt/../x",
		  "graftfsd: write --mountpoint without '..' parts: '/mnt/../x'; see graftfsd --help\n" },
		{ "-c a --mountpint=/mnt", "graftfsd: unknown option '--mountpint'; did you mean '--mountpoint'?\n" },
		{ "--mountpoint /mnt", "graftfsd: no configuration; give --config FILE (see graftfsd --help)\n" },
		{ "-c a --dump-config --check-config",
		  "graftfsd: --check-config and --dump-config exclude each other\n" },
		{ "--dump-plugin", "graftfsd: no value behind '--dump-plugin'; see graftfsd --help\n" },
		{ "--dump-plugin=", "graftfsd: --dump-plugin stands alone, with a name: ''; see graftfsd --help\n" },
		{ "-c a --dump-plugin x",
		  "graftfsd: --dump-plugin stands alone, with a name: 'x'; see graftfsd --help\n" },
		{ "-c /nonexistent/a.ini",
		  "graftfsd: /nonexistent/a.ini: cannot open the configuration: No such file or directory\n" },
	};
	struct outcome *o = malloc(sizeof(*o));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run(rows[i].line, o);
		assert_string_equal(o->err, rows[i].err);
		assert_string_equal(o->out, "");
		assert_int_equal(o->status, 2);
	}
	free(o);
}

static void test_version_and_help(void **state)
{
	(void)state;
	struct outcome *o = malloc(sizeof(*o));
	static const char *const versions[] = { "--version", "-V", "-c x --version" };
	for (size_t i = 0; i < 3; i++) {
		run(versions[i], o);
		assert_int_equal(o->status, 0);
		assert_string_equal(o->out, "graftfsd " GRAFT_VERSION ", plugin ABI 1.1\n");
		assert_string_equal(o->err, "");
	}
	static const char *const helps[] = { "--help", "-h" };
	for (size_t i = 0; i < 2; i++) {
		run(helps[i], o);
		assert_int_equal(o->status, 0);
		assert_string_equal(o->err, "");
		static const char *const parts[] = {
			"usage: graftfsd --config FILE", "--check-config", "--dump-config", "--version", "--help",
			"[mount share]", "[mount photos]", "  api-socket = /run/graftfs.api", "graftctl(1)",
			"--mountpoint DIR", "  mountpoint = /mnt/share\n", "  mountpoint = /PATH   (required)\n",
			"  state-dir = /PATH\n", "  log-file = /PATH\n", "graftfs.ini(5)",
			"  queues = NUMBER from 1 to 64   (default 1)\n",
			"  sandbox = namespace|chroot|none", "  type = TEXT   (required)\n",
		};
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
			if (!strstr(o->out, parts[k]))
				fail_msg("not in the help: %s", parts[k]);
	}
	free(o);
}

static const char text[] =
	"[server]\nsandbox = none\nseccomp = none\nplugin-dir = " TEST_PLUGIN_DIR "\n"
	"[transport vhost-user]\nsocket = /run/x.sock\n[mount web]\nat = /\ntype = probe\nsource = /srv\n";

/* The rest of a file for each test; the caller unlinks path, a mkstemp template. */
static void write_file(char *path, const char *rest)
{
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(write(fd, rest, strlen(rest)), strlen(rest));
	close(fd);
}

/* What --dump-config prints of [transport fuse ...] with an argument of --mountpoint. */
static void dump_with(const char *rest, const char *mountpoint, const char *want)
{
	char path[] = "/tmp/graftfs-test-XXXXXX", line[512];
	struct outcome *o = malloc(sizeof(*o));
	assert_non_null(o);
	write_file(path, rest);
	snprintf(line, sizeof(line), "-c %s --dump-config --mountpoint %s", path, mountpoint);
	run(line, o);
	unlink(path);
	assert_string_equal(o->err, "");
	assert_int_equal(o->status, 0);
	if (!strstr(o->out, want))
		fail_msg("not in the dump: %s\n%s", want, o->out);
	char *first = strstr(o->out, "\n[transport fuse");
	assert_non_null(first);
	assert_null(strstr(first + 2, "[transport fuse"));
	free(o);
}

static void test_mountpoint(void **state)
{
	(void)state;
	char want[512];
	dump_with("", "/mnt/a", "\n[transport fuse]\nmountpoint = /mnt/a\nthreads = auto\n");
	dump_with("", "//mnt/./a/", "\n[transport fuse]\nmountpoint = /mnt/a\nthreads = auto\n");
	dump_with("", "/", "\n[transport fuse]\nmountpoint = /\nthreads = auto\n");
	dump_with("[transport fuse]\nthreads = 3\n", "/mnt/a",
		  "\n[transport fuse]\nmountpoint = /mnt/a\nthreads = 3\n");
	dump_with("[transport fuse x]\nmountpoint = /gone\n", "/mnt/a", "\n[transport fuse x]\nmountpoint = /mnt/a\n");
	/* Not even a wrong one of the file matters. */
	dump_with("[transport fuse]\nmountpoint = gone\nmountpoint = /x\n", "/b",
		  "\n[transport fuse]\nmountpoint = /b\n");

	char cwd[] = "/tmp/graftfs-test-XXXXXX";
	int old = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(old >= 0);
	assert_non_null(mkdtemp(cwd));
	assert_int_equal(chdir(cwd), 0);
	snprintf(want, sizeof(want), "\n[transport fuse]\nmountpoint = %s/a/b\n", cwd);
	dump_with("", "./a//b/.", want);
	snprintf(want, sizeof(want), "\n[transport fuse]\nmountpoint = %s\n", cwd);
	dump_with("", ".", want);

	/* No working directory is no reason to refuse an absolute path. */
	struct outcome *o = malloc(sizeof(*o));
	assert_non_null(o);
	assert_int_equal(rmdir(cwd), 0);
	run("-c x --mountpoint a", o);
	assert_int_equal(o->status, 2);
	assert_string_equal(o->err, "graftfsd: --mountpoint a: no working directory: No such file or directory\n");
	dump_with("", "/mnt", "mountpoint = /mnt\n");
	assert_int_equal(fchdir(old), 0);
	close(old);
	free(o);
}

static void test_mountpoint_length(void **state)
{
	(void)state;
	struct cli cli;
	char dir[PATH_MAX + 1], *argv[] = { "graftfsd", "-c", "x", "--mountpoint", dir, NULL };
	memset(dir, 'a', sizeof(dir));
	dir[0] = '/';
	dir[PATH_MAX - 1] = '\0';
	assert_int_equal(cli_parse(5, argv, &cli), CLI_GO_ON);
	assert_string_equal(cli.mountpoint, dir);
	dir[PATH_MAX - 1] = 'a';
	dir[PATH_MAX] = '\0';
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, STDERR_FILENO);
	int status = cli_parse(5, argv, &cli);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	assert_int_equal(status, 2);
}

static void test_mountpoint_refused(void **state)
{
	(void)state;
	char path[] = "/tmp/graftfs-test-XXXXXX", line[128], want[256];
	struct outcome *o = malloc(sizeof(*o));
	assert_non_null(o);
	write_file(path, "[transport fuse]\nmountpoint = /a\n[transport fuse b]\nmountpoint = /b\n");
	snprintf(line, sizeof(line), "-c %s --check-config --mountpoint /c", path);
	run(line, o);
	unlink(path);
	snprintf(want, sizeof(want), "graftfsd: %s: --mountpoint: the file has several [transport fuse] sections\n",
		 path);
	assert_int_equal(o->status, 2);
	assert_string_equal(o->err, want);
	assert_null(o->registry);
	free(o);
}

static void test_modes(void **state)
{
	(void)state;
	char path[] = "/tmp/graftfs-test-XXXXXX", line[128], want[128];
	struct outcome *o = malloc(sizeof(*o));
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);

	snprintf(line, sizeof(line), "--check-config -c %s", path);
	run(line, o);
	snprintf(want, sizeof(want), "%s: ok\n", path);
	assert_int_equal(o->status, 0);
	assert_string_equal(o->out, want);
	assert_null(o->config);
	assert_null(o->registry);

	snprintf(line, sizeof(line), "--config=%s --dump-config", path);
	run(line, o);
	assert_int_equal(o->status, 0);
	assert_string_equal(o->err, "");
	assert_memory_equal(o->out, "[server]\ninstance = graftfs\n", 28);
	assert_non_null(strstr(o->out, "\n[mount web]\nat = /\ntype = probe\nsource = /srv\n"));
	assert_null(o->config);

	snprintf(line, sizeof(line), "-c %s", path);
	run(line, o);
	assert_int_equal(o->status, CLI_GO_ON);
	assert_int_equal(o->cli.mode, CLI_SERVE);
	assert_string_equal(o->out, "");
	assert_non_null(o->config);
	assert_non_null(o->registry);
	config_free(o->config);
	plugin_registry_free(o->registry);
	unlink(path);
	free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_version_and_help),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_mountpoint),
		cmocka_unit_test(test_mountpoint_length),
		cmocka_unit_test(test_mountpoint_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
