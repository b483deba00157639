/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a whole vhost-user connection, any messages with any descriptors, with rings that really run. */
#include "transport/vhost_user_device.h"

#include "lib/log.h"

#include "tests/unit/vhost_front.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_MESSAGES 40
#define RECORD 5  /* bytes before a message's payload: descriptors, request, flags, size */
#define POKE 0xff /* not a message: u32 offset and bytes for guest memory */

static struct fake_client client;
static struct transport transport = { .name = "fuzz", .client = &client.ops, .user = &client };
static struct vhost_user_device *device;
static struct front front;
static int stop, files[4];

static void ignore_line(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	(void)line;
}

static void setup(void)
{
	const struct vhost_user_config config = { .name = "fuzz", .tag = "fuzz", .queues = 2 };

	log_set_sink(ignore_line, NULL);
	fake_client_init(&client);
	device = vhost_user_device_new(&config, &transport, NULL);
	if (!device || vhost_user_device_start(device, NULL) < 0)
		abort();
	driver_memory_init(&front.memory, FRONT_MEMORY);
	stop = eventfd(0, EFD_CLOEXEC);
	files[0] = front.memory.fd;
	files[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	files[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	files[3] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void poke(const uint8_t *data, uint32_t size)
{
	uint32_t offset;

	if (size < sizeof(offset))
		return;
	memcpy(&offset, data, sizeof(offset));
	offset %= FRONT_MEMORY - 0x10000;
	memcpy(front.memory.base + offset, data + sizeof(offset), size - sizeof(offset));
}

/* First byte: low nibble the number of descriptors, high nibble which: all of one kind. */
static void send_one(const uint8_t *record, const uint8_t *payload, uint32_t size)
{
	int fds[16];
	uint32_t i;

	for (i = 0; i < 16; i++)
		fds[i] = files[record[0] >> 4 & 3];
	front_send(&front, record[1], record[2], payload, size, fds, record[0] & 15);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2], n;

	if (!device)
		setup();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	front.sock = pair[0];
	memset(front.memory.base, 0, 4 * DRIVER_RING_BYTES);
	for (n = 0; n < MAX_MESSAGES && size >= RECORD; n++) {
		uint32_t len = data[3] | (uint32_t)data[4] << 8;

		if (len > size - RECORD)
			len = (uint32_t)(size - RECORD);
		if (data[1] == POKE)
			poke(data + RECORD, len);
		else
			send_one(data, data + RECORD, len);
		data += RECORD + len;
		size -= RECORD + len;
	}
	shutdown(pair[0], SHUT_WR);
	vhost_user_device_serve(device, pair[1], stop);
	if (atomic_load(&client.connects) != atomic_load(&client.disconnects) || atomic_load(&client.nwaiting))
		abort();
	close(pair[0]);
	close(pair[1]);
	return 0;
}
