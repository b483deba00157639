# SPDX-License-Identifier: Apache-2.0
# rafs/codec: from bytes in a blob to plain bytes, and checksums of them.
target_sources(graft_rafs PRIVATE ${CMAKE_CURRENT_LIST_DIR}/blake3.c ${CMAKE_CURRENT_LIST_DIR}/blake3_avx2.c
	${CMAKE_CURRENT_LIST_DIR}/blake3_sse41.c ${CMAKE_CURRENT_LIST_DIR}/codec.c ${CMAKE_CURRENT_LIST_DIR}/crc32c.c
	${CMAKE_CURRENT_LIST_DIR}/crypto.c
	${CMAKE_CURRENT_LIST_DIR}/digest.c ${CMAKE_CURRENT_LIST_DIR}/xts.c ${CMAKE_CURRENT_LIST_DIR}/zran.c)
