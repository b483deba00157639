// SPDX-License-Identifier: Apache-2.0
// Example of a layer, in C++: operations of what is below fail or take long, as often as the configuration says.
#include <graftfs/plugin.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>
#include <string>
#include <string_view>

#include <time.h>

namespace {

struct settings {
	graft_list errors, delay;
	uint64_t seed;
};

// FORGET, BATCH_FORGET, RELEASE and RELEASEDIR are missing: they give things back, and nobody looks at their result.
constexpr struct {
	std::string_view name;
	uint32_t opcode;
} operations[] = {
	{ "LOOKUP", FUSE_LOOKUP },	   { "GETATTR", FUSE_GETATTR },	      { "SETATTR", FUSE_SETATTR },
	{ "READLINK", FUSE_READLINK },	   { "SYMLINK", FUSE_SYMLINK },	      { "MKNOD", FUSE_MKNOD },
	{ "MKDIR", FUSE_MKDIR },	   { "UNLINK", FUSE_UNLINK },	      { "RMDIR", FUSE_RMDIR },
	{ "RENAME", FUSE_RENAME },	   { "RENAME2", FUSE_RENAME2 },	      { "LINK", FUSE_LINK },
	{ "OPEN", FUSE_OPEN },		   { "READ", FUSE_READ },	      { "WRITE", FUSE_WRITE },
	{ "STATFS", FUSE_STATFS },	   { "FSYNC", FUSE_FSYNC },	      { "SETXATTR", FUSE_SETXATTR },
	{ "GETXATTR", FUSE_GETXATTR },	   { "LISTXATTR", FUSE_LISTXATTR },   { "REMOVEXATTR", FUSE_REMOVEXATTR },
	{ "FLUSH", FUSE_FLUSH },	   { "OPENDIR", FUSE_OPENDIR },	      { "READDIR", FUSE_READDIR },
	{ "READDIRPLUS", FUSE_READDIRPLUS }, { "FSYNCDIR", FUSE_FSYNCDIR },   { "ACCESS", FUSE_ACCESS },
	{ "CREATE", FUSE_CREATE },	   { "FALLOCATE", FUSE_FALLOCATE },   { "LSEEK", FUSE_LSEEK },
};

struct rule {
	int error = 0;		  // errno value
	double probability = 0;	  // of the error
	uint64_t delay = 0;	  // ns
};

} // namespace

struct graft_inst {
	const graft_host *host;
	rule rules[GRAFT_OP_COUNT];
	uint64_t random;	 // atomic
	uint64_t errors, delays; // atomic, metrics
};

