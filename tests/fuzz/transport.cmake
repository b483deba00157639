# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of transport/. The sources are compiled in, so that they are instrumented for coverage.
set(transport_dir ${CMAKE_SOURCE_DIR}/transport)
set(vring_sources ${transport_dir}/guest_memory.c ${transport_dir}/dirty_log.c ${transport_dir}/vring.c
	${transport_dir}/vring_split.c ${transport_dir}/vring_packed.c)
graft_add_fuzzer(vring LIBS graft_lib SOURCES fuzz_vring.c ${vring_sources})
graft_add_fuzzer(vhost-user LIBS graft_lib SOURCES fuzz_vhost_user.c ../unit/vhost_front.c ../unit/vring_driver.c
	${vring_sources} ${transport_dir}/request_pool.c ${transport_dir}/vhost_user_device.c
	${transport_dir}/queue.c ${transport_dir}/vhost_user_handlers.c ${transport_dir}/vhost_user_message.c
	${transport_dir}/queue_poll.c ${transport_dir}/vhost_user_queue.c ${transport_dir}/vhost_user_queue_thread.c)
