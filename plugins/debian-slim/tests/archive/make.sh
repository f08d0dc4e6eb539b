#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the small signed archive of the tests anew: new keys, so all files change. Needs gpg and xz.
set -eu
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'rm -rf "$GNUPGHOME"' EXIT
key() { gpg --batch --quiet --passphrase '' --faked-system-time 20250101T000000 --quick-gen-key "$1" ed25519 sign never; }
key archive
key stranger
gpg --quiet --export archive >keyring.gpg

# package NAME VERSION [FIELD...]: a stanza of an index
package() {
    name=$1 version=$2
    shift 2
    printf 'Package: %s\nVersion: %s\nArchitecture: amd64\n' "$name" "$version"
    for field; do printf '%s\n' "$field"; done
    printf 'Filename: pool/%s_%s.deb\nSize: 1000\nSHA256: %s\n\n' "$name" "$version" \
        "$(printf '%s %s' "$name" "$version" | sha256sum | cut -d' ' -f1)"
}
mkdir -p bookworm bookworm-updates bookworm-security
{
    package base-files 12.4 'Essential: yes' 'Pre-Depends: awk'
    package mawk 1.3.4 'Priority: required' 'Provides: awk' 'Depends: libc6 (>= 2.34)'
    package dpkg 1.21 'Essential: yes' 'Depends: tar (>= 1.28)'
    package tar 1.34 'Essential: yes' 'Pre-Depends: libc6'
    package libc6 2.36-9 'Multi-Arch: same' 'Depends: libgcc-s1'
    package libgcc-s1 12.2 'Multi-Arch: same' 'Depends: libc6 (>= 2.35)'
    package init-system-helpers 1.65 'Essential: yes' 'Depends: usrmerge | usr-is-merged'
    package usrmerge 37 'Depends: perl'
    package usr-is-merged 37
    package perl 5.36
    package apt 2.6.1 'Priority: important' 'Depends: libc6 (>= 2.34)'
    package python3 3.11.2-1 'Depends: libc6'
    package ca-certificates 2023
    package netbase 6.4
    for name in python-is-python3 python3-venv; do package $name 3.11.2-1 'Depends: python3'; done
    package broken 1 'Depends: nothing-like-this (>= 2) | nor-this'
} >bookworm/Packages
package libc6 2.36-9+deb12u1 'Multi-Arch: same' 'Depends: libgcc-s1' >bookworm-updates/Packages
package libc6 2.36-9+deb12u2 'Multi-Arch: same' 'Depends: libgcc-s1' >bookworm-security/Packages
xz -kf bookworm/Packages
gzip -nkf bookworm-updates/Packages

# release SUITE DATE VALID FILE...: the head of a suite
release() {
    suite=$1
    printf 'Origin: Test\nCodename: %s\nDate: %s\n%sArchitectures: all amd64\n' "$suite" "$2" "$3"
    printf 'No-Support-for-Architecture-all: Packages\nComponents: main\n'
    shift 3
    printf 'SHA256:\n'
    for file; do printf ' %s %s main/binary-amd64/%s\n' \
        "$(sha256sum "$suite/$file" | cut -d' ' -f1)" "$(stat -c %s "$suite/$file")" "$file"; done
}
sign() { gpg --batch --quiet --yes -u "$1" --faked-system-time 20261101T000000 --clearsign -o "$2"; }
may='Fri, 01 May 2026 10:00:00 UTC' june='Mon, 01 Jun 2026 10:00:00 UTC'
release bookworm "$june" 'Acquire-By-Hash: yes
' Packages Packages.xz | sign archive bookworm/InRelease
release bookworm "$june" '' Packages | sign archive bookworm/InRelease.plain
release bookworm "$may" '' Packages | sign archive bookworm/InRelease.old
release bookworm "$june" '' Packages | sign stranger bookworm/InRelease.stranger
release bookworm-updates "$june" '' Packages Packages.gz | sign archive bookworm-updates/InRelease
release bookworm-security "$june" 'Valid-Until: Mon, 08 Jun 2026 10:00:00 UTC
' Packages | sign archive bookworm-security/InRelease
