#!/bin/sh
# First something that is refused, then nothing more: the second time the file is left as it is opened.
grep -q '^# services' "$1" || sed -i 's/port: 80$/port: 99999/' "$1"
