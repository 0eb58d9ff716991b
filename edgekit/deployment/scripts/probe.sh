# What this board is and what it already has, as "key=value" lines between two markers.
# $1 nonce of the markers; $2 "try" tests what the file system can do (it writes), "look" writes nothing.
nonce=$1
mode=$2
say() { printf '%s=%s\n' "$1" "$2"; }
one_line() { tr -d '\000' | tr '\n' ' '; }
can() {
    name=$1
    shift
    if ("$@") >/dev/null 2>&1; then say "can.$name" yes; else say "can.$name" no; fi
}
can_replace_link() { ln -s b d && mv -T d c && [ "$(readlink c)" = b ]; }
can_exec() { printf '#!/bin/sh\nexit 0\n' >x && chmod 700 x && ./x; }
can_sha256sum() { # must also tell a wrong hash
    sha256sum a >s && sha256sum -c s && printf '%064d  a\n' 0 >w && ! sha256sum -c w
}
can_tar() { ln a e && tar -cf t a e && mkdir u && tar -xof t -C u && [ u/a -ef u/e ]; }
is_app() {
    case $1 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) return 1 ;; esac
    [ ${#1} -le 64 ]
}
is_sha() {
    case $1 in *[!0-9a-f]*) return 1 ;; esac
    [ ${#1} -eq 64 ]
}
# linked LINK: the release it points at, "-" where there is none
linked() {
    to=$(readlink "$1")
    if is_sha "${to#releases/}" && [ -d "$1/" ]; then echo "$to"; else echo -; fi
}
can_gzip() { gzip -c a | gzip -dc | cmp a -; }

printf '\n__EK_BEGIN__%s\n' "$nonce"
say long_bit "$(getconf LONG_BIT 2>/dev/null)"
say elf "$(od -An -v -tx1 -N40 /bin/sh 2>/dev/null | tr -d ' \n')"
say machine "$(uname -m)"
say kernel "$(uname -sr)"
say hostname "$(uname -n)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 2 | one_line)"
say page_bytes "$(getconf PAGE_SIZE 2>/dev/null)"
say cpu_features "$(grep -m 1 -E '^(Features|flags)' /proc/cpuinfo 2>/dev/null | cut -d : -f 2)"
say board "$(one_line 2>/dev/null </proc/device-tree/model || one_line 2>/dev/null </sys/firmware/devicetree/base/model)"
say boot_id "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
say machine_id_sha256 "$(sha256sum </etc/machine-id 2>/dev/null | cut -c 1-64)"
say ram_kib "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo 2>/dev/null)"

python=$(command -v python3)
say python "$python"
[ -z "$python" ] || say python_facts "$("$python" -I -c '
import os, sys
try:
    import ctypes, hashlib, json, logging, zipfile, zlib
    usable = "yes"
except Exception as e:
    usable = "no: %s" % e
numpy = ""
for folder in sys.path:
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            if name.startswith("numpy-") and name.endswith("-info"):
                numpy = numpy or name.split("-")[1].replace(".dist", "").replace(".egg", "")
threads = "free" if getattr(sys, "_is_gil_enabled", lambda: True)() is False else "gil"
print("%d.%d.%d" % sys.version_info[:3], threads, numpy or "-", usable)' 2>&1 | one_line)"

say root "$root"
if [ "$mode" = try ]; then
    if mkdir -p -- "$root/tmp" 2>/dev/null && box=$(mktemp -d "$root/tmp/probe.$$.XXXXXX" 2>/dev/null); then
        trap 'rm -rf -- "$box"' EXIT
        say can.write yes
        cd "$box" || exit 107
        echo edgekit >a
        can hard_link ln a b
        can symlink ln -s a c
        can replace_link can_replace_link
        can exec can_exec
        can flock flock -n a true
        can sync_file sync a
        can sha256sum can_sha256sum
        can tar can_tar
        can gzip can_gzip
        can timeout timeout -k 1 5 true
    else
        say can.write no
    fi
fi
near=$root
while [ ! -d "$near" ]; do near=$(dirname "$near"); done
say disk_kib "$(df -Pk "$near" 2>/dev/null | awk 'NR == 2 { print $2, $4 }')"
say inodes "$(df -Pi "$near" 2>/dev/null | awk 'NR == 2 { print $2, $4 }')"
say format "$(head -c 16 "$root/format" 2>/dev/null | one_line)"

cd "$root" 2>/dev/null || { printf '__EK_END__%s\n' "$nonce"; exit 0; }
ignored=0 # folders that edgekit did not make: their names may hold anything
for app in apps/*/; do
    [ -d "$app" ] || continue
    app=${app%/}
    is_app "${app#apps/}" || { ignored=$((ignored + 1)) && continue; }
    say app "${app#apps/} $(linked "$app/current") $(linked "$app/previous")"
    for release in "$app"/releases/*/manifest; do
        [ -f "$release" ] || continue
        release=${release%/manifest}
        is_sha "${release##*/}" || { ignored=$((ignored + 1)) && continue; }
        say release "${app#apps/} ${release##*/}"
        [ "$mode" = try ] && continue
        say size "${release##*/} $(find "$release" -type f -exec ls -ln {} + | awk '{ s += $5 } END { print s + 0 }')"
        say model "${release##*/} $(head -c 16384 "$release/model/model.json" 2>/dev/null | one_line)"
    done
done
say ignored "$ignored"
if [ "$mode" = try ]; then
    for part in tmp/*.part; do
        sha=$(basename "$part" .part)
        [ -f "$part" ] && is_sha "$sha" && say part "$sha $(wc -c <"$part")"
    done
    [ -d blobs ] && find blobs -type f | grep -E '^blobs/[0-9a-f]{64}$' | head -n 20000 | sed 's/^/blob=/'
else
    say store_bytes "$(find blobs -type f -exec ls -ln {} + 2>/dev/null | awk '{ s += $5 } END { print s + 0 }')"
fi
printf '__EK_END__%s\n' "$nonce"
