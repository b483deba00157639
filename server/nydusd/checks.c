/* SPDX-License-Identifier: Apache-2.0 */
/* What nydusd's command line and environment ask for and do not get, said in the log. */
#include "server/nydusd/checks.h"

#include "lib/log.h"
#include "server/nydusd/help.h"
#include "server/nydusd/options.h"
#include "server/nydusd/settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER "NYDUS_HEADER_"
#define NO_REMOTE "is kept for the backends that ask a server, which this release does not have"

static void warn_options(const struct nyd_line *line)
{
	for (const struct nyd_option *o = nyd_options; o->spelling; o++)
		if (line->value[o->id] && o->warning)
			log_warn(NULL, "%s: %s", o->spelling, o->warning);
	for (size_t i = 0; i < line->nextras; i++)
		log_warn(NULL, "%.100s: it is an option of virtiofsd, and has no effect", line->extra[i]);
	if (line->value[NYD_CONFIG] && line->form == NYD_SINGLETON)
		log_warn(NULL, "--config: the blobs it may name have no effect without fscache; PUT /api/v2/blobs is kept");
	if (line->value[NYD_CONFIG] && line->form != NYD_SINGLETON && !line->value[NYD_BOOTSTRAP])
		log_warn(NULL, "--config: it has no effect without --bootstrap");
}

/* What only a mount or an API could make something of. */
static void warn_idle(const struct nyd_line *line)
{
	static const struct {
		enum nyd_id id, without;
	} idle[] = {
		{ NYD_PREFETCH, NYD_BOOTSTRAP }, { NYD_LOCALFS, NYD_BOOTSTRAP },
		{ NYD_UPGRADE, NYD_APISOCK },    { NYD_SUPERVISOR, NYD_APISOCK }, { NYD_LOG_ROTATION, NYD_LOG_FILE },
	};

	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
		if (line->value[idle[i].id] && !line->value[idle[i].without])
			log_warn(NULL, "%s: it has no effect without %s", nyd_option_of(idle[i].id)->spelling,
				 nyd_option_of(idle[i].without)->spelling);
}

static void warn_rlimit(const struct nyd_line *line)
{
	uint64_t asked, got = nyd_rlimit(line, &asked);

	if (asked)
		log_warn(NULL, "--rlimit-nofile: %" PRIu64 " cannot be set, %" PRIu64 " is", asked, got);
}

/* Values may be secret, so the log has the names alone. */
static void tell_environment(const struct nyd_line *line)
{
	if (line->value[NYD_CONFIG] && getenv("IMAGE_PULL_AUTH"))
		log_info(NULL, "IMAGE_PULL_AUTH " NO_REMOTE);
	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, HEADER, strlen(HEADER)) == 0)
			log_info(NULL, "%.*s " NO_REMOTE, (int)strcspn(*e, "="), *e);
}

void nyd_check_run(const struct nyd_line *line)
{
	nyd_log_version();
	warn_options(line);
	warn_idle(line);
	warn_rlimit(line);
	tell_environment(line);
}
