# SPDX-License-Identifier: Apache-2.0
# Sources of the server but configuration and main, for graft_server and the fuzzer.
set(GRAFT_SERVER_SOURCES
	arena.c async.c blame.c fallback.c held.c host.c io.c limits.c makings.c metrics.c mount.c mount_change.c
	mount_end.c mount_notice.c mount_table.c mounts.c namespace.c namespace_restore.c op_stats.c pid_file.c plugin_dump.c
	request.c root_handles.c sd_notify.c server.c session.c stack.c state.c uring.c view.c watch.c workers.c
	sandbox/landlock.c sandbox/line.c sandbox/outside.c sandbox/outside_wire.c sandbox/root.c sandbox/userns.c
	fuse/backing.c fuse/conn.c fuse/control.c fuse/crossing.c fuse/decode.c fuse/ext.c fuse/forget.c fuse/init.c fuse/internal.c
	fuse/listing.c fuse/notify.c fuse/opcodes.c fuse/pseudo.c fuse/reply.c fuse/resume.c fuse/router.c fuse/serve.c)
list(TRANSFORM GRAFT_SERVER_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/server/)
