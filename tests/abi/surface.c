/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that plugin.h says, reachable from exported objects: what abidw records and abidiff compares. Never loaded. */
#include <graftfs/plugin.h>

/* The structs hang together below graft_plugin; enums and lists stand in the structs as plain numbers, so they are named. */
struct graft_abi_words {
	enum graft_kind kind;
	enum graft_threads threads;
	enum graft_plugin_flags flags;
	enum graft_dirent_result dirent;
	enum graft_log_level level;
	enum graft_opt_type type;
	enum graft_transport transport;
	enum graft_io_kind io;
	enum graft_opcode opcode;
	struct graft_list list;
	graft_up *up;
	graft_io_done *io_done;
};

GRAFT_PLUGIN_EXPORT extern const struct graft_plugin graft_plugin_v1;
GRAFT_PLUGIN_EXPORT extern const struct graft_abi_words graft_abi_words;

const struct graft_plugin graft_plugin_v1 = { .size = sizeof(struct graft_plugin) };
const struct graft_abi_words graft_abi_words = { .kind = GRAFT_BACKEND };
