/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bystander NAME PATH: a process of the host with things that a daemon in its sandbox must not reach: a port on 127.0.0.1, an
 * abstract socket NAME, a System V segment. Also the service manager's socket, at PATH. Prints the port and the segment's key on one line,
 * then each datagram that comes to PATH on its own, until SIGTERM.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static int bind_unix(int type, const char *name, int abstract)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	snprintf(un.sun_path + abstract, sizeof(un.sun_path) - 1, "%s", name);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)abstract + strlen(name));
	return fd >= 0 && bind(fd, (struct sockaddr *)&un, len) == 0 ? fd : -1;
}

static int listen_tcp(int *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)&in, &len))
		return -1;
	*port = ntohs(in.sin_port);
	return fd;
}

static void pass_on(int manager)
{
	char text[512];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return;
	text[n] = '\0';
	printf("%s\n", text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct sigaction act = { .sa_handler = end };
	key_t key = 0x67000000 | (key_t)getpid();
	int port = 0, tcp = listen_tcp(&port), shm = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0666);
	int name = argc == 3 ? bind_unix(SOCK_STREAM, argv[1], 1) : -1;
	int manager = argc == 3 ? bind_unix(SOCK_DGRAM, argv[2], 0) : -1;

	if (tcp < 0 || shm < 0 || name < 0 || manager < 0 || listen(name, 8) < 0) {
		perror("bystander");
		if (shm >= 0)
			shmctl(shm, IPC_RMID, NULL);
		return 1;
	}
	sigaction(SIGTERM, &act, NULL);
	printf("%d %d\n", port, (int)key);
	fflush(stdout);
	while (!ended)
		pass_on(manager);
	shmctl(shm, IPC_RMID, NULL);
	return 0;
}
