# SPDX-License-Identifier: Apache-2.0
# Tests of the control API: the module's own objects with a daemon and a manager made of arrays.
include(${CMAKE_SOURCE_DIR}/server/control/sources.cmake)
add_library(control-for-tests STATIC ${GRAFT_CONTROL_API_SOURCES} ${GRAFT_CONTROL_HTTP_SOURCES}
	control_rig.c control_fake.c)
target_link_libraries(control-for-tests PUBLIC ${GRAFT_CONTROL_LIBS} graft_lib PkgConfig::CMOCKA)

foreach(name parts nydus metrics wire hot rafs api http life)
	graft_add_unit_test(control-${name} LIBS control-for-tests SOURCES control_${name}_test.c)
endforeach()

# The library itself, as the daemon loads it.
graft_add_unit_test(control-module LIBS control-for-tests ${CMAKE_DL_LIBS} SOURCES control_module_test.c)
target_compile_definitions(test-control-module PRIVATE CONTROL_MODULE="$<TARGET_FILE:control>")
add_dependencies(test-control-module control)

graft_add_unit_test(control-upgrade LIBS control-for-tests SOURCES control_upgrade_test.c)
target_compile_definitions(test-control-upgrade PRIVATE NYDUS_STATES="${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/nydus-state")

# The states that daemons hand over: recorded ones are the fuzzer's first inputs.
graft_add_unit_test(control-nydus-state LIBS graft_lib SOURCES control_nydus_state_test.c ${GRAFT_CONTROL_FORMAT_SOURCES})
target_compile_definitions(test-control-nydus-state PRIVATE NYDUS_STATES="${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/nydus-state")
