# Run by a booted systemd, see test_installed.py: says `name=value` for what is judged there.
set -u
etc=/etc/stripecast

cat >$etc/clientproxy/one.yaml <<'YAML'
server: 127.0.0.1
join: [cam]
YAML
cat >$etc/clientproxy/two.yaml <<'YAML'
server: 127.0.0.1
listen: ":7955"
rtsp: 127.0.0.1:8654
http: 127.0.0.1:9955
join: [cam]
YAML
mkdir -p /etc/systemd/system/clientproxy@two.service.d
printf '[Service]\nWatchdogSec=6\n' >/etc/systemd/system/clientproxy@two.service.d/soon.conf
systemctl daemon-reload

of() { systemctl show --property "$2" --value "$1"; }

# until SECONDS COMMAND…: wait until it succeeds.
until_() {
  local left=$1
  shift
  until "$@" || [ "$left" -le 0 ]; do sleep 1 && left=$((left - 1)); done
}

# What docs/operations.md says, word by word, but for the editor and the password.
sudo() { "$@"; }
sudoedit() { test -w "$1"; }
(
  set -e
  @FIRST@
)
echo "first walk=$? $(systemctl is-active clientproxy@hall) $(systemctl is-enabled serverproxy)"
systemctl stop clientproxy@hall

systemctl start serverproxy clientproxy@one clientproxy@two
for unit in serverproxy clientproxy@one clientproxy@two; do
  echo "$unit active=$(systemctl is-active $unit)"
  echo "$unit user=$(ps -o user= -p "$(of $unit MainPID)")"
done
joined() { [ "$(of serverproxy StatusText)" = "1 of 1 sources up, 2 nodes, 0 players" ]; }
until_ 30 joined
echo "status=$(of serverproxy StatusText)"
echo "packets=$(ffmpeg -nostdin -v error -rtsp_transport tcp -i rtsp://127.0.0.1:8654/cam -t 3 -f framecrc - 2>/dev/null | grep -c '^[0-9]')"

systemctl reload serverproxy
echo "reload=$?"
cp $etc/serverproxy.yaml /root/good.yaml
echo 'no_such_key: 1' >>$etc/serverproxy.yaml
systemctl reload serverproxy
refused() { [[ $(of serverproxy StatusText) == "nothing reloaded: "*no_such_key* ]]; }
until_ 10 refused
echo "reload of a bad file=$(of serverproxy StatusText)"
echo "after the bad file=$(systemctl is-active serverproxy)"

# It hangs as far as systemd can see: it is stopped in the middle of what it does.
kill -STOP "$(of clientproxy@two MainPID)"
restarted() { [ "$(of clientproxy@two NRestarts)" = 1 ] && systemctl --quiet is-active clientproxy@two; }
until_ 40 restarted
echo "restarts after a hang=$(of clientproxy@two NRestarts)"
echo "traceback of the hang=$(journalctl --unit clientproxy@two | grep -c 'Fatal Python error: Aborted')"

systemctl stop serverproxy
echo "stop=$(of serverproxy Result)"
systemctl start serverproxy 2>/dev/null
sleep 3
echo "start of a bad file=$(systemctl is-active serverproxy) $(of serverproxy NRestarts)"

systemctl() {
  if [ "$1" = edit ]; then
    mkdir -p "/etc/systemd/system/$2.service.d"
    cat >"/etc/systemd/system/$2.service.d/override.conf" <<'INI'
@INI@
INI
  else
    command systemctl "$@"
  fi
}
(
  set -e
  @SECOND@
) <<<secret
cat >$etc/serverproxy.yaml <<'YAML'
channels:
  cam:
    source: rtsp://127.0.0.1:1/
    username: viewer
    password: "${credential:cam-password}"
YAML
systemctl daemon-reload
systemctl reset-failed serverproxy
systemctl start serverproxy
systemctl reload serverproxy
echo "credential=$? $(systemctl is-active serverproxy) $(stat -c %a $etc/credentials/cam-password)"

mkdir -p /etc/systemd/system/clientproxy@one.service.d
printf '[Service]\n%s\n%s\n%s\n' @PORT@ >/etc/systemd/system/clientproxy@one.service.d/port.conf
echo 'rtsp: 127.0.0.1:554' >>$etc/clientproxy/one.yaml
systemctl daemon-reload
systemctl restart clientproxy@one
echo "port 554=$(systemctl is-active clientproxy@one)"
echo "end=0"
