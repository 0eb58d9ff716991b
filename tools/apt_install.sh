#!/bin/sh
# apt_install.sh [--required] PACKAGE...: installs the Debian/Ubuntu packages that are missing, where root or sudo is there;
# else says what to type. Fails only with --required.
set -eu

required=no
if [ "$1" = --required ]; then required=yes; shift; fi

missing=
for package in "$@"; do
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

give_up() {
    echo "edgekit: $1; these packages are missing:$missing" >&2
    echo "edgekit: install them with: sudo apt-get update && sudo apt-get install --no-install-recommends$missing" >&2
    [ "$required" = no ] || exit 1
    exit 0
}

command -v apt-get >/dev/null 2>&1 || give_up "no apt-get on this machine"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true 2>/dev/null; then
    sudo=sudo
else
    give_up "neither root nor password-less sudo"
fi

# A service that starts itself (sshd) has no business on the machine of somebody who only tries edgekit.
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
    made_policy=yes
fi
echo "edgekit: installing$missing" >&2
status=0
{ $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >&2 || status=$?
[ "$made_policy" = no ] || $sudo rm -f "$policy"
[ "$status" = 0 ] || give_up "apt-get failed"
