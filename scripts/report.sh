# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The reporting of scripts/check and scripts/soak: parts with a line and a log each, CTest's counts, and the sum. Sourced after lib.sh.
# With CI=true a skipped test fails its part.

# shellcheck disable=SC2154  # graft_root is lib.sh's
logs=$graft_root/build/logs/${0##*/}
passed=0 failed=0 skipped=0
failed_parts=()
started=$SECONDS
mkdir -p "$logs"

# Sanitizers: stacks for all reports; an impossible allocation is NULL, as without them.
export ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1
case ${CI:-} in
true | 1) export MUST_RUN=1 ;;
esac

minutes() { printf '%d:%02d min' $(($1 / 60)) $(($1 % 60)); }

# junit_count FILE ATTRIBUTE: of CTest's report.
junit_count() {
	sed -n "s/^[ \t]*$2=\"\([0-9]*\)\".*/\1/p; s/.* $2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

# add_counts FILE: adds CTest's report to the sums and prints it in words. 1 where a test failed, or was skipped in CI.
add_counts() {
	local tests bad skips
	tests=$(junit_count "$1" tests) bad=$(junit_count "$1" failures) skips=$(junit_count "$1" skipped)
	passed=$((passed + tests - bad - skips)) failed=$((failed + bad)) skipped=$((skipped + skips))
	printf ', %d passed, %d failed, %d skipped' $((tests - bad - skips)) "$bad" "$skips"
	[ "$bad" = 0 ] && [ "$tests" -gt 0 ] && { [ "$skips" = 0 ] || [ "${MUST_RUN:-0}" != 1 ]; }
}

# show_failure: what went wrong, out of the part's log: the output of each test that failed, or the last lines.
show_failure() {
	local tests_output
	tests_output=$(awk '/^ *[0-9]+\/[0-9]+ Test/ { failed = /\*\*\*/ && !/Skipped/ } / Start +[0-9]+: / { failed = 0 } failed' "$log")
	if [ -n "$tests_output" ]; then
		tail -n 100 <<<"$tests_output"
	else
		grep -vE '^\[[0-9]+/[0-9]+\] ' "$log" | tail -n 40
	fi
}

# part NAME COMMAND...: runs it with its output in a log of its own, and prints a line: how it went, and how long. A command that
# leaves a CTest report as $report counts as its tests, any other as one.
part() {
	local name=$1 status begun=$SECONDS words=''
	shift
	log=$logs/$name.log report=$logs/$name.xml
	rm -f "$report"
	printf '%-18s' "$name"
	# Not behind "||", which would switch errexit off inside.
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	if [ -s "$report" ]; then
		add_counts "$report" >"$logs/counts" || status=1
		words=$(cat "$logs/counts")
	elif [ $status = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	if [ $status = 0 ]; then
		say "ok      $(minutes $((SECONDS - begun)))$words"
	else
		say "FAILED  $(minutes $((SECONDS - begun)))$words"
		failed_parts+=("$name")
		show_failure | sed 's/^/    /'
		say "    the whole log: $log"
	fi
	sed -n 's/^SKIP: /    skipped: /p' "$log" | sort -u
	return 0
}

# build PRESET [-DNAME=VALUE...]
build() {
	local preset=$1 launcher=()
	shift
	! command -v ccache >/dev/null || launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
	cmake --preset "$preset" -DGRAFT_WERROR=ON "${launcher[@]}" "$@"
	cmake --build --preset "$preset"
}

# tests PRESET [ctest options...]: CTest in that build, with its report where part looks for it.
tests() {
	local preset=$1 runner=() status=0
	shift
	# ThreadSanitizer has fixed places in memory; without this, a kernel that shuffles widely takes them.
	[ "$preset" != tsan ] || runner=(setarch -R)
	# One more than there are processors: many tests wait for something a third of their time.
	"${runner[@]}" ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(($(nproc) + 1))" --output-junit "$report" "$@" ||
		status=$?
	grep '^SKIP: ' "build/$preset/Testing/Temporary/LastTest.log" || true
	return "$status"
}

# soak PRESET SECONDS: mixed load, hostile requests among it, through the tests' own front end.
soak() {
	local runner=()
	[ "$1" != tsan ] || runner=(setarch -R)
	"${runner[@]}" "build/$1/bin/graft-soak" --daemon "build/$1/bin/graftfsd" --seconds "$2"
}

# finish: the last line, and the status.
finish() {
	say "" "$(minutes $((SECONDS - started))) in all"
	[ ${#failed_parts[@]} = 0 ] || say "failed parts: ${failed_parts[*]}"
	say "$passed passed, $failed failed, $skipped skipped"
	[ ${#failed_parts[@]} = 0 ]
}
