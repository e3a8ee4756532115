/* SPDX-License-Identifier: MIT */
/* compare = two REFs -> comparison -> report. It measures and never judges: the status is 0 also when
 * there is a difference. */

#include <stdio.h>

#include "userspace/cmd/cmd.h"
#include "userspace/cmd/keeping.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/ref.h"
#include "userspace/model/compare.h"
#include "userspace/view/report.h"
#include "userspace/view/report_compare.h"

struct opts {
	const char *base, *head;
	const char *output_path;
	int format; /* enum table_format */
};

static const struct argp_option options[] = {
	{ "format", OPTION_FORMAT, "FORMAT", 0, "text, json, csv or markdown (text)", 0 },
	{ "output", 'o', "FILE", 0, "where to (standard output)", 0 },
	{ "store", OPTION_STORE, "URL", 0, "where @NAME is looked up (.startline/history.db)", 0 },
	{ "quiet", 'q', NULL, 0, "errors only", 0 },
	{ "verbose", 'v', NULL, 0, "say what is being done", 0 },
	{ 0 },
};

static const char doc[] =
	"Sets two recordings against each other: what changed, how sure that is, and where the "
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
	case OPTION_FORMAT:
		o->format = parse_format(arg, state);
		return 0;
	case 'o':
		o->output_path = arg;
		return 0;
	case OPTION_STORE:
		keeping_set_url(arg);
		return 0;
	case 'q':
		be_quiet();
		return 0;
	case 'v':
		more_verbose();
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
			argp_error(state, "compare with what? BASE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp compare_argp = { options, parse_option, "BASE [REF]", doc, NULL, NULL, NULL };

static int print(const struct opts *o, const struct comparison *c)
{
	FILE *f = NULL;
	const int r = output_open(o->output_path, stdout, &f);
	if (r < 0)
		return r;
	struct print_style style;
	print_style_of(f, &style);
	return output_close(o->output_path, f,
			    report_compare(c, (enum table_format)o->format, &style, f));
}

int cmd_compare(int argc, char **argv)
{
	struct opts o = { .format = TABLE_TEXT };
	if (argp_parse(&compare_argp, argc, argv, 0, NULL, &o) != 0)
		return EXIT_USAGE;
	struct session *base = NULL, *head = NULL;
	struct comparison *comparison = NULL;
	int status = ref_status(o.base, ref_load(o.base, &base));
	if (status == 0)
		status = ref_status(o.head, ref_load(o.head, &head));
	if (status == 0) {
		int r = comparison_build(base, head, COMPARISON_LEVEL, &comparison);
		if (r >= 0)
			r = print(&o, comparison);
		status = r < 0 ? EXIT_STARTLINE : 0;
	}
	(void)comparison_free(comparison);
	(void)session_free(head);
	(void)session_free(base);
	return status;
}
