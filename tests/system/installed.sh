#!/bin/sh
# installed.sh PACKAGE COMMAND...: installs the package as root, for the eyes of COMMAND alone, and runs it
#
# In a mount namespace of its own /usr, /etc, /var/lib and /var/cache are overlays whose changes lie in memory: dpkg installs there for real,
# with the package's scripts, and nothing of it is left when COMMAND has ended.  The files of the tests (/tmp, /var/tmp) are the machine's.
set -e
test "$#" -ge 2 || { echo "usage: installed.sh PACKAGE COMMAND..." >&2; exit 64; }
if [ -z "$CULVER_OVERLAID" ]; then
	CULVER_OVERLAID=yes exec unshare --mount "$0" "$@"
fi
package=$1
shift
mount -t tmpfs -o mode=0755 culver-installed /mnt
for place in usr etc var/lib var/cache; do
	mkdir -p "/mnt/$place/upper" "/mnt/$place/work"
	mount -t overlay -o "lowerdir=/$place,upperdir=/mnt/$place/upper,workdir=/mnt/$place/work" overlay "/$place"
done
# a service manager, where there is one, is not told: it does not see this
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
echo 'culver culver/main_mailer_type select Local only' | debconf-set-selections
DEBIAN_FRONTEND=noninteractive dpkg --install "$package"
test "$(readlink -f /usr/sbin/sendmail)" = /usr/sbin/culver
CULVER_INSTALLED=/usr/sbin/culver
export CULVER_INSTALLED
unset CULVER_OVERLAID
exec "$@"
