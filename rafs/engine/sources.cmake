# SPDX-License-Identifier: Apache-2.0
target_sources(graft_rafs PRIVATE ${CMAKE_CURRENT_LIST_DIR}/ahead.c ${CMAKE_CURRENT_LIST_DIR}/blobs.c
	${CMAKE_CURRENT_LIST_DIR}/cached.c ${CMAKE_CURRENT_LIST_DIR}/chunks.c ${CMAKE_CURRENT_LIST_DIR}/complain.c
	${CMAKE_CURRENT_LIST_DIR}/decode.c ${CMAKE_CURRENT_LIST_DIR}/fetch.c
	${CMAKE_CURRENT_LIST_DIR}/pool.c ${CMAKE_CURRENT_LIST_DIR}/prefetch.c ${CMAKE_CURRENT_LIST_DIR}/read.c
	${CMAKE_CURRENT_LIST_DIR}/reader.c ${CMAKE_CURRENT_LIST_DIR}/share.c)
