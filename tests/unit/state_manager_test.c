/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of mounts at run time: what the server, the file and a restart say, whatever fails. */
#include "tests/unit/state_fake.h"

#include "lib/cleanup.h"
#include "lib/thread.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static const char no_mounts[] = "{\"version\": 1, \"mounts\": []}";

static char *mounts_text(const struct fake *f)
{
	size_t len;

	return fake_read(f, STORE_MOUNTS, &len);
}

/* True if the file says this source for this path; source NULL: nothing of the path. */
static bool kept(const struct fake *f, const char *at, const char *source)
{
	char path[64], key[128];
	auto_free char *text = mounts_text(f);

	snprintf(path, sizeof(path), "\"at\":\"%s\",", at);
	const char *line = text ? strstr(text, path) : NULL;
	if (!source || !line)
		return !source && !line;
	const char *end = strchr(line, '\n');
	snprintf(key, sizeof(key), "[\"source\",\"%s\"]", source);
	const char *found = strstr(line, key);
	return found && found < end;
}

static void assert_source(struct fake *f, const char *at, const char *source)
{
	const char *is = fake_source(f, at);

	if (!source) {
		assert_null(is);
		return;
	}
	assert_non_null(is);
	assert_string_equal(is, source);
}

/* Ends the manager as an orderly end does, and begins anew with an empty server. */
static struct manager *restart(struct fake *f, struct manager *m)
{
	manager_free(m);
	fake_restart(f);
	return fake_manager(f);
}

static void test_life(void **state)
{
	struct fake *f = *state;
	struct graft_error err;
	size_t len;

	struct manager *m = fake_manager(f);
	assert_null(mounts_text(f));
	assert_int_equal(manager_started(m, &err), 0);
	auto_free char *config = fake_read(f, STORE_CONFIG, &len);
	assert_string_equal(config, "[server]\ninstance = web1\n");
	auto_free char *running = fake_read(f, STORE_STATE, &len);
	assert_non_null(running);
	assert_null(manager_new(&f->host, &err));
	assert_int_equal(err.code, EBUSY);
	char pid[32];
	snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
	assert_non_null(strstr(err.text, pid));

	assert_int_equal(fake_mount(m, "/b", "/srv/b", &err), 0);
	assert_int_equal(fake_mount(m, "/a", "/srv/a", &err), 0);
	assert_true(kept(f, "/a", "/srv/a") && kept(f, "/b", "/srv/b"));
	auto_free char *before = mounts_text(f);
	m = restart(f, m);
	auto_free char *gone = fake_read(f, STORE_STATE, &len);
	assert_null(gone);
	assert_source(f, "/b", "/srv/b");
	assert_string_equal(f->mounts[2]->name, "b"); /* the name stays, too */
	assert_string_equal(record_at(f->mounts[3]), "/a");
	auto_free char *after = mounts_text(f);
	assert_string_equal(before, after);

	assert_int_equal(manager_umount(m, "/b", false, &err), 0);
	assert_int_equal(manager_umount(m, "/b", false, &err), -ENOENT);
	assert_true(kept(f, "/b", NULL) && kept(f, "/a", "/srv/a"));
	m = restart(f, m);
	assert_source(f, "/b", NULL);
	assert_int_equal(fake_remount(m, "/a", "/srv/new", &err), 0);
	assert_string_equal(f->mounts[2]->name, "a");
	m = restart(f, m);
	assert_source(f, "/a", "/srv/new");
	assert_int_equal(f->errors, 0);
	manager_free(m);
}

static void test_without_folder(void **state)
{
	struct fake *f = *state;
	struct graft_error err;

	f->config.server.state_dir = NULL;
	struct manager *m = fake_manager(f);
	assert_int_equal(manager_started(m, &err), 0);
	assert_int_equal(fake_mount(m, "/a", "/srv/a", &err), 0);
	assert_int_equal(fake_mount(m, "/a", "/srv/a", &err), -EEXIST);
	assert_int_equal(fake_remount(m, "/a", "/srv/b", &err), 0);
	assert_source(f, "/a", "/srv/b");
	assert_int_equal(fake_remount(m, "/none", "/srv/b", &err), -ENOENT);
	assert_int_equal(manager_umount(m, "/a", true, &err), 0);
	assert_int_equal(manager_retry(m, NULL, &err), -ENOENT);
	manager_free(m);
	assert_int_equal(access(f->state_dir, F_OK), -1);
}

