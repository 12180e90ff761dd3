#!/usr/bin/env bash
# The current wireguard-go, with its segmentation offloads, as Debian's unstable suite has it: its package is unpacked
# into a folder, nothing is installed.   wireguard_go.sh FOLDER  ->  FOLDER/wireguard-go, and FOLDER/version
set -euo pipefail
mkdir -p "$1"; cd "$1"
[ -x wireguard-go ] && [ -s version ] && exit 0
here=$PWD
mirror=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources | head -1)
mkdir -p lists/partial cache/archives/partial; : > installed; rm -f ./*.deb
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > sources.list
# apt looks at this folder alone: neither the machine's sources nor what it has installed are touched.
alone=(-qq -o Dir::Etc::sourcelist="$here/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$here/lists"
       -o Dir::State::status="$here/installed" -o Dir::Cache="$here/cache" -o APT::Sandbox::User=root)
apt-get "${alone[@]}" update
apt-get "${alone[@]}" download wireguard-go
dpkg-deb --extract wireguard-go_*.deb unpacked
cp unpacked/usr/bin/wireguard-go wireguard-go
dpkg-deb --field wireguard-go_*.deb Version > version
