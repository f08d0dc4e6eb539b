# Asks apt what it would install. Arguments: an option about recommended packages, then the packages. Standard input: pins
# for versions of an earlier lock, which are kept to all together or not at all. What is found out goes to file 3 in
# sections that begin with `== `; everything that apt says meanwhile goes to standard error.
exec 3>&1 1>&2
scratch=/run/wythe/tmp lists=/run/wythe/cache/apt
mkdir -p "$lists/partial" "$scratch/cache/archives/partial" "$scratch/log"
cat > "$scratch/pins"
if [ -s "$scratch/pins" ] && [ -e /etc/apt/preferences ]; then
    { echo; cat /etc/apt/preferences; } >> "$scratch/pins"
fi
recommends=$1; shift

# Lists are kept outside the layer, and are not cleaned: other builds have other sources. Descriptions are not needed.
run() {
    tool=$1; shift
    "$tool" -q -o Dir::State::lists="$lists" -o APT::Get::List-Cleanup=false -o Acquire::Languages=none \
        -o Dir::Cache="$scratch/cache" -o Dir::Log="$scratch/log" -o APT::Sandbox::User=root \
        ${SSL_CERT_FILE:+-o "Acquire::https::CaInfo=$SSL_CERT_FILE"} "$@"
}

# Finds out which files would be fetched for the given packages.
choose() {
    run apt-get "$@" -y -qq "$recommends" --allow-downgrades --print-uris -o Acquire::ForceHash=SHA256 \
        > "$scratch/files" 2> "$scratch/words"
}

run apt-get update -o APT::Update::Error-Mode=any

pins=
if [ -s "$scratch/pins" ]; then
    pins="-oDir::Etc::preferences=$scratch/pins"
    choose $pins install "$@" || pins=
fi
if choose $pins install "$@"; then
    echo "== files" >&3
    cat "$scratch/files" >&3
    echo "== actions" >&3
    run apt-get $pins install -y -s "$recommends" --allow-downgrades "$@" >&3
    exit
fi

echo "== refused" >&3
run apt-get install -y -s "$recommends" --allow-downgrades "$@" >&3 2>&3 || true
# Which of them is it? Each is tried alone; names that begin alike are for a hint.
index=0
for package in "$@"; do
    if ! choose install "$package"; then
        echo "== refused $index" >&3
        cat "$scratch/words" >&3
        name=${package%%[=/:]*}
        echo "== names $index" >&3
        run apt-cache pkgnames "$(printf %.3s "$name")" >&3
    fi
    index=$((index + 1))
done
