# SPDX-License-Identifier: Apache-2.0
# Sources of the configuration, the plugin loader and the command line, for graft_server and the tests.
set(GRAFT_CONFIG_SOURCES
	${CMAKE_SOURCE_DIR}/server/build_tree.c
	${CMAKE_SOURCE_DIR}/server/cli.c
	${CMAKE_SOURCE_DIR}/server/config.c
	${CMAKE_SOURCE_DIR}/server/config_build.c
	${CMAKE_SOURCE_DIR}/server/config_check.c
	${CMAKE_SOURCE_DIR}/server/config_ids.c
	${CMAKE_SOURCE_DIR}/server/config_ini.c
	${CMAKE_SOURCE_DIR}/server/config_mount.c
	${CMAKE_SOURCE_DIR}/server/config_options.c
	${CMAKE_SOURCE_DIR}/server/config_path.c
	${CMAKE_SOURCE_DIR}/server/config_spec.c
	${CMAKE_SOURCE_DIR}/server/control_loader.c
	${CMAKE_SOURCE_DIR}/server/door.c
	${CMAKE_SOURCE_DIR}/server/door_keys.c
	${CMAKE_SOURCE_DIR}/server/nydusd/checks.c
	${CMAKE_SOURCE_DIR}/server/nydusd/files.c
	${CMAKE_SOURCE_DIR}/server/nydusd/help.c
	${CMAKE_SOURCE_DIR}/server/nydusd/line.c
	${CMAKE_SOURCE_DIR}/server/nydusd/nydusd.c
	${CMAKE_SOURCE_DIR}/server/nydusd/options.c
	${CMAKE_SOURCE_DIR}/server/nydusd/settings.c
	${CMAKE_SOURCE_DIR}/server/plugin_loader.c
	${CMAKE_SOURCE_DIR}/server/sandbox/modcaps.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/checks.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/detach.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/help.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/line.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/list.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/options.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/settings.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/values.c
	${CMAKE_SOURCE_DIR}/server/virtiofsd/virtiofsd.c)
set(GRAFT_CONFIG_DEFINITIONS GRAFT_PLUGIN_DIR="${GRAFT_PLUGIN_DIR}")
set(GRAFT_CONFIG_LIBS graft_lib graft_xattrmap_rules PkgConfig::INIH PkgConfig::CAP_NG ${CMAKE_DL_LIBS})
set_property(SOURCE ${CMAKE_SOURCE_DIR}/server/control_loader.c APPEND PROPERTY COMPILE_DEFINITIONS
	GRAFT_MODULE_DIR="${CMAKE_INSTALL_FULL_LIBDIR}/graftfs")
# nydusd's --version.
set_property(SOURCE ${CMAKE_SOURCE_DIR}/server/nydusd/help.c APPEND PROPERTY COMPILE_DEFINITIONS
	GRAFT_BUILD_COMMIT="${GRAFT_BUILD_COMMIT}" GRAFT_BUILD_TIME="${GRAFT_BUILD_TIME}" GRAFT_BUILD_PROFILE="${GRAFT_BUILD_PROFILE}"
	GRAFT_BUILD_COMPILER="${GRAFT_BUILD_COMPILER}")
