/* SPDX-License-Identifier: Apache-2.0 */
/* Rules from what a key or a file holds, in either form. */
#include "xattrmap/rules.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct xattrmap *xattrmap_parse(const char *text, size_t len, const struct xattrmap_source *from,
				struct graft_error *err)
{
	if (xattrmap_is_xml(text, len))
		return xattrmap_parse_xml(text, len, from, err);
	return xattrmap_parse_rules(text, len, from, err);
}

struct xattrmap *xattrmap_read(int fd, const char *name, struct graft_error *err)
{
	struct xattrmap_source from = { name, true };
	auto_free char *text = malloc(XATTRMAP_FILE_MAX + 1);
	size_t len = 0;
	ssize_t n;

	if (!text) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	do {
		n = read(fd, text + len, XATTRMAP_FILE_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && len <= XATTRMAP_FILE_MAX) || (n < 0 && errno == EINTR));
	if (n < 0) {
		error_set(err, errno, "%s: cannot be read: %s", name, strerror(errno));
		return NULL;
	}
	if (len > XATTRMAP_FILE_MAX) {
		error_set(err, EFBIG, "%s: has more than %d bytes", name, XATTRMAP_FILE_MAX);
		return NULL;
	}
	return xattrmap_parse(text, len, &from, err);
}
