# SPDX-License-Identifier: Apache-2.0
# Fuzz target of the INI reader. Sources, not libraries, so that they are counted for coverage.
include(${CMAKE_SOURCE_DIR}/server/config.cmake)
graft_add_fuzzer(ini LIBS PkgConfig::INIH PkgConfig::CAP_NG ${CMAKE_DL_LIBS} SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_ini.c
	${GRAFT_CONFIG_SOURCES} ${CMAKE_SOURCE_DIR}/lib/error.c ${CMAKE_SOURCE_DIR}/lib/options.c
	${CMAKE_SOURCE_DIR}/lib/cpu_list.c ${CMAKE_SOURCE_DIR}/lib/options_parse.c ${CMAKE_SOURCE_DIR}/lib/options_print.c)
# The tests' plugins are what a configuration finds unless it says otherwise.
target_compile_definitions(fuzz-ini PRIVATE GRAFT_PLUGIN_DIR="${CMAKE_BINARY_DIR}/tests/plugins")
add_dependencies(fuzz-ini test-plugins)
