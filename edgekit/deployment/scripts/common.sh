# First part of every script. $1 is the root on the device ("" = ~/.edgekit); the rest is the script's own.
# Exit codes above 100 are answers for the host: 100 + the exit code of edgekit (edgekit/errors.py).
# Order of every change: data synced, directory synced, rename, directory synced.
set -u
LC_ALL=C
export LC_ALL
unset CDPATH
umask 077
root=${1:-$HOME/.edgekit}
shift

die() {
    code=$1
    shift
    printf 'edgekit: %s\n' "$*" >&2
    exit "$code"
}

# only_file PATH...: what edgekit writes as a file must not be anything else; only_link: the same for symbolic links.
only_file() {
    for path in "$@"; do
        [ -L "$path" ] || { [ -e "$path" ] && [ ! -f "$path" ]; } && die 107 "$path is in the way: it must be a file or not there"
    done
    return 0
}
only_link() {
    for path in "$@"; do
        [ ! -L "$path" ] && [ -e "$path" ] && die 107 "$path is in the way: it must be a symbolic link or not there"
    done
    return 0
}

# Only coreutils knows `sync FILE`; elsewhere everything is synced.
sync_paths() { sync -- "$@" 2>/dev/null || sync; }

# Release folders are not writable, so that Python cannot leave its caches there; they go to pycache/, without which every
# start compiles NumPy again (twice the time).
remove_tree() {
    [ -d "$1" ] || return 0
    find "$1" -type d -exec chmod u+w {} + && rm -rf -- "$1"
}

# on_model LIMIT_S PYTHON COMMAND RELEASE [OPTION...]: the release's own program where it has one, else edgekit_runtime.
on_model() {
    longest_s=$1 interpreter=$2 command=$3 folder_of_release=$4
    shift 4
    if [ -x "$folder_of_release/runtime/model" ]; then
        timeout -k 5 "$longest_s" "$folder_of_release/runtime/model" "$command" "$folder_of_release" "$@"
    else
        PYTHONPATH=$folder_of_release/runtime PYTHONPYCACHEPREFIX=$root/pycache timeout -k 5 "$longest_s" \
            "$interpreter" -m edgekit_runtime "$command" "$folder_of_release" "$@"
    fi
}

open_store() {
    mkdir -p -- "$root/blobs" "$root/tmp" "$root/apps" || die 107 "cannot create $root"
    only_file "$root/format" "$root/lock"
    format=$(head -c 16 "$root/format" 2>/dev/null | tr -d '\000')
    if [ -z "$format" ]; then # new, or the power failed while it was written
        echo 1 >"$root/format.new" && sync_paths "$root/format.new" && mv -T -- "$root/format.new" "$root/format" ||
            die 107 "cannot write to $root"
    elif [ "$format" != 1 ]; then
        die 107 "$root was written by a newer edgekit (format $format)"
    fi
}

# take_lock OWNER: one writer at a time. The kernel frees a flock when its holder dies; without flock, a folder with the
# holder's process id stands for it.
take_lock() {
    entry="$1, process $$, $(date '+%Y-%m-%d %H:%M:%S')"
    if command -v flock >/dev/null 2>&1; then
        exec 9>>"$root/lock" || die 107 "cannot write $root/lock"
        flock -n 9 || die 109 "$(head -c 200 "$root/lock")"
        echo "$entry" >"$root/lock"
        sweep
        return
    fi
    if ! mkdir "$root/lock.d" 2>/dev/null; then
        kill -0 "$(cat "$root/lock.d/pid" 2>/dev/null)" 2>/dev/null && die 109 "$(head -c 200 "$root/lock.d/owner")"
        rm -rf -- "$root/lock.d"
        mkdir "$root/lock.d" 2>/dev/null || die 109 "another process"
    fi
    trap 'rm -rf -- "$root/lock.d"' EXIT
    echo "$$" >"$root/lock.d/pid"
    echo "$entry" >"$root/lock.d/owner"
    sweep
}

# What killed scripts left in tmp/: every name there is KIND.PROCESS or KIND.PROCESS.MORE. Those of living processes stay,
# since bench.sh and probe.sh run without the lock; so do .part files, which are resumed.
sweep() {
    for left in "$root"/tmp/selftest.* "$root"/tmp/bad.* "$root"/tmp/check.* "$root"/tmp/bench.* "$root"/tmp/probe.*; do
        process=${left##*/}
        process=${process#*.}
        [ ! -e "$left" ] || kill -0 "${process%%.*}" 2>/dev/null || rm -rf -- "$left"
    done
}

# check_files MANIFEST: in the current folder; prints "bad <sha256>" of every file that is missing or differs.
check_files() {
    sha256sum -c "$1" >"$root/tmp/check.$$" 2>/dev/null
    status=$?
    [ "$status" -eq 0 ] || awk 'NR == FNR { good[$0] = 1; next } !((substr($0, 67) ": OK") in good) { print "bad " substr($0, 1, 64) }' \
        "$root/tmp/check.$$" "$1"
    rm -f -- "$root/tmp/check.$$"
    return "$status"
}

# drop_bad: the blobs that check_files wrote to tmp/bad.$$ leave the store, so that they are sent again; ends the script.
drop_bad() {
    while read -r _ sha; do
        rm -f -- "$root/blobs/$sha"
        echo "bad $sha"
    done <"$root/tmp/bad.$$"
    rm -f -- "$root/tmp/bad.$$"
    die 108 "files of the release are damaged"
}
