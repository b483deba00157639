/* SPDX-License-Identifier: Apache-2.0 */
/* The control module as the daemon loads it, with its own manager and state folder. */
#include "control_rig.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MOUNTS "/api/graft/v1/mounts"

struct module_rig {
	struct rig rig; /* first: it is what the calls take */
	char state_dir[100];
	void *handle;
};

static int setup(void **state)
{
	struct module_rig *m = calloc(1, sizeof(*m));

	rig_prepare(&m->rig);
	m->handle = dlopen(CONTROL_MODULE, RTLD_NOW | RTLD_LOCAL);
	if (!m->handle)
		fail_msg("%s", dlerror());
	m->rig.module = dlsym(m->handle, CONTROL_SYMBOL);
	assert_non_null(m->rig.module);
	assert_ptr_not_equal(m->rig.module, &graft_control_v1);
	assert_int_equal(m->rig.module->version, CONTROL_VERSION);
	snprintf(m->state_dir, sizeof(m->state_dir), "%s/state", m->rig.dir);
	fake_config()->server.state_dir = m->state_dir;
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct module_rig *m = *state;
	char command[200];

	rig_stop(&m->rig);
	fake_config()->server.state_dir = NULL;
	snprintf(command, sizeof(command), "rm -rf '%s'", m->state_dir);
	assert_int_equal(system(command), 0);
	dlclose(m->handle);
	return rig_teardown(state);
}

/* What was mounted at run time is there again after a restart, and what was umounted is not. */
static void mounts_outlive_the_daemon(void **state)
{
	struct rig *r = *state;

	rig_start(r);
	expect(call(r, "POST", "/api/v1/mount?mountpoint=/a",
		    "{\"fs_type\":\"memory\",\"source\":\"/"
		    "s\",\"config\":{\"cache\":\"x\",\"idmap.uid\":[\"1\",\"2\"]}}"),
	       204, NULL);
	expect(call(r, "POST", "/api/v1/mount?mountpoint=/b",
		    "{\"fs_type\":\"memory\",\"source\":\"/s\",\"config\":\"\"}"),
	       204, NULL);
	expect(call(r, "DELETE", "/api/v1/mount?mountpoint=/b", NULL), 204, NULL);
	rig_stop(r);
	fake_reset();
	rig_start(r);
	assert_int_equal(fake_nmounts(), 1);
	assert_string_equal(fake_key("/a", "cache", 0), "x");
	assert_string_equal(fake_key("/a", "idmap.uid", 1), "2");
	expect_error(call(r, "POST", MOUNTS "?at=/a", "{\"type\":\"memory\"}"), 409, "EEXIST", "/a");
}

static void failed_mounts_are_shown_and_retried(void **state)
{
	struct rig *r = *state;
	struct reply *reply;

	rig_start(r);
	reply_free(call(r, "POST", MOUNTS "?at=/a", "{\"type\":\"memory\",\"name\":\"a\"}"));
	rig_stop(r);
	fake_reset();
	fake_break("/a");
	rig_start(r);
	reply = call(r, "GET", MOUNTS "?at=/a", NULL);
	assert_string_equal(json_string_value(json_object_get(reply->json, "state")), "failed");
	assert_non_null(strstr(json_string_value(json_object_get(reply->json, "why")), "broken"));
	reply_free(reply);
	expect_error(call(r, "POST", MOUNTS "/retry?at=/none", NULL), 404, "ENOENT", "/none");
	fake_break(NULL);
	expect(call(r, "POST", MOUNTS "/retry?at=/a", NULL), 204, NULL);
	assert_non_null(fake_key("/a", "type", 0));
	expect_error(call(r, "POST", MOUNTS "/retry", NULL), 404, "ENOENT", "");
}

static void a_second_daemon_is_told_the_pid(void **state)
{
	struct rig *r = *state;
	int status, go[2];
	char byte;

	/* Forked before there are threads: a sanitizer's allocator could be locked in the child for good. */
	assert_int_equal(pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct graft_error err = { 0 };
		struct control *second;
		char number[32];

		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(2);
		snprintf(number, sizeof(number), "%d", getppid());
		_exit(r->module->open(fake_host(), &second, &err) < 0 && strstr(err.text, number) ? 0 : 1);
	}
	close(go[0]);
	rig_start(r);
	assert_int_equal(write(go[1], "", 1), 1);
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect(call(r, "GET", MOUNTS, NULL), 200, "[]");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(mounts_outlive_the_daemon),
		T(failed_mounts_are_shown_and_retried),
		T(a_second_daemon_is_told_the_pid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
