# SPDX-License-Identifier: Apache-2.0
# Sources and libraries of the control module, for its tests and fuzzers too. Paths are whole, as others include this.
set(control_dir ${CMAKE_CURRENT_LIST_DIR})
find_package(PkgConfig REQUIRED)
if(NOT TARGET PkgConfig::MICROHTTPD)
	pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET GLOBAL libmicrohttpd>=0.9.75)
	pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET GLOBAL jansson>=2.14)
endif()

set(GRAFT_CONTROL_STATE_SOURCES)
foreach(name manager ledger record store instance state_json)
	list(APPEND GRAFT_CONTROL_STATE_SOURCES ${control_dir}/${name}.c)
endforeach()
# From bytes of a request to an answer, without HTTP.
set(GRAFT_CONTROL_API_SOURCES)
foreach(name answer api ask body json_check graft_info graft_mounts graft_stats nydus nydus_blobs nydus_body nydus_caches nydus_config nydus_figures nydus_info
	nydus_life nydus_metrics nydus_values openmetrics openmetrics_images routes spec spellings uri)
	list(APPEND GRAFT_CONTROL_API_SOURCES ${control_dir}/${name}.c)
endforeach()
# What daemons hand to each other, and how.
foreach(name handover handover_records supervisor upgrade)
	list(APPEND GRAFT_CONTROL_API_SOURCES ${control_dir}/upgrade/${name}.c)
endforeach()
set(GRAFT_CONTROL_FORMAT_SOURCES)
foreach(name crc64 nydus_state wire)
	list(APPEND GRAFT_CONTROL_FORMAT_SOURCES ${control_dir}/upgrade/${name}.c)
endforeach()
list(APPEND GRAFT_CONTROL_API_SOURCES ${GRAFT_CONTROL_FORMAT_SOURCES})
set(GRAFT_CONTROL_HTTP_SOURCES ${control_dir}/http.c ${control_dir}/http_limits.c ${control_dir}/listen.c ${control_dir}/module.c)
set(GRAFT_CONTROL_LIBS graft_nydus PkgConfig::MICROHTTPD PkgConfig::JANSSON)

# What GET /api/v1/daemon tells of the build.
set(GRAFT_CONTROL_DEFINITIONS CONTROL_GIT_COMMIT="${GRAFT_BUILD_COMMIT}" CONTROL_BUILD_TIME="${GRAFT_BUILD_TIME}"
	CONTROL_PROFILE="${GRAFT_BUILD_PROFILE}" CONTROL_COMPILER="${GRAFT_BUILD_COMPILER}")
set_property(SOURCE ${control_dir}/nydus_info.c APPEND PROPERTY COMPILE_DEFINITIONS ${GRAFT_CONTROL_DEFINITIONS})
