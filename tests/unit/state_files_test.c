/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the files of the state folder: replaced as a whole, read strictly, kept when wrong. */
#include "server/control/store.h"

#include "lib/cleanup.h"
#include "server/control/instance.h"
#include "server/control/state_json.h"
#include "tests/unit/state_fake.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct world {
	struct fake f;
	struct instance instance;
	struct store store;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct graft_error err;

	fake_init(&w->f);
	assert_int_equal(instance_open(&w->instance, w->f.state_dir, "web1", &err), 0);
	store_open(&w->store, w->instance.dir, w->instance.path);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fault_at(0, 0, false);
	instance_close(&w->instance);
	fake_fini(&w->f);
	free(w);
	return 0;
}

static void assert_file(const struct world *w, const char *name, const char *text)
{
	size_t len = 0;
	auto_free char *data = fake_read(&w->f, name, &len);

	if (!text) {
		assert_null(data);
		return;
	}
	assert_non_null(data);
	assert_string_equal(data, text);
	assert_int_equal(len, strlen(text));
}

static void test_put(void **state)
{
	struct world *w = *state;
	struct graft_error err;
	char path[300];
	struct stat st;

	const mode_t masks[] = { 0, 0777 };
	for (size_t i = 0; i < 2; i++) {
		mode_t before = umask(masks[i]);
		int res = store_put(&w->store, STORE_MOUNTS, i ? "two" : "one", 3, &err);
		umask(before);
		assert_int_equal(res, 0);
		assert_file(w, STORE_MOUNTS, i ? "two" : "one");
		snprintf(path, sizeof(path), "%s/" STORE_MOUNTS, w->instance.path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	assert_int_equal(fake_leftovers(&w->f), 0);
	assert_int_equal(store_put(&w->store, STORE_MOUNTS, "", 0, &err), 0);
	assert_file(w, STORE_MOUNTS, "");
	assert_int_equal(store_remove(&w->store, STORE_MOUNTS, &err), 0);
	assert_int_equal(store_remove(&w->store, STORE_MOUNTS, &err), 0);
	assert_file(w, STORE_MOUNTS, NULL);
}

/* One call fails: where the caller is told so, what was there before is there, and nothing else. */
static void put_with_faults(struct world *w, const char *old, int code, bool stays)
{
	static const char new[] = "the new text";
	struct graft_error err;
	unsigned at = 0, failures = 0;

	do {
		fault_at(0, 0, false);
		if (old)
			assert_int_equal(store_put(&w->store, STORE_CONFIG, old, strlen(old), &err), 0);
		else
			assert_int_equal(store_remove(&w->store, STORE_CONFIG, &err), 0);
		fault_at(++at, code, stays);
		int res = store_put(&w->store, STORE_CONFIG, new, strlen(new), &err);
		bool happened = fault_happened();
		fault_at(0, 0, false);
		assert_int_equal(fake_leftovers(&w->f), 0);
		if (res) {
			failures++;
			assert_true(happened);
			assert_int_equal(res, -code);
			assert_non_null(strstr(err.text, "/web1/" STORE_CONFIG));
			assert_file(w, STORE_CONFIG, old);
		} else {
			assert_file(w, STORE_CONFIG, new);
		}
		if (!happened)
			break;
	} while (at < 1000);
	/* open, fchmod, several writes, fsync, close, rename, fsync of the folder */
	assert_true(failures >= 8);
	assert_true(at < 1000);
}

static void test_put_faults(void **state)
{
	struct world *w = *state;

	put_with_faults(w, "what was there", ENOSPC, false);
	put_with_faults(w, "what was there", EIO, false);
	put_with_faults(w, NULL, ENOSPC, false);
	put_with_faults(w, NULL, EIO, false);
}

/* A disk that is full from some call on, also for the way back: old or new, whole. */
static void test_put_faults_stay(void **state)
{
	static const char old[] = "old", new[] = "the new text";
	struct world *w = *state;
	struct graft_error err;
	bool happened = true;

	for (unsigned at = 1; happened && at < 1000; at++) {
		fault_at(0, 0, false);
		assert_int_equal(store_put(&w->store, STORE_CONFIG, old, strlen(old), &err), 0);
		fault_at(at, EIO, true);
		int res = store_put(&w->store, STORE_CONFIG, new, strlen(new), &err);
		happened = fault_happened();
		fault_at(0, 0, false);
		size_t len;
		auto_free char *data = fake_read(&w->f, STORE_CONFIG, &len);
		assert_non_null(data);
		assert_true(strcmp(data, new) == 0 || (res && strcmp(data, old) == 0));
		assert_int_equal(fake_leftovers(&w->f), 0);
	}
}

/* A file system without RENAME_EXCHANGE. */
static void test_put_plain_rename(void **state)
{
	struct world *w = *state;
	struct graft_error err;

	assert_int_equal(store_put(&w->store, STORE_CONFIG, "old", 3, &err), 0);
	unsigned at = 1;
	for (; at < 100; at++) {
		fault_at(at, EINVAL, false);
		int res = store_put(&w->store, STORE_CONFIG, "new", 3, &err);
		if (!res && fault_happened())
			break;
		assert_true(fault_happened());
		assert_file(w, STORE_CONFIG, "old");
	}
	fault_at(0, 0, false);
	assert_file(w, STORE_CONFIG, "new");
	assert_int_equal(fake_leftovers(&w->f), 0);
}

static void test_leftovers(void **state)
{
	struct world *w = *state;
	struct graft_error err;

	fake_write(&w->f, STORE_MOUNTS, "{}", 2);
	fake_write(&w->f, STORE_MOUNTS ".new", "half", 4);
	fake_write(&w->f, STORE_STATE ".new", "half", 4);
	/* In the way at once: a put takes it away. */
	assert_int_equal(store_put(&w->store, STORE_STATE, "whole", 5, &err), 0);
	assert_file(w, STORE_STATE, "whole");
	assert_int_equal(fake_leftovers(&w->f), 1);
	store_open(&w->store, w->instance.dir, w->instance.path);
	assert_int_equal(fake_leftovers(&w->f), 0);
	assert_file(w, STORE_MOUNTS, "{}");
}

static void test_bounds(void **state)
{
	struct world *w = *state;
	struct graft_error err;
	json_t *root;
	char path[300];

	assert_int_equal(store_put(&w->store, STORE_CONFIG, "", (size_t)STORE_FILE_MAX + 1, &err), -EFBIG);
	snprintf(path, sizeof(path), "%s/" STORE_MOUNTS, w->instance.path);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(truncate(path, (off_t)STORE_FILE_MAX + 1), 0);
	assert_int_equal(store_get(&w->store, STORE_MOUNTS, &root, &err), -EINVAL);
	assert_non_null(strstr(err.text, path));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(store_get(&w->store, STORE_MOUNTS, &root, &err), -EINVAL);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(store_get(&w->store, STORE_MOUNTS, &root, &err) < 0);
	rmdir(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(store_get(&w->store, STORE_MOUNTS, &root, &err), -ELOOP);
	unlink(path);
	assert_int_equal(store_get(&w->store, STORE_MOUNTS, &root, &err), 0);
	assert_null(root);
}

/* What a text says: the number of its records, or -errno, the file's bytes being the same afterwards. */
static int read_mounts(struct world *w, const char *text, size_t len, struct graft_error *err)
{
	struct record **records;
	size_t n, after;

	*err = (struct graft_error){ 0 };
	fake_write(&w->f, STORE_MOUNTS, text, len);
	int res = records_read(&w->store, &records, &n, err);
	if (!res) {
		for (size_t i = 0; i < n; i++)
			assert_non_null(records[i]->json);
		records_free(records, n);
	} else {
		assert_null(records);
		assert_non_null(strstr(err->text, "/web1/" STORE_MOUNTS));
	}
	auto_free char *data = fake_read(&w->f, STORE_MOUNTS, &after);
	assert_int_equal(after, len);
	assert_memory_equal(data, text, len);
	return res ? res : (int)n;
}

static const struct {
	const char *text, *says;
	int n;
} texts[] = {
	{ "{\"version\": 1, \"mounts\": []}", NULL, 0 },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": []}]}", NULL, 1 },
	{ "{\"version\":1,\"mounts\":[{\"name\":\"n\",\"at\":\"/\",\"keys\":[[\"type\",\"gone\"]],\"replaces\":true}]}", NULL,
	  1 },
	{ "", ":1:", -EINVAL },
	{ "garbage", ":1:", -EINVAL },
	{ "[]", "not a JSON object", -EINVAL },
	{ "{}", "version", -EINVAL },
	{ "{\"version\": \"1\", \"mounts\": []}", "version", -EINVAL },
	{ "{\"version\": 0, \"mounts\": []}", "version", -EINVAL },
	{ "{\"version\": 2, \"mounts\": []}", "version 2 is newer", -EINVAL },
	{ "{\"version\": 1.0, \"mounts\": []}", "version", -EINVAL },
	{ "{\"version\": 1}", "'mounts'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": {}}", "'mounts'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [], \"more\": 1}", "other members", -EINVAL },
	{ "{\"version\": 1, \"mounts\": []} x", ":1:", -EINVAL },
	{ "{\"version\": 1,\n \"mounts\": [\n}]}", ":3:", -EINVAL },
	{ "{\"version\": 1, \"version\": 1, \"mounts\": []}", ":1:", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [7]}", "mount 1: ", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"keys\": []}]}", "mount 1: 'at'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"a\", \"keys\": []}]}", "mount 1: 'at'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": 1, \"keys\": []}]}", "mount 1: 'at'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\"}]}", "mount 1: 'keys'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": {}}]}", "mount 1: 'keys'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [\"type\"]}]}", "mount 1: 'keys'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [[\"type\"]]}]}", "mount 1: 'keys'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [[\"a\",\"b\",\"c\"]]}]}", "mount 1: 'keys'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [[\"a\",1]]}]}", "mount 1: 'keys'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [[\"at\",\"/b\"]]}]}", "mount 1: 'keys'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [], \"name\": 1}]}", "mount 1: 'name'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [], \"replaces\": 1}]}", "mount 1: 'replaces'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": [], \"x\": 1}]}", "mount 1: unknown member 'x'", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\", \"keys\": []}, {\"at\": \"/b\", \"keys\": []}, {\"at\": \"/a\", "
	  "\"keys\": []}]}",
	  "mounts 1 and 3 are both at /a", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/a\\u0000\", \"keys\": []}]}", ":1:", -EINVAL },
	{ "{\"version\": 1, \"mounts\": [{\"at\": \"/\xff\", \"keys\": []}]}", ":1:", -EINVAL },
};

