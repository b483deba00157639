/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points as clients of nydusd's API wrote them, for its listings: "/a//b/" where the mount stands at "/a/b". */
#ifndef GRAFT_SERVER_CONTROL_SPELLINGS_H
#define GRAFT_SERVER_CONTROL_SPELLINGS_H

/* Any thread. As many as there are mounts that were written so. */
struct spellings;

struct spellings *spellings_new(void);
void spellings_free(struct spellings *s);

/* What was mounted at a path was written so; NULL, or the path itself: forgets what is known of it. */
void spellings_set(struct spellings *s, const char *at, const char *given);
/* How the mount at a path was written, the path itself where nothing is known. The caller frees it; NULL when out of memory. */
char *spellings_of(struct spellings *s, const char *at);

#endif
