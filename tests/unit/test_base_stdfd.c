/* SPDX-License-Identifier: MIT */
/* Closed standard descriptors. Each case runs in a child, which may lose its own. */

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/stdfd.h"

/* Closes the descriptors of the mask in a child, calls the function there, and then lets @check
 * judge. Returns what @check did. */
static int in_child(unsigned int close_mask, int (*check)(int rc, unsigned int closed))
{
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++) {
			if ((close_mask & 1u << fd) != 0)
				(void)close(fd);
		}
		unsigned int closed = 0;
		const int rc = stdfd_ensure_open(&closed);
		_exit(check(rc, closed));
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The descriptors are open, and the next one that is opened is none of them. */
static int all_are_open(int rc, unsigned int closed)
{
	(void)closed;
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			return 1;
	}
	return rc == 0 && open("/dev/null", O_RDONLY | O_CLOEXEC) > 2 ? 0 : 2;
}

static int reports_in_and_out(int rc, unsigned int closed)
{
	return rc == 0 && closed == (STDFD_IN_CLOSED | STDFD_OUT_CLOSED) ? 0 : 1;
}

static int reports_none(int rc, unsigned int closed)
{
	return rc == 0 && closed == 0 ? 0 : 1;
}

static int output_fails(int rc, unsigned int closed)
{
	(void)closed;
	return rc == 0 && write(STDOUT_FILENO, "x", 1) == -1 && errno == EBADF ? 0 : 1;
}

static void every_combination_of_closed_descriptors_is_filled(void **state)
{
	(void)state;
	for (unsigned int mask = 0; mask < 8; mask++)
		assert_int_equal(in_child(mask, all_are_open), 0);
}

static void it_tells_which_were_closed(void **state)
{
	(void)state;
	assert_int_equal(in_child(STDFD_IN_CLOSED | STDFD_OUT_CLOSED, reports_in_and_out), 0);
	assert_int_equal(in_child(0, reports_none), 0);
}

static void writing_to_a_closed_output_still_fails(void **state)
{
	(void)state;
	assert_int_equal(in_child(STDFD_OUT_CLOSED, output_fails), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_of_closed_descriptors_is_filled),
		cmocka_unit_test(it_tells_which_were_closed),
		cmocka_unit_test(writing_to_a_closed_output_still_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
