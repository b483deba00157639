/* SPDX-License-Identifier: Apache-2.0 */
/* Data put into a client's cache: who may, what is refused, the notification's bytes, and the mount's end meanwhile. */
#include "server_layers.h"
#include "server_probe.h"
#include "server_rig.h"

#include "server/fuse/notify.h"
#include "server/host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define AT "/below"
#define SLOT 2ull /* of the mount there: the other one is made first */

/* What the transport was given last. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock */
	unsigned char bytes[65536];
	size_t len;
	uint32_t calls, inside, niov;
	bool hold;
	int res;
} sent = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static int store(struct transport *t, const struct iovec *iov, uint32_t niov)
{
	(void)t;
	pthread_mutex_lock(&sent.lock);
	sent.len = 0;
	for (uint32_t i = 0; i < niov && sent.len + iov[i].iov_len <= sizeof(sent.bytes); i++) {
		memcpy(sent.bytes + sent.len, iov[i].iov_base, iov[i].iov_len);
		sent.len += iov[i].iov_len;
	}
	sent.niov = niov;
	sent.calls++;
	sent.inside++;
	pthread_cond_broadcast(&sent.changed);
	while (sent.hold)
		pthread_cond_wait(&sent.changed, &sent.lock);
	sent.inside--;
	int res = sent.res;
	pthread_mutex_unlock(&sent.lock);
	return res;
}

static const struct transport_ops ops = { .kind = GRAFT_DEV_FUSE, .store = store };
static const struct transport_ops ops_without = { .kind = GRAFT_VHOST_USER };

static struct rig *rig;
static const struct graft_session *session;

static int set_up(void **state)
{
	(void)state;
	layers_reset();
	sent.len = sent.calls = sent.inside = sent.niov = 0;
	sent.hold = false;
	sent.res = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_free(rig);
	for (int i = 0; i < LAYERS; i++)
		assert_int_equal(layers[i].sessions, 0);
	return 0;
}

/* The layer c, as the test wants it, over the backend. */
static void start(const struct transport_ops *transport)
{
	const struct rig_mount mounts[] = { { "top", "/", { &empty_plugin } }, { "web", AT, { &plugin_c, &plugin_backend } } };

	rig = rig_new(mounts, 2);
	rig->transport.ops = transport;
	assert_int_equal(rig_init(rig, 0), 0);
	session = &rig->conn->session->pub;
}

static int put(int layer, uint64_t node, uint64_t off, const struct iovec *iov, uint32_t niov)
{
	return host_services.store(layers[layer].slot, session, node, off, iov, niov);
}

static char text[] = "some bytes";
static const struct iovec some = { text, sizeof(text) };

static void test_bytes(void **state)
{
	const struct iovec parts[] = { { text, 3 }, { text, 0 }, { text + 3, sizeof(text) - 3 } };
	struct fuse_out_header h;
	struct fuse_notify_store_out out;

	(void)state;
	c_ops[FUSE_READ] = NULL;
	start(&ops);
	assert_int_equal(put(BACKEND, 77, UINT64_C(5) << 32 | 9, parts, 3), 0);
	assert_int_equal(sent.len, sizeof(h) + sizeof(out) + sizeof(text));
	memcpy(&h, sent.bytes, sizeof(h));
	memcpy(&out, sent.bytes + sizeof(h), sizeof(out));
	assert_int_equal(h.len, sent.len);
	assert_int_equal(h.error, FUSE_NOTIFY_STORE);
	assert_int_equal(h.unique, 0);
	assert_true(out.nodeid == (SLOT << GRAFT_NODE_BITS | 77));
	assert_true(out.offset == (UINT64_C(5) << 32 | 9));
	assert_int_equal(out.size, sizeof(text));
	assert_int_equal(out.padding, 0);
	assert_memory_equal(sent.bytes + sizeof(h) + sizeof(out), text, sizeof(text));
	assert_int_equal(put(BACKEND, MOUNT_NODE_MASK, 0, &some, 1), 0);
	/* What the client says is handed on. */
	sent.res = -ENOENT;
	assert_int_equal(put(BACKEND, 77, 0, &some, 1), -ENOENT);
}

