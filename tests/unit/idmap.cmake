# SPDX-License-Identifier: Apache-2.0
# Tests of the layer idmap: its rules, its values, its operations.
graft_add_unit_test(idmap-rules LIBS idmap-objects graft_lib SOURCES idmap_rules_test.c)
graft_add_unit_test(idmap-files LIBS idmap-objects graft_lib SOURCES idmap_files_test.c)
graft_add_unit_test(idmap-layer LIBS server-rig idmap-objects SOURCES idmap_layer_test.c layer_plain.c)
