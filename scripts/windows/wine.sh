#!/usr/bin/env bash
# Runs a Windows executable under Wine, as the same process: what cargo and nextest start tests with.
exec /usr/lib/wine/wine64 "$@"
