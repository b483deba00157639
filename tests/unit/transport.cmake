# SPDX-License-Identifier: Apache-2.0
# Unit tests of transport/.
graft_add_unit_test(guest_memory LIBS graft_transport SOURCES test_guest_memory.c)
graft_add_unit_test(queue_poll LIBS graft_transport SOURCES test_queue_poll.c)
set(vring_rig vring_rig.c vring_driver.c)
graft_add_unit_test(vring LIBS graft_transport SOURCES test_vring.c ${vring_rig})
graft_add_unit_test(vring_hostile LIBS graft_transport SOURCES test_vring_hostile.c ${vring_rig})
graft_add_unit_test(vring_base LIBS graft_transport SOURCES test_vring_base.c ${vring_rig})
graft_add_unit_test(vhost_user_message LIBS graft_transport SOURCES test_vhost_user_message.c)
set(vhost_world vhost_world.c vhost_front.c vring_driver.c)
graft_add_unit_test(vhost_user LIBS graft_transport SOURCES test_vhost_user.c ${vhost_world})
graft_add_unit_test(vhost_user_connection LIBS graft_transport SOURCES test_vhost_user_connection.c ${vhost_world})
graft_add_unit_test(vhost_user_listener LIBS graft_transport SOURCES test_vhost_user_listener.c)
graft_add_unit_test(vhost_user_wake LIBS graft_transport SOURCES test_vhost_user_wake.c ${vhost_world})
