#!/bin/sh
# Prints the path of a Node.js of version 20 or newer; on Debian, as root or with sudo, installs it first.
#
# NODE names one to use. Exits 1 with what to do when there is none.
set -eu

find_node() {
    node=$(command -v "${NODE:-node}") || return 1
    "$node" -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || return 1
    echo "$node"
}

find_node && exit 0
if [ -z "${NODE:-}" ] && ! command -v node >/dev/null 2>&1 && "$(dirname "$0")/apt.sh" nodejs; then
    find_node && exit 0
fi
echo "No Node.js 20 or newer was found${NODE:+ at NODE=$NODE}. Install one, or name it: make test NODE=/path/to/node" >&2
exit 1
