/* SPDX-License-Identifier: Apache-2.0 */
/* The control module: joins state folder, manager of mounts and HTTP server, and exports them to the daemon. */
#include "server/control.h"

#include "server/control/api.h"
#include "server/control/http.h"
#include "server/control/listen.h"
#include "server/control/nydus_config.h"
#include "server/control/upgrade/upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct control {
	struct api api;
	struct unix_listener listener;
	struct http *http; /* NULL: not started, or no API */
};

static void control_close(struct control *c)
{
	http_free(c->http);
	unix_listener_close(&c->listener);
	upgrade_free(c->api.upgrade);
	manager_free(c->api.manager);
	api_fini(&c->api);
	free(c);
}

static int control_open(const struct control_host *host, struct control **control, struct graft_error *err)
{
	const struct server_config *set = &host->config->server;
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return error_set(err, ENOMEM, "out of memory");
	c->listener = (struct unix_listener)UNIX_LISTENER_NONE;
	c->api.host = host;
	if (api_init(&c->api) < 0)
		error_set(err, ENOMEM, "out of memory");
	else
		c->api.manager = manager_new(host, err);
	mode_t mode = set->api_peers == CONFIG_API_PEERS_ANY ? 0666 : 0600;
	if (c->api.manager)
		c->api.upgrade = upgrade_new(host, c->api.manager, err);
	if (!c->api.upgrade || api_listener_open(&c->listener, set->api_socket, mode, err) < 0) {
		control_close(c);
		return -err->code;
	}
	*control = c;
	return 0;
}

static int control_restore(struct control *c, struct graft_error *err)
{
	return manager_restore(c->api.manager, err);
}

static int control_start(struct control *c, struct graft_error *err)
{
	struct timespec now;
	int res = manager_started(c->api.manager, err);

	if (res < 0 || c->listener.fd < 0)
		return res;
	clock_gettime(CLOCK_BOOTTIME, &now);
	c->api.started = (uint64_t)now.tv_sec;
	c->http = http_new(&c->api, c->listener.fd, err);
	return c->http ? unix_listener_show(&c->listener, err) : -err->code;
}

static void control_stop(struct control *c)
{
	if (c->http)
		http_stop(c->http);
}

extern const struct control_module graft_control_v1;
__attribute__((visibility("default"))) const struct control_module graft_control_v1 = {
	.version = CONTROL_VERSION,
	.open = control_open,
	.restore = control_restore,
	.start = control_start,
	.stop = control_stop,
	.close = control_close,
	.nydus_layers = nydus_layers,
};
