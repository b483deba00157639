/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of SIGSYS. */
#include "server/sandbox/seccomp_trap.h"

#include "lib/log.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS_MAX 1024 /* numbers of system calls */
#define NAME_ROOM 32   /* bytes */

/* Filled before the handler stands: libseccomp allocates for a name. */
static char names[CALLS_MAX][NAME_ROOM];

static void name_calls(void)
{
	for (int i = 0; i < CALLS_MAX; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

		if (name)
			strncpy(names[i], name, NAME_ROOM - 1);
		free(name);
	}
}

/*
 * Runs where the call would have been made, not in the middle of anything. The handler is reset already (SA_RESETHAND),
 * so the second SIGSYS is the end.
 */
static void trapped(int signal, siginfo_t *info, void *context)
{
	int call = info->si_syscall;
	const char *name = call >= 0 && call < CALLS_MAX && names[call][0] ? names[call] : "unknown";

	(void)context;
	if (info->si_arch == seccomp_arch_native())
		log_err(NULL, "seccomp: system call %s (%d) is not on the list", name, call);
	else
		log_err(NULL, "seccomp: system call %d of architecture 0x%x is not on the list", call, info->si_arch);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

int seccomp_trap_install(struct graft_error *err)
{
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER };

	name_calls();
	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return error_set(err, errno, "seccomp: cannot answer SIGSYS: %s", strerror(errno));
	return 0;
}
