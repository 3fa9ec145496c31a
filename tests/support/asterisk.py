"""An Asterisk of the tests' own, on free ports, from the root directory that ``make asterisk`` makes."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(os.environ.get("RINGOFF_ASTERISK_ROOT", Path(__file__).parents[2] / ".asterisk-root"))
USERNAME, PASSWORD = "ringoff", "s3cret"
_PR_SET_PDEATHSIG = 1
_UP_WITHIN_S = 30.0
# What is not needed and takes time, memory or a port of its own.
_NOT_LOADED = """\
chan_iax2 chan_mgcp chan_skinny chan_unistim chan_motif chan_console chan_ooh323 chan_dahdi
chan_mobile pbx_dundi pbx_ael pbx_lua res_xmpp res_hep res_hep_pjsip res_hep_rtcp res_snmp res_phoneprov
res_pjsip_phoneprov_provider app_voicemail app_voicemail_imap app_voicemail_odbc res_config_odbc res_config_pgsql
res_config_ldap res_config_sqlite3 cdr_csv cdr_sqlite3_custom cdr_manager cdr_custom cel_custom cel_sqlite3_custom
res_calendar app_queue app_meetme app_minivm res_corosync res_stun_monitor res_prometheus
"""


@dataclass(frozen=True, slots=True)
class RunningAsterisk:
    """Where it listens; ``sip_port`` for SIP over UDP, and the process for whoever wants to end it."""

    url: str
    sip_port: int
    process: subprocess.Popen[bytes]
    log_path: Path


def missing() -> str | None:
    """Why there is no Asterisk to test with, or None."""
    if os.geteuid() != 0:
        return "Asterisk runs in a root directory of its own, and only root may enter one"
    if not (ROOT / "usr/sbin/asterisk").exists():
        return "there is no Asterisk here: `make asterisk` makes one"
    return None


@contextmanager
def running_asterisk(peer_port: int, *, http_port: int | None = None) -> Iterator[RunningAsterisk]:
    """One that sends its calls to a SIP peer on 127.0.0.1. Ends with the block, and with this process."""
    ports = free_ports(2)
    http_port = http_port or ports[0]
    home = Path(tempfile.mkdtemp(prefix="ringoff-", dir=ROOT / "tmp"))
    inside = Path("/") / home.relative_to(ROOT)
    _write_config(home, inside, http_port, ports[1], peer_port)
    log_path = home / "console.log"
    try:
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                ["/usr/sbin/asterisk", "-f", "-C", str(inside / "etc/asterisk.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_enter_root,  # noqa: PLW1509 - nothing else runs in this process yet
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"},
            )
        try:
            _wait_until_up(http_port, process, log_path)
            yield RunningAsterisk(f"http://127.0.0.1:{http_port}", ports[1], process, log_path)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free for TCP and UDP now."""
    taken: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            taken += [tcp, udp]
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            ports.append(tcp.getsockname()[1])
        return ports
    finally:
        for each in taken:
            each.close()


def _enter_root() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.chroot(ROOT)
    os.chdir("/")


def _wait_until_up(http_port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    give_up_at = time.monotonic() + _UP_WITHIN_S  # noqa: TID251 - another process is waited for
    url = f"http://127.0.0.1:{http_port}/ari/asterisk/ping?api_key={USERNAME}:{PASSWORD}"
    while time.monotonic() < give_up_at and process.poll() is None:  # noqa: TID251
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)  # noqa: TID251
    raise RuntimeError(f"Asterisk did not come up: {log_path.read_text(errors='replace')[-2_000:]}")


def _write_config(home: Path, inside: Path, http_port: int, sip_port: int, peer_port: int) -> None:
    for folder in ("etc", "run", "db", "log", "spool", "cache"):
        (home / folder).mkdir()
    home.chmod(0o755)
    rtp_start = 20_000 + (sip_port % 40) * 1_000
    files = {
        "asterisk.conf": f"""[directories]
astetcdir => {inside}/etc
astmoddir => {_module_folder()}
astvarlibdir => /var/lib/asterisk
astdbdir => {inside}/db
astdatadir => /usr/share/asterisk
astspooldir => {inside}/spool
astrundir => {inside}/run
astlogdir => {inside}/log
astcachedir => {inside}/cache
[options]
verbose = 0
nocolor = yes
transmit_silence = yes
""",
        "logger.conf": "[general]\n[logfiles]\nconsole => warning,error\n",
        "modules.conf": "[modules]\nautoload=yes\n" + "".join(f"noload => {name}.so\n" for name in _NOT_LOADED.split()),
        "http.conf": f"[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport={http_port}\nsessionlimit=1000\n",
        "ari.conf": f"[general]\nenabled=yes\n[{USERNAME}]\ntype=user\nread_only=no\npassword={PASSWORD}\n",
        "extensions.conf": _EXTENSIONS,
        "amd.conf": "[general]\n",
        "rtp.conf": f"[general]\nrtpstart={rtp_start}\nrtpend={rtp_start + 999}\nstrictrtp=no\nicesupport=no\n",
        "pjsip.conf": _PJSIP.format(sip_port=sip_port, peer_port=peer_port),
    }
    for name, text in files.items():
        (home / "etc" / name).write_text(text)


def _module_folder() -> str:
    found = next(ROOT.glob("usr/lib/*/asterisk/modules"), ROOT / "usr/lib/asterisk/modules")
    return f"/{found.relative_to(ROOT)}"


# Short times, so that a test need not wait for those of amd.conf: initial silence, greeting, silence after it, in all,
# least word, silence between words, words, threshold; in milliseconds.
_EXTENSIONS = """[from-trunk]
exten => _X.,1,Hangup()
[detect]
exten => s,1,AMD(700,600,300,1500,100,50,3,256)
 same => n,Stasis(${RINGOFF_APP},amd,${AMDSTATUS},${AMDCAUSE})
[never-back]
exten => s,1,Wait(60)
"""
_PJSIP = """[global]
type=global
user_agent=trunk
[transport-udp]
type=transport
protocol=udp
bind=127.0.0.1:{sip_port}
[trunk]
type=endpoint
transport=transport-udp
context=from-trunk
disallow=all
allow=ulaw
aors=trunk
outbound_auth=trunk-auth
direct_media=no
rtp_symmetric=yes
dtmf_mode=rfc4733
[trunk]
type=aor
contact=sip:127.0.0.1:{peer_port}
[trunk-auth]
type=auth
auth_type=userpass
username=alice
password=secret
[trunk-id]
type=identify
endpoint=trunk
match=127.0.0.1
"""
