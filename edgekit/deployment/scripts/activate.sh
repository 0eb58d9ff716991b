# The release proves itself under its own path first; then `current` becomes it by one rename.
# $1 owner; $2 app; $3 release id; $4 python; $5 "hash" to check every file as well; $6 longest time of the self test (s)
owner=$1 app=$2 id=$3 python=$4 hash=$5 limit_s=$6
open_store
take_lock "$owner"
folder=$root/apps/$app
release=$folder/releases/$id
cd "$release" || die 107 "the release is not there"
if [ "$hash" = hash ]; then
    # The hash of the manifest is the id of the release: as a "bad" line it has the whole release put together again.
    [ "$(sha256sum <manifest | cut -c 1-64)" = "$id" ] || { echo "bad $id" && die 108 "the manifest is damaged"; }
    check_files manifest >"$root/tmp/bad.$$" || drop_bad
    rm -f -- "$root/tmp/bad.$$"
fi
only_link "$folder/current" "$folder/previous"
log=$root/tmp/selftest.$$
trap 'rm -f -- "$log" "$log.json"; [ ! -d "$root/lock.d" ] || rm -rf -- "$root/lock.d"' EXIT
[ "$hash" = hash ] || rm -rf -- "$root/pycache" # of older releases
on_model "$limit_s" "$python" selftest "$release" --out "$log.json" >"$log" 2>&1 9>&-
status=$?
if [ "$status" -ne 0 ]; then
    tail -c 2000 "$log" >&2
    echo "selftest $status"
    [ ! -f "$log.json" ] || head -c 65536 "$log.json"
    die 110 "the self test failed ($status)"
fi
old=$(readlink "$folder/current")
if [ "$old" != "releases/$id" ]; then
    cd "$folder" || die 107 "cannot enter $folder"
    rm -f -- .current.* .previous.* # of killed deploys
    if [ -d "$folder/$old" ] && [ -n "$old" ]; then
        ln -s "$old" ".previous.$$" && mv -T -- ".previous.$$" previous || die 107 "cannot write to $folder"
    fi
    ln -s "releases/$id" ".current.$$" && sync_paths . && mv -T -- ".current.$$" current || die 107 "cannot write to $folder"
    sync_paths .
fi
echo "current $(readlink "$folder/current")"
