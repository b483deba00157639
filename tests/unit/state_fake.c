/* SPDX-License-Identifier: Apache-2.0 */
/* A server that only remembers its mounts, and a state folder. */
#include "tests/unit/state_fake.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static struct fake *logged_by; /* host->log has no cookie */

__attribute__((format(printf, 3, 4))) static void fake_log(int level, const char *object, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	(void)object;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (level != GRAFT_LOG_ERROR)
		return;
	LOCK_SCOPE(&logged_by->lock);
	logged_by->errors++;
	memcpy(logged_by->last_error, text, sizeof(text));
}

static const char *key(const struct mount_key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].value;
	return NULL;
}

static size_t index_of(const struct fake *f, const char *at)
{
	size_t i = 0;

	while (i < f->n && strcmp(record_at(f->mounts[i]), at) != 0)
		i++;
	return i;
}

static int check_spec(const struct mount_spec *spec, struct graft_error *err)
{
	const char *type = key(spec->keys, spec->nkeys, "type"), *source = key(spec->keys, spec->nkeys, "source");

	if (!type || strcmp(type, "probe") != 0)
		return error_set(err, EINVAL, "no plugin '%s'; loaded: probe", type ? type : "");
	if (source && strcmp(source, FAKE_BROKEN) == 0)
		return error_set(err, ENOENT, "source " FAKE_BROKEN ": No such file or directory");
	return 0;
}

static struct record *make(const struct mount_spec *spec)
{
	char name[80];
	struct graft_error err;

	snprintf(name, sizeof(name), "made-of%.64s", key(spec->keys, spec->nkeys, "at"));
	return record_new(spec->name ? spec->name : name, spec->keys, spec->nkeys, false, &err);
}

static int host_mount(void *server, const struct mount_spec *spec, struct graft_error *err)
{
	struct fake *f = server;
	const char *at = key(spec->keys, spec->nkeys, "at");
	int res = check_spec(spec, err);

	usleep(f->delay_us);
	if (res)
		return res;
	LOCK_SCOPE(&f->lock);
	if (index_of(f, at) < f->n)
		return error_set(err, EEXIST, "something is mounted at %s", at);
	f->mounts[f->n++] = make(spec);
	f->changes++;
	return 0;
}

static int host_remount(void *server, const struct mount_spec *spec, struct graft_error *err)
{
	struct fake *f = server;
	int res = check_spec(spec, err);

	usleep(f->delay_us);
	if (res)
		return res;
	LOCK_SCOPE(&f->lock);
	size_t i = index_of(f, key(spec->keys, spec->nkeys, "at"));
	if (i == f->n)
		return error_set(err, ENOENT, "nothing is mounted there");
	record_free(f->mounts[i]);
	f->mounts[i] = make(spec);
	f->changes++;
	return 0;
}

static int host_umount(void *server, const char *at, bool strict, struct graft_error *err)
{
	struct fake *f = server;

	usleep(f->delay_us);
	LOCK_SCOPE(&f->lock);
	size_t i = index_of(f, at);
	if (i == f->n)
		return error_set(err, ENOENT, "nothing is mounted at %s", at);
	if (strict && f->busy)
		return error_set(err, EBUSY, "3 nodes, 1 handle");
	if (f->umount_result)
		return error_set(err, -f->umount_result, "cannot umount %s", at);
	record_free(f->mounts[i]);
	f->n--;
	memmove(&f->mounts[i], &f->mounts[i + 1], (f->n - i) * sizeof(f->mounts[0]));
	f->changes++;
	return 0;
}

static int host_each(void *server, int (*fn)(const struct mount_info *, void *), void *arg)
{
	struct fake *f = server;
	int res = 0;

	LOCK_SCOPE(&f->lock);
	for (size_t i = 0; i < f->n && !res; i++) {
		const struct record *r = f->mounts[i];
		const struct mount_info info = {
			.name = r->name,
			.at = record_at(r),
			.type = record_get(r, "type"),
			.keys = r->keys,
			.nkeys = r->nkeys,
		};

		res = fn(&info, arg);
	}
	return res;
}

static int host_dump(void *server, FILE *to, struct graft_error *err)
{
	(void)server;
	(void)err;
	return fputs("[server]\ninstance = web1\n", to) < 0 ? -EIO : 0;
}

static void add_ini(struct fake *f, const char *name, const char *at)
{
	struct graft_error err;
	const struct mount_key keys[] = { { "at", at }, { "type", "probe" }, { "source", "/ini" } };

	f->mounts[f->n++] = record_new(name, keys, 3, false, &err);
}

