# Measures the current release; the report of the runtime goes to standard output between two markers.
# $1 nonce of the markers; $2 app; $3 python; $4 longest time (s); the rest goes to `bench` of the runtime
nonce=$1 app=$2 python=$3 limit_s=$4
shift 4
release=$(cd "$root/apps/$app/current" 2>/dev/null && pwd -P) || die 107 "nothing of \"$app\" is deployed here"
out=$(mktemp -d "$root/tmp/bench.$$.XXXXXX") || die 107 "cannot write to $root/tmp"
trap 'rm -rf -- "$out"' EXIT
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
room_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo 2>/dev/null)
echo 1000 2>/dev/null >/proc/self/oom_score_adj # if memory runs out, the benchmark dies and not the application
on_model "$limit_s" "$python" bench "$release" --out "$out/bench.json" "$@" >"$out/log" 2>&1
status=$?
printf '\n__EK_BEGIN__%s\n' "$nonce"
printf 'release=%s\nstatus=%s\nroom_kib=%s\nboot_before=%s\nboot_after=%s\n' "${release##*/}" "$status" "$room_kib" "$boot" \
    "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
printf '__EK_JSON__\n'
[ ! -f "$out/bench.json" ] || head -c 4194304 "$out/bench.json"
printf '\n__EK_END__%s\n' "$nonce"
[ "$status" -eq 0 ] || tail -c 2000 "$out/log" >&2
exit 0
