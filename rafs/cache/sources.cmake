# SPDX-License-Identifier: Apache-2.0
target_sources(graft_rafs PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/cache_dir.c
	${CMAKE_CURRENT_LIST_DIR}/cache_trim.c
	${CMAKE_CURRENT_LIST_DIR}/cache_file.c
	${CMAKE_CURRENT_LIST_DIR}/chunk_map.c
	${CMAKE_CURRENT_LIST_DIR}/plain_cache.c)
