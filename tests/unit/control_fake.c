/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon and a manager of mounts made of arrays. */
#include "control_rig.h"

#include "lib/cleanup.h"
#include "lib/log_errors.h"
#include "server/control/manager.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock */
	struct fake_mount mounts[FAKE_MOUNTS];
	size_t nmounts;
	struct {
		char at[128], why[128];
		bool mountable;
	} failed[8];
	size_t nfailed;
	uint32_t slot;
	unsigned waiting, stops, released;
	uint32_t flights, hidden; /* requests under way; transports that are not there, a bit for each */
	int level;
	bool refuse_work, no_dump, no_rafs;
	bool has_fuse, has_init;
	struct fake_connection connection;
	char broken[128], told[256];
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct transport_config transport = { .kind = GRAFT_DEV_FUSE };
static struct config config = { .server.instance = "web1", .transports = &transport, .ntransports = 1 };

static const char *const caches[] = { "never", "auto", NULL };
static const struct graft_opt passthrough_opts[] = {
	{ .key = "source", .type = GRAFT_OPT_PATH, .help = "folder that is shared" },
	{ .key = "cache",
	  .type = GRAFT_OPT_ENUM,
	  .dflt = "auto",
	  .choices = caches,
	  .help = "what the guest may keep" },
	{ .key = "number", .type = GRAFT_OPT_U64, .optional = 1, .min = 1, .max = 9, .help = "a number" },
	{ .key = NULL },
};
static const struct graft_plugin plugins[] = {
	{ .name = "passthrough",
	  .version = "0.1.0",
	  .summary = "a folder of the host",
	  .kind = GRAFT_BACKEND,
	  .opts = passthrough_opts },
	{ .name = "nydus-rafs", .version = "1", .summary = "images", .kind = GRAFT_BACKEND },
	{ .name = "memory", .version = "1", .summary = "in memory", .kind = GRAFT_BACKEND },
	{ .name = "idmap", .version = "1", .summary = "other ids", .kind = GRAFT_LAYER },
};

static void drop(size_t i)
{
	free(fake.mounts[i].keys);
	fake.nmounts--;
	memmove(&fake.mounts[i], &fake.mounts[i + 1], (fake.nmounts - i) * sizeof(fake.mounts[0]));
}

void fake_reset(void)
{
	LOCK_SCOPE(&fake.lock);
	while (fake.nmounts)
		drop(fake.nmounts - 1);
	fake.nfailed = 0;
	fake.slot = 0;
	fake.waiting = fake.stops = fake.released = 0;
	fake.flights = fake.hidden = 0;
	fake.level = GRAFT_LOG_INFO;
	fake.refuse_work = fake.no_dump = fake.no_rafs = fake.has_fuse = fake.has_init = false;
	fake.connection = (struct fake_connection){ 0 };
	fake.broken[0] = fake.told[0] = '\0';
	config.server.api_peers = CONFIG_API_PEERS_OWNER;
	config.ntransports = 1;
	transport.kind = GRAFT_DEV_FUSE;
	log_errors_clear();
}

struct config *fake_config(void)
{
	return &config;
}

static size_t find(const char *at)
{
	size_t i = 0;

	while (i < fake.nmounts && strcmp(fake.mounts[i].at, at) != 0)
		i++;
	return i;
}

static const char *spec_key(const struct mount_key *keys, size_t n, const char *name, int skip)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(keys[i].name, name) && skip-- == 0)
			return keys[i].value;
	return NULL;
}

const char *fake_key(const char *at, const char *key, int i)
{
	LOCK_SCOPE(&fake.lock);
	size_t m = find(at);

	return m < fake.nmounts ? spec_key(fake.mounts[m].keys, fake.mounts[m].nkeys, key, i) : NULL;
}

size_t fake_nmounts(void)
{
	LOCK_SCOPE(&fake.lock);
	return fake.nmounts;
}

void fake_hold(const char *at, uint64_t nodes)
{
	LOCK_SCOPE(&fake.lock);
	size_t i = find(at);

	if (i < fake.nmounts)
		fake.mounts[i].nodes = nodes;
}

void fake_fail(const char *at, const char *why, bool mountable)
{
	LOCK_SCOPE(&fake.lock);
	snprintf(fake.failed[fake.nfailed].at, sizeof(fake.failed[0].at), "%s", at);
	snprintf(fake.failed[fake.nfailed].why, sizeof(fake.failed[0].why), "%s", why);
	fake.failed[fake.nfailed++].mountable = mountable;
}

