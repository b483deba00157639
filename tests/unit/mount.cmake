# SPDX-License-Identifier: Apache-2.0
# Unit tests of mount/.
graft_add_unit_test(mount_helper LIBS graft_lib
	SOURCES test_mount_helper.c ${CMAKE_SOURCE_DIR}/mount/daemon.c ${CMAKE_SOURCE_DIR}/mount/options.c)