static void test_refused(void **state)
{
	struct iovec many[NOTIFY_STORE_IOV + 1];
	const struct iovec none = { text, 0 }, large = { text, (1u << 30) + 1 };
	const struct iovec larger[] = { { text, 1u << 30 }, { text, SIZE_MAX >> 1 } };
	struct graft_session other;

	(void)state;
	c_ops[FUSE_READ] = NULL;
	start(&ops);
	for (uint32_t i = 0; i <= NOTIFY_STORE_IOV; i++)
		many[i] = (struct iovec){ text, 1 };
	assert_int_equal(put(BACKEND, 0, 0, &some, 1), -EINVAL);
	assert_int_equal(put(BACKEND, GRAFT_ROOT_NODE, 0, &some, 1), -EINVAL);
	assert_int_equal(put(BACKEND, MOUNT_NODE_MASK + 1, 0, &some, 1), -EINVAL);
	assert_int_equal(put(BACKEND, UINT64_MAX, 0, &some, 1), -EINVAL);
	assert_int_equal(put(BACKEND, 77, 0, many, NOTIFY_STORE_IOV + 1), -EINVAL);
	assert_int_equal(put(BACKEND, 77, 0, &none, 1), -EINVAL);
	assert_int_equal(put(BACKEND, 77, 0, NULL, 0), -EINVAL);
	assert_int_equal(put(BACKEND, 77, 0, &large, 1), -EINVAL);
	assert_int_equal(put(BACKEND, 77, 0, larger, 2), -EINVAL);
	other = *session;
	session = &other;
	assert_int_equal(put(BACKEND, 77, 0, &some, 1), -ENOTCONN);
	session = NULL;
	assert_int_equal(put(BACKEND, 77, 0, &some, 1), -ENOTCONN);
	session = &rig->conn->session->pub;
	assert_int_equal(sent.calls, 0);
	assert_int_equal(put(BACKEND, 77, 0, many, NOTIFY_STORE_IOV), 0);
	assert_int_equal(sent.calls, 1);
}

/* Whoever serves READ first, and nobody else. */
static void test_layers(void **state)
{
	(void)state;
	start(&ops);
	assert_int_equal(put(BACKEND, 77, 0, &some, 1), -ENOTSUP);
	assert_int_equal(sent.calls, 0);
	assert_int_equal(put(2, 77, 0, &some, 1), 0);
	rig_free(rig);
	c_ops[FUSE_READ] = NULL;
	start(&ops);
	assert_int_equal(put(2, 77, 0, &some, 1), -ENOTSUP);
	assert_int_equal(put(BACKEND, 77, 0, &some, 1), 0);
	rig_free(rig);
	backend_ops[FUSE_READ] = NULL;
	start(&ops);
	assert_int_equal(put(2, 77, 0, &some, 1), -ENOTSUP);
	assert_int_equal(put(BACKEND, 77, 0, &some, 1), -ENOTSUP);
	assert_int_equal(sent.calls, 2);
}

static void test_no_transport(void **state)
{
	(void)state;
	c_ops[FUSE_READ] = NULL;
	start(&ops_without);
	assert_int_equal(put(BACKEND, 77, 0, &some, 1), -ENOTSUP);
}

static void *put_main(void *res)
{
	*(int *)res = put(BACKEND, 77, 0, &some, 1);
	return NULL;
}

static void await(bool (*seen)(void))
{
	for (int i = 0; i < 1000 && !seen(); i++)
		usleep(10000);
	assert_true(seen());
}

static bool is_inside(void)
{
	pthread_mutex_lock(&sent.lock);
	bool inside = sent.inside;
	pthread_mutex_unlock(&sent.lock);
	return inside;
}

static bool is_closed(void)
{
	return !__atomic_load_n(&layers[BACKEND].sessions, __ATOMIC_ACQUIRE);
}

/* The umount does not wait, but the members' sessions stay until the client has let go. */
static void test_umount_meanwhile(void **state)
{
	pthread_t thread;
	int res = -1;

	(void)state;
	c_ops[FUSE_READ] = NULL;
	start(&ops);
	sent.hold = true;
	assert_int_equal(pthread_create(&thread, NULL, put_main, &res), 0);
	await(is_inside);
	assert_int_equal(rig_umount(rig, AT), 0);
	usleep(20000);
	assert_false(is_closed());
	pthread_mutex_lock(&sent.lock);
	sent.hold = false;
	pthread_cond_broadcast(&sent.changed);
	pthread_mutex_unlock(&sent.lock);
	pthread_join(thread, NULL);
	assert_int_equal(res, 0);
	await(is_closed);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bytes), T(test_refused), T(test_layers), T(test_no_transport), T(test_umount_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
