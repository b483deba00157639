# SPDX-License-Identifier: Apache-2.0
# Tests of the rules that map names of extended attributes.
foreach(name rules xml)
	graft_add_unit_test(xattrmap-${name} LIBS graft_xattrmap SOURCES xattrmap_${name}_test.c)
endforeach()
graft_add_unit_test(xattrmap-layer LIBS server-rig xattrmap-objects graft_xattrmap PkgConfig::LIBXML2
	SOURCES xattrmap_layer_test.c layer_plain.c)