void fake_told(char told[256])
{
	LOCK_SCOPE(&fake.lock);
	strcpy(told, fake.told);
	fake.told[0] = '\0';
}

void fake_unload_rafs(void)
{
	LOCK_SCOPE(&fake.lock);
	fake.no_rafs = true;
}

void fake_break(const char *at)
{
	LOCK_SCOPE(&fake.lock);
	snprintf(fake.broken, sizeof(fake.broken), "%s", at ? at : "");
}

unsigned fake_waiting(void)
{
	LOCK_SCOPE(&fake.lock);
	return fake.waiting;
}

void fake_release(void)
{
	LOCK_SCOPE(&fake.lock);
	fake.released++;
	pthread_cond_broadcast(&fake.changed);
}

unsigned fake_stops(void)
{
	LOCK_SCOPE(&fake.lock);
	return fake.stops;
}

void fake_under_way(uint32_t flights, uint32_t hidden)
{
	LOCK_SCOPE(&fake.lock);
	fake.flights = flights;
	fake.hidden = hidden;
}

void fake_refuse_work(bool refuse)
{
	LOCK_SCOPE(&fake.lock);
	fake.refuse_work = refuse;
}

void fake_no_config_dump(bool fail)
{
	LOCK_SCOPE(&fake.lock);
	fake.no_dump = fail;
}

/* --- struct control_host */

static void host_log(int level, const char *object, const char *fmt, ...)
{
	(void)level;
	(void)object;
	(void)fmt;
}

static void host_set_level(int level)
{
	LOCK_SCOPE(&fake.lock);
	fake.level = level;
}

static int host_level(void)
{
	LOCK_SCOPE(&fake.lock);
	return fake.level;
}

static int check_keys(const struct mount_spec *spec, struct graft_error *err)
{
	static const char *const known[] = { "at",     "type",        "layers",         "source", "cache",
					     "config", "config-file", "prefetch-files", "number", "flag" };

	for (size_t i = 0; i < spec->nkeys; i++) {
		bool found = strchr(spec->keys[i].name, '.') != NULL;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			found = found || !strcmp(spec->keys[i].name, known[k]);
		if (!found)
			return error_set(err, EINVAL, "unknown key '%s'", spec->keys[i].name);
	}
	return 0;
}

static int check_source(const struct mount_spec *spec, struct graft_error *err)
{
	static const struct {
		const char *source;
		int code;
		const char *text;
	} faults[] = {
		{ "/missing", ENOENT, "source /missing: No such file or directory" },
		{ "/secret", EACCES, "/secret: Permission denied" },
		{ "/full", ENOSPC, "/full: No space left on device" },
		{ "/gone", ENOSYS, "/gone: Function not implemented" },
		{ "/file", ENOTDIR, "/file: Not a directory" },
		{ "/dev", EINVAL, "source /dev is not a file" },
		{ "/dev/null", EINVAL, "source /dev/null is not a file" },
		{ "/proc/self/exe", EINVAL, "source /proc/self/exe: no nydus bootstrap" },
		{ "/no-image", EINVAL, "source /no-image: no nydus bootstrap" },
		{ "/bin/sh", EINVAL, "/bin/sh: no image: not a RAFS v5 or v6 bootstrap, nor a blob that ends with one" },
		{ "/no-device", EIO, "[mount m]: Failed to create device: Input/output error (os error 5): /blobs: gone" },
		{ "/no-cache", EINVAL, "[mount m]: Failed to configure device: Rafs v6 must have local blobcache configured" },
		{ "/bad-json", EINVAL, "key 'config': failed to parse configuration information: x" },
		{ "/bad-value", EINVAL, "key 'config': invalid configuration: x" },
		{ "relative", EINVAL, "source = relative: must be an absolute path" },
		{ "", EINVAL, "source: must be an absolute path" },
	};
	const char *type = spec_key(spec->keys, spec->nkeys, "type", 0);
	const char *source = spec_key(spec->keys, spec->nkeys, "source", 0);

	if (!source && !strcmp(type, "passthrough"))
		return error_set(err, EINVAL, "source is missing");
	for (size_t i = 0; source && i < sizeof(faults) / sizeof(faults[0]); i++)
		if (!strcmp(source, faults[i].source))
			return error_set(err, faults[i].code, "%s", faults[i].text);
	return 0;
}

