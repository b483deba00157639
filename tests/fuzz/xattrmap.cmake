# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of xattr rules, one for each form.
foreach(form rules xml)
	graft_add_fuzzer(xattrmap-${form} LIBS PkgConfig::LIBXML2 SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_xattrmap.c
		${GRAFT_XATTRMAP_SOURCES} ${CMAKE_SOURCE_DIR}/lib/error.c)
endforeach()
target_compile_definitions(fuzz-xattrmap-xml PRIVATE FUZZ_XML)
