/* build: shared */
/* SPDX-License-Identifier: MIT */
/* A library for heap_load with an operator new of its own: 3: it was called, 4: another one. */
#include <cstdlib>
#include <new>

static int n_calls;

void *operator new(std::size_t n)
{
	n_calls++;
	return malloc(n);
}

extern "C" int plugin_use()
{
	operator delete(operator new(97));
	return n_calls == 1 ? 3 : 4;
}
