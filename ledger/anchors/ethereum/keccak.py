"""Keccak-256 as Ethereum uses it (Yellow Paper, appendix F): SHA-3's sponge with the padding of the Keccak submission.

`hashlib` has only the standardised padding of FIPS 202. A proof takes some forty blocks, about 10 ms here, so an
auditor needs no further package to check one.
"""

DIGEST_SIZE = 32
_RATE = 136
_MASK = (1 << 64) - 1
# FIPS 202, sections 3.2.2 and 3.2.3: how far each lane turns, and the lane that takes its place.
_TURNS = (0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14)
_PLACES = tuple(y + 5 * ((2 * x + 3 * y) % 5) for y in range(5) for x in range(5))


def _round_constants() -> tuple[int, ...]:
    """Return the constants of FIPS 202, section 3.2.5, from its shift register."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 * (register >> 7))
        constants.append(constant)
    return tuple(constants)


_CONSTANTS = _round_constants()


def keccak256(data: bytes, *, _suffix: int = 0x01) -> bytes:
    """Return the 32-byte hash. `_suffix` 0x06 gives SHA3-256, which is how the permutation is tested."""
    padded = bytearray(data) + bytes([_suffix]) + bytes(-(len(data) + 1) % _RATE)
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            place = start + 8 * lane
            lanes[lane] ^= int.from_bytes(padded[place : place + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _permute(lanes: list[int]) -> list[int]:
    """Return the lanes (x + 5 y) after the 24 rounds of Keccak-f[1600]."""
    for constant in _CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        parities = [columns[x - 1] ^ _turn(columns[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * 25
        for lane in range(25):
            moved[_PLACES[lane]] = _turn(lanes[lane] ^ parities[lane % 5], _TURNS[lane])
        lanes = [
            moved[y + x] ^ (~moved[y + (x + 1) % 5] & moved[y + (x + 2) % 5]) for y in range(0, 25, 5) for x in range(5)
        ]
        lanes[0] ^= constant
    return lanes


def _turn(lane: int, by: int) -> int:
    return ((lane << by) | (lane >> (64 - by))) & _MASK
