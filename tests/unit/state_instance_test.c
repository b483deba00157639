/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the instance's folder and lock: modes, owners, refusals, who holds it, races of two starts. */
#include "server/control/instance.h"

#include "lib/cleanup.h"
#include "tests/unit/state_fake.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RACES 200

static unsigned mode_of(const char *dir, const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/web1%s", dir, name);
	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

static void test_modes(void **state)
{
	const mode_t masks[] = { 0, 022, 0777 };
	struct fake *f = *state;
	struct graft_error err;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct instance instance;
		char dir[200];

		snprintf(dir, sizeof(dir), "%s/mask%zu", f->base, i);
		assert_int_equal(mkdir(dir, 0755), 0);
		mode_t before = umask(masks[i]);
		int res = instance_open(&instance, dir, "web1", &err);
		umask(before);
		assert_int_equal(res, 0);
		assert_int_equal(mode_of(dir, ""), 0700);
		assert_int_equal(mode_of(dir, "/lock"), 0600);
		instance_close(&instance);
		assert_int_equal(mode_of(dir, "/lock"), 0600);
	}
}

static void test_makes_one_level(void **state)
{
	struct fake *f = *state;
	struct instance instance;
	struct graft_error err;
	char deep[200];

	snprintf(deep, sizeof(deep), "%s/a/b", f->base);
	assert_int_equal(instance_open(&instance, deep, "web1", &err), -ENOENT);
	assert_non_null(strstr(err.text, deep));
	assert_int_equal(instance_open(&instance, f->state_dir, "web1", &err), 0);
	instance_close(&instance);
}

static void test_takes_rights_back(void **state)
{
	struct fake *f = *state;
	struct instance instance;
	struct graft_error err;

	fake_write(f, "lock", "", 0);
	char path[256];
	snprintf(path, sizeof(path), "%s/web1", f->state_dir);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(instance_open(&instance, f->state_dir, "web1", &err), 0);
	assert_int_equal(mode_of(f->state_dir, ""), 0700);
	assert_int_equal(mode_of(f->state_dir, "/lock"), 0600);
	instance_close(&instance);
}

