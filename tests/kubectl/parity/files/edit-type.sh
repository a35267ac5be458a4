#!/bin/sh
sed -i 's/type: ClusterIP/type: NodePort/' "$1"
