# SPDX-License-Identifier: Apache-2.0
# Tests of the server: everything but configuration and main, against a transport made of function calls.
add_library(server-rig OBJECT server_rig.c server_probe.c server_layers.c server_tree.c)
target_link_libraries(server-rig PUBLIC graft_server PkgConfig::CMOCKA)

foreach(name backing decode init stack async state workers services metrics store)
	graft_add_unit_test(server-${name} LIBS server-rig SOURCES test_${name}.c)
endforeach()
graft_add_unit_test(server-guest-limits LIBS server-rig SOURCES test_guest_limits.c)
graft_add_unit_test(server-held LIBS graft_server SOURCES test_held.c)
graft_add_unit_test(server-landlock LIBS graft_server SOURCES test_landlock.c)
graft_add_unit_test(server-limits LIBS graft_server SOURCES test_limits.c)
graft_add_unit_test(server-life-order LIBS server-rig SOURCES test_life_order.c)
graft_add_unit_test(server-bad-plugin LIBS server-rig SOURCES test_bad_plugin.c)
graft_add_unit_test(server-abi LIBS server-rig SOURCES test_abi.c)
target_compile_definitions(test-server-abi PRIVATE TEST_PLUGIN_DIR="${GRAFT_TEST_PLUGIN_DIR}")
add_dependencies(test-server-abi test-plugins)
set_tests_properties(unit/server-async PROPERTIES LABELS full TIMEOUT 300 COST 100)
graft_add_unit_test(server-io LIBS graft_server SOURCES test_io.c)
target_link_options(test-server-io PRIVATE -Wl,--wrap=io_uring_queue_init_params,--wrap=io_uring_register_restrictions
	-Wl,--wrap=io_uring_enable_rings,--wrap=io_uring_peek_batch_cqe,--wrap=thread_start)
# The mount table, by clients that look while it changes.
add_library(server-world OBJECT server_calls.c server_world.c)
target_link_libraries(server-world PUBLIC server-rig)
foreach(name tree change life sessions race places nydusd)
	graft_add_unit_test(router-${name} LIBS server-world server-rig SOURCES test_router_${name}.c)
	set_tests_properties(unit/router-${name} PROPERTIES TIMEOUT 300)
endforeach()
set_tests_properties(unit/router-sessions PROPERTIES LABELS full TIMEOUT 1800 COST 200)
# Each allocation fails once.
graft_add_unit_test(server-memory LIBS server-rig SOURCES test_memory.c)
target_link_options(test-server-memory PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
	-Wl,--wrap=aligned_alloc -Wl,--wrap=strdup)
# A whole server with a real backend.
graft_add_unit_test(server-hot-path LIBS server-rig passthrough-objects graft_lib SOURCES test_hot_path.c)
target_link_options(test-server-hot-path PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
	-Wl,--wrap=aligned_alloc -Wl,--wrap=mmap)
graft_add_unit_test(server-door LIBS graft_server SOURCES test_door.c)
graft_add_unit_test(server-pid-file LIBS graft_server SOURCES test_pid_file.c)
graft_add_unit_test(server-op-stats LIBS graft_server SOURCES test_op_stats.c)
target_link_options(test-server-workers PRIVATE -Wl,--wrap=unshare)
target_link_options(test-server-op-stats PRIVATE -Wl,--wrap=mmap)
# Capabilities and system calls, of the tests' plugins and, found in the build tree, our own.
graft_add_unit_test(server-confine LIBS graft_confine SOURCES test_confine.c)
target_compile_definitions(test-server-confine PRIVATE TEST_PLUGIN_DIR="${GRAFT_TEST_PLUGIN_DIR}")
add_dependencies(test-server-confine test-plugins plugin-passthrough plugin-nydus-rafs plugin-idmap)
