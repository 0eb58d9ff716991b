#!/bin/sh
# apt_unpack.sh PACKAGE FOLDER: unpacks a Debian package into FOLDER without installing it; needs no root.
set -eu
package=$1 folder=$2

deb_of() { # downloads into the folder named, quietly; root may not be readable for apt's own user, so it is told not to drop it
    (cd "$1" && apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null)
}

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$(dirname "$folder")/.unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
if ! deb_of "$work" 2>/dev/null; then
    # The package lists are missing: root may renew them, anybody else makes private ones.
    if [ "$(id -u)" = 0 ]; then
        apt-get -q update >&2
        deb_of "$work"
    else
        mkdir -p "$work/lists/partial"
        apt-get -q -o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root update >&2
        (cd "$work" && apt-get -q -o Dir::State::Lists="$work/lists" download "$package" >/dev/null)
    fi
fi
rm -rf "$folder"
dpkg-deb -x "$work"/*.deb "$work/tree"
mv "$work/tree" "$folder"
