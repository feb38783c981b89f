# Two machines in one: each a network namespace, with a cable between them, and a Ray node in each.
# Run in a network namespace of its own: two_machines.sh PYTHON ARGUMENTS… is run on the first one.
set -eu
python=$1
ray="$python -m ray.scripts.scripts"
common="--block --num-cpus=1 --object-store-memory=104857600 --disable-usage-stats"

ip link set lo up
unshare --net sleep 600 & other=$!
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add here type veth peer name there netns $other
ip addr add 10.77.0.1/24 dev here
ip link set here up
nsenter -t $other -n sh -c 'ip link set lo up; ip addr add 10.77.0.2/24 dev there; ip link set there up'

$ray start --head --node-ip-address=10.77.0.1 --port=6390 --include-dashboard=false $common &
until (echo >/dev/tcp/10.77.0.1/6390) 2>/dev/null; do sleep 0.2; done
nsenter -t $other -n $ray start --address=10.77.0.1:6390 --node-ip-address=10.77.0.2 $common &
until $python - <<'PYTHON'
import ray, sys
ray.init("10.77.0.1:6390", log_to_driver=False, logging_level="CRITICAL")
sys.exit(sum(node["Alive"] for node in ray.nodes()) < 2)
PYTHON
do sleep 0.5; done
"$@"
