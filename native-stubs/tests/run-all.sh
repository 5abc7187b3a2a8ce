#!/usr/bin/env bash
# Builds library and tests three times, plain, with the address and undefined behaviour sanitizers and with the thread
# sanitizer, and runs the tests of each; and once more for Arm, where that can be built and run.
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
# The same for Arm, where its compiler and qemu are installed: Debian's gcc-aarch64-linux-gnu and qemu-user-static.
if [ "$(uname -m)" = x86_64 ] && command -v aarch64-linux-gnu-gcc > /dev/null && command -v qemu-aarch64-static > /dev/null; then
    build=$folder/arm64
    echo "== arm64"
    cmake -S "$here/.." -B "$build" -DCMAKE_BUILD_TYPE=Release -DNVML_STUB_TESTS=ON -DNVML_STUB_OUTPUT="$build/lib" \
        -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc \
        -DCMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64-static;-L;/usr/aarch64-linux-gnu" > /dev/null
    cmake --build "$build" > "$build/build.log" 2>&1 || { cat "$build/build.log"; exit 1; }
    ctest --test-dir "$build" --output-on-failure
else
    echo "== arm64: not run, without aarch64-linux-gnu-gcc and qemu-aarch64-static"
fi
echo "all passed"
