/* build: shared */
/* SPDX-License-Identifier: MIT */
/* A library whose constructor calls functions the shim wraps before anything has been allocated. */
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
	(void)prctl(PR_GET_DUMPABLE);
	(void)syscall(SYS_getppid);
	(void)poll(NULL, 0, 0);
}
