# SPDX-License-Identifier: Apache-2.0
# What the API and nydusd's --version tell of the build: clients compare the two, so they are found out once.
set(GRAFT_BUILD_COMMIT unknown)
find_package(Git QUIET)
if(GIT_FOUND)
	execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse HEAD WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
		OUTPUT_VARIABLE said OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
	if(NOT failed)
		set(GRAFT_BUILD_COMMIT ${said})
	endif()
endif()
string(TIMESTAMP GRAFT_BUILD_TIME "%Y-%m-%dT%H:%M:%SZ" UTC) # of SOURCE_DATE_EPOCH where that is set
set(GRAFT_BUILD_PROFILE release)
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
	set(GRAFT_BUILD_PROFILE debug)
endif()
set(GRAFT_BUILD_COMPILER "${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}")
