#!/usr/bin/env bash
# Builds library and tests three times, plain, with the address and undefined behaviour sanitizers and with the thread
# sanitizer, and runs the tests of each.
#
#   run-all.sh [--long] [FOLDER]     FOLDER for the builds; by default artifacts/native-stubs/tests of the repository
#
# --long adds 5.2 million random calls and 30 s of hammering to each, in minutes. FUZZ_SEED chooses other calls.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

long=false
if [ "${1-}" = --long ]; then
    long=true
    shift
fi
folder=${1-$here/../../artifacts/native-stubs/tests}
seed=${FUZZ_SEED-1}

# The kernel may put programs where gcc's thread sanitizer cannot work; without address randomisation it does not.
fixed=()
if command -v setarch > /dev/null && setarch "$(uname -m)" -R true 2> /dev/null; then
    fixed=(setarch "$(uname -m)" -R)
fi

export TSAN_OPTIONS=halt_on_error=1 UBSAN_OPTIONS=print_stacktrace=1

for variant in plain address thread; do
    build=$folder/$variant
    echo "== $variant"
    sanitize=
    run=()
    case $variant in
        address) sanitize=address,undefined ;;
        thread)
            sanitize=thread
            run=("${fixed[@]}")
            ;;
    esac
    cmake -S "$here/.." -B "$build" -DCMAKE_BUILD_TYPE=Release -DNVML_STUB_TESTS=ON -DNVML_STUB_SANITIZE="$sanitize" \
        -DNVML_STUB_OUTPUT="$build/lib" > /dev/null
    cmake --build "$build" > "$build/build.log" 2>&1 || { cat "$build/build.log"; exit 1; }
    "${run[@]}" ctest --test-dir "$build" --output-on-failure
    if $long; then
        "${run[@]}" "$build/tests/fuzz" "$seed" 2600000 1
        "${run[@]}" "$build/tests/fuzz" "$seed" 2600000 4
        "${run[@]}" "$build/tests/hammer" 30 8 "$seed"
    fi
done
echo "all passed"