static void test_mounts_texts(void **state)
{
	struct world *w = *state;
	struct graft_error err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int n = read_mounts(w, texts[i].text, strlen(texts[i].text), &err);

		if (n != texts[i].n || (texts[i].says && !strstr(err.text, texts[i].says)))
			print_error("%s\n-> %d %s\n", texts[i].text, n, err.text);
		assert_int_equal(n, texts[i].n);
		assert_true(!texts[i].says || strstr(err.text, texts[i].says));
		assert_null(strchr(err.text, '\n'));
	}
}

static void test_deep_and_many(void **state)
{
	static const char head[] = "{\"version\": 1, \"mounts\": [";
	struct world *w = *state;
	struct graft_error err;
	auto_free char *text = malloc(8 * 1024 * 1024);

	char *end = stpcpy(text, head);
	memset(end, '[', 1000000);
	assert_int_equal(read_mounts(w, text, sizeof(head) + 999999, &err), -EINVAL);

	end = stpcpy(text, head);
	for (int i = 0; i <= RECORDS_MAX; i++)
		end += sprintf(end, "%s{\"at\": \"/%d\", \"keys\": []}", i ? "," : "", i);
	end = stpcpy(end, "]}");
	assert_int_equal(read_mounts(w, text, (size_t)(end - text), &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than"));
}

static struct record *sample(const char *name, const char *at, const char *source, bool replaces)
{
	const struct mount_key keys[] = { { "type", "probe" }, { "at", at }, { "source", source }, { "list", "a" },
					  { "list", "b" } };
	struct graft_error err;
	struct record *r = record_new(name, keys, 5, replaces, &err);

	assert_non_null(r);
	return r;
}

static void test_round_trip(void **state)
{
	static const char odd[] = "/so\"u\\r\n\tce/\xc3\xa9\xf0\x9f\x98\x80/\x01";
	struct world *w = *state;
	struct graft_error err;
	struct record *out[3] = { sample("one", "/a", odd, false), sample(NULL, "/", "", true),
				  sample("three", "/c", "x", false) };
	struct record **in;
	size_t n;

	for (int i = 0; i < 3; i++)
		assert_int_equal(record_seal(out[i], &err), 0);
	out[2]->hidden = true;
	assert_int_equal(records_write(&w->store, out, 3, &err), 0);
	assert_int_equal(records_read(&w->store, &in, &n, &err), 0);
	assert_int_equal(n, 2);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(in[i]->json, out[i]->json);
		assert_string_equal(record_at(in[i]), record_at(out[i]));
		assert_string_equal(record_get(in[i], "source"), record_get(out[i], "source"));
		assert_int_equal(in[i]->nkeys, 5);
		for (int k = 0; k < 5; k++) {
			assert_string_equal(in[i]->keys[k].name, out[i]->keys[k].name);
			assert_string_equal(in[i]->keys[k].value, out[i]->keys[k].value);
		}
		assert_int_equal(in[i]->replaces, out[i]->replaces);
	}
	assert_string_equal(in[0]->name, "one");
	assert_null(in[1]->name);
	records_free(in, n);
	for (int i = 0; i < 3; i++)
		record_free(out[i]);

	struct record *latin = sample("l", "/a", "/caf\xe9", false);
	assert_int_equal(record_seal(latin, &err), -EILSEQ);
	assert_non_null(strstr(err.text, "source"));
	record_free(latin);
}

static void test_mounts_truncated(void **state)
{
	struct world *w = *state;
	struct graft_error err;
	struct record *out[2] = { sample("one", "/a", "/s\xc3\xa9", false), sample("two", "/b", "/t", true) };
	size_t len;

	for (int i = 0; i < 2; i++)
		assert_int_equal(record_seal(out[i], &err), 0);
	assert_int_equal(records_write(&w->store, out, 2, &err), 0);
	auto_free char *text = fake_read(&w->f, STORE_MOUNTS, &len);
	/* Without its last byte, a line's end, it is whole. */
	for (size_t cut = 0; cut <= len; cut++)
		assert_int_equal(read_mounts(w, text, cut, &err), cut >= len - 1 ? 2 : -EINVAL);
	for (size_t i = 0; i < len; i++) {
		char kept = text[i];
		text[i] = (char)(kept ^ 0x20);
		read_mounts(w, text, len, &err); /* asserts that the bytes stay */
		text[i] = kept;
	}
	for (int i = 0; i < 2; i++)
		record_free(out[i]);
}

static void test_state_json(void **state)
{
	struct transport_config transports[] = {
		{ .name = "vhost-user", .socket = "/run/fs.sock" },
		{ .name = "fuse", .mountpoint = "/mnt/a" },
		{ .name = "vhost-user latin", .socket = "/run/caf\xe9" },
	};
	struct world *w = *state;
	struct graft_error err;
	size_t len;
	int pid = -1;
	uint64_t ticks;
	struct process_id self;

	assert_int_equal(process_id_read(&self), 0);
	w->f.config.transports = transports;
	w->f.config.ntransports = 3;
	assert_int_equal(state_json_read(&w->store, &pid, &err), 0);
	assert_int_equal(pid, 0);
	assert_int_equal(state_json_write(&w->store, &w->f.config, &self, &err), 0);
	assert_int_equal(state_json_read(&w->store, &pid, &err), 0);
	assert_int_equal(pid, getpid());

	auto_free char *text = fake_read(&w->f, STORE_STATE, &len);
	json_t *root = json_loads(text, 0, NULL);
	assert_int_equal(instance_start_time(getpid(), &ticks), 0);
	assert_int_equal(json_integer_value(json_object_get(root, "start_time")), ticks);
	assert_int_equal(strlen(json_string_value(json_object_get(root, "boot_id"))), 36);
	assert_int_equal(strlen(json_string_value(json_object_get(root, "started"))), 20);
	assert_string_equal(json_string_value(json_object_get(root, "instance")), "web1");
	const json_t *list = json_object_get(root, "sockets");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "path")), "/mnt/a");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 2), "use")), "api");
	json_decref(root);

	for (size_t cut = 0; cut < len - 1; cut++) {
		size_t after;
		fake_write(&w->f, STORE_STATE, text, cut);
		assert_int_equal(state_json_read(&w->store, &pid, &err), -EINVAL);
		assert_non_null(strstr(err.text, "/web1/" STORE_STATE));
		auto_free char *kept = fake_read(&w->f, STORE_STATE, &after);
		assert_int_equal(after, cut);
		assert_memory_equal(kept, text, cut);
	}
	static const char newer[] = "{\"version\": 7}", no_pid[] = "{\"version\": 1, \"instance\": \"a\", \"boot_id\": \"\", "
								 "\"started\": \"\", \"pid\": 0}";
	fake_write(&w->f, STORE_STATE, newer, strlen(newer));
	assert_int_equal(state_json_read(&w->store, &pid, &err), -EINVAL);
	assert_non_null(strstr(err.text, "version 7 is newer"));
	fake_write(&w->f, STORE_STATE, no_pid, strlen(no_pid));
	assert_int_equal(state_json_read(&w->store, &pid, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'pid'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_faults_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_plain_rename, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounts_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deep_and_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounts_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state_json, setup, teardown),
	};
	return cmocka_run_group_tests_name("state_files", tests, NULL, NULL);
}
