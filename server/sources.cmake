# SPDX-License-Identifier: Apache-2.0
# Sources of the server but configuration and main, for graft_server and the fuzzer.
set(GRAFT_SERVER_SOURCES
	arena.c async.c fallback.c host.c io.c limits.c metrics.c mount.c mount_table.c request.c sd_notify.c server.c
	session.c stack.c state.c workers.c
	fuse/conn.c fuse/control.c fuse/decode.c fuse/ext.c fuse/forget.c fuse/init.c fuse/opcodes.c fuse/reply.c fuse/serve.c)
list(TRANSFORM GRAFT_SERVER_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/server/)
