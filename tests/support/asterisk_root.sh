#!/bin/sh
# Brings an Asterisk from Debian sid into a root directory of its own, for the tests of the `asterisk` driver.
# Idempotent. Never fails: where it cannot work it says why, and those tests are skipped with that reason.
root=${1:?the root directory}
packages=${ASTERISK_PACKAGES:-asterisk asterisk-modules}
mirror=${ASTERISK_MIRROR:-http://deb.debian.org/debian}

give_up() {
    echo "no Asterisk: $1; its tests will be skipped"
    exit 0
}

if ! command -v sipp >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends sip-tester; } >/dev/null 2>&1
fi
command -v sipp >/dev/null || echo "sipp is missing: calls through Asterisk have no peer (Debian: apt-get install sip-tester)"
[ -e "$root/.complete" ] && exit 0
[ "$(uname -s)" = Linux ] || give_up "this is not Linux"
[ "$(id -u)" = 0 ] || give_up "a root directory needs the user root (chroot)"
if ! command -v debootstrap >/dev/null; then
    command -v apt-get >/dev/null || give_up "neither debootstrap nor apt-get is here"
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends debootstrap; } >/dev/null 2>&1 \
        || give_up "debootstrap could not be installed"
fi

# What an interrupted run left behind is of no use.
rm -rf "$root.part"
mkdir -p "$root.part" || give_up "$root.part cannot be made"
echo "making $root from Debian sid (about a minute, 600 MB)"
debootstrap --variant=minbase --include=ca-certificates sid "$root.part" "$mirror" >"$root.log" 2>&1 \
    || give_up "debootstrap failed, see $root.log"
# No daemon may start inside the root: the tests start their own.
printf '#!/bin/sh\nexit 101\n' >"$root.part/usr/sbin/policy-rc.d" && chmod +x "$root.part/usr/sbin/policy-rc.d"
# A mirror that lags, or a snapshot that is pinned on purpose, is past its date; its signature is still checked.
echo 'Acquire::Check-Valid-Until "false";' >"$root.part/etc/apt/apt.conf.d/90pinned"
# shellcheck disable=SC2086  # a list of words
chroot "$root.part" sh -c "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends $packages && apt-get clean" >>"$root.log" 2>&1 \
    || give_up "apt-get failed in the root, see $root.log"
[ -x "$root.part/usr/sbin/asterisk" ] || give_up "the package has no /usr/sbin/asterisk"
rm -rf "$root" && mv "$root.part" "$root" && touch "$root/.complete" && echo "$root is ready"
