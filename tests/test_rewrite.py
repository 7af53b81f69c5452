"""How rules are matched and applied; what they do to graphs is in the text cases of the passes."""

from __future__ import annotations

import pytest

from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.op import Elementwise, load_ops
from ncc.ir.ops.arithmetic import Abs, Add, Mul, Neg
from ncc.ir.ops.exponential import Exp
from ncc.ir.ops.reshape import Reshape
from ncc.ir.rewrite import C, D, P, Rule, Skip, Trace, V, canonical_rules, rewrite, rule
from ncc.ir.text.parser import parse
from ncc.ir.text.printer import to_text


@rule(P(Neg, P(Neg, V("x"), once=True)))
def double_negation(build: Builder, x: Value) -> Value:
    return x


@rule(P(Add, V("x"), V("x")))
def twice(build: Builder, x: Value) -> Value | Skip:
    build(Exp(), x)
    return Skip("it is left as it is")


def statements(graph: Graph) -> list[str]:
    """The nodes of a graph as text, without types."""
    return [line.split(" : ")[0].strip() for line in to_text(graph).splitlines()[1:-2]]


def program(*lines: str) -> Graph:
    body = "\n".join(lines)
    return parse(f"graph @g(%x: f32[2], %y: f32[2]) {{\n{body}\nreturn %r\n}}")


def test_a_graph_without_matches_is_the_same_graph() -> None:
    graph = program("%r = exp(%x)")
    assert rewrite(graph, [double_negation]) is graph


def test_a_chain_is_rewritten_in_one_sweep() -> None:
    pairs = [f"%{i} = neg(%{i - 1})" for i in range(1, 8)]
    graph = program("%0 = exp(%x)", *pairs, "%r = neg(%7)")
    assert statements(rewrite(graph, [double_negation], rounds=1)) == ["%0 = exp(%x)"]


def test_once_counts_readers_that_rules_added() -> None:
    @rule(P(Abs, P(Exp, V("x"))))
    def reads_again(build: Builder, x: Value) -> Value:
        return build(Mul(), x, x)

    graph = program(
        "%0 = neg(%x)", "%1 = exp(%0)", "%2 = abs(%1)", "%3 = neg(%0)", "%r = add(%2, %3)"
    )
    after = rewrite(graph, [reads_again, double_negation])
    assert statements(after) == [
        "%0 = neg(%x)",
        "%1 = mul(%0, %0)",
        "%2 = neg(%0)",
        "%3 = add(%1, %2)",
    ]


def test_a_value_that_someone_else_reads_blocks_once() -> None:
    graph = program("%0 = neg(%x)", "%1 = neg(%0)", "%r = add(%0, %1)")
    trace = Trace()
    assert rewrite(graph, [double_negation], trace=trace) is graph
    assert trace.lines == ["double_negation: neg %1 kept: neg has another use"]


def test_a_rule_that_skips_leaves_nothing_behind() -> None:
    graph = program("%r = add(%x, %x)")
    trace = Trace()
    assert rewrite(graph, [twice], trace=trace) is graph
    assert trace.lines == ["twice: add %0 kept: it is left as it is"]


def test_one_name_is_one_value() -> None:
    graph = program("%r = add(%x, %y)")
    trace = Trace()
    rewrite(graph, [twice], trace=trace)
    assert trace.lines == []


def test_the_trace_names_what_fired_and_what_was_kept_in_the_end() -> None:
    graph = program("%0 = neg(%x)", "%1 = neg(%0)", "%r = add(%1, %1)")
    trace = Trace()
    rewrite(graph, [twice, double_negation], trace=trace)
    assert trace.lines == [
        "double_negation: neg %1",
        "twice: add %0 kept: it is left as it is",
    ]


def test_constants_and_what_depends_on_inputs_are_told_apart() -> None:
    @rule(P(Add, C("c"), D("x")))
    def constant_first(build: Builder, c: Value, x: Value) -> Value:
        return build(Add(), x, c)

    graph = program(
        '%0 = weight "w" : f32[2]', "%1 = neg(%0)", "%2 = add(%1, %0)", "%r = add(%2, %x)"
    )
    assert statements(rewrite(graph, [constant_first]))[-1] == "%3 = add(%x, %2)"


def test_a_pattern_may_name_a_base_of_ops() -> None:
    @rule(P(Elementwise, P(Neg, V("x"))))
    def forget(build: Builder, x: Value) -> Value:
        return build(Abs(), x)

    graph = program("%0 = neg(%x)", "%r = exp(%0)")
    assert statements(rewrite(graph, [forget])) == ["%0 = abs(%x)"]


def test_new_nodes_carry_the_locations_of_all_that_matched() -> None:
    @rule(P(Neg, P(Exp, V("x"))))
    def squared(build: Builder, x: Value) -> Value:
        return build(Mul(), x, x)

    graph = program('%0 = exp(%x) @ "/a"', '%r = neg(%0) @ "/b"')
    (node,) = rewrite(graph, [squared]).nodes
    assert [loc.node for loc in node.locs] == ["/b", "/a"]


def test_a_rule_must_keep_the_type() -> None:
    @rule(P(Neg, V("x")))
    def flattens(build: Builder, x: Value) -> Value:
        return build(Reshape((1, 2)), x)

    with pytest.raises(AssertionError, match=r"flattens turns f32\[2\] into f32\[1, 2\]"):
        rewrite(program("%r = neg(%x)"), [flattens])


def test_rules_that_undo_each_other_come_to_an_end() -> None:
    @rule(P(Add, V("a"), V("b")))
    def swap(build: Builder, a: Value, b: Value) -> Value:
        return build(Add(), b, a)

    assert statements(rewrite(program("%r = add(%x, %y)"), [swap], rounds=3)) == [
        "%0 = add(%y, %x)"
    ]


def test_canonical_rules_are_in_order_of_their_place() -> None:
    load_ops()

    def place(rule: Rule) -> tuple[str, int]:
        return rule.body.__module__, rule.body.__code__.co_firstlineno

    places = [place(rule) for rule in canonical_rules()]
    assert places == sorted(places)
