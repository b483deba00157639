# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of the layer idmap: its rules and files, and values of extended attributes.
set(idmap_folder ${CMAKE_SOURCE_DIR}/plugins/idmap)
graft_add_fuzzer(idmap-rules SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_idmap_rules.c ${idmap_folder}/map.c ${idmap_folder}/number.c
	${idmap_folder}/rules.c ${idmap_folder}/subid.c ${CMAKE_SOURCE_DIR}/lib/error.c)
graft_add_fuzzer(idmap-values SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_idmap_values.c ${idmap_folder}/values.c)