static void test_refuses_folders(void **state)
{
	struct fake *f = *state;
	struct instance instance;
	struct graft_error err;
	char path[256], other[256];

	assert_int_equal(mkdir(f->state_dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/web1", f->state_dir);
	snprintf(other, sizeof(other), "%s/other", f->base);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(instance_open(&instance, f->state_dir, "web1", &err), -ENOTDIR);
	assert_non_null(strstr(err.text, path));
	unlink(path);

	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(instance_open(&instance, f->state_dir, "web1", &err), -ENOTDIR);
	unlink(path);

	const mode_t open_modes[] = { 0770, 0707, 01777, 0720 };
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		assert_int_equal(chmod(path, open_modes[i]), 0);
		assert_int_equal(instance_open(&instance, f->state_dir, "web1", &err), -EPERM);
		assert_int_equal(mode_of(f->state_dir, ""), open_modes[i]);
	}
	assert_int_equal(chmod(path, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_int_equal(instance_open(&instance, f->state_dir, "web1", &err), -EPERM);
		assert_non_null(strstr(err.text, "12345"));
		assert_int_equal(mode_of(f->state_dir, "/lock"), 0);
	}
}

static void test_refuses_locks(void **state)
{
	struct fake *f = *state;
	struct instance instance;
	struct graft_error err;
	char path[300], other[256];

	fake_write(f, "kept", "bytes", 5);
	snprintf(path, sizeof(path), "%s/web1/lock", f->state_dir);
	snprintf(other, sizeof(other), "%s/web1/kept", f->state_dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(instance_open(&instance, f->state_dir, "web1", &err) < 0);
	unlink(path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(instance_open(&instance, f->state_dir, "web1", &err), -ELOOP);
	size_t len;
	auto_free char *kept = fake_read(f, "kept", &len);
	assert_string_equal(kept, "bytes");
}

static void test_start_time(void **state)
{
	uint64_t self = 0, child = 0;

	(void)state;
	assert_int_equal(instance_start_time(getpid(), &self), 0);
	assert_true(self > 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, ") 1 2 (3)"); /* a name that looks like fields */
		pause();
		_exit(0);
	}
	usleep(20000);
	assert_int_equal(instance_start_time(pid, &child), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(child >= self && child < self + 100000);
	assert_int_equal(instance_start_time(pid, &child), -ESRCH);
}

/*
 * A child that takes the lock and says how that went: w it has it, b it is busy, x anything else; its pid; the error.
 */
static pid_t contender(struct fake *f, const int gate[2], int answers)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	struct instance instance;
	struct graft_error err;
	char byte;
	close(gate[1]);
	if (read(gate[0], &byte, 1) != 0) /* both begin when nobody can write any more */
		_exit(1);
	int res = instance_open(&instance, f->state_dir, "web1", &err);
	char text[ERROR_TEXT_MAX + 32];
	int len = snprintf(text, sizeof(text), "%c %d %s\n", !res ? 'w' : res == -EBUSY ? 'b' : 'x', (int)getpid(),
			   res ? err.text : "");
	if (write(answers, text, (size_t)len) != len)
		_exit(1);
	pause();
	_exit(0);
}

static void race(struct fake *f)
{
	int gate[2], answers[2];
	pid_t pids[2];

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		pids[i] = contender(f, gate, answers[1]);
		assert_true(pids[i] > 0);
	}
	close(gate[0]);
	close(gate[1]);
	close(answers[1]);
	auto_fclose FILE *from = fdopen(answers[0], "re");
	int winners = 0, winner = 0, named = -1;
	for (int i = 0; i < 2; i++) {
		char line[ERROR_TEXT_MAX + 32];
		assert_non_null(fgets(line, sizeof(line), from));
		assert_true(line[0] == 'w' || line[0] == 'b');
		if (line[0] == 'w') {
			winners++;
			winner = atoi(line + 2);
		} else {
			const char *at = strstr(line, "as pid ");
			assert_non_null(at);
			named = atoi(at + 7);
		}
	}
	assert_int_equal(winners, 1);
	assert_int_equal(named, winner);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

static void test_races(void **state)
{
	/* In the later ones the file holds the pid of a holder that was killed. */
	for (int i = 0; i < RACES; i++)
		race(*state);
}

static void test_close_lets_go(void **state)
{
	struct fake *f = *state;
	struct instance a, b;
	struct graft_error err;
	size_t len;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(instance_open(&a, f->state_dir, "web1", &err), 0);
		auto_free char *text = fake_read(f, "lock", &len);
		assert_int_equal(atoi(text), getpid());
		assert_int_equal(instance_open(&b, f->state_dir, "web1", &err), -EBUSY);
		assert_int_equal(instance_open(&b, f->state_dir, "web2", &err), 0);
		instance_close(&b);
		instance_close(&a);
		auto_free char *empty = fake_read(f, "lock", &len);
		assert_non_null(empty);
		assert_int_equal(len, 0);
	}
}

/*
 * Whoever removes the lock while it is used opens the way for a second daemon only on a new file, never on a lost
 * one.
 */
static void test_removed_lock(void **state)
{
	struct fake *f = *state;
	struct instance a, b;
	struct graft_error err;
	char path[300];

	assert_int_equal(instance_open(&a, f->state_dir, "web1", &err), 0);
	instance_close(&a);
	snprintf(path, sizeof(path), "%s/web1/lock", f->state_dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(instance_open(&a, f->state_dir, "web1", &err), 0);
	assert_int_equal(instance_open(&b, f->state_dir, "web1", &err), -EBUSY);
	instance_close(&a);
}

/* A child that was forked while the lock was held does not hold it on. */
static void test_child_has_copy(void **state)
{
	struct fake *f = *state;
	struct instance a;
	struct graft_error err;

	assert_int_equal(instance_open(&a, f->state_dir, "web1", &err), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	instance_close(&a);
	assert_int_equal(instance_open(&a, f->state_dir, "web1", &err), 0);
	instance_close(&a);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_modes, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_makes_one_level, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_takes_rights_back, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_refuses_folders, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_refuses_locks, fake_setup, fake_teardown),
		cmocka_unit_test(test_start_time),
		cmocka_unit_test_setup_teardown(test_races, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_close_lets_go, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_removed_lock, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_child_has_copy, fake_setup, fake_teardown),
	};
	return cmocka_run_group_tests_name("state_instance", tests, NULL, NULL);
}
