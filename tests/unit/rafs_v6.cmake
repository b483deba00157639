# SPDX-License-Identifier: Apache-2.0
# Tests of rafs/meta: RAFS v6. The walk over an image is that of rafs_v5.cmake.
if(NOT TARGET PkgConfig::JANSSON)
	pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
endif()

foreach(name images reject damage shapes)
	graft_add_unit_test(rafs_v6_${name} LIBS graft_rafs PkgConfig::JANSSON SOURCES
		${CMAKE_CURRENT_LIST_DIR}/rafs_v6_${name}_test.c ${CMAKE_CURRENT_LIST_DIR}/rafs_v6_patch.c
		${CMAKE_CURRENT_LIST_DIR}/rafs_image_walk.c ${CMAKE_CURRENT_LIST_DIR}/rafs_image_touch.c)
	target_compile_definitions(test-rafs_v6_${name} PRIVATE TEST_IMAGES="${CMAKE_SOURCE_DIR}/tests/images")
endforeach()
