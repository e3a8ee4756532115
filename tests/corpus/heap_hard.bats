#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Samples of the heap are harmless where that is hard: programs print and end as without, and each call is counted.
load ../e2e/helpers

setup() {
	setup_workdir
	unset _
}

# What is counted of all processes.
counted() {
	q '[.runs[0].processes[].heap | select(. != null)] |
	   "\(map(.allocs) | add // 0) \(map(.frees) | add // 0)"'
}

# one CASE OPTIONS...: as the bare program, and what it wrote into its books was counted.
one() {
	local bare=0
	local -a base seen at
	rm -f books
	env -u _ "$WORKLOADS/hard_heap" "$1" >bare 2>&1 </dev/null || bare=$?
	: >books
	session "${@:2}" -- "$WORKLOADS/hard_heap" "$1"
	read -ra base <<<"$(counted)"
	head -c 32 /dev/zero >books
	session --timeout 60 "${@:2}" -- "$WORKLOADS/hard_heap" "$1"
	echo "$*: status $status, bare $bare"
	diff bare stdout
	[ "$status" = "$bare" ]
	read -ra seen <<<"$(counted)"
	read -ra at <<<"$(od -An -v -td8 -w32 books)"
	echo "books ${at[*]}, counted ${seen[*]}, of which others' ${base[*]}"
	for i in 0 1; do
		[ $((seen[i] - base[i])) -ge "${at[2 * i + 1]}" ]
		[ $((seen[i] - base[i])) -le "${at[2 * i]}" ]
	done
}

@test "filters, descriptors, handlers, jumps, coroutines, libraries and processes" {
	for name in $("$WORKLOADS/hard_heap" list); do
		for probes in bpf,shim shim; do
			[ "$probes" = shim ] || have_bpf || continue
			one "$name" --probes "$probes" --heap sample=4K
		done
		one "$name" --probes shim --heap exact --on-overrun slow
		q '.notes[]?'
		[ "$(q '.notes | map(select(contains("no sense"))) | length')" = 0 ]
	done
}

# sanitized KIND: a program with threads that is built with it, and what it finds wrong.
sanitized() {
	gcc -w -g -pthread -fsanitize="$1" -o sanitized program.c 2>/dev/null || skip "no gcc -fsanitize=$1"
	for argument in right wrong; do
		bare=0
		./sanitized $argument >bare 2>bare.err || bare=$?
		for probes in bpf,shim shim; do
			[ "$probes" = shim ] || have_bpf || continue
			session --probes "$probes" --heap sample=4K -- ./sanitized $argument
			[ "$status" = "$bare" ]
			diff bare stdout
			[ "$(grep -c '^SUMMARY' messages)" = "$(grep -c '^SUMMARY' bare.err)" ]
		done
	done
	[ "$bare" != 0 ]
}

program() {
	cat >program.c <<-'END'
		#include <pthread.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		static int shared;
		static void *work(void *wrong)
		{
			for (int i = 1; i < 5003; i++) {
				char *p = realloc(malloc(i), 2 * i);
				memset(p, 1, 2 * i);
				free(p);
			}
			if (wrong)
				shared++;
			return NULL;
		}
		int main(int argc, char **argv)
		{
			pthread_t t[4];
			void *wrong = strcmp(argv[1], "wrong") == 0 ? t : NULL;
			for (int i = 0; i < 4; i++)
				pthread_create(&t[i], NULL, work, wrong);
			for (int i = 0; i < 4; i++)
				pthread_join(t[i], NULL);
			char *volatile p = malloc(41);
			free(p);
			puts("done");
			fflush(stdout);
			return wrong ? p[3] : 0;
		}
	END
}

@test "a program with AddressSanitizer" {
	program
	sanitized address
}

@test "a program with ThreadSanitizer" {
	program
	sanitized thread
}
