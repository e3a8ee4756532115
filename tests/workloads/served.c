/* SPDX-License-Identifier: MIT */
/* served PORT: listens on PORT of loopback and answers each connection with "served" and a newline.
 * Known answers: ready by a blocking accept; 23 mallocs of 4099 bytes for each connection, which stay. A
 * client that sends "die" makes it exit with status 7. It ends at SIGTERM. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCKS = 23, SIZE = 4099 };

static char *kept;

static void serve(int connection)
{
	char request[4] = "";
	for (int i = 0; i < BLOCKS; i++) {
		kept = malloc(SIZE);
		if (kept != NULL)
			memset(kept, 1, SIZE);
	}
	if (write(connection, "served\n", 7) == 7 && read(connection, request, 3) == 3 &&
	    strcmp(request, "die") == 0)
		exit(7);
	close(connection);
}

int main(int argc, char **argv)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(
						     (in_port_t)atoi(argc > 1 ? argv[1] : "0")),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 23))
		return 1;
	for (;;) {
		const int connection = accept(fd, NULL, NULL);
		if (connection >= 0)
			serve(connection);
	}
}