static void test_refusals(void **state)
{
	const struct mount_key no_at[] = { { "type", "probe" } };
	const struct mount_key two_at[] = { { "at", "/a" }, { "type", "probe" }, { "at", "/b" } };
	struct mount_spec spec = { .keys = no_at, .nkeys = 1, .where = "test" };
	struct fake *f = *state;
	struct graft_error err;

	struct manager *m = fake_manager(f);
	assert_int_equal(manager_mount(m, &spec, &err), -EINVAL);
	assert_int_equal(manager_remount(m, &spec, &err), -EINVAL);
	spec = (struct mount_spec){ .keys = two_at, .nkeys = 3, .where = "test" };
	assert_int_equal(manager_mount(m, &spec, &err), -EINVAL);
	assert_int_equal(fake_mount(m, "/a", FAKE_BROKEN, &err), -ENOENT);
	assert_non_null(strstr(err.text, FAKE_BROKEN));
	assert_int_equal(fake_mount(m, "/", "/x", &err), -EEXIST);
	assert_int_equal(fake_mount(m, "/a", "/caf\xe9", &err), -EILSEQ);
	assert_int_equal(fake_remount(m, "/a", "/x", &err), -ENOENT);
	assert_int_equal(f->changes, 0);
	assert_null(mounts_text(f));
	manager_free(m);
}

static const char *name_at(struct fake *f, const char *at)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(record_at(f->mounts[i]), at) == 0)
			return f->mounts[i]->name;
	return "";
}

static void test_names(void **state)
{
	static const char *const expected[][2] = {
		{ "/images/app", "images-app" },
		{ "/images-app", "images-app-2" },
		{ "/images/app-2", "images-app-2-3" },
		{ "/root", "root-4" }, /* [mount root] is in the configuration */
		{ "/.x/\xc3\xa9", "x---" },
		{ "/---", "mount" },
		{ "/0123456789012345678901234567890123456789012345678901234567890123456789",
		  "0123456789012345678901234567890123456789" },
	};
	const struct mount_key keys[] = { { "at", "/own" }, { "type", "probe" } };
	struct mount_spec spec = { .name = "images-app", .keys = keys, .nkeys = 2, .where = "test" };
	struct fake *f = *state;
	struct graft_error err;

	struct manager *m = fake_manager(f);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(fake_mount(m, expected[i][0], "/srv", &err), 0);
		assert_string_equal(name_at(f, expected[i][0]), expected[i][1]);
	}
	assert_int_equal(manager_mount(m, &spec, &err), -EEXIST);
	assert_non_null(strstr(err.text, "images-app"));
	spec.name = "ini";
	assert_int_equal(manager_mount(m, &spec, &err), -EEXIST);
	spec.name = "own.1";
	assert_int_equal(manager_mount(m, &spec, &err), 0);
	spec.name = "mount";
	assert_int_equal(manager_remount(m, &spec, &err), -EEXIST);
	spec.name = NULL;
	assert_int_equal(manager_remount(m, &spec, &err), 0);
	assert_string_equal(name_at(f, "/own"), "own.1");
	spec.name = "own.2";
	assert_int_equal(manager_remount(m, &spec, &err), 0);
	m = restart(f, m);
	assert_string_equal(name_at(f, "/own"), "own.2");
	assert_string_equal(name_at(f, "/images-app"), "images-app-2");
	/* Names of an earlier life are not given again. */
	assert_int_equal(fake_mount(m, "/images_app", "/srv", &err), 0);
	assert_int_equal(fake_mount(m, "/images/-app", "/srv", &err), 0);
	assert_string_equal(name_at(f, "/images/-app"), "images--app");
	assert_int_equal(manager_umount(m, "/images/app", false, &err), 0);
	assert_int_equal(fake_mount(m, "/images/app", "/srv", &err), 0);
	assert_string_equal(name_at(f, "/images/app"), "images-app");
	manager_free(m);
}