static int check_type(const struct mount_spec *spec, struct graft_error *err)
{
	const char *type = spec_key(spec->keys, spec->nkeys, "type", 0);

	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
		if (plugins[i].kind == GRAFT_BACKEND && !strcmp(plugins[i].name, type))
			return 0;
	return error_set(err, EINVAL, "plugin '%s' is not loaded; passthrough, nydus-rafs, memory and idmap are", type);
}

static void wait_if_slow(const struct mount_spec *spec)
{
	const char *source = spec_key(spec->keys, spec->nkeys, "source", 0);

	if (!source || strcmp(source, "/slow") != 0)
		return;
	LOCK_SCOPE(&fake.lock);
	fake.waiting++;
	while (!fake.released)
		pthread_cond_wait(&fake.changed, &fake.lock);
	fake.released--;
	fake.waiting--;
}

/* One block for the array and its texts. */
static struct mount_key *copy_keys(const struct mount_spec *spec)
{
	size_t bytes = spec->nkeys * sizeof(struct mount_key);

	for (size_t i = 0; i < spec->nkeys; i++)
		bytes += strlen(spec->keys[i].name) + strlen(spec->keys[i].value) + 2;
	struct mount_key *keys = malloc(bytes);
	char *text = (char *)(keys + spec->nkeys);
	for (size_t i = 0; i < spec->nkeys; i++) {
		keys[i].name = strcpy(text, spec->keys[i].name);
		text += strlen(text) + 1;
		keys[i].value = strcpy(text, spec->keys[i].value);
		text += strlen(text) + 1;
	}
	return keys;
}

static int add(const struct mount_spec *spec, const char *at, struct graft_error *err)
{
	if (fake.nmounts == FAKE_MOUNTS)
		return error_set(err, ENOSPC, "too many mounts");
	struct fake_mount *m = &fake.mounts[fake.nmounts];
	memset(m, 0, sizeof(*m));
	m->slot = ++fake.slot;
	snprintf(m->name, sizeof(m->name), "%.60s", spec->name ? spec->name : "made");
	snprintf(m->at, sizeof(m->at), "%s", at);
	snprintf(m->type, sizeof(m->type), "%s", spec_key(spec->keys, spec->nkeys, "type", 0));
	m->keys = copy_keys(spec);
	m->nkeys = spec->nkeys;
	fake.nmounts++;
	return 0;
}

static int change(const struct mount_spec *spec, bool replace, struct graft_error *err)
{
	const char *at = spec_key(spec->keys, spec->nkeys, "at", 0);
	int res = check_type(spec, err);

	if (res == 0)
		res = check_keys(spec, err);
	if (res == 0)
		res = check_source(spec, err);
	if (res < 0)
		return res;
	wait_if_slow(spec);
	LOCK_SCOPE(&fake.lock);
	size_t i = find(at);
	if (!strcmp(fake.broken, at))
		return error_set(err, EIO, "%s is broken", at);
	if (replace && i == fake.nmounts)
		return error_set(err, ENOENT, "nothing is mounted at %s", at);
	if (!replace && i < fake.nmounts)
		return error_set(err, EEXIST, "something is mounted at %s already", at);
	if (replace)
		drop(i);
	return add(spec, at, err);
}

static int host_mount(void *server, const struct mount_spec *spec, struct graft_error *err)
{
	(void)server;
	return change(spec, false, err);
}

static int host_remount(void *server, const struct mount_spec *spec, struct graft_error *err)
{
	(void)server;
	return change(spec, true, err);
}

static int host_umount(void *server, const char *at, bool strict, struct graft_error *err)
{
	(void)server;
	LOCK_SCOPE(&fake.lock);
	size_t i = find(at);
	if (i == fake.nmounts)
		return error_set(err, ENOENT, "nothing is mounted at %s", at);
	if (strict && fake.mounts[i].nodes)
		return error_set(err, EBUSY, "%s is in use: %d nodes, 0 open files", at, (int)fake.mounts[i].nodes);
	drop(i);
	return 0;
}

static int host_each_mount(void *server, int (*fn)(const struct mount_info *, void *), void *arg)
{
	int res = 0;

	LOCK_SCOPE(&fake.lock);
	for (size_t i = 0; i < fake.nmounts && res == 0; i++) {
		const struct fake_mount *m = &fake.mounts[i];
		struct mount_info info = { .name = m->name,
					   .at = m->at,
					   .type = m->type,
					   .keys = m->keys,
					   .nkeys = m->nkeys,
					   .slot = m->slot,
					   .since = 1795255738624844480,
					   .nodes = m->nodes,
					   .handles = 1,
					   .stats = server };

		res = fn(&info, arg);
	}
	return res;
}

