/* SPDX-License-Identifier: MIT */
/* doctor: what this machine allows. */

#include "userspace/cmd/cmd.h"

static const char doc[] = "Shows what this machine allows.\v"
			  "EXAMPLES\n  startline doctor\n  startline doctor --format json\n";

const struct argp doctor_argp = { NULL, NULL, NULL, doc, NULL, NULL, NULL };

int cmd_doctor(int argc, char **argv)
{
	if (argp_parse(&doctor_argp, argc, argv, 0, NULL, NULL) != 0)
		return EXIT_USAGE;
	return 0;
}
