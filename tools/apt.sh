#!/bin/sh
# Installs Debian packages, given by name; exits 1 where that cannot be done (another system, no rights).
set -eu

command -v apt-get >/dev/null 2>&1 || exit 1
if [ "$(id -u)" = 0 ]; then
    as_root="env"
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n env"
else
    echo "Not root, and sudo asks for a password. Please run: sudo apt-get install -y $*" >&2
    exit 1
fi
echo "Installing $* (apt-get)" >&2
{
    $as_root DEBIAN_FRONTEND=noninteractive apt-get update -q
    $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
} >&2 </dev/null
