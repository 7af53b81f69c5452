"""The hashes of blocks of memory, in generated code: docs/neff.md, "Fingerprints"."""

from __future__ import annotations

from ncc.backends.cpu.emit.kernel import attributes
from ncc.backends.cpu.target import Target

FINGERPRINT = "fingerprint"
"""With the parameters of an entry: `arena` takes 8 bytes for each block of `weights`, and the first
of `io` is not a pointer but the number of blocks."""

_PARAMETERS = "ptr %arena, ptr %weights, ptr %io, ptr %sync, i64 %core, i64 %cores"
_BLOCK, _LINE = 4096, 64
_FACTOR = 0x9E3779B1
_AHEAD = 2 * _BLOCK
"""How far ahead memory is asked for: hardware looks no more than a page ahead."""


def fingerprint_module(target: Target) -> str:
    """A module with `FINGERPRINT`; each core takes its share of the blocks."""
    lanes = _LINE // 4
    key = ", ".join(f"i32 {(lane + 1) * _FACTOR % 2**32}" for lane in range(lanes))
    step = ", ".join([f"i32 {lanes * _FACTOR % 2**32}"] * lanes)
    low, high = (", ".join([f"i64 {value}"] * (lanes // 2)) for value in (2**32 - 1, 32))
    return f"""\
target triple = "{target.triple}"
declare i64 @llvm.vector.reduce.add.v8i64(<8 x i64>)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
define void @{FINGERPRINT}({_PARAMETERS}) #0 {{
entry:
  %blocks = load i64, ptr %io, align 8
  %before = mul i64 %core, %blocks
  %after = add i64 %before, %blocks
  %first = udiv i64 %before, %cores
  %end = udiv i64 %after, %cores
  br label %next
next:
  %block = phi i64 [ %first, %entry ], [ %following, %hashed ]
  %more = icmp ult i64 %block, %end
  br i1 %more, label %start, label %done
start:
  %offset = mul i64 %block, {_BLOCK}
  %data = getelementptr i8, ptr %weights, i64 %offset
  br label %line
line:
  %at = phi i64 [ 0, %start ], [ %at_next, %line ]
  %sum = phi <8 x i64> [ zeroinitializer, %start ], [ %sum_next, %line ]
  %key = phi <{lanes} x i32> [ <{key}>, %start ], [ %key_next, %line ]
  %place = getelementptr i8, ptr %data, i64 %at
  %soon = getelementptr i8, ptr %place, i64 {_AHEAD}
  call void @llvm.prefetch.p0(ptr %soon, i32 0, i32 3, i32 1)
  %words = load <{lanes} x i32>, ptr %place, align 4
  %keyed = add <{lanes} x i32> %words, %key
  %pairs = bitcast <{lanes} x i32> %keyed to <8 x i64>
  %even = and <8 x i64> %pairs, <{low}>
  %odd = lshr <8 x i64> %pairs, <{high}>
  %products = mul <8 x i64> %even, %odd
  %sum_next = add <8 x i64> %sum, %products
  %key_next = add <{lanes} x i32> %key, <{step}>
  %at_next = add i64 %at, {_LINE}
  %whole = icmp eq i64 %at_next, {_BLOCK}
  br i1 %whole, label %hashed, label %line
hashed:
  %hash = call i64 @llvm.vector.reduce.add.v8i64(<8 x i64> %sum_next)
  %result = getelementptr i64, ptr %arena, i64 %block
  store i64 %hash, ptr %result, align 8
  %following = add i64 %block, 1
  br label %next
done:
  ret void
}}
attributes #0 = {{ {attributes(target)} }}
"""
