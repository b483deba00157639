/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the process. */
#include "server/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

int limits_nofile(uint64_t wanted, uint64_t *got, struct graft_error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return error_set(err, errno, "reading RLIMIT_NOFILE: %s", strerror(errno));
	limit.rlim_cur = wanted ? wanted : limit.rlim_max;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		int code = errno;

		return error_set(err, code, "setting RLIMIT_NOFILE to %" PRIu64 ": %s", (uint64_t)limit.rlim_cur,
				 strerror(code));
	}
	*got = limit.rlim_cur;
	return 0;
}
