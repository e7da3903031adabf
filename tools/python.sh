#!/bin/sh
# Prints a Python of version 3.11 or newer that can make virtual environments.
#
# PYTHON names one to use; else the first fit one on the PATH is taken. On Debian, as root or
# with sudo, what is missing is installed. Exits 1 with what to do when there is none.
set -eu

fit='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3}; do
        # Run it, a name on the PATH is not enough: version managers leave names that lead nowhere.
        if "$candidate" -c "$fit" >/dev/null 2>&1; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

find_python && exit 0
if [ -z "${PYTHON:-}" ] && "$(dirname "$0")/apt.sh" python3 python3-venv; then
    find_python && exit 0
fi
echo "No Python 3.11 or newer with the venv module was found${PYTHON:+ at PYTHON=$PYTHON}. Install one, or name it: make PYTHON=/path/to/python3" >&2
exit 1
