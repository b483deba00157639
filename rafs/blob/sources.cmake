# SPDX-License-Identifier: Apache-2.0
# Where blobs, and the tables within them, are.
target_sources(graft_rafs PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/blob_toc.c
	${CMAKE_CURRENT_LIST_DIR}/bootstrap.c
	${CMAKE_CURRENT_LIST_DIR}/chunk_table.c
	${CMAKE_CURRENT_LIST_DIR}/chunk_table_load.c
	${CMAKE_CURRENT_LIST_DIR}/section.c
	${CMAKE_CURRENT_LIST_DIR}/tar_header.c
	${CMAKE_CURRENT_LIST_DIR}/toc.c)
# What serves them.
target_sources(graft_rafs PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/backend.c
	${CMAKE_CURRENT_LIST_DIR}/gpt.c
	${CMAKE_CURRENT_LIST_DIR}/local_file.c
	${CMAKE_CURRENT_LIST_DIR}/localdisk.c
	${CMAKE_CURRENT_LIST_DIR}/localfs.c)