static void test_umount_refused(void **state)
{
	struct fake *f = *state;
	struct graft_error err;

	struct manager *m = fake_manager(f);
	for (int i = 0; i < 3; i++) {
		char at[8];
		snprintf(at, sizeof(at), "/%d", i);
		assert_int_equal(fake_mount(m, at, "/srv", &err), 0);
	}
	auto_free char *before = mounts_text(f);
	f->busy = true;
	assert_int_equal(manager_umount(m, "/1", true, &err), -EBUSY);
	assert_string_equal(err.text, "3 nodes, 1 handle");
	f->umount_result = -EIO;
	assert_int_equal(manager_umount(m, "/1", false, &err), -EIO);
	auto_free char *after = mounts_text(f);
	assert_string_equal(before, after); /* the same order, too */

	/* The file could be written without the mount, then not any more: the next change writes it again. */
	unsigned at = 1;
	for (; at < 1000; at++) {
		f->errors = 0;
		fault_at(at, ENOSPC, true);
		int res = manager_umount(m, "/1", false, &err);
		bool happened = fault_happened();
		fault_at(0, 0, false);
		assert_source(f, "/1", "/srv");
		assert_true(res == -ENOSPC || res == -EIO);
		if (!happened)
			break;
		if (res == -ENOSPC)
			assert_true(kept(f, "/1", "/srv") || kept(f, "/1", NULL));
		else
			assert_true(f->errors == 1 || kept(f, "/1", "/srv"));
		if (at % 2)
			assert_int_equal(fake_mount(m, "/more", "/srv", &err), 0);
		else if (fake_source(f, "/more"))
			f->umount_result = 0, assert_int_equal(manager_umount(m, "/more", false, &err), 0);
		f->umount_result = -EIO;
	}
	assert_true(at > 16);
	f->umount_result = 0;
	if (fake_source(f, "/more"))
		assert_int_equal(manager_umount(m, "/more", false, &err), 0);
	else
		assert_int_equal(fake_mount(m, "/more", "/srv", &err), 0);
	assert_true(kept(f, "/1", "/srv"));
	manager_free(m);
}

/* Even where no other change comes, the end writes what is missing. */
static void test_behind_at_end(void **state)
{
	struct fake *f = *state;
	struct graft_error err;
	bool behind = false;

	struct manager *m = fake_manager(f);
	assert_int_equal(fake_mount(m, "/a", "/srv", &err), 0);
	f->umount_result = -EIO;
	for (unsigned at = 1; !behind && at < 1000; at++) {
		fault_at(at, EIO, true);
		manager_umount(m, "/a", false, &err);
		fault_at(0, 0, false);
		behind = kept(f, "/a", NULL);
	}
	assert_true(behind);
	manager_free(m);
	assert_true(kept(f, "/a", "/srv"));
}

enum change { CHANGE_MOUNT, CHANGE_REMOUNT, CHANGE_REMOUNT_INI, CHANGE_UMOUNT, CHANGES };

static int do_change(struct manager *m, enum change what, struct graft_error *err)
{
	switch (what) {
	case CHANGE_MOUNT:
		return fake_mount(m, "/new", "/srv/after", err);
	case CHANGE_REMOUNT:
		return fake_remount(m, "/old", "/srv/after", err);
	case CHANGE_REMOUNT_INI:
		return fake_remount(m, "/ini", "/srv/after", err);
	case CHANGE_UMOUNT:
	case CHANGES:
		break;
	}
	return manager_umount(m, "/old", false, err);
}

/* True if server, file and, after a restart, the server again are as before (or after) a change. */
static bool stands(struct fake *f, enum change what, bool after)
{
	const char *at = what == CHANGE_MOUNT ? "/new" : what == CHANGE_REMOUNT_INI ? "/ini" : "/old";
	const char *before_source = what == CHANGE_MOUNT ? NULL : what == CHANGE_REMOUNT_INI ? "/ini" : "/srv/before";
	const char *after_source = what == CHANGE_UMOUNT ? NULL : "/srv/after";
	const char *want = after ? after_source : before_source, *is = fake_source(f, at);

	return want ? is && strcmp(want, is) == 0 : !is;
}

/*
 * Every call that writes fails once: the change fails and nothing is changed, in the server, in the file, after a
 * restart.
 */
