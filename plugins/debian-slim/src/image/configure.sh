# Makes an installed system of unpacked packages. Runs in the sandbox, on the tree that the plan has unpacked, with
# the control members of each package below /run/wythe/control/<package>/.
set -eu
control=/run/wythe/control

# In C, whatever the image's own language will be: the order of what the maintainer scripts write depends on it.
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C
# Modules that are imported while packages are configured: their packages compile them, by content and not by time.
export PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

perl "$control/.wythe/database.pl" "$control"
marker=/usr/lib/python$PYTHON/EXTERNALLY-MANAGED
if [ -n "$PYTHON" ] && [ -e "$marker" ]; then
    # It says that pip must not touch what Debian manages. Here that is what pip is for; a diversion keeps the marker
    # away also when Debian's Python is upgraded.
    dpkg-divert --local --quiet --rename --divert "$marker.orig" --add "$marker"
fi
dpkg --force-unsafe-io --log=/dev/null --configure -a

if [ -n "$PYTHON" ]; then
    # Debian's pip, but from the wheel that virtual environments get. As the package python3-pip it could neither
    # upgrade itself nor what it depends on, since dpkg owns their files.
    wheels=/usr/share/python-wheels
    set -- pip
    case $PYTHON in 3.? | 3.10 | 3.11) set -- pip setuptools ;; esac
    for pip in "$wheels"/pip-*.whl; do
        PIP_ROOT_USER_ACTION=ignore python3 "$pip/pip" install --quiet --disable-pip-version-check --no-cache-dir \
            --no-index --find-links "$wheels" "$@"
    done
fi

# What depends on the run and not on the packages. The machine's own names are those of where the image will run.
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
    /var/lib/dpkg/status-old /var/lib/dpkg/diversions-old /var/lib/dpkg/statoverride-old /var/lib/dpkg/available-old \
    /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /etc/ld.so.nohwcap /run/utmp
rm -rf /var/log/*.log /var/log/apt/*.log /var/cache/apt/*.bin /var/lib/apt/lists/partial/* /tmp/* /var/tmp/*
if [ -e /etc/machine-id ]; then : >/etc/machine-id; fi
