"""The figures of one run, and those of others on the same machine that they are held against."""

from dataclasses import dataclass, field


@dataclass
class Figures:
    """What was measured with one number of credentials. Times are seconds, rates are per second."""

    count: int
    raw: dict[str, float] = field(default_factory=dict)
    first_issue_rate: float = 0.0
    first_issue_peak_mib: float = 0.0
    startup: float = 0.0
    startup_writes: int = 0
    startup_cpu: float = 0.0
    triggers_done: float = 0.0
    to_active: float = 0.0
    rate: float = 0.0
    rate_middle: float = 0.0
    rate_after: float = 0.0
    calls: float = 0.0
    events: float = 0.0
    requests: dict[str, float] = field(default_factory=dict)
    cpu_ms: float = 0.0
    cpu_ms_main: float = 0.0
    cpu_ms_by_process: dict[str, float] = field(default_factory=dict)
    others_share: float = 0.0
    peak_mib: float = 0.0
    idle_writes: int = 0
    idle_reads: int = 0
    idle_cpu: float = 0.0
    whole_count: int = 0
    whole_calls: float = 0.0
    whole_events: float = 0.0
    whole_requests: dict[str, float] = field(default_factory=dict)
    whole_seconds: float = 0.0
    request_rate: float = 0.0
    request_requests: dict[str, float] = field(default_factory=dict)
    trickle_count: int = 0
    trickle_p50: float = 0.0
    trickle_p99: float = 0.0
    by_hand_p50: float = 0.0
    by_hand_p99: float = 0.0


@dataclass(frozen=True)
class Row:
    """One line of the table: what others need, and what we promise."""

    what: str
    external_secrets: str
    external_secrets_tuned: str
    cert_manager: str
    cert_manager_tuned: str
    spike: str
    target: str


# Measured on two cores against the same API server 1.36.3, etcd with fsync, 1,000 objects unless said. External
# Secrets 2.9 and cert-manager 1.20, each as installed and tuned (64 workers, QPS 5000); "spike" is a naive sketch of
# Rekey (kopf on.event, asyncio queue, aiohttp and orjson, five writes a rotation).
RATE = Row("mass rotation of 1,000, per second", "9.7", "125", "1.4", "30", "153", "≥ 250")
RATE_MANY = Row("the same with 10,000", "–", "41", "–", "–", "131", "≥ 200")
ASKED = Row("the same 1,000, by one RotationRequest", "–", "–", "–", "–", "–", "–")
COST = Row("time for one at 10,000 against 1,000", "–", "3.0", "–", "–", "1.2", "≤ 1.2 ×")
CALLS = Row("calls to Active", "4.2", "4.9", "14.2", "14.7", "5.0", "≤ 4")
EVENTS = Row("Events to Active", "–", "–", "–", "–", "–", "≤ 1")
WHOLE = Row("calls for a whole rotation", "–", "–", "–", "–", "–", "≤ 8")
CPU = Row("CPU of one rotation, ms, 1,000", "5.9", "3.0", "29", "22", "2.1", "≤ 2.0")
CPU_MANY = Row("the same with 10,000", "–", "14.9", "–", "–", "2.3", "≤ 2.0")
MEMORY = Row("peak memory, MiB, 1,000", "108", "140", "111", "211", "81", "≤ 80")
MEMORY_MANY = Row("the same with 10,000", "–", "398", "–", "–", "182", "≤ 110")
IDLE = Row("idle: writes (reads) in 30 s", "0 (0)", "0 (0)", "0", "0", "0 (0)", "0 (≤ 1500)")
IDLE_CPU = Row("idle: CPU in 30 s, ms", "–", "–", "–", "–", "–", "–")
STARTUP = Row("start with 10,000, seconds", "–", "–", "–", "–", "–", "≤ 3")
TRICKLE = Row("asked for to Active, one by one, p99, s", "–", "–", "–", "–", "–", "≤ 0.3")
STARTUP_WRITES = Row("writes at that start", "–", "–", "–", "–", "–", "0")
