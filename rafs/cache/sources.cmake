# SPDX-License-Identifier: Apache-2.0
target_sources(graft_rafs PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/cache_dir.c
	${CMAKE_CURRENT_LIST_DIR}/cache_trim.c
	${CMAKE_CURRENT_LIST_DIR}/cache_file.c
	${CMAKE_CURRENT_LIST_DIR}/chunk_map.c
	${CMAKE_CURRENT_LIST_DIR}/dedup.c
	${CMAKE_CURRENT_LIST_DIR}/dedup_db.c
	${CMAKE_CURRENT_LIST_DIR}/dedup_source.c
	${CMAKE_CURRENT_LIST_DIR}/dedup_writer.c
	${CMAKE_CURRENT_LIST_DIR}/plain_cache.c
	${CMAKE_CURRENT_LIST_DIR}/sqlite.c)
