# SPDX-License-Identifier: MIT
# What the stacks in a recording say.

# record [run options...] -- CMD: into ./r.slt; its events are in ./events, its samples in ./samples: one
# a line, with reason, thread, call, period, since, time, and the functions, innermost first, in between
# and at both ends a semicolon; "(cut)" behind the last one of a stack that does not end there.
record() {
	status=0
	"$STARTLINE" run --trace r.slt -o report "$@" >stdout 2>messages || status=$?
	record_of r.slt
}

# The same of a recording that is there.
record_of() {
	"$STARTLINE" report --view events "$1" >events
	awk '
	function value(name, i) {
		for (i = 4; i <= NF; i++)
			if (index($i, name "=") == 1)
				return substr($i, length(name) + 2)
	}
	{ sub(/^ +/, ""); sub(/ ns_ids /, " ") }
	$2 == "function" && value("depth") == 0 { text = $0; sub(/^[^\x27]*\x27/, "", text)
		sub(/\x27.*/, "", text); names[value("frame")] = text }
	$2 == "stack" { callers[$5] = value("caller"); frames[$5] = value("frame"); cut[$5] = $NF == "cut" }
	$2 == "sample" { n++; stacks[n] = value("stack"); thread[n] = $3; time[n] = $1; period[n] = value("period")
		call[n] = value("syscall"); since[n] = value("since"); reason[n] = $6 }
	END {
		for (i = 1; i <= n; i++) {
			line = ";"
			for (s = stacks[i]; s + 0 > 0; s = callers[s])
				line = line (frames[s] in names ? names[frames[s]] : "?") ";" (cut[s] ? "(cut)" : "")
			print reason[i], thread[i], call[i] == "" ? "-" : call[i], period[i], since[i], time[i], line
		}
	}' events >samples
}

# share PATTERN: of the timer's samples whose stack has split_work, the percentage that has PATTERN.
share() {
	awk -v pattern="$1" '$1 == "timer" && /;split_work;/ { all++; part += $0 ~ pattern }
		END { printf "%d", all ? 100 * part / all : -1 }' samples
}
