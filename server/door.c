/* SPDX-License-Identifier: Apache-2.0 */
/* The front door of graftfsd itself. */
#include "server/door.h"

const struct door door_graftfsd = {
	.name = "graftfsd",
	.log_form = LOG_FORM_PLAIN,
	.ready = "graftfsd: ready",
	.signal_status = 0,
	.hangup_ends = false,
};
