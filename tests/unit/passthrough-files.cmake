# SPDX-License-Identifier: Apache-2.0
# Tests of the passthrough plugin's files, directories, attributes and locks; each once on $TMPDIR's file system and once on tmpfs.
foreach(part open backing data dir xattr locks)
	graft_add_unit_test(passthrough-${part}
		LIBS passthrough-test-support passthrough-objects graft_lib
		SOURCES passthrough_${part}_test.c passthrough_requests.c)
	if(IS_DIRECTORY /dev/shm)
		add_test(NAME unit/passthrough-${part}-tmpfs COMMAND test-passthrough-${part})
		set_tests_properties(unit/passthrough-${part}-tmpfs PROPERTIES
			TIMEOUT 120 SKIP_RETURN_CODE 77 ENVIRONMENT TMPDIR=/dev/shm)
	endif()
endforeach()

# System calls and allocations that the tests count and fail.
target_link_options(test-passthrough-open PRIVATE -Wl,--wrap=close)
target_link_options(test-passthrough-data PRIVATE -Wl,--wrap=preadv2,--wrap=pwritev2)
target_link_options(test-passthrough-backing PRIVATE -Wl,--wrap=fcntl)
target_link_options(test-passthrough-dir PRIVATE
	-Wl,--wrap=getdents64,--wrap=lseek,--wrap=malloc,--wrap=calloc)
target_link_options(test-passthrough-locks PRIVATE -Wl,--wrap=calloc,--wrap=thread_start)