static void drop_mounts(struct fake *f)
{
	while (f->n)
		record_free(f->mounts[--f->n]);
}

void fake_restart(struct fake *f)
{
	drop_mounts(f);
	add_ini(f, "root", "/");
	add_ini(f, "ini", "/ini");
	f->busy = false;
	f->umount_result = 0;
	f->errors = 0;
	f->changes = 0;
}

void fake_init(struct fake *f)
{
	const char *tmp = getenv("TMPDIR");

	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	snprintf(f->base, sizeof(f->base), "%.40s/graft-state-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->base));
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/state", f->base);
	f->ini[0] = (struct mount_config){ .name = "root", .at = "/" };
	f->ini[1] = (struct mount_config){ .name = "ini", .at = "/ini" };
	f->config = (struct config){
		.server = { .instance = "web1", .state_dir = f->state_dir, .api_socket = "/run/web1.sock" },
		.mounts = f->ini,
		.nmounts = 2,
	};
	f->host = (struct control_host){
		.version = CONTROL_VERSION,
		.server = f,
		.config = &f->config,
		.log = fake_log,
		.mount = host_mount,
		.remount = host_remount,
		.umount = host_umount,
		.each_mount = host_each,
		.dump_config = host_dump,
	};
	logged_by = f;
	fake_restart(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void fake_fini(struct fake *f)
{
	fault_at(0, 0, false);
	drop_mounts(f);
	nftw(f->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	pthread_mutex_destroy(&f->lock);
}

int fake_setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	fake_init(f);
	*state = f;
	return 0;
}

int fake_teardown(void **state)
{
	fake_fini(*state);
	free(*state);
	return 0;
}

const char *fake_source(struct fake *f, const char *at)
{
	LOCK_SCOPE(&f->lock);
	size_t i = index_of(f, at);
	return i < f->n ? record_get(f->mounts[i], "source") : NULL;
}

struct manager *fake_manager(struct fake *f)
{
	struct graft_error err = { 0 };
	struct manager *m = manager_new(&f->host, &err);

	assert_string_equal(m ? "" : err.text, "");
	assert_int_equal(manager_restore(m, &err), 0);
	return m;
}

int fake_mount(struct manager *m, const char *at, const char *source, struct graft_error *err)
{
	const struct mount_key keys[] = { { "type", "probe" }, { "source", source }, { "at", at } };
	const struct mount_spec spec = { .keys = keys, .nkeys = 3, .where = "test" };

	return manager_mount(m, &spec, err);
}

int fake_remount(struct manager *m, const char *at, const char *source, struct graft_error *err)
{
	const struct mount_key keys[] = { { "at", at }, { "type", "probe" }, { "source", source } };
	const struct mount_spec spec = { .keys = keys, .nkeys = 3, .where = "test" };

	return manager_remount(m, &spec, err);
}

static int count_failed(const struct manager_failed *failed, void *arg)
{
	unsigned *n = arg;

	assert_true(failed->why[0] != '\0');
	++*n;
	return 0;
}

unsigned fake_failed(struct manager *m)
{
	unsigned n = 0;

	assert_int_equal(manager_each_failed(m, count_failed, &n), 0);
	return n;
}

static void file_path(const struct fake *f, const char *name, char path[256])
{
	snprintf(path, 256, "%s/web1/%s", f->state_dir, name);
}

char *fake_read(const struct fake *f, const char *name, size_t *len)
{
	char path[256], *data = NULL;
	struct stat st;

	file_path(f, name, path);
	auto_fclose FILE *from = fopen(path, "re");
	if (!from)
		return NULL;
	assert_int_equal(fstat(fileno(from), &st), 0);
	data = calloc(1, (size_t)st.st_size + 1);
	*len = fread(data, 1, (size_t)st.st_size, from);
	return data;
}

void fake_write(const struct fake *f, const char *name, const void *data, size_t len)
{
	char path[256];

	mkdir(f->state_dir, 0755);
	file_path(f, "", path);
	mkdir(path, 0700);
	file_path(f, name, path);
	FILE *to = fopen(path, "we");
	assert_non_null(to);
	assert_int_equal(fwrite(data, 1, len, to), len);
	assert_int_equal(fclose(to), 0);
}

unsigned fake_leftovers(const struct fake *f)
{
	static const char *const known[] = { ".", "..", "lock", STORE_CONFIG, STORE_STATE, STORE_MOUNTS };
	char path[256];
	unsigned n = 0;
	const struct dirent *e;

	file_path(f, "", path);
	DIR *dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		n++;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			n -= strcmp(e->d_name, known[i]) == 0;
	}
	if (dir)
		closedir(dir);
	return n;
}
