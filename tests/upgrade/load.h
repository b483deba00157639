/* SPDX-License-Identifier: Apache-2.0 */
/* Those who use a mount meanwhile: they read files and compare them, and walk the tree. */
#ifndef GRAFT_TESTS_UPGRADE_LOAD_H
#define GRAFT_TESTS_UPGRADE_LOAD_H

/* Reads all below dir once, to compare with later; then readers and a walker begin. */
void load_begin(const char *dir);
/* Ends them: dies where one of them saw an error, or other data. Says what they did, and the longest that one waited.
 */
void load_end(void);

#endif