static void changes_with_faults(struct fake *f, enum change what, int code)
{
	struct graft_error err;
	bool happened = true;
	unsigned failures = 0;

	for (unsigned at = 1; happened && at < 1000; at++) {
		fake_restart(f);
		fake_write(f, STORE_MOUNTS, no_mounts, strlen(no_mounts));
		struct manager *m = fake_manager(f);
		assert_int_equal(fake_mount(m, "/old", "/srv/before", &err), 0);
		auto_free char *before = mounts_text(f);
		fault_at(at, code, false);
		int res = do_change(m, what, &err);
		happened = fault_happened();
		fault_at(0, 0, false);
		auto_free char *after = mounts_text(f);
		assert_int_equal(fake_leftovers(f), 0);
		assert_int_equal(f->errors, 0);
		assert_true(stands(f, what, res == 0));
		assert_int_equal(strcmp(before, after) == 0, res != 0);
		if (res) {
			assert_int_equal(res, -code);
			assert_non_null(strstr(err.text, STORE_MOUNTS));
			failures++;
		}
		m = restart(f, m);
		assert_true(stands(f, what, res == 0));
		manager_free(m);
	}
	assert_true(failures >= 8);
	assert_false(happened);
}

static void test_faults(void **state)
{
	for (enum change what = CHANGE_MOUNT; what < CHANGES; what++) {
		changes_with_faults(*state, what, ENOSPC);
		changes_with_faults(*state, what, EIO);
	}
}

static void test_started_faults(void **state)
{
	struct fake *f = *state;
	struct graft_error err;
	unsigned failures = 0;
	int res = 1;

	for (unsigned at = 1; res && at < 1000; at++) {
		struct manager *m = fake_manager(f);
		fault_at(at, ENOSPC, false);
		res = manager_started(m, &err);
		failures += res == -ENOSPC;
		bool happened = fault_happened();
		fault_at(0, 0, false);
		assert_int_equal(fake_leftovers(f), 0);
		manager_free(m);
		if (res == 0 && happened)
			res = 1; /* a close that nobody needs to hear of */
	}
	assert_true(failures >= 12);
	assert_int_equal(res, 0);
}

static void test_ini_mounts(void **state)
{
	struct fake *f = *state;
	struct graft_error err;

	struct manager *m = fake_manager(f);
	assert_int_equal(manager_umount(m, "/ini", false, &err), 0);
	assert_source(f, "/ini", NULL);
	m = restart(f, m);
	assert_source(f, "/ini", "/ini"); /* the file's mounts come back */

	assert_int_equal(fake_remount(m, "/ini", "/srv/one", &err), 0);
	assert_string_equal(f->mounts[1]->name, "ini");
	m = restart(f, m);
	assert_source(f, "/ini", "/srv/one");
	assert_int_equal(f->errors, 0);
	assert_int_equal(fake_remount(m, "/ini", "/srv/two", &err), 0);
	m = restart(f, m);
	assert_source(f, "/ini", "/srv/two");

	/* Gone from the configuration: what was mounted in its place stays. */
	manager_free(m);
	fake_restart(f);
	record_free(f->mounts[--f->n]);
	f->config.nmounts = 1;
	m = fake_manager(f);
	assert_source(f, "/ini", "/srv/two");
	f->config.nmounts = 2;
	m = restart(f, m);
	assert_source(f, "/ini", "/srv/two");

	/* Umounted and mounted again, with something else. */
	assert_int_equal(manager_umount(m, "/ini", false, &err), 0);
	assert_int_equal(fake_mount(m, "/ini", "/srv/three", &err), 0);
	m = restart(f, m);
	assert_source(f, "/ini", "/srv/three");
	assert_int_equal(fake_failed(m), 0);
	assert_int_equal(manager_umount(m, "/ini", false, &err), 0);
	m = restart(f, m);
	assert_source(f, "/ini", "/ini");
	manager_free(m);
}

