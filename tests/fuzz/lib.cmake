# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of the INI reader and of virtiofsd's and nydusd's command lines. Sources, not libraries, so that they are counted for coverage.
include(${CMAKE_SOURCE_DIR}/server/config.cmake)
foreach(name ini virtiofsd nydusd)
	graft_add_fuzzer(${name} LIBS ${GRAFT_CONFIG_LIBS} SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_${name}.c
		${GRAFT_CONFIG_SOURCES} ${CMAKE_SOURCE_DIR}/lib/error.c ${CMAKE_SOURCE_DIR}/lib/options.c
		${CMAKE_SOURCE_DIR}/lib/options_parse.c ${CMAKE_SOURCE_DIR}/lib/options_print.c ${CMAKE_SOURCE_DIR}/xattrmap/rules.c
		${CMAKE_SOURCE_DIR}/xattrmap/text.c)
endforeach()
foreach(name virtiofsd nydusd)
	target_sources(fuzz-${name} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/fuzz_line.c)
endforeach()
# The tests' plugins are what a configuration finds unless it says otherwise.
target_compile_definitions(fuzz-ini PRIVATE GRAFT_PLUGIN_DIR="${CMAKE_BINARY_DIR}/tests/plugins")
add_dependencies(fuzz-ini test-plugins)
target_compile_definitions(fuzz-virtiofsd PRIVATE GRAFT_PLUGIN_DIR="${GRAFT_PLUGIN_OUTPUT_DIR}")
add_dependencies(fuzz-virtiofsd plugin-passthrough plugin-xattrmap plugin-idmap)
target_compile_definitions(fuzz-nydusd PRIVATE GRAFT_PLUGIN_DIR="${GRAFT_PLUGIN_OUTPUT_DIR}")
add_dependencies(fuzz-nydusd plugin-passthrough plugin-nydus-rafs)
