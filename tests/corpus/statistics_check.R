# SPDX-License-Identifier: MIT
# What R makes of the samples that statistics_check draws; the same lines in and out as those of
# tests/tools/shift.c.
options(warn = -1)
for (line in readLines(file("stdin"))) {
	parts <- strsplit(line, ";")[[1]]
	base <- log(scan(text = parts[2], quiet = TRUE))
	head <- log(scan(text = parts[3], quiet = TRUE))
	exact <- !any(duplicated(c(base, head))) && length(base) <= 50 && length(head) <= 50
	two <- wilcox.test(head, base, exact = exact, conf.int = exact,
	                   conf.level = as.numeric(parts[1]))
	above <- wilcox.test(head, base, exact = exact, alternative = "greater")
	ends <- if (exact) c(two$estimate, two$conf.int) else c(NaN, NaN, NaN)
	cat(sprintf("%d %.17g %.17g %.17g %.17g %.17g\n", exact, two$p.value, above$p.value,
	            ends[1], ends[2], ends[3]))
}