static int host_ask(void *server, const char *at, const char *what, const char *in, graft_ask_put *put, void *arg)
{
	static const struct {
		const char *what, *text;
	} answers[] = {
		{ "superblock", "{\"magic\":3774210530}" },
		{ "files", "{\"133\":{\"total_fops\":1}}" },
		{ "latest", "[[133],[143,150]]" },
		{ "pattern", "[{\"ino\":133}]" },
		{ "figures",
		  "{\"backend\":\"localfs\",\"reads\":[[0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0],[1,0,0,0,0,0,0,0],[0,0,0,0,"
		  "0,0,0,0],"
		  "[0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0],[0,0,1,0,0,0,0,1]],"
		  "\"read_ns\":[0,0,1999999,0,0,0,0,5000000000],\"read_bytes\":2101248,\"read_errors\":1,"
		  "\"files\":[\"b.blob.data\",\"a.blob.data\"],\"hits\":11,\"misses\":3,\"checked\":2,\"cached\":8,"
		  "\"prefetch_requests\":2,\"prefetch_bytes\":600212,\"prefetch_chunks\":4,\"prefetch_ns\":27000000,"
		  "\"prefetch_begin\":1795255738623000001,\"prefetch_end\":1795255739657000001}" },
	};
	const char *type = fake_key(at, "type", 0), *source = fake_key(at, "source", 0);

	(void)server;
	if (!type)
		return -ENOENT;
	if (in) {
		LOCK_SCOPE(&fake.lock);
		snprintf(fake.told, sizeof(fake.told), "%s %s=%s", at, what, in);
		return strcmp(what, "proxy_url") ? 0 : -EINVAL;
	}
	if (!strcmp(what, "config") && fake_key(at, "config-file", 0)) {
		static const char text[] = "version = 2\nid = 'in-a-file'\n[backend]\ntype = 'localfs'\n"
					   "localfs.dir = '/b'\n[cache]\n[rafs]\n";

		put(arg, text, 5);
		put(arg, text + 5, sizeof(text) - 6);
		return 0;
	}
	if (strcmp(type, "nydus-rafs") != 0)
		return -EOPNOTSUPP;
	if (!strcmp(source, "/torn"))
		return -EIO;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		size_t len = strlen(answers[i].text);

		if (strcmp(what, answers[i].what) != 0)
			continue;
		put(arg, answers[i].text, len / 2);
		put(arg, answers[i].text + len / 2, len - len / 2);
		return 0;
	}
	return -EOPNOTSUPP;
}

static int host_each_transport(void *server, int (*fn)(const struct control_transport *, void *), void *arg)
{
	static const struct control_transport transports[] = {
		{ "vhost-user", "vhost-user", "/run/fs.sock", 1, 2 },
		{ "fuse", "fuse", "/mnt/\"a\\b\"", 0, 4 },
	};
	int res = 0;

	(void)server;
	for (uint32_t i = 0; i < 2 && !res; i++)
		if (!(fake.hidden & 1u << i))
			res = fn(&transports[i], arg);
	return res;
}

static int host_each_metric(void *server, int (*fn)(const struct control_metric *, void *), void *arg)
{
	const struct control_metric metric = { "we\"ird\\\n\xff", "cached-fds", "count", UINT64_MAX };

	(void)server;
	return fn(&metric, arg);
}

static int host_each_flight(void *server, int (*fn)(const struct control_flight *, void *), void *arg)
{
	(void)server;
	LOCK_SCOPE(&fake.lock);
	for (uint32_t i = 0; i < fake.flights; i++) {
		const struct control_flight flight = { .node = (UINT64_C(1) << 56) + i,
						       .unique = 46 + i,
						       .opcode = FUSE_READ,
						       .since = UINT64_C(1795257452999999999) };

		fn(&flight, arg);
	}
	return 0;
}

static int host_each_plugin(void *server, int (*fn)(const struct graft_plugin *, void *), void *arg)
{
	int res = 0;

	(void)server;
	LOCK_SCOPE(&fake.lock);
	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]) && res == 0; i++)
		if (!fake.no_rafs || strcmp(plugins[i].name, "nydus-rafs") != 0)
			res = fn(&plugins[i], arg);
	return res;
}

static const struct op_stats *host_stats(void *server)
{
	return server;
}

