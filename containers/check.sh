#!/usr/bin/env bash
# The steps of the images without Docker and Apptainer: install.sh in a Debian that debootstrap makes,
# then the demo there, as a user without a home. As root, of the commit that is checked out:
#   containers/check.sh FOLDER [FILE ...]
# FOLDER becomes the Debian. It gets PIP_* and FILEs, such as the configuration of pip here. DEVICE=gpu
# installs PyTorch for CUDA, MIRROR is of debootstrap, CORES (2) are for the demo.
set -euo pipefail
root=$1
shift
debootstrap --variant=minbase bookworm "$root" ${MIRROR:+"$MIRROR"}
cp --recursive --dereference --parents /etc/resolv.conf "$@" "$root"
mkdir --parents "$root/opt/popnet" "$root/work"
git archive HEAD | tar --extract --directory "$root/opt/popnet"
mount --types proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT

mapfile -t pip < <(env | grep '^PIP_' || true)
bare=(env --ignore-environment --chdir=/ LC_ALL=C.UTF-8)
path=/usr/sbin:/usr/bin:/sbin:/bin
"${bare[@]}" PATH="$path" HOME=/root "${pip[@]}" \
    chroot "$root" bash /opt/popnet/containers/install.sh "${DEVICE:-cpu}"
du --summarize --human-readable --exclude="$root/proc" "$root"

chown 12345:12345 "$root/work"
as_user() {
    "${bare[@]}" PATH="/opt/popnet/.venv/bin:$path" HOME=/tmp USER=popnet \
        chroot --userspec=12345:12345 "$root" bash -c "cd /work && $1"
}
as_user 'cp -r /opt/popnet/config .'
as_user "snakemake -s /opt/popnet/Snakefile --cores ${CORES:-2} --quiet host reason"
as_user 'popnet show gene MT-ND1'
