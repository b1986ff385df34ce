#!/bin/sh
# Generates the contract's Python modules from proto/ into generated/ beside this script.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
proto="$here/../../proto"
mkdir -p "$here/generated"
python3 -m grpc_tools.protoc -I "$proto" \
    --python_out="$here/generated" --grpc_python_out="$here/generated" "$proto"/*.proto
