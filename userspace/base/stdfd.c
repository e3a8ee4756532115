/* SPDX-License-Identifier: MIT */
/* Fills holes among the descriptors 0, 1 and 2. */

#include "userspace/base/stdfd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int stdfd_ensure_open(unsigned int *ret_closed)
{
	unsigned int closed = 0;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* open() takes the lowest free number, and those below are open by now. */
		const int flags = fd == STDERR_FILENO ? O_WRONLY : O_RDONLY;
		if (open("/dev/null", flags | O_NOCTTY) != fd)
			return errno != 0 ? -errno : -EIO;
		closed |= 1u << fd;
	}
	*ret_closed = closed;
	return 0;
}