static const char three_mounts[] =
	"{\"version\": 1, \"mounts\": [\n"
	"{\"name\":\"a\",\"at\":\"/a\",\"keys\":[[\"type\",\"probe\"],[\"source\",\"/srv/a\"]]},\n"
	"{\"name\":\"b\",\"at\":\"/b\",\"keys\":[[\"type\",\"probe\"],[\"source\",\"" FAKE_BROKEN "\"]]},\n"
	"{\"name\":\"c\",\"at\":\"/c\",\"keys\":[[\"type\",\"nothing-like-it\"],[\"source\",\"/srv/c\"]]},\n"
	"{\"name\":\"d\",\"at\":\"/d\",\"keys\":[[\"type\",\"probe\"],[\"source\",\"/srv/d\"]]}\n]}\n";

static int see_first(const struct manager_failed *failed, void *arg)
{
	struct manager_failed *first = arg;

	*first = *failed;
	return 7;
}

static void test_failed_records(void **state)
{
	struct fake *f = *state;
	struct graft_error err;
	struct manager_failed first;

	fake_write(f, STORE_MOUNTS, three_mounts, strlen(three_mounts));
	struct manager *m = fake_manager(f);
	assert_source(f, "/a", "/srv/a");
	assert_source(f, "/d", "/srv/d");
	assert_int_equal(f->errors, 2);
	assert_non_null(strstr(f->last_error, "nothing-like-it"));
	assert_int_equal(fake_failed(m), 2);
	assert_int_equal(manager_each_failed(m, see_first, &first), 7);
	assert_string_equal(first.name, "b");
	assert_string_equal(first.at, "/b");
	assert_string_equal(first.type, "probe");
	assert_non_null(strstr(first.why, FAKE_BROKEN));
	assert_int_equal(first.nkeys, 3);

	/* Kept as they are by changes of others, and by a restart. */
	assert_int_equal(manager_umount(m, "/a", false, &err), 0);
	assert_true(kept(f, "/b", FAKE_BROKEN) && kept(f, "/c", "/srv/c"));
	m = restart(f, m);
	assert_int_equal(fake_failed(m), 2);

	assert_int_equal(manager_retry(m, "/d", &err), -ENOENT);
	assert_int_equal(manager_retry(m, "/nowhere", &err), -ENOENT);
	assert_int_equal(manager_retry(m, "/b", &err), -ENOENT); /* the reason's code */
	assert_non_null(strstr(err.text, FAKE_BROKEN));
	assert_int_equal(manager_retry(m, NULL, &err), -ENOENT);
	assert_int_equal(fake_failed(m), 2);

	/* A mount takes the place of one, behind the others; an umount drops the other. */
	assert_int_equal(fake_mount(m, "/b", "/srv/b", &err), 0);
	assert_int_equal(fake_failed(m), 1);
	assert_int_equal(fake_remount(m, "/c", "/srv/c", &err), -ENOENT);
	assert_int_equal(manager_umount(m, "/c", true, &err), 0);
	assert_int_equal(manager_umount(m, "/c", true, &err), -ENOENT);
	assert_int_equal(fake_failed(m), 0);
	m = restart(f, m);
	assert_string_equal(record_at(f->mounts[2]), "/d");
	assert_string_equal(record_at(f->mounts[3]), "/b");
	assert_int_equal(f->errors, 0);
	manager_free(m);
}

static void test_retry(void **state)
{
	static const char over[] = "{\"version\": 1, \"mounts\": [{\"at\":\"/ini\",\"keys\":[[\"type\",\"late\"],[\"source\","
				   "\"/srv\"]],\"replaces\":true}, {\"at\":\"/\",\"keys\":[[\"type\",\"probe\"]]}]}";
	struct fake *f = *state;
	struct graft_error err;

	fake_write(f, STORE_MOUNTS, three_mounts, strlen(three_mounts));
	struct manager *m = fake_manager(f);
	f->errors = 0;
	/* Mounted behind the manager's back: the record's mount fails for it, then it works. */
	f->mounts[f->n++] = record_new("x", (const struct mount_key[]){ { "at", "/b" } }, 1, false, &err);
	assert_int_equal(manager_retry(m, "/b", &err), -ENOENT);
	assert_int_equal(fake_failed(m), 2);
	manager_free(m);

	fake_restart(f);
	fake_write(f, STORE_MOUNTS, over, strlen(over));
	m = fake_manager(f);
	/* An unknown type; and the configuration has a mount at "/" that was not there then. */
	assert_int_equal(fake_failed(m), 2);
	assert_source(f, "/ini", "/ini");
	assert_source(f, "/", "/ini");
	/* Dropping a record leaves what is mounted there. */
	assert_int_equal(manager_umount(m, "/", false, &err), 0);
	assert_source(f, "/", "/ini");
	assert_int_equal(fake_failed(m), 1);
	assert_int_equal(fake_remount(m, "/ini", "/srv/new", &err), 0);
	assert_int_equal(fake_failed(m), 0);
	assert_int_equal(manager_umount(m, "/", false, &err), 0);
	m = restart(f, m);
	assert_source(f, "/ini", "/srv/new");
	manager_free(m);
}

