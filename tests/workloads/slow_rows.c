/* build: shared dl */
/* SPDX-License-Identifier: MIT */
/* Preloaded into startline, it makes the first look at how the functions of a file are left take 0.6 s, as a file
 * that somebody made for it might. It takes itself out of the environment, so that the measured program
 * knows nothing of it. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOW_US 600000

__attribute__((constructor)) static void begin(void)
{
	unsetenv("LD_PRELOAD");
}

void *dwarf_getcfi_elf(void *elf)
{
	void *(*real)(void *) = (void *(*)(void *))dlsym(RTLD_NEXT, "dwarf_getcfi_elf");

	usleep(SLOW_US);
	return real(elf);
}
