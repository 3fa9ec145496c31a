"""A SIP carrier for tests: one sipp scenario that answers by the first digits after the plus sign.

1 answers and waits, 2 answers and hangs up, 3 486, 4 404, 5 503, 6 603, 7 rings until CANCEL, 80 407, 81 401, 83 403,
84 488, 85 answers and takes a new INVITE, 86 answers and refuses one, 87 challenges one,
88 302 to an address where nobody is, 9 is silent, 0 answers across our CANCEL.
"""

ALICE = ("alice", "secret")
_NONCE = "47ebe028cda119c35d4877b383027d28"
_LAST = "[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n"
_TAG = ";tag=[pid]t[call_number]"
# Upper case, as sipp writes it: what sippy 2.5.0 cannot read.
_CONTACT = "Contact: <sip:carrier@[local_ip]:[local_port];transport=UDP>\n"
_KEPT = f"Via:[$via]\nFrom:[$from]\nTo:[$to]{_TAG}\nCall-ID: [call_id]\nCSeq: [$cs] INVITE\n{_CONTACT}"
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=carrier 5 5 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 40000 RTP/AVP {codec}
"""
_ASKED = f'WWW-Authenticate: Digest realm="carrier.test", nonce="{_NONCE}", algorithm=MD5, qop="auth"\n'
_KEEP = """<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>
<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" assign_to="contact"/>
<ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cs"/>
"""
_DIGITS = {
    "1": "answer", "2": "hangup", "3": "busy", "4": "unknown", "5": "unavailable", "6": "decline", "7": "rings",
    "80": "proxy", "81": "challenge", "83": "forbidden", "84": "codec", "85": "moves",
    "86": "stays", "87": "asks", "88": "moved", "9": "silent", "0": "glare",
}  # fmt: skip
_ACK = '<recv request="ACK" timeout="20000"/>\n'
_END = '<nop next="end"/>\n'


def _send(text: str, *, again: bool = False) -> str:
    retrans = ' retrans="500"' if again else ""
    return f"<send{retrans}><![CDATA[\n{text}\n]]></send>\n"


def _last(status: str, tag: str = "", more: str = "", *, again: bool = False) -> str:
    return _send(f"SIP/2.0 {status}\n{_LAST.format(tag=tag)}{more}Content-Length: 0\n", again=again)


def _kept(status: str, body: str = "Content-Length: 0\n", *, again: bool = False) -> str:
    return _send(f"SIP/2.0 {status}\n{_KEPT}{body}", again=again)


def _final(label: str, status: str, more: str = "") -> str:
    return f'<label id="{label}"/>\n{_last(status, _TAG, more, again=True)}{_acknowledged(label, label)}{_END}'


def _acknowledged(label: str, again: str, *, is_up: bool = False) -> str:
    """Wait for the ACK. A CANCEL that crossed our final answer gets its 200 and changes nothing (RFC 3261 9.2).

    Where packets are lost: the INVITE may come again (sipp does not always know it for the same), and then the answer
    at the label ``again`` goes out again; and who is up may be hung up on by a BYE whose ACK before it was lost.
    """
    bye = '<recv request="BYE" optional="true" next="left"/>\n' if is_up else ""
    late = _last("200 OK", _TAG).replace("<send>", f'<send next="{label}wait">')
    return (
        f'<label id="{label}wait"/>\n{bye}<recv request="INVITE" optional="true" next="{again}"/>\n'
        f'<recv request="CANCEL" optional="true" next="{label}late"/>\n'
        f'<recv request="ACK" timeout="20000" next="{label}acked"/>\n'
        # Without a nop between: sipp aborts a call that hears something there.
        f'<label id="{label}late"/>\n{late}<label id="{label}acked"/>\n'
    )


def _answered(label: str, ring_ms: int, sdp: str) -> str:
    """Ring for a while, answer, and have the ACK. Who is cancelled while it rings refuses instead."""
    return (
        f'{_kept("180 Ringing")}<recv request="CANCEL" timeout="{ring_ms}" ontimeout="{label}up" next="cancelled"/>\n'
        f'<label id="{label}up"/>\n{_kept("200 OK", sdp, again=True)}{_acknowledged(label, f"{label}up", is_up=True)}'
    )


def _challenge(label: str, status: str, header: str, check: str) -> str:
    asked = f'{header}: Digest realm="carrier.test", nonce="{_NONCE}", algorithm=MD5, qop="auth"\n'
    return (
        f'<label id="{label}"/>\n{_last(status, _TAG, asked, again=True)}{_ACK}'
        f'<recv request="INVITE" timeout="20000"><action>\n{_KEEP}{check}</action></recv>\n'
        f'<nop next="good" test="{label}ok"/>\n' + _final(f"{label}bad", "403 Forbidden")
    )


_BYE = _send(
    f"BYE [$contact] SIP/2.0\nVia: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]\nFrom:[$to]{_TAG}\nTo:[$from]\n"
    "Call-ID: [call_id]\nCSeq: 7 BYE\nMax-Forwards: 70\nContent-Length: 0\n",
    again=True,
)


def carrier_scenario(
    *, ring_ms: int = 20, talk_ms: int = 50, codec: int = 0, contact_host: str = "", route: str = ""
) -> str:
    """The scenario's XML. ``codec`` is the one RTP payload type of its session description.

    ``contact_host`` stands in its Contact instead of its address; ``route`` is the URI of a Record-Route.
    """
    ring = _kept("180 Ringing")

    def answer(label: str) -> str:
        return f'<label id="{label}"/>\n' + _answered(label, ring_ms, _SDP.format(codec=codec))

    again = '<recv request="INVITE" timeout="20000"/>\n'
    moved = _send(f"SIP/2.0 200 OK\n{_LAST.format(tag='')}{_CONTACT}{_SDP.format(codec=codec)}", again=True) + _ACK
    bye = '<recv request="BYE"/>\n' + _last("200 OK") + _END
    cancel = '<recv request="CANCEL"/>\n' + _last("200 OK", _TAG)
    verify = f'<verifyauth assign_to="challengeok" username="{ALICE[0]}" password="{ALICE[1]}"/>\n'
    # sipp can verify the header of a 401 only; of a 407 the form is looked at here, and its digest by the test.
    form = '<ereg regexp="Proxy-Authorization: Digest.*response=.[0-9a-f]{32}" search_in="msg" assign_to="proxyok"/>\n'
    parts = [
        '<?xml version="1.0" encoding="UTF-8" ?>\n<scenario name="carrier">\n<recv request="INVITE"><action>\n',
        _KEEP,
        *(f'<ereg regexp="^INVITE sip:[+]?{digits}" search_in="msg" assign_to="b{digits}"/>\n' for digits in _DIGITS),
        '</action></recv>\n<nop next="silent" test="b9"/>\n',
        _last("100 Trying"),
        *(f'<nop next="{label}" test="b{digits}"/>\n' for digits, label in _DIGITS.items() if digits != "9"),
        answer("answer") + bye,
        answer("hangup") + f'<recv request="BYE" timeout="{talk_ms}" ontimeout="leaves" next="left"/>\n',
        '<label id="leaves"/>\n' + _BYE + '<recv response="200" timeout="20000"/>\n' + _END,
        '<label id="left"/>\n' + _last("200 OK") + _END,
        _final("busy", "486 Busy Here"),
        _final("unknown", "404 Not Found", "Reason: Q.850;cause=1\n"),
        _final("unavailable", "503 Service Unavailable", "Retry-After: 5\n"),
        _final("decline", "603 Decline"),
        _final("forbidden", "403 Caller not allowed"),
        _final("codec", "488 Not Acceptable Here"),
        answer("moves") + again + moved + bye,
        answer("stays") + again + _last("488 Not Acceptable Here", again=True) + _ACK + bye,
        answer("asks") + again + _last("401 Unauthorized", "", _ASKED, again=True) + _ACK,
        again + moved + bye,
        _final("moved", "302 Moved Temporarily", "Contact: <sip:somebody@127.0.0.1:9>\n"),
        '<label id="rings"/>\n' + ring + '<recv request="CANCEL"/>\n',
        '<label id="cancelled"/>\n' + _last("200 OK", _TAG),
        _kept("487 Request Terminated", again=True) + _ACK + _END,
        '<label id="glare"/>\n' + ring + cancel,
        _kept("200 OK", _SDP.format(codec=codec), again=True) + _ACK + bye,
        _challenge("challenge", "401 Unauthorized", "WWW-Authenticate", verify),
        _challenge("proxy", "407 Proxy Authentication Required", "Proxy-Authenticate", form),
        answer("good") + bye,
        '<label id="silent"/>\n<pause milliseconds="36000"/>\n<label id="end"/>\n<nop/>\n</scenario>\n',
    ]
    whole = "".join(parts)
    if route:
        whole = whole.replace(_CONTACT, f"{_CONTACT}Record-Route: <{route}>\n")
    if contact_host:
        whole = whole.replace("carrier@[local_ip]", f"carrier@{contact_host}")
    return whole
