/* build: dl musl static */
/* Loads the libraries that are named, one after the other, when main has begun.
 * usage: late_library [LIBRARY...] */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (dlopen(argv[i], RTLD_NOW) == NULL) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
	return 0;
}