static void test_retry_works(void **state)
{
	struct fake *f = *state;
	struct graft_error err;

	/* "/a" is taken by the configuration, in one life only. */
	fake_write(f, STORE_MOUNTS, three_mounts, strlen(three_mounts));
	f->mounts[f->n++] = record_new("x", (const struct mount_key[]){ { "at", "/a" } }, 1, false, &err);
	f->mounts[f->n++] = record_new("y", (const struct mount_key[]){ { "at", "/d" } }, 1, false, &err);
	struct manager *m = fake_manager(f);
	assert_int_equal(fake_failed(m), 4);
	record_free(f->mounts[--f->n]);
	record_free(f->mounts[--f->n]);
	assert_int_equal(manager_retry(m, "/a", &err), 0);
	assert_source(f, "/a", "/srv/a");
	assert_int_equal(fake_failed(m), 3);
	assert_int_equal(manager_retry(m, NULL, &err), -ENOENT); /* "/b" still fails, "/d" is there */
	assert_source(f, "/d", "/srv/d");
	assert_int_equal(fake_failed(m), 2);
	assert_int_equal(manager_umount(m, "/a", false, &err), 0);
	assert_source(f, "/a", NULL);
	manager_free(m);
}

static void test_corrupt_state(void **state)
{
	static const char *const names[] = { STORE_MOUNTS, STORE_STATE };
	static const char *const bad[] = { "", "{", "garbage\n", "{\"version\": 2}",
					   "{\"version\": 1, \"mounts\": 7}" };
	struct fake *f = *state;
	struct graft_error err;

	for (size_t n = 0; n < 2; n++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			size_t len;
			fake_write(f, names[n], bad[i], strlen(bad[i]));
			assert_null(manager_new(&f->host, &err));
			assert_int_equal(err.code, EINVAL);
			assert_non_null(strstr(err.text, names[n]));
			assert_null(strchr(err.text, '\n'));
			auto_free char *text = fake_read(f, names[n], &len);
			assert_string_equal(text, bad[i]);
			auto_free char *lock = fake_read(f, "lock", &len);
			assert_non_null(lock);
			assert_int_equal(len, 0);
		}
		fake_write(f, STORE_MOUNTS, no_mounts, strlen(no_mounts));
	}
	assert_int_equal(f->changes, 0);
}

/* --- several threads */

#define THREADS 6
#define ROUNDS 40

struct racer {
	struct fake *f;
	struct manager *m;
	unsigned seed, won;
};

