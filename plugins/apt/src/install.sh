# Installs exactly the packages below /run/wythe/debs, without lists and without a network. Standard input: one line a
# package, `manual <name>` or `auto <name>`, then `remove <name>` for what gives way and `select <line>` for debconf.
scratch=/run/wythe/tmp debs=/run/wythe/debs
mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/log" "$scratch/kept"
cat > "$scratch/wanted"
wanted() { sed -n "s/^$1 //p" "$scratch/wanted"; }

run() {
    tool=$1; shift
    "$tool" -q -o Dir::State::lists="$scratch/lists" -o Dir::Cache="$scratch/cache" -o Dir::Log="$scratch/log" \
        -o APT::Sandbox::User=root "$@"
}

# Logs, backups and caches of the tools: what was there stays as it was, what is new goes.
leftovers='/var/log/alternatives.log /var/log/dpkg.log /var/cache/ldconfig/aux-cache /var/lib/dpkg/status-old
/var/lib/dpkg/available-old /var/lib/dpkg/diversions-old /var/lib/dpkg/statoverride-old /var/cache/debconf/config.dat-old
/var/cache/debconf/templates.dat-old /var/lib/man-db/auto-update /run/adduser'
for file in $leftovers; do
    if [ -e "$file" ]; then cp -a --parents "$file" "$scratch/kept"; fi
done
find /var/log -maxdepth 1 -type f | sort > "$scratch/logs"
for file in /var/lib/dbus/machine-id /etc/machine-id; do
    if [ -e "$file" ]; then : > "$scratch/kept/${file##*/}"; fi
done
ls /etc/ssh/ssh_host_* > "$scratch/host-keys" 2> /dev/null || true

# The index of manual pages is not made anew each time, and no service is started.
rm -f /var/lib/man-db/auto-update
if [ -n "$(wanted select)" ]; then wanted select | debconf-set-selections; fi
guard=/usr/sbin/policy-rc.d
if [ -e "$guard" ]; then guard=; else printf '#!/bin/sh\nexit 101\n' > "$guard"; chmod 755 "$guard"; fi

run apt-mark showmanual | sort > "$scratch/manual"
if [ -d "$debs" ]; then
    wanted remove | sed 's/$/-/' > "$scratch/removed"
    run apt-get install -y --no-install-recommends --allow-downgrades \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--log=/dev/null \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        "$debs"/*.deb $(cat "$scratch/removed")
fi

# Named files are marked as wanted for themselves; so is only what was asked for, and what was before.
wanted auto | sort | comm -23 - "$scratch/manual" > "$scratch/auto"
if [ -s "$scratch/auto" ]; then run apt-mark auto $(cat "$scratch/auto") > /dev/null; fi
if [ -n "$(wanted manual)" ]; then run apt-mark manual $(wanted manual) > /dev/null; fi

if [ -n "$guard" ]; then rm "$guard"; fi
for file in $leftovers; do
    if [ -e "$scratch/kept$file" ]; then
        mkdir -p "${file%/*}"
        cp -a --remove-destination "$scratch/kept$file" "$file"
    else
        rm -rf "$file"
    fi
done
# A new file in /var/log that says something is a log of this installation.
find /var/log -maxdepth 1 -type f -size +0 | sort | comm -13 "$scratch/logs" - | while read -r file; do rm "$file"; done
# Random names of the machine would differ in every build: an image's is that of its packages.
for file in /var/lib/dbus/machine-id /etc/machine-id; do
    if [ -f "$file" ] && [ ! -L "$file" ] && [ -s "$file" ] && [ ! -e "$scratch/kept/${file##*/}" ]; then
        md5sum < /var/lib/dpkg/status | cut -c-32 > "$file"
    fi
done

# A private key in an image is everybody's: `ssh-keygen -A` makes those of a container when it starts.
if [ ! -s "$scratch/host-keys" ]; then rm -f /etc/ssh/ssh_host_*; fi

audit=$(dpkg --audit)
if [ -n "$audit" ]; then echo "$audit" >&2; exit 1; fi
run apt-get check -qq
