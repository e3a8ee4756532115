/* SPDX-License-Identifier: MIT */
/* compare = two REFs -> comparison -> report. It measures and never judges: the status is 0 also when
 * there is a difference. */

#include <stdio.h>

#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/known_noise.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/store_access.h"
#include "userspace/gate/family.h"
#include "userspace/model/compare/compare.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/report.h"

struct opts {
	const char *base, *head;
	struct output_options output;
};

static const char doc[] =
	"Compares two recordings: what changed, how sure that is, and where the "
	"difference comes from. BASE and REF are trace files, session documents, @NAME for a baseline, "
	"~N for the N-th last recording, or files of other tools; REF defaults to the last recording."
	"\v"
	"EXAMPLES\n"
	"  startline compare ~2 ~1\n"
	"  startline compare last-week.slt\n"
	"  startline compare base.json head.json --format markdown\n";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->output;
		return 0;
	case ARGP_KEY_ARG:
		if (o->head != NULL)
			argp_error(state, "two REFs are compared, not three");
		if (o->base == NULL)
			o->base = arg;
		else
			o->head = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->base == NULL)
			argp_error(state, "BASE is missing: startline compare BASE [REF]");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	NULL, parse_option, "BASE [REF]", doc, stored_children, NULL, NULL
};

int cmd_compare(int argc, char **argv)
{
	struct opts o = { 0 };
	if (arguments_parse(&argp, argc, argv, 0, &o) != 0)
		return EXIT_USAGE;
	struct session *base = NULL, *head = NULL;
	struct comparison *comparison = NULL;
	int status = ref_status(o.base, ref_load(o.base, &base));
	if (status == 0)
		status = ref_status(o.head, ref_load(o.head, &head));
	if (status == 0) {
		int r = known_noise_of(base, NULL);
		if (r >= 0)
			r = comparison_build(base, head, COMPARISON_LEVEL, &comparison);
		if (r >= 0)
			r = family_set_claims(comparison);
		if (r >= 0)
			r = output_open(&o.output, stdout);
		if (r >= 0)
			r = output_close(&o.output, report_compare(comparison, &o.output.page));
		status = r < 0 ? EXIT_STARTLINE : 0;
	}
	(void)comparison_free(comparison);
	(void)session_free(head);
	(void)session_free(base);
	return status;
}
