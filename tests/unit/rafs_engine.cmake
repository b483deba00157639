# SPDX-License-Identifier: Apache-2.0
# Tests of rafs/engine/: whole images read through the reader, what goes wrong, and the workers.
if(NOT TARGET PkgConfig::JANSSON)
	pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
endif()
add_library(rafs-engine-world STATIC ${CMAKE_CURRENT_LIST_DIR}/rafs_engine_world.c)
target_compile_definitions(rafs-engine-world PUBLIC TEST_IMAGES="${CMAKE_SOURCE_DIR}/tests/images")
target_link_libraries(rafs-engine-world PUBLIC graft_rafs PkgConfig::JANSSON PkgConfig::CMOCKA)
foreach(name images faults ahead caches share)
	graft_add_unit_test(rafs-engine-${name} LIBS rafs-engine-world SOURCES
		${CMAKE_CURRENT_LIST_DIR}/rafs_engine_${name}_test.c)
endforeach()
set_tests_properties(unit/rafs-engine-images PROPERTIES LABELS full TIMEOUT 1800 COST 300)
graft_add_unit_test(rafs-engine-pool LIBS graft_rafs SOURCES ${CMAKE_CURRENT_LIST_DIR}/rafs_engine_pool_test.c)
