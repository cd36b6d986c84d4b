"""CPU classes, read from what the kernel says of real machines."""

import platform
import subprocess
import sys

import pytest

from serval.inference.cpu import CPUINFO, class_of, cpu_class

GRAVITON_2 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp ssbs"
)
GRAVITON_3 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
    "lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs paca pacg "
    "dcpodp svei8mm svebf16 i8mm bf16 dgh rng"
)
CORTEX_A72 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
HASWELL = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "
    "sse2 ss ht syscall nx pdpe1gb rdtscp lm constant_tsc rep_good nopl xtopology cpuid pni "
    "pclmulqdq ssse3 fma cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt aes xsave avx f16c rdrand "
    "hypervisor lahf_lm abm fsgsbase bmi1 avx2 smep bmi2 erms"
)
SKYLAKE_SERVER = f"{HASWELL} avx512f avx512dq rdseed adx smap clflushopt avx512cd avx512bw avx512vl"
KNIGHTS_LANDING = f"{HASWELL} avx512f avx512pf avx512er avx512cd"
SANDY_BRIDGE = HASWELL.replace(" fma", "").replace(" avx2", "")
OPTERON = "fpu vme de pse tsc msr pae mmx fxsr sse sse2 ht syscall nx mmxext lm 3dnowext 3dnow"


def arm(features: str) -> list[str]:
    return [
        "processor\t: 0\n",
        "BogoMIPS\t: 243.75\n",
        f"Features\t: {features}\n",
        "CPU implementer\t: 0x41\n",
        "\n",
    ]


def intel(flags: str) -> list[str]:
    return [
        "processor\t: 0\n",
        "vendor_id\t: GenuineIntel\n",
        "model name\t: Intel(R) Xeon(R) Processor\n",
        "wp\t\t: yes\n",
        f"flags\t\t: {flags}\n",
        "vmx flags\t: vnmi preemption_timer\n",
    ]


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "expected"),
    [
        ("aarch64", arm(GRAVITON_2), "aarch64-dotprod"),
        ("aarch64", arm(GRAVITON_3), "aarch64-sve"),
        ("aarch64", arm(CORTEX_A72), "aarch64-neon"),
        ("x86_64", intel(SKYLAKE_SERVER), "x86_64-avx512"),
        ("x86_64", intel(KNIGHTS_LANDING), "x86_64-avx512f"),
        ("x86_64", intel(HASWELL), "x86_64-avx2"),
        ("x86_64", intel(SANDY_BRIDGE), "x86_64-avx"),
        ("x86_64", intel(OPTERON), "x86_64-sse2"),
        ("AMD64", intel(HASWELL), "x86_64-avx2"),
        ("arm64", [], "aarch64-unknown"),
        ("riscv64", ["isa\t: rv64imafdc\n"], "riscv64-unknown"),
        ("x86_64", ["\xff\x00 no colon", "flags\n", ""], "x86_64-unknown"),
    ],
)
def test_a_machine_has_the_class_of_its_best_level(
    machine: str, cpuinfo: list[str], expected: str
) -> None:
    assert class_of(machine, cpuinfo) == expected


def test_only_the_first_processor_is_read() -> None:
    def lines():  # type: ignore[no-untyped-def]
        yield from arm(GRAVITON_2)[:3]
        raise AssertionError("read on")

    assert class_of("aarch64", lines()) == "aarch64-dotprod"


@pytest.mark.skipif(not CPUINFO.exists(), reason="this system has no /proc")
def test_this_machine_has_a_class() -> None:
    assert cpu_class().startswith(platform.machine())
    assert cpu_class() is cpu_class()


def test_asking_imports_no_package() -> None:
    code = (
        "import serval.inference.cpu, sys; serval.inference.cpu.cpu_class();"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "onnxruntime", "platform", "subprocess"} & set(run.stdout.split())
