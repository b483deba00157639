# SPDX-License-Identifier: Apache-2.0
# Tests of lib/, and of the configuration, the plugin loader and the command line.
foreach(name cpu_list error iov log log_errors log_rotate mapping options resident thread unix_listener)
	graft_add_unit_test(lib-${name} LIBS graft_lib SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_${name}.c)
endforeach()
foreach(copy a b)
	add_library(mapping-copy-${copy} MODULE ${CMAKE_CURRENT_LIST_DIR}/mapping_copy.c)
	target_link_libraries(mapping-copy-${copy} PRIVATE graft_lib)
	target_compile_definitions(test-lib-mapping PRIVATE MAPPING_COPY_${copy}="$<TARGET_FILE:mapping-copy-${copy}>")
	add_dependencies(test-lib-mapping mapping-copy-${copy})
endforeach()
target_link_options(test-lib-thread PRIVATE -Wl,--wrap=unshare -Wl,--wrap=pthread_create)

include(${CMAKE_SOURCE_DIR}/server/config.cmake)
add_subdirectory(${CMAKE_CURRENT_LIST_DIR}/plugins plugins)
set(GRAFT_TEST_PLUGIN_DIR ${CMAKE_BINARY_DIR}/tests/plugins)
add_library(config-for-tests STATIC ${GRAFT_CONFIG_SOURCES})
target_compile_definitions(config-for-tests PRIVATE ${GRAFT_CONFIG_DEFINITIONS})
target_link_libraries(config-for-tests PUBLIC ${GRAFT_CONFIG_LIBS})

foreach(name config config_dump config_mount plugin_loader cli)
	graft_add_unit_test(${name} LIBS config-for-tests SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_${name}.c)
endforeach()
# Each allocation of lib/ and server/config* fails once.
graft_add_unit_test(config-memory LIBS config-for-tests SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_config_memory.c)
target_link_options(test-config-memory PRIVATE
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=reallocarray -Wl,--wrap=strdup
	-Wl,--wrap=strndup -Wl,--wrap=asprintf -Wl,--wrap=__asprintf_chk -Wl,--wrap=realpath -Wl,--wrap=free)
foreach(name config config_dump config_mount plugin_loader cli config-memory)
	target_compile_definitions(test-${name} PRIVATE TEST_PLUGIN_DIR="${GRAFT_TEST_PLUGIN_DIR}")
	add_dependencies(test-${name} test-plugins)
endforeach()
# The plugins of the build tree are what the command line names.
graft_add_unit_test(virtiofsd LIBS config-for-tests SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_virtiofsd.c)
target_link_options(test-virtiofsd PRIVATE -Wl,--wrap=calloc -Wl,--wrap=reallocarray -Wl,--wrap=strdup)
add_dependencies(test-virtiofsd plugin-passthrough plugin-xattrmap plugin-idmap)
