#!/usr/bin/env bash
# chat-server.exe under Wine, as the same process, so that its signals are this one's: what CHAT_TEST_SERVER names.
exec /usr/lib/wine/wine64 "$CHAT_TEST_EXE" "$@"