/* LOOKUP came 7 times and failed twice, READ 5 times, opcode 53 once; nothing else came. */
static void host_op_read(const struct op_stats *stats, uint32_t opcode, struct op_sum *sum)
{
	(void)stats;
	memset(sum, 0, sizeof(*sum));
	if (opcode == FUSE_LOOKUP)
		*sum = (struct op_sum){ 7, 2, 1000091000, 0, { 0, 3, 4 } };
	else if (opcode == FUSE_READ)
		*sum = (struct op_sum){ 5, 0, 5000000000, 20480, { [OP_STATS_BUCKETS - 1] = 5 } };
	else if (opcode == 53)
		*sum = (struct op_sum){ 1, 0, 1, 0, { 1 } };
}

/* 5 READs of 4 KiB that took more than 2 s each. */
static void host_reads(const struct op_stats *stats, struct op_reads *sum)
{
	(void)stats;
	*sum = (struct op_reads){ .sizes = { [2] = 5 }, .times = { [IO_TIMES - 1] = 5 } };
}

static uint64_t host_op_bound(uint32_t bucket)
{
	return bucket + 1 < OP_STATS_BUCKETS ? 1000ULL << (2 * bucket) : UINT64_MAX;
}

static const char *host_op_name(uint32_t opcode)
{
	return opcode == FUSE_LOOKUP ? "LOOKUP" : opcode == FUSE_READ ? "READ" : NULL;
}

static int host_dump(void *server, FILE *to, struct graft_error *err)
{
	(void)server;
	LOCK_SCOPE(&fake.lock);
	if (fake.no_dump)
		return error_set(err, EINVAL, "a value that no INI file can carry");
	fputs("[server]\ninstance = web1\n", to);
	return 0;
}

/* --- a connection of /dev/fuse: /dev/null */

static int host_each_place(void *server, int (*fn)(const struct place_record *, void *), void *arg)
{
	const struct place_record place = { 2, 1, "images" };

	(void)server;
	return fn(&place, arg);
}

static uint64_t host_last_place(void *server)
{
	(void)server;
	return 2;
}

static int host_restore_places(void *server, const struct place_record *list, size_t n, uint64_t last_id, struct graft_error *err)
{
	(void)server;
	(void)list;
	(void)err;
	LOCK_SCOPE(&fake.lock);
	fake.connection.nplaces = n;
	fake.connection.last_place = last_id;
	return 0;
}

/* lock held. */
static int check_fuse(struct graft_error *err)
{
	return fake.has_fuse ? 0 : error_set(err, EOPNOTSUPP, "no /dev/fuse");
}

static uint32_t host_next_slot(void *server)
{
	(void)server;
	return 0;
}

static int host_connection_give(void *server, struct control_connection *c, struct graft_error *err)
{
	(void)server;
	LOCK_SCOPE(&fake.lock);
	int res = check_fuse(err);
	if (!res && !fake.has_init)
		res = error_set(err, ENOTCONN, "no INIT yet");
	if (res)
		return res;
	fake.connection.gives++;
	*c = (struct control_connection){ open("/dev/null", O_RDWR | O_CLOEXEC), 42, UINT64_C(0x8053fffffb), 0x12c5f829, 45, 1 << 20, 1, 0 };
	return 0;
}

static int host_connection_take(void *server, const struct control_connection *c, struct graft_error *err)
{
	struct stat st;

	(void)server;
	if (fstat(c->fd, &st) < 0 || !S_ISCHR(st.st_mode))
		return error_set(err, EINVAL, "the descriptor is not one of /dev/fuse");
	close(c->fd);
	LOCK_SCOPE(&fake.lock);
	fake.connection.takes++;
	fake.connection.dev = c->dev;
	fake.connection.offered = c->offered;
	fake.connection.enabled = c->enabled;
	return 0;
}

static int host_connection_begin(void *server, struct graft_error *err)
{
	(void)server;
	LOCK_SCOPE(&fake.lock);
	fake.connection.begins++;
	return check_fuse(err);
}

static int host_connection_leave(void *server, struct graft_error *err)
{
	(void)server;
	LOCK_SCOPE(&fake.lock);
	fake.connection.leaves++;
	return check_fuse(err);
}

static bool waits;

void fake_fuse(bool has, bool init, bool waits_)
{
	LOCK_SCOPE(&fake.lock);
	fake.has_fuse = has;
	fake.has_init = init;
	waits = waits_;
}

struct fake_connection fake_connection(void)
{
	LOCK_SCOPE(&fake.lock);
	return fake.connection;
}

