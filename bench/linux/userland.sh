# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Runs in the guest's Debian: ordinary commands on data that they make themselves. Each prints
# `bench NAME NANOSECONDS CHECKSUM`, the shorter of two times; the checksum is of what it computed.
set -eu
export LC_ALL=C
work=/tmp/bench
mkdir -p $work/tree/DEBIAN $work/tree/usr/share/bench $work/root
cd $work

# timed NAME FUNCTION
timed() {
    least=
    for _ in 1 2; do
        start=$(date +%s%N)
        sum=$("$2" | cksum)
        end=$(date +%s%N)
        if [ -z "$least" ] || [ $((end - start)) -lt "$least" ]; then
            least=$((end - start))
        fi
    done
    echo "bench $1 $least ${sum%% *}"
}

compress() { gzip -9 -n <text >text.gz && gzip -d <text.gz; }
sort_lines() { sort shuffled && sort -n -k 2 shuffled; }
digest() { cat text text text text | sha256sum; }

script() {
    perl -e '
        my %count; my $sum = 0;
        open(my $in, "<", "words") or die;
        while (<$in>) { $count{$_}++ for split /[^a-z0-9]+/; s/([0-9]+)/<$1>/g; $sum += length; }
        for my $word (sort keys %count) { $sum = ($sum * 31 + $count{$word} * length $word) % 1000003; }
        print "$sum\n";'
}

processes() {
    i=0
    while [ $i -lt 60 ]; do
        /bin/true
        i=$((i + 1))
    done
    echo $i
}

packages() {
    rm -rf out
    dpkg-deb -Zgzip --build tree tree.deb >/dev/null
    dpkg-deb -x tree.deb out
    dpkg-deb -f tree.deb Package Version
    find out -type f | sort | xargs cat
}

seq 1 60000 | sed 's/$/ lorem ipsum dolor sit amet/' >text
head -n 10000 text >words
seq 1 40000 | awk '{ print ($1 * 7919) % 40009, ($1 * 104729) % 65537 }' >shuffled
printf 'Package: bench\nVersion: 1\nArchitecture: all\nMaintainer: none <none@localhost>\nDescription: files\n' \
    >tree/DEBIAN/control
for i in $(seq 1 40); do
    head -n $((i * 20)) text >tree/usr/share/bench/$i
done

timed linux_gzip compress
timed linux_sort sort_lines
timed linux_perl script
timed linux_fork processes
timed linux_sha256sum digest
timed linux_dpkg packages
