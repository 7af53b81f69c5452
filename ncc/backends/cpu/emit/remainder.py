"""The remainder of floats, exact as C's fmod: one integer division per few bits of quotient.

No instruction does it and LLVM would call the C library, so each module that needs it has a
function of its own, called lane by lane.
"""

from __future__ import annotations

from ncc.backends.cpu.emit.code import Code, Value, literal, overload


def remainder(code: Code, x: Value, y: Value) -> Value:
    """x - trunc(x / y) * y, with the sign of x."""
    name = f"remainder.{x.element}"
    suffix, kind = overload(literal(0, x.element)), x.element
    code.define(f"declare {kind} @llvm.fabs.{suffix}({kind})")
    code.define(f"declare {kind} @llvm.copysign.{suffix}({kind}, {kind})")
    code.define("declare i64 @llvm.umin.i64(i64, i64)")
    code.define(_definition(name, kind, suffix))
    if not x.lanes:
        return code.like(x, f"call {x.element} @{name}({x}, {y})")
    result = literal(0, x.element, x.lanes)
    for lane in range(x.lanes):
        a, b = code.extract(x, lane), code.extract(y, lane)
        one = code.like(a, f"call {a.element} @{name}({a}, {b})")
        result = code.like(result, f"insertelement {result}, {one}, i32 {lane}")
    return result


def _definition(name: str, kind: str, suffix: str) -> str:
    """x and y are integers m times 2**e; x's is shifted up to y's exponent by parts, modulo y's."""
    integer, mantissa = ("i32", 23) if kind == "float" else ("i64", 52)
    part = 64 - (mantissa + 1)
    infinity, nan = literal(float("inf"), kind).text, literal(float("nan"), kind).text

    def decode(v: str) -> str:
        same = f"add i64 %{v}.bits, 0"
        widened = f"zext i32 %{v}.bits to i64" if integer == "i32" else same
        return f"""\
  %{v}.size = call {kind} @llvm.fabs.{suffix}({kind} %{v})
  %{v}.bits = bitcast {kind} %{v}.size to {integer}
  %{v}.wide = {widened}
  %{v}.field = lshr i64 %{v}.wide, {mantissa}
  %{v}.low = and i64 %{v}.wide, {(1 << mantissa) - 1}
  %{v}.high = or i64 %{v}.low, {1 << mantissa}
  %{v}.tiny = icmp eq i64 %{v}.field, 0
  %{v}.m = select i1 %{v}.tiny, i64 %{v}.low, i64 %{v}.high
  %{v}.e = select i1 %{v}.tiny, i64 1, i64 %{v}.field"""

    return f"""\
define internal {kind} @{name}({kind} %x, {kind} %y) noinline #0 {{
entry:
{decode("x")}
{decode("y")}
  %unordered = fcmp uno {kind} %x, %y
  %infinite = fcmp oeq {kind} %x.size, {infinity}
  %zero = icmp eq i64 %y.m, 0
  %bad = or i1 %unordered, %infinite
  %undefined = or i1 %bad, %zero
  br i1 %undefined, label %nothing, label %defined
nothing:
  ret {kind} {nan}
defined:
  %smaller = icmp ult i64 %x.e, %y.e
  br i1 %smaller, label %same, label %first
same:
  ret {kind} %x
first:
  %distance = sub i64 %x.e, %y.e
  %start = urem i64 %x.m, %y.m
  br label %loop
loop:
  %m = phi i64 [ %start, %first ], [ %reduced, %step ]
  %left = phi i64 [ %distance, %first ], [ %rest, %step ]
  %done = icmp eq i64 %left, 0
  br i1 %done, label %scale, label %step
step:
  %bits = call i64 @llvm.umin.i64(i64 %left, i64 {part})
  %shifted = shl i64 %m, %bits
  %reduced = urem i64 %shifted, %y.m
  %rest = sub i64 %left, %bits
  br label %loop
scale:
  %integer = uitofp i64 %m to {kind}
  %above = sub i64 %y.e, {mantissa}
  %power = shl i64 %above, {mantissa}
  %below = sub i64 %y.e, 1
  %fraction = shl i64 1, %below
  %normal = icmp sgt i64 %above, 0
  %scaled = select i1 %normal, i64 %power, i64 %fraction
  %cut = {"trunc i64 %scaled to i32" if integer == "i32" else "add i64 %scaled, 0"}
  %unit = bitcast {integer} %cut to {kind}
  %size = fmul {kind} %integer, %unit
  %signed = call {kind} @llvm.copysign.{suffix}({kind} %size, {kind} %x)
  ret {kind} %signed
}}"""
