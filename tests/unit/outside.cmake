# SPDX-License-Identifier: Apache-2.0
# The service outside a sandbox. outside_tree and outside_fuse need root (and /dev/fuse), and end with 77 and a reason elsewhere.
add_library(outside-rig OBJECT outside_rig.c)
target_link_libraries(outside-rig PUBLIC graft_server graft_transport PkgConfig::CMOCKA)
graft_add_unit_test(outside LIBS outside-rig SOURCES test_outside.c)
target_link_options(test-outside PRIVATE -Wl,--wrap=kill)
graft_add_unit_test(outside_tree LIBS outside-rig SOURCES test_outside_tree.c)
graft_add_unit_test(outside_fuse LIBS outside-rig SOURCES test_outside_fuse.c)
graft_add_unit_test(outside_world LIBS outside-rig SOURCES test_fuse_dev.c fuse_dev_world.c outside_world.c)
graft_add_unit_test(outside_nydus LIBS outside-rig nydus-rafs-test-support nydus-rafs-objects graft_rafs PkgConfig::JANSSON
	SOURCES nydus-rafs_mount_test.c nydus-rafs_reader.c outside_plugins.c)
graft_add_unit_test(outside_host LIBS outside-rig server-rig passthrough-objects graft_lib SOURCES test_outside_host.c)
# What a daemon that was taken over may say to its parent.
graft_add_unit_test(sandbox_parent LIBS graft_server SOURCES test_sandbox_parent.c ${CMAKE_SOURCE_DIR}/server/sandbox/parent.c)