static void host_stop(void *server)
{
	(void)server;
	LOCK_SCOPE(&fake.lock);
	fake.stops++;
}

struct job {
	void (*fn)(void *);
	void *arg;
};

static void *run_job(void *arg)
{
	struct job job = *(struct job *)arg;

	free(arg);
	job.fn(job.arg);
	return NULL;
}

static int host_run(void *server, void (*fn)(void *), void *arg)
{
	pthread_attr_t detached;
	pthread_t thread;
	struct job *job = malloc(sizeof(*job));

	(void)server;
	pthread_mutex_lock(&fake.lock);
	bool refuse = fake.refuse_work;
	pthread_mutex_unlock(&fake.lock);
	*job = (struct job){ fn, arg };
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (refuse || pthread_create(&thread, &detached, run_job, job) != 0) {
		free(job);
		return -EAGAIN;
	}
	pthread_attr_destroy(&detached);
	return 0;
}

const struct control_host *fake_host(void)
{
	/* The server's cookie stands for its statistics too: never NULL. */
	static struct control_host host = {
		.version = CONTROL_VERSION,
		.server = &fake,
		.config = &config,
		.log = host_log,
		.set_log_level = host_set_level,
		.log_level = host_level,
		.each_error = log_errors_each,
		.mount = host_mount,
		.remount = host_remount,
		.umount = host_umount,
		.each_mount = host_each_mount,
		.ask = host_ask,
		.each_transport = host_each_transport,
		.each_metric = host_each_metric,
		.each_flight = host_each_flight,
		.each_plugin = host_each_plugin,
		.stats = host_stats,
		.op_read = host_op_read,
		.op_bound = host_op_bound,
		.reads = host_reads,
		.op_name = host_op_name,
		.dump_config = host_dump,
		.stop = host_stop,
		.run = host_run,
		.each_place = host_each_place,
		.last_place = host_last_place,
		.restore_places = host_restore_places,
		.next_slot = host_next_slot,
		.connection_give = host_connection_give,
		.connection_take = host_connection_take,
		.connection_begin = host_connection_begin,
		.connection_leave = host_connection_leave,
	};

	host.waits = waits;
	host.pid = getpid();
	return &host;
}

/* --- manager.h, without a state folder */

struct manager {
	const struct control_host *host;
};

struct manager *manager_new(const struct control_host *host, struct graft_error *err)
{
	struct manager *m = malloc(sizeof(*m));

	(void)err;
	m->host = host;
	return m;
}

void manager_free(struct manager *m)
{
	free(m);
}

int manager_restore(struct manager *m, struct graft_error *err)
{
	(void)m;
	(void)err;
	return 0;
}

int manager_started(struct manager *m, struct graft_error *err)
{
	(void)m;
	(void)err;
	return 0;
}

int manager_mount(struct manager *m, const struct mount_spec *spec, struct graft_error *err)
{
	return m->host->mount(m->host->server, spec, err);
}

int manager_remount(struct manager *m, const struct mount_spec *spec, struct graft_error *err)
{
	return m->host->remount(m->host->server, spec, err);
}

int manager_umount(struct manager *m, const char *at, bool strict, struct graft_error *err)
{
	return m->host->umount(m->host->server, at, strict, err);
}

int manager_retry(struct manager *m, const char *at, struct graft_error *err)
{
	size_t before, kept = 0;

	(void)m;
	LOCK_SCOPE(&fake.lock);
	before = fake.nfailed;
	for (size_t i = 0; i < before; i++) {
		if (at && strcmp(fake.failed[i].at, at) != 0) {
			fake.failed[kept++] = fake.failed[i];
		} else if (!fake.failed[i].mountable) {
			return error_set(err, ENOENT, "%s", fake.failed[i].why);
		}
	}
	fake.nfailed = kept;
	return kept < before ? 0 : error_set(err, ENOENT, "no record failed%s%s", at ? " at " : "", at ? at : "");
}

int manager_each_failed(struct manager *m, int (*fn)(const struct manager_failed *, void *), void *arg)
{
	static const struct mount_key keys[] = { { "at", "/x" }, { "type", "memory" }, { "source", "/s" } };
	int res = 0;

	(void)m;
	LOCK_SCOPE(&fake.lock);
	for (size_t i = 0; i < fake.nfailed && res == 0; i++) {
		struct manager_failed failed = { "old", fake.failed[i].at, "memory", fake.failed[i].why, keys, 3 };

		res = fn(&failed, arg);
	}
	return res;
}
