# SPDX-License-Identifier: MIT
# Bash completion for startline.
#
# Options are listed per command; tools/check-docs compares the lists with the program.

_startline_values() { # option -> what may follow, or nothing for "a file"
	case $1 in
	--format) echo 'text json csv markdown' ;;
	--until) echo 'ready exit' ;;
	--probes) echo 'auto bpf shim none bpf,shim' ;;
	--heap) echo 'off count sample sample=64K exact' ;;
	--on-overrun) echo 'degrade slow' ;;
	--stacks) echo 'off auto 99 199 499 999' ;;
	--wait-stacks) echo '100us 1ms 10ms' ;;
	--debuginfod) echo '10s 30s 2m' ;;
	--ready) echo 'accept accept:all listen first-accept first-byte notify quiet log: file: tcp: http: cmd:' ;;
	--stop-signal) echo 'TERM INT HUP QUIT USR1 USR2 KILL' ;;
	--view) echo 'startup ladder memory growth mappings touched resident processes connections listeners libraries modules files syscalls functions stacks sites site-calls waits findings metrics coverage probes events help' ;;
	--out) echo 'json= markdown= junit= github= gitlab=' ;;
	--gate) echo 'startup.ready time.wall mem.peak_rss heap.allocs cpu.user' ;;
	--save) [ "${COMP_WORDS[1]}" = check ] || echo ' ' ;;
	--base-worktree) git for-each-ref --format='%(refname:short)' 2>/dev/null ;;
	--value | --note | --scenario | --host-class | --since | --last | --anchor | --accept | --keep | --older | --pairs | --max-time | --seed | --base | --head | --setup | --runs | -n | --warmup | --timeout | --redact | --ring) echo ' ' ;;
	esac
}

_startline() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='run report compare check baseline ab history init doctor help'
	local common='--help --quiet --verbose'
	local command=${COMP_WORDS[1]} i values options

	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
		return
	fi

	# Behind "--" stands another program's command line.
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				mapfile -t COMPREPLY < <(compgen -c -f -- "$cur")
			fi
			return
		fi
	done

	if [ "$prev" = --user ]; then
		mapfile -t COMPREPLY < <(compgen -u -- "$cur")
		return
	fi
	values=$(_startline_values "$prev")
	if [ -n "$values" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
		return
	fi

	case $command in
	help)
		mapfile -t COMPREPLY < <(compgen -W "${commands% help}" -- "$cur")
		return
		;;
	run)
		options='--runs --warmup --until --ready --timeout --no-connect --stop-signal --probes --heap --on-overrun --raw --stacks --wait-stacks --debuginfod --trace
			--output --format --user --follow-cgroup --redact --ring --save --against --store'
		;;
	report) options='--view --format --output --store' ;;
	check) options='--file --list --save --strict --bisect --trusted --store --out --format --output' ;;
	compare) options='--format --output --store' ;;
	baseline)
		options='--value --note --force --keep --older --store --format --output'
		if [ "$COMP_CWORD" = 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W 'save list show export rm prune' -- "$cur")
			return
		fi
		;;
	ab)
		options='--base --head --base-worktree --base-directory --head-directory --setup --gate
			--pairs --max-time --seed --show-output --out --format --output --until --ready
			--timeout --no-connect --stop-signal --probes --heap --on-overrun --raw --stacks --wait-stacks --debuginfod --trace --user --follow-cgroup --redact
			--ring'
		;;
	history)
		options='--scenario --host-class --since --last --anchor --accept --note --store --format
			--output'
		;;
	init) options='--output --force' ;;
	doctor) options='--format --output --selftest' ;;
	*) options= ;;
	esac

	case $cur in
	-*) mapfile -t COMPREPLY < <(compgen -W "$options $common --" -- "$cur") ;;
	*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}

complete -o filenames -F _startline startline
