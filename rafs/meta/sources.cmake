# SPDX-License-Identifier: Apache-2.0
# Bootstraps: what both versions share, then each version's reader.
target_sources(graft_rafs PRIVATE ${CMAKE_CURRENT_LIST_DIR}/image.c ${CMAKE_CURRENT_LIST_DIR}/superblock.c)
target_sources(graft_rafs PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/v5.c ${CMAKE_CURRENT_LIST_DIR}/v5_file.c ${CMAKE_CURRENT_LIST_DIR}/v5_inode.c)
foreach(part super blobs inode dir file xattr)
	target_sources(graft_rafs PRIVATE ${CMAKE_CURRENT_LIST_DIR}/v6_${part}.c)
endforeach()
target_sources(graft_rafs PRIVATE ${CMAKE_CURRENT_LIST_DIR}/digest_table.c ${CMAKE_CURRENT_LIST_DIR}/path.c)
