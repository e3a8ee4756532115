/* build: static musl-static */
/* SPDX-License-Identifier: MIT */
/* The smallest server: binds a free port on loopback, listens, and accepts until it is ended.
 * Known answer: ready by a blocking accept. Built dynamic, static, and static with musl. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 23))
		return 1;
	for (;;) {
		const int connection = accept(fd, NULL, NULL);
		if (connection >= 0)
			close(connection);
	}
}
