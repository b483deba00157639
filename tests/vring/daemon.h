/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon under test as a child process: a temporary folder, its INI file, its log, its end. */
#ifndef GRAFT_TESTS_VRING_DAEMON_H
#define GRAFT_TESTS_VRING_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DAEMON_PATH 256

/* What stands in the INI file. */
struct daemon_config {
	const char *program; /* NULL: the environment's GRAFTFSD */
	const char *tag;     /* NULL: none */
	const char *source;  /* what is shared; NULL: the folder's own share */
	const char *sandbox; /* NULL: none */
	uid_t user;          /* user and group to run as, without capabilities; 0: as the caller */
	unsigned queues;     /* 0: the key is left out */
	bool once;
	uint64_t rlimit_nofile;    /* 0: the key is left out */
	uint64_t file_size_limit;  /* RLIMIT_FSIZE in bytes, 0: none; SIGXFSZ is ignored then */
	const char *server_keys;   /* lines for the server's section, or NULL */
	const char *xattrmap;      /* extended attributes, mapped by these rules; NULL: not mapped */
	const char *mount_keys;    /* lines for the mount's section, or NULL */
	const char *const *peer_options; /* more of virtiofsd's own, ended by NULL; or NULL */
	const char *transport_keys; /* lines for the transport's section, or NULL */
	int listen_fd;             /* listening socket to hand over as descriptor 3 instead of a path; 0: none */
};

/*
 * A program called virtiofsd is started with that program's own options, so that the library can be tried against it.
 * The folder base holds the share and everything else, so whatever appears in base was an escape from the share.
 */
struct daemon {
	struct daemon_config config;
	pid_t pid; /* 0: not running */
	int status; /* as waitpid gave it, once it has ended */
	char base[DAEMON_PATH], share[DAEMON_PATH], socket[DAEMON_PATH], ini[DAEMON_PATH], log[DAEMON_PATH];
};

/* True where the program is virtiofsd. */
bool daemon_is_peer(const struct daemon *d);
/* Makes the folder and its empty share. 0 or -errno. */
int daemon_init(struct daemon *d, const struct daemon_config *config);
/* Ends the process if it runs and removes the folder. */
void daemon_fini(struct daemon *d);
/* Starts the process without waiting for it. */
int daemon_spawn(struct daemon *d);
/* Starts it and waits until it says that it is ready; -ECHILD if it ends instead. */
int daemon_start(struct daemon *d);
/* Waits for the end: the exit status, 256 + the signal that killed it, or -ETIMEDOUT. */
int daemon_wait(struct daemon *d, int timeout_ms);
/* SIGTERM and daemon_wait; SIGKILL if that took longer than timeout_ms. */
int daemon_stop(struct daemon *d, int timeout_ms);
bool daemon_alive(struct daemon *d);
/* Descriptors it holds now. */
unsigned daemon_fds(const struct daemon *d);
/* Processor time used so far by all its threads, those that ended included, in ns; 0 if it is gone. */
uint64_t daemon_cpu_ns(const struct daemon *d);
/* True if its log holds text. */
bool daemon_logged(const struct daemon *d, const char *text);
/* True if a sanitizer has reported something; the log then goes to stderr. */
bool daemon_reported(const struct daemon *d);
/* Copies the log to stderr. */
void daemon_show_log(const struct daemon *d);
/* Removes all below a folder, and it too if self. */
void daemon_remove_tree(const char *path, bool self);

#endif
