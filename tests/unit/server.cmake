# SPDX-License-Identifier: Apache-2.0
# Tests of the server: everything but configuration and main, against a transport made of function calls.
add_library(server-rig OBJECT server_rig.c server_probe.c server_layers.c)
target_link_libraries(server-rig PUBLIC graft_server PkgConfig::CMOCKA)

foreach(name decode init stack async state workers services)
	graft_add_unit_test(server-${name} LIBS server-rig SOURCES test_${name}.c)
endforeach()
# Each allocation fails once.
graft_add_unit_test(server-memory LIBS server-rig SOURCES test_memory.c)
target_link_options(test-server-memory PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
	-Wl,--wrap=aligned_alloc -Wl,--wrap=strdup)
