# SPDX-License-Identifier: Apache-2.0
# Tests of the layer overlay in the real stack, over a tree of the test's own.
graft_add_unit_test(overlay-layer LIBS server-rig overlay-objects SOURCES overlay_layer_test.c overlay_lower.c layer_plain.c)
