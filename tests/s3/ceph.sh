#!/usr/bin/env bash
# Runs a command beside a real S3 server: a Ceph RADOS gateway with one monitor, one manager and one object store daemon, all
# in a temporary folder on loopback ports. The command finds it by EXCHANGE_TEST_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY.
#
#   tests/s3/ceph.sh COMMAND [ARGUMENT…]        needs Debian's packages: radosgw ceph-mon ceph-osd ceph-mgr ceph-base ceph-common
set -euo pipefail

if [ $# -eq 0 ]; then
  echo "usage: $0 COMMAND [ARGUMENT…]" >&2
  exit 2
fi
for program in ceph ceph-authtool ceph-mon ceph-mgr ceph-osd monmaptool radosgw radosgw-admin; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is missing: apt install --no-install-recommends radosgw ceph-mon ceph-osd ceph-mgr ceph-base ceph-common" >&2
    exit 2
  fi
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/ceph-XXXXXX")
pids=()

finish() {
  code=$?
  trap - EXIT INT TERM
  # The gateway goes first, the monitor last; each is asked, then made, to go.
  for ((position = ${#pids[@]} - 1; position >= 0; position--)); do
    kill -TERM "${pids[position]}" 2>/dev/null || continue
    for _ in $(seq 30); do
      kill -0 "${pids[position]}" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "${pids[position]}" 2>/dev/null || true
    wait "${pids[position]}" 2>/dev/null || true
  done
  if [ "$code" -ne 0 ] && [ -z "${started:-}" ]; then
    echo "The Ceph node did not start; the ends of its logs:" >&2
    tail -n 5 "$folder"/*.log >&2 2>/dev/null || true
  fi
  rm -rf "$folder"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_ports() {
  python3 - "$1" <<'PYTHON'
import socket, sys
taken = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in taken:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in taken))
PYTHON
}

read -r new_port old_port web_port <<<"$(free_ports 3)"
mkdir "$folder"/{mon,mgr,osd,run}
identity=$(cat /proc/sys/kernel/random/uuid)
cat >"$folder/ceph.conf" <<CONFIGURATION
[global]
fsid = $identity
mon_host = [v2:127.0.0.1:$new_port,v1:127.0.0.1:$old_port]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = $folder/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
bluestore_block_size = 4294967296
bluestore_block_wal_create = false
bluestore_block_db_create = false
osd_memory_target = 939524096
run_dir = $folder/run
admin_socket = $folder/run/\$name.asok
pid_file = $folder/run/\$name.pid
log_file = $folder/\$name.log
mon_data = $folder/mon
mgr_data = $folder/mgr
osd_data = $folder/osd
mgr_initial_modules =
crash_dir = $folder/run
rgw_frontends = beast endpoint=127.0.0.1:$web_port
rgw_enable_usage_log = false
CONFIGURATION
export CEPH_CONF="$folder/ceph.conf"

monmaptool --create --fsid "$identity" --addv a "[v2:127.0.0.1:$new_port,v1:127.0.0.1:$old_port]" "$folder/monmap" >/dev/null
ceph-authtool --create-keyring "$folder/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
for name in client.admin mgr.x osd.0 client.rgw; do
  ceph-authtool "$folder/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap mgr 'allow *' --cap osd 'allow *' >/dev/null
done
ceph-mon --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/keyring"
ceph-mon -i a -f >/dev/null 2>&1 &
pids+=($!)
timeout 60 ceph --connect-timeout 50 mon stat >/dev/null
ceph-mgr -i x -f >/dev/null 2>&1 &
pids+=($!)
store=$(cat /proc/sys/kernel/random/uuid)
timeout 60 ceph osd new "$store" 0 >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$store" >/dev/null 2>&1
ceph-osd -i 0 -f >/dev/null 2>&1 &
pids+=($!)
radosgw -n client.rgw -f >/dev/null 2>&1 &
pids+=($!)

EXCHANGE_TEST_S3_ENDPOINT="http://127.0.0.1:$web_port"
EXCHANGE_TEST_S3_ACCESS_KEY=$(head -c 10 /dev/urandom | od -An -tx1 | tr -d ' \n')
EXCHANGE_TEST_S3_SECRET_KEY=$(head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n')
export EXCHANGE_TEST_S3_ENDPOINT EXCHANGE_TEST_S3_ACCESS_KEY EXCHANGE_TEST_S3_SECRET_KEY
timeout 120 radosgw-admin user create --uid=exchange --display-name=Exchange \
  --access-key="$EXCHANGE_TEST_S3_ACCESS_KEY" --secret-key="$EXCHANGE_TEST_S3_SECRET_KEY" >/dev/null 2>"$folder/admin.log"

for _ in $(seq 300); do
  if python3 -c "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=2)" "$EXCHANGE_TEST_S3_ENDPOINT" 2>/dev/null; then
    started=yes
    break
  fi
  sleep 0.2
done
if [ -z "${started:-}" ]; then
  exit 1
fi
echo "Ceph $(ceph --version | cut -d' ' -f3) serves S3 at $EXCHANGE_TEST_S3_ENDPOINT"
"$@"
