/* SPDX-License-Identifier: MIT */
/* The table of verdict outputs. */

#include "userspace/view/ci/ci.h"

#include <string.h>

#include "userspace/view/ci/internal.h"

const struct ci_output ci_outputs[] = {
	{ "json", "all that was measured and judged (startline.verdict/1)", ci_json },
	{ "markdown", "a comment for a pull request, at most 64 KiB", ci_markdown },
	{ "junit", "JUnit XML: one test case per judgement", ci_junit },
	{ "github", "annotations, step summary and output of a GitHub job", ci_github },
	{ "gitlab", "OpenMetrics text for GitLab's artifacts:reports:metrics", ci_gitlab },
	{ NULL, NULL, NULL },
};

const struct ci_output *ci_output_find(const char *name)
{
	for (const struct ci_output *o = ci_outputs; o->name != NULL; o++) {
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}
