"""Format-preserving encryption FF1 (NIST SP 800-38G, section 6.2) of many values of one length at once.

The two halves of every value advance in step: one round is one AES call over all rows. Halves below 2^56 are 64-bit
integers; longer ones take a path through Python's integers, so every radix and length of the standard works.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from contracts.errors import PlanError

# The least number of values that a domain may have: revision 1 of SP 800-38G requires it, since smaller ones can be
# enumerated.
LEAST_DOMAIN = 1_000_000
MOST_RADIX = 1 << 16
_ROUNDS = 10
# Rows that go through the rounds together: what they need stays in the cache.
_ROWS = 16_384
_FAST = 1 << 56


class FF1:
    """FF1 under one AES key (16, 24 or 32 bytes), radix (2 to 65,536) and tweak; threads may share it.

    `least_domain` is the smallest `radix ** length` that is taken. Raises PlanError for other keys and radixes.
    """

    def __init__(self, key: bytes, radix: int, tweak: bytes = b"", *, least_domain: int = LEAST_DOMAIN) -> None:
        if len(key) not in (16, 24, 32):
            raise PlanError("An FF1 key has 16, 24 or 32 bytes.", "FF1 密钥应为 16、24 或 32 字节。")
        if not 2 <= radix <= MOST_RADIX:
            raise PlanError(f"FF1 takes a radix from 2 to {MOST_RADIX}.", f"FF1 的基数应为 2 到 {MOST_RADIX}。")
        self.radix = radix
        self._algorithm = algorithms.AES(key)
        self._tweak = tweak
        self._least = max(least_domain, 100)

    def fits(self, length: int) -> bool:
        """Whether values of this length have a domain that is large enough."""
        return length >= 2 and self.radix**length >= self._least

    def encrypt(self, numerals: NDArray[Any]) -> NDArray[np.int64]:
        """The encrypted numerals, of the shape (rows, length) of those given; PlanError for too small a domain."""
        return self._crypt(numerals, range(_ROUNDS), 1)

    def decrypt(self, numerals: NDArray[Any]) -> NDArray[np.int64]:
        """The numerals that `encrypt` was given."""
        return self._crypt(numerals, range(_ROUNDS - 1, -1, -1), -1)

    def _crypt(self, numerals: NDArray[Any], rounds: range, sign: int) -> NDArray[np.int64]:
        rows, length = numerals.shape
        if not self.fits(length):
            raise PlanError(
                f"Values of {length} characters have fewer than {self._least:,} forms, too few for tokens.",
                f"{length} 个字符的取值少于 {self._least:,} 种，不足以生成令牌。",
            )
        if rows and not 0 <= int(numerals.min()) <= int(numerals.max()) < self.radix:
            raise PlanError("A numeral is not below the radix.", "存在不小于基数的数字。")
        out = np.empty((rows, length), np.int64)
        for start in range(0, rows, _ROWS):
            out[start : start + _ROWS] = self._chunk(numerals[start : start + _ROWS], rounds, sign)
        return out

    def _chunk(self, numerals: NDArray[Any], rounds: range, sign: int) -> NDArray[np.int64]:
        length = numerals.shape[1]
        left = length // 2
        sizes = (left, length - left)
        moduli = (self.radix ** sizes[0], self.radix ** sizes[1])
        fast = moduli[1] < _FAST
        step = _Step(self._algorithm, self.radix, length, moduli[1], self._tweak)
        halves = [_number(numerals[:, :left], self.radix, fast), _number(numerals[:, left:], self.radix, fast)]
        # In round i the first half has sizes[i % 2] numerals; encrypting feeds on the second half, decrypting on the first.
        for number in rounds:
            modulus = moduli[number % 2]
            first, second = halves if sign > 0 else halves[::-1]
            mixed = step.fast(second, number, modulus) if fast else step.wide(second, number, modulus)
            # Both paths give numbers below the modulus, so a difference is kept from going below zero.
            changed = _sum(first, mixed if sign > 0 else modulus - mixed, modulus, fast)
            halves = [second, changed] if sign > 0 else [changed, second]
        return np.concatenate(
            [_numerals(half, self.radix, size, fast) for half, size in zip(halves, sizes, strict=True)], axis=1
        )


class _Step:
    """The round function for values of one length: F(number) mod modulus."""

    def __init__(self, algorithm: algorithms.AES, radix: int, length: int, largest: int, tweak: bytes) -> None:
        self._algorithm = algorithm
        # ceil(ceil(v · log2 radix) / 8) of the standard: the bytes that the largest half needs.
        self._bytes = ((largest - 1).bit_length() + 7) // 8
        self._digest = 4 * -(-self._bytes // 4) + 4
        head = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, length // 2 % 256])
        head += length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
        self._tweak = tweak + bytes(-(len(tweak) + self._bytes + 1) % 16)
        # All blocks before the one with the round's number are the same for every row.
        whole = len(self._tweak) // 16 * 16
        self._state = _cbc(self._algorithm, head + self._tweak[:whole])
        self._rest = self._tweak[whole:]

    def fast(self, numbers: NDArray[Any], number: int, modulus: int) -> NDArray[Any]:
        """The round function for halves below 2^56, whose last block holds the round's number and the half."""
        prefix = self._rest + bytes([number])
        last = bytes(a ^ b for a, b in zip(prefix + bytes(self._bytes), self._state, strict=True))
        words = np.frombuffer(last, np.uint64)
        blocks = np.empty((len(numbers), 2), np.uint64)
        blocks[:, 0] = words[0]
        np.bitwise_xor(numbers.byteswap(), words[1], out=blocks[:, 1])
        answers = _ecb(self._algorithm, blocks)
        first = answers[:, 0].byteswap()
        mixed = _remainder(first, modulus)
        if self._digest > 8:
            tail = answers[:, 1].byteswap() >> np.uint64(32)
            for shift in (24, 16, 8, 0):
                byte = (tail >> np.uint64(shift)) & np.uint64(255)
                mixed = _remainder(mixed * np.uint64(256) + byte, modulus)
        return mixed

    def wide(self, numbers: NDArray[Any], number: int, modulus: int) -> NDArray[Any]:
        """The round function for halves of any size."""
        head = self._rest + bytes([number])
        data = b"".join(head + int(value).to_bytes(self._bytes, "big") for value in numbers)
        blocks = np.frombuffer(data, np.uint64).reshape(len(numbers), -1, 2)
        state = np.broadcast_to(np.frombuffer(self._state, np.uint64), (len(numbers), 2))
        for column in range(blocks.shape[1]):
            state = _ecb(self._algorithm, np.ascontiguousarray(blocks[:, column] ^ state))
        pieces = [state]
        for count in range(1, -(-self._digest // 16)):
            counter = np.frombuffer(count.to_bytes(16, "big"), np.uint64)
            pieces.append(_ecb(self._algorithm, np.ascontiguousarray(state ^ counter)))
        text = np.concatenate(pieces, axis=1).view(np.uint8)[:, : self._digest]
        return np.array([int.from_bytes(row.tobytes(), "big") % modulus for row in text], object)


def _ecb(algorithm: algorithms.AES, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # ECB only drives the block cipher; FF1 itself makes the mode.
    encryptor = Cipher(algorithm, modes.ECB()).encryptor()  # noqa: S305
    out = np.empty(blocks.size + 2, np.uint64)
    encryptor.update_into(blocks.data.cast("B"), out.data.cast("B"))
    return out[: blocks.size].reshape(blocks.shape)


def _cbc(algorithm: algorithms.AES, message: bytes) -> bytes:
    # The CBC-MAC that SP 800-38G calls PRF.
    encryptor = Cipher(algorithm, modes.CBC(bytes(16))).encryptor()
    return encryptor.update(message)[-16:]


def _remainder(values: NDArray[Any], modulus: int) -> NDArray[Any]:
    # Division by a scalar is much faster in numpy than its remainder.
    size = np.uint64(modulus)
    rest: NDArray[Any] = values - values // size * size
    return rest


def _sum(first: NDArray[Any], second: NDArray[Any], modulus: int, fast: bool) -> NDArray[Any]:
    if fast:
        return _remainder(first + second.astype(np.uint64), modulus)
    total: NDArray[Any] = (first + second) % modulus
    return total


def _number(numerals: NDArray[Any], radix: int, fast: bool) -> NDArray[Any]:
    if fast:
        total = np.zeros(len(numerals), np.uint64)
        for place in range(numerals.shape[1]):
            total = total * np.uint64(radix) + numerals[:, place].astype(np.uint64)
        return total
    values = np.zeros(len(numerals), object)
    for place in range(numerals.shape[1]):
        values = values * radix + numerals[:, place].astype(object)
    return values


def _numerals(numbers: NDArray[Any], radix: int, size: int, fast: bool) -> NDArray[np.int64]:
    out = np.empty((len(numbers), size), np.int64)
    base = np.uint64(radix) if fast else radix
    for place in range(size - 1, -1, -1):
        quotient = numbers // base
        out[:, place] = (numbers - quotient * base).astype(np.int64)
        numbers = quotient
    return out
