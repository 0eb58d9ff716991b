# One big blob from standard input into the store; what arrived of a cut transfer is kept for the next attempt.
# $1 owner; $2 sha256; $3 size; $4 offset at which standard input starts; $5 mode of the file; $6 "raw" or "gzip"
owner=$1 sha=$2 size=$3 offset=$4 mode=$5 coding=$6
open_store
take_lock "$owner"
part=$root/tmp/$sha.part
only_file "$part" "$root/blobs/$sha"
[ -e "$part" ] || : >"$part" || die 107 "cannot write to $root/tmp"
[ "$(wc -c <"$part")" -le "$size" ] || : >"$part"
[ "$(wc -c <"$part")" -eq "$offset" ] || die 109 "another deploy has just sent the same file"
if [ "$coding" = gzip ]; then
    { gzip -dc 2>/dev/null || :; } | cat >>"$part" # cut in the middle: what was decoded is kept
else
    cat >>"$part"
fi || {
    rm -f -- "$part"
    die 107 "cannot write to $root/tmp"
}
got=$(wc -c <"$part")
[ "$got" -ge "$size" ] || die 105 "only $got of $size bytes arrived"
printf '%s  %s\n' "$sha" "$part" | sha256sum -c >/dev/null 2>&1 || {
    rm -f -- "$part"
    echo "bad $sha"
    die 108 "a file arrived damaged"
}
chmod "$mode" "$part" && sync_paths "$part" && mv -T -- "$part" "$root/blobs/$sha" && sync_paths "$root/blobs" ||
    die 107 "cannot write to $root/blobs"
