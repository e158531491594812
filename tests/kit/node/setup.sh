#!/bin/sh
# Furnishes the namespaces of a node; run in them, once. Arguments: the node's folder on disk, its
# name, its address, this machine's address, the address of its DNS.
set -eu
folder=$1 name=$2 address=$3 gateway=$4 dns=$5

# Volumes of pods are passed on from this mount namespace to those of containers.
mount --make-rshared /
mount -t tmpfs tmpfs /run # sockets, and the files of network namespaces
for place in lib/containerd lib/kubelet lib/cni log; do
  mkdir -p "/var/$place" "$folder/var/$place"
  mount --bind "$folder/var/$place" "/var/$place"
done

hostname "$name"
ip link set lo up
ip addr add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
echo 1 > /proc/sys/net/ipv4/ip_forward
# A pod that asks a Service which leads to a pod of the same bridge needs it. Each network namespace has its own.
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
printf 'nameserver %s\n' "$dns" > "$folder/resolv.conf"
mount --bind "$folder/resolv.conf" /etc/resolv.conf

# kubelet sets six values of the whole machine (panic_on_oops=1 …). It is given files in their place.
# The price: a kernel that sees a part of /proc covered starts no pod with `hostUsers: false`.
mkdir -p "$folder/sysctl"
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=$folder/sysctl/$(echo "${setting%=*}" | tr / .)
  echo "${setting#*=}" > "$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