/* Each mounts, remounts and umounts the same two paths, and one of its own. */
static void *racer_main(void *arg)
{
	struct racer *r = arg;
	struct graft_error err;
	char own[32];

	snprintf(own, sizeof(own), "/own%u", r->seed);
	assert_int_equal(fake_mount(r->m, own, "/srv/own", &err), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *at = rand_r(&r->seed) % 2 ? "/x" : "/y";
		char source[32];

		snprintf(source, sizeof(source), "/srv/%u", rand_r(&r->seed));
		switch (rand_r(&r->seed) % 4) {
		case 0:
			manager_umount(r->m, at, false, &err);
			break;
		case 1:
			fake_remount(r->m, at, source, &err);
			break;
		case 2:
			fake_failed(r->m);
			manager_retry(r->m, NULL, &err);
			break;
		default:
			fake_mount(r->m, at, source, &err);
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fake *f = *state;
	struct racer racers[THREADS];
	pthread_t threads[THREADS];
	char x[64], y[64];

	fake_write(f, STORE_MOUNTS, three_mounts, strlen(three_mounts));
	struct manager *m = fake_manager(f);
	f->delay_us = 100;
	for (unsigned i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .f = f, .m = m, .seed = i };
		assert_int_equal(thread_start(&threads[i], "racer", racer_main, &racers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	f->delay_us = 0;
	const char *at_x = fake_source(f, "/x"), *at_y = fake_source(f, "/y");
	snprintf(x, sizeof(x), "%s", at_x ? at_x : "");
	snprintf(y, sizeof(y), "%s", at_y ? at_y : "");
	assert_true(kept(f, "/x", at_x) && kept(f, "/y", at_y));
	assert_true(kept(f, "/b", FAKE_BROKEN) && kept(f, "/c", "/srv/c"));
	m = restart(f, m);
	assert_source(f, "/x", *x ? x : NULL);
	assert_source(f, "/y", *y ? y : NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		char own[32];
		snprintf(own, sizeof(own), "/own%u", i);
		assert_source(f, own, "/srv/own");
	}
	manager_free(m);
}

static void *mount_same(void *arg)
{
	struct racer *r = arg;
	struct graft_error err;
	char source[32];

	snprintf(source, sizeof(source), "/srv/%u", r->seed);
	int res = fake_mount(r->m, "/same", source, &err);
	r->won = res == 0;
	if (res)
		assert_int_equal(res, -EEXIST);
	return NULL;
}

static void test_same_path(void **state)
{
	struct fake *f = *state;
	struct racer racers[2];
	pthread_t threads[2];
	struct graft_error err;

	struct manager *m = fake_manager(f);
	f->delay_us = 2000;
	for (int round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 2; i++) {
			racers[i] = (struct racer){ .f = f, .m = m, .seed = i };
			assert_int_equal(thread_start(&threads[i], "racer", mount_same, &racers[i]), 0);
		}
		for (unsigned i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(racers[0].won + racers[1].won, 1);
		assert_source(f, "/same", racers[0].won ? "/srv/0" : "/srv/1");
		assert_true(kept(f, "/same", racers[0].won ? "/srv/0" : "/srv/1"));
		assert_int_equal(manager_umount(m, "/same", false, &err), 0);
	}
	manager_free(m);
}

/*
 * A child that changes mounts until it is killed; what it did last is told by a pipe: a byte before and one after
 * each change.
 */
static void changing_child(struct fake *f, int tell)
{
	struct graft_error err;
	struct manager *m = manager_new(&f->host, &err);

	if (!m || manager_restore(m, &err) || manager_started(m, &err))
		_exit(1);
	for (unsigned char i = 0;; i++) {
		bool is = fake_source(f, "/kill") != NULL;
		char text[2] = { is ? 'u' : 'm', 0 };
		if (write(tell, text, 1) != 1)
			_exit(2);
		int res = is ? manager_umount(m, "/kill", false, &err) : fake_mount(m, "/kill", "/srv", &err);
		if (res || write(tell, "d", 1) != 1)
			_exit(3);
	}
}

static void kill_once(struct fake *f, unsigned wait_us)
{
	int tell[2];

	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(tell[0]);
		changing_child(f, tell[1]);
	}
	close(tell[1]);
	char last = 0, before = 0, byte;
	assert_int_equal(read(tell[0], &byte, 1), 1); /* it runs */
	last = byte;
	usleep(wait_us);
	kill(pid, SIGKILL);
	while (read(tell[0], &byte, 1) == 1) {
		before = last;
		last = byte;
	}
	close(tell[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));

	fake_restart(f);
	struct manager *m = fake_manager(f);
	assert_int_equal(fake_leftovers(f), 0);
	assert_int_equal(f->errors, 0);
	if (last == 'd')
		assert_int_equal(fake_source(f, "/kill") != NULL, before == 'm');
	manager_free(m);
	fake_restart(f);
}

static void test_kills(void **state)
{
	for (unsigned i = 0; i < 100; i++)
		kill_once(*state, 200 + i * 97 % 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_without_folder, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_refusals, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_names, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_umount_refused, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_behind_at_end, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_faults, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_started_faults, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_ini_mounts, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_failed_records, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_retry, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_retry_works, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_corrupt_state, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_threads, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_same_path, fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(test_kills, fake_setup, fake_teardown),
	};
	return cmocka_run_group_tests_name("state_manager", tests, NULL, NULL);
}
