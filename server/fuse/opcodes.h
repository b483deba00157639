/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of FUSE operations: decoder, stacks, trace, metrics and the fuzzer read it. */
#ifndef GRAFT_SERVER_FUSE_OPCODES_H
#define GRAFT_SERVER_FUSE_OPCODES_H

#include <graftfs/fuse.h>
#include <stddef.h>
#include <stdint.h>

enum op_names {
	OP_NAMES_NONE,
	OP_NAMES_ONE,    /* a directory entry's */
	OP_NAMES_TWO,    /* RENAME: old and new */
	OP_NAMES_TARGET, /* SYMLINK: name, then the link's target */
	OP_NAMES_XATTR,  /* of an extended attribute */
	OP_NAMES_IGNORED /* TMPFILE: Linux sends "/" */
};

enum op_payload {
	OP_PAYLOAD_NONE,    /* nothing may follow, but extensions where OP_EXTENDS */
	OP_PAYLOAD_FILE,    /* WRITE: file data, stays in guest memory */
	OP_PAYLOAD_VALUE,   /* SETXATTR: in->size bytes */
	OP_PAYLOAD_IOCTL,   /* in->in_size bytes */
	OP_PAYLOAD_FORGETS, /* BATCH_FORGET: in->count entries */
	OP_PAYLOAD_ANY      /* not looked at */
};

/* Room for data behind the out struct. */
enum op_dst {
	OP_DST_NONE,
	OP_DST_SIZE,  /* READ, READDIR: in->size, which is cut to the room there is */
	OP_DST_XATTR, /* in->size; 0 asks for the length, and only then the out struct is sent */
	OP_DST_REST,  /* all the room there is */
	OP_DST_IOCTL  /* in->out_size */
};

enum op_flags {
	OP_NO_REPLY = 1 << 0,
	OP_EXTENDS = 1 << 1,   /* makes an object: extensions may follow the names */
	OP_ENTRY = 1 << 2,     /* the out struct begins with a fuse_entry_out */
	OP_SERVER = 1 << 3,    /* the server's own, never routed to a mount */
	OP_NO_NODE = 1 << 4,   /* the header's node id says nothing */
	OP_OFFSET = 1 << 5,    /* in has offset at 8 and size at 16, as fuse_read_in and fuse_write_in */
	OP_LOCKS = 1 << 6,     /* only where locks were negotiated */
	OP_LONGER = 1 << 7,    /* more bytes than we know may follow (INIT) */
	OP_OVERTAKES = 1 << 8, /* a layer that knows the fallback but not this gets the fallback, see stack.h */
	OP_NODE2 = 1 << 9,     /* node2 holds */
	OP_KNOWN = 1 << 10,
	OP_ATTR = 1 << 11,    /* the out struct begins with a fuse_attr_out */
	OP_OPENS = 1 << 12,   /* success gives the client one more handle */
	OP_RELEASES = 1 << 13 /* the client has one handle less */
};

struct op_info {
	const char *name;
	uint16_t flags;  /* enum op_flags */
	uint8_t in_size; /* bytes of the in struct */
	uint8_t in_old;  /* bytes of its older, shorter version (SETXATTR, INIT), 0: none */
	uint16_t out_size;
	uint8_t names;    /* enum op_names */
	uint8_t payload;  /* enum op_payload */
	uint8_t dst;      /* enum op_dst */
	uint8_t node2;    /* OP_NODE2: offset in the in struct of a second node id */
	uint8_t fallback; /* opcode that stands in where this is absent, 0: none */
	int16_t absent;   /* result where a mount lacks it: 0 or -errno */
};

#define OP_IN_MAX 88   /* bytes of the largest in struct, fuse_setattr_in */
#define OP_OUT_MAX 288 /* bytes of the largest out struct, fuse_statx_out */

extern const struct op_info op_table[GRAFT_OP_COUNT];

/* NULL for an opcode we do not know. */
static inline const struct op_info *op_find(uint32_t opcode)
{
	return opcode < GRAFT_OP_COUNT && op_table[opcode].flags & OP_KNOWN ? &op_table[opcode] : NULL;
}

/* "LOOKUP"; "unknown" for what we do not know. */
const char *op_name(uint32_t opcode);

#endif
