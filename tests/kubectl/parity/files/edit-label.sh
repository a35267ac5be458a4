#!/bin/sh
sed -i 's/^    app: web/    app: edited/' "$1"
