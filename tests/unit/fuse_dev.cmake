# SPDX-License-Identifier: Apache-2.0
# Unit tests of the /dev/fuse transport. They need root and /dev/fuse, and end with 77 and a reason elsewhere.
set(fuse_dev_world fuse_dev_world.c)
graft_add_unit_test(fuse_dev LIBS graft_transport SOURCES test_fuse_dev.c ${fuse_dev_world})
graft_add_unit_test(fuse_dev_backing LIBS graft_transport SOURCES test_fuse_dev_backing.c)
graft_add_unit_test(fuse_dev_end LIBS graft_transport SOURCES test_fuse_dev_end.c ${fuse_dev_world})
target_link_options(test-fuse_dev_end PRIVATE -Wl,--wrap=thread_start)
graft_add_unit_test(fuse_dev_handover LIBS graft_transport SOURCES test_fuse_dev_handover.c ${fuse_dev_world})
graft_add_unit_test(fuse_dev_mount LIBS graft_transport SOURCES test_fuse_dev_mount.c ${fuse_dev_world})
