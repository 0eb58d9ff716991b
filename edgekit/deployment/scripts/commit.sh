# A whole release from one tar on standard input; nothing that anybody reads changes before it is complete and checked.
# The tar holds stage/<sha256> (small new blobs) and apps/<app>/releases/.new-<id>/ (manifest, hard links to blobs).
# $1 owner; $2 app; $3 release id; $4 "raw" or "gzip"
owner=$1 app=$2 id=$3 coding=$4
open_store
take_lock "$owner"
releases=$root/apps/$app/releases
new=$releases/.new-$id
clean() {
    cd "$root" && rm -rf -- stage
    for left in "$releases"/.new-*; do # also of killed deploys
        remove_tree "$left"
    done
}
clean
mkdir -p -- "$root/stage" "$new" || die 107 "cannot write to $root"
if [ "$coding" = gzip ]; then
    { gzip -dc 2>/dev/null || :; } | tar -xof - -C "$root"
else
    tar -xof - -C "$root"
fi || {
    room=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
    clean
    [ "$room" -lt 64 ] && die 107 "cannot unpack the release: no space left on $root"
    die 105 "the release could not be unpacked"
}
cd "$new" || die 107 "cannot enter $new"
if ! printf '%s  manifest\n' "$id" | sha256sum -c >/dev/null 2>&1; then
    clean
    die 105 "the release did not arrive whole"
fi
check_files manifest >"$root/tmp/bad.$$" || {
    clean
    drop_bad
}
rm -f -- "$root/tmp/bad.$$"
find "$root/stage" "$new/manifest" -type f -exec chmod a-w {} + &&
    find "$new" -type d -exec chmod a-w {} +
sync -f . 2>/dev/null || sync
for blob in "$root"/stage/*; do # hashed just now, so each replaces what was there
    [ -f "$blob" ] && set -- "$@" "$blob"
done
shift 4
[ $# -eq 0 ] || mv -f -- "$@" "$root/blobs/" || die 107 "cannot write to $root/blobs"
rm -rf -- "$root/stage"
sync_paths "$root/blobs"
if [ -d "$releases/$id" ]; then # repair of a release whose files were damaged: each by a rename
    find "$releases/$id" -type d -exec chmod u+w {} +
    find . -type f | while IFS= read -r file; do
        [ "$file" -ef "$releases/$id/$file" ] && continue
        chmod u+w "$(dirname "$file")" && mkdir -p "$(dirname "$releases/$id/$file")" &&
            mv -T -- "$file" "$releases/$id/$file" || exit 1
    done || die 107 "cannot repair $releases/$id"
    find "$releases/$id" -type d -exec chmod a-w {} +
    sync -f "$releases/$id" 2>/dev/null || sync
    clean
else
    cd "$root" && chmod u+w "$new" && mv -T -- "$new" "$releases/$id" && chmod a-w "$releases/$id" ||
        die 107 "cannot write to $releases"
fi
sync_paths "$releases" "$releases/$id" "$root/apps/$app"
