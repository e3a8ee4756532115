/* build: static */
/* SPDX-License-Identifier: MIT */
/* Memory that the kernel gave, by known code: grow_a() maps 8 MiB before the program listens, grow_b() 3 MiB after
 * it was ready, and makes them 5; all is touched. grow_break() moves the break by 1 MiB. What is only reserved
 * (16 MiB) and what is given back and mapped again in small pieces (23 times 64 KiB) adds no call site. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB 1048576ul

/* No function of its own: who calls it is the one that maps. */
#define MAP(bytes, protection) mmap(NULL, (bytes), (protection), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)

__attribute__((noinline)) static void grow_a(void)
{
	char *p = MAP(8 * MIB, PROT_READ | PROT_WRITE);
	if (p == MAP_FAILED)
		_exit(1);
	memset(p, 1, 8 * MIB);
}

__attribute__((noinline)) static void grow_b(void)
{
	char *p = MAP(3 * MIB, PROT_READ | PROT_WRITE);
	p = mremap(p, 3 * MIB, 5 * MIB, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		_exit(1);
	memset(p, 1, 5 * MIB);
}

__attribute__((noinline)) static void grow_break(void)
{
	if (sbrk(MIB) == (void *)-1)
		_exit(1);
}

int main(void)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd one = { .fd = fd, .events = POLLIN };

	(void)MAP(16 * MIB, PROT_NONE);
	grow_a();
	grow_break();
	for (int i = 0; i < 23; i++)
		(void)munmap(MAP(65536, PROT_READ | PROT_WRITE), 65536);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 23))
		return 1;
	(void)poll(&one, 1, 300);
	grow_b();
	return 0;
}