namespace {

// 0 to 1, by splitmix64: the same sequence for the same seed.
double next_random(graft_inst *inst)
{
	uint64_t x = __atomic_add_fetch(&inst->random, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return static_cast<double>((x ^ (x >> 31)) >> 11) / 9007199254740992.0;
}

// The error comes before the operation is passed on: nothing below has happened, and nothing must be taken back.
int fail_or_pass(graft_inst *inst, graft_req *req)
{
	const rule &r = inst->rules[req->opcode];
	if (r.probability > 0 && next_random(inst) < r.probability) {
		__atomic_fetch_add(&inst->errors, 1, __ATOMIC_RELAXED);
		return -r.error;
	}
	return inst->host->next(req, nullptr, nullptr);
}

// On a worker, where sleeping is allowed.
int wait_then_go_on(graft_inst *inst, graft_req *req)
{
	const uint64_t ns = inst->rules[req->opcode].delay;
	const timespec time = { static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000) };
	nanosleep(&time, nullptr);
	__atomic_fetch_add(&inst->delays, 1, __ATOMIC_RELAXED);
	return fail_or_pass(inst, req);
}

int op_any(graft_inst *inst, graft_req *req)
{
	if (inst->rules[req->opcode].delay == 0)
		return fail_or_pass(inst, req);
	const int res = inst->host->defer(req, wait_then_go_on);
	// The workers' queue is full: the request is late enough.
	return res == -EAGAIN ? fail_or_pass(inst, req) : res;
}

rule *find_rule(graft_inst *inst, std::string_view name)
{
	for (const auto &op : operations)
		if (op.name == name)
			return &inst->rules[op.opcode];
	return nullptr;
}

int errno_of(const std::string &name)
{
	for (int code = 1; code < 512; code++) {
		const char *known = strerrorname_np(code);
		if (known != nullptr && name == known)
			return code;
	}
	return 0;
}

// "READ:EIO:0.01"
bool take_error(graft_inst *inst, const std::string &text)
{
	const size_t one = text.find(':');
	const size_t two = one == std::string::npos ? one : text.find(':', one + 1);
	if (two == std::string::npos)
		return false;
	rule *r = find_rule(inst, std::string_view(text).substr(0, one));
	const int code = errno_of(text.substr(one + 1, two - one - 1));
	char *end = nullptr;
	const double probability = std::strtod(text.c_str() + two + 1, &end);
	if (r == nullptr || code == 0 || end == text.c_str() + two + 1 || *end != '\0' || !(probability >= 0 && probability <= 1))
		return false;
	r->error = code;
	r->probability = probability;
	return true;
}

// "LOOKUP:5ms"
bool take_delay(graft_inst *inst, const std::string &text)
{
	constexpr struct {
		const char *word;
		double ns;
	} units[] = { { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	const size_t one = text.find(':');
	if (one == std::string::npos)
		return false;
	rule *r = find_rule(inst, std::string_view(text).substr(0, one));
	char *end = nullptr;
	const double value = std::strtod(text.c_str() + one + 1, &end);
	for (const auto &unit : units) {
		if (r == nullptr || end == text.c_str() + one + 1 || std::strcmp(end, unit.word) != 0)
			continue;
		if (!(value >= 0 && value * unit.ns <= 60e9))
			return false;
		r->delay = static_cast<uint64_t>(value * unit.ns);
		return true;
	}
	return false;
}

int take_settings(graft_inst *inst, const settings *set, graft_error *err)
{
	for (size_t i = 0; i < set->errors.count; i++)
		if (!take_error(inst, set->errors.items[i]))
			return inst->host->fail(err, EINVAL, "errors = %s: must be OPERATION:ERROR:PROBABILITY, such as READ:EIO:0.01",
						set->errors.items[i]);
	for (size_t i = 0; i < set->delay.count; i++)
		if (!take_delay(inst, set->delay.items[i]))
			return inst->host->fail(err, EINVAL, "delay = %s: must be OPERATION:TIME up to 60s, such as LOOKUP:5ms",
						set->delay.items[i]);
	inst->random = set->seed;
	return 0;
}

// No exception may leave a function that the server calls.
int create(const graft_host *host, graft_slot *slot, const void *given, graft_inst **out, graft_error *err) noexcept
{
	auto *inst = new (std::nothrow) graft_inst{};
	if (inst == nullptr)
		return host->fail(err, ENOMEM, "no memory");
	inst->host = host;
	int res = 0;
	try {
		res = take_settings(inst, static_cast<const settings *>(given), err);
	} catch (const std::bad_alloc &) {
		res = host->fail(err, ENOMEM, "no memory");
	}
	if (res != 0) {
		delete inst;
		return res;
	}
	host->metric(slot, "errors", "count", &inst->errors);
	host->metric(slot, "delays", "count", &inst->delays);
	*out = inst;
	return 0;
}

void destroy(graft_inst *inst) noexcept
{
	delete inst;
}

// Operations without a rule go around the layer and cost nothing; a server of ABI 1.0 does not ask, and calls op_any.
void features(graft_inst *inst, graft_features *f) noexcept
{
	f->can = UINT64_MAX;
	if (f->size < offsetof(graft_features, leaves) + sizeof(f->leaves))
		return;
	for (const auto &op : operations)
		if (inst->rules[op.opcode].delay == 0 && inst->rules[op.opcode].probability <= 0)
			f->leaves[op.opcode / 64] |= UINT64_C(1) << op.opcode % 64;
}

struct table {
	graft_op *by_opcode[GRAFT_OP_COUNT];
};

// C++ has no [FUSE_READ] = in an initializer; the server reads the table before any code of the plugin runs, so it is made
// by the compiler.
constexpr table make_table()
{
	table t{};
	for (const auto &op : operations)
		t.by_opcode[op.opcode] = op_any;
	return t;
}

constexpr table ops = make_table();

constexpr graft_opt list(const char *key, size_t offset, const char *help)
{
	graft_opt o{};
	o.key = key;
	o.help = help;
	o.type = GRAFT_OPT_LIST;
	o.offset = static_cast<uint32_t>(offset);
	o.optional = 1;
	return o;
}

constexpr graft_opt seed()
{
	graft_opt o{};
	o.key = "seed";
	o.dflt = "1";
	o.help = "number that the sequence of errors begins with";
	o.type = GRAFT_OPT_U64;
	o.offset = offsetof(settings, seed);
	return o;
}

constexpr graft_opt options[] = {
	list("errors", offsetof(settings, errors), "OPERATION:ERROR:PROBABILITY, such as READ:EIO:0.01"),
	list("delay", offsetof(settings, delay), "OPERATION:TIME, such as LOOKUP:5ms; at most 60s"),
	seed(),
	graft_opt{},
};

// What the server itself has no need of: nanosleep makes this one. Without it the list of system calls would end the server.
constexpr const char *syscalls[] = {"clock_nanosleep", nullptr};

constexpr graft_plugin describe()
{
	graft_plugin p{};
	p.size = sizeof(graft_plugin);
	p.abi_major = GRAFT_ABI_MAJOR;
	p.abi_minor = GRAFT_ABI_MINOR;
	p.name = "faults";
	p.version = "1";
	p.summary = "operations that fail or take long, for tests";
	p.kind = GRAFT_LAYER;
	p.threads = GRAFT_PARALLEL;
	p.flags = GRAFT_PASS_UNKNOWN;
	p.opts = options;
	p.settings_size = sizeof(settings);
	p.nops = GRAFT_OP_COUNT;
	p.ops = ops.by_opcode;
	p.create = create;
	p.features = features;
	p.destroy = destroy;
	p.syscalls = syscalls;
	return p;
}

} // namespace

extern "C" GRAFT_PLUGIN_EXPORT const graft_plugin graft_plugin_v1;
constexpr graft_plugin graft_plugin_v1 = describe();
