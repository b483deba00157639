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
	char copy[512], *argv[ARGS_MAX + 1] = { NULL }, *save = NULL;
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
		{ "-c a --dump-config --check-config",
		  "graftfsd: --check-config and --dump-config exclude each other\n" },
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
		assert_string_equal(o->out, "graftfsd " GRAFT_VERSION ", plugin ABI 1.0\n");
		assert_string_equal(o->err, "");
	}
	static const char *const helps[] = { "--help", "-h" };
	for (size_t i = 0; i < 2; i++) {
		run(helps[i], o);
		assert_int_equal(o->status, 0);
		assert_string_equal(o->err, "");
		static const char *const parts[] = {
			"usage: graftfsd --config FILE", "--check-config", "--dump-config", "--version", "--help",
			"[mount share]", "graftfs.ini(5)", "  queues = NUMBER from 1 to 64   (default 1)\n",
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
