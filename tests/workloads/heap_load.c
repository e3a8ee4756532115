/* build: dl origin */
/* SPDX-License-Identifier: MIT */
/* Loads a library as said and calls its plugin_use(): "heap_load local|deepbind|namespace LIBRARY". */
#include <dlfcn.h>
#include <string.h>

static void *load(const char *how, const char *path)
{
	if (strcmp(how, "namespace") == 0)
		return dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
	return dlopen(path,
		      RTLD_NOW | RTLD_LOCAL | (strcmp(how, "deepbind") == 0 ? RTLD_DEEPBIND : 0));
}

int main(int argc, char **argv)
{
	void *library = argc == 3 ? load(argv[1], argv[2]) : NULL;
	int (*use)(void) = NULL;

	if (library != NULL)
		*(void **)&use = dlsym(library, "plugin_use");
	return use == NULL ? 9 : use();
}
