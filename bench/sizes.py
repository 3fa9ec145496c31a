"""How much is measured: the sizes of the goals, or small ones that only show that every benchmark still runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sizes:
    rows: int = 1_000_000
    small_rows: int = 1_000
    orders: int = 200
    """Terminations of each size."""
    number_orders: int = 50
    numbers: int = 100
    uploads: int = 2
    warm_up_s: float = 3.0
    window_s: float = 12.0
    """Length of each of the two windows in which dials are counted."""
    starts: int = 3
    huge_rows: int = 10_000_000
    history_rows: int = 10_000_000
    history_campaigns: int = 200
    history_pages: int = 200
    """Of each filter."""
    dashboard_rows: int = 10_000_000
    dashboard_campaigns: int = 1_000
    dashboard_looks: int = 200
    """At each page."""
    large_list_rows: int = 5_000_000
    agent_campaigns: int = 5_000
    calls_of_each_number: int = 10_000
    number_burst_s: float = 10.0
    number_burst_per_s: int = 1_000
    paced_cps: float = 1_000.0
    """The pace of the trunk that is dialled beside the sweeper."""
    sample_s: float = 12.0
    """How long a rival that cancels one job a call is given, before the rest is extrapolated."""
    beside_s: float = 1.0
    """How long a worker is at work before its jobs are cancelled, and watched after."""

    sip_steps: tuple[float, ...] = (100.0, 200.0, 300.0, 350.0, 400.0, 450.0, 500.0, 550.0)
    """Calls a second over SIP, tried one after the other until one is not clean."""
    sip_step_s: float = 15.0
    sip_talk_s: float = 7.0
    """At 300 calls a second so long calls are 2,100 at a time."""
    sip_held: int = 2_000
    sip_due: int = 2_000
    sip_due_cps: float = 100.0
    sip_lossy: int = 500
    asterisk_cps: float = 110.0
    asterisk_step_s: float = 15.0
    asterisk_talks: int = 100
    asterisk_frames: int = 400
    """Of 20 ms, spoken by each agent."""
    hook_events: int = 20_000
    hook_per_s: int = 200
    hook_window_s: float = 6.0
    hook_turns: int = 3
    """Windows without a dead subscriber and with one, in turns."""
    tabs: int = 100
    live_rows: int = 100_000
    live_window_s: float = 10.0
    live_turns: int = 4
    """Windows without tabs and with them, in turns."""
    paces: tuple[float, ...] = (50.0, 500.0, 2_000.0)
    pace_window_s: float = 10.0
    dispatchers: tuple[int, ...] = (1, 2, 4)
    dispatcher_trunks: tuple[int, ...] = (1, 4)
    dispatcher_rows: int = 120_000
    """Before each window; more than can be dialled in it."""
    dispatcher_window_s: float = 8.0
    dispatcher_rounds: int = 3
    """Each number of dispatchers so many times, by turns."""
    soak_s: float = 600.0
    soak_every_s: float = 10.0
    soak_rows: int = 100_000
    """Pending at first; more come as they are dialled."""
    soak_open_s: float = 60.0
    """For how long a transaction stays open beside it, at the end."""
    live_calls: int = 10_000
    live_calls_window_s: float = 20.0
    """At least one renewal of all leases, and several."""
    fair_cps: float = 50.0
    fair_looks: int = 15
    fair_window_s: float = 20.0
    route_window_s: float = 4.0
    """For which each compatible route is asked, after a fifth of that to warm up."""


QUICK = Sizes(
    rows=10_000,
    small_rows=500,
    orders=5,
    number_orders=2,
    numbers=20,
    uploads=1,
    warm_up_s=0.2,
    window_s=0.4,
    starts=1,
    huge_rows=20_000,
    history_rows=20_000,
    history_campaigns=20,
    history_pages=5,
    dashboard_rows=5_000,
    dashboard_campaigns=20,
    dashboard_looks=5,
    large_list_rows=20_000,
    agent_campaigns=50,
    calls_of_each_number=150,
    number_burst_s=0.5,
    number_burst_per_s=100,
    sample_s=0.5,
    beside_s=0.3,
    sip_steps=(20.0, 40.0),
    sip_step_s=1.0,
    sip_talk_s=0.2,
    sip_held=20,
    sip_due=20,
    sip_lossy=20,
    asterisk_cps=20.0,
    asterisk_step_s=1.0,
    asterisk_talks=2,
    asterisk_frames=50,
    hook_events=200,
    hook_window_s=0.3,
    hook_turns=1,
    tabs=10,
    live_rows=3_000,
    live_window_s=1.1,
    live_turns=1,
    paces=(50.0, 100.0),
    pace_window_s=0.5,
    dispatchers=(1, 2),
    dispatcher_trunks=(4,),
    dispatcher_rows=12_000,
    dispatcher_rounds=1,
    dispatcher_window_s=0.3,
    soak_s=1.2,
    soak_every_s=0.3,
    soak_rows=5_000,
    soak_open_s=0.6,
    live_calls=200,
    live_calls_window_s=0.5,
    fair_looks=2,
    fair_window_s=1.0,
    route_window_s=0.3,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the benchmarks: its sizes, and an empty directory for databases and files."""

    sizes: Sizes
    work_dir: Path
